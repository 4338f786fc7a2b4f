"""The layers most nets are made of: sequences of layers, dense layers, embeddings, dropout, learned and random slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from math import inf, prod, sqrt
from operator import index
from typing import TYPE_CHECKING, Any, Literal, NoReturn, SupportsIndex, TypeAlias, overload

import numpy as np

from minigrad.dispatch import TABLE
from minigrad.models.initializers import Initializer, glorot_uniform, normal
from minigrad.models.inputs import Indices, array_of, count, float_dtype, floats, started
from minigrad.models.module import Module, holds_members, no_lengths
from minigrad.node import Input, Node, Parameter
from minigrad.ops import expand_dims, maximum, prelu, random_bernoulli, rrelu, stop_gradient, where
from minigrad.ops.activations import SELU_ALPHA, SELU_SCALE

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Operand

Activation: TypeAlias = Callable[[Node], Node]


class Sequential(Module):
    """y = f_n(… f_2(f_1(x))): layers one after the other;  the adjoint goes through them from the last to the first.

    layers: modules, or functions of a node such as np.tanh and mg.relu. They are called "dense_1", "dense_2", "dropout_1",
            after their class and in order; so are their parameters ("dense_1.W") and their scopes
    named:  further layers, under names of their own

    `net[0]`, `net[-1]` and `net["dense_1"]` are layers; `net[:2]` is a Sequential of the same layers, sharing parameters.

    >>> import numpy as np, minigrad as mg
    >>> from minigrad.models import Dense, Sequential
    >>> net = Sequential(Dense(2, 3, np.tanh, rng=0), Dense(3, 3, mg.relu, rng=1), output=Dense(3, 1, rng=2))
    >>> net
    Sequential()
      dense_1: Dense(2, 3, tanh)
      dense_2: Dense(3, 3, relu)
      output: Dense(3, 1)
    >>> net(np.zeros((4, 2), np.float32)).shape, len(net), net["output"] is net[-1]
    ((4, 1), 3, True)
    """

    def __init__(self, *layers: Activation | Module, **named: Activation | Module) -> None:
        modules = [_as_module(layer, f"layer {i}") for i, layer in enumerate(layers)]
        self._names: tuple[str, ...] = ()
        for name, layer in zip(_numbered([_kind(module) for module in modules]), modules, strict=True):
            self._add(name, layer)
        for name, given in named.items():
            self._add(name, _as_module(given, name))

    def _add(self, name: str, layer: Module) -> None:
        if hasattr(self, name):
            taken = "a layer's" if name in self._names else "taken by Module"
            raise ValueError(f"Sequential: a layer cannot be called {name!r}, which is {taken}: give it another name")
        self._names = (*self._names, name)
        setattr(self, name, layer)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self).get("_names", ()):
            value = _as_module(value, name)
        elif type(self).forward is Sequential.forward and holds_members(value):
            raise TypeError(
                f"Sequential: {name!r} is none of its layers, and would never run: give all layers to the constructor, or "
                "write forward in a class of your own"
            )
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._names:
            raise AttributeError(
                f"Sequential: the layer {name!r} cannot be deleted: make another of those to keep, net[:2]"
            )
        super().__delattr__(name)

    def forward(self, x: Operand, **options: Any) -> Node:
        """The last layer's output. What comes by name, as `mask`, goes to the layers whose forward takes an argument of that name."""
        for key in options:
            if not takes(self, key):
                if key == "lengths" and takes(self, "mask"):
                    raise TypeError(no_lengths("Sequential"))
                raise TypeError(f"Sequential: none of the layers {', '.join(self._names)} takes an argument {key!r}")
        for name in self._names:
            layer = self[name]
            x = layer.call_as(name, x, **{key: given for key, given in options.items() if takes(layer, key)})
        return x if isinstance(x, Node) else Input(x)  # of no layers at all

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Module]:
        return (self[name] for name in self._names)

    @overload
    def __getitem__(self, place: int | str) -> Module: ...
    @overload
    def __getitem__(self, place: slice) -> Sequential: ...
    def __getitem__(self, place: int | str | slice) -> Module:
        if isinstance(place, slice):
            return Sequential(**{name: self[name] for name in self._names[place]})
        if isinstance(place, str):
            if place not in self._names:
                raise KeyError(f"Sequential has no layer {place!r}; it has {', '.join(self._names)}")
            return vars(self)[place]  # type: ignore[no-any-return]
        if not -len(self) <= place < len(self):
            raise IndexError(f"Sequential has {len(self)} layers, and no layer {place}")
        return self[self._names[place]]

    def __setitem__(self, place: Any, layer: Any) -> NoReturn:
        name = self._names[place] if isinstance(place, int) and -len(self) <= place < len(self) else place
        raise TypeError(
            f"Sequential: a layer is replaced under its name, net.{name} = layer, before the optimizer is made; or make another "
            "of those to keep, Sequential(*net[:-1], layer)"
        )

    def __delitem__(self, place: Any) -> NoReturn:
        raise TypeError("Sequential: a layer cannot be deleted: make another of those to keep, net[:2]")

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """That of its first layer with parameters."""
        return next((layer.input_dtype for layer in self if layer.parameters()), np.dtype(np.float32))


