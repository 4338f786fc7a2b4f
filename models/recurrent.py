"""Recurrent layers: cells run over the time steps of a sequence, stacked, and in both directions.

Inputs are (batch, time, features), outputs (batch, units) or (batch, time, units). Every layer is made of nodes only, so
that derivatives of every order exist, and every penalty on adjoints takes its `.states(u)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias, Unpack

import numpy as np

from minigrad.context import scope
from minigrad.models.cells import Cell, CellOptions, CellState, GRUCell, LSTMCell, SimpleRNNCell
from minigrad.models.inputs import sequences
from minigrad.models.layers import Activation
from minigrad.models.module import OBSERVER, Module
from minigrad.models.rnn import RNN, States
from minigrad.models.unrolling import collect, over_time, time_first
from minigrad.node import Node, Parameter
from minigrad.ops import concatenate, stack

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    "RNN", "States", "Recurrent", "Unrolled", "SimpleRNN", "LSTM", "GRU", "Stacked", "Bidirectional", "State", "Steps",
]  # fmt: skip

State: TypeAlias = "tuple[Node, ...] | tuple[State, ...]"  # of a cell, or of the layers in a layer


class Steps(list[Node]):
    """The outputs h_1..h_T of a run, each (batch, n_outputs), in the order of time.

    last:  the output after the last step of the run: h_T, and h_1 for the direction that reads backward
    final: the whole state there, which starts the next run: `layer.states(u_2, layer.states(u_1).final)`
    whole: the whole state at every time step
    present: under a mask which steps count, (time, batch); else None

    A penalty on `Steps` is one on ∂loss/∂h_t, t = 1..T, for a stack of its top layer. What is not the output of a step that
    leads to the next is found in `whole`: [c for h, c in steps.whole] for the cell of an LSTM, [below[0] for below, *_ in
    steps.whole] for the lowest layer of a stack, [ahead[0] for ahead, _ in steps.whole] and (in its own order)
    [back[0] for _, back in steps.whole][::-1] for the two directions of a bidirectional layer. Penalties leave padded steps
    out; with such lists they are given the mask. At a padded step an output's adjoint is that of the last step that counts,
    and another part's (c) is what later steps send back: 0 where none of them counts, since a kept output is not computed
    from c.
    """

    def __init__(self, outputs: Iterable[Node], last: Node, final: State, whole: Sequence[State]) -> None:
        super().__init__(outputs)
        self.last = last
        self.final = final
        self.whole = tuple(whole)
        self.present: Node | None = None


class Recurrent(Module):
    """What all recurrent layers answer: `layer(u)` and `layer.states(u)`, with an initial state and a mask if wanted.

    n_inputs, n_outputs: features per time step, before and after
    sequences:           whether a call gives the outputs of all time steps, (batch, time, n_outputs), or (by default) the
                         last one, (batch, n_outputs); `layer(u, sequences=True)` decides for one call

    A layer defines `unroll`.
    """

    def __init__(self, n_inputs: int, n_outputs: int, dtype: np.dtype[Any], sequences: bool) -> None:
        self.n_inputs = n_inputs
        self.n_outputs = n_outputs
        self.dtype = dtype
        self.sequences = sequences

    def forward(
        self, u: Operand, state: Any = None, mask: Operand | None = None, *, sequences: bool | None = None
    ) -> Node:
        """The last output, (batch, n_outputs), or all of them, (batch, time, n_outputs). Arguments as in `states`."""
        steps = self._steps(u, state, mask)
        return stack(steps, axis=1) if (self.sequences if sequences is None else sequences) else steps.last

    def states(self, u: Operand, state: Any = None, mask: Operand | None = None) -> Steps:
        """The outputs of all time steps as a list of nodes, and the state to go on from: see `Steps`.

        u:     an array or a node, (batch, time, n_inputs), floating-point; cast to the layer's dtype
        state: before the first step; None for zeros. For a cell see `Cell.given`; a stack takes one per layer, a
               bidirectional layer a pair; None stands for zeros there too
        mask:  booleans, (batch, time), an array or a node: False where a step is padding. Such a step keeps the state, so
               what the inputs hold there, nan included, changes nothing, and `last` is the output after the last step
               that counts. A row with no step that counts keeps its initial state, and sends no gradient to parameters
        """
        with scope(type(self).__name__.lower()):
            return self._located(self._steps, u, state, mask)

    def unroll(self, x: Node, state: Any, present: Node | None, *, backward: bool = False) -> Steps:
        """The steps over x, (time, batch, n_inputs), where present, (time, batch, 1), holds; from the end if backward."""
        raise TypeError(
            f"{type(self).__name__} defines no unroll: write unroll(self, x, state, present, *, backward) -> Steps"
        )

    def _steps(self, u: Operand, state: Any, mask: Operand | None) -> Steps:
        owner = type(self).__name__
        x, present = time_first(owner, sequences(owner, u, self.n_inputs, self.dtype), mask)
        steps = self.unroll(x, state, present)
        steps.present = None if present is None else present[..., 0]
        return collect(steps)


class Unrolled(Recurrent):
    """state_t = cell(u_t, state_{t-1}), t = 1..T: a cell run over time;  the adjoints go through it from T to 1.

    The inputs' part of all steps is one product.

    cell: any `Cell`, one's own too
    """

    def __init__(self, cell: Cell, *, sequences: bool = False) -> None:
        if not isinstance(cell, Cell):
            raise TypeError(f"Unrolled(cell): expected a Cell, such as GRUCell(2, 3), found {type(cell).__name__}")
        super().__init__(cell.n_inputs, cell.n_units, cell.dtype, sequences)
        self.cell = cell

    def own_members(self) -> list[tuple[str, Module | Parameter]]:
        """The cell's: in a summary the two are one row."""
        return self.cell.own_members()

    def description(self) -> str:
        """The cell's."""
        return self.cell.description()

    def unroll(self, x: Node, state: Any, present: Node | None, *, backward: bool = False) -> Steps:
        return self.cell._located(self._over_time, x, state, present, backward)

    def _over_time(self, x: Node, state: Any, present: Node | None, backward: bool) -> Steps:
        cell, (n_steps, batch, _) = self.cell, x.shape
        rows = cell.project(cell.thinned(x).reshape(n_steps * batch, self.n_inputs))  # all steps at once
        driven = rows.reshape(n_steps, batch, rows.shape[-1])
        shared = cell.shared_in_run(batch)
        start = cell.start(batch) if state is None else cell.given(state, batch)

        def step(given: Node, before: CellState) -> CellState:
            after = cell.step(given, before, shared)
            return cell.checked(after, before) if before is start else after  # the first step shows what a cell gives

        roles = cell.part_roles()
        whole = over_time(step, driven, start, present, named=cell.named, roles=roles, backward=backward)
        final = whole[-1]
        if backward:
            whole.reverse()
        return Steps(map(cell.output, whole), cell.output(final), final, whole)


