"""Modules, layers, losses, penalties and data sets built on the engine."""

from minigrad.models import datasets, initializers, linear, losses, metrics, penalties, preprocessing
from minigrad.models.cells import Cell, GRUCell, LSTMCell, SimpleRNNCell
from minigrad.models.convolution import AveragePool2D, Conv2D, Conv2DTranspose, MaxPool2D
from minigrad.models.layers import (
    AlphaDropout,
    Dense,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    PReLU,
    RReLU,
    Sequential,
)
from minigrad.models.module import Module
from minigrad.models.normalization import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from minigrad.models.recurrent import GRU, LSTM, RNN, Bidirectional, Recurrent, SimpleRNN, Stacked, Steps, Unrolled
from minigrad.models.stable_cells import (
    AntisymmetricRNNCell,
    ExpRNNCell,
    InverseRNNCell,
    IRNNCell,
    LipschitzRNNCell,
    UnICORNNCell,
)
from minigrad.models.stable_rnns import IRNN, AntisymmetricRNN, ExpRNN, InverseRNN, LipschitzRNN, Tilted, UnICORNN

__all__ = [
    "Module", "Sequential", "Dense", "Embedding", "EmbeddingBag", "Dropout", "AlphaDropout", "RReLU", "PReLU", "Flatten",
    "RNN", "Conv2D", "Conv2DTranspose", "MaxPool2D", "AveragePool2D", "BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm",
    "Cell", "SimpleRNNCell", "LSTMCell", "GRUCell",
    "IRNNCell", "AntisymmetricRNNCell", "ExpRNNCell", "InverseRNNCell", "LipschitzRNNCell", "UnICORNNCell",
    "Recurrent", "SimpleRNN", "LSTM", "GRU", "Stacked", "Bidirectional", "Unrolled", "Steps",
    "IRNN", "AntisymmetricRNN", "ExpRNN", "InverseRNN", "LipschitzRNN", "UnICORNN", "Tilted",
    "datasets", "initializers", "linear", "losses", "metrics", "penalties", "preprocessing",
]  # fmt: skip