class Function(Module):
    """A function of a node as a layer: what a Sequential makes of np.tanh."""

    def __init__(self, function: Activation) -> None:
        self.name = name_of("Sequential", function)
        self.function = TABLE.get(function, function)

    def forward(self, x: Operand) -> Node:
        """The function's node."""
        return self.function(x if isinstance(x, Node) else Input(x))

    def description(self) -> str:
        """The function's name."""
        return self.name


class Dense(Module):
    """y = σ(x W' + b): every output is a weighted sum of all inputs;  with δ = ȳ σ'(·): W̄ = δ' x, b̄ = Σ δ, x̄ = δ W.

    Shapes: x (batch, ..., n_inputs), y (batch, ..., n_outputs); W (n_outputs, n_inputs), b (n_outputs,).

    activation:  σ, any function of nodes that keeps the shape: np.tanh, mg.relu, mg.softmax, ...; None for none
    bias:        False leaves b out (a score w'x, a layer before a BatchNorm)
    initializer: of W, Glorot's uniform by default, for relu `initializers.he_uniform()`; b starts at 0
    dtype:       of the parameters, to which floating-point inputs are cast
    rng:         a numpy Generator or a seed; None starts differently in every run

    >>> import numpy as np
    >>> from minigrad.models import Dense
    >>> layer = Dense(20, 8, np.tanh, rng=0)
    >>> layer(np.ones((5, 20), np.float32)).shape, layer.n_parameters()
    ((5, 8), 168)
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_outputs: SupportsIndex,
        activation: Activation | None = None,
        *,
        bias: bool = True,
        initializer: Initializer | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.n_inputs = count("Dense", "n_inputs", n_inputs)
        self.n_outputs = count("Dense", "n_outputs", n_outputs)
        self.activation_name = "" if activation is None else name_of("Dense", activation)
        self.activation = None if activation is None else TABLE.get(activation, activation)
        self.dtype = float_dtype("Dense", dtype)
        start = glorot_uniform() if initializer is None else initializer
        shape = (self.n_outputs, self.n_inputs)
        self.W = Parameter(started("Dense", "W", start, shape, np.random.default_rng(rng), self.dtype))
        self.b = Parameter(np.zeros(self.n_outputs, self.dtype)) if bias else None

    def forward(self, x: Operand) -> Node:
        """(batch, ..., n_outputs) from inputs (batch, ..., n_inputs)."""
        node = floats("Dense", x, self.dtype)
        if node.ndim < 2 or node.shape[-1] != self.n_inputs:
            raise ValueError(
                f"Dense: expected inputs of shape (batch, ..., {self.n_inputs}), found {node.label}: features come last, one "
                "example is a batch of one, x[np.newaxis], and Flatten() makes vectors of images"
            )
        y = node @ self.W.T
        if self.b is not None:
            y = y + self.b
        return y if self.activation is None else activated("Dense", self.activation, y)

    def description(self) -> str:
        """Sizes, and what differs from the defaults."""
        parts = [
            str(self.n_inputs),
            str(self.n_outputs),
            self.activation_name,
            "" if self.b is not None else "bias=False",
        ]
        return ", ".join(filter(None, parts))


class Embedding(Module):
    """y = W[i]: a learnt vector for every index;  W̄[i] += ȳ, so rows that no index names have gradient 0.

    Shapes: i (batch, ...), integers from 0 to n_embeddings − 1; y (batch, ..., n_features); W (n_embeddings, n_features).

    padding_idx: an index from 0 to n_embeddings − 1 that stands for padding: its row starts at 0 and has gradient 0, so
                 training leaves it there. None for none
    initializer: of W, N(0, 1 / n_features) by default, so that vectors have length 1 on average (in the square)

    Errors: IndexError for an index out of range, in replays too.

    >>> from minigrad.models import Embedding
    >>> Embedding(100, 4, rng=0)([[3, 1, 4], [1, 5, 9]]).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        n_embeddings: SupportsIndex,
        n_features: SupportsIndex,
        *,
        padding_idx: SupportsIndex | None = None,
        initializer: Initializer | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        kind = type(self).__name__
        self.n_embeddings = count(kind, "n_embeddings", n_embeddings)
        self.n_features = count(kind, "n_features", n_features)
        self.dtype = float_dtype(kind, dtype)
        start = normal(1 / sqrt(self.n_features)) if initializer is None else initializer
        shape = (self.n_embeddings, self.n_features)
        W = started(kind, "W", start, shape, np.random.default_rng(rng), self.dtype)
        self.padding_idx = None if padding_idx is None else self._row("padding_idx", padding_idx)
        if self.padding_idx is not None:
            W = W.copy()
            W[self.padding_idx] = 0
        self.W = Parameter(W)

    def _row(self, name: str, given: SupportsIndex) -> int:
        if isinstance(given, bool) or not hasattr(given, "__index__") or not 0 <= index(given) < self.n_embeddings:
            raise ValueError(
                f"{type(self).__name__}({name}={given!r}): expected an index from 0 to {self.n_embeddings - 1}, or None"
            )
        return index(given)

    def forward(self, indices: Operand) -> Node:
        """(batch, ..., n_features) from indices (batch, ...)."""
        i = as_indices(type(self).__name__, indices)
        vectors = self._vectors(i)
        if self.padding_idx is None:
            return vectors
        return where(expand_dims(i == self.padding_idx, -1), stop_gradient(vectors), vectors)

    def _vectors(self, indices: Node) -> Node:
        return self.W[Indices(indices, n=self.n_embeddings, role="embeddings; unknown words need one of their own")]

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """Indices are integers."""
        return np.dtype(np.int64)

    def description(self) -> str:
        """Sizes, and the index of padding."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.n_embeddings}, {self.n_features}{padding}"


class EmbeddingBag(Embedding):
    """y = (W[i_1] + … + W[i_n]) / n, or the sum alone, for sets whose order does not matter;  W̄[i_k] += ȳ / n, or ȳ.

    Shapes: i (batch, ..., n) to y (batch, ..., n_features); n at least 1.

    how:         "mean" or "sum"
    padding_idx: as in `Embedding`; entries that have it do not count, as where a mask is False
    initializer: as in `Embedding`

    With a mask (boolean, of the shape of i) only entries count where it holds, and n is how many those are: bags of several
    sizes, padded. What stands elsewhere may be any integer, −1 too. A bag in which nothing counts is 0.

    >>> from minigrad.models import EmbeddingBag
    >>> bag = EmbeddingBag(100, 4, rng=0)
    >>> bag([[3, 1, -1], [1, 5, 9]], mask=[[True, True, False], [True, True, True]]).shape
    (2, 4)
    """

    def __init__(
        self,
        n_embeddings: SupportsIndex,
        n_features: SupportsIndex,
        how: Literal["mean", "sum"] = "mean",
        *,
        padding_idx: SupportsIndex | None = None,
        initializer: Initializer | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        if how not in ("mean", "sum"):
            raise ValueError(f'EmbeddingBag(how={how!r}): "mean" or "sum"')
        super().__init__(
            n_embeddings, n_features, padding_idx=padding_idx, initializer=initializer, dtype=dtype, rng=rng
        )
        self.how = how

    def forward(self, indices: Operand, mask: Operand | None = None) -> Node:
        """(batch, ..., n_features) from indices (batch, ..., n)."""
        i = as_indices("EmbeddingBag", indices)
        if i.ndim < 2 or i.shape[-1] == 0:
            raise ValueError(
                f"EmbeddingBag: expected indices of shape (batch, ..., n) with n >= 1, found {i.label}: one bag is a batch "
                "of one, i[np.newaxis], and an empty bag is one whose mask is False throughout"
            )
        counts = self._counted(i, mask)
        if counts is None:
            vectors = self._vectors(i)
            return vectors.mean(axis=-2) if self.how == "mean" else vectors.sum(axis=-2)
        total = where(expand_dims(counts, -1), self._vectors(where(counts, i, 0)), 0.0).sum(axis=-2)
        if self.how == "sum":
            return total
        return total / maximum(counts.astype(self.dtype).sum(axis=-1, keepdims=True), 1.0)

    def _counted(self, i: Node, mask: Operand | None) -> Node | None:
        """Where an index counts: where the mask holds and it is not that of padding; None where all count."""
        present = None if self.padding_idx is None else i != self.padding_idx
        if mask is None:
            return present
        counts = mask if isinstance(mask, Node) else Input(array_of("EmbeddingBag(mask)", mask), "mask")
        if counts.dtype.kind != "b" or counts.shape != i.shape:
            raise ValueError(
                f"EmbeddingBag: expected a boolean mask of the indices' shape {i.shape}, found {counts.label} of dtype "
                f"{counts.dtype}: True where an index counts, as in indices != padding"
            )
        return counts if present is None else counts & present

    def description(self) -> str:
        """Sizes, and how."""
        return f"{super().description()}, {self.how!r}"


class Dropout(Module):
    """y = x m / (1 − rate) in training, m = 0 with probability `rate` entry by entry, else 1;  x̄ = ȳ m / (1 − rate).

    In evaluation y = x. Dividing by what is kept leaves the mean of y that of x, so that nothing needs scaling then. The
    mask is a random node: every replay draws anew, and the adjoint uses the mask its forward pass drew.

    rate: the fraction dropped (not the one kept), from 0 to below 1
    rng:  a numpy Generator or a seed, which the masks are drawn from; None draws differently in every run

    A copy has a generator of its own, in the same state. There are no parameters.

    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, Dropout: A simple way to prevent neural
    networks from overfitting, JMLR 15, 2014; scaled in training, not in evaluation ("inverted").
    """

    def __init__(self, rate: float, *, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"{type(self).__name__}(rate={rate!r}): the fraction dropped, from 0 to below 1")
        self.rate = float(rate)
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Operand) -> Node:
        """y, of x's shape."""
        name = type(self).__name__
        node = x if isinstance(x, Node) else Input(array_of(name, x), "x")
        if node.dtype.kind != "f":
            raise TypeError(f"{name}: {node.label} holds {node.dtype}, expected floating-point numbers")
        if not self.training or self.rate == 0:
            return node
        return self._dropped(node, random_bernoulli(node.shape, 1 - self.rate, rng=self.rng))

    def _dropped(self, x: Node, kept: Node) -> Node:
        return where(kept, x * (1 / (1 - self.rate)), 0.0)

    def description(self) -> str:
        """The rate."""
        return str(self.rate)


