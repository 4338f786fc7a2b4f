"""Trainings that other processes import."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from minigrad.models import Dense, Sequential, losses
from minigrad.optim import Adam, fit


def processes(n, method="forkserver"):
    """A pool of processes that are not forked from this one, which may have threads."""
    return ProcessPoolExecutor(n, multiprocessing.get_context(method))


GRID = {"rate": [0.001, 0.01, 0.1], "units": [2, 4, 8, 16]}  # 12 configurations


def train(rate, units, rng):
    """A net that learns x1 x2; its history."""
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype(np.float32)
    y = x[:, :1] * x[:, 1:]
    net = Sequential(Dense(2, units, np.tanh, rng=rng), Dense(units, 1, rng=rng))
    return fit(
        net, x[:40], y[:40], loss=losses.mean_squared_error, optimizer=Adam(net.parameters(), rate), epochs=3,
        validation=(x[40:], y[40:]), rng=rng, quiet=True,
    )  # fmt: skip


def seeded(a, b, seed):
    return a + b + seed / 2**32


def fails(a, b):
    if a == 2:
        raise ValueError("not\n a two")
    return a + b


def dies(a, b):
    """Kills its process, as a machine without memory does."""
    if (a, b) == (2, 10):
        os.kill(os.getpid(), signal.SIGKILL)
    return a + b


def slow(a, folder):
    """Says that it began, and takes a while."""
    (Path(folder) / f"began-{a}").touch()
    time.sleep(0.15)
    return float(a % 3)


def cuts(data):
    """Asks for the test set."""
    return float(len(data.open_test().inputs))
