"""Contraction leaves out rounds that the others tell: put back by translation, they give the very graph that was traced."""

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.tracing.contraction import contracted
from minigrad.compiler.tracing.rounds import FEWEST_LEFT_OUT, MARGIN
from minigrad.compiler.tracing.tracer import is_read_in_place, run
from minigrad.context import Context
from minigrad.loops import uncompared
from minigrad.marks import Marker, step_of
from minigrad.models import GRU, LSTM, RNN, Bidirectional, SimpleRNN, Stacked, losses, penalties
from minigrad.ops.base import AddN, Operation
from minigrad.ops.indexing import ARRAY, Scatter
from minigrad.ops.linear_algebra import SumOfProducts
from tests.compiler.random_loops import loop_graph

BATCH, FEATURES, UNITS = 2, 3, 4
SHORT, LONG = 2 * MARGIN + FEWEST_LEFT_OUT - 1, 2 * MARGIN + FEWEST_LEFT_OUT + 9


def weights(*shapes):
    rng = np.random.default_rng(0)
    return [mg.Parameter(0.3 * rng.normal(size=shape), name=f"W{i}") for i, shape in enumerate(shapes)]


def feed(n_steps):
    return np.random.default_rng(1).normal(size=(BATCH, n_steps, FEATURES))


# Graphs ------------------------------------------------------------------------------------------------------------


def layer(make, *, mask=False, order=1):
    """The loss of a layer's output and its gradients."""
    net = make()

    def f(u):
        out = net(u, mask=mg.Constant(np.ones((BATCH, u.shape[1]), bool))) if mask else net(u)
        loss = np.square(out).mean()
        found = mg.gradients(loss, net.parameters())
        if order == 2:
            loss = loss + 0.1 * sum([np.square(g).sum() for g in found])
            found = mg.gradients(loss, net.parameters())
        return loss, *found

    return f


def penalized(penalty):
    net = RNN(FEATURES, UNITS, 3, dtype=np.float64, rng=0)

    def f(u):
        states = net.states(u)
        loss = losses.cross_entropy(net.readout(states[-1]), np.arange(BATCH))
        total = loss + penalty(loss, states)
        return total, *mg.gradients(total, net.parameters())

    return f


def by_hand(
    step=lambda t, h, drive: np.tanh(h + drive),
    result=lambda states: np.square(states[-1]).mean(),
    *,
    backward=False,
    read=lambda u, t: u[:, t],
    numbers=None,
    order=1,
):
    """A loop; `step` makes the state from its number, the state before and what drives it. numbers: those that marks give steps."""
    W, R, b = parameters = weights((UNITS, FEATURES), (UNITS, UNITS), (UNITS,))

    def f(u):
        h, states = mg.Constant(np.zeros((BATCH, UNITS))), []
        marker = Marker({})
        for t in reversed(range(u.shape[1])) if backward else range(u.shape[1]):
            with marker.step(numbers(t), f"t={t}") if numbers else nullcontext():
                h = step(t, h @ R.T, read(u, t) @ W.T + b)
            states.append(h)
        loss = result(states)
        return loss, *(mg.gradients(loss.sum(), parameters) if order else ())

    return f


def lstm_by_hand():
    W, R, b, V = parameters = weights((4 * UNITS, FEATURES), (4 * UNITS, UNITS), (4 * UNITS,), (1, UNITS))

    def f(u):
        h = c = mg.Constant(np.zeros((BATCH, UNITS)))
        loss = mg.Constant(np.zeros(()))
        for t in range(u.shape[1]):
            with mg.scope(f"t={t}"):
                z = u[:, t] @ W.T + h @ R.T + b
                i, o, forget = (mg.sigmoid(z[:, k * UNITS : (k + 1) * UNITS]) for k in range(3))
                c = forget * c + i * np.tanh(z[:, 3 * UNITS :])
                h = o * np.tanh(c)
                loss = loss + np.square(h @ V.T).mean()
        return loss, *mg.gradients(loss, parameters)

    return f


def penalized_by_hand(**options):
    return by_hand(
        **options,
        result=lambda states: sum(
            [np.square(adjoint).sum() for adjoint in mg.gradients(np.square(states[-1]).mean(), states)],
            np.square(states[-1]).mean(),
        ),
    )


def lag_2():
    """h_t = tanh(R h_{t−2} + W u_t + b) + h_{t−1} / 2."""
    W, R, b = parameters = weights((UNITS, FEATURES), (UNITS, UNITS), (UNITS,))

    def f(u):
        before, h = mg.Constant(np.zeros((BATCH, UNITS))), mg.Constant(np.ones((BATCH, UNITS)))
        for t in range(u.shape[1]):
            before, h = h, np.tanh(before @ R.T + u[:, t] @ W.T + b) + 0.5 * h
        loss = np.square(h).mean()
        return loss, *mg.gradients(loss, parameters)

    return f


