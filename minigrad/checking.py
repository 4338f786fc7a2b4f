"""Gradient checking: what bprop says, against differences of what fprop does, at any order.

At order 1 the gradient of Σ u·f(x), u fixed at random, is compared with differences, entry by entry. The function one
order up takes x and u and gives the adjoint of x; it is checked in the same way, by x and by u. So an adjoint that was
cut out of the graph (right at order 1, but constant) is found even where f is linear.

Differences come from replaying the graph's fprops on arrays in a table of their own. Where every operation on the way
takes complex arrays it is a complex step, exact to rounding; otherwise, and where that disagrees, central differences
judge. At last f itself is called anew at points nearby: where its values are not those of the replay, something left the
graph. That comparison has no step size, so it holds at the edge of a domain too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from inspect import Parameter
from itertools import islice, pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from minigrad.breaches import breach
from minigrad.errors import GradientError, no_node, where
from minigrad.graph import ancestry, gradients
from minigrad.node import Array, Constant, Input, Node, as_array
from minigrad.numbering import in_order
from minigrad.ops.base import Operation
from minigrad.signatures import parameters

Function = Callable[[Sequence[Node]], Sequence[Node]]  # from all inputs to all outputs
Curve = Callable[[complex], Sequence[Array]]  # the outputs along a line through the inputs, at 0 where they are now
Place = tuple[int, tuple[int, ...]]  # an input or output, and an entry of it
Probe = tuple[tuple[int, ...] | None, Array]  # a direction and the entry it is the unit array of, if any

TINY = 1e-30  # the complex step: its square vanishes beside 1, so there is no error but rounding
FEW = 100  # up to so many entries in all, every entry is checked at orders above 1 too;
SAMPLES = 4  # beyond them so many random directions per input
MOST = 200  # entries that `check_rules` looks at to tell a wrong one
NEAR, FAR = (1e-6, 1e-3), (3.0,)  # how far points lie where f is called anew, relative to entries above 1
SAME = 1e-9  # how far values that the same NumPy calls give may be apart, relative to the largest

JUDGES = {"the complex step": "Im f(x + ih) / h", "central differences": "(f(x + h) − f(x − h)) / 2h"}
KINK = "at a kink"  # the two sides have slopes of their own
NOT_FINITE = "its values there and nearby are not all finite"
TOO_FAST = "it jumps, or turns within the smallest step"  # the smaller the step, the farther apart are the two sides
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
ASTRAY = (
    "f called anew gives other values than its graph replayed: something leaves the graph (x.value, float(x), a branch on "
    "a value, a rule that makes its adjoint constant)"
)


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
    rtol, atol: how far an adjoint may be from the difference: relative to the larger one, and relative to what f changes by
                nearby or to the terms of which the adjoint is the sum, if those are below 1. An infinite adjoint is wrong
    rng:        draws the output's adjoint and the directions; by default the same in every call

    The error tells the worst entry, and the node whose bprop is wrong; `mg.draw(error)` marks it in the graph. Draws of random nodes are held fixed. Before, the
    operations are asked whether they keep to the rules of the engine: an fprop keeps no state and no buffer, a bprop writes
    into no array, attributes cannot change, what is Elementwise mixes no entries. A bprop that computes with arrays, which a
    replay would not renew, is found at order 2.

    >>> import numpy as np, minigrad as mg
    >>> mg.check_gradients(lambda x, w: np.tanh(x * w), [0.5, -1.0], [2.0, 3.0], order=2)
    """
    if order < 1:
        raise ValueError(f"check_gradients(order={order}): the lowest order is 1")
    points = [_point(array) for array in arrays]
    if not any(point.dtype.kind == "f" for point in points):
        raise TypeError("check_gradients(f, *arrays): there is no floating-point array to differentiate by")
    options = _Options(directions, step, rtol, atol)
    rng = rng or np.random.default_rng(0)
    _refuse_breaches(f, points)
    miss = _first_miss(_checked(f), points, order, options, rng)
    if miss is not None:
        names = _argument_names(f, len(arrays))
        text = miss.text(_function_name(f), names)
        raise GradientError(f"{text}\n{_culprit(miss, options, text)}")