class AlphaDropout(Dropout):
    """y = a (x m + s (1 − m)) + b in training, m = 0 with probability `rate` entry by entry, else 1;  x̄ = ȳ a m.

    Dropout for `mg.selu`: what is dropped becomes s = −λα = −1.7581, the value of selu far to the left, and
    a = 1 / √(q (1 + rate s²)) with q = 1 − rate, b = −a rate s keep mean 0 and variance 1. In evaluation y = x.

    rate, rng: as in `Dropout`

    G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, Self-normalizing neural networks, NIPS 2017.
    """

    def _dropped(self, x: Node, kept: Node) -> Node:
        saturated = -SELU_ALPHA * SELU_SCALE
        scale = 1 / sqrt((1 - self.rate) * (1 + self.rate * saturated**2))
        shift = -scale * self.rate * saturated
        return where(kept, x * scale + shift, scale * saturated + shift)


class RReLU(Module):
    """y = x where x > 0, else s x, s ~ U[lower, upper) entry by entry;  x̄ = ȳ where x > 0, else s ȳ. Random only in training.

    In evaluation s is the mean slope (lower + upper) / 2, see `mg.rrelu`. Every replay draws anew.

    rng: a numpy Generator or a seed, which the slopes are drawn from; None draws differently in every run

    A copy has a generator of its own, in the same state. There are no parameters.

    B. Xu, N. Wang, T. Chen and M. Li, Empirical evaluation of rectified activations in convolutional network, 2015.
    """

    def __init__(
        self, rng: np.random.Generator | int | None = None, *, lower: float = 1 / 8, upper: float = 1 / 3
    ) -> None:
        if not 0 <= lower <= upper < inf:
            raise ValueError(f"RReLU(lower={lower!r}, upper={upper!r}): slopes lie between 0 <= lower <= upper")
        self.lower, self.upper = float(lower), float(upper)
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Operand) -> Node:
        """y, of x's shape."""
        node = x if isinstance(x, Node) else Input(array_of("RReLU", x), "x")
        return rrelu(node, self.lower, self.upper, rng=self.rng if self.training else None)


