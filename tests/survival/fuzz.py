"""Load damaged files: each must be refused by the documented error, which names it, or hold what it held."""

import math
import random
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from minigrad.array_files import DTYPES
from minigrad.models import BatchNorm, Dense, Dropout, Sequential
from minigrad.optim import (
    Adam,
    History,
    UnreadableFileError,
    load_arrays,
    load_checkpoint,
    save_arrays,
    save_checkpoint,
)
from tests.survival.mutations import mutated

SHAPES = [(), (0,), (1,), (3,), (2, 0, 3), (2, 3), (1, 1, 1), (2, 3, 2)]


def every_array() -> dict[str, np.ndarray]:
    """An array of every dtype and shape, in all orders of memory."""
    draw = np.random.default_rng(0)
    found = {}
    for kind, dtype in DTYPES.items():
        for i, shape in enumerate(SHAPES):
            array = draw.integers(0, 100, shape).astype(dtype)
            found[f"{kind}.{i}"] = [array, array.T, np.asfortranarray(array), array[..., ::-1] if shape else array][
                i % 4
            ]
    return found


def a_net() -> Sequential:
    return Sequential(Dense(3, 4, np.tanh, rng=0), BatchNorm(4), Dropout(0.5, rng=1), Dense(4, 1, rng=2))


def a_checkpoint(path: Path) -> None:
    net, history = a_net(), History()
    history.append(epoch=1, loss=math.nan)
    history.append(epoch=2, loss=0.1)
    save_checkpoint(
        path, net, Adam(net.parameters()), rng=np.random.default_rng(3), history=history, epoch=2, note=["a", None]
    )


def loaded_checkpoint(path: Path) -> object:
    net, history, rng = a_net(), History(), np.random.default_rng()
    optimizer = Adam(net.parameters())
    found = load_checkpoint(path, net, optimizer, rng=rng, history=history)
    return found, net.state_dict(), optimizer.state_dict(), dict(history), rng.bit_generator.state


WRITERS = {
    "arrays": (lambda path: save_arrays(path, every_array()), load_arrays),
    "a model": (lambda path: a_net().save(path), lambda path: a_net().load(path).state_dict()),
    "a checkpoint": (a_checkpoint, loaded_checkpoint),
}


def strip(found: object) -> object:
    """What is loaded, so that == compares it to the last bit."""
    if isinstance(found, np.ndarray):
        return found.dtype.str, found.shape, found.tobytes()
    if isinstance(found, dict):
        return {name: strip(part) for name, part in found.items()}
    if isinstance(found, list | tuple):
        return [strip(part) for part in found]
    return repr(found)


def refused(name: str, n: int, folder: Path, seed: int = 0) -> int:
    """Load n mutations of a file; gives how many were refused. AssertionError for one that is loaded as something else."""
    write, load = WRITERS[name]
    file = folder / "file.safetensors"
    write(file)
    data, draw, n_refused = file.read_bytes(), random.Random(seed), 0
    held = strip(load(file))
    for i in range(n):
        file.write_bytes(mutated(data, draw))
        try:
            found = load(file)
        except UnreadableFileError as error:
            if str(file) not in str(error):
                raise AssertionError(f"mutation {i} of {name}: {error}") from error
            n_refused += 1
        else:
            assert strip(found) == held, f"mutation {i} of {name}, seed {seed}, was loaded as something else"
    return n_refused


def refused_from_elsewhere(n: int, folder: Path, seed: int = 0) -> int:
    """The same for a file of another program, which has no checksum: whatever is loaded, errors are the documented ones."""
    file, draw, n_refused = folder / "foreign.safetensors", random.Random(seed), 0
    data = save({name: np.ascontiguousarray(array) for name, array in every_array().items()}, {"format": "np"})
    for _ in range(n):
        file.write_bytes(mutated(data, draw))
        try:
            load_arrays(file)
        except UnreadableFileError as error:
            if str(file) not in str(error):
                raise AssertionError(f"the error names no file: {error}") from error
            n_refused += 1
    return n_refused