class RuleMiss(NamedTuple):
    """Where the bprop of an operation is not what differences of its own fprop say: the worst entry, and both numbers.

    unjudged: why the differences say nothing of bprop, as their two sides do not agree: KINK, NOT_FINITE or TOO_FAST; "" if
              they do
    """

    entry: str  # "∂y[0]/∂x[2]"; where y has many entries "∂(Σ u y)/∂x[2], u random"
    by_bprop: float
    by_differences: float
    unjudged: str


def check_rules(nodes: Iterable[Node], order: int = 1) -> dict[Operation, RuleMiss | None]:
    """Check the bprop of each operation by differences of its own fprop at the arrays it has; None where they agree.

    Operations that are not to be judged by differences are left out: stop_gradient and its like.

    order: up to which it is checked; where one fails at a lower order, the others are not checked beyond
    """
    operations = [node for node in nodes if isinstance(node, Operation) and _floating(node.children)]
    judged = [node for node in operations if node.checked == "differences" and node.adjoint_of is None]
    found: dict[Operation, _Miss | None] = {}
    for level in range(1, order + 1):
        for node in judged:
            with suppress(Exception):  # a rule may end at an order that was not asked for
                found[node] = _checked_alone(node, level, _Options(None, 6e-6, 1e-6, 1e-8, MOST))
        if any(found.values()):
            break
    return {node: None if miss is None else _told(node, miss) for node, miss in found.items()}


def _told(node: Operation, miss: _Miss) -> RuleMiss:
    roles = _roles(node)
    entry = miss.symbol(roles)
    if not miss.of and miss.slot is not None and miss.slot < len(roles):
        by = "along a random direction" if miss.entry is None else f"∂{roles[miss.slot]}{_index(miss.entry)}"
        entry = f"∂(Σ u y)/{by}, u random" if miss.entry is not None else f"Σ u y {by} of {roles[miss.slot]}, u random"
    return RuleMiss(entry, miss.found, miss.verdict.expected, miss.verdict.unjudged)


class _Options(NamedTuple):
    directions: int | None
    step: float
    rtol: float
    atol: float
    most: int | None = None  # entries that are looked at where a direction is wrong; None: all

    def agree(self, a: float, b: float, error: float = 0.0, scale: float = 1.0) -> bool:
        """Whether two slopes are one; scale: of the terms they are made of, and of what the function changes by."""
        room = self.atol * min(scale, 1.0) + error + self.rtol * max(abs(a), abs(b))
        return bool(np.isfinite(room) and abs(a - b) <= room)


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
    unjudged: str = ""

    @property
    def kink(self) -> bool:
        """Whether the differences to the two sides do not agree."""
        return bool(self.unjudged)


