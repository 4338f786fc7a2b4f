"""Every operation of minigrad is checked as its entry in the registry says, and the check itself is checked.

The families' modules `cases_<family>.py` hold CASES: trials to differentiate, and DEFINITIONS: for what has no derivative
to check (control, random, booleans), a function that asserts what the operation says it does. An operation without
either fails.
"""

import importlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import ancestry
from tests.ops.trials import Trial
from tests.quick import examples

MODULES = [
    importlib.import_module(f"tests.ops.{path.stem}") for path in sorted(Path(__file__).parent.glob("cases_*.py"))
]
CASES = {kind: case for module in MODULES for kind, case in getattr(module, "CASES", {}).items()}
DEFINITIONS = {kind: test for module in MODULES for kind, test in getattr(module, "DEFINITIONS", {}).items()}
OPERATIONS = sorted(
    (kind for kind in mg.operations() if kind.__module__.startswith("minigrad.")), key=lambda kind: kind.__name__
)
DIFFERENTIABLE = [kind for kind in OPERATIONS if kind.checked == "differences" and kind in CASES]

few = examples(25)
fewer = examples(10)
each = pytest.mark.parametrize("kind", DIFFERENTIABLE, ids=lambda kind: kind.__name__)


class Bend(mg.Elementwise):
    """y = sin(scale x): the nonlinear frame around an operation, so that its adjoint is not constant."""

    __slots__ = ()

    def fprop(self, x, *, scale):
        return np.sin(scale * x)

    def bprop(self, adjoint):
        return adjoint * BendSlope(self.children[0], scale=self.scale)


class BendSlope(mg.Elementwise):
    """y = scale cos(scale x)."""

    __slots__ = ()

    def fprop(self, x, *, scale):
        return scale * np.cos(scale * x)

    def bprop(self, adjoint):
        return adjoint * Bend(self.children[0], scale=self.scale) * -(self.scale**2)


def framed(trial):
    """The trial's call inside the frame, scaled to its values."""
    scale = 1 / (1 + np.abs(build(trial)[0].value).max(initial=0.0))
    return lambda *nodes: Bend(trial.call(*nodes), scale=float(scale))


def build(trial, arrays=None):
    """The result, and the inputs."""
    inputs = [mg.Input(array) for array in (trial.arrays if arrays is None else arrays)]
    return trial.call(*inputs), inputs


def differentiate(trial, arrays=None):
    """The result, its adjoints, and theirs, all through the frame, and the inputs."""
    y, inputs = build(trial, arrays)
    floating = [x for x in inputs if x.dtype.kind == "f"]
    outer = Bend(y, scale=0.25)
    first = mg.gradients(outer, floating, adjoint=np.ones_like(outer.value))
    total = sum((Bend(g, scale=0.25) * 0.5).sum() for g in first)
    return y, first, mg.gradients(total, floating), inputs


def values(nodes):
    return [node.value for node in nodes]


def assert_same(found, expected, rtol=1e-10):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


# Nothing is forgotten ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.__name__)
def test_the_registry_is_covered(kind):
    if kind.checked == "differences":
        assert kind in CASES, f"{kind.__name__} needs a case in tests/ops/cases_<family>.py"
    else:
        assert kind.checked == "definition"
        assert kind in DEFINITIONS or kind in CASES, f"{kind.__name__} needs an entry in DEFINITIONS, or in CASES"


def test_nodes_are_small():
    """Every class of minigrad says `__slots__`: one that forgot it would carry a dict in each node."""
    kinds = [kind for kind in mg.operations() if kind.__module__.startswith("minigrad.")]
    assert [kind.__qualname__ for kind in kinds if kind.__dictoffset__] == []


def test_cases_are_of_registered_operations():
    assert CASES.keys() | DEFINITIONS.keys() <= set(OPERATIONS)


@pytest.mark.parametrize("kind", DEFINITIONS, ids=lambda kind: kind.__name__)
def test_definition(kind):
    DEFINITIONS[kind]()


# Every case --------------------------------------------------------------------------------------------------------


@pytest.mark.row("ENG-01")
@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_values_are_numpys(kind):
    met = []

    @few
    @hypothesis.given(CASES[kind])
    def check(trial: Trial):
        before = [array.copy() for array in trial.arrays]
        y, inputs = build(trial)
        expected = np.asarray((trial.reference or trial.call)(*trial.arrays))
        np.testing.assert_allclose(y.value, expected, rtol=1e-10, atol=1e-12, strict=True)
        for array, copy in zip(trial.arrays, before, strict=True):
            np.testing.assert_array_equal(array, copy, "an input was changed")
        graph = ancestry([y])
        if y.dtype.kind == "f":
            graph += ancestry(mg.gradients(y, [x for x in inputs if x.dtype.kind == "f"], adjoint=y))
        met.extend(type(node) for node in graph)

    check()
    assert kind in met, "the case never reaches its operation"


@each
def test_dtypes(kind):
    """float32 in, float32 everywhere; mixed: every adjoint in its own input's dtype."""

    @fewer
    @hypothesis.given(CASES[kind])
    def check(trial: Trial):
        singles = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in trial.arrays]
        y, first, second, _ = differentiate(trial, singles)
        for node in ancestry([y, *first, *second]):
            assert node.dtype != np.float64, f"{node!r} left float32"
        mixed = [a if i % 2 else b for i, (a, b) in enumerate(zip(trial.arrays, singles, strict=True))]
        _, first, second, inputs = differentiate(trial, mixed)
        wanted = [x.dtype for x in inputs if x.dtype.kind == "f"]
        assert [g.dtype for g in first] == wanted
        assert [g.dtype for g in second] == wanted

    check()


@each
def test_layouts_of_memory(kind):
    """Transposed, strided and reversed arrays give the same numbers."""

    def layouts(array):
        yield np.array(array, order="F")
        every_second = (*[slice(None, None, 2)] * array.ndim, ...)
        strided = np.zeros([2 * n for n in array.shape], array.dtype)[every_second]
        strided[...] = array
        yield strided
        yield np.flip(np.flip(array).copy())

    @fewer
    @hypothesis.given(CASES[kind])
    def check(trial: Trial):
        y, first, second, _ = differentiate(trial)
        for arrays in zip(*map(layouts, trial.arrays), strict=True):
            z, other_first, other_second, _ = differentiate(trial, arrays)
            assert_same(values([z, *other_first, *other_second]), values([y, *first, *second]))

    check()


@each
def test_replay(kind):
    """A graph of second order, replayed on other arrays, is what a fresh build on them gives."""

    @few
    @hypothesis.given(CASES[kind])
    def check(trial: Trial):
        y, first, second, inputs = differentiate(trial)
        others = [np.flip(array).copy() for array in trial.arrays]  # flips masks and the arg max, keeps the domain
        replayed = mg.Graph(y, *first, *second).fprop(
            {x: a for x, a in zip(inputs, others, strict=True) if x in set(ancestry([y, *first, *second]))}
        )
        z, other_first, other_second, _ = differentiate(trial, others)
        assert_same(replayed, values([z, *other_first, *other_second]))

    check()
