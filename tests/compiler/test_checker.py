"""The checker of storage takes every program that the other tests make; here it finds what is put wrong in a good one."""

from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.ir import INTO
from minigrad.compiler.printing import blocks, program
from minigrad.compiler.storage import arenas
from minigrad.compiler.storage.arenas import Arena
from minigrad.compiler.storage.checker import StorageError, check
from minigrad.compiler.storage.memory import Memory
from tests.compiler.replay import replayed
from tests.compiler.test_memory import memory_of, rows_over_rows

X, Y = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
W = mg.Parameter(np.random.default_rng(1).normal(size=(4, 4)), "W")


def chain(x):
    """Values that take each other's memory, two of them returned."""
    a = np.tanh(x @ W)
    b = np.exp(a @ W)
    c = np.sin(b @ W)
    return a + c, np.sum(b * c)


def recurrent(x):
    """States in a stack, and a gradient that joins."""
    h, states = x[0], []
    for t in range(1, 5):
        h = np.tanh(h @ W + x[t])
        states.append(h)
    together = np.stack(states)
    loss = np.sum(together**2) + np.sum(np.concatenate([h, x[0] * 2.0], axis=1))
    return together, *mg.gradients(loss, [W, x])


def lines_of(memory):
    return [line for line in memory.order if line.array is None]


def computed(memory):
    return [line for line in lines_of(memory) if line.op.kind == INTO]


def wrong(memory, message, items=None):
    with pytest.raises(StorageError, match=message):
        check(memory, memory.order if items is None else items)


@pytest.mark.parametrize("f", [chain, recurrent])
def test_good_programs_pass(f):
    memory = memory_of(f, X)
    found = check(memory, memory.order)
    assert len(found.value) == len(memory.order)


def test_two_live_values_in_one_place():
    memory = memory_of(chain, X)
    roots = [root for root in memory.root.values() if root.buffer is not None]
    first, second = {root.buffer: root for root in roots if root.key == roots[0].key}.values()
    second.buffer = first.buffer
    wrong(memory, r"reads <.*>, but bytes \d+:\d+ of arena \d hold <")


def test_a_line_before_its_operand():
    memory = memory_of(chain, X)
    one, two, *_ = computed(memory)
    items = list(memory.order)
    i, j = items.index(one), items.index(two)
    items[i], items[j] = two, one
    wrong(memory, "hold nothing", items)


def test_a_write_over_an_argument():
    memory = memory_of(chain, X)
    argument = next(line for line in lines_of(memory) if line.shape == X.shape)
    line = next(line for line in computed(memory) if line.shape == X.shape and line in memory.root)
    memory.over[line] = argument
    wrong(memory, "which is not ours")


def test_a_part_that_does_not_lie_in_its_whole():
    memory = memory_of(recurrent, X)
    members = [line for line in computed(memory) if line in memory.place]
    (root, one), (_, two) = memory.place[members[0]], memory.place[members[1]]
    memory.place[members[0]], memory.place[members[1]] = (root, two), (root, one)
    wrong(memory, "hold <")


def long_loop(x):
    """A loop so long that rounds in its middle are left out."""
    h, states = x[0], []
    for t in range(40):
        h = np.tanh(h @ W + x[t])
        states.append(h)
    return np.tanh(np.stack(states)), *mg.gradients(np.sum(h), [W])


def test_rows_of_rounds_that_are_left_out():
    """They are there when their neighbors are; nobody else may write there before the whole is read."""
    memory = memory_of(long_loop, np.ones((40, 3, 4)))
    assert memory.lines.page.gaps
    check(memory, memory.order)
    stack = next(line for line in memory.order if line.text.startswith("stack"))
    root, _ = memory.place[stack]
    one, two = next((a, b) for a, b in pairwise(root.members) if memory.place[b][1] > memory.place[a][1] + 1)
    later = memory.order[memory.order.index(two) :]
    other = next(line for line in later if line.shape == one.shape and line in memory.root)
    memory.place[other] = root, memory.place[one][1] + 1
    del memory.root[other]
    wrong(memory, "hold <")
    memory.lines.page.gaps = {}
    wrong(memory, "is not the whole of its parts")


def test_a_part_beside_its_columns():
    def f(x):
        return np.tanh(np.concatenate([np.sin(x), np.cos(x)], axis=2))

    memory = memory_of(f, X)
    line, (whole, index) = next((line, slot) for line, slot in memory.slot.items() if slot[1][-1].start)
    memory.slot[line] = whole, (*index[:-1], slice(index[-1].start - 1, index[-1].stop - 1))
    wrong(memory, "reads|over")