class _Miss(NamedTuple):
    """A derivative that is not what it should be."""

    order: int
    slot: int | None  # which input; None: its derivatives here are right, but f called anew elsewhere goes other ways
    entry: tuple[int, ...] | None  # None: along a random direction
    found: float
    verdict: _Verdict
    wrong: str  # how many entries
    outputs: Sequence[Node]  # of f, and of the function that was checked when it failed
    astray: bool = False  # the judge called f anew
    of: str = ""  # the entry of the output, if it is of one; else of Σ u·y, u random
    by: tuple[Place, ...] = ()  # the entries of inputs it was differentiated by at lower orders

    @property
    def size(self) -> float:
        """How bad it is."""
        return float(np.nan_to_num(abs(self.found - self.verdict.expected), nan=np.inf))

    def text(self, function: str, names: Sequence[str]) -> str:
        """Which derivative, how many entries, and the worst: by bprop, and by the judge."""
        if self.slot is None:
            return f"{function} (order {self.order}): {ASTRAY}"
        name = names[self.slot] if self.slot < len(names) else "the adjoint of its output"
        place = "along a random direction" if self.entry is None else f"at entry {self.entry}"
        if self.verdict.kink:
            text = f"{function} is not differentiable by {name} {place} (order {self.order}): {self.verdict.judge}"
        else:
            text = (
                f"{function}: the derivative of order {self.order} by {name} is wrong ({self.wrong}), as {place}\n"
                f"{self.symbol(names)} is {self.found:.6g} by bprop, but {self.verdict.expected:.6g} by "
                f"{self.verdict.judge}, {JUDGES[self.verdict.judge]}"
            )
        return f"{text}\n{ASTRAY}" if self.astray else text

    def symbol(self, names: Sequence[str]) -> str:
        """∂y[0]/∂x[2], or words where it is no such single entry."""
        if self.slot is None or self.entry is None or not self.of:
            return "With the outputs weighted at random, it"
        power = str(self.order).translate(_SUPERSCRIPTS) if self.order > 1 else ""
        by = [f"∂{names[slot]}{_index(entry)}" for slot, entry in (*self.by, (self.slot, self.entry))]
        return f"∂{power}{self.of}/{''.join(by)}"


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
            raise no_node("check_gradients(f, *arrays): f gives a node or several", given, "that holds something else")
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


# Names -------------------------------------------------------------------------------------------------------------


def _function_name(f: Callable[..., Any]) -> str:
    name = getattr(f, "__name__", "f")
    return name if name.isidentifier() else "f"


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """The names f gives its arguments, or x0, x1, ..."""
    known = parameters(f)
    names = list(f.roles if isinstance(f, type) and issubclass(f, Operation) else known)[:count]
    rest = not isinstance(f, type) and any(known[name].kind is Parameter.VAR_POSITIONAL for name in names)
    return [f"x{i}" for i in range(count)] if rest or len(names) < count else names


def _index(entry: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, entry))}]" if entry else ""


def _refuse_breaches(f: Callable[..., Any], points: Sequence[Array]) -> None:
    """Raise GradientError where an operation breaks a rule that differences do not see."""
    outputs = _checked(f)([Input(point) for point in points])
    if found := breach(outputs):
        raise GradientError(f"{_function_name(f)}: {found}")


# The search for a wrong derivative ---------------------------------------------------------------------------------


def _first_miss(
    function: Function, points: Sequence[Array], order: int, options: _Options, rng: np.random.Generator
) -> _Miss | None:
    """The worst derivative of the lowest order that has a wrong one."""
    stages: list[_Stage] = []
    for level in range(1, order + 1):
        stage = _Stage(function, points, level, options, rng)
        misses = stage.misses(complex_step=True) or stage.astray(stages[-1] if stages else None)
        if not misses and not stage.complex_step_holds():  # perhaps an operation is not as analytic as it says
            misses = stage.misses(complex_step=False)
        stages.append(stage)
        if misses:
            arguments = len(stages[0].points)  # rather than adjoints, which a reader does not see
            worst = max(misses, key=lambda miss: (miss.verdict.kink, (miss.slot or 0) < arguments, miss.size))
            return _single(worst, stages)._replace(outputs=(*stages[0].outputs, *stage.outputs))
        function, points = _raised(function, len(points)), [*points, *stage.weights]
    return None


