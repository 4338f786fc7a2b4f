"""Every recipe of a message, run against NumPy: what the message says to write gives what the function gives."""

import importlib
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.dispatch import ADVICE, TABLE, Way, spelling
from minigrad.protocols import WAYS_OUT

RNG = np.random.default_rng(0)
ARRAYS = {  # the names that calls and recipes are written in
    "x": np.array([[3.0, -1.0, 0.5], [1.0, 2.0, -2.5], [-0.2, 1.4, 0.9]]),
    "other": RNG.normal(size=(3, 3)),
    "mask": np.array([[True, False, True], [False, True, True], [False, False, True]]),
    "index": np.array([[2, 0], [1, 2], [0, 1]]),
    "values": RNG.normal(size=(3, 2)),
    "labels": np.array([0, 4, 4, 1]),
    "weights": np.array([0.5, 2.0, 1.0, -1.0]),
}
WAYS = {spelling(function): way for function, way in ADVICE.items() if isinstance(way, Way)}


def run(text, names):
    """The value of an expression, or of x where the expression writes into it."""
    found = eval(text, {"np": np, "mg": mg, **names})
    return names["x"] if found is None else found


@pytest.mark.parametrize("name", WAYS)
def test_recipes(name):
    way = WAYS[name]
    assert name in way.call
    expected = run(way.call, {key: array.copy() for key, array in ARRAYS.items()})
    nodes = {key: mg.Input(array.copy()) for key, array in ARRAYS.items()}
    found = run(way.recipe, nodes)
    np.testing.assert_array_equal(found.value, expected)
    assert found.dtype == expected.dtype
    with pytest.raises(
        TypeError, match=re.escape(f"{name} is not supported on nodes: for {way.call} write {way.recipe}")
    ):
        run(way.call, nodes)


def test_ways_out_of_arguments():
    x, condition = ARRAYS["x"], ARRAYS["mask"]
    result, otherwise = np.tanh(mg.Input(x)), 5.0
    with pytest.raises(TypeError, match=r"np\.where\(condition, result, otherwise\)"):
        np.tanh(mg.Input(x), where=condition)
    expected = np.tanh(x, where=condition, out=np.full(x.shape, otherwise))
    np.testing.assert_array_equal(np.where(condition, result, otherwise).value, expected)
    with pytest.raises(TypeError, match=r"write x\.astype\(dtype\)"):
        np.tanh(mg.Input(x), dtype=np.float32)
    for text in (WAYS_OUT["dtype"], WAYS_OUT["casting"], WAYS_OUT["signature"]):
        assert "x.astype(dtype)" in text
    np.testing.assert_array_equal(np.tanh(mg.Input(x).astype(np.float32)).value, np.tanh(x, dtype=np.float32))
    with pytest.raises(TypeError, match=r"write x\.at\[index\]\.add\(value\)"):
        np.add.at(mg.Input(x), 0, 1.0)
    expected = x.copy()
    np.add.at(expected, [0, 0], 1.0)
    np.testing.assert_array_equal(mg.Input(x).at[[0, 0]].add(1.0).value, expected)


def test_recipes_of_other_messages():
    x, a, b = mg.Input(ARRAYS["x"]), ARRAYS["x"][:, :2], ARRAYS["other"][:, :2]
    with pytest.raises(ValueError, match=re.escape("a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]")):
        np.cross(mg.Input(a), b)
    expected = np.linalg.det(np.stack([a, b], -1))
    np.testing.assert_allclose((a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]), expected)
    with pytest.raises(TypeError, match=re.escape("x = x.at[index].set(value), x = x.at[index].add(value)")):
        x[0] = 1.0
    with pytest.raises(TypeError, match=re.escape("write x = np.sort(x)")):
        x.sort()
    for name, text, recipe, expected in (
        ("fill", "np.full_like(x, value)", "np.full_like(x, 2.0)", np.full((3, 3), 2.0)),
        ("flat", "x.ravel()", "x.ravel()", ARRAYS["x"].ravel()),
        ("partition", "np.partition(x, kth)", "np.partition(x, 1)[:, 1]", np.partition(ARRAYS["x"], 1)[:, 1]),
        ("resize", "np.resize(x, shape)", "np.resize(x, (2, 7))", np.resize(ARRAYS["x"], (2, 7))),
        ("put", "x.at[np.unravel_index(indices, x.shape)].set(values)", "x.at[np.unravel_index([1], x.shape)].set(0.0)",
         np.where(np.arange(9).reshape(3, 3) == 1, 0, ARRAYS["x"])),
    ):  # fmt: skip
        with pytest.raises(AttributeError, match=re.escape(text)):
            getattr(x, name)
        np.testing.assert_array_equal(run(recipe, {"x": x}).value, expected)


def dispatched():
    """NumPy's functions that ask their arguments, by the names users write."""
    for module in ("numpy", "numpy.linalg", "numpy.fft"):
        for name, function in sorted(vars(importlib.import_module(module)).items()):
            if isinstance(function, np.ufunc) or hasattr(function, "_implementation"):
                yield f"{module}.{name}".replace("numpy", "np", 1), function


def test_every_function_of_numpy_is_answered_or_named_rightly():
    """A name in a message is one that Python finds: np.fft.fft, not np.fft._pocketfft.fft."""
    for name, function in dispatched():
        if function in TABLE or function.__name__.startswith("_"):
            continue
        spelled = spelling(function)
        assert eval(spelled, {"np": np}) is function, name
        advice = ADVICE.get(function)
        if isinstance(advice, str) and "write " in advice:
            assert re.search(r"outside the graph|graph|write np\.where|write a slice|np\.linalg\.eigh", advice), name


