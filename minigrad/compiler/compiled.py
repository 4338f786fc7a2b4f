"""Define `mg.compile` and what it returns: a function that traces its graph on the first call and then runs a program.

Arguments of each shape and dtype have programs of their own; `tracing.shelf` decides which are made and kept.
"""

from __future__ import annotations

import itertools
import linecache
import reprlib
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from importlib.util import find_spec
from threading import Lock, RLock, get_ident
from types import MethodType
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np

from minigrad.compiler.helpers import aligned
from minigrad.compiler.ir import COPY, Draw
from minigrad.compiler.lines import Lines, NotContracted, static_key
from minigrad.compiler.passes.table import REWRITES, rewritten
from minigrad.compiler.printing.program import ProgramText, program_text
from minigrad.compiler.printing.pure import PureText, pure_text
from minigrad.compiler.storage.in_place import apart
from minigrad.compiler.tracing import tracer
from minigrad.compiler.tracing.comparison import Skeleton, difference
from minigrad.compiler.tracing.guards import names_in, objects_of
from minigrad.compiler.tracing.recording import record_lines
from minigrad.compiler.tracing.shelf import MOST_PROGRAMS, Seen, Shelf
from minigrad.context import current, trace
from minigrad.node import Array, Input, Node, Parameter, as_array, is_number, next_number
from minigrad.signatures import parameters

MOST_NODES = 200_000
BACKENDS = ("numpy", "numba", "auto")


def compile(
    f: Callable[..., Any] | None = None,
    *,
    rewrites: Collection[str] | None = None,
    verify: bool = False,
    backend: str = "numpy",
) -> Any:
    """Compile f: print the graph that it builds as straight-line NumPy, and run that instead of building nodes.

    f:        a function of nodes that returns nodes (a node, or tuples, lists and dicts of them): losses, outputs, and
              gradients alike, by `mg.gradients`
    rewrites: which rewrites to apply, by name, in this order (a set: in that of `mg.compiler.REWRITES`); None for all, () for the plain
        program. In any order they compute the same; one that stands before those it builds on finds less to do
    verify:   build the nodes anew in every call, and compare their graph with the program's; AssertionError where it is another
    backend:  "numpy"; or "numba", which computes runs of entrywise lines in compiled loops (the extra [fast]):
              first calls take seconds, until the loops are in the cache of `minigrad.compiler.printing.kernels`; later ones less time;
              or "auto", the faster one of these that is installed (`.backend` says which)

    The compiled function takes arrays and gives arrays, which are the caller's to keep. A call with arrays of new shapes or
    dtypes traces f: runs it once on Input nodes, and prints what they computed as source. The next ones run that. Parameters and
    states are read in place, so they may change between calls; random nodes draw anew; what `mg.update` writes is written at the
    end of every call, in place, and not at all by a call that raises. Arguments that are not arrays (numbers, flags) are fixed: each value has a program of its own.

    What f reads of objects while it is traced is watched: the mode, numbers, lists, arrays and functions of modules, penalties,
    losses and any other object that f refers to, of the variables that f closes over and of its defaults, and of what they hold
    in turn. Where something has changed, f is traced again; so a rate, a weight or a mode may change between calls. Lists and
    dicts of more than 1000 entries and arrays of more than 256 KB are told only by which they are, and what f itself changes
    while it is traced is not watched; where that is a number (a count of calls) that makes the next graph another one, a
    RuntimeWarning says so.

    To make a program costs as much as some 10 to 50 calls of the nodes. The first graph is compiled at once, the first four if
    they have up to 1500 nodes together, and small ones; any other runs as nodes until it has come 32 times, or comes again when
    the programs so far have saved as much as one costs. So many shapes, or a number that changes in every call, are never much
    slower than nodes. The most used programs are kept, 32 at most.

    What the program cannot know is refused while tracing, with an error that says what to write: a Python `if` on a value,
    `float(node)`, `.value`, `.backward()`, parameters made or written inside. What it cannot see stays as it was in the first
    call: numbers, lists, dicts and arrays that are global variables, defaults that are assigned anew, np.random, prints.
    `step.verify(...)` finds such things.

    `step.source` is the latest program as text; `step.pure_source` the same without memory of its own, a function of the
    arguments and then of `step.pure_parameters`, for which `step.pure_names` has what the text does not define.
    In both `d_h` is ∂loss/∂h (`d2_h` another adjoint of h, as of a penalty), and `back_` begins what is only on the way to one.
    `step.verify(...)` is a call that builds the nodes anew and compares their graph with the program's: never values, in which
    rounding differs.

    Given nodes, or called while another function is traced, it is f itself and gives nodes.

    Threads: a program runs in one thread at a time; others wait.

    >>> import numpy as np, minigrad as mg
    >>> W = mg.Parameter([[1.0, 2.0]], name="W")
    >>> @mg.compile
    ... def step(x):
    ...     loss = np.tanh(x @ W.T).sum()
    ...     return loss, *mg.gradients(loss, [W])
    >>> loss, slope = step(np.array([[0.5, 0.25]]))
    >>> float(loss), slope
    (0.7615941559557649, array([[0.20998717, 0.10499359]]))
    """
    if f is None:
        return lambda g: compile(g, rewrites=rewrites, verify=verify, backend=backend)
    return Compiled(f, rewrites, verify, backend)