def _single(miss: _Miss, stages: Sequence[_Stage]) -> _Miss:
    """The same as the derivative of one entry of the output, the worst of them, where there are not too many."""
    first, last = stages[0], stages[-1]
    if miss.slot is None or miss.entry is None or miss.slot >= len(first.points) or not np.isfinite(miss.found):
        return miss
    weights = [list(stage.weights) for stage in stages]
    floating = [slot for slot, leaf in enumerate(first.inputs) if leaf in first.found]
    worst, places = miss, list[Place]()
    for level in reversed(range(len(stages))):
        slots = list(range(len(first.outputs))) if level == 0 else floating  # what the outputs are derivatives by
        tried: list[tuple[_Miss, Place, list[list[Array]]]] = []
        if sum(weights[level][i].size for i in range(len(slots))) > FEW:
            return miss
        for i, slot in enumerate(slots):
            for place, unit in _places(slot, weights[level][i]):
                one = [np.zeros_like(weight) for weight in weights[level]]
                one[i] = unit
                trial = [*weights[:level], one, *weights[level + 1 :]]
                points = [*first.points, *(weight for below in trial[:-1] for weight in below)]
                stage = _Stage(last.function, points, last.level, last.options, last.rng, trial[-1])
                tried += [(wrong, place, trial) for wrong in stage.again(miss)]
        if not tried:
            return miss
        worst, place, weights = max(tried, key=lambda each: (each[0].verdict.kink, each[0].size))
        places = [place, *places]
    (output, entry), *by = places
    of = f"y{output if len(first.outputs) > 1 else ''}{_index(entry)}"
    return worst._replace(of=of, by=tuple(by), wrong=miss.wrong)


