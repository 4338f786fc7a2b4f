"""Training steps in NumPy as an expert would write them: what every ratio is against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.by_hand.adam import AdamUpdate
from benchmarks.by_hand.cnn import LeNet
from benchmarks.by_hand.elementwise import Chain
from benchmarks.by_hand.gated import GRU, LSTM
from benchmarks.by_hand.mlp import MLP
from benchmarks.by_hand.rnn import RNN, PenalizedRNN

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.by_hand.base import Step
    from benchmarks.rows import Problem

BY_HAND: dict[str, Callable[[Problem], Step]] = {
    "mlp": MLP, "rnn": RNN, "penalized": PenalizedRNN, "lstm": LSTM, "gru": GRU, "cnn": LeNet, "elementwise": Chain,
    "adam": AdamUpdate,
}  # fmt: skip
