"""Every program that is written is replayed, inside of `replayed()`: its memory, its groups, and the views it prints."""

from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from minigrad.compiler.lines import Line
from minigrad.compiler.printing import blocks, kernels, program
from minigrad.compiler.printing.groups import APART, SAME, Group, address, grouped, relation
from minigrad.compiler.storage.checker import StorageError, Together, check

MOST = 1 << 20  # entries of all values of a program that is replayed: larger ones would take seconds


@contextmanager
def replayed():
    """Replay each program as soon as it is written; gives a list of how many lines each had."""
    written, done = program._Writer.text, []

    def text(writer):
        result = written(writer)
        if sum(line.size for line in writer.memory.order) <= MOST:
            replay(writer)
            done.append(len(writer.memory.order))
        return result

    program._Writer.text = text
    try:
        yield done
    finally:
        program._Writer.text = written


def replay(writer):
    """Replay a program that was written: lines and groups in its order; then look at what it prints."""
    memory = writer.memory
    items = grouped(memory, kernels.KERNEL_RULES if writer.numba else blocks.BLOCK_RULES)
    if writer.numba:
        items = [x for item in kernels.together(items) for x in ([item] if isinstance(item, Line) else [*item, item])]
    together = [
        item
        if isinstance(item, Line)
        else Together(item.members, item.total, {x: x for x in item.inner} if writer.numba else blocks.buffers_of(item))
        for item in items
        if isinstance(item, Line | Group)
    ]
    found = check(memory, together)
    for item in items:
        if isinstance(item, Group):
            assert_relations(memory, [*item.operands, *item.stored], item.stored, found.where)
        elif isinstance(item, list):
            assert_apart(item, memory, found.where)
    assert_printed(writer, found)
    return found


def assert_relations(memory, lines, written, where):
    """What groups are told of where values lie is so."""
    addresses = {line: address(memory, line) for line in lines}
    for one in written:
        for two in lines:
            said = relation(addresses[one], addresses[two])
            if said == SAME and not np.array_equal(where[one], where[two]):
                raise StorageError(f"{one} and {two} are said to lie in the same place")
            if said == APART and meet(where[one], where[two]):
                raise StorageError(f"{one} and {two} are said to lie apart")


def meet(one, two):
    """Whether two arrays of positions have one in common."""
    if not one.size or not two.size or one.max() < two.min() or two.max() < one.min():
        return False
    return bool(np.isin(one, two).any())


def assert_apart(groups, memory, where):
    """Where a kernel is told that no array it writes to meets another one, none does."""
    kernel = kernels.kernel_of(groups, memory)
    if kernel.apart:
        positions, times = np.unique(
            np.concatenate([where[line].ravel() for line in kernel.arguments]), return_counts=True
        )
        written = np.concatenate([where[line].ravel() for group in groups for line in group.stored])
        if np.isin(positions[times > 1], written).any():
            raise StorageError(f"two arrays of {kernel.name} meet where it writes, and it is told that they do not")


def assert_printed(writer, found):
    """What the program calls a line in memory of its own is an array that lies where the line does."""
    names = dict(writer.names)
    exec("\n".join(writer.tables), names)
    inner = {line for item in found.items if not isinstance(item, Line) for line in item.buffers}
    bases = {}
    for line, expression in writer.of.items():
        home = writer.memory.home(line)
        if line.array is not None or home is None or home.output or not line.size or line in inner:
            continue
        array, where = eval(expression.text, names), found.where[line]
        said = f"{line}, printed as {expression.text},"
        if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (line.shape, line.dtype):
            raise StorageError(f"{said} is {type(array).__name__} {np.shape(array)}")
        piece = next(piece for piece in found.stretches if piece.start <= where.flat[0] < piece.stop)
        base = array.ctypes.data - int(where.flat[0] - piece.start) * piece.itemsize
        if bases.setdefault(piece, base) != base:
            raise StorageError(f"{said} does not lie in {piece.name}")
        for axis, n in enumerate(line.shape):
            index = [0] * len(line.shape)
            index[axis] = n - 1
            if array.strides[axis] * (n - 1) != int(where[tuple(index)] - where.flat[0]) * piece.itemsize:
                raise StorageError(f"{said} has other strides")
    ends = sorted((base, base + (piece.stop - piece.start) * piece.itemsize) for piece, base in bases.items())
    for (_, stop), (start, _) in pairwise(ends):
        if start < stop:
            raise StorageError("two pieces of memory are printed as one")