class _Stage:
    """One order of the check: a function at a point, and its gradient there."""

    def __init__(
        self,
        function: Function,
        points: Sequence[Array],
        level: int,
        options: _Options,
        rng: np.random.Generator,
        weights: Sequence[Array] | None = None,
    ) -> None:
        self.function, self.points, self.level, self.options, self.rng = function, points, level, options, rng
        self.inputs = [Input(point) for point in points]
        self.outputs = function(self.inputs)
        self.weights = [_weight(y, rng) for y in self.outputs] if weights is None else weights
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
            replay = _Replay(self.outputs, [leaf])
            exact = complex_step and replay.analytic
            wrong: list[_Miss] = []
            if directions:
                wrong = self._wrong(slot, replay.along, self._directions(leaf, directions), exact)
            if wrong or not directions:  # the entries say where
                wrong = self._wrong(slot, replay.along, islice(_units(leaf), self.options.most), exact) or wrong
            misses += wrong
        return misses

    def again(self, miss: _Miss) -> list[_Miss]:
        """The same entry of the same input, by the same judge."""
        slot, entry = cast(Place, (miss.slot, miss.entry))
        replay = _Replay(self.outputs, [self.inputs[slot]])
        exact = replay.analytic and miss.verdict.judge == "the complex step"
        probes = [probe for probe in _units(self.inputs[slot]) if probe[0] == entry]
        wrong = self._wrong(slot, self._anew if miss.astray else replay.along, probes, exact)
        return [each._replace(astray=miss.astray) for each in wrong]

    def complex_step_holds(self) -> bool:
        """Whether differences by some step agree with it, along a line through all inputs in proportion to their sizes.

        By some step only: at the edge of a domain or beside a pole, none but the smallest have a meaning.
        """
        replay = _Replay(self.outputs, list(self.found))
        line = {leaf: next(self._directions(leaf, 1))[1] * np.where(leaf._value, np.abs(leaf._value), 1)
                for leaf in self.found}  # fmt: skip
        exact = self._complex_step(replay.along(line)) if replay.analytic else np.nan
        if np.isnan(exact):
            return True  # it did not judge
        looks = [look for look in self._looks(replay.along(line), self.options.step) if np.isfinite(look.slope)]
        return not looks or any(
            self.options.agree(exact, y.slope, y.noise + 1e-3 * abs(y.slope), scale)
            for scale in _tried(partial(self._scale, line, 1.0))
            for y in looks
        )

    def astray(self, lower: _Stage | None) -> list[_Miss]:
        """What is wrong with f called anew, which replays do not see.

        Far away only what bprops do is compared: f itself may take another branch there and be right in both.
        """
        if any(not node.pure and not node.children for node in ancestry(self.outputs) if isinstance(node, Operation)):
            return []  # random nodes would draw anew
        moves = [(distance, self._moved(sign * distance)) for distance in (*NEAR, *FAR) for sign in (1, -1)]
        for distance, points in moves:
            if distance in FAR and (lower is None or lower._differs(points[: len(lower.points)])):
                continue
            if self._differs(points):
                misses = []
                for slot, leaf in enumerate(self.inputs):
                    if leaf in self.found:
                        misses += self._wrong(slot, self._anew, _units(leaf), False)
                nowhere = _Miss(self.level, None, None, np.nan, _Verdict(False, np.nan, ""), "", self.outputs)
                return [miss._replace(astray=True) for miss in misses] or [nowhere]
        return []

    def _moved(self, distance: float) -> list[Array]:
        """A point so far away, the same in every call."""
        rng = np.random.default_rng(1)
        return [
            point + distance * np.maximum(1, np.abs(point)) * rng.uniform(0.1, 1, point.shape)
            if point.dtype.kind == "f"
            else point
            for point in self.points
        ]

    def _differs(self, points: Sequence[Array]) -> bool:
        """Whether f called anew there and its graph replayed there give different values, where both give any."""
        line: dict[Node, Array] = {
            leaf: point - leaf._value for leaf, point in zip(self.inputs, points, strict=True) if leaf in self.found
        }
        try:
            pairs = zip(self._anew(line)(1), _Replay(self.outputs, list(line)).along(line)(1), strict=True)
        except Exception:  # outside the domain of an operation
            return False
        return any(_apart(anew, replayed) for anew, replayed in pairs)

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
        self, slot: int, along: Callable[[dict[Node, Array]], Curve], probes: Iterable[Probe], complex_step: bool
    ) -> list[_Miss]:
        """The probes along which differences contradict the adjoint."""
        leaf, seen, wrong = self.inputs[slot], 0, []
        for entry, direction in probes:
            seen += 1
            found = float((self.found[leaf] * direction).sum()) if entry is None else float(self.found[leaf][entry])
            size = 1.0 if entry is None else max(1.0, abs(float(leaf._value[entry])))
            line: dict[Node, Array] = {leaf: direction}
            verdict = self._verdict(along(line), found, size, complex_step, partial(self._scale, line, size))
            if not verdict.right:
                wrong.append((entry, found, verdict))
        count = f"{len(wrong)} of {seen} entries"
        return [_Miss(self.level, slot, *miss, count, self.outputs) for miss in wrong]

    def _scale(self, line: dict[Node, Array], size: float) -> float:
        """How large slopes are around here: the terms of which the slope is the sum, and what the outputs change by.

        A slope is Σ v̄ ∂v of every node v between, so rounding leaves a part of the largest such sum of absolute values.
        """
        replay, step = _Replay(self.outputs, list(line)), self.options.step * size
        inner = _floating(replay.operations)
        sums = [0.0]
        with np.errstate(all="ignore"), suppress(Exception):  # outside the domain of an operation
            up, down = replay.table(step, line), replay.table(-step, line)
            adjoints = _pulled(self.outputs, [Constant(weight) for weight in self.weights], inner) if inner else []
            for node, adjoint in zip(inner, adjoints, strict=True):
                sums.append(float(np.abs(adjoint._value * (up[node] - down[node])).sum()) / (2 * step))
        for distance in (size, -size, 0.1 * size, -0.1 * size):
            with np.errstate(all="ignore"), suppress(Exception):
                moves = zip(self.weights, replay.along(line)(distance), self.outputs, strict=True)
                sums.append(
                    float(sum(np.abs(weight * (end - y._value)).sum() for weight, end, y in moves)) / abs(distance)
                )
        return max([each for each in sums if np.isfinite(each)])

    def _verdict(
        self, curve: Curve, found: float, size: float, complex_step: bool, scale_of: Callable[[], float]
    ) -> _Verdict:
        """Whether the slope of the curve is the one found, by the complex step, or else by central differences."""
        options = self.options
        exact = self._complex_step(curve) if complex_step else np.nan
        step = options.step * size
        for scale in _tried(scale_of):
            agree = partial(options.agree, scale=scale)
            if agree(found, exact):
                return _Verdict(True, exact, "the complex step")
            look = self._central(curve, step)
            if agree(found, look.slope, look.noise) and look.gap <= 1e-3 * abs(look.slope) + 10 * look.noise:
                return _Verdict(True, look.slope, "central differences")
        looks = self._looks(curve, step)
        inside = [each for each in looks[2:] if np.isfinite(each.gap)]  # both sides in the domain
        wide, narrow = (inside[0], inside[:3][-1]) if len(inside) > 1 else (looks[2], looks[4])
        if not np.isfinite(narrow.gap):
            return _Verdict(False, narrow.slope, NOT_FINITE, NOT_FINITE)
        if not narrow.gap < 0.5 * wide.gap and not narrow.gap <= options.atol * scale + 1e3 * narrow.noise:
            apart = f"the differences to its two sides stay {narrow.gap:.4g} apart, however small the step"
            return _Verdict(False, narrow.slope, apart, TOO_FAST if narrow.gap > 2 * wide.gap else KINK)
        (expected, _, noise), error = _steadiest(looks)
        if agree(found, expected, noise + min(error, 1e-3 * abs(expected))):
            return _Verdict(True, expected, "central differences")
        if agree(exact, expected, noise + error):
            return _Verdict(False, exact, "the complex step")
        return _Verdict(False, expected, "central differences")

    def _complex_step(self, curve: Curve) -> float:
        """Im y(x + ih) / h; nan where the operations do not take complex arrays after all."""
        try:
            ends = curve(TINY * 1j)
        except Exception:  # whatever a function of real arrays raises at complex ones; then differences judge
            return np.nan
        return float(sum((weight * end.imag).sum() for weight, end in zip(self.weights, ends, strict=True)) / TINY)

    def _looks(self, curve: Curve, step: float) -> list[_Difference]:
        """Differences by ever smaller steps."""
        return [self._central(curve, step * factor) for factor in (100, 10, 1, 0.1, 0.01, 0.001)]

    def _central(self, curve: Curve, step: float) -> _Difference:
        forward = backward = noise = 0.0
        with np.errstate(all="ignore"):
            for y, up, down, weight in zip(self.outputs, curve(step), curve(-step), self.weights, strict=True):
                at = y._value
                forward += float((weight * (up - at)).sum()) / step
                backward += float((weight * (at - down)).sum()) / step
                moved, rounding = (up != at) | (down != at), np.abs(weight * at) * (np.finfo(np.float64).eps / step)
                unseen = float(rounding[~moved].sum())  # a change this small would not have moved it
                noise += float(rounding[moved].sum()) + min(unseen, self.options.atol)
        return _Difference((forward + backward) / 2, abs(forward - backward), noise)


