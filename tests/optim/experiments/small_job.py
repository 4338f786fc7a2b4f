"""Comparisons that are trained or invented in no time, for the tests of the main job."""

from itertools import cycle

import numpy as np

from minigrad.optim.experiments.comparison import Comparison, Run, compare
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.tasks import open_task

SMALL = {
    "task": "temporal-order",
    "penalty": "omega",
    "methods": ["backprop", "exact", "immediate"],
    "length": 10,
    "states": 5,
    "steps": 6,
    "batch_size": 4,
    "record_every": 3,
}


def small(**changed):
    configuration = Configuration.of(**(SMALL | changed))
    return configuration, open_task(configuration)


def run_small(**changed):
    return compare(*small(**changed), quiet=True)


def invented(scores, ratios=(-7.0, -0.5, 0.2), n=1000, nested=False, **changed):
    """A comparison with these test scores, {method: [one per seed]}, and log10 λ_1/λ_T per method or per method and seed.

    nested: what a method of lower score answers rightly, one of higher score does too; else they are independent
    """
    rng = np.random.default_rng(0)
    configuration, task = small(seeds=len(next(iter(scores.values()))), methods=list(scores), **changed)
    made = Comparison(configuration, task)
    for seed in range(configuration.seeds):
        for (method, of_seeds), ratio in zip(scores.items(), cycle(ratios)):
            right = np.arange(n) < round(of_seeds[seed] * n)
            run = Run(method, seed, configuration.method(method).label, test_loss=1.0, test_score=of_seeds[seed], G=0.3, seconds=1.0, steps=configuration.steps,
                      log10_ratio=np.broadcast_to(ratio, configuration.seeds)[seed],
                      right=right if nested else rng.permutation(right))  # fmt: skip
            _trained(run, task)
            made.runs.append(run)
    return made


def _trained(run, task):
    """Give an invented run a history and adjoints."""
    steps = run.steps
    for step in dict.fromkeys([0, steps // 2, steps]):
        score = task.chance + (run.test_score - task.chance) * step / steps
        run.history.append(
            method=run.method, seed=run.seed, step=step, train_loss=1.4 - score, val_loss=1.4 - score, val_score=score
        )
    for step in dict.fromkeys([0, 1, 2, steps // 2, steps]):
        run.adjoints.append((step, 10 ** np.linspace(-3 + (run.log10_ratio + 3) * step / steps, 0, task.length)))


def some_mnist(folder):
    """Thirty images to train and ten to test, in the four files; the folder."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 30), ("t10k", 10)):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)
        for array, name in ((images, f"{part}-images-idx3-ubyte"), (labels, f"{part}-labels-idx1-ubyte")):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / name).write_bytes(header + array.tobytes())
    return folder
