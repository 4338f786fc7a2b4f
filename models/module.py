"""What models are made of: a Module holds parameters and other modules as attributes, and knows how to find them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from reprlib import recursive_repr
from textwrap import indent
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, TypeVar

import numpy as np

from minigrad.array_files import CHECKPOINT, read_arrays, write_arrays
from minigrad.context import frozen, scope, trace
from minigrad.models.inputs import array_of
from minigrad.node import Array, Node, Parameter
from minigrad.signatures import parameters as arguments_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.models.summary import Summary


M = TypeVar("M")


class InPlaceOrNew:
    """A method `load(self, path)` that may also be called on the class: then on a new object, made of the arguments after the path."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: M | None, owner: type[M]) -> Callable[..., M]:
        if instance is not None:
            return MethodType(self.method, instance)

        @wraps(self.method)
        def load(path: str | os.PathLike[str], *arguments: Any, **keywords: Any) -> M:
            try:
                signature(owner).bind(*arguments, **keywords)
            except TypeError as error:
                raise TypeError(
                    f"{owner.__name__}.load(path, ...): after the path come the arguments of {owner.__name__} ({error}): the file "
                    "holds arrays and does not tell how the model is built"
                ) from None
            found: M = self.method(owner(*arguments, **keywords), path)
            return found

        return load