class _Replay:
    """The outputs as a function of some inputs: the fprops on the way, on arrays in a table, the nodes left alone."""

    def __init__(self, outputs: Sequence[Node], leaves: Sequence[Node]) -> None:
        self.outputs = outputs
        reached = set(leaves)
        self.operations: list[Operation] = []
        for node in ancestry(outputs, oldest=min([leaf.number for leaf in leaves])):
            if not reached.isdisjoint(node.children):
                reached.add(node)
                self.operations.append(cast(Operation, node))
        self.analytic = all(node.analytic for node in self.operations)

    def along(self, line: dict[Node, Array]) -> Curve:
        def curve(t: complex) -> Sequence[Array]:
            table = self.table(t, line)
            return [table.get(y, y._value) for y in self.outputs]

        return curve

    def table(self, t: complex, line: dict[Node, Array]) -> dict[Node, Array]:
        """The values of all nodes on the way, at a point of the line."""
        table = {leaf: leaf._value + (t if t.imag else t.real) * direction for leaf, direction in line.items()}
        with np.errstate(all="ignore"):
            for node in self.operations:
                arrays = [table.get(child, child._value) for child in node.children]
                table[node] = np.asarray(node.fprop(*arrays, **node.attributes))
        return table


def _tried(scale_of: Callable[[], float]) -> Iterator[float]:
    """0, with which most slopes agree, and the scale itself, which takes time, only if it is asked for."""
    yield 0.0
    yield min(scale_of(), 1.0)


