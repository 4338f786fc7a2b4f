"""What a node is: its value, its dtype, its name and place, and what it refuses to be."""

import copy
import math
import pickle
import threading
import warnings
from fractions import Fraction

import numpy as np
import pytest

import minigrad as mg

A = np.array([0.5, -1.0, 2.0])
KINDS = [mg.Input, mg.Constant, mg.Parameter]


# Leaves ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_leaf_holds_its_array(kind):
    node = kind(A, name="a")
    assert type(node.value) is np.ndarray
    np.testing.assert_array_equal(node.value, A)
    assert (node.shape, node.ndim, node.size, node.dtype, node.name) == ((3,), 1, 3, np.float64, "a")
    assert node.children == ()
    assert kind(2.0).shape == ()
    assert kind(2.0).name == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_leaf_copies_what_others_may_write_into(kind):
    for array in (A, A[::2], np.broadcast_to(A, (2, 3)), memoryview(A)):
        assert not np.shares_memory(kind(array).value, A)


class Boxed:
    """Something that lends its array to NumPy."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize("kind", [mg.Input, mg.Constant])
@pytest.mark.parametrize(
    "lent",
    [Boxed, lambda a: memoryview(a), lambda a: np.frombuffer(memoryview(a).toreadonly()), lambda a: [Boxed(a)][0]],
)
def test_an_array_that_is_lent_is_copied_and_left_as_it_was(kind, lent):
    array = np.array([1.0, 2.0, 3.0])
    node = kind(lent(array))
    array[:] = 9.0
    np.testing.assert_array_equal(node.value, [1, 2, 3])
    node = kind(np.frombuffer(memoryview(buffer := bytearray(8)).toreadonly()))
    buffer[0] = 1
    assert node.value == 0


@pytest.mark.parametrize("kind", [mg.Input, mg.Constant])
def test_a_leaf_shares_what_nobody_can_write_into(kind):
    table = np.arange(6.0)
    table.flags.writeable = False
    assert np.shares_memory(kind(table).value, table)
    assert np.shares_memory(kind(table[::2]).value, table)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value",
    ["text", None, 1j, np.array([1j]), [object()], Fraction(1, 2), np.array("2020", "datetime64[D]"), {"a": 1}],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_of_real_numbers(kind, value):
    with pytest.raises(TypeError, match=f"{kind.__name__} takes real numbers or booleans, not {type(value).__name__}"):
        kind(value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_is_no_array(kind):
    with pytest.raises(TypeError, match=r"takes an array, not a node: write x\.value"):
        kind(mg.Input(A))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_that_numpy_broadcast_are_taken_without_a_warning(kind):
    array, _ = np.broadcast_arrays(np.array([1.0, 2.0]), np.zeros((3, 1)))
    np.testing.assert_array_equal(kind(array).value, [[1, 2], [1, 2], [1, 2]])


def test_a_ragged_list_is_numpys_error():
    with pytest.raises(ValueError, match="inhomogeneous"):
        mg.Input([[1.0], [1.0, 2.0]])


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_subclasses_of_ndarray_become_plain_arrays(kind):
    node = kind(np.matrix([[1.0, 2.0]]))
    assert type(node.value) is np.ndarray
    assert (node * node).shape == (1, 2)


def test_masked_arrays_are_refused():
    """A mask would be lost without a word."""
    masked = np.ma.masked_array(A, [True, False, False])
    for kind in KINDS:
        with pytest.raises(TypeError, match=r"masked.*np\.where"):
            kind(masked)
    with pytest.raises(TypeError, match="masked"):
        mg.Input(A) * masked


def test_parameters_are_floating():
    with pytest.raises(TypeError, match=r"Parameter 'W' has dtype int64.*write 2\.0 for 2"):
        mg.Parameter([1, 2], name="W")
    assert mg.Parameter([1, 2], trainable=False).dtype == np.int64


# Parameters --------------------------------------------------------------------------------------------------------


def test_assigning_writes_in_place():
    W = mg.Parameter(A)
    array = W.value
    W.value = 2 * A
    assert W.value is array
    np.testing.assert_array_equal(array, 2 * A)
    W.value = [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(array, [1, 2, 3])


def test_assigning_what_does_not_fit():
    W = mg.Parameter(A, name="W")
    with pytest.raises(
        ValueError, match=r'Parameter "W" \(3,\) takes an array of its own shape, not one of shape \(1,\)'
    ):
        W.value = [1.0]
    with pytest.raises(TypeError, match=r"has dtype float64, not float32: write a.astype\(np.float64\)"):
        W.value = A.astype(np.float32)
    with pytest.raises(TypeError, match="has dtype float64, not int64"):
        W.value = [1, 2, 3]
    with pytest.raises(TypeError, match=r"not a node: write x\.value"):
        W.value = W * 2
    np.testing.assert_array_equal(W.value, A)


def test_only_parameters_are_assigned():
    for node in (mg.Input(A), mg.Constant(A), mg.Input(A) * 2):
        with pytest.raises(AttributeError):
            node.value = A


def test_nodes_take_no_new_attributes():
    with pytest.raises(AttributeError):
        mg.Input(A).color = "red"
    with pytest.raises(AttributeError):
        (mg.Input(A) * 2).grad = A


def test_deep_copies_are_twins():
    W = mg.Parameter(A, name="W", trainable=False)
    W.grad = 2 * A
    pair = copy.deepcopy([W, W, mg.Input(A, "x")])
    assert pair[0] is pair[1]
    assert pair[0] is not W
    assert not pair[0].trainable
    assert (pair[0].name, pair[2].name) == ("W", "x")
    assert not np.shares_memory(pair[0].value, W.value)
    assert not np.shares_memory(pair[0].grad, W.grad)
    assert not np.shares_memory(pair[2].value, A)


@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_every_kind_of_copy_is_born_anew(twin_of):
    """With the number of its original it would count as older than it is, and the order of a graph would be wrong."""
    for leaf in (mg.Parameter(A, "W"), mg.Parameter([1, 2], trainable=False), mg.Input(A), mg.Constant([True])):
        last = mg.Input(A).number
        twin = twin_of(leaf)
        assert type(twin) is type(leaf)
        assert twin.number > last
        assert (twin.name, twin.dtype) == (leaf.name, leaf.dtype)
        np.testing.assert_array_equal(twin.value, leaf.value)
    with pytest.raises(TypeError, match=r"Multiply \(3,\): a graph is not copied or pickled; copy its leaves"):
        twin_of(mg.Input(A) * 2)


# Dtypes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", [2, 2.5, -0.0, True])
def test_a_python_number_takes_its_partners_dtype(dtype, number):
    x = mg.Input(A.astype(dtype))
    for y in (x * number, number * x, x + number, number - x, number / (x + 3)):
        assert y.dtype == dtype
    assert (x * number).value.dtype == (x.value * number).dtype


def test_numpys_scalars_keep_their_dtype():
    x = mg.Input(A.astype(np.float32))
    for y in (x * np.float64(2), np.float64(2) * x, x * np.array(2.0)):
        assert y.dtype == np.float64
    assert (np.float32(2) * x).dtype == np.float32


def test_integer_operands():
    n = mg.Input([1, 2, 3])
    assert (n * 2).dtype == np.int64
    assert (n * 2.5).dtype == np.float64
    assert (n / 2).dtype == np.float64
    np.testing.assert_array_equal((n * 2.5).value, [2.5, 5, 7.5])


def test_signed_zeros_are_told_apart():
    x = mg.Input([1.0])
    assert np.signbit((x * 0.0).value[0]) != np.signbit((x * -0.0).value[0])
    assert not np.signbit((x * 0).value[0])


def test_numbers_are_shared_and_belong_nowhere():
    with mg.scope("here"):
        x = mg.Input(A)
        first, second = x * 17.25, x + 17.25
    assert first.children[1] is second.children[1]
    assert first.children[1].scope == ""
    assert (x * True).children[1] is not (x * 1).children[1]


def test_a_number_a_small_integer_type_cannot_hold():
    x = mg.Input(np.array([1, 255], np.uint8))
    assert (x == -1).value.tolist() == [False, False]
    assert (x < 300).value.tolist() == [True, True]
    np.testing.assert_allclose((x / 510).value, [1 / 510, 0.5])


def test_the_node_of_a_number_does_not_change():
    y = mg.Input(3.0) * 2
    number = y.children[1]
    with pytest.raises(TypeError, match=r"number 2\.0 serves other graphs"):
        mg.Graph(y).fprop({number: 5.0})
    with pytest.raises(ValueError, match="read-only"):
        number.value[...] = 7.0
    assert float(mg.Input(3.0) * 2) == 6.0


def test_only_parameters_can_be_set():
    with pytest.raises(AttributeError, match=r'Input "x" .*Graph\(y\).fprop'):
        mg.Input(1.0, "x").value = 2.0


@pytest.mark.parametrize("made", [None, np.array([1j]), "text"], ids=["None", "complex", "text"])
def test_what_an_fprop_must_not_give(made):
    class Odd(mg.Operation):
        def fprop(self, x):
            return made

    with pytest.raises(TypeError, match=r"Odd.*real numbers or booleans"):
        Odd(1.0)


def test_an_attribute_that_is_not_keyword_only_is_refused_at_the_class():
    with pytest.raises(TypeError, match=r"Late.fprop: attributes are keyword-only, so write \*, before axis="):

        class Late(mg.Operation):
            def fprop(self, x, axis=1):
                return x


def test_a_wrong_call_of_an_operation_names_it():
    with pytest.raises(TypeError, match=r"^Tanh\(\) takes 2 positional arguments but 3 were given"):
        mg.ops.Tanh(1.0, 2.0)


def test_one_scope_object_serves_several_threads():
    shared = mg.scope("shared")
    seen, together = [], threading.Barrier(4)

    def work():
        for _ in range(20):
            with shared:
                together.wait()
                seen.append(mg.Input(1.0).scope)
            together.wait()
            seen.append(mg.Input(1.0).scope)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.count("shared") == seen.count("") == 80


def test_casts_have_adjoints_in_the_childs_dtype():
    x = mg.Input(A.astype(np.float32))
    y = x.astype(np.float64)
    assert y.astype(np.float64) is y
    (g,) = mg.gradients((y * y).sum(), [x])
    assert g.dtype == np.float32
    np.testing.assert_array_equal(g.value, 2 * A)
    (gg,) = mg.gradients(g.sum(), [x])
    assert gg.dtype == np.float32
    np.testing.assert_array_equal(gg.value, [2, 2, 2])
    with pytest.raises(TypeError, match="astype takes real numbers or booleans, not an array of dtype complex128"):
        x.astype(complex)


# Operands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operand", [[1.0, 2.0, 3.0], (1, 2, 3), A, np.float32(2), np.int64(3), True])
def test_operands_that_are_arrays_to_numpy(operand):
    x = mg.Input(A)
    np.testing.assert_allclose((x * operand).value, A * np.asarray(operand))
    np.testing.assert_allclose((operand * x).value, A * np.asarray(operand))
    assert isinstance(operand * x, mg.Node)
    assert isinstance(operand - x, mg.Node)


@pytest.mark.parametrize(
    "operand",
    [None, "a", 1j, Fraction(1, 2), object(), [1j], np.array(["a"])],
    ids=lambda operand: type(operand).__name__,
)
def test_operands_that_are_not(operand):
    x = mg.Input(A)
    for combine in (lambda: x * operand, lambda: operand * x, lambda: np.multiply(operand, x)):
        with pytest.raises(TypeError, match="real numbers or booleans"):
            combine()


def test_a_list_of_nodes_as_operand():
    x = mg.Input(1.0)
    with pytest.raises(TypeError, match=r"np\.stack"):
        mg.Input(A) * [x, x, x]


def test_arrays_on_the_left_give_nodes():
    x = mg.Input(A)
    for y in (A * x, A + x, A @ x, np.float64(2) * x, np.greater(A, x), A - x, A / x):
        assert isinstance(y, mg.Node)
    array = A.copy()
    with pytest.raises(TypeError, match=r"array \+= node would write a node into an array"):
        np.add(array, x, out=array)  # as array += x does
    with pytest.raises(TypeError):
        array += x
    np.testing.assert_array_equal(array, A)


def test_augmented_assignment_makes_a_new_node():
    x = mg.Input(A.copy())
    y = x
    y += 1
    assert y is not x
    np.testing.assert_array_equal(x.value, A)


# One element, and the way out of the graph -------------------------------------------------------------------------


def test_one_element_leaves_the_graph_when_asked():
    x = mg.Input([[2.0]])
    assert float(x) == 2.0
    assert int(x) == 2
    assert bool(x)
    assert x.item() == 2.0
    assert isinstance(float(x), float)
    assert not mg.Input(False)
    assert f"{x:.3f} {mg.Input(7):03d}" == "2.000 007"
    assert f"{x}" == repr(x)


def test_many_elements_do_not():
    x = mg.Input(A, name="x")
    for ask, instead in ((float, "x.mean"), (int, "x.value"), (bool, "np.where"), (lambda x: x.item(), "x.value")):
        with pytest.raises(TypeError, match=rf'needs one element, and Input "x" \(3,\) has 3: write .*{instead}'):
            ask(x)
    with pytest.raises(TypeError, match="needs one element"):
        bool(mg.Input(np.zeros(0)))
    for ask in (lambda: 0 < x < 1, lambda: f"{x:.2f}"):
        with pytest.raises(TypeError, match="needs one element"):
            ask()


def test_a_node_is_not_made_an_array():
    x = mg.Input(A)
    for convert in (np.asarray, np.array, lambda x: np.array([x, x])):
        with pytest.raises(TypeError, match=r"a node does not turn into an array by itself.*x\.value"):
            convert(x)


def test_a_node_indexes_no_array():
    with pytest.raises((TypeError, IndexError)):
        A[mg.Input(0.0)]


def test_length_and_iteration():
    x = mg.Input([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2
    rows = list(x)
    assert [row.shape for row in rows] == [(2,), (2,)]
    first, _ = x
    np.testing.assert_array_equal(first.value, [1, 2])
    with pytest.raises(TypeError, match="0-d"):
        len(mg.Input(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(mg.Input(1.0))


def test_assignment_is_refused():
    x = mg.Input(A)
    with pytest.raises(TypeError, match=r"x = x\.at\[index\]\.set\(value\).*np\.where"):
        x[0] = 1


# Identity, comparison, membership ----------------------------------------------------------------------------------


def test_equality_is_elementwise_and_the_hash_is_identity():
    x, y = mg.Input(A), mg.Input(A.copy())
    np.testing.assert_array_equal((x == y).value, [True, True, True])
    np.testing.assert_array_equal((x != 0.5).value, [False, True, True])
    assert (x == y).dtype == bool
    assert len({x, y, x}) == 2
    assert {x: 1}.get(y) is None


def test_comparisons_decide_anew_in_replays():
    x = mg.Input(A)
    positive = x > 0
    np.testing.assert_array_equal(mg.Graph(positive).fprop({x: -A}), [False, True, False])


# Places ------------------------------------------------------------------------------------------------------------


def test_numbers_count_births():
    x = mg.Input(A)
    y = x * 2
    assert x.number < y.children[1].number or y.children[1].number < x.number  # the shared 2 may be older
    assert y.number > x.number
    assert mg.Input(A).number > y.number


def test_scopes_nest_and_adjoints_remember_theirs():
    with mg.scope("net"), mg.scope("t=1"):
        x = mg.Input(A)
        y = np.tanh(x)
    assert y.scope == "net/t=1"
    assert y.adjoint_of is None
    total = y.sum()
    assert total.scope == ""
    with mg.scope("elsewhere"):
        (g,) = mg.gradients(total, x)
    assert g.scope == "net/t=1"
    assert g.adjoint_of == y.number  # the rule of tanh made it
    assert mg.Input(1.0).scope == ""


def test_a_scope_is_left_by_errors_too():
    with pytest.raises(RuntimeError), mg.scope("broken"):
        raise RuntimeError
    assert mg.Input(1.0).scope == ""
    block = mg.scope("again")
    with block, block:  # one object serves nested blocks
        assert mg.Input(1.0).scope == "again/again"
    with block:
        assert mg.Input(1.0).scope == "again"


@pytest.mark.parametrize("name", ["", None, 3])
def test_scopes_have_names(name):
    with pytest.raises(ValueError, match="non-empty string"):
        mg.scope(name)


def test_representations():
    assert repr(mg.Parameter([1.0, 2.0], "W")) == '<Parameter "W" (2,) float64 = [1., 2.]>'
    assert repr(mg.Input(np.zeros((3, 3), np.float32))) == "<Input (3, 3) float32>"
    assert repr(mg.Input([1, 2]) > 1) == "<Greater (2,) bool = [False,  True]>"
    assert repr(mg.Input(np.zeros(0))) == "<Input (0,) float64 = []>"
    assert mg.Input(2).label == "Input () int64"


# Own operations ----------------------------------------------------------------------------------------------------


def test_an_operation_of_ones_own():
    class Cube(mg.Elementwise):
        def fprop(self, x):
            return x**3

        def bprop(self, adjoint):
            return adjoint * 3 * self.children[0] ** 2

    assert Cube in mg.operations()
    assert Cube.roles == ("x",)
    assert type(Cube(2.0).value) is np.ndarray
    mg.check_gradients(Cube, A, order=3)


def test_attributes_are_keywords():
    class Shifted(mg.Operation):
        """y = Σ weights_i x_i + offset."""

        def fprop(self, *arrays, weights, offset=0.0):
            return sum(w * x for w, x in zip(weights, arrays, strict=True)) + offset

        def bprop(self, adjoint):
            return [lambda w=w: adjoint * w for w in self.weights]

    assert Shifted.defaults == {"offset": 0.0}
    y = Shifted(A, A, weights=(2, 3))
    assert (y.weights, y.offset) == ((2, 3), 0.0)
    assert y.attributes == {"weights": (2, 3), "offset": 0.0}
    mg.check_gradients(lambda a, b: Shifted(a, b, weights=(2, 3), offset=1), A, A, order=2)
    with pytest.raises(TypeError, match=r"Shifted.*weights"):
        Shifted(A)
    with pytest.raises(TypeError, match="unexpected keyword"):
        mg.ops.Tanh(A, axis=1)


@pytest.mark.parametrize(
    ("name", "fprop"),
    [
        ("value", lambda self, x, *, value: x),
        ("name", lambda self, x, *, name: x),
        ("shape", lambda self, x, *, shape: x),
        ("mean", lambda self, x, *, mean: x),
        ("bprop", lambda self, x, *, bprop: x),
    ],
)
def test_attributes_do_not_hide_what_a_node_has(name, fprop):
    with pytest.raises(TypeError, match=f"Hiding: the attribute {name!r} would hide Node.{name}"):
        type("Hiding", (mg.Operation,), {"fprop": fprop})


def test_an_operation_without_its_methods():
    class Nothing(mg.Operation):
        pass

    class Forward(mg.Elementwise):
        def fprop(self, x):
            return x

    with pytest.raises(TypeError, match="Nothing defines no fprop"):
        Nothing(A)
    assert Nothing not in mg.operations()
    x = mg.Input(A)
    with pytest.raises(TypeError, match="Forward defines no bprop"):
        mg.gradients(Forward(x).sum(), x)


def test_a_value_of_no_array_is_made_one():
    class Number(mg.Operation):
        analytic = False

        def fprop(self, x):
            return float(x.sum())

        def bprop(self, adjoint):
            return adjoint * np.ones(3)

    assert type(Number(A).value) is np.ndarray
    mg.check_gradients(Number, A)


def test_import_needs_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mg.Input(A).sum().value == 1.5


# Numbers that leave the graph ------------------------------------------------------------------------------------------


def stored_in(kind):
    def store(x):
        array = np.zeros(2, kind)
        array[0] = x[0] * 2

    return store


def stored_in_a_row(x):
    array = np.zeros((2, 2), np.float32)
    array[1, 1] += x[0]


def stored_of_one_element(x):
    array = np.zeros(2)
    array[1] = x[:1]


def filled(x):
    array = np.zeros(2)
    array.fill(x[1] * 3)


@pytest.mark.parametrize(
    "store",
    [stored_in(float), stored_in(int), stored_in(bool), stored_in_a_row, stored_of_one_element, filled],
)
def test_a_node_is_not_put_into_an_array_entry_by_entry(store):
    """NumPy asks it for a bare number; where it replaces the message by its own, ours is the cause."""
    with pytest.raises((TypeError, ValueError)) as caught:
        store(mg.Input([1.0, 2.0]))
    error = caught.value if isinstance(caught.value, TypeError) else caught.value.__cause__
    assert isinstance(error, TypeError)
    assert "np.stack(nodes)" in str(error)
    assert "float(x)" in str(error)


def test_a_number_that_is_meant_leaves_silently():
    x = mg.Input([1.0, 2.0])
    log, table, counts = np.zeros(3), {}, [0.0]
    log[0] = float(x[0])
    log[1] = x[1].item()
    log[2] = f"{x[1]:.1f}"
    table["loss"] = x[0]
    counts[0] = float(x[1])
    np.testing.assert_array_equal(log, [1, 2, 2])
    assert (table["loss"].value, counts) == (1.0, [2.0])
    assert (int(x[1]), round(float(x[1]), 1), math.fsum(map(float, [x[0], x[1]])), bool(x[0] > 0)) == (
        2,
        2.0,
        3.0,
        True,
    )
    assert "%.2f %s" % (x[0], format(x[1], ".1f")) == "1.00 2.0"  # noqa: UP031


def test_a_node_is_not_put_into_a_flat_view_either():
    with pytest.raises(ValueError, match="setting single item"):  # NumPy drops the reason
        np.zeros(2).flat[1] = mg.Input(1.0)