class Module:
    """A part of a model. A subclass assigns Parameters and modules (or lists, tuples, dicts of them) as attributes
    and defines `forward(self, *inputs) -> node`; calling the module runs it in a scope named after the class.

    The order of parameters is the order of assignment; one that is shared counts once, under the path it has first. A
    parameter without a name gets its path, which grows as modules become part of others: "W", "output.W". Sets have no
    order, so that modules and parameters in them are refused, and so are two paths that read the same.

    What else a layer may rely on, or define:

    self.training: True in training, False in evaluation; read it in `forward`, never set it there
    state:         what is kept but not trained is an attribute too, Parameter(array, trainable=False). It is part of
                   `parameters()`, `state_dict()` and `summary()`; `backward` and optimizers pass it over. `mg.update` writes
                   into it, but for a frozen module
    description(): the arguments `repr` shows; none by default
    input_dtype:   of the first input. It is that of the first floating-point parameter, unless the class says otherwise

    There is no rule for output shapes to define: `summary` runs the module on zeros, in evaluation, and looks.

    >>> import numpy as np, minigrad as mg
    >>> from minigrad.models import Module
    >>> class Line(Module):
    ...     def __init__(self) -> None:
    ...         self.slope = mg.Parameter(2.0)
    ...
    ...     def forward(self, x: mg.Node) -> mg.Node:
    ...         return self.slope * x
    >>> Line()(mg.Input([1.0, 2.0])).value, Line().named_parameters()
    (array([2., 4.]), [('slope', <Parameter "slope" () float64 = 2.>)])
    """

    training: bool = True
    _frozen: frozenset[Parameter] = (
        frozenset()
    )  # what `freeze` froze, so that `unfreeze` leaves running statistics alone

    def __call__(self, *inputs: Any, **options: Any) -> Node:
        return self.call_as(type(self).__name__.lower(), *inputs, **options)

    def call_as(self, name: str, *inputs: Any, **options: Any) -> Node:
        """Run the module as a call does, in a scope of the given name."""
        if "lengths" in options and "mask" in (known := arguments_of(self.forward)) and "lengths" not in known:
            raise TypeError(no_lengths(type(self).__name__))
        with scope(name):
            output = self._located(self.forward, *inputs, **options)
        observe = OBSERVER.get()
        if observe is not None:
            observe(self, output)
        return output

    def _located(self, function: Callable[..., R], *inputs: Any, **options: Any) -> R:
        """Call a method that builds nodes. In a frozen module states are kept; an error says which module within it is from."""
        self.watched()
        token = frozen.set(is_frozen(self))
        try:
            return function(*inputs, **options)
        except (ValueError, TypeError, IndexError, FloatingPointError) as error:
            locate(error, self)
            raise
        finally:
            frozen.reset(token)

    def watched(self) -> None:
        """Tell a running trace of `mg.compile` that its program depends on what this module and those within are made of."""
        if (running := trace.get()) is not None:
            for _, module in self.named_modules():
                running.watch(module)

    def forward(self, *inputs: Any, **options: Any) -> Node:
        """The output as a node, from the inputs."""
        raise TypeError(f"{type(self).__name__} defines no forward: write forward(self, *inputs) -> node")

    # Parameters and modules -------------------------------------------------------------------------------------------

    def parameters(self) -> list[Parameter]:
        """List all parameters, trainable or not, those of nested modules included, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """List the parameters with their paths: [("layers.0.W", ...), ...]."""
        return _named_parameters(self)

    def named_modules(self) -> list[tuple[str, Module]]:
        """List the module itself, under the path "", and all within it, each once: [("", ...), ("layers.0", ...), ...]."""
        return [(path, member) for path, member in _members(self) if isinstance(member, Module)]

    def weights_and_biases(self) -> tuple[list[Parameter], list[Parameter]]:
        """Split the trainable parameters: those of two or more axes, which penalties shrink, and the vectors."""
        trained = [p for p in self.parameters() if p.trainable]
        return [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim < 2]

    def n_parameters(self, *, trainable: bool | None = None) -> int:
        """Count the numbers that the parameters hold; `trainable` counts only the trainable ones, or only the others."""
        return sum(p.size for p in self.parameters() if trainable is None or p.trainable == trainable)

    def own_members(self) -> list[tuple[str, Module | Parameter]]:
        """List the modules and parameters among the attributes, and in lists, tuples and dicts among them."""
        found: list[tuple[str, Module | Parameter]] = []
        seen = {id(self)}
        for name, value in _entries(self):
            found += _members(value, name, seen, enter=False)
        return found

    def freeze(self) -> Self:
        """Keep all parameters as they are: backward and optimizers pass them over, until `unfreeze`.

        States are kept too: `mg.update` in a frozen module writes nothing, and a frozen `BatchNorm` uses its running
        statistics, in training as in evaluation.
        """
        trained = {p for p in self.parameters() if p.trainable}
        for _, module in self.named_modules():
            vars(module)[FROZEN] = module._frozen | trained.intersection(module.parameters())
        for parameter in trained:
            parameter.trainable = False
            parameter.grad = None
        return self

    def unfreeze(self) -> Self:
        """Train again what `freeze` froze, here or in a module within. Running statistics stay untrained.

        An optimizer that was made while they were frozen trains them too from its next step on, if it was given them.
        """
        for _, module in self.named_modules():
            for parameter in module._frozen:
                parameter.trainable = True
            vars(module).pop(FROZEN, None)
        return self

    # State ------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copy all parameters' arrays into a dict, by path."""
        return {path: parameter._value.copy() for path, parameter in self.named_parameters()}

    def load_state_dict(self, arrays: Mapping[str, npt.ArrayLike], *, strict: bool = True) -> Unmatched:
        """Write the arrays of a `state_dict` into the parameters. ValueError, and no change, unless every one fits.

        strict: False writes those whose paths both have, and gives the paths of the others: parameters that keep what they
                hold, and arrays that were passed over. An array of another shape or dtype is an error all the same, and so
                are arrays of which none has the path of a parameter
        """
        own, asker = dict(self.named_parameters()), f"{type(self).__name__}.load_state_dict"
        if not isinstance(arrays, Mapping):
            raise TypeError(
                f"{asker}: expected a dict of arrays by path, as state_dict() gives, found {type(arrays).__name__}"
            )
        found = {path: np.asarray(array) for path, array in arrays.items()}
        for path, array in found.items():
            if array.dtype.kind in "fV":
                array_of(f"{asker}: {path}", array)
        left = Unmatched([path for path in own if path not in found], [path for path in found if path not in own])
        problems = [f"{path} is missing" for path in left.missing_keys]
        problems += [f"{path} is unexpected" for path in left.unexpected_keys]
        if not strict and (len(left.unexpected_keys) < len(found) or not found):
            problems = []
        both = [path for path in own if path in found]
        for path in both:
            array, parameter = found[path], own[path]
            if (array.shape, array.dtype) != (parameter.shape, parameter.dtype):
                problems.append(
                    f"{path} has shape {array.shape} and dtype {array.dtype}, expected {parameter.shape} and "
                    f"{parameter.dtype}"
                )
        if problems:
            raise ValueError(
                f"{asker}: {'; '.join(problems)}. Nothing was changed: load the state of a model built with the same sizes and dtype"
            )
        for path in both:
            own[path].value = found[path]
        return left

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the arrays of all parameters, running statistics included, to a file: safetensors with a checksum, no code.

        What else the model is made of is not in the file: keep the code that builds it, and see `load`.

        Errors: OSError names the file that cannot be written, which is then as it was.
        """
        write_arrays(path, self.state_dict())

    @InPlaceOrNew
    def load(self, path: str | os.PathLike[str]) -> Self:
        """Read the arrays that `save` wrote into this model, and give it back; or into a new one, called on the class.

        The file holds numbers and no code, so that the model is built by its own code: `build().load(path)`, or
        `Dense.load(path, 4, 3)`, which is `Dense(4, 3).load(path)`: arguments after the path are the constructor's.

        Errors: FileNotFoundError; `UnreadableFileError` for a file that is damaged, was changed, or is something else; ValueError for one
        whose arrays have other paths, shapes or dtypes. All name the file; the model is then as it was.

        >>> import tempfile
        >>> from minigrad.models import Dense
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     layer = Dense(2, 1, rng=0)
        ...     layer.save(f"{folder}/layer.safetensors")
        ...     same = Dense(2, 1).load(f"{folder}/layer.safetensors")
        >>> bool((same.W.value == layer.W.value).all())
        True
        """
        arrays, texts = read_arrays(path)
        if CHECKPOINT in texts:
            raise ValueError(
                f"{os.fspath(path)} is a checkpoint, which holds more than a model: load_checkpoint(path, model), of minigrad.optim, or "
                "fit(..., checkpoints=folder) where fit wrote it"
            )
        try:
            self.load_state_dict(arrays)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{os.fspath(path)} does not fit this {type(self).__name__}: {error}") from None
        return self

    # Modes ------------------------------------------------------------------------------------------------------------

    def train(self) -> Self:
        """Switch to training (what a module is born in): dropout drops, statistics run."""
        return self._switch(True)

    def eval(self) -> Self:
        """Switch to evaluation. A graph that was built before keeps the mode it was built in."""
        return self._switch(False)

    def _switch(self, training: bool) -> Self:
        for _, member in self.named_modules():
            member.training = training
        return self

    # Looking at it ----------------------------------------------------------------------------------------------------

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """The dtype of inputs that `summary` makes up."""
        return next((p.dtype for p in self.parameters() if p.dtype.kind == "f"), np.dtype(np.float32))

    def summary(
        self, input_shape: Shape | None = None, *more_shapes: Shape, dtype: npt.DTypeLike | None = None
    ) -> Summary:
        """Print what the module is made of, and give the text back: a row per module with its output shape and its
        number of parameters (those of modules within included), then their totals, in which shared parameters count once.
        Modules within modules are indented below them, those that are called on their own.

        input_shape: of one example, (784,), or of a batch, (None, 784). Without it there are no output shapes
        more_shapes: of further inputs, where forward takes several
        dtype:       of the inputs; by default the module's `input_dtype`

        The module runs once on zeros, in evaluation; modes, parameters and generators stay as they are. A batch's
        length is shown as None. A module that is called several times shows its last output.

        >>> from minigrad.models import Dense, Sequential
        >>> Sequential(Dense(4, 2), Dense(2, 1)).summary((4,))
        Model: "sequential"
        Layer (type)     Output Shape  Param #
        ======================================
        dense_1 (Dense)  (None, 2)          10
        dense_2 (Dense)  (None, 1)           3
        ======================================
        Total params: 13
        Trainable params: 13
        Non-trainable params: 0
        <Summary of Sequential: 13 parameters>
        """
        from minigrad.models.summary import summarize  # which needs to know what a module is

        shapes = () if input_shape is None else (input_shape, *more_shapes)
        text = summarize(self, shapes, self.input_dtype if dtype is None else np.dtype(dtype))
        print(text)
        return text

    def description(self) -> str:
        """The arguments that `repr` shows."""
        return ""

    @recursive_repr()
    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.description()})"
        parts = [f"{path}: {member!r}" for path, member in self.own_members() if isinstance(member, Module)]
        return "\n".join([head, *[indent(part, "  ") for part in parts]])

    def __setattr__(self, name: str, value: Any) -> None:
        named = _named_parameters(value, name)
        super().__setattr__(name, value)
        if any(member is self for _, member in _members(value)):  # one that holds its owner does not name it
            return
        for path, parameter in named:
            if not parameter.name or path.endswith(f".{parameter.name}"):
                parameter.name = path


class Unmatched(NamedTuple):
    """The paths that `load_state_dict` found on one side only: of parameters without an array, and of arrays without one."""

    missing_keys: list[str]
    unexpected_keys: list[str]


Shape: TypeAlias = tuple[int | None, ...]
Observer: TypeAlias = Callable[[Module, Any], None]
OBSERVER: ContextVar[Observer | None] = ContextVar("minigrad.models", default=None)  # who is told of every call
CULPRIT = "_minigrad_module"  # in an error: the id of the innermost module it came from, and its message there
FROZEN = "_frozen"  # the attribute that is no part of a model
R = TypeVar("R")


def is_frozen(module: Module) -> bool:
    """Whether `freeze` was called on the module, or on one it is part of, and `unfreeze` was not since."""
    return FROZEN in vars(module)


def no_lengths(layer: str) -> str:
    """The message of a layer that takes a mask and is given lengths."""
    return f"{layer} takes no lengths: write mask=np.arange(u.shape[1]) < lengths[:, np.newaxis]"


def locate(error: Exception, module: Module) -> None:
    """Say in the error where in the module it comes from; of modules in modules, the outermost has the last word."""
    culprit, message = vars(error).setdefault(CULPRIT, (id(module), error.args[0] if error.args else ""))
    path = next((path for path, member in module.named_modules() if id(member) == culprit), "")
    if path and isinstance(message, str):
        error.args = (f"{message} (in {path} of {type(module).__name__})", *error.args[1:])


def holds_members(value: Any) -> bool:
    """Whether a value is a module or parameter, or a list, tuple or dict with some in it."""
    return any(True for _ in _members(value))


def all_paths(value: Any, path: str = "", above: frozenset[int] = frozenset()) -> Iterator[tuple[str, Parameter]]:
    """Every path that leads to a parameter: several where one is shared. None goes through a module twice."""
    if isinstance(value, Parameter):
        yield path, value
    elif id(value) not in above:
        for key, entry in _entries(value):
            yield from all_paths(entry, _joined(path, key), above | {id(value)})


def _named_parameters(value: Any, path: str = "") -> list[tuple[str, Parameter]]:
    """The parameters in a value with their paths, which must differ: a state_dict could not tell them apart."""
    found = [(path, member) for path, member in _members(value, path) if isinstance(member, Parameter)]
    paths = [path for path, _ in found]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(
            f'two parameters have the path {twice!r}: in a dict 1 and "1" read the same, and so do a key with a dot and a '
            "dict in a dict; rename one"
        )
    return found


def _members(
    value: Any, path: str = "", seen: set[int] | None = None, *, enter: bool = True
) -> Iterator[tuple[str, Module | Parameter]]:
    """The modules and parameters in a value, itself included, with their paths: depth first, each once.

    enter=False stops at modules, and does not look inside them.
    """
    seen = set() if seen is None else seen
    if not isinstance(value, Module | Parameter | list | tuple | dict) or id(value) in seen:
        if isinstance(value, AbstractSet | deque) and any(isinstance(entry, Module | Parameter) for entry in value):
            raise TypeError(
                f"{path}: modules and parameters are found in lists, tuples and dicts, not in a {type(value).__name__}"
            )
        return
    seen.add(id(value))
    if isinstance(value, Module | Parameter):
        yield path, value
        if not enter:
            return
    for key, entry in _entries(value):
        yield from _members(entry, _joined(path, key), seen, enter=enter)


def _joined(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    """What a module or a container holds, by attribute, key or place."""
    if isinstance(value, Module):
        yield from ((name, entry) for name, entry in vars(value).items() if name != FROZEN)
    elif isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