class SimpleRNN(Unrolled):
    """h_t = f(W_x u_t + W_h h_{t-1} + b), t = 1..T: recurrent neurons;  the adjoints as in `SimpleRNNCell`, from T to 1.

    Arguments: `CellOptions`.

    >>> import numpy as np
    >>> from minigrad.models import SimpleRNN
    >>> layer = SimpleRNN(2, 3, rng=0)
    >>> layer(np.zeros((5, 200, 2))).shape, sum(p.size for p in layer.parameters())
    ((5, 3), 18)
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(SimpleRNNCell(n_inputs, n_units, activation, **options), sequences=sequences)


class LSTM(Unrolled):
    """(h_t, c_t) = LSTMCell(u_t, (h_{t-1}, c_{t-1})), t = 1..T: long short-term memory;  the adjoints as in `LSTMCell`, from T to 1.

    The gates, their order and `forget_bias` are those of `LSTMCell`; the other arguments those of `CellOptions`.

    >>> import numpy as np
    >>> from minigrad.models import LSTM
    >>> layer = LSTM(2, 16, rng=0)
    >>> layer(np.zeros((5, 200, 2)), sequences=True).shape, sum(p.size for p in layer.parameters())
    ((5, 200, 16), 1216)
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        forget_bias: float = 1.0,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        cell = LSTMCell(n_inputs, n_units, activation, forget_bias=forget_bias, **options)
        super().__init__(cell, sequences=sequences)