def drawing(draw):
    """A round that draws from a generator, before or after what else it does."""
    rng = np.random.default_rng(0)
    return by_hand(step=lambda t, h, drive: np.tanh(h + drive) * draw(t, rng))


def uniform(rng):
    return mg.random_uniform((BATCH, UNITS), rng=rng, dtype=np.float64)


def cross_entropies(states):
    """A loss at every step, with labels of its own, and a penalty on the adjoints of the sum."""
    labels = np.arange(BATCH) % UNITS
    loss = sum([losses.cross_entropy(h, labels) for h in states])
    pairs = pairwise(mg.gradients(loss, states))
    return loss + 0.1 * sum([np.square(b - a).sum() for a, b in pairs])


GRAPHS = {
    "rnn": layer(lambda: SimpleRNN(FEATURES, UNITS, rng=0)),
    "lstm": layer(lambda: LSTM(FEATURES, UNITS, rng=0)),
    "lstm of order 2": layer(lambda: LSTM(FEATURES, UNITS, rng=0), order=2),
    "gru": layer(lambda: GRU(FEATURES, UNITS, rng=0)),
    "masked gru": layer(lambda: GRU(FEATURES, UNITS, rng=0), mask=True),
    "masked lstm": layer(lambda: LSTM(FEATURES, UNITS, rng=0), mask=True),
    "all states": layer(lambda: LSTM(FEATURES, UNITS, sequences=True, rng=0)),
    "bidirectional": layer(lambda: Bidirectional(LSTM(FEATURES, UNITS, rng=0), GRU(FEATURES, UNITS, rng=1))),
    "masked bidirectional": layer(
        lambda: Bidirectional(LSTM(FEATURES, UNITS, rng=0), GRU(FEATURES, UNITS, rng=1)), mask=True
    ),
    "stacked": layer(lambda: Stacked([LSTM(FEATURES, UNITS, rng=0), SimpleRNN(UNITS, UNITS, rng=1)])),
    **{
        type(penalty).__name__: penalized(penalty)
        for penalty in (
            penalties.Omega(),
            penalties.OmegaNorms(),
            penalties.LogRatio(),
            penalties.RelativeVariance(),
            penalties.AdjointVariance(),
            penalties.HalfSquaredNorms(),
            penalties.FirstAgainstLast(),
            penalties.NormStabilizer(),
        )
    },
    "by hand": by_hand(),
    "backward by hand": by_hand(backward=True),
    "lstm by hand": lstm_by_hand(),
    "penalized by hand": penalized_by_hand(),
    "penalized backward by hand": penalized_by_hand(backward=True),
    "a loss at every step": by_hand(result=lambda states: sum([np.square(h).mean() for h in states])),
    "penalized losses at every step": by_hand(result=cross_entropies),
    "a joined loss": by_hand(result=lambda states: np.square(np.concatenate(states, axis=1)).mean()),
    "a constant in each round": by_hand(step=lambda t, h, drive: np.where(h > 0.0, np.tanh(h + drive), 0.0)),
    "an index from the end": by_hand(read=lambda u, t: u[:, t - u.shape[1]]),
    "a slice": by_hand(read=lambda u, t: u[:, t : t + 1].sum(axis=1)),
    "two products": by_hand(step=lambda t, h, drive: np.tanh(h * h + drive) * np.cos(drive)),
    "lag 2": lag_2(),
    "a draw in each round": drawing(lambda t, rng: uniform(rng)),
    "two draws in each round": drawing(lambda t, rng: uniform(rng) + np.sin(uniform(rng))),
}


# Putting back what was left out ------------------------------------------------------------------------------------