def chosen_backend(backend: str, asker: str) -> str:
    """Give the backend that is meant: of "auto" numba where it is installed, else NumPy.

    ValueError for a name that is none; ModuleNotFoundError for numba where it is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"{asker}(backend={backend!r}): expected one of {', '.join(BACKENDS)}")
    installed = backend != "numpy" and find_spec("numba") is not None
    if backend == "auto":
        return "numba" if installed else "numpy"
    if backend == "numba" and not installed:
        raise ModuleNotFoundError(
            f"{asker}(backend='numba'): numba is not installed: pip install '.[fast]' in minigrad's own folder, or leave "
            "backend='numpy'"
        )
    return backend


class Program:
    """Run one traced graph as a function of arrays."""

    def __init__(
        self, traced: tracer.Traced, seen: Seen, rewrites: Sequence[str], name: str, backend: str = "numpy"
    ) -> None:
        self.form = tracer.filled(
            traced.result, itertools.repeat(tracer.PLACE)
        )  # without the nodes, which need not be kept
        self.is_tuple = type(self.form) is tuple and all(part is tracer.PLACE for part in self.form)
        self.seen = seen
        self.states = list(dict.fromkeys([state for state, _, _ in traced.updates]))
        self.arguments = list(traced.inputs)
        try:
            lines, self.pure, text = self._made(traced, rewrites, backend, contracts=True)
        except NotContracted:
            lines, self.pure, text = self._made(traced, rewrites, backend, contracts=False)
        self.source = text.source
        self.name = f"<{name} {next_number()}>"
        linecache.cache[self.name] = (len(self.source), None, self.source.splitlines(True), self.name)  # for tracebacks
        finalize(self, linecache.cache.pop, self.name, None)
        names = {**text.names, "empty": aligned}  # for the program's own memory
        exec(builtin_compile(self.source, self.name, "exec"), names)
        names["empty"] = np.empty  # for outputs
        self.run: Callable[..., tuple[Array, ...]] = names["program"]
        for name in names.keys() - {
            "__builtins__",
            *names_in(self.run.__code__),
        }:  # what only made what the program uses
            del names[name]
        self.lock = Lock()
        self.running = 0  # the thread that runs it
        self.generators = list({id(x): x for x in names.values() if isinstance(x, np.random.Generator)}.values())
        impure = [line for line in lines.order if not line.op.pure and line.op != COPY]
        # draws can be taken back; other effects (mg.probe's callback) cannot
        self.repeatable = all(isinstance(line.op, Draw) for line in impure)

    def _made(
        self, traced: tracer.Traced, rewrites: Sequence[str], backend: str, *, contracts: bool
    ) -> tuple[Lines, PureText, ProgramText]:
        """The lines, and the texts made of them: now, since to keep the lines would cost many times as much memory."""
        lines = rewritten(record_lines(traced, contracts), rewrites, backend)
        return lines, pure_text(lines, self.arguments), program_text(lines, self.arguments, backend)

    def __call__(self, arrays: Sequence[Array]) -> Any:
        if self.running == get_ident():
            raise RuntimeError("a compiled function was called from within itself, by a callback: its memory is in use")
        with self.lock:
            self.running = get_ident()
            try:
                values = self.run(*(apart(arrays, self.states) if self.states else arrays))
            finally:
                self.running = 0
        for state in self.states:
            state.mark_changed()
        return values if self.is_tuple else tracer.filled(self.form, iter(values))


class _Given(NamedTuple):
    """The arguments of a call: all values, the names of the last ones, what program they ask for, the arrays among them."""

    values: list[Any]
    names: tuple[str, ...]
    key: Any
    arrays: list[Array]

    @classmethod
    def of(cls, arguments: Sequence[Any], keywords: dict[str, Any]) -> _Given:
        names = tuple(keywords)
        values: list[Any] = []
        key: list[Any] = [names]
        arrays: list[Array] = []
        for given in (*arguments, *keywords.values()) if keywords else arguments:
            value = _entered(given)
            values.append(value)
            if isinstance(value, np.ndarray):
                arrays.append(value)
                key.append(value.shape)
                key.append(value.dtype)
            else:
                key.append(_fixed(value))
        return cls(values, names, tuple(key), arrays)


class Compiled:
    """Call f with arrays, by programs: what `mg.compile(f)` returns."""

    MOST = MOST_PROGRAMS  # programs that are kept

    def __init__(
        self,
        f: Callable[..., Any],
        rewrites: Collection[str] | None = None,
        verify: bool = False,
        backend: str = "numpy",
    ) -> None:
        if not callable(f):
            raise TypeError(f"mg.compile(f): f is a function of nodes, not {type(f).__name__}")
        if isinstance(rewrites, str):
            raise TypeError(f"mg.compile(rewrites={rewrites!r}): pass a list of names, [{rewrites!r}]")
        unknown = set(rewrites or ()) - set(REWRITES)
        if unknown:
            raise ValueError(f"mg.compile(rewrites=...): {sorted(unknown)} are none of {', '.join(REWRITES)}")
        self.f = f
        self.backend = chosen_backend(backend, "mg.compile")
        self._asked_backend = backend
        unordered = isinstance(rewrites, set | frozenset)
        self.rewrites = tuple(
            REWRITES if rewrites is None else sorted(rewrites, key=[*REWRITES].index) if unordered else rewrites
        )
        self.always_verify = verify
        self.shelf: Shelf[Program] = Shelf()
        self.lock = RLock()  # of the shelf
        self._latest: Program | None = None
        self.__doc__ = f.__doc__
        self.__name__ = getattr(f, "__name__", type(f).__name__)

    @property
    def programs(self) -> dict[Any, list[Program]]:
        """The programs that are kept, by what the arguments ask for."""
        return self.shelf.programs

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}: {sum(map(len, self.programs.values()))} programs>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy makes programs of its own."""
        return Compiled, (self.f, self.rewrites, self.always_verify, self._asked_backend)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if trace.get() is not None or _has_nodes(arguments) or (keywords and _has_nodes(keywords.values())):
            return self.f(*arguments, **keywords)  # a part of a larger function of nodes
        if current().watch is not None:
            return self._by_nodes(_Given.of(arguments, keywords))
        if keywords.pop("verify", self.always_verify):
            return self.verify(*arguments, **keywords)
        given = _Given.of(arguments, keywords)
        program = self.shelf.program(given.key)
        if program is None:
            return self._without_program(given)
        program.seen.calls += 1
        self._latest = program
        drawn = [rng.bit_generator.state for rng in program.generators]
        try:
            return program(given.arrays)
        except Exception:
            if not program.repeatable:
                raise  # what it called back has had its effect
            _restore((), program.generators, ((), drawn))
            held = _snapshot(program.states, ())
            try:
                self._by_nodes(given)  # which explains the error as nodes do
            finally:
                _restore(program.states, (), held)
            raise

    def _without_program(self, given: _Given) -> Any:
        """A call that builds nodes; it makes a program for the next ones if they may be many."""
        with self.lock:
            seen = self.shelf.seen(given.key)
            if self.shelf.comes_often(seen) if seen else not self.shelf.leaves_to_nodes(given.key):
                return self._traced_call(given)
        return self._by_nodes(given)

    def _by_nodes(self, given: _Given) -> Any:
        named = [(name, Input(x, name) if isinstance(x, np.ndarray) else x) for name, x in self._named(given)]
        n = len(named) - len(given.names)
        result = self.f(*[value for _, value in named[:n]], **dict(named[n:]))
        return tracer.filled(result, iter([np.array(node._value) for node in tracer.leaves(result)]))

    def _traced_call(self, given: _Given) -> Any:
        traced = self._traced(given)
        if traced.guards.counted and self._goes_on_otherwise(given, traced):
            warnings.warn(
                f"mg.compile: {self.__name__} changes {', '.join(map(str, traced.guards.counted))} while it is traced, and its "
                "program will not: it goes on as in this call. Change it outside, or make it a state: "
                "mg.Parameter(0.0, trainable=False), with mg.update(state, state + 1)",
                RuntimeWarning,
                stacklevel=4,
            )
        values = [np.array(node._value) for node in traced.outputs]
        try:
            self._keep(given.key, traced)
        except Exception as error:
            traced.take_back()
            if isinstance(error, tracer.NotCompiled):
                raise
            raise tracer.NotCompiled(
                f"mg.compile made no program of {self.__name__}, which is a fault of its own ({type(error).__name__}: {error}): "
                "please report it; the nodes themselves work as always"
            ) from error
        return tracer.filled(traced.result, iter(values))

    def _goes_on_otherwise(self, given: _Given, traced: tracer.Traced) -> bool:
        """Whether the numbers that a trace changed make the next graph another one; they and states are put back.

        What draws or calls back is not traced twice, and not told.
        """
        if any(not {"rng", "callback"}.isdisjoint(node.attributes) for node in traced.nodes):
            return False
        try:
            again = self._traced(given)
        except Exception:  # which the next call would raise
            return True
        finally:
            for count in traced.guards.counted:
                count.put_back()
        again.take_back()
        return Skeleton(again) != Skeleton(traced)

    def _keep(self, key: Any, traced: tracer.Traced) -> None:
        """Note the graph, and make a program of it unless it has one, or is better left to the nodes."""
        if len(traced.nodes) > MOST_NODES:
            raise tracer.TooLarge(
                f"mg.compile: the graph has {len(traced.nodes)} nodes, and a program is not made of more than {MOST_NODES}: "
                "compile a smaller part (fewer time steps, one layer), or replay the graph: mg.Graph(y).fprop({x: array})"
            )
        seen, has_program = self.shelf.note(key, traced)
        if not has_program and self.shelf.is_worth_a_program(seen):
            program = Program(traced, seen, self.rewrites, self.__name__, self.backend)
            self.shelf.put(key, program)
            self._latest = program

    def _traced(self, given: _Given) -> tracer.Traced:
        named = self._named(given)
        n = len(named) - len(given.names)
        names, values = [name for name, _ in named[:n]], [value for _, value in named[:n]]
        try:
            return tracer.run(self.f, names, values, dict(named[n:]), objects_of(self.f))
        except (TypeError, AttributeError) as error:
            fixed = _taken_for_array(error, named)
            if not fixed:
                raise
            raise tracer.TraceError(f"mg.compile: {fixed} ({type(error).__name__}: {error})") from error

    def _named(self, given: _Given) -> list[tuple[str, Any]]:
        """The values of a call with the names of f's parameters."""
        names = [*self._names(len(given.values) - len(given.names), given.names), *given.names]
        return list(zip(names, given.values, strict=True))

    def verify(self, *arguments: Any, **keywords: Any) -> Any:
        """A call that is compared with the nodes built anew; AssertionError where they are another graph than the program's."""
        found, change = self.checked(*arguments, **keywords)
        if change:
            raise AssertionError(
                f"the program and the nodes disagree in {change}: the function depends on something that is not a node "
                "(a global value, np.random, an array from elsewhere), or branches on it: pass it as an argument"
            )
        return found

    def checked(self, *arguments: Any, **keywords: Any) -> tuple[Any, str]:
        """What the nodes give, built anew, and what they do otherwise than the program; "" where it does the same.

        Graphs are compared, and how much generators draw; never the values, in which rounding differs. States, draws and
        callbacks (`mg.probe`) are those of one call.
        """
        given = _Given.of(arguments, keywords)
        program, first = self.shelf.program(given.key), None
        if program is None:
            first = self._without_program(given)  # whose effects are those of the call; what follows is taken back
            program = self.shelf.program(given.key)
            if program is None or not program.repeatable:
                return first, ""
        self._latest = program
        generators = program.generators if program.repeatable else []
        states = program.states
        before = _snapshot(states, generators)
        if generators:
            program(given.arrays)
        drawn = _snapshot((), generators)
        _restore(states, generators, before)
        traced = self._traced(given)
        change = difference(program.seen.skeleton, Skeleton(traced), traced)
        if not change and drawn != _snapshot((), generators):
            change = "how much its generators draw"
        if first is not None:
            _restore(states, generators, before)
            return first, change
        return tracer.filled(traced.result, iter([np.array(node._value) for node in traced.outputs])), change

    def bare(self, *arguments: Any) -> Callable[..., tuple[Array, ...]] | None:
        """The program for such arguments, if there is one, as a function of the arrays among them alone.

        It checks nothing, tells no state that it was changed, and takes no argument that lies in a state's memory.
        """
        program = self.shelf.program(_Given.of(arguments, {}).key)
        return None if program is None else program.run

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A compiled method: every instance has programs of its own."""
        if instance is None:
            return self
        bound = Compiled(MethodType(self.f, instance), self.rewrites, self.always_verify, self.backend)
        return vars(instance).setdefault(self.__name__, bound)

    def _names(self, n: int, taken: Sequence[str] = ()) -> list[str]:
        """The names of the first n positional parameters of f; those of *arguments are none that are taken."""
        known = parameters(self.f).values()
        names = [p.name for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        rest = next((p.name for p in known if p.kind is p.VAR_POSITIONAL), "argument")
        free = (name for i in itertools.count() if (name := f"{rest}_{i}") not in taken)
        return [*names[:n], *itertools.islice(free, n - len(names[:n]))]

    @property
    def source(self) -> str:
        """The program that ran last, as Python source."""
        return self._program().source

    @property
    def pure_source(self) -> str:
        """The same as a pure function of arguments and parameters: one formula a line, without memory of its own."""
        return self._program().pure.source

    @property
    def pure_names(self) -> dict[str, Any]:
        """What `pure_source` takes from elsewhere: large tables of numbers, generators, functions that no formula tells.

        It runs as it stands:

            names = step.pure_names
            exec(step.pure_source, names)
            names["program"](x, *[parameter.value for parameter in step.pure_parameters.values()])
        """
        return dict(self._program().pure.names)

    @property
    def pure_parameters(self) -> dict[str, Node]:
        """The parameters and states that `pure_source` takes after its arguments, by name and in their order."""
        return dict(self._program().pure.parameters)

    def _program(self) -> Program:
        if self._latest is None:
            raise RuntimeError(f"{self.__name__} has no program yet: call it once, so that it is traced")
        return self._latest


builtin_compile = __builtins__["compile"] if isinstance(__builtins__, dict) else __builtins__.compile


def _entered(value: Any) -> Any:
    """An argument: arrays and NumPy's numbers as arrays, anything else as it is."""
    if type(value) is np.ndarray:
        return value
    return as_array(value, "a compiled function") if isinstance(value, np.ndarray | np.generic) else value


