"""Updates: what an optimizer does to every entry, written once, and done by NumPy or by a compiled loop.

An update is written as lines of one operation each, for one entry of the values and the state:

    velocity *= momentum
    gradient *= rate
    velocity -= gradient
    values += velocity

NumPy runs every line as one pass over a block of entries (`passes`), in place; with backend="numba", the extra
[fast], all lines are one loop over the entries (`loop`), compiled and kept as the kernels of `mg.compile` are. Both
round alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.compiler.printing.kernels import Kernel, compiled
from minigrad.node import Array
from minigrad.optim.flat import FlatStore, aligned

OPERATIONS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
MOST_RUNS = 64  # of parameters that have a gradient together, whose views are kept
BINARY = re.compile(r"(\w+) = (\w+) ([-+*/]) (\w+)")
UNARY = re.compile(r"(\w+) = (sqrt)\((\w+)\)")
AUGMENTED = re.compile(r"\w+ [-+*/]= \w+")


class Update:
    """The update of all parameters of a store, with its state.

    name:    of the function that is made
    start:   the names of the state, and what its entries are before the first step
    lines:   they may use values, gradient, scratch, the state and the numbers; the gradient is the caller's, and only read
    numbers: the names of the numbers, which may differ from call to call
    """

    def __init__(
        self,
        name: str,
        store: FlatStore,
        start: Mapping[str, float],
        lines: Sequence[str],
        numbers: Sequence[str],
        backend: str,
    ) -> None:
        for line in lines:
            if line.startswith("gradient "):
                raise ValueError(f"{name}: {line!r} writes the gradient, which is the caller's: use scratch")
        self.store = store
        self.state = {state: aligned(store.values.size, store.dtype) for state in start}
        for state, number in start.items():
            self.state[state].fill(number)
        self._made_of = name, store, start, lines, numbers, backend
        self._numbers = np.empty(len(numbers), store.dtype)
        self._looped = backend == "numba"
        self._scratches = any("scratch" in line for line in lines)
        self._function = (loop if self._looped else passes)(name, lines, tuple(start), numbers)
        self._arguments: dict[range, list[Any]] = {}  # all but the gradient, of every block of a run

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has a function and views of its own."""
        return Update, self._made_of, self.state

    def __setstate__(self, state: Mapping[str, Array]) -> None:
        for name, array in state.items():
            self.state[name][...] = array

    def __call__(self, run: range, given: Sequence[Any], numbers: Iterable[float]) -> None:
        """Update a run of parameters. given: the gradients of all, flat"""
        self._numbers[:] = tuple(numbers)
        if run not in self._arguments:
            if len(self._arguments) >= MOST_RUNS:
                self._arguments.clear()
            self._arguments[run] = [(block, self._of(block.where)) for block in self.store.blocks(run)]
        for block, arguments in self._arguments[run]:
            self._function(block.gradient(given), *arguments)

    def _of(self, where: slice) -> list[Array | None]:
        """The arguments of the function after the gradient, for one block."""
        values = self.store.values[where]
        state = [array[where] for array in self.state.values()]
        if self._looped:
            return [values, *state, self._numbers]
        numbers = [self._numbers[i : i + 1].reshape(()) for i in range(len(self._numbers))]
        return [values, *state, *numbers, self.store.scratch[: values.size] if self._scratches else None]


def passes(name: str, lines: Sequence[str], state: Sequence[str], numbers: Sequence[str]) -> Callable[..., None]:
    """The lines as a function of arrays; numbers are arrays without axes, which NumPy takes faster than Python's."""
    arguments = ", ".join(["gradient", "values", *state, *numbers, "scratch"])
    names: dict[str, Any] = {word: getattr(np, word) for word in (*OPERATIONS.values(), "sqrt")}
    exec("\n    ".join([f"def {name}({arguments}):", *map(_in_place, lines)]), names)
    function: Callable[..., None] = names[name]
    return function


def _in_place(line: str) -> str:
    """The line for arrays: without a new array for its result."""
    if found := BINARY.fullmatch(line):
        result, a, sign, b = found.groups()
        return f"{OPERATIONS[sign]}({a}, {b}, {result})"
    if found := UNARY.fullmatch(line):
        result, function, a = found.groups()
        return f"{function}({a}, {result})"
    if not AUGMENTED.fullmatch(line):
        raise ValueError(f"{line!r}: a line of an update is one operation, x += y, z = x + y or z = sqrt(x)")
    return line


def loop(name: str, lines: Sequence[str], state: Sequence[str], numbers: Sequence[str]) -> Callable[..., None]:
    """The lines as one compiled loop over the entries of arrays; the numbers are an array."""
    changed = ["values", *state]
    arrays = ["gradient", *changed]
    text = "\n    ".join(
        [
            f"({', '.join(f'all_{array}' for array in arrays)}, numbers):",
            *[f"{number} = numbers[{i}]" for i, number in enumerate(numbers)],
            "for i in range(all_values.size):",
            *[f"    {array} = all_{array}[i]" for array in arrays],
            *[f"    {line}" for line in lines],
            *[f"    all_{array}[i] = {array}" for array in changed],
        ]
    )
    return compiled(Kernel(name, text + "\n", []))
