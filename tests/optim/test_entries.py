"""Entries: formulas on nodes as programs of both backends, the blocks they go by, states under other settings, and backend="numba"."""

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import compiled
from minigrad.node import Parameter
from minigrad.optim import SGD, AdaGrad, Adam, AdamW, RMSProp, entries, flat
from minigrad.optim.flat import FlatStore, aligned

KINDS = {
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.9}),
    "adagrad": (AdaGrad, {"initial_accumulator": 0.1}),
    "adagrad, momentum": (AdaGrad, {"momentum": 0.9}),
    "rmsprop": (RMSProp, {"rho": 0.8}),
    "rmsprop, inside": (RMSProp, {"momentum": 0.5, "epsilon": 1e-3, "epsilon_inside": True}),
    "adam": (Adam, {"learning_rate": 0.1}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True}),
    "nesterov, sum": (SGD, {"momentum": 0.9, "nesterov": True, "form": "sum", "weight_decay": 0.1}),
    "rmsprop, decay": (RMSProp, {"weight_decay": 0.1, "proximal_l1": 0.1}),
    "adamw, proximal": (
        AdamW,
        {"learning_rate": 0.1, "weight_decay": 0.1, "proximal_l1": 0.5, "bias_correction": False},
    ),
}
SHAPES = [(3, 4), (3,), (), (0, 2), (70,), (5, 7)]


def parameters(dtypes=(np.float32, np.float64)):
    rng = np.random.default_rng(0)
    return [Parameter(rng.normal(size=shape).astype(dtype)) for dtype in dtypes for shape in SHAPES]


def set_gradients(params, seed, without=()):
    """Some of them as arrays that do not lie in one row."""
    rng = np.random.default_rng(seed)
    for i, parameter in enumerate(params):
        gradient = rng.normal(size=parameter.shape).astype(parameter.dtype)
        parameter.grad = None if i in without else np.array(gradient, order="FC"[i % 2])


def trained(kind, backend, n=4):
    """The values and the state after some steps, in one of which some parameters have no gradient."""
    make, settings = KINDS[kind]
    params = parameters()
    optimizer = make(params, **settings, backend=backend)
    for seed in range(n):
        set_gradients(params, seed, without=(1, 4, 7) if seed == 1 else ())
        optimizer.step()
    return [parameter.value for parameter in params], optimizer.state_dict()