def _has_nodes(values: Iterable[Any]) -> bool:
    for value in values:  # noqa: SIM110
        if isinstance(value, Node):
            return True
    return False


def _fixed(value: Any) -> Any:
    """A key for an argument that is not an array: every value has a program of its own."""
    if _holds_arrays(value):
        raise TypeError(
            f"a compiled function takes arrays themselves, and not a {type(value).__name__} of them: pass each as an argument"
        )
    if hasattr(value, "__array__") and not isinstance(value, type):
        raise TypeError(
            f"a compiled function takes NumPy's arrays, and not a {type(value).__name__}: pass np.asarray(it)"
        )
    return static_key(value)


def _taken_for_array(error: Exception, named: Sequence[tuple[str, Any]]) -> str:
    """What to say of a number or list that f took for an array; "" where the error has nothing to do with one."""
    is_result = "the function returned" in str(error) and not any(isinstance(value, np.ndarray) for _, value in named)
    for name, value in named:
        if (is_result or f"'{type(value).__name__}'" in str(error)) and (
            is_number(value) or isinstance(value, list | tuple)
        ):
            kind = "number" if is_number(value) else type(value).__name__
            return (
                f"{name}={reprlib.repr(value)} is a {kind}, which is fixed and no node, so that the program would hold for this "
                f"value only: pass an array, np.array({name})"
            )
    return ""


def _holds_arrays(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(isinstance(part, np.ndarray | Node) or _holds_arrays(part) for part in parts)


def _snapshot(states: Sequence[Parameter], generators: Sequence[np.random.Generator]) -> Any:
    return [state._value.copy() for state in states], [rng.bit_generator.state for rng in generators]


def _restore(states: Sequence[Parameter], generators: Sequence[np.random.Generator], saved: Any) -> None:
    for state, value in zip(states, saved[0], strict=True):
        state.value = value
    for rng, position in zip(generators, saved[1], strict=True):
        rng.bit_generator.state = position
