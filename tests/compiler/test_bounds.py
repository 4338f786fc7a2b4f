"""What the programs of the benchmarks' nets cost, in counts and never in time: lines of text, calls in a round, stretches of
memory that entrywise calls go through, bytes of their own. A rewrite that is lost makes one of them larger.
"""

import ast
import re
import sys
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.contestants.nodes import Compiled, CompiledFast
from benchmarks.rows import ROWS, problem
from minigrad.compiler import compiled
from minigrad.compiler.printing import kernels
from tests.compiler.test_backend import interpreted

STEPS = 40
RECURRENT = [name for name, row in ROWS.items() if "steps" in row.sizes]
TEXTS = ["rnn-50", "lstm-16", "gru-16", "penalized-50"]  # where no array grows so large that it is computed in blocks


class Costs(NamedTuple):
    """Statements of the text; calls and stretches of a round; bytes of the arrays that the program keeps."""

    lines: int
    calls: int
    stretches: int
    nbytes: int

    def __le__(self, other):
        return all(a <= b for a, b in zip(self, other, strict=True))


# A change that lowers one of these numbers writes it here.
MOST = {
    "mlp-sgd": Costs(89, 43, 906, 1_194_380),
    "mlp-dropout": Costs(123, 59, 912, 1_325_588),
    "rnn-50": Costs(98, 237, 1028, 366_280),
    "rnn-3": Costs(98, 237, 1568, 49_964),
    "lstm-16": Costs(212, 928, 6250, 1_519_884),
    "lstm-128": Costs(214, 1029, 21_724, 24_297_676),
    "gru-16": Costs(198, 929, 8689, 1_018_956),
    "penalized-50": Costs(221, 515, 2054, 1_179_320),
    "elementwise": Costs(90, 1771, 1737, 1_549_344),
    "lenet": Costs(299, 139, 41_582, 12_579_108),
}
MOST_LINES_WITH_LOOPS = {  # statements for numba, those of the loops counted too
    "mlp-sgd": 128, "mlp-dropout": 129, "rnn-50": 136, "lstm-16": 302, "lstm-128": 303, "gru-16": 243, "penalized-50": 365,
    "elementwise": 39, "lenet": 401,
}  # fmt: skip


def trained(name, steps=STEPS, make=Compiled):
    """The benchmark's loss and gradients, traced once."""
    row = ROWS[name]
    net = make(problem(row.sized(steps=steps) if name in RECURRENT else row))
    net.step(*net.feeds)
    return net


def statements(source):
    return [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]


def work_of_a_round(net):
    """How many calls one run of the program makes, and how many stretches of memory its ufuncs go through: a slice of columns
    is one for each row.
    """
    run, calls, stretches = net.step._latest.run, Counter(), Counter()
    written = calls_by_line(net.step.source)

    def count(frame, event, argument):
        if event == "line":
            for call in written.get(frame.f_lineno, ()):
                calls[frame.f_lineno] += 1
                if call is not None:
                    function, *arrays = eval(call, frame.f_globals, frame.f_locals)
                    stretches[frame.f_lineno] += stretches_of(function, arrays)
        return count

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: count if frame.f_code is run.__code__ else None)
    try:
        net.step(*net.feeds)
    finally:
        sys.settrace(before)
    return calls.total(), stretches.total()


def calls_by_line(source):
    """The calls that stand in each line: code for a list of the function and what it is given; None for methods."""
    found = {}
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Expr | ast.Assign | ast.Return):
            for call in ast.walk(statement):
                if isinstance(call, ast.Call):
                    code = None
                    if isinstance(call.func, ast.Name):
                        parts = [call.func, *call.args, *[x.value for x in call.keywords if x.arg == "out"]]
                        code = compile(f"[{', '.join(map(ast.unparse, parts))}]", "call", "eval")
                    found.setdefault(call.lineno, []).append(code)
    return found


def stretches_of(function, arrays):
    if not isinstance(function, np.ufunc) or function.signature or not all(isinstance(x, np.ndarray) for x in arrays):
        return 0
    steps = np.nditer(arrays, flags=["external_loop", "zerosize_ok"], op_flags=[["readonly"]] * len(arrays))
    return steps.itersize // max(steps.value[0].size if len(arrays) > 1 else steps.value.size, 1)


def bytes_kept(net):
    """The memory of the arrays among what the program's text refers to, each once."""
    memory, waiting = {}, [x for name, x in net.step._latest.run.__globals__.items() if name != "__builtins__"]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, list | tuple):
            waiting += thing
        elif isinstance(thing, np.ndarray):
            while isinstance(thing.base, np.ndarray):
                thing = thing.base
            memory[id(thing)] = thing.nbytes
    return sum(memory.values())


def costs(net):
    return Costs(len(statements(net.step.source)), *work_of_a_round(net), bytes_kept(net))


@pytest.mark.parametrize("name", MOST)
def test_programs_cost_no_more_than_they_did(name):
    found = costs(trained(name))
    assert found <= MOST[name], f"{found}, and at most {MOST[name]}"


@pytest.fixture
def loops_as_text(monkeypatch):
    """Loops for numba are written, and not compiled."""
    monkeypatch.setattr(kernels, "compiled_kernel", interpreted)
    monkeypatch.setattr(compiled, "find_spec", lambda name: name)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_know_no_number_of_steps(name, loops_as_text):
    """Nor do those of compiled loops."""
    for make in (Compiled, CompiledFast):
        few, many = (re.sub(r"\d+", "#", trained(name, steps, make).step.source) for steps in (20, STEPS))
        assert few == many


@pytest.mark.parametrize("name", MOST_LINES_WITH_LOOPS)
def test_programs_with_compiled_loops_are_no_longer_than_they_were(name, loops_as_text):
    assert len(statements(trained(name, make=CompiledFast).step.source)) <= MOST_LINES_WITH_LOOPS[name]
