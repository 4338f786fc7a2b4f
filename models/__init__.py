"""Modules, layers, losses, penalties and data sets built on the engine."""

from minigrad.models import datasets, initializers, losses, metrics, penalties
from minigrad.models.module import Module
from minigrad.models.recurrent import RNN

__all__ = ["Module", "RNN", "datasets", "initializers", "losses", "metrics", "penalties"]
