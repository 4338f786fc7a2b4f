r"""Compile groups to loops by numba, for `mg.compile(f, backend="numba")`, the extra [fast].

A kernel is a Python function with one loop over the entries, in which the values in between are local variables; numba
compiles it. Its text depends on what is computed, not on names, lengths of leading axes, or time steps, so that one kernel
serves many groups. Texts are written to a folder, in files named after their content, and numba keeps what it compiled
beside them: later processes only load it. The folder is $MINIGRAD_CACHE, by default the user's cache (~/.cache/minigrad on
Linux, ~/Library/Caches/minigrad on a Mac, %LOCALAPPDATA%\minigrad on Windows); it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.indices import column_range
from minigrad.compiler.ir import FRESH, LEAF, WHERE, Cast, Copy, Ufunc
from minigrad.compiler.lines import Line, columns_of, uniform_number
from minigrad.compiler.printing.groups import APART, Group, Rules, address, computes, relation
from minigrad.compiler.storage.memory import Memory
from minigrad.files import write_file

LOOP_DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.bool_))
LARGE_RESULT = 1 << 16  # entries of a result: from here on, lines between the members of a group may wait

KERNEL_HEAD = """from math import inf, nan

from numba import njit
from numpy import bool_ as bool, float32, float64, sqrt

from minigrad.compiler.printing.fast import Apart, exp32, exp64, maximum, minimum, tanh32, tanh64
"""
DECORATOR = '@njit(cache=True, error_model="numpy"{more})'


def fits(line: Line) -> bool:
    """Whether a loop can compute the line, entry by entry, as NumPy does."""
    dtypes = {line.dtype, *[x.dtype for x in line.operands]}
    if not 0 < len(line.shape) <= 5 or not line.size or not dtypes.issubset(LOOP_DTYPES):
        return False
    op = line.op
    if op == WHERE:
        return line.operands[0].dtype.kind == "b"
    if isinstance(op, Ufunc):
        return bool(op.facts.loop) and (op.facts.compares or line.dtype.kind == "f")
    return isinstance(op, Copy | Cast)


KERNEL_RULES = Rules(fits=fits, moves=lambda line: line.size >= LARGE_RESULT, sums=False, least=1)
MOST_MEMBERS = 40  # lines of groups that become one kernel


def together(items: Sequence[Line | Group]) -> Iterator[Line | list[Group]]:
    """Collect groups that follow each other into lists, for one kernel each; groups of one line become lines.

    Views between groups come before them.
    """
    run: list[Group] = []
    for item in [*items, None]:
        if isinstance(item, Group):
            if run and sum(len(group.members) for group in run) + len(item.members) > MOST_MEMBERS:
                yield from _ended(run)
                run = []
            run.append(item)
        elif item is None or computes(item):
            yield from _ended(run)
            run = []
        if item is not None and not isinstance(item, Group):
            yield item


def _ended(run: list[Group]) -> Iterator[Line | list[Group]]:
    if len(run) == 1 and len(run[0].members) == 1:
        yield run[0].members[0]
    elif run:
        yield run


# Texts -----------------------------------------------------------------------------------------------------------------


class Kernel(NamedTuple):
    """Hold the text of a kernel, its name, and the lines whose arrays are its arguments.

    text:  its parameters and its body
    apart: whether no array it writes to shares memory with another one
    """

    name: str
    text: str
    arguments: list[Line]
    apart: bool = False

    def text_as(self, name: str) -> str:
        """The function under a name."""
        return f"def {name}{self.text}"


def kernel_of(groups: Sequence[Group], memory: Memory) -> Kernel:
    """Write a kernel that computes groups, one after the other."""
    writer = _KernelWriter(memory)
    for group in groups:
        writer.add(group)
    return writer.kernel(_word([member for group in groups for member in group.members]))


class _KernelWriter:
    """Writes one kernel. A group whose arrays all lie as one row of numbers is one loop; others are one for each axis."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.arguments: dict[Any, tuple[str, Line]] = {}  # by where they lie: the name, and the line
        self.head: dict[str, str] = {}  # what is done before the loops, and what is had from it
        self.loops: list[str] = []
        self.written: set[str] = set()  # the names of those the loops write to
        self.count = 0

    def kernel(self, name: str) -> Kernel:
        names = [argument for argument, _ in self.arguments.values()]
        head = [f"{value} = {text}" for text, value in self.head.items()]
        text = "\n    ".join([f"({', '.join(names)}):", *head, *self.loops])
        return Kernel(name, text + "\n", [line for _, line in self.arguments.values()], self._are_apart())

    def _are_apart(self) -> bool:
        """Whether what is written lies apart from everything else: then no loop has to find that out when it runs."""
        where = {name: at for (at, _), (name, _) in self.arguments.items()}
        return all(
            relation(where[name], other) == APART
            for name in self.written
            for another, other in where.items()
            if another != name
        )

    def add(self, group: Group) -> None:
        """One more group."""
        self.group = group
        self.flat = all(self._is_one_row(x) for x in (*group.operands, *group.stored))
        self.counters = ["i"] if self.flat else ["i", "j", "k", "l", "m"][: len(group.shape)]
        self.values: dict[Line, str] = {}  # as they are written
        self.formulas: set[Line] = set()  # those that are written as sums, choices, …, which need parentheses
        self.body: list[str] = []
        uses: dict[Line, int] = {}
        for member in group.members:
            for x in member.operands:
                uses[x] = uses.get(x, 0) + (member.op.facts.repeats if isinstance(member.op, Ufunc) else 1)
        for line in group.members:
            for x in line.operands:
                if x not in self.values:
                    self.values[x] = self._read(x)
            value = self._expression(line)
            if line not in group.inner or uses[line] > 1 or len(value) > 50:
                name = self._name()
                self.body.append(f"{name} = {value}")
                value = name
            elif self._is_formula(line):
                self.formulas.add(line)
            self.values[line] = value
            if line not in group.inner:
                self.body.append(f"{self._at(line)} = {value}")
                self.written.add(self._argument(line if self.flat else self._part(line)[0]))
        self.loops += self._heads()
        self.loops += [f"{'    ' * len(self.counters)}{text}" for text in self.body]

    def _name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def _heads(self) -> list[str]:
        shape, first = self.group.shape, self.group.stored[0]
        if self.flat:
            return [f"for i in range({self._row(first)}.size):"]
        whole = self._argument(self._part(first)[0])
        lengths = [f"{whole}.shape[{axis}]" for axis in range(len(shape) - 1)]
        lengths.append(str(shape[-1]))  # a constant: then short rows need no loop
        return [f"{'    ' * axis}for {self.counters[axis]} in range({n}):" for axis, n in enumerate(lengths)]

    # Values

    def _expression(self, line: Line) -> str:
        op = line.op
        if op == WHERE:
            condition, a, b = line.operands
            return f"{self._as(a, line.dtype)} if {self._as(condition, condition.dtype)} else {self._as(b, line.dtype)}"
        if not isinstance(op, Ufunc):
            return self._as(line.operands[0], line.dtype)
        form = op.facts.loop
        dtype = np.result_type(*[x.dtype for x in line.operands]) if op.facts.compares else line.dtype
        parts = [self._as(x, dtype, inside="({" in form) for x in line.operands]
        return form.format(*parts, type=dtype.name, bits=8 * dtype.itemsize)

    def _is_formula(self, line: Line) -> bool:
        op = line.op
        if isinstance(op, Ufunc):
            return op == WHERE or "({" not in op.facts.loop
        (x,) = line.operands  # copied, or in another dtype
        return x.dtype == line.dtype and x in self.formulas

    def _as(self, x: Line, dtype: np.dtype[Any], inside: bool = False) -> str:
        """A value as an operand, in a dtype. inside: it stands between parentheses already."""
        value = self.values[x]
        if x.dtype != dtype:
            return f"({value} != 0)" if dtype.kind == "b" else f"{dtype.name}({value})"
        return value if inside or x not in self.formulas else f"({value})"

    def _read(self, x: Line) -> str:
        """The value of an operand from outside."""
        array = uniform_number(x)
        if array is not None:
            return repr(bool(array)) if x.dtype.kind == "b" else f"{x.dtype.name}({array.item()!r})"
        name = self._name()
        (self.body if x.shape else self.loops).append(f"{name} = {self._at(x)}")
        return name

    # Arrays

    def _at(self, line: Line) -> str:
        """The entry of a value at the place the loops are at."""
        if self.flat:
            return f"{self._row(line)}[i]" if line.shape else f"{self._argument(line)}[()]"
        whole, offset = self._part(line)
        counters = self.counters[len(self.counters) - len(line.shape) :]
        indices = [c if n > 1 or n == m else "0" for c, n, m in self._axes(line, counters)]
        if offset:
            indices[-1] = f"{offset} + {indices[-1]}"
        return f"{self._argument(whole)}[{', '.join(indices) or '()'}]"

    def _axes(self, line: Line, counters: Sequence[str]) -> Any:
        return zip(counters, line.shape, self.group.shape[len(self.group.shape) - len(line.shape) :], strict=True)

    def _argument(self, line: Line) -> str:
        """The name of an array among the kernel's parameters; arrays in one place have one."""
        key = address(self.memory, line), line.shape
        if key not in self.arguments:
            self.arguments[key] = f"x{len(self.arguments) + 1}", line
        return self.arguments[key][0]

    def _row(self, line: Line) -> str:
        """The name of an array as a row of all its entries."""
        name = self._argument(line)
        return name if len(line.shape) == 1 else self.head.setdefault(f"{name}.ravel()", f"r{name[1:]}")

    def _is_one_row(self, x: Line) -> bool:
        """Whether its entries follow each other in memory as those of the results do, or there is only one."""
        if not x.shape or uniform_number(x) is not None:
            return True
        if x.shape != self.group.shape:
            return False
        example = self.memory.example.get(x)
        return example.flags.c_contiguous if example is not None else x.op.kind in (LEAF, FRESH)

    def _part(self, line: Line) -> tuple[Line, int]:
        """What a value is a stretch of, along the last axis, and where in it that begins: rows of the whole are contiguous."""
        memory, offset = self.memory, 0
        while True:
            if line in memory.over:
                line = memory.over[line]
                continue
            if line in memory.slot:
                other, index = memory.slot[line]
                found = (
                    column_range(index, len(other.shape), other.shape[-1]) if len(index) == len(other.shape) else None
                )
            else:
                other, found = line.operands[0] if line.operands else line, columns_of(line)
            if found is None:
                return line, offset
            line, offset = other, offset + found[0]


