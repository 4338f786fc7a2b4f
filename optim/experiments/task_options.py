"""The tasks of the main job as options: what each asks for by default, and which lengths it can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DELAYED = 8  # time steps that a digit takes, read row by row; the others are the delay
MEMORIZED = 10  # symbols of copy-memory


@dataclass(frozen=True)
class TaskOptions:
    """A task as an option.

    defaults:  of the options of the main job, where the task's differ; length, steps, batch_size and optimizer always
    shortest:  the least length that can be chosen; 0 where the data have one length
    why:       why no shorter one can be chosen, in words that follow the task's name
    generated: whether its sequences are generated and not read
    of_mnist:  whether it needs the files of MNIST
    """

    defaults: dict[str, Any]
    shortest: int = 0
    why: str = ""
    generated: bool = False
    of_mnist: bool = False


_ADAM = {"optimizer": "adam", "learning_rate": 0.002, "schedule": "hold_then_linear(rate, steps)", "batch_size": 50}
_ORTHOGONAL = {"initialization": "orthogonal"}
_NUMBERS = {"length": 50, "steps": 16000, **_ADAM, **_ORTHOGONAL, "schedule": "hold_then_linear(rate, steps, 0.6)"}
_PIXELS = {"length": 784, "steps": 500, "record_every": 50, **_ADAM, **_ORTHOGONAL}
_TENTHS: dict[str, Any] = {"shortest": 10, "why": "has tenths", "generated": True}
TASKS = {
    "delayed-digits": TaskOptions(
        {"length": 50, "steps": 4000, "seeds": 3, **_ADAM}, DELAYED, f"shows a digit in {DELAYED} steps"
    ),
    "digits": TaskOptions({"length": 64, "steps": 4000, "batch_size": 32, "optimizer": "adam"}),
    "permuted-digits": TaskOptions({"length": 64, "steps": 4000, **_ADAM, **_ORTHOGONAL}),
    "mnist": TaskOptions({"length": 28, "steps": 4000, "batch_size": 32, "optimizer": "adam"}, of_mnist=True),
    "pixel-mnist": TaskOptions({**_PIXELS, "learning_rate": 0.0005}, of_mnist=True),
    "permuted-mnist": TaskOptions(_PIXELS, of_mnist=True),
    "names": TaskOptions({"length": 14, "steps": 4000, **_ADAM}),
    "temporal-order": TaskOptions({"length": 50, "steps": 6000, "batch_size": 20, "optimizer": "sgd"}, **_TENTHS),
    "temporal-order-3bit": TaskOptions({"length": 50, "steps": 4000, **_ADAM}, **_TENTHS),
    "adding": TaskOptions(_NUMBERS, **_TENTHS),
    "multiplication": TaskOptions(_NUMBERS, **_TENTHS),
    "copy-memory": TaskOptions(
        {"length": 30, "steps": 4000, **_ADAM, **_ORTHOGONAL},
        2 * MEMORIZED + 1,
        f"shows {MEMORIZED} symbols, at least one blank, and takes {MEMORIZED} answers",
        generated=True,
    ),
}
OF_MNIST = [name for name, task in TASKS.items() if task.of_mnist]
OF_ANY_LENGTH = [name for name, task in TASKS.items() if task.shortest]