class Unrolled:
    """The graph that a contraction stands for: each round that was left out as an image of those around the gap.

    gaps:      by loop the times that are left out
    original:  by loop, time and position the operations that were traced, to compare with
    places:    of each node that stayed its place; beside a loop the position is that of its reader, with the slot
    templates: the places and nodes of the rounds before the gaps
    checked:   the operations that are what they have to be
    """

    def __init__(self, f, n_steps=LONG, u=None):
        self.traced = run(f, ["u"], [feed(n_steps) if u is None else u], {})
        loops = uncompared(self.traced.nodes)
        self.contraction = contracted(self.traced, loops)
        self.kept = set(self.contraction.nodes)
        self.clocks = self.contraction.clocks
        self.gaps = {
            i: range(self._time(i, gap[0]), self._time(i, gap[-1]) + 1)
            if self.clocks[i][0] > 0
            else range(self._time(i, gap[-1]), self._time(i, gap[0]) + 1)
            for i, gap in self.contraction.gaps.items()
        }
        self.original, self.places, self.checked = {}, {}, set()
        for i, loop in enumerate(loops):
            for number, step in loop.steps.items():
                for at, node in enumerate([node for node in step if isinstance(node, Operation)]):
                    self._place(node, (i, self._time(i, number), at))
        self.templates = [
            (place, node)
            for node, place in self.places.items()
            if place[0] in self.gaps and place[1] == self.gaps[place[0]].start - 1
        ]
        for place, node in self.templates:  # which grow
            for slot, child in enumerate(self.children(node)):
                if child in self.contraction.beside and child not in self.places:
                    loop, number = self.contraction.beside[child]
                    assert (loop, self._time(loop, number)) == place[:2]
                    self._place_beside(place, slot)
                    self.templates.append((self.places[child], child))
        self._check()

    @property
    def left_out(self):
        """The numbers of the steps that are left out of some loop."""
        return {number for gap in self.contraction.gaps.values() for number in gap}

    def _time(self, loop, number):
        sign, shift = self.clocks.get(loop, (1, 0))
        return sign * number + shift

    def children(self, node):
        """What a node reads after contraction."""
        return self.contraction.children.get(node, node.children)

    def _place(self, node, place):
        self.original[place] = node
        if node in self.kept:
            self.places[node] = place

    def _place_beside(self, place, slot):
        loop, _, at = place
        for number in {number for i, number, _ in self.original if i == loop}:
            reader = self.original.get((loop, number, at))
            if reader is not None and slot < len(reader.children):
                self._place(reader.children[slot], (loop, number, (at, slot)))

    def _check(self):
        for loop, time, _ in self.places.values():
            assert time not in self.gaps.get(loop, ())
        seen = set()
        for node in self.contraction.nodes:
            assert seen.issuperset(self.children(node))
            seen.add(node)
        assert seen.issuperset(self.contraction.children)
        assert set(self.contraction.children).issuperset(self.contraction.parts)
        for node in self.contraction.nodes:
            if isinstance(node, Operation):
                self._is(node, node, node.attributes, self._before_closing(node))
        for (loop, _, at), node in self.templates:
            gap = self.gaps[loop]
            after = self.original[loop, gap.stop, at]
            for number in gap:
                attributes = _between(node.attributes, after.attributes, number - gap.start + 1, len(gap) + 1)
                self._is(self.original[loop, number, at], node, attributes, self._children_in(gap, number, node, after))
        assert self.checked == {node for node in self.traced.nodes if isinstance(node, Operation)}

    def _is(self, node, kept, attributes, children):
        assert type(node) is type(kept)
        assert (node.name, node.shape, node.dtype) == (kept.name, kept.shape, kept.dtype)
        assert node.attributes == attributes
        for a, b in zip(node.children, children, strict=True):
            assert a is b or (
                self._is_constant(a) and self._is_constant(b) and a._value.tobytes() == b._value.tobytes()
            )
        self.checked.add(node)

    def _is_constant(self, node):
        argument = node in set(self.traced.inputs.values())
        return not (isinstance(node, Operation) or argument or is_read_in_place(node, self.traced.start))

    def _children_in(self, gap, number, before, after):
        """The children of an image of two nodes, before the gap and behind it."""
        children = []
        for child, then in zip(self.children(before), self.children(after), strict=True):
            place = self.places.get(child)
            if child is not then and place is not None and place[0] in self.gaps:
                loop, there, at = place
                there -= len(gap) if there >= gap.stop else 0
                child = self.original[loop, there - (gap.start - 1) + number, at]
            children.append(child)
        return children

    def _before_closing(self, node):
        """The children that a node had before the gaps were closed."""
        if node in self.contraction.parts:
            return self._filled(node)
        children = list(self.children(node))
        for slot, (child, own) in enumerate(zip(children, node.children, strict=True)):
            if child is not own:  # a round before the gap reads behind it what it read in it, and the other way round
                (loop, time, _), (chain, there, at) = self.places[node], self.places[child]
                gap = self.gaps[loop]
                assert (time < gap.start) != (there < gap.start)
                children[slot] = self.original[chain, there + (len(gap) if there < gap.start else -len(gap)), at]
        return children

    def _filled(self, node):
        """All children of a node that reads all rounds."""
        parts = self.contraction.parts[node]
        found = dict(zip(parts, self.children(node), strict=True))
        places = {i: self.places.get(child) for i, child in found.items()}
        for i, j in pairwise(parts):
            if j > i + 1:
                gap = self.gaps[places[i][0]]
                period, way = (j - i - 1) // len(gap), 1 if places[i][1] < gap.start else -1
                for k in range(i + 1, j):
                    loop, number, at = places[k - period]
                    places[k] = loop, number + way, at
                    found[k] = self.original[places[k]]
        return [found[i] for i in range(len(found))]


def _between(before, after, k, n):
    """Attributes whose numbers go from those before to those after, at k of n."""
    if isinstance(before, dict):
        return {name: _between(value, after[name], k, n) for name, value in before.items()}
    if isinstance(before, tuple):
        return tuple([_between(x, y, k, n) for x, y in zip(before, after, strict=True)])
    if isinstance(before, slice):
        return slice(*[_between(getattr(before, x), getattr(after, x), k, n) for x in ("start", "stop", "step")])
    if type(before) is int:
        assert (after - before) % n == 0
        return before + k * (after - before) // n
    assert before is after or before == after
    return before


