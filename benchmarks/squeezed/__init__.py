"""The same steps squeezed: what is left when layout, loops and optimizer are bent to each other, at the price of reading.

Examples are columns in the recurrent nets and the convolutions, and data lie so before the clock starts; the state, the
input and a 1 are one block of memory, so that one product serves three weights; gates lie where one call serves several;
sigmoid(x) = (1 + tanh(x/2))/2 with halved weights, so that one tanh serves all gates; relu comes after pooling; SGD's rate
multiplies the error; Adam keeps its means undivided; long passes go in blocks that stay in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.squeezed.cnn import LeNet
from benchmarks.squeezed.gated import GRU, LSTM
from benchmarks.squeezed.rnn import RNN, PenalizedRNN
from benchmarks.squeezed.rows_of_examples import MLP, AdamUpdate, Chain

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.by_hand.base import Step
    from benchmarks.rows import Problem

SQUEEZED: dict[str, Callable[[Problem], Step]] = {
    "mlp": MLP, "rnn": RNN, "penalized": PenalizedRNN, "lstm": LSTM, "gru": GRU, "cnn": LeNet, "elementwise": Chain,
    "adam": AdamUpdate,
}  # fmt: skip