class PReLU(Module):
    """y = x where x > 0, else α x, with α learned;  x̄ = ȳ where x > 0, else α ȳ, and ᾱ = Σ x ȳ over all x ≤ 0 that share it.

    Shapes: x and y (batch, ..., n_features); alpha (n_features,), or (1,) for one slope that all features share (the default).

    alpha: what the slopes start at. A penalty on weights leaves them out: it would make relu of them

    K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015.
    """

    def __init__(
        self, n_features: SupportsIndex = 1, *, alpha: float = 0.25, dtype: npt.DTypeLike = np.float32
    ) -> None:
        self.n_features = count("PReLU", "n_features", n_features)
        self.dtype = float_dtype("PReLU", dtype)
        self.alpha = Parameter(np.full(self.n_features, alpha, self.dtype))

    def forward(self, x: Operand) -> Node:
        """y, of x's shape."""
        node = floats("PReLU", x, self.dtype)
        if node.ndim < 2 or self.n_features not in (1, node.shape[-1]):
            raise ValueError(f"PReLU: expected inputs of shape (batch, ..., {self.n_features}), found {node.label}")
        return prelu(node, self.alpha)

    def description(self) -> str:
        """The number of slopes."""
        return str(self.n_features)


class Flatten(Module):
    """y = x with all axes but the batch in one, row by row: (batch, a, b, ...) to (batch, a · b · ...);  x̄ = ȳ in x's shape."""

    def forward(self, x: Operand) -> Node:
        """(batch, features) from (batch, ...)."""
        node = x if isinstance(x, Node) else Input(array_of("Flatten", x), "x")
        if node.ndim < 2:
            raise ValueError(
                f"Flatten: expected inputs of shape (batch, ...) with two axes or more, found {node.label}: one example is a "
                "batch of one, x[np.newaxis]"
            )
        return node.reshape(node.shape[0], prod(node.shape[1:]))