@pytest.mark.parametrize("name", GRAPHS)
def test_rounds_put_back_give_the_graph_that_was_traced(name):
    short, long = Unrolled(GRAPHS[name]), Unrolled(GRAPHS[name], LONG + 9)
    assert short.gaps
    assert {i: (gap.start, gap.stop + 9) for i, gap in short.gaps.items()} == {
        i: (gap.start, gap.stop) for i, gap in long.gaps.items()
    }
    assert len(short.contraction.nodes) == len(long.contraction.nodes)


@pytest.mark.parametrize("seed", range(12))
def test_rounds_of_random_loops_put_back_give_the_graph_that_was_traced(seed):
    rng = np.random.default_rng(seed)
    program = [tuple(map(int, rng.integers(10, size=4))) for _ in range(rng.integers(1, 5))]
    flags = tuple(map(bool, rng.integers(2, size=4)))
    graph = loop_graph(
        34, int(rng.integers(1, 4)), int(rng.integers(1, 3)), program, 1 + seed % 2, flags, np.float64, seed
    )
    Unrolled(graph.f, u=graph.calls[0][0])


# What has to stay --------------------------------------------------------------------------------------------------

MANY, ODD = 60, 29  # rounds, and the odd one among them
OTHER = mg.Parameter(np.ones((BATCH, UNITS)))


def marked(step=lambda t, h, drive: np.tanh(h + drive), **options):
    """A loop with marks, so that its steps are found whatever happens in them."""
    return by_hand(step, numbers=lambda t: t + 1, **options)


def keeps(f, number=ODD + 1, n_steps=MANY):
    """Whether steps before that number or behind it are left out, and this one is not."""
    left_out = Unrolled(f, n_steps).left_out
    return bool(left_out) and number not in left_out


class Scaled(mg.Elementwise):
    """y = x / (1 + by);  x̄ = ȳ / (1 + by)."""

    __slots__ = ()

    def fprop(self, x, *, by):
        return x / (1.0 + by)

    def bprop(self, adjoint):
        return adjoint / (1.0 + self.by)


def renamed(node):
    node.name = "odd"
    return node


def in_scope(name, function, *nodes):
    with mg.scope(name):
        return function(*nodes)


@pytest.mark.parametrize(
    "otherwise",
    [
        lambda h, drive: np.sin(h + drive * 0.5),
        lambda h, drive: np.tanh(drive * 0.5 + h),
        lambda h, drive: np.tanh(h + drive * 0.25),
        lambda h, drive: np.tanh(h + drive * OTHER),
        lambda h, drive: np.tanh(h + drive * drive),
        lambda h, drive: np.tanh(h + h),
        lambda h, drive: np.tanh(np.tanh(h + drive * 0.5)),
        lambda h, drive: np.tanh(h),
        lambda h, drive: renamed(np.tanh(h + drive * 0.5)),
        lambda h, drive: in_scope("inner", np.tanh, h + drive * 0.5),
    ],
)
@pytest.mark.parametrize("make", [by_hand, marked, lambda step: marked(step, order=0)])
def test_a_round_that_does_something_else_stays(make, otherwise):
    made = []

    def step(t, h, drive):
        made.append(otherwise(h, drive) if t == ODD else np.tanh(h + drive * 0.5))
        return made[-1]

    unrolled = Unrolled(make(step), MANY)
    assert unrolled.gaps
    assert made[ODD] in unrolled.kept


def test_what_scopes_are_called_does_not_matter():
    short, long = (Unrolled(marked(lambda t, h, drive: in_scope(f"a{t}", np.tanh, h + drive)), n) for n in (30, MANY))
    assert len(short.contraction.nodes) == len(long.contraction.nodes)


def test_a_round_with_another_attribute_stays():
    assert keeps(marked(lambda t, h, drive: mg.softmax(h + drive, axis=0 if t == ODD else 1)))


def test_numbers_that_count_in_other_attributes_than_an_index_keep_all_rounds():
    assert not Unrolled(marked(lambda t, h, drive: Scaled(np.tanh(h + drive), by=t), order=0), MANY).gaps
    assert Unrolled(marked(lambda t, h, drive: Scaled(np.tanh(h + drive), by=1), order=0), MANY).gaps


def test_a_round_of_another_shape_stays():
    """A slice that counts on beyond the end has another shape."""
    assert keeps(marked(read=lambda u, t: u[:, :ODD][:, t : t + 2].sum(axis=1)), ODD)


def test_a_round_whose_adjoints_belong_to_other_nodes_stays():
    net = layer(lambda: LSTM(FEATURES, UNITS, rng=0))

    def f(u):
        found = net(u)
        adjoints = [
            node for node in mg.Graph(*found).nodes if node.adjoint_of is not None and step_of(node) is not None
        ]
        of_round = [node for node in adjoints if step_of(node)[1] == ODD]
        of_round[0].context = Context(of_round[0].context.scope, of_round[-1].adjoint_of, None)
        return found

    assert keeps(f, ODD)


