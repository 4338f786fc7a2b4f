"""The recurrent net of penalized backpropagation: one layer of states, read out at the last time step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, SupportsIndex

import numpy as np

from minigrad.context import scope
from minigrad.dispatch import TABLE
from minigrad.models.cells import CellState
from minigrad.models.initializers import Initializer, orthogonal, zeros
from minigrad.models.inputs import array_of, count, float_dtype, floats, sequences, started
from minigrad.models.layers import Activation, activated, name_of
from minigrad.models.module import Module
from minigrad.models.unrolling import collect, over_time, time_first
from minigrad.node import Constant, Node, Parameter
from minigrad.ops import broadcast_to

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Operand


class States(list[Node]):
    """The states x_1..x_T, each (batch, n_states), and what the immediate form of Omega needs beyond them.

    pre_activations: W x_{t-1} + R u_t + b_1 for t = 1..T, so x_t = σ(pre_activations[t-1]), or x_{t-1} where a mask leaves t out
    W:               the recurrent weights
    present:         under a mask which steps count, (time, batch); else None
    """

    def __init__(
        self, states: Sequence[Node], pre_activations: Sequence[Node], W: Parameter, *, present: Node | None = None
    ) -> None:
        super().__init__(states)
        self.pre_activations = tuple(pre_activations)
        self.W = W
        self.present = present


class RNN(Module):
    """x_i = σ(W x_{i-1} + R u_i + b_1), i = 1..T, and ŷ = φ(V x_T + b_o).

    Back: with ȳ the adjoint of ŷ, δ_o = ȳ φ'(·), x̄_T = δ_o V, then δ_i = x̄_i σ'(·), x̄_{i-1} = δ_i W, i = T..1; V̄ = δ_o' x_T,
    b̄_o = Σ δ_o, W̄ = Σ_i δ_i' x_{i-1}, R̄ = Σ_i δ_i' u_i, b̄_1 = Σ_i δ_i, each summed over the batch.

    Shapes: u (batch, time, n_inputs), x_i (batch, n_states), ŷ (batch, n_outputs); W (n_states, n_states),
    R (n_states, n_inputs), b_1 (n_states,), V (n_outputs, n_states), b_o (n_outputs,).

    activation:  σ, any function of nodes that keeps the shape: np.tanh, mg.relu, mg.sigmoid, lambda x: x, ...
    output:      φ, any function of nodes; None gives V x_T + b_o itself: logits for `losses.cross_entropy`
    initializer: for W, R and V; biases start at 0. The default makes them orthogonal, so that states and adjoints
                 begin with lengths that last
    recurrent_initializer:   for W, where it is to differ from `initializer`
    initial_state:           x_0, (n_states,), the same for every example; 0 by default. One that is given is state, a sixth
                             parameter that is not trained. A call may give its own
    trainable_initial_state: makes x_0 a parameter which learns
    rng:         a numpy Generator or a seed; None starts differently in every run

    >>> import numpy as np
    >>> from minigrad.models import RNN
    >>> net = RNN(n_inputs=2, n_states=5, n_outputs=3, rng=0)
    >>> u = np.ones((4, 7, 2), np.float32)  # 4 examples, 7 time steps
    >>> net(u).shape, len(net.states(u)), [name for name, _ in net.named_parameters()]
    ((4, 3), 7, ['W', 'R', 'b_1', 'V', 'b_o'])
    """

    recurrent_names: ClassVar[tuple[str, ...]] = ("W",)  # as those of a `Cell`

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_states: SupportsIndex,
        n_outputs: SupportsIndex,
        activation: Activation = np.tanh,
        output: Activation | None = None,
        *,
        initializer: Initializer | None = None,
        recurrent_initializer: Initializer | None = None,
        initial_state: npt.ArrayLike | None = None,
        trainable_initial_state: bool = False,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.n_inputs = n_inputs = count("RNN", "n_inputs", n_inputs)
        self.n_states = n_states = count("RNN", "n_states", n_states)
        self.n_outputs = n_outputs = count("RNN", "n_outputs", n_outputs)
        for function in (activation, *([] if output is None else [output])):
            name_of("RNN", function)  # refuses names
        self.activation = TABLE.get(activation, activation)  # np.tanh's node at once, without NumPy's dispatch
        self.output = output
        self.dtype = float_dtype("RNN", dtype)
        rng = np.random.default_rng(rng)
        weights = orthogonal() if initializer is None else initializer

        def parameter(name: str, shape: tuple[int, ...], start: Initializer) -> Parameter:
            return Parameter(started("RNN", name, start, shape, rng, self.dtype), name)

        recurrent = weights if recurrent_initializer is None else recurrent_initializer
        self.W = parameter("W", (n_states, n_states), recurrent)
        self.R = parameter("R", (n_states, n_inputs), weights)
        self.b_1 = parameter("b_1", (n_states,), zeros)
        self.V = parameter("V", (n_outputs, n_states), weights)
        self.b_o = parameter("b_o", (n_outputs,), zeros)
        start = np.zeros(n_states) if initial_state is None else array_of("RNN: initial_state", initial_state)
        x_0 = np.array(start, self.dtype)
        if x_0.shape != (n_states,):
            raise ValueError(f"RNN(initial_state): expected shape ({n_states},), found {x_0.shape}")
        is_part_of_the_model = trainable_initial_state or initial_state is not None
        self.x_0: Parameter | Constant = (
            Parameter(x_0, "x_0", trainable=trainable_initial_state) if is_part_of_the_model else Constant(x_0, "x_0")
        )

    def forward(self, u: Operand, x_0: Operand | None = None, mask: Operand | None = None) -> Node:
        """ŷ, (batch, n_outputs), from inputs (batch, time, n_inputs). Arguments as in `states`."""
        return self.readout(self.states(u, x_0, mask)[-1])

    __call__ = forward  # without a scope of its own: states and readout open it, whoever calls them

    def states(self, u: Operand, x_0: Operand | None = None, mask: Operand | None = None) -> States:
        """The states x_1..x_T, nodes of shape (batch, n_states).

        u:   an array or a node, (batch, time, n_inputs). Floating-point; another precision is cast to the net's.
             Give an `Input` to replay the graph on other inputs: `Graph.fprop({u: array})`
        x_0: an initial state for this call, (n_states,) or (batch, n_states): an array, or a node, to which an
             adjoint then flows. With the last state of a call the next one goes on where that ended
        mask: booleans, (batch, time), an array or a node: False where a step is padding. Such a step keeps the state, so
             what the inputs hold there, nan included, changes nothing
        """
        return self._located(self._states, u, x_0, mask)

    def readout(self, x_T: Node) -> Node:
        """ŷ = φ(V x_T + b_o), (batch, n_outputs)."""
        return self._located(self._readout, x_T)

    def _states(self, u: Operand, x_0: Operand | None, mask: Operand | None) -> States:
        pre_activations: list[Node] = []
        u = sequences("RNN", u, self.n_inputs, self.dtype)
        batch, n_steps = u.shape[:2]
        with scope("rnn"):
            start = (self._start(x_0, batch),)
            W_T = self.W.T
            x, present = time_first("RNN", u, mask)
            # The inputs' part of all steps at once: fewer and fatter nodes, the same sums.
            rows = x.reshape(n_steps * batch, self.n_inputs) @ self.R.T + self.b_1
            driven = rows.reshape(n_steps, batch, self.n_states)

            def step(given: Node, before: CellState) -> CellState:
                pre_activations.append(before[0] @ W_T + given)
                return (activated("RNN", self.activation, pre_activations[-1]),)

            whole = over_time(step, driven, start, present, named=_named, roles={"x": "state"})
            counts = None if present is None else present[..., 0]
        return collect(States([x for (x,) in whole], pre_activations, self.W, present=counts))

    def _readout(self, x_T: Node) -> Node:
        with scope("rnn"):
            y = x_T @ self.V.T + self.b_o
            return y if self.output is None else self.output(y)

    def _start(self, given: Operand | None, batch: int) -> Node:
        x_0 = self.x_0 if given is None else floats("RNN: x_0", given, self.dtype, "x_0")
        if x_0.shape not in ((self.n_states,), (batch, self.n_states)):
            raise ValueError(
                f"RNN: expected x_0 of shape ({self.n_states},) or ({batch}, {self.n_states}), found {x_0.label}"
            )
        return broadcast_to(x_0, (batch, self.n_states))


def _named(state: CellState) -> CellState:
    """A new state, its node named for pictures and programs unless the activation has named it."""
    state[0].name = state[0].name or "x"
    return state