# What layers ask of what they are given ------------------------------------------------------------------------------


def as_indices(layer: str, given: Operand) -> Node:
    """Indices as a node of integers, (batch, ...)."""
    node = given if isinstance(given, Node) else Input(array_of(f"{layer}(indices)", given), "indices")
    if node.dtype.kind not in "iu":
        raise TypeError(
            f"{layer}: expected integer indices, found {node.label} of dtype {node.dtype}; indices of one-hot rows are "
            "rows.argmax(axis=-1)"
        )
    if node.ndim < 1:
        raise ValueError(f"{layer}: expected indices of shape (batch, ...), found a single one: write [i]")
    return node


def activated(layer: str, activation: Activation, pre_activation: Node) -> Node:
    """The activation's node, which must have kept the shape."""
    y = activation(pre_activation)
    if not isinstance(y, Node) or y.shape != pre_activation.shape:
        found = getattr(y, "label", type(y).__name__)
        raise TypeError(
            f"{layer}: the activation made {found} of {pre_activation.label}, expected a node of the same shape: np.tanh, "
            "mg.relu, or any function written with np.* and operators"
        )
    return y


def name_of(layer: str, function: Activation) -> str:
    """What to call a function in a listing. A name instead of a function is an error that says so."""
    if not callable(function):
        raise TypeError(
            f"{layer}: expected a function of a node, such as np.tanh, mg.relu or mg.sigmoid, found {function!r}: activations are "
            "functions, not names"
        )
    return str(getattr(function, "__name__", type(function).__name__)).strip("<>")


def _as_module(layer: Activation | Module, place: str) -> Module:
    if isinstance(layer, Module):
        return layer
    if not callable(layer) or isinstance(layer, type):
        found = f"the class {layer.__name__}: call it" if isinstance(layer, type) else repr(layer)
        raise TypeError(f"Sequential: {place} is neither a module nor a function of a node, but {found}")
    return Function(layer)


def takes(module: Module, argument: str) -> bool:
    """Whether a module's forward has an argument of that name, or, of a Sequential, that of one of its layers."""
    if isinstance(module, Sequential) and type(module).forward is Sequential.forward:
        return any(takes(layer, argument) for layer in module)
    return argument in signature(module.forward).parameters


def _kind(module: Module) -> str:
    return module.name if isinstance(module, Function) else type(module).__name__.lower()


def _numbered(kinds: list[str]) -> list[str]:
    """dense, dropout, dense: dense_1, dropout_1, dense_2."""
    return [f"{kind}_{kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)]