@pytest.mark.parametrize(
    "place",
    [
        lambda t: 0 if t == ODD else t,
        lambda t: t - ODD,
        lambda t: t if t < ODD else MANY - 1 - t,
        lambda t: t + (t >= ODD) - MANY,
        lambda t: t * t % MANY,
    ],
)
@pytest.mark.parametrize("make", [by_hand, marked])
def test_a_round_whose_index_does_not_count_on_stays(make, place):
    made = {}

    def read(u, t):
        made[t] = u[:, place(t)]
        return made[t]

    unrolled = Unrolled(make(read=read), MANY)
    steps = [t for t in made if made[t] not in unrolled.kept]
    assert {place(t + 1) - place(t) for t in steps} <= {1, -1}
    assert not steps or not {ODD, ODD - 1}.issubset(steps)


def test_a_number_that_no_step_has_is_in_no_gap():
    def f(u):
        marker, rows = Marker({}), []
        for t in range(MANY):
            with marker.step(t + (t >= ODD), "t"):
                rows.append(u[:, t])
        return np.stack(rows)

    assert keeps(f, ODD)


@pytest.mark.parametrize("make", [by_hand, marked])
@pytest.mark.parametrize(
    ("result", "contracts"),
    [
        (lambda states: np.square(states[-1]).mean() + states[ODD].sum(), True),
        (lambda states: np.stack([states[ODD], states[-1]]).sum(), True),
        (lambda states: (states[ODD], states[-1]), True),
        (lambda states: np.stack(states + states[ODD : ODD + 1]).sum(), False),
        (lambda states: np.stack(states[:ODD] + states[ODD + 1 :]).sum(), False),
        (lambda states: np.stack(states[ODD:] + states[:ODD]).sum(), False),
        (lambda states: np.stack(states[::2]).sum(), False),
        (lambda states: np.stack(states[:ODD] + states[MANY - 9 : ODD - 1 : -1] + states[MANY - 8 :]).sum(), False),
        (lambda states: np.stack(states[:ODD] + states[ODD + 1 : ODD - 1 : -1] + states[ODD + 2 :]).sum(), False),
    ],
)
def test_what_is_read_by_itself_stays(make, result, contracts):
    made = []

    def noted(states):
        made.append(states[ODD])
        return result(states)

    unrolled = Unrolled(make(result=noted, order=0), MANY)
    assert bool(unrolled.gaps) is contracts
    assert unrolled.kept.issuperset(made)


@pytest.mark.parametrize("cut", range(14))
def test_a_stack_may_begin_and_end_anywhere(cut):
    for part in (slice(cut, None), slice(None, MANY - cut)):
        Unrolled(marked(result=lambda states, part=part: (np.stack(states[part]), states[-1]), order=0), MANY)
    Unrolled(marked(result=lambda states: np.stack(states[cut:] + states[:cut]), order=0), MANY)


def scattered(states, order, **options):
    places = tuple([(order(i),) for i in range(len(states))])
    return Scatter(*states, **{"shape_to": (MANY, BATCH, UNITS), "places": places, **options}).sum()