def assert_same_bits(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    assert list(one[1]) == list(other[1])
    for name, array in one[1].items():
        np.testing.assert_array_equal(array, other[1][name], strict=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_program_and_nodes_give_the_same_bits(kind, backend, monkeypatch, request):
    if backend == "numba":
        request.getfixturevalue("with_numba")
    monkeypatch.setattr(flat, "BLOCK", 32)
    monkeypatch.setattr(flat, "SMALL", 12)
    found = trained(kind, backend)
    monkeypatch.setattr(compiled.Compiled, "__call__", lambda self, *arrays: self.f(*map(mg.Input, arrays)))
    monkeypatch.setattr(compiled.Compiled, "bare", lambda self, *arrays: None)
    assert_same_bits(found, trained(kind, "numpy"))


def test_the_program_of_adam_is_its_formula():
    W = Parameter(np.ones(5))
    optimizer = Adam([W])
    W.grad = np.ones(5)
    optimizer.step()
    (entries,) = optimizer._entries
    body = entries._compiled.source.partition("def program")[2].splitlines()[4:-1]
    assert [line.strip() for line in body] == [
        "multiply(number_0_9, m, out=m)",
        "multiply(number_0_1, g, out=multiply_1)",
        "add(m, multiply_1, out=m)",
        "multiply(number_0_999, v, out=v)",
        "square(g, out=square_1)",
        "multiply(number_0_001, square_1, out=multiply_2)",
        "add(v, multiply_2, out=v)",
        "sqrt(v, out=sqrt_1)",
        "add(sqrt_1, numbers_1, out=add_1)",
        "divide(m, add_1, out=divide_1)",
        "multiply(divide_1, numbers_0, out=multiply_3)",
        "subtract(w, multiply_3, out=w)",
    ]


def test_runs_of_parameters_are_forgotten_where_there_are_many(monkeypatch):
    found = []
    for most in (1, 64):
        monkeypatch.setattr(entries, "MOST_RUNS", most)
        params = parameters()
        optimizer = Adam(params)
        for step in range(6):
            set_gradients(params, step, without=(step, 2 * step))
            optimizer.step()
        assert all(len(each._runs) <= most for each in optimizer._entries)
        found.append(([parameter.value for parameter in params], optimizer.state_dict()))
    assert_same_bits(*found)


STATES = {  # after one gradient g, and what the next one makes of a state s
    "momentum": (lambda p, x: SGD(p, 0.1, momentum=x), {"v": lambda g, x, s: x * s - 0.1 * g}),
    "adagrad": (lambda p, x: AdaGrad(p, x), {"r": lambda g, x, s: s + g**2}),
    "rmsprop": (
        lambda p, x: RMSProp(p, 0.1, rho=x, momentum=0.5),
        {"r": lambda g, x, s: x * s + (1 - x) * g**2},
    ),
    "adam, 1": (lambda p, x: Adam(p, beta_1=x), {"m": lambda g, x, s: x * s + (1 - x) * g}),
    "adam, 2": (lambda p, x: Adam(p, beta_2=x), {"v": lambda g, x, s: x * s + (1 - x) * g**2}),
}


@pytest.mark.parametrize("name", STATES)
def test_states_are_what_the_formulas_name_under_any_settings(name):
    """A state that is loaded under another rate, β or ρ stays what it is, and so does one whose optimizer's is assigned anew."""
    make, formulas = STATES[name]
    g = np.array([1.0, -2.0, 0.5])
    a, b, c = (Parameter(np.zeros(3)) for _ in range(3))
    first, other, assigned = make([a], 0.5), make([b], 0.9), make([c], 0.5)
    a.grad, c.grad = g, g
    first.step()
    assigned.step()
    (state, formula), start = next(iter(formulas.items())), first.state_dict()
    np.testing.assert_allclose(start[f"0.{state}"], formula(g, 0.5, 0.0), rtol=1e-15)
    other.load_state_dict({**start, "learning_rate": other.state_dict()["learning_rate"]})
    np.testing.assert_array_equal(other.state_dict()[f"0.{state}"], start[f"0.{state}"])
    for setting in {"momentum": ["momentum"], "rmsprop": ["rho"], "adam, 1": ["beta_1"], "adam, 2": ["beta_2"]}.get(
        name, []
    ):
        setattr(assigned, setting, 0.9)
    b.grad, c.grad = 3 * g, 3 * g
    other.step()
    assigned.step()
    for optimizer in (other, assigned):
        expected = formula(3 * g, 0.9, start[f"0.{state}"])
        np.testing.assert_allclose(optimizer.state_dict()[f"0.{state}"], expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["0.mean", "0.square", "0.velocity"])
def test_a_state_of_scaled_sums_is_refused(name):
    w = Parameter(np.zeros(3))
    for make in (lambda p: SGD(p, momentum=0.9), AdaGrad, RMSProp, Adam):
        optimizer = make([w])
        with pytest.raises(ValueError, match="of an earlier version, in which means were scaled"):
            optimizer.load_state_dict({"learning_rate": np.array(0.1), name: np.zeros(3), "n_steps": np.array(3)})


def test_a_program_goes_on_where_another_backend_stopped(with_numba):
    """States are the same for both."""
    ends = []
    for backend in ("numpy", "numba"):
        params = parameters()
        first = Adam(params)
        set_gradients(params, 0)
        first.step()
        second = Adam(params, backend=backend)
        second.load_state_dict(first.state_dict())
        set_gradients(params, 1)
        second.step()
        ends.append([parameter.value for parameter in params])
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3, 20_000])
def test_a_gradient_may_be_the_parameters_own_array(kind, n):
    make, settings = KINDS[kind]
    own, copied = Parameter(np.linspace(1, 2, n)), Parameter(np.linspace(1, 2, n))
    one, other = make([own], **settings), make([copied], **settings)
    for i in range(3):
        own.grad, copied.grad = (
            own.value if i != 1 else own.value[::-1],
            (copied.value if i != 1 else copied.value[::-1]).copy(),
        )
        one.step()
        other.step()
        np.testing.assert_array_equal(own.value, copied.value)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copy_has_a_program_and_a_state_of_its_own(again):
    params = parameters()
    optimizer = SGD(params, momentum=0.9)
    set_gradients(params, 0)
    optimizer.step()
    before = optimizer.state_dict()
    twins, twin = again((params, optimizer))
    set_gradients(twins, 1)
    twin.step()
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    set_gradients(params, 1)
    optimizer.step()
    for parameter, other in zip(params, twins, strict=True):
        np.testing.assert_array_equal(parameter.value, other.value)


