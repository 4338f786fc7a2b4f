"""backend="numba": groups of entrywise lines as compiled loops.

What the loops compute is tested without numba, by running their text as it stands on NumPy's numbers; with numba, that it
compiles them to the same, how exact its exp and tanh are, and that kernels are shared and kept.
"""

import os
import subprocess
import sys
from functools import partial
from math import inf, nan

import hypothesis
import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import compiled
from minigrad.compiler.printing import kernels
from minigrad.models import GRU, LSTM, Dense, Dropout, Sequential, losses
from tests.compiler.agreement import agree, compare
from tests.compiler.random_graphs import flat, recurrent
from tests.compiler.random_loops import cells, loops, nets
from tests.compiler.test_agreement import rewrites
from tests.quick import examples

PLAIN = {
    "inf": inf, "nan": nan, "float32": np.float32, "float64": np.float64, "bool": np.bool_, "sqrt": np.sqrt,
    "exp32": np.exp, "exp64": np.exp, "tanh32": np.tanh, "tanh64": np.tanh, "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip


def interpreted(kernel):
    names = dict(PLAIN)
    exec(kernel.text_as(kernel.name), names)
    return names[kernel.name]


@pytest.fixture
def without_numba(monkeypatch):
    """Kernels run as plain Python. Gives the list of those that were made."""
    made = []
    monkeypatch.setattr(kernels, "compiled_kernel", lambda kernel: made.append(kernel) or interpreted(kernel))
    monkeypatch.setattr(compiled, "find_spec", lambda name: name)
    monkeypatch.setattr(mg, "compile", partial(mg.compile, backend="numba"))
    return made


def few(n, seed=0):
    health = examples(n, suppress_health_check=list(hypothesis.HealthCheck))
    return lambda check: health(hypothesis.seed(seed)(check))


@pytest.mark.parametrize("large", [1 << 16, 1])
@pytest.mark.parametrize(
    ("graphs", "n"), [(flat(), 150), (recurrent, 60), (loops, 30)], ids=["flat", "recurrent", "loops"]
)
def test_loops_compute_what_the_lines_do(graphs, n, large, without_numba, monkeypatch):
    monkeypatch.setattr(kernels, "LARGE_RESULT", large)

    @few(n)
    @hypothesis.given(graphs, rewrites)
    def check(graph, rewrites):
        agree(graph, rewrites)

    check()
    assert len(without_numba) > examples(n).max_examples // 3


def nested_slices(x):
    a, b = x[:, :6], x[:, 6:]
    y = np.tanh(a[:, -2:]) * np.tanh(a[:, 2:4]) * np.tanh(a[:, :2]) * np.tanh(b)
    return mg.gradients(y.sum(), [x])


def test_slices_that_count_from_the_end_of_a_slice(without_numba):
    compare(
        nested_slices, [np.random.default_rng(0).normal(size=(2, 8))], [np.random.default_rng(1).normal(size=(2, 8))]
    )
    assert without_numba


@pytest.mark.parametrize("index", [np.s_[:, ::-1], np.s_[::-1], np.s_[::-1, ::-1], np.s_[:, 1::2]])
def test_slices_with_steps(index, without_numba):
    """Their adjoints are written where they belong, backward too."""

    def f(x):
        y = np.tanh(x)[index]
        return mg.gradients(np.sum(np.sin(y) * y), [x]), np.concatenate([np.cos(y), np.exp(y)], axis=1)[:, ::-1] * 2.0

    compare(f, *[[np.random.default_rng(seed).normal(size=(3, 4))] for seed in range(3)])
    assert without_numba


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_numbers_that_numpy_gives_without_memory(backend, without_numba):
    """np.any(x) and x[i] are no arrays there; the loops are given arrays all the same."""
    chosen = lambda x: np.where(np.any(x > 0), x, x * 2)  # noqa: E731
    taken = lambda x, i: x[i] * np.tanh(x)  # noqa: E731
    for size in (3, 2000):
        x = np.random.default_rng(0).normal(size=size)
        for f, calls in ((chosen, [[x], [-np.abs(x)], [x]]), (taken, [[x, np.array(2)], [x, np.array(0)]])):
            step = mg.compile(f, backend=backend)
            for arguments in calls:
                expected = f(*map(mg.Input, arguments)).value
                np.testing.assert_allclose(step(*arguments), expected, rtol=1e-14)


def test_0_and_minus_0_are_two_numbers(without_numba):
    z = mg.Constant(np.array([0.0, -0.0]))
    with np.errstate(all="ignore"):
        compare(lambda x: 1.0 / (z * np.exp(x)), [np.ones(2)], [np.zeros(2)])


MODELS = {
    "LSTM": lambda: Sequential(LSTM(2, 5, rng=0), Dense(5, 3, rng=1)),
    "GRU": lambda: Sequential(GRU(2, 5, rng=0), Dense(5, 3, rng=1)),
    "dropout": lambda: Sequential(Dense(2, 5, mg.relu, rng=0), Dropout(0.3, rng=np.random.default_rng(0)), Dense(5, 3, rng=1)),
}  # fmt: skip


def training_step(model):
    trained = list(model.parameters())

    def step(x, labels):
        loss = losses.cross_entropy(model(x), labels)
        return loss, mg.gradients(loss, trained)

    return step


def batches(model, n=3):
    rng = np.random.default_rng(0)
    shape = (4, 2) if model == "dropout" else (4, 6, 2)
    return [(rng.normal(size=shape), rng.integers(3, size=4)) for _ in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_compiled_loops_train_models(name, with_numba):
    step = mg.compile(training_step(MODELS[name]()), backend="numba")
    for x, labels in batches(name):
        step.verify(x, labels)
    assert "_loop(" in step.source
    assert list(with_numba.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("graphs", "n"),
    [(flat(), 22), (recurrent, 1), (loops, 4), (cells, 1), (nets, 2)],
    ids=["flat", "recurrent", "loops", "cells", "nets"],
)
def test_compiled_loops_on_random_graphs(graphs, n, with_numba):
    @few(n)
    @hypothesis.given(graphs)
    def check(graph):
        agree(graph, backend="numba")

    check()


ENDS = [0.0, -0.0, inf, -inf, nan, 1e-40, -1e-40, 88.7, 88.8, -87.4, -100.0, -104.5, 709.7, 709.8, -745.0, -746.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("function", "most"), [("exp", 2.0), ("tanh", 3.0)])
def test_exp_and_tanh_are_exact_to_the_last_bits(function, most, dtype, with_numba):
    rng = np.random.default_rng(0)
    x = np.concatenate([*[rng.normal(0, scale, 20_000) for scale in (1e-4, 1e-2, 0.3, 1, 5, 40)], ENDS]).astype(dtype)
    f = getattr(np, function)
    found = mg.compile(lambda x: f(x) * 1.0, rewrites=(), backend="numba")
    with np.errstate(all="ignore"):
        found(x)
    assert f"{function}{8 * x.itemsize}(" in found.source
    with np.errstate(all="ignore"):
        y, exact = found(x), f(x.astype(np.longdouble))
        nearest = exact.astype(dtype)
    finite = np.isfinite(nearest)
    np.testing.assert_array_equal(y[~finite], nearest[~finite])
    np.testing.assert_array_equal(np.signbit(y), np.signbit(nearest))
    units = np.abs(y[finite].astype(np.longdouble) - exact[finite]) / np.spacing(np.abs(nearest[finite]))
    assert units.max() < most


def test_loops_are_as_numpy_about_what_is_not_a_number(with_numba):
    def f(a, b):
        return np.maximum(a, b) * 1.0, np.minimum(a, b) * 1.0, a / b * 1.0, np.where(a > b, a, b) * 1.0

    values = np.array([0.0, -1.0, 2.0, inf, -inf, nan])
    a, b = np.repeat(values, 6), np.tile(values, 6)
    step = mg.compile(f, rewrites=(), backend="numba")
    with np.errstate(all="ignore"):
        step(a, b)
        expected = np.maximum(a, b), np.minimum(a, b), a / b, np.where(a > b, a, b)
    for found, right in zip(step(a, b), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_loops_read_arrays_however_they_lie(with_numba):
    step = mg.compile(lambda x, y, b: np.tanh(x * y + b), backend="numba")
    rng = np.random.default_rng(0)
    x, y, b = rng.normal(size=(6, 8)), rng.normal(size=(4, 6)), rng.normal(size=6)
    for lying in (
        x[:4, :6].copy(),
        x[1:5, 1:7],
        x[:4, 7:1:-1],
        np.asfortranarray(x[:4, :6]),
        np.broadcast_to(b, (4, 6)),
    ):
        np.testing.assert_allclose(step(lying, y, b), np.tanh(lying * y + b), rtol=1e-13)
    assert len(step.programs) == 1


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: (np.tanh(x) * 2.0, np.exp(x) * 2.0), True),
        (lambda x: (y := np.tanh(x) * 2.0, y[:, ::-1] * 3.0 + 1.0), False),
        (lambda x: (y := np.tanh(x) * 2.0, y.T * 3.0 + 1.0), False),
        (lambda x: np.stack([np.tanh(x[0]) * 2.0, np.exp(x[1]) * 2.0]) * 3.0 + x[:2], False),
    ],
)
def test_arrays_are_said_to_be_apart_only_if_they_are(f, expected, without_numba):
    step = mg.compile(f)
    step(np.ones((3, 4)))
    assert [kernel.apart for kernel in without_numba] == [expected]