@pytest.mark.parametrize(
    ("order", "contracts"),
    [
        (lambda i: i, True),
        (lambda i: MANY - 1 - i, True),
        (lambda i: i // 2, False),
        (lambda i: i if i != ODD else i + 1, False),
        (lambda i: i - ODD, False),
        (lambda i: i if i < ODD else MANY + ODD - 1 - i, False),
    ],
)
def test_parts_of_a_scatter_whose_places_do_not_count_on_stay(order, contracts):
    f = marked(result=lambda states: scattered(states, order), order=0)
    assert bool(Unrolled(f, MANY).gaps) is contracts


def test_parts_of_a_scatter_in_places_that_are_nodes_stay():
    places = ((ARRAY,),) * MANY
    arrays = [mg.Constant(np.array([i])) for i in range(MANY)]

    def result(states):
        rows = [h.reshape((1, BATCH, UNITS)) for h in states]
        return Scatter(*rows, *arrays, shape_to=(MANY, BATCH, UNITS), places=places).sum()

    assert not Unrolled(marked(result=result, order=0), MANY).gaps


def products(left, right):
    return lambda states: SumOfProducts(*[states[i] for i in left], *[states[i] for i in right]).sum()


ALL = list(range(MANY))


@pytest.mark.parametrize(
    ("left", "right", "contracts"),
    [
        (ALL, ALL, True),
        (ALL[::-1], ALL[::-1], True),
        (ALL[1:], ALL[:-1], True),
        (ALL[:-4], ALL[4:], True),
        (ALL[:-1], ALL[:-1][::-1], False),
        (ALL[:-9], ALL[9:], False),
        (ALL[1:], ALL[:0:-1], True),
        (ALL[2:], ALL[:1:-1], False),
        (ALL[2:], [*ALL[2:56], 0, *ALL[57:]], True),
        (ALL[:-2], ALL[2:], True),
        (ALL[:-2], [*ALL[2:56], 0, *ALL[57:]], False),
        ([*ALL, 0], [0, *ALL], True),
        ([*ALL, *[0] * 9], [*[0] * 9, *ALL], False),
        (ALL, [0] * MANY, False),
        ([*ALL, *ALL], [*ALL, *[0] * MANY], False),
        ([*ALL, *ALL], [*ALL, *ALL], True),
        ([i for i in ALL for _ in range(2)], [*ALL, *ALL], False),
    ],
)
def test_products_lose_both_factors_or_none(left, right, contracts):
    assert bool(Unrolled(marked(result=products(left, right), order=0), MANY).gaps) is contracts


def test_products_of_rounds_of_loops_of_different_lengths_lose_none():
    runs = []
    loop = marked(result=runs.append, order=0)

    def f(u):
        runs.clear()
        loop(u)
        loop(u[:, :40])
        return SumOfProducts(*runs[0], *runs[1], *runs[1][:1] * 20)

    assert not Unrolled(f, MANY).gaps


def test_what_an_update_writes_stays():
    state = mg.Parameter(np.zeros((BATCH, UNITS)), trainable=False)

    def result(states):
        mg.update(state, states[ODD])
        return np.square(states[-1]).mean()

    assert keeps(marked(result=result))


def test_rounds_around_an_update_of_what_they_read_stay():
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))
    state = mg.Parameter(np.ones((BATCH, UNITS)), trainable=False)

    def f(u, updated):
        h, new = mg.Constant(np.zeros((BATCH, UNITS))), u[:, 0] @ W.T
        for t in range(MANY):
            if t == ODD and updated:
                mg.update(state, new)
            h = np.tanh(h @ R.T + u[:, t] @ W.T) * state
        return h

    assert Unrolled(lambda u: f(u, False), MANY).gaps
    assert not Unrolled(lambda u: f(u, True), MANY).gaps


@pytest.mark.parametrize(("n_rows", "is_shared", "contracts"), [(1, False, True), (9, False, False), (9, True, True)])
def test_rounds_with_large_constants_of_their_own_stay(n_rows, is_shared, contracts):
    """As on a page of lines, small constants are one by their values, large ones only if they are one array."""
    tables = [np.full((n_rows, UNITS), 0.5) for _ in range(MANY)]
    if is_shared:
        tables[0].flags.writeable = False
        tables = tables[:1] * MANY
    net = marked(lambda t, h, drive: np.tanh(h + drive * mg.Constant(tables[t]).sum(axis=0)))
    assert bool(Unrolled(net, MANY).gaps) is contracts


def test_inputs_of_the_rounds_stay():
    inputs = [mg.Input(np.ones(UNITS)) for _ in range(MANY)]
    assert not Unrolled(marked(lambda t, h, drive: np.tanh(h + drive * inputs[t])), MANY).gaps


def test_an_argument_for_each_round_keeps_all():
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))

    def f(*inputs):
        h = mg.Constant(np.zeros((BATCH, UNITS)))
        for u in inputs:
            h = np.tanh(h @ R.T + u @ W.T)
        return h

    arrays = [np.ones((BATCH, FEATURES)) for _ in range(MANY)]
    traced = run(f, [f"u{t}" for t in range(MANY)], arrays, {})
    found = contracted(traced, uncompared(traced.nodes))
    assert not found.gaps
    assert list(found.nodes) == traced.nodes


@pytest.mark.parametrize(
    "draw",
    [
        lambda t, rng: uniform(rng) + (uniform(rng) if t == ODD else 0.0),
        lambda t, rng: uniform(np.random.default_rng(t)),
        lambda t, rng: uniform(rng if t != ODD else np.random.default_rng(1)),
    ],
)
@pytest.mark.parametrize("make", [by_hand, marked])
def test_a_round_that_draws_otherwise_stays(make, draw):
    made, rng = {}, np.random.default_rng(0)

    def step(t, h, drive):
        made[t] = draw(t, rng)
        return np.tanh(h + drive) * made[t]

    unrolled = Unrolled(make(step), MANY)
    assert made[ODD] in unrolled.kept


