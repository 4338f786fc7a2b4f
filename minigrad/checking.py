"""Gradient checking: what bprop says, against differences of what fprop does, at any order.

At order 1 the gradient of Σ u·f(x), u fixed at random, is compared with differences, entry by entry. The function one
order up takes x and u and gives the adjoint of x; it is checked in the same way, by x and by u. So an adjoint that was
cut out of the graph (right at order 1, but constant) is found even where f is linear.

Differences come from replaying the graph's fprops on arrays in a table of their own. Where every operation on the way
takes complex arrays it is a complex step, exact to rounding; otherwise, and where that disagrees, central differences
judge. At last f itself is called anew, which finds what left the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from minigrad.errors import GradientError, where
from minigrad.graph import ancestry, gradients
from minigrad.node import Array, Constant, Input, Node, as_array
from minigrad.ops.base import Operation

Function = Callable[[Sequence[Node]], Sequence[Node]]  # from all inputs to all outputs
Curve = Callable[[complex], Sequence[Array]]  # the outputs along a line through the inputs, at 0 where they are now
Probe = tuple[tuple[int, ...] | None, Array]  # a direction and the entry it is the unit array of, if any

TINY = 1e-30  # the complex step: its square vanishes beside 1, so there is no error but rounding
FEW = 100  # up to so many entries in all, every entry is checked at orders above 1 too;
SAMPLES = 4  # beyond them so many random directions per input


def check_gradients(
    f: Callable[..., Any],
    *arrays: npt.ArrayLike,
    order: int = 1,
    directions: int | None = None,
    step: float = 6e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    rng: np.random.Generator | None = None,
) -> None:
    """Raise GradientError unless the derivatives of f, up to the given order, are what differences of its values say.

    f:          takes a node per array, gives a node or a sequence of nodes; parameters it uses besides are held fixed
    arrays:     where to check; floats become float64; integers and booleans are handed to f, and not checked
    order:      1 checks the gradient, 2 the gradient of the gradient too, and so on
    directions: check along so many random directions per array instead of every entry, for large arrays. None: every
                entry, save at orders above 1 where there are more than 100 in all
    step:       of central differences, relative to entries above 1; the default balances their two errors
    rtol, atol: how far an adjoint may be from the difference: relative to the larger one, and absolutely
    rng:        draws the output's adjoint and the directions; by default the same in every call

    The error tells the worst entry, and the node whose bprop is wrong. Draws of random nodes are held fixed.

    >>> import numpy as np, minigrad as mg
    >>> mg.check_gradients(lambda x, w: np.tanh(x * w), [0.5, -1.0], [2.0, 3.0], order=2)
    """
    if order < 1:
        raise ValueError(f"check_gradients(order={order}): the lowest order is 1")
    points = [_point(array) for array in arrays]
    if not any(point.dtype.kind == "f" for point in points):
        raise TypeError("check_gradients(f, *arrays): there is no floating-point array to differentiate by")
    options = _Options(directions, step, rtol, atol)
    miss = _first_miss(_checked(f), points, order, options, rng or np.random.default_rng(0))
    if miss is not None:
        names = [f"argument {i}" for i in range(len(arrays))]
        raise GradientError(f"{miss.text('f', names)}\n{_culprit(miss, options)}")


class _Options(NamedTuple):
    directions: int | None
    step: float
    rtol: float
    atol: float

    def agree(self, a: float, b: float, error: float = 0.0) -> bool:
        return bool(abs(a - b) <= self.atol + error + self.rtol * max(abs(a), abs(b)))


class _Difference(NamedTuple):
    """A central difference, how far the two one-sided ones are apart, and what rounding may make of it."""

    slope: float
    gap: float
    noise: float


class _Verdict(NamedTuple):
    """What differences say of an adjoint: what it should be, found how, and whether it is."""

    right: bool
    expected: float
    judge: str
    kink: bool = False


class _Miss(NamedTuple):
    """A derivative that is not what it should be."""

    order: int
    slot: int | None  # which input; None: along a line through all of them, f called anew
    entry: tuple[int, ...] | None  # None: along a random direction
    found: float
    verdict: _Verdict
    remark: str
    outputs: Sequence[Node]  # of f, and of the function that was checked when it failed

    @property
    def size(self) -> float:
        """How bad it is."""
        return float(np.nan_to_num(abs(self.found - self.verdict.expected), nan=np.inf))

    def text(self, function: str, names: Sequence[str]) -> str:
        """Order, input, entry, numbers, judge."""
        named = self.slot is not None and self.slot < len(names)
        by = "" if self.slot is None else f" by {names[self.slot] if named else 'the adjoint of its output'}"
        place = "along a random direction" if self.entry is None else f"at entry {self.entry}"
        if self.verdict.kink:
            return f"{function} is not differentiable{by} {place} (order {self.order}): {self.verdict.judge}"
        return (
            f"the derivative of {function} of order {self.order}{by} is wrong {place}: bprop gives {self.found:.10g}, "
            f"{self.verdict.judge} {self.verdict.expected:.10g}{self.remark}"
        )


# From f to the function one order up -------------------------------------------------------------------------------


def _point(array: npt.ArrayLike) -> Array:
    array = as_array(array, "check_gradients")
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _checked(f: Callable[..., Any]) -> Function:
    """f with what it gives as a list of differentiable nodes, or an error."""

    def function(inputs: Sequence[Node]) -> Sequence[Node]:
        given = f(*inputs)
        outputs = [given] if isinstance(given, Node) else given
        if not isinstance(outputs, list | tuple) or not outputs or not all(isinstance(y, Node) for y in outputs):
            raise TypeError(f"check_gradients(f, *arrays): f gives a node or several, not {type(given).__name__}")
        for y in outputs:
            if y.dtype.kind != "f":
                raise TypeError(f"check_gradients: f gives {y.label}, and only floating-point nodes have derivatives")
        return outputs

    return function


def _raised(function: Function, count: int) -> Function:
    """The function one order up: from the inputs and adjoints of the outputs to the adjoints of the inputs."""

    def adjoints(inputs: Sequence[Node]) -> Sequence[Node]:
        return _pulled(function(inputs[:count]), inputs[count:], _floating(inputs[:count]))

    return adjoints


def _pulled(outputs: Sequence[Node], adjoints: Sequence[Node], inputs: Sequence[Node]) -> Sequence[Node]:
    """The adjoints of the inputs, from those of several outputs."""
    if len(outputs) == 1:
        return gradients(outputs[0], inputs, adjoint=adjoints[0])
    total: Any = 0
    for y, adjoint in zip(outputs, adjoints, strict=True):
        total = total + (y * adjoint).sum()
    return gradients(total, inputs)


def _floating(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if node.dtype.kind == "f"]


# The search for a wrong derivative ---------------------------------------------------------------------------------


def _first_miss(
    function: Function, points: Sequence[Array], order: int, options: _Options, rng: np.random.Generator
) -> _Miss | None:
    """The worst derivative of the lowest order that has a wrong one."""
    lowest: Sequence[Node] = ()
    for level in range(1, order + 1):
        stage = _Stage(function, points, level, options, rng)
        misses = stage.misses(complex_step=True)
        if not misses and (astray := stage.astray()):  # perhaps an operation is not as analytic as it says
            misses = stage.misses(complex_step=False) or astray
        if misses:
            worst = max(misses, key=lambda miss: (miss.verdict.kink, miss.size))
            return worst._replace(outputs=(*lowest, *stage.outputs))
        lowest = lowest or stage.outputs
        function, points = _raised(function, len(points)), [*points, *stage.weights]
    return None


class _Stage:
    """One order of the check: a function at a point, and its gradient there."""

    def __init__(
        self, function: Function, points: Sequence[Array], level: int, options: _Options, rng: np.random.Generator
    ) -> None:
        self.function, self.points, self.level, self.options, self.rng = function, points, level, options, rng
        self.inputs = [Input(point) for point in points]
        self.outputs = function(self.inputs)
        self.weights = [rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape) for y in self.outputs]
        floating = _floating(self.inputs)
        adjoints = _pulled(self.outputs, [Constant(weight) for weight in self.weights], floating)
        self.found = {node: adjoint._value for node, adjoint in zip(floating, adjoints, strict=True)}

    def misses(self, complex_step: bool) -> list[_Miss]:
        """What is wrong, input by input; along directions first where there are many entries."""
        many = self.level > 1 and sum(map(np.size, self.points)) > FEW
        directions = self.options.directions or (SAMPLES if many else None)
        misses = []
        for slot, leaf in enumerate(self.inputs):
            if leaf not in self.found:
                continue
            replay = _Replay(self.outputs, leaf)
            exact = complex_step and replay.analytic
            wrong: list[_Miss] = []
            if directions:
                wrong = self._wrong(slot, replay.along, self._directions(leaf, directions), exact)
            if wrong or not directions:  # the entries say where
                wrong = self._wrong(slot, replay.along, _units(leaf), exact) or wrong
            misses += wrong
        return misses

    def astray(self) -> list[_Miss]:
        """What is wrong with f called anew, which replays do not see: first along a line through all inputs."""
        if any(not node.pure and not node.children for node in ancestry(self.outputs) if isinstance(node, Operation)):
            return []  # random nodes would draw anew
        line = {leaf: next(self._directions(leaf, 1))[1] for leaf in self.found}
        found = sum(float((self.found[leaf] * direction).sum()) for leaf, direction in line.items())
        verdict = self._verdict(self._anew(line), found, 1.0, complex_step=False)
        if verdict.right:
            return []
        advice = " with f called anew: something leaves its graph (x.value, float(x), a branch on a value, a rule that makes its adjoint constant)"
        misses = []
        for slot, leaf in enumerate(self.inputs):
            if leaf in line:
                wrong = self._wrong(slot, lambda unit, leaf=leaf: self._anew({leaf: unit}), _units(leaf), False)  # type: ignore[misc]
                misses += [miss._replace(remark=f"{advice}{miss.remark}") for miss in wrong]
        return misses or [_Miss(self.level, None, None, found, verdict, advice, self.outputs)]

    def _anew(self, line: dict[Node, Array]) -> Curve:
        """The outputs of f called on new inputs."""

        def curve(t: complex) -> Sequence[Array]:
            with np.errstate(all="ignore"):
                inputs = [Input(leaf._value + t.real * line[leaf]) if leaf in line else leaf for leaf in self.inputs]
                return [y._value for y in self.function(inputs)]

        return curve

    def _directions(self, leaf: Node, count: int) -> Iterator[Probe]:
        for _ in range(count):
            yield None, self.rng.uniform(-1, 1, leaf.shape)

    def _wrong(
        self, slot: int, along: Callable[[Array], Curve], probes: Iterable[Probe], complex_step: bool
    ) -> list[_Miss]:
        """The probes along which differences contradict the adjoint."""
        leaf, seen, wrong = self.inputs[slot], 0, []
        for entry, direction in probes:
            seen += 1
            found = float((self.found[leaf] * direction).sum()) if entry is None else float(self.found[leaf][entry])
            size = 1.0 if entry is None else max(1.0, abs(float(leaf._value[entry])))
            verdict = self._verdict(along(direction), found, size, complex_step)
            if not verdict.right:
                wrong.append((entry, found, verdict))
        remark = f" ({len(wrong)} of {seen} entries are wrong)"
        return [_Miss(self.level, slot, *miss, remark, self.outputs) for miss in wrong]

    def _verdict(self, curve: Curve, found: float, size: float, complex_step: bool) -> _Verdict:
        """Whether the slope of the curve is the one found, by the complex step, or else by central differences."""
        options = self.options
        exact = self._complex_step(curve) if complex_step else np.nan
        if options.agree(found, exact):
            return _Verdict(True, exact, "the complex step")
        step = options.step * size
        look = self._central(curve, step)
        if options.agree(found, look.slope, look.noise) and look.gap <= 1e-3 * abs(look.slope) + 10 * look.noise:
            return _Verdict(True, look.slope, "central differences")
        looks = [self._central(curve, step * factor) for factor in (100, 10, 1, 0.1, 0.01, 0.001)]
        wide, narrow = looks[2], looks[4]
        if not narrow.gap < 0.5 * wide.gap and not narrow.gap <= options.atol + 1e3 * narrow.noise:
            apart = f"the differences to its two sides stay {narrow.gap:.4g} apart, however small the step"
            if np.isnan(narrow.gap):
                apart = "its values there and nearby are not all finite"
            return _Verdict(False, narrow.slope, apart, kink=True)
        (expected, _, noise), error = _steadiest(looks)
        if options.agree(found, expected, noise + min(error, 1e-3 * abs(expected))):
            return _Verdict(True, expected, "central differences")
        if options.agree(exact, expected, noise + error):
            return _Verdict(False, exact, "the complex step")
        return _Verdict(False, expected, "central differences")

    def _complex_step(self, curve: Curve) -> float:
        """Im y(x + ih) / h; nan where the operations do not take complex arrays after all."""
        try:
            ends = curve(TINY * 1j)
        except Exception:  # whatever a function of real arrays raises at complex ones; then differences judge
            return np.nan
        return float(sum((weight * end.imag).sum() for weight, end in zip(self.weights, ends, strict=True)) / TINY)

    def _central(self, curve: Curve, step: float) -> _Difference:
        forward = backward = noise = 0.0
        with np.errstate(all="ignore"):
            for y, up, down, weight in zip(self.outputs, curve(step), curve(-step), self.weights, strict=True):
                at = y._value
                forward += float((weight * (up - at)).sum()) / step
                backward += float((weight * (at - down)).sum()) / step
                moved = np.where((up != at) | (down != at), np.abs(weight * at), 0)
                noise += float(moved.sum()) * np.finfo(np.float64).eps / step
        return _Difference((forward + backward) / 2, abs(forward - backward), noise)


class _Replay:
    """The outputs as a function of one input: the fprops on the way, on arrays in a table, the nodes left alone."""

    def __init__(self, outputs: Sequence[Node], leaf: Node) -> None:
        self.outputs, self.leaf = outputs, leaf
        reached = {leaf}
        self.operations: list[Operation] = []
        for node in ancestry(outputs, oldest=leaf.number):
            if not reached.isdisjoint(node.children):
                reached.add(node)
                self.operations.append(cast(Operation, node))
        self.analytic = all(node.analytic for node in self.operations)

    def along(self, direction: Array) -> Curve:
        def curve(t: complex) -> Sequence[Array]:
            table = {self.leaf: self.leaf._value + (t if t.imag else t.real) * direction}
            with np.errstate(all="ignore"):
                for node in self.operations:
                    arrays = [table.get(child, child._value) for child in node.children]
                    table[node] = np.asarray(node.fprop(*arrays, **node.attributes))
            return [table.get(y, y._value) for y in self.outputs]

        return curve


def _units(leaf: Node) -> Iterator[Probe]:
    """Every entry, with the array that has a 1 there."""
    for entry in np.ndindex(leaf.shape):
        unit = np.zeros(leaf.shape)
        unit[entry] = 1
        yield entry, unit


def _steadiest(looks: Sequence[_Difference]) -> tuple[_Difference, float]:
    """Of differences by ever smaller steps the one that changed least, and by how much it did."""
    changes = [abs(narrow.slope - wide.slope) for wide, narrow in pairwise(looks)]
    best = int(np.argmin(np.nan_to_num(changes, nan=np.inf)))
    return looks[best + 1], changes[best]


# The node at fault -------------------------------------------------------------------------------------------------


def _culprit(miss: _Miss, options: _Options) -> str:
    """The first operation that fails alone: its own bprop against its own fprop, at the arrays it has in the graph.

    An operation may be right at order 1 and cut its adjoint from the graph, so it is tried at higher orders as well.
    """
    nodes = [node for node in ancestry(miss.outputs) if isinstance(node, Operation) and _floating(node.children)]
    for order in range(1, miss.order + 2):
        for node in nodes:
            if order == 1 or node.adjoint_of is None:
                alone = _alone(node, order, options)
                if alone is not None:
                    roles = [*node.roles, *(f"input {i}" for i in range(len(node.roles), len(node.children)))]
                    names = [f"{role}: {child.label}" for role, child in zip(roles, node.children, strict=False)]
                    name = f"{where(node)}{f' {node.name!r}' if node.name else ''}"
                    return f"The node at fault is number {node.number}: {alone.text(name, names)}"
    return "Every operation of the graph passes alone"


def _alone(node: Operation, order: int, options: _Options) -> _Miss | None:
    def twin(children: Sequence[Node]) -> Sequence[Node]:
        operation = object.__new__(type(node))
        Operation.__init__(operation, *children, **node.attributes)
        return [operation]

    points = [_point(child._value) for child in node.children]
    try:
        return _first_miss(twin, points, order, options._replace(directions=SAMPLES), np.random.default_rng(0))
    except Exception:  # a rule may end at an order that was not asked for
        return None
