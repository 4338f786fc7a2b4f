"""Updates: the same lines as passes of NumPy and as one loop, the blocks they go by, and backend="numba".

What the loop computes is tested without numba, by running its text as it stands; with numba, that it is compiled to the same.
"""

import copy
import pickle

import numpy as np
import pytest

from minigrad.compiler import compiled
from minigrad.node import Parameter
from minigrad.optim import SGD, AdaGrad, Adam, RMSProp, flat, updates
from minigrad.optim.flat import FlatStore, aligned

KINDS = {
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.9}),
    "adagrad": (AdaGrad, {"initial_accumulator": 0.1}),
    "adagrad, momentum": (AdaGrad, {"momentum": 0.9}),
    "rmsprop": (RMSProp, {"rho": 0.8}),
    "rmsprop, inside": (RMSProp, {"momentum": 0.5, "epsilon": 1e-3, "epsilon_inside": True}),
    "adam": (Adam, {"learning_rate": 0.1}),
}
SHAPES = [(3, 4), (3,), (), (0, 2), (70,), (5, 7)]


@pytest.fixture
def interpreted(monkeypatch):
    """Loops run as plain Python. Gives the list of those that were made."""
    made = []

    def plain(kernel):
        names = {"sqrt": np.sqrt}
        exec(kernel.text_as(kernel.name), names)
        made.append(kernel)
        return names[kernel.name]

    monkeypatch.setattr(updates, "compiled", plain)
    monkeypatch.setattr(compiled, "find_spec", lambda name: name)
    return made


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


def assert_same_bits(kind):
    (values, state), (looped, looped_state) = trained(kind, "numpy"), trained(kind, "numba")
    for one, other in zip(values, looped, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    assert list(state) == list(looped_state)
    for name, array in state.items():
        np.testing.assert_array_equal(array, looped_state[name], strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_passes_and_loop_give_the_same_bits(kind, interpreted, monkeypatch):
    monkeypatch.setattr(flat, "BLOCK", 32)
    monkeypatch.setattr(flat, "SMALL", 12)
    assert_same_bits(kind)
    assert {kernel.name for kernel in interpreted} == {f"{KINDS[kind][0].__name__.lower()}_update"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_compiled_loop_gives_the_same_bits(kind, with_numba):
    assert_same_bits(kind)
    assert len(list(with_numba.glob("*_update_*.py"))) == 1


def test_the_loop_of_momentum(interpreted):
    SGD(parameters((np.float32,)), momentum=0.9, backend="numba")
    (kernel,) = interpreted
    assert kernel.text_as(kernel.name) == (
        "def sgd_update(all_gradient, all_values, all_velocity, numbers):\n"
        "    rate = numbers[0]\n"
        "    momentum = numbers[1]\n"
        "    for i in range(all_values.size):\n"
        "        gradient = all_gradient[i]\n"
        "        values = all_values[i]\n"
        "        velocity = all_velocity[i]\n"
        "        scratch = gradient * rate\n"
        "        velocity *= momentum\n"
        "        velocity -= scratch\n"
        "        values += velocity\n"
        "        all_values[i] = values\n"
        "        all_velocity[i] = velocity\n"
    )


@pytest.mark.parametrize(
    ("line", "in_place"),
    [
        ("mean *= beta_1", "mean *= beta_1"),
        ("scratch = mean / scratch", "divide(mean, scratch, scratch)"),
        ("scratch = sqrt(square)", "sqrt(square, scratch)"),
    ],
)
def test_a_line_makes_no_new_array(line, in_place):
    assert updates._in_place(line) == in_place


def test_a_line_of_two_operations_is_refused():
    class Long(SGD):
        def _update(self):
            return ("values -= rate * gradient",)

    with pytest.raises(ValueError, match=r"'values -= rate \* gradient': a line of an update is one operation"):
        Long([Parameter(1.0)])


def test_a_loop_goes_on_where_numpy_stopped(interpreted):
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


@pytest.mark.parametrize("again", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copy_has_a_loop_and_a_state_of_its_own(again, interpreted):
    params = parameters()
    optimizer = SGD(params, momentum=0.9, backend="numba")
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
    found = store.blocks(range(1, 9))
    assert [(block.where.start, block.where.stop) for block in found] == [
        (12, 17), (17, 49), (49, 81), (81, 87), (87, 90), (90, 103), (103, 127), (127, 139),
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
    with pytest.raises(ValueError, match=rf"{make.__name__}\(backend='fortran'\): it is one of numpy, numba"):
        make([Parameter(1.0)], backend="fortran")
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=rf"{make.__name__}.*pip install '.\[fast\]'"):
        make([Parameter(1.0)], backend="numba")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [3, 20_000])
def test_gradients_are_only_read(kind, backend, size, interpreted):
    """Two parameters may share one, the caller may keep it, and it may be read-only."""
    if backend == "numba" and size > 3:
        pytest.skip("slow as plain Python")
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


def test_an_update_does_not_write_the_gradient():
    store = FlatStore([Parameter(np.ones(3))])
    with pytest.raises(ValueError, match=r"writes the gradient, which is the caller's: use scratch"):
        updates.Update("wrong", store, {}, ["gradient *= rate", "values -= gradient"], ["rate"], "numpy")