@pytest.mark.parametrize(
    ("order", "contracts"),
    [
        (lambda draws: draws, True),
        (lambda draws: draws[::-1], True),
        (lambda draws: [*draws[:ODD], *draws[:ODD:-1], draws[ODD]], False),
        (lambda draws: [draws[(7 * t) % MANY] for t in range(MANY)], False),
        (lambda draws: [*draws[:ODD], draws[ODD + 1], draws[ODD], *draws[ODD + 2 :]], False),
    ],
)
def test_draws_in_another_order_than_that_of_the_rounds_keep_all(order, contracts):
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))
    rng = np.random.default_rng(0)

    def f(u):
        h, marker = mg.Constant(np.zeros((BATCH, UNITS))), Marker({})
        for t, drawn in enumerate(order([uniform(rng) for _ in range(MANY)])):
            with marker.step(t, "t"):
                h = np.tanh(h @ R.T + u[:, t] @ W.T) * drawn
        return h

    assert bool(Unrolled(f, MANY).gaps) is contracts


@pytest.mark.parametrize("odd", [ODD, -1])
def test_a_round_whose_draws_change_places_keeps_all(odd):
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))
    rng = np.random.default_rng(0)

    def f(u):
        h, marker = mg.Constant(np.zeros((BATCH, UNITS))), Marker({})
        pairs = [(uniform(rng), uniform(rng))[:: -1 if t == odd else 1] for t in range(MANY)]
        for t, (a, b) in enumerate(pairs):
            with marker.step(t, "t"):
                h = np.tanh(h @ R.T + u[:, t] @ W.T + a) * b
        return h

    assert bool(Unrolled(f, MANY).gaps) is (odd < 0)


def test_a_draw_between_those_of_the_rounds_keeps_all():
    """A second loop draws between two draws of each round of a first one."""
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))
    rng = np.random.default_rng(0)

    def f(u):
        h = other = mg.Constant(np.zeros((BATCH, UNITS)))
        first, second = Marker({}), Marker({})
        for t in range(MANY):
            with first.step(t, "t"):
                h = h + uniform(rng)
            with second.step(t, "t"):
                other = np.sin(other @ R.T) * uniform(rng)
            with first.step(t, "t"):
                h = np.tanh(h @ R.T + u[:, t] @ W.T) * uniform(rng)
        return h, other

    assert not Unrolled(f, MANY).gaps


def test_draws_of_two_loops_in_turn_keep_all_rounds():
    """Two loops that do not read each other draw by turns: each alone would draw in another order."""
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))
    rng = np.random.default_rng(0)

    def f(u, together):
        ends, markers = [mg.Constant(np.full((BATCH, UNITS), 0.5 * k)) for k in range(2)], [Marker({}), Marker({})]
        turns = (
            [(t, k) for t in range(MANY) for k in range(2)]
            if together
            else [(t, k) for k in range(2) for t in range(MANY)]
        )
        for t, k in turns:
            with markers[k].step(t, "t"):
                ends[k] = np.tanh(ends[k] @ R.T + u[:, t] @ W.T) * uniform(rng)
        return ends

    assert not Unrolled(lambda u: f(u, True), MANY).gaps
    assert len(Unrolled(lambda u: f(u, False), MANY).gaps) == 2


@pytest.mark.parametrize("n_steps", [3, SHORT])
def test_few_rounds_all_stay(n_steps):
    unrolled = Unrolled(by_hand(), n_steps)
    assert not unrolled.gaps
    assert list(unrolled.contraction.nodes) == unrolled.traced.nodes


def test_a_gap_leaves_out_some_rounds_at_least():
    middle = MARGIN + FEWEST_LEFT_OUT
    net = marked(result=lambda states: states[middle].sum() + states[-1].sum(), order=0)
    assert not Unrolled(net, 2 * middle).gaps
    assert Unrolled(net, 2 * middle + 9).gaps


# Loops that read each other ------------------------------------------------------------------------------------------


def over_states(other, n=MANY, first=lambda t, h, drive: np.tanh(h + drive), number=lambda t: t + 1):
    """A second loop, which reads the states of a first one, or of two."""
    (Q,) = weights((UNITS, UNITS))

    def result(states):
        h, marker = mg.Constant(np.ones((BATCH, UNITS))), Marker({})
        for t in range(n):
            with marker.step(number(t), "over"):
                h = np.sin(h @ Q.T + other(states, t))
        return h, states[-1]

    return marked(first, result=result, order=0)


@pytest.mark.parametrize(
    ("other", "contracts"),
    [
        (lambda states, t: states[t], True),
        (lambda states, t: states[MANY - 1 - t], True),
        (lambda states, t: states[min(t + 3, MANY - 1)], True),
        (lambda states, t: states[t] * states[max(t - 1, 0)], True),
        (lambda states, t: states[t] * states[MANY - 1 - t], False),
        (lambda states, t: states[t * 7 % MANY], False),
        (lambda states, t: states[max(t - 9, 0)] * states[t], True),
    ],
)
def test_rounds_that_read_those_of_another_loop_go_with_them(other, contracts):
    assert bool(Unrolled(over_states(other), MANY).gaps) is contracts