class GRU(Unrolled):
    """h_t = GRUCell(u_t, h_{t-1}), t = 1..T: gated recurrent units over time;  the adjoints as in `GRUCell`, from T to 1.

    `convention`, `reset` and `biases` are those of `GRUCell`; the other arguments those of `CellOptions`.

    >>> import numpy as np
    >>> from minigrad.models import GRU
    >>> layer = GRU(2, 16, rng=0)
    >>> layer(np.zeros((5, 200, 2))).shape, sum(p.size for p in layer.parameters())
    ((5, 16), 912)
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        convention: Literal["update", "keep"] = "update",
        reset: Literal["before", "after"] = "before",
        biases: Literal[0, 1, 2] = 1,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        cell = GRUCell(n_inputs, n_units, activation, convention=convention, reset=reset, biases=biases, **options)
        super().__init__(cell, sequences=sequences)


class Stacked(Recurrent):
    """y = f_n(… f_2(f_1(u))), each layer over the outputs of the one below;  the adjoint goes from the top one down.

    Each reads the outputs of all time steps of the one below; the top one's are given.
    A state is a tuple of the layers' states. How the layers themselves set `sequences` does not matter.
    """

    def __init__(self, layers: Sequence[Recurrent], *, sequences: bool = False) -> None:
        if isinstance(layers, Module) or not layers:
            raise ValueError("Stacked(layers): expected at least one layer, in a list")
        _check_layers("Stacked", layers)
        for below, above in pairwise(layers):
            if (above.n_inputs, above.dtype) != (below.n_outputs, below.dtype):
                raise ValueError(
                    f"Stacked: {type(below).__name__} gives {below.n_outputs} features of {below.dtype}, and "
                    f"{type(above).__name__} above it takes {above.n_inputs} of {above.dtype}"
                )
        super().__init__(layers[0].n_inputs, layers[-1].n_outputs, layers[0].dtype, sequences)
        self.layers = tuple(layers)

    def unroll(self, x: Node, state: Any, present: Node | None, *, backward: bool = False) -> Steps:
        parts = _parts("Stacked", state, len(self.layers))
        runs: list[Steps] = []
        for number, (layer, part) in enumerate(zip(self.layers, parts, strict=True), 1):
            name = f"{type(layer).__name__.lower()}_{number}"
            runs.append(_run(layer, name, stack(runs[-1]) if runs else x, part, present, backward))
        return Steps(runs[-1], runs[-1].last, tuple([run.final for run in runs]), _together(runs))


class Bidirectional(Recurrent):
    """y_t = (ahead(u_1..u_t), back(u_T..u_t)), two layers' outputs side by side;  each half of ȳ_t goes to its layer.

    One reads from the first time step on, one from the last back; the last output of the one is at T, of the
    other at 1. A state is the pair of theirs.

    M. Schuster and K. Paliwal, Bidirectional recurrent neural networks, IEEE Transactions on Signal Processing 45, 1997.
    """

    def __init__(self, ahead: Recurrent, back: Recurrent, *, sequences: bool = False) -> None:
        _check_layers("Bidirectional", (ahead, back))
        if (ahead.n_inputs, ahead.dtype) != (back.n_inputs, back.dtype):
            raise ValueError(
                f"Bidirectional: both layers read the same inputs, but one takes {ahead.n_inputs} features of {ahead.dtype}, "
                f"the other {back.n_inputs} of {back.dtype}"
            )
        super().__init__(ahead.n_inputs, ahead.n_outputs + back.n_outputs, ahead.dtype, sequences)
        self.ahead = ahead
        self.back = back

    def unroll(self, x: Node, state: Any, present: Node | None, *, backward: bool = False) -> Steps:
        first, second = _parts("Bidirectional", state, 2)
        ahead = _run(self.ahead, "ahead", x, first, present, backward)
        back = _run(self.back, "back", x, second, present, not backward)
        outputs = [concatenate(pair, axis=-1) for pair in zip(ahead, back, strict=True)]
        last = concatenate((ahead.last, back.last), axis=-1)
        return Steps(outputs, last, (ahead.final, back.final), _together([ahead, back]))


def _check_layers(name: str, layers: Iterable[Recurrent]) -> None:
    for layer in layers:
        if not isinstance(layer, Recurrent):
            raise TypeError(f"{name}: expected recurrent layers, such as GRU(2, 3), found {type(layer).__name__}")


def _run(layer: Recurrent, name: str, x: Node, state: Any, present: Node | None, backward: bool) -> Steps:
    """The steps of a layer in a layer, in a scope of its own; a summary is told of them as of any call."""
    with scope(name):
        steps = layer._located(layer.unroll, x, state, present, backward=backward)
    observe = OBSERVER.get()
    if observe is not None:
        observe(layer, steps)
    return steps


def _parts(name: str, state: Any, n_layers: int) -> Sequence[Any]:
    """The states of the layers in a layer."""
    if state is None:
        return [None] * n_layers
    if not isinstance(state, tuple | list) or len(state) != n_layers:
        found = len(state) if isinstance(state, tuple | list) else type(state).__name__
        raise ValueError(f"{name}: expected a state for each of its {n_layers} layers (None for zeros), found {found}")
    return state


def _together(runs: Sequence[Steps]) -> list[State]:
    """The whole states of several layers, time step by time step."""
    return list(zip(*[run.whole for run in runs], strict=True))
