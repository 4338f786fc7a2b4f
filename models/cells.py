"""Memory cells: one time step of a recurrent net, state in, state out. `minigrad.models.recurrent` runs them over time.

A state is a tuple of nodes, each (batch, n_units); its first is what the cell shows to others. So the loop
`state = cell(x_t, state)` is all there is to a recurrent net, and every cell fits it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, SupportsIndex, TypeAlias, TypedDict, TypeVar, Unpack

import numpy as np

from minigrad.context import scope
from minigrad.dispatch import TABLE
from minigrad.models.initializers import Initializer, orthogonal
from minigrad.models.inputs import count, float_dtype, floats, started
from minigrad.models.layers import Activation, activated, name_of
from minigrad.models.module import Module
from minigrad.node import Constant, Node, Parameter
from minigrad.ops import broadcast_to, random_bernoulli, sigmoid

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Operand

CellState: TypeAlias = tuple[Node, ...]
T = TypeVar("T")
GivenState: TypeAlias = "Operand | Sequence[Operand]"  # a state as a caller may give it


class CellOptions(TypedDict, total=False):
    """What the constructor of every cell here, and of its layer, takes besides.

    initializer:           for each gate's block of W_x; orthogonal by default. Biases start at 0
    recurrent_initializer: for each gate's block of W_h, where it is to differ from `initializer`
    dropout:               the fraction of the inputs x_t that W_x does not see in training, from 0 (default) to below 1
    recurrent_dropout:     the fraction of h_{t-1} that W_h does not see in training. Each example has one mask of either kind
                           for all time steps of a run, what is kept is divided by 1 − rate, and what a cell keeps (c of an
                           LSTM, h in a GRU's sum) is not dropped
    dtype:                 of the parameters, np.float32 by default
    rng:                   a numpy Generator or a seed, from which dropout is drawn too; None differs in every run

    Y. Gal and Z. Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, NIPS 2016.
    """

    initializer: Initializer | None
    recurrent_initializer: Initializer | None
    dropout: float
    recurrent_dropout: float
    dtype: npt.DTypeLike
    rng: np.random.Generator | int | None


class Cell(Module):
    """One time step: `cell(x_t, state)` is the next state, `cell.start(batch)` the one before all steps (zeros).

    A cell of one's own defines `step`. Where a part of it depends on x_t alone, `project` does that part, for all time
    steps in one call; what all steps share (a transposed matrix) is made once, by `shared`.

    >>> import numpy as np
    >>> from minigrad.models import Cell, Unrolled
    >>> class Leak(Cell):
    ...     def step(self, driven, state, shared):
    ...         return (0.5 * state[0] + driven,)
    >>> Unrolled(Leak(1, 1))(np.ones((1, 3, 1))).value  # 1 + 0.5 + 0.25
    array([[1.75]], dtype=float32)
    """

    n_parts: ClassVar[int] = 1  # how many nodes make a state
    part_names: ClassVar[str] = "hc"  # what they are called in pictures and programs, one letter each
    recurrent_names: ClassVar[
        tuple[str, ...]
    ] = ()  # of the parameters that are matrices by which the state is multiplied

    def __init__(self, n_inputs: SupportsIndex, n_units: SupportsIndex, *, dtype: npt.DTypeLike = np.float32) -> None:
        name = type(self).__name__
        self.n_inputs = count(name, "n_inputs", n_inputs)
        self.n_units = count(name, "n_units", n_units)
        self.dtype = float_dtype(name, dtype)

    def __call__(self, x: Operand, state: GivenState) -> CellState:  # type: ignore[override]  # a state, not a node
        """The next state from inputs x, (batch, n_inputs), and the state before them."""
        return self._located(self._stepped, x, state)

    def _stepped(self, x: Operand, state: GivenState) -> CellState:
        name = type(self).__name__
        node = floats(name, x, self.dtype)
        if node.ndim != 2 or node.shape[1] != self.n_inputs:
            raise ValueError(f"{name}: expected inputs of shape (batch, {self.n_inputs}), found {node.label}")
        before = self.given(state, len(node))
        with scope(name.lower()):
            driven, shared = self.project(self.thinned(node)), self.shared_in_run(len(node))
            return self.named(self.checked(self.step(driven, before, shared), before))

    def start(self, batch: int) -> CellState:
        """The state before all time steps: zeros."""
        if not hasattr(batch, "__index__") or batch < 0:
            raise ValueError(f"{type(self).__name__}.start(batch={batch!r}): expected the number of examples")
        return tuple([Constant(np.zeros((batch, self.n_units), self.dtype)) for _ in range(self.n_parts)])

    def output(self, state: CellState) -> Node:
        """What others see of a state, (batch, n_units)."""
        return state[0]

    def thinned(self, x: Node) -> Node:
        """The inputs, (batch, n_inputs) or (time, batch, n_inputs), as dropout leaves them."""
        return x

    def project(self, x: Node) -> Node:
        """The part of a step that x decides alone, from any number of rows (…, n_inputs)."""
        return x

    def shared(self) -> CellState:
        """The nodes that all steps share."""
        return ()

    def shared_in_run(self, batch: int) -> CellState:
        """The nodes that all steps of one run share: those of `shared`, and what is drawn for each example."""
        return self.shared()

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        """The next state from `project(x_t)`, the state before, and `shared()`."""
        raise TypeError(f"{type(self).__name__} defines no step: write step(self, driven, state, shared) -> state")

    def checked(self, after: CellState, before: CellState) -> CellState:
        """What `step` gave, which must be a state as the one before it was."""
        if not isinstance(after, tuple) or len(after) != len(before):
            found = f"{len(after)} nodes" if isinstance(after, tuple) else getattr(after, "label", type(after).__name__)
            raise TypeError(
                f"{type(self).__name__}.step gave {found}, expected a state, a tuple of {len(before)} (n_parts): of one node "
                "it is written (h,)"
            )
        for new, old in zip(after, before, strict=True):
            if not isinstance(new, Node) or (new.shape, new.dtype) != (old.shape, old.dtype):
                raise TypeError(
                    f"{type(self).__name__}.step gave a state with {getattr(new, 'label', type(new).__name__)} of dtype "
                    f"{getattr(new, 'dtype', None)}, expected nodes of shape {old.shape} and dtype {old.dtype}"
                )
        return after

    def part_roles(self) -> dict[str, str]:
        """What the names of nodes in a step stand for: "state" or "gate"."""
        return dict.fromkeys(self.part_names[: self.n_parts], "state")

    def named(self, state: CellState) -> CellState:
        """A new state, its nodes named for pictures and programs unless the step has named them."""
        for node, name in zip(state, self.part_names, strict=False):
            node.name = node.name or name
        return state

    def given(self, state: GivenState, batch: int) -> CellState:
        """A state as nodes of this cell's dtype, each (batch, n_units).

        state: a node or array for each of its parts, in a tuple where there are several; each (batch, n_units), or
               (n_units,) for all examples alike. Give Parameters and the first state is learned
        """
        name = type(self).__name__
        parts = tuple(state) if isinstance(state, tuple | list) else (state,)
        if len(parts) != self.n_parts:
            raise ValueError(
                f"{name}: expected a state of {self.n_parts} parts, found {len(parts)}: start from cell.start(batch)"
            )
        nodes = [floats(f"{name}: state", part, self.dtype) for part in parts]
        for node in nodes:
            if node.shape not in ((self.n_units,), (batch, self.n_units)):
                raise ValueError(
                    f"{name}: expected a state of shape ({batch}, {self.n_units}) or ({self.n_units},), found {node.label}"
                )
        return tuple([broadcast_to(node, (batch, self.n_units)) for node in nodes])


class GatedCell(Cell):
    """What the cells below share: their gates stacked in W_x (gates · n_units, n_inputs), W_h (gates · n_units, n_units)
    and b (gates · n_units,), in the order of `gates`, so that one product serves them all. Gate k has the rows
    k · n_units : (k + 1) · n_units.
    """

    gates: ClassVar[str] = "h"
    recurrent_names: ClassVar[tuple[str, ...]] = ("W_h",)

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        initializer: Initializer | None = None,
        recurrent_initializer: Initializer | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(n_inputs, n_units, dtype=dtype)
        self.dropout = self._rate("dropout", dropout)
        self.recurrent_dropout = self._rate("recurrent_dropout", recurrent_dropout)
        self.activation_name = name_of(type(self).__name__, activation)
        self.activation = TABLE.get(activation, activation)  # np.tanh's node at once, without NumPy's dispatch
        self.rng = rng = np.random.default_rng(rng)
        weights = orthogonal() if initializer is None else initializer

        def stacked(name: str, shape: tuple[int, ...], start: Initializer) -> Parameter:
            """Each gate's block is drawn by itself: to an initializer it is a matrix of its own."""
            kind = type(self).__name__
            return Parameter(np.concatenate([started(kind, name, start, shape, rng, self.dtype) for _ in self.gates]))

        recurrent = weights if recurrent_initializer is None else recurrent_initializer
        self.W_x = stacked("W_x", (self.n_units, self.n_inputs), weights)
        self.W_h = stacked("W_h", self.recurrent_shape(), recurrent)
        self.b: Parameter | None = self._bias()

    def recurrent_shape(self) -> tuple[int, ...]:
        """The shape of a gate's block of W_h."""
        return self.n_units, self.n_units

    def part_roles(self) -> dict[str, str]:
        """What `gates` and `part_names` say."""
        return {**dict.fromkeys(self.gates, "gate"), **super().part_roles()}

    def project(self, x: Node) -> Node:
        driven = x @ self.W_x.T
        return driven if self.b is None else driven + self.b

    def shared(self) -> CellState:
        return (self.W_h.T,)

    def thinned(self, x: Node) -> Node:
        """The inputs times their mask, in training."""
        kept = self._kept(self.dropout, x.shape[-2:])
        return x if kept is None else x * kept

    def shared_in_run(self, batch: int) -> CellState:
        """What `shared` gives, and behind it the mask of recurrent dropout, in training."""
        kept = self._kept(self.recurrent_dropout, (batch, self.n_units))
        return self.shared() if kept is None else (*self.shared(), kept)

    def seen(self, h: Node, shared: CellState) -> tuple[Node, CellState]:
        """What W_h sees of h, and the nodes of `shared`."""
        if self.training and self.recurrent_dropout:
            return h * shared[-1], shared[:-1]
        return h, shared

    def description(self) -> str:
        """Sizes, activation, and rates of dropout."""
        rates = [f"{name}={getattr(self, name)}" for name in ("dropout", "recurrent_dropout") if getattr(self, name)]
        return ", ".join([str(self.n_inputs), str(self.n_units), self.activation_name, *rates])

    def activated(self, x: Node) -> Node:
        """The activation, checked."""
        return activated(type(self).__name__, self.activation, x)

    def _kept(self, rate: float, shape: tuple[int, ...]) -> Node | None:
        """1 / (1 − rate) where an entry is kept, else 0; None where nothing is dropped."""
        if not (self.training and rate):
            return None
        return random_bernoulli(shape, 1 - rate, rng=self.rng).astype(self.dtype) * (1 / (1 - rate))

    def _rate(self, name: str, rate: float) -> float:
        if not 0 <= rate < 1:
            raise ValueError(f"{type(self).__name__}({name}={rate!r}): the fraction dropped, from 0 to below 1")
        return float(rate)

    def _drawn(self, name: str, shape: tuple[int, ...], start: Initializer) -> Parameter:
        """A parameter beside the gates' weights."""
        return Parameter(started(type(self).__name__, name, start, shape, self.rng, self.dtype))

    def _bias(self) -> Parameter:
        return Parameter(np.zeros(len(self.gates) * self.n_units, self.dtype))

    def _blocks(self, x: Node, n_blocks: int) -> list[Node]:
        """The first gates of a stack, each (batch, n_units)."""
        n = self.n_units
        return [x[:, k * n : (k + 1) * n] for k in range(n_blocks)]


class SimpleRNNCell(GatedCell):
    """h_t = f(p_t),  p_t = W_x x_t + W_h h_{t-1} + b: a layer of recurrent neurons.

    Back: p̄ = h̄_t f'(p_t), h̄_{t-1} = p̄ W_h, x̄_t = p̄ W_x, W̄_x = Σ_t p̄' x_t, W̄_h = Σ_t p̄' h_{t-1}, b̄ = Σ p̄ over batch and time.

    State: (h,). n (n_inputs + n + 1) parameters for n units. f: any function of nodes that keeps the shape. relu and
    other activations without a bound let the state grow without one.
    """

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        h, (W_h_T,) = self.seen(state[0], shared)
        return (self.activated(h @ W_h_T + driven),)


class LSTMCell(GatedCell):
    """h_t = o tanh(c_t), c_t = f c_{t-1} + i g: long short-term memory, a cell c kept by f, written by i, shown by o.

    With i, f, o = sigmoid(W_x x_t + W_h h_{t-1} + b) and g = tanh(likewise), each gate with its own rows.

    Back: ō = h̄ tanh(c_t), c̄ gains h̄ o (1 − tanh² c_t); ī = c̄ g, f̄ = c̄ c_{t-1}, ḡ = c̄ i, and c̄_{t-1} = c̄ f: no matrix stands
    on the way through time.

    State: (h, c). Rows of W_x, W_h and b: i, f, o, g (Keras has i, f, g, o and PyTorch too). 4 n (n_inputs + n + 1)
    parameters for n units, no peepholes.

    activation:  in the place of both tanh. With relu neither c nor h has a bound: where the gates are open and the
                 recurrent weight is 1.1, c doubles in every step
    forget_bias: what b_f starts at, 1 by default so that a new cell remembers; 0 for none. Other biases start at 0

    S. Hochreiter and J. Schmidhuber, Long short-term memory, Neural Computation 9, 1997; the forget gate: F. Gers, J.
    Schmidhuber and F. Cummins, Learning to forget, Neural Computation 12, 2000; its bias: R. Jozefowicz, W. Zaremba and
    I. Sutskever, An empirical exploration of recurrent network architectures, ICML 2015.
    """

    gates = "ifog"
    n_parts = 2

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        forget_bias: float = 1.0,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(n_inputs, n_units, activation, **options)
        start = np.zeros((4, self.n_units), self.dtype)
        start[self.gates.index("f")] = forget_bias
        self.b = Parameter(start.reshape(-1))

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        h, (W_h_T,) = self.seen(state[0], shared)
        c, n = state[1], self.n_units
        p = h @ W_h_T + driven
        i, f, o = self._blocks(sigmoid(p[:, : 3 * n]), 3)
        g = self.activated(p[:, 3 * n :])
        i.name, f.name, o.name, g.name = "i", "f", "o", g.name or "g"
        c = f * c + i * g
        return o * self.activated(c), c


class GRUCell(GatedCell):
    """h_t = (1 − z) h_{t-1} + z g: gated recurrent unit, z says how much of the state is new, r how much of it g sees.

    With z, r = sigmoid(W_x x_t + W_h h_{t-1} + b) and g = tanh(W_x x_t + W_h (r h_{t-1}) + b), each with its own rows.

    Back: z̄ = h̄ (g − h_{t-1}), ḡ = h̄ z, and h̄_{t-1} gains h̄ (1 − z) at once, r times what comes through g, and what comes
    through z and r.

    State: (h,). Rows of W_x, W_h and b: z, r, g (Keras too; PyTorch has r, z, g). 3 n (n_inputs + n) parameters for n
    units, and 3 n for each bias.

    activation: in the place of tanh
    convention: "update", z updates: h_t as above. "keep", z keeps: h_t = z h_{t-1} + (1 − z) g, as PyTorch and Keras
    reset:      "before" the product, as above; "after" it: g = tanh(W_x x_t + b + r (W_h h_{t-1})), one product for all
                gates, as PyTorch and (by default) Keras
    biases:     0, 1 (b), or 2: b beside W_x and b_h beside W_h, which with reset="after" is inside of r's brackets

    PyTorch's, and Keras's by default: convention="keep", reset="after", biases=2.

    K. Cho et al., Learning phrase representations using RNN encoder-decoder for statistical machine translation, EMNLP
    2014, whose z keeps; z updates in J. Chung et al., Empirical evaluation of gated recurrent neural networks on
    sequence modeling, arXiv:1412.3555, 2014.
    """

    gates = "zrg"

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        convention: Literal["update", "keep"] = "update",
        reset: Literal["before", "after"] = "before",
        biases: Literal[0, 1, 2] = 1,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(n_inputs, n_units, activation, **options)
        self.convention = _one_of("convention", convention, ("update", "keep"))
        self.reset = _one_of("reset", reset, ("before", "after"))
        _one_of("biases", biases, (0, 1, 2))
        if biases == 0:
            self.b = None
        self.b_h = self._bias() if biases == 2 else None

    def project(self, x: Node) -> Node:
        driven = super().project(x)
        return driven if self.b_h is None or self.reset == "after" else driven + self.b_h

    def shared(self) -> CellState:
        n = 2 * self.n_units
        if self.reset == "before":
            return self.W_h[:n].T, self.W_h[n:].T
        return (self.W_h.T,) if self.b_h is None else (self.W_h.T, self.b_h)

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        (h,) = state
        z, r, g = (self._reset_before if self.reset == "before" else self._reset_after)(driven, *self.seen(h, shared))
        z.name, r.name, g.name = "z", "r", g.name or "g"
        return (h + z * (g - h) if self.convention == "update" else g + z * (h - g),)

    def _reset_before(self, driven: Node, h: Node, shared: CellState) -> tuple[Node, Node, Node]:
        n = 2 * self.n_units
        W_zr_T, W_g_T = shared
        z, r = self._blocks(sigmoid(h @ W_zr_T + driven[:, :n]), 2)
        return z, r, self.activated((r * h) @ W_g_T + driven[:, n:])

    def _reset_after(self, driven: Node, h: Node, shared: CellState) -> tuple[Node, Node, Node]:
        n = 2 * self.n_units
        W_h_T, *b_h = shared
        recurrent = h @ W_h_T
        if b_h:
            recurrent = recurrent + b_h[0]
        z, r = self._blocks(sigmoid(recurrent[:, :n] + driven[:, :n]), 2)
        return z, r, self.activated(r * recurrent[:, n:] + driven[:, n:])


def _one_of(name: str, given: T, choices: tuple[T, ...]) -> T:
    if given not in choices:
        raise ValueError(f"GRUCell({name}={given!r}): expected one of {', '.join(map(repr, choices))}")
    return given