@pytest.mark.parametrize("shift", [-40, -3, 0, 7])
def test_steps_may_be_numbered_from_anywhere(shift):
    for sign in (1, -1):
        f = over_states(lambda states, t: states[t], number=lambda t, sign=sign: sign * t + shift)
        unrolled = Unrolled(f, MANY)
        first, second = unrolled.contraction.gaps.values()
        assert len(first) == len(second) > FEWEST_LEFT_OUT


def test_a_loop_that_reads_every_second_round_keeps_all():
    assert not Unrolled(over_states(lambda states, t: states[2 * t], n=MANY // 2), MANY).gaps


def test_a_loop_that_reads_one_round_of_another_again_and_again_keeps_it():
    made = []

    def other(states, t):
        made.append(states[ODD])
        return states[ODD]

    unrolled = Unrolled(over_states(other), MANY)
    assert len(unrolled.gaps) == 2
    assert unrolled.kept.issuperset(made)
    Unrolled(over_states(lambda states, t: states[max(t - ODD, 0)]), MANY)


def test_a_loop_that_carries_nothing_and_reads_one_round_of_another_keeps_it():
    (W,) = weights((UNITS, FEATURES))

    states = []
    loop = marked(result=states.extend, order=0)

    def f(u):
        marker, rows = Marker({}), []
        states.clear()
        loop(u)
        for t in range(MANY):
            with marker.step(t, "over"):
                rows.append(np.sin(u[:, t] @ W.T) * states[ODD])
        return np.stack(rows), states[-1]

    assert len(Unrolled(f, MANY).gaps) == 2


def test_a_loop_that_reads_two_others_by_turns_keeps_all():
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))

    def f(u):
        pair = []
        for _ in range(2):
            h, marker, states = mg.Constant(np.zeros((BATCH, UNITS))), Marker({}), []
            for t in range(MANY):
                with marker.step(t, "t"):
                    h = np.tanh(h @ R.T + u[:, t] @ W.T)
                states.append(h)
            pair.append(states)
        h, marker = mg.Constant(np.zeros((BATCH, UNITS))), Marker({})
        for t in range(MANY):
            with marker.step(t, "over"):
                h = np.sin(h @ R.T + pair[t % 2][t])
        return h

    assert not Unrolled(f, MANY).gaps


def test_a_short_loop_that_reads_the_last_rounds_does_not_hinder():
    assert Unrolled(over_states(lambda states, t: states[MANY - 5 + t], n=5), MANY).gaps
    assert keeps(over_states(lambda states, t: states[ODD + t], n=5))


def test_a_loop_ahead_of_another_in_the_order_of_births_keeps_all():
    """L_t reads K_{t+1}, which is born just before: closed, it would read a younger node."""
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))

    def f(u):
        k = h = mg.Constant(np.zeros((BATCH, UNITS)))
        markers = Marker({}), Marker({})
        for t in range(MANY):
            with markers[0].step(t + 1, "ahead"):
                k = np.tanh(k @ R.T + u[:, t] @ W.T)
            with markers[1].step(t, "behind"):
                h = np.sin(h @ R.T + k)
        return h

    Unrolled(f, MANY)


def test_a_lag_longer_than_the_margin_keeps_all_rounds():
    W, R = weights((UNITS, FEATURES), (UNITS, UNITS))

    def f(u):
        states = [mg.Constant(np.full((BATCH, UNITS), 0.1 * i)) for i in range(MARGIN + 1)]
        for t in range(u.shape[1]):
            states.append(np.tanh(states[-1] @ R.T + u[:, t] @ W.T) + states[-1 - MARGIN])
        return states[-1]

    assert not Unrolled(f, MANY).gaps


def test_loops_that_do_not_read_each_other_have_gaps_of_their_own():
    first, second = by_hand(), lstm_by_hand()

    def f(u):
        return first(u), second(u[:, :40])

    assert len(set(map(len, Unrolled(f, MANY).gaps.values()))) == 2


def test_where_a_gap_cannot_be_closed_others_are():
    first, second = marked(order=0), marked(result=lambda states: np.stack(states[::-2]).sum(), order=0)
    assert len(Unrolled(lambda u: (first(u), second(u)), MANY).gaps) == 1


def test_a_sum_in_a_round_of_part_of_another_loop_is_not_moved():
    """It would find as many rounds behind the gap as it reads in it, as a round finds a neighbor there."""
    inner = []
    first = marked(result=inner.extend, order=0)

    def step(t, h, drive):
        return np.tanh(h + (AddN(*inner[6:24]) if t == 0 else drive))

    second = marked(step, result=lambda states: (states[38], states[-1]), order=0)

    def f(u):
        inner.clear()
        first(u)
        return second(u), inner[30], inner[-1]

    assert len(Unrolled(f, MANY).gaps) == 1


def test_what_only_left_out_rounds_read_goes_too():
    unrolled = Unrolled(GRAPHS["a constant in each round"])
    leaves = [node for node in unrolled.contraction.nodes if not isinstance(node, Operation)]
    assert len(leaves) < sum(not isinstance(node, Operation) for node in unrolled.traced.nodes)
