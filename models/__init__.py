"""Modules, layers, losses, penalties and data sets built on the engine."""

from minigrad.models import datasets as datasets
from minigrad.models import initializers as initializers
from minigrad.models import losses as losses
from minigrad.models import metrics as metrics
from minigrad.models import penalties as penalties
from minigrad.models.module import Module as Module
from minigrad.models.recurrent import RNN as RNN