def test_what_is_answered():
    """Most of what dispatches; the others are listed, so that a gap is a decision."""
    gaps = {name for name, function in dispatched() if function not in TABLE and function not in ADVICE}
    assert gaps <= {
        "np.array2string", "np.array_repr", "np.array_str", "np.bitwise_count", "np.busday_count", "np.busday_offset",
        "np.common_type", "np.datetime_as_string", "np.frexp", "np.is_busday", "np.isnat",
        "np.ldexp", "np.may_share_memory", "np.min_scalar_type", "np.nextafter", "np.packbits", "np.poly",
        "np.polydiv", "np.polyfit",
        "np.real_if_close", "np.roots", "np.save", "np.savetxt", "np.savez", "np.savez_compressed", "np.shares_memory",
        "np.sort_complex", "np.spacing", "np.unpackbits", "np.fft.fft", "np.fft.fft2", "np.fft.fftn",
        "np.fft.fftshift", "np.fft.hfft", "np.fft.ifft", "np.fft.ifft2", "np.fft.ifftn", "np.fft.ifftshift", "np.fft.ihfft",
        "np.fft.irfft", "np.fft.irfft2", "np.fft.irfftn", "np.fft.rfft", "np.fft.rfft2", "np.fft.rfftn", "np.in1d", "np.trapz",
        "np.row_stack", "np.linalg.linalg", "np.asfarray",
    }  # fmt: skip


# SciPy -------------------------------------------------------------------------------------------------------------------


UFUNCS = {
    "expit": 1, "logit": 1, "log_expit": 1, "erf": 1, "log1p": 1, "expm1": 1, "exp2": 1, "exp10": 1, "cbrt": 1, "xlogy": 2,
    "xlog1py": 2, "erfc": 1, "ndtr": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", UFUNCS)
def test_scipys_ufuncs(name):
    special = pytest.importorskip("scipy.special")
    function = getattr(special, name)
    x, y = np.array([0.1, 0.5, 0.9, 0.3]), np.array([[0.7], [2.0]])
    for dtype in (np.float32, np.float64):
        operands = [x.astype(dtype), y.astype(dtype)][: UFUNCS[name]]
        found, expected = function(*map(mg.Input, operands)), function(*operands)
        assert found.dtype == expected.dtype == dtype
        np.testing.assert_allclose(found.value, expected, rtol=1e-6 if dtype == np.float32 else 1e-12)
    mg.check_gradients(lambda *nodes: function(*nodes), *[x, y][: UFUNCS[name]], order=2)
    assert TABLE[f"scipy.special.{name}"].__module__.startswith("minigrad.")


def test_the_tails_of_the_normal_distribution():
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-38, 30, 691), [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.46875, 4.0, 1e-300]])
    for function in (special.erfc, special.ndtr):
        expected = function(x)
        counts = ~(np.abs(expected) < 1e-300)  # below are no normal numbers
        np.testing.assert_allclose(function(mg.Input(x)).value[counts], expected[counts], rtol=3e-13)
        single = function(mg.Input(np.float32([-3.0, 0.2, 5.0]))).value
        np.testing.assert_allclose(single, function(np.float32([-3.0, 0.2, 5.0])), rtol=1e-5)
        assert single.dtype == np.float32


def test_scipys_zeros():
    special = pytest.importorskip("scipy.special")
    x, y = np.array([0.0, 0.0, 0.0, 2.0]), np.array([0.0, -1.0, 3.0, 1.0])
    for function in (special.xlogy, special.xlog1py):
        np.testing.assert_allclose(function(mg.Input(x), y).value, function(x, y))
    first, second = mg.Input(x[2:]), mg.Input(y[2:])
    slopes = mg.gradients(special.xlogy(first, second).sum(), [first, second])
    np.testing.assert_allclose(slopes[0].value, np.log(y[2:]))
    np.testing.assert_allclose(slopes[1].value, x[2:] / y[2:])


def test_what_scipy_makes_arrays_of():
    """The message names minigrad's, with SciPy's own default of the axis."""
    special = pytest.importorskip("scipy.special")
    x = ARRAYS["x"]
    for name, recipe in (
        ("softmax", "mg.softmax(x, axis=None)"),
        ("log_softmax", "mg.log_softmax(x, axis=None)"),
        ("logsumexp", "mg.logsumexp(x, axis=None, keepdims=False)"),
    ):
        function = getattr(special, name)
        with pytest.raises(TypeError, match=re.escape(f"for SciPy's {name} write {recipe}")):
            function(mg.Input(x))
        np.testing.assert_allclose(run(recipe, {"x": mg.Input(x)}).value, function(x), rtol=1e-12)
        along = run(recipe.replace("axis=None", "axis=1"), {"x": mg.Input(x)})
        np.testing.assert_allclose(along.value, function(x, axis=1), rtol=1e-12)


def test_scipys_exponential_of_matrices():
    linalg = pytest.importorskip("scipy.linalg")
    x = mg.Input(ARRAYS["x"][:2, :2])
    with pytest.raises(TypeError, match=re.escape("for SciPy's expm write mg.expm(x)")):
        linalg.expm(x)
    np.testing.assert_allclose(mg.expm(x).value, linalg.expm(x.value), rtol=1e-12)


def test_scipys_other_functions_are_named():
    special = pytest.importorskip("scipy.special")
    with pytest.raises(
        TypeError, match=r"scipy\.special\.jv is not supported on nodes: .*scipy\.special\.jv takes x\.value"
    ):
        special.jv(0, mg.Input(1.0))
    own = np.frompyfunc(lambda x: x, 1, 1)
    with pytest.raises(TypeError, match=r"is not supported on nodes"):
        own(mg.Input(1.0))