def test_outputs_in_one_place():
    memory = memory_of(lambda x: (np.sin(x), np.cos(x)), X)
    one, two = memory.lines.outputs
    memory.root[two] = memory.root[one]
    wrong(memory, "output 0 reads")


def test_entries_that_are_still_to_be_read():
    memory = memory_of(lambda x: np.sum((x @ W) @ W), X)
    one, two = (line for line in computed(memory) if line.shape == X.shape)
    memory.over[two] = one
    wrong(memory, "while other entries")


def test_a_value_that_another_member_of_its_group_needs(monkeypatch):
    """Two values in between in one buffer, both of which are still read."""
    monkeypatch.setattr(blocks, "LEAST_CUT", 1)
    monkeypatch.setattr(blocks, "buffers_of", lambda group: dict.fromkeys(group.inner, min(group.inner, key=id)))
    with replayed(), pytest.raises(Exception, match="hold <"):
        mg.compile(lambda x: np.sum(np.sin(x) * np.cos(x) + np.exp(x)))(X)


def test_an_update_that_is_not_the_last_word():
    a, b = mg.Parameter(X, "a", trainable=False), mg.Parameter(Y, "b", trainable=False)

    def f():
        new = a * 2.0
        mg.update(b, np.exp(a @ W))
        mg.update(a, new)
        return (new,)

    memory = memory_of(f)
    assert memory.states
    check(memory, memory.order)
    late = [line for line in memory.order if line not in memory.states]
    wrong(memory, "reads|may fail", [*memory.states, *late])


def test_a_printed_copy_in_place_of_a_view(monkeypatch):
    """Rows that are numbers would be copies, made before the program has run."""
    made = program._Writer._prepared
    monkeypatch.setattr(program._Writer, "_prepared", lambda self, text, word: made(self, f"({text}) * 1.0", word))
    with replayed(), pytest.raises(Exception, match=r"does not lie in|is list"):
        mg.compile(lambda x: np.sum(np.sin(x).T @ np.cos(x)[:, 0]))(X[:, :, 0])


# Faults in the planner -----------------------------------------------------------------------------------------------


def planner_programs():
    """Functions in which values come close to taking each other's memory too early."""

    def over_rows(*results):
        return lambda x, y: results_of(results, *rows_over_rows(x, y))

    def results_of(results, factors, states):
        return np.stack(states) * 2.0, *[result(factors) * states[-1] for result in results]

    def early_view(x, y):
        factors = np.cos(x * y)
        early = factors[1].T * 1.0
        return np.stack(rows_over_rows(x, y)[1]) * 2.0, np.sin(factors[1].T), early

    def returned_rows(x, y):
        factors, states = rows_over_rows(x, y)
        return np.stack(states) * 2.0, factors

    def products(x, y):
        factors, h, states = np.cos(x * y)[:, :, :3], x[0, :, :3], []
        for t in range(5):
            h = h @ (factors[t] * 1.0)
            states.append(h)
        return np.stack(states) * 2.0

    def parts_of_several(x):
        a, b = np.sin(x), np.cos(x)
        stacks = np.stack([a, b]), np.stack([b, a]), np.stack([a, a]), np.concatenate([b, x * 2.0], axis=2)
        return [np.tanh(stack) for stack in stacks]

    rows = [over_rows(np.sum), over_rows(lambda factors: factors[1]), over_rows(), early_view, returned_rows, products]
    one = [chain, recurrent, parts_of_several, lambda x: (np.exp(x), np.exp(x) * 2.0)]
    return [*[(f, X) for f in one], *[(f, X, Y) for f in rows]]


def plan_all():
    for f, *arguments in planner_programs():
        memory = memory_of(f, *arguments)
        check(memory, memory.order)


def takes_all(self, buffer):
    """An arena takes every buffer that is no larger, at its start."""
    buffer.arena, buffer.start = self, 0
    return buffer.size <= self.size


FAULTS = {
    "every buffer fits": (Arena, "takes", takes_all),
    "rows are always read last": (Memory, "_are_last", lambda *_: True),
    "operands may be overwritten whoever reads them": (
        Memory,
        "_may_be_overwritten",
        lambda self, line: [x for x in line.operands if x in self.root and x.shape == line.shape],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_planner(name, monkeypatch):
    plan_all()
    monkeypatch.setattr(*FAULTS[name])
    monkeypatch.setattr(arenas, "SMALL", 0)
    with pytest.raises(StorageError):
        plan_all()