def test_what_is_squared_is_computed_once(without_numba):
    step = mg.compile(lambda x: np.square(np.tanh(x)) + 1.0)
    step(np.ones(3))
    assert [kernel.text.count("tanh64(") for kernel in without_numba] == [1]


def test_what_a_loop_writes_a_later_loop_of_the_same_kernel_reads(with_numba):
    def f(x):
        y = np.tanh(x) * 2.0
        return y, y[:, ::-1] * 3.0 + 1.0, y.T + 1.0, (y[1:] - y[:-1]) * 2.0

    step = mg.compile(f, backend="numba")
    x = np.random.default_rng(0).normal(size=(5, 32))
    for found, right in zip((step(x), step(x))[1], f(x), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-13, atol=1e-15)


def test_time_steps_share_loops():
    """The text of a loop knows no time step: 30 steps have no more loops than 5."""

    def loops(steps):
        step = mg.compile(training_step(MODELS["LSTM"]()), backend="numba")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "compiled_kernel", interpreted)
            step(np.zeros((2, steps, 2)), np.zeros(2, int))
        return step.source.count("@compiled")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "find_spec", lambda name: name)
        assert 0 < loops(5) == loops(30) < 20


PROGRAM = """
import numpy as np, minigrad as mg
from minigrad.compiler.printing import kernels
step = mg.compile(lambda x: np.tanh(x * x + 1.0), backend="numba")
x = np.arange(5.0)
step(x), step(x)
(loop,) = kernels._compiled.values()
print(sum(loop.stats.cache_hits.values()), sum(loop.stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_another_process_loads_what_was_compiled(with_numba):
    def hits_and_misses():
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        return found.stdout.split()

    assert hits_and_misses() == ["0", "1"]
    assert len(list(with_numba.glob("*.py"))) == 1
    assert hits_and_misses() == ["1", "0"]


def test_without_numba_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install '.\[fast\]'"):
        mg.compile(np.tanh, backend="numba")


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="one of numpy, numba"):
        mg.compile(np.tanh, backend="fortran")


@pytest.mark.parametrize(("platform", "variable"), [("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA")])
def test_the_folder_is_the_users_cache_unless_chosen(platform, variable, monkeypatch, tmp_path):
    monkeypatch.delenv("MINIGRAD_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path / "cache"))
    assert kernels.folder() == tmp_path / "cache" / "minigrad" / "kernels"
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "mine"))
    assert kernels.folder() == tmp_path / "mine" / "kernels"
    assert kernels.folder().is_dir()