def test_blocks_are_small_neighbors_together_and_stretches_of_large_ones(monkeypatch):
    monkeypatch.setattr(flat, "BLOCK", 32)
    monkeypatch.setattr(flat, "SMALL", 12)
    store = FlatStore([Parameter(np.zeros(n)) for n in (12, 0, 5, 70, 3, 13, 12, 12, 12)])
    found = list(store.blocks(range(1, 9)))
    assert [(block.where.start, block.where.stop) for block in found] == [
        (12, 17), (17, 41), (41, 65), (65, 87), (87, 90), (90, 103), (103, 127), (127, 139),
    ]  # fmt: skip
    assert [block.parameters.start for block in found] == [1, 3, 3, 3, 4, 5, 6, 8]
    assert [block.room is not None for block in found] == [True, False, False, False, False, False, True, False]
    given = [np.full(n, i, float) for i, n in enumerate((12, 0, 5, 70, 3, 13, 12, 12, 12))]
    for block in found:
        np.testing.assert_array_equal(block.gradient(given), np.concatenate(given)[block.where])


def test_runs_are_neighbors_that_have_a_gradient_and_made_as_many_steps():
    store = FlatStore([Parameter(0.0) for _ in range(6)])
    some = np.zeros(1)
    assert store.runs([some] * 6, [2] * 6) == [range(6)]
    assert store.runs([some, some, None, some, some, some], [1, 1, 1, 1, 2, 2]) == [
        range(2), range(3, 4), range(4, 6),
    ]  # fmt: skip
    assert store.runs([None] * 6, [0] * 6) == []


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_flat_arrays_begin_with_a_line_of_the_cache(size):
    for dtype in (np.float32, np.float64):
        array = aligned(size, dtype)
        assert array.shape == (size,)
        assert array.dtype == dtype
        assert array.flags.writeable
        assert array.__array_interface__["data"][0] % 64 == 0
    (store,) = Adam([Parameter(np.ones(5))]).stores
    assert store.values.__array_interface__["data"][0] % 64 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_backend_that_is_not_there_is_refused(kind, monkeypatch):
    make, _ = KINDS[kind]
    with pytest.raises(ValueError, match=rf"{make.__name__}\(backend='fortran'\): expected one of numpy, numba"):
        make([Parameter(1.0)], backend="fortran")
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=rf"{make.__name__}.*pip install '.\[fast\]'"):
        make([Parameter(1.0)], backend="numba")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [3, 20_000])
def test_gradients_are_only_read(kind, backend, size, request):
    """Two parameters may share one, the caller may keep it, and it may be read-only."""
    if backend == "numba":
        request.getfixturevalue("with_numba")
    make, settings = KINDS[kind]
    params = [Parameter(np.ones(size)) for _ in range(2)]
    optimizer = make(params, **settings, backend=backend)
    gradient = np.linspace(1, 2, size)
    gradient.flags.writeable = False
    for _ in range(2):
        for parameter in params:
            parameter.grad = gradient
        optimizer.step()
    np.testing.assert_array_equal(gradient, np.linspace(1, 2, size))
    np.testing.assert_array_equal(params[0].value, params[1].value)