def _word(lines: Sequence[Line]) -> str:
    """A name after the functions in it."""
    words = list(dict.fromkeys([line.op.word for line in lines]))
    plain = ("add", "subtract", "multiply", "divide", "negative", "copied", "astype")
    special = [word for word in words if word not in plain]
    return "_".join([*(special or words)[:3], "loop"])


# Compiling -------------------------------------------------------------------------------------------------------------

_compiled: dict[str, Callable[..., None]] = {}
_lock = Lock()


def compiled_kernel(kernel: Kernel) -> Callable[..., None]:
    """Compile a kernel, or load it from the folder of kernels; one function for each text."""
    helpers = Path(__file__).with_name("fast.py").read_bytes()
    decorator = DECORATOR.format(more=", pipeline_class=Apart" if kernel.apart else "")
    source = f"{KERNEL_HEAD}\n\n{decorator}\n{kernel.text_as(kernel.name)}"
    key = hashlib.sha256(helpers + source.encode()).hexdigest()[:20]
    with _lock:
        function = _compiled.get(key)
        if function is None:
            path = folder() / f"{kernel.name}_{key}.py"
            if not path.exists():
                write_file(path, source)
            function = _compiled[key] = getattr(_loaded(f"minigrad_kernel_{key}", path), kernel.name)
        return function


def _loaded(name: str, path: Path) -> ModuleType:
    """A file as a module: numba finds what it compiled earlier only for functions of modules that are there."""
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def folder() -> Path:
    """Where kernels are kept."""
    chosen = os.environ.get("MINIGRAD_CACHE")
    if chosen:
        path = Path(chosen)
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "minigrad"
    elif sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "minigrad"
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minigrad"
    path = path / "kernels"
    path.mkdir(parents=True, exist_ok=True)
    return path