def _apart(a: Array, b: Array) -> bool:
    """Whether entries that are finite in both differ by more than rounding."""
    with np.errstate(all="ignore"):
        scale = max([float(np.abs(each[np.isfinite(each)]).max(initial=0)) for each in (a, b)])
        return bool((np.abs(a - b) > SAME * scale).any())


def _weight(y: Node, rng: np.random.Generator) -> Array:
    """A random adjoint, no entry of which is small."""
    return np.asarray(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape))


def _places(slot: int, array: Array) -> Iterator[tuple[Place, Array]]:
    """Every entry, with the array that has a 1 there."""
    for entry in np.ndindex(array.shape):
        unit = np.zeros(array.shape)
        unit[entry] = 1
        yield (slot, entry), unit


def _units(leaf: Node) -> Iterator[Probe]:
    for (_, entry), unit in _places(0, leaf._value):
        yield entry, unit


def _steadiest(looks: Sequence[_Difference]) -> tuple[_Difference, float]:
    """Of differences by ever smaller steps the one that changed least, and by how much it did."""
    changes = [abs(narrow.slope - wide.slope) for wide, narrow in pairwise(looks)]
    best = int(np.argmin(np.nan_to_num(changes, nan=np.inf)))
    return looks[best + 1], changes[best]


# The node at fault -------------------------------------------------------------------------------------------------


def _culprit(miss: _Miss, options: _Options, text: str) -> str:
    """The first operation that fails alone: its own bprop against its own fprop, at the arrays it has in the graph.

    An operation may be right at order 1 and cut its adjoint from the graph, so it is tried at higher orders as well.
    Its own numbers are told where they are not in the text already.
    """
    nodes = [node for node in ancestry(miss.outputs) if isinstance(node, Operation) and _floating(node.children)]
    numbers = {node: i for i, node in enumerate(in_order([y for y in miss.outputs if y.adjoint_of is None]))}
    for order in range(1, miss.order + 2):
        for node in nodes:
            if order == 1 or node.adjoint_of is None:
                alone = _alone(node, order, options)
                if alone is not None:
                    roles = _roles(node)
                    own = alone.text(f"{type(node).__name__} alone", roles)
                    line = f"The node at fault: {where(node)}{f' {node.name!r}' if node.name else ''}"
                    if alone.slot is not None and alone.slot < len(roles):
                        line += f", for its child {roles[alone.slot]}: {node.children[alone.slot].label}"
                    if node in numbers:
                        line += f" (#{numbers[node]} in mg.draw(error))"
                    itself = {type(other) for other in nodes if other.adjoint_of is None} == {type(node)}
                    return line if itself or own.partition("\n")[2] in text else f"{line}\n{own}"
    return "Every operation of the graph passes alone"


def _roles(node: Operation) -> list[str]:
    """What an operation calls its children."""
    return [*node.roles, *(f"input {i}" for i in range(len(node.roles), len(node.children)))]


def _alone(node: Operation, order: int, options: _Options) -> _Miss | None:
    """What is wrong with an operation by itself; None too where it cannot be tried."""
    try:
        return _checked_alone(node, order, options)
    except Exception:  # a rule may end at an order that was not asked for
        return None


def _checked_alone(node: Operation, order: int, options: _Options) -> _Miss | None:
    def twin(children: Sequence[Node]) -> Sequence[Node]:
        operation = object.__new__(type(node))
        Operation.__init__(operation, *children, **node.attributes)
        return [operation]

    points = [_point(child._value) for child in node.children]
    return _first_miss(twin, points, order, options._replace(directions=SAMPLES), np.random.default_rng(0))
