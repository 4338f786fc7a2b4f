"""What every layer, cell and loss says to input it cannot take, and what it makes of the borders of what it can."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    GRU,
    IRNN,
    LSTM,
    RNN,
    AlphaDropout,
    AntisymmetricRNN,
    AveragePool2D,
    BatchNorm,
    Bidirectional,
    Cell,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    EmbeddingBag,
    ExpRNN,
    Flatten,
    GroupNorm,
    GRUCell,
    InverseRNN,
    LayerNorm,
    LipschitzRNN,
    LSTMCell,
    MaxPool2D,
    SimpleRNN,
    SimpleRNNCell,
    Stacked,
    Tilted,
    UnICORNN,
    Unrolled,
    losses,
)
from minigrad.models.inputs import check_indices

RNG = np.random.default_rng(0)
STABLE = (IRNN, AntisymmetricRNN, ExpRNN, InverseRNN, LipschitzRNN, UnICORNN)
# Each with the shape of a batch it takes, and the axis its features are on.
ROWS = {
    "Dense": (Dense(3, 2), (4, 3)),
    "LayerNorm": (LayerNorm(3), (4, 3)),
    "BatchNorm": (BatchNorm(3), (4, 3)),
    "GroupNorm": (GroupNorm(3, 1), (4, 3)),
}
IMAGES = {
    "Conv2D": (Conv2D(1, 2, 3), (4, 8, 8, 1)),
    "Conv2DTranspose": (Conv2DTranspose(1, 2, 3), (4, 8, 8, 1)),
    "MaxPool2D": (MaxPool2D(2), (4, 8, 8, 1)),
    "AveragePool2D": (AveragePool2D(2), (4, 8, 8, 1)),
}
MASKED = {
    "SimpleRNN": (SimpleRNN(2, 3), (4, 5, 2)),
    "LSTM": (LSTM(2, 3), (4, 5, 2)),
    "GRU": (GRU(2, 3), (4, 5, 2)),
    "Stacked": (Stacked([GRU(2, 3), LSTM(3, 2)]), (4, 5, 2)),
    "Bidirectional": (Bidirectional(GRU(2, 3), GRU(2, 3)), (4, 5, 2)),
    "Tilted": (Tilted(GRU(2, 3)), (4, 5, 2)),
    **{kind.__name__: (kind(2, 3), (4, 5, 2)) for kind in STABLE if kind is not IRNN},  # whose units may all be off
}
SEQUENCES = {**MASKED, "RNN": (RNN(2, 3, 1), (4, 5, 2))}
CELLS: dict[str, Cell] = {kind.__name__: kind(2, 3) for kind in (SimpleRNNCell, LSTMCell, GRUCell)}
CELLS |= {type(layer.cell).__name__: layer.cell for layer in (kind(2, 3) for kind in STABLE)}
ANY = {
    "Flatten": (Flatten(), (4, 3)),
    "Dropout": (Dropout(0.5, rng=0), (4, 3)),
    "AlphaDropout": (AlphaDropout(0.5, rng=0), (4, 3)),
}
ALL = {**ROWS, **IMAGES, **SEQUENCES, **ANY}


def refused(call, error, *parts):
    """The call raises the error, and its text has all parts."""
    with pytest.raises(error) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


# Shapes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_batch_is_taken(name):
    layer, shape = ALL[name]
    assert layer(np.ones(shape)).shape[0] == shape[0]


@pytest.mark.parametrize("name", [*ROWS, *IMAGES, *SEQUENCES, "Flatten"])
def test_a_wrong_rank_is_refused_with_what_is_expected_and_what_was_found(name):
    layer, shape = ALL[name]
    kind = {
        "MaxPool2D": "max_pool2d",
        "AveragePool2D": "average_pool2d",
        "Conv2D": "conv2d",
        "Conv2DTranspose": "conv2d_transpose",
    }.get(name, name)
    single = shape[1:]
    refused(lambda: layer(np.ones(single)), ValueError, f"{kind}: expected ", "(batch, ", str(single), "np.newaxis")
    refused(lambda: layer(mg.Input(np.float32(1), name="one")), ValueError, f"{kind}: expected ", 'Input "one" ()')


@pytest.mark.parametrize("name", [*ROWS, *SEQUENCES])
def test_a_wrong_number_of_features_is_refused(name):
    layer, shape = ALL[name]
    wrong = (*shape[:-1], shape[-1] + 1)
    refused(lambda: layer(np.ones(wrong)), ValueError, f"{name}: expected inputs of shape", str(wrong))


def test_a_wrong_number_of_channels_and_a_window_that_does_not_fit_are_refused():
    layer = Conv2D(1, 2, 3)
    refused(lambda: layer(np.ones((4, 8, 8, 3))), ValueError, "the images have 3 channels and the kernels 1")
    refused(lambda: layer(np.ones((4, 2, 8, 1))), ValueError, "a window of height 3 does not fit", "pool less before")
    refused(lambda: MaxPool2D(2)(np.ones((4, 0, 8, 1))), ValueError, "does not fit into images of height 0")


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_without_time_steps_is_refused(name):
    layer, _ = SEQUENCES[name]
    refused(lambda: layer(np.ones((4, 0, 2))), ValueError, f'{name}: Input "', "(4, 0, 2) has no time steps")


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_says_what_it_expects(name):
    cell, x = CELLS[name], np.ones((4, 2))
    state = cell.start(4)
    assert cell(x, state)[0].shape == (4, 3)
    for wrong in (np.ones(2), np.ones((4, 3)), np.ones((4, 5, 2))):
        refused(lambda x=wrong: cell(x, state), ValueError, f"{name}: expected inputs of shape (batch, 2)")
    refused(lambda: cell(x[:3], state), ValueError, f"{name}: expected a state of shape (3, 3) or (3,), found")
    refused(lambda: cell(x, (*state, state[0])), ValueError, f"expected a state of {len(state)} parts", "start from")
    refused(lambda: cell(x, [np.ones((4, 3), int)] * len(state)), TypeError, f"{name}: state", "hold int64")
    refused(lambda: cell(x.astype(int), state), TypeError, f"{name}: the inputs hold int64")
    for batch in (-1, 2.5):
        refused(lambda batch=batch: cell.start(batch), ValueError, f"{name}.start(batch={batch})", "number of examples")


# An empty batch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in ALL if name != "BatchNorm"])
def test_an_empty_batch_passes_through_a_layer(name):
    layer, shape = ALL[name]
    x = mg.Input(np.ones((0, *shape[1:])))
    y = layer(x)
    assert y.shape == (0, *layer(np.ones(shape)).shape[1:])
    for gradient in mg.gradients(y.sum(), layer.parameters()):
        assert not gradient.value.any()


def test_an_empty_batch_is_nothing_to_normalize_by():
    layer = BatchNorm(3)
    refused(lambda: layer(np.ones((0, 3))), ValueError, "BatchNorm: ", "(0, 3) has 0 value", "call eval()")
    refused(lambda: layer(np.ones((2, 0, 3))), ValueError, "(2, 0, 3) has 0 value")
    assert layer.eval()(np.ones((0, 3))).shape == (0, 3)


def test_a_batch_of_one_passes_but_where_it_is_normalized_by_itself():
    for name, (layer, shape) in ALL.items():
        if name == "BatchNorm":
            refused(lambda: BatchNorm(3)(np.ones((1, 3))), ValueError, "has 1 value per feature", "or take LayerNorm")
        assert layer.eval()(np.ones((1, *shape[1:]))).shape[0] == 1
        layer.train()


# What is no array of floating-point numbers --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("given", "error", "part"),
    [
        ("text", TypeError, "takes real numbers or booleans, not str"),
        (None, TypeError, "takes real numbers or booleans, not NoneType"),
        (np.ones(3, complex), TypeError, "of dtype complex128"),
        (np.array([1, None]), TypeError, "of dtype object"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(name, given, error, part):
    layer, _ = ALL[name]
    refused(lambda: layer(given), error, part)


@pytest.mark.parametrize("name", [name for name in ALL if name not in IMAGES])
def test_lists_of_different_lengths_are_refused(name):
    layer, _ = ALL[name]
    refused(lambda: layer([[1.0, 2.0], [3.0]]), ValueError, name, "nested lists of different lengths: pad them")


@pytest.mark.parametrize("name", [*ROWS, *SEQUENCES, "Conv2D", "Dropout"])
def test_integers_are_refused_since_they_may_be_indices(name):
    layer, shape = ALL[name]
    refused(lambda: layer(np.ones(shape, int)), TypeError, name, "int64, expected floating-point numbers")
    refused(lambda: layer(np.ones(shape, bool)), TypeError, name, "bool, expected floating-point numbers")


# Indices -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 127, 128, 129, 255, 256, 300])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64, np.uint64, ">i4", ">i8"])
def test_indices_of_every_dtype(dtype, n):
    """All are seen as unsigned numbers; −1 is none of any n, however small its dtype."""
    whole = np.arange(256) if np.dtype(dtype) == np.uint8 else np.arange(-128, 128)
    for number in np.unique([*whole[:2], -1, 0, 1, n - 2, n - 1, n, *whole[-2:]]):
        if not np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
            continue
        indices = np.array([[0, 0], [0, number]], dtype)
        if 0 <= number < n:
            check_indices(indices, n, "things")
            check_indices(indices.T[::-1], n, "things")
        else:
            with pytest.raises(IndexError, match=f"1 of 4 indices .* the first is {number}: there are {n} things"):
                check_indices(indices, n, "things")
    check_indices(np.zeros(0, dtype), n, "things")
    check_indices(np.zeros((), dtype), n, "things")


@pytest.mark.parametrize("layer", [Embedding(5, 2), EmbeddingBag(5, 2)], ids=["Embedding", "EmbeddingBag"])
def test_indices_say_what_is_wrong_with_them(layer):
    name = type(layer).__name__
    for wrong, error, part in (
        ([[1, 5]], IndexError, "1 of 2 indices are not among 0..4, the first is 5"),
        ([[-1, 0]], IndexError, "1 of 2 indices are not among 0..4, the first is -1"),
        ([[1.0, 2.0]], TypeError, f"{name}: expected integer indices"),
        ([[np.nan]], TypeError, f"{name}: expected integer indices"),
        ([[True]], TypeError, f"{name}: expected integer indices"),
        ("words", TypeError, f"{name}(indices) takes real numbers or booleans, not str"),
        ([[1], [2, 3]], ValueError, f"{name}(indices): expected an array, found nested lists of different lengths"),
        (2, ValueError, "expected indices of shape"),
    ):
        refused(lambda wrong=wrong: layer(wrong), error, part)
    assert layer(np.zeros((0, 3), int)).shape[0] == 0


def test_a_bag_of_nothing_is_zero_and_sends_nothing():
    """A bag without entries has no shape; one whose mask is False throughout is 0."""
    bag = EmbeddingBag(5, 2)
    refused(lambda: bag(np.zeros((3, 0), int)), ValueError, "n >= 1", "whose mask is False throughout")
    y = bag([[1, 2], [7, -3]], [[False, True], [False, False]])
    np.testing.assert_array_equal(y.value, [bag.W.value[2], [0, 0]])
    assert mg.gradients(y.sum(), [bag.W])[0].value[2].all()
    for mask in ([True, False], [[True, False]] * 3, [[1, 0], [1, 1]], [[True], [True]]):
        refused(
            lambda mask=mask: bag([[1, 2], [3, 4]], mask), ValueError, "expected a boolean mask of the indices' shape"
        )
    refused(lambda: bag([[1, 2]], [[True], [False, True]]), ValueError, "EmbeddingBag(mask)", "different lengths")


# Masks over time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MASKED)
def test_masks_of_another_shape_or_dtype_are_refused(name):
    layer, shape = MASKED[name]
    u = np.ones(shape)
    for mask in (np.ones((4, 4), bool), np.ones((4, 5, 1), bool), np.ones(4, bool), np.ones((5, 4), bool)):
        refused(lambda m=mask: layer(u, mask=m), ValueError, f"{name}: expected a mask of shape (batch, time) = (4, 5)")
    refused(lambda: layer(u, mask=np.ones((4, 5))), TypeError, f"{name}: the mask holds float64, expected booleans")
    lengths = np.array([5, 3, 0, 2])
    refused(
        lambda: layer(u, mask=lengths), TypeError, "the mask holds int64", "np.arange(time) < lengths[:, np.newaxis]"
    )
    refused(lambda: layer(u, mask="no"), TypeError, f"{name}(mask) takes real numbers or booleans, not str")
    refused(lambda: layer(u, mask=[[True], []]), ValueError, f"{name}(mask)", "nested lists of different lengths")


@pytest.mark.parametrize("name", MASKED)
def test_a_length_of_zero_or_below_is_a_row_that_keeps_its_first_state(name):
    layer, shape = MASKED[name]
    u = RNG.normal(size=shape)
    y = layer(u, mask=np.arange(5) < np.array([5, 0, -2, 3])[:, np.newaxis])
    assert not y.value[1:3].any()
    assert y.value[[0, 3]].all()
    alone = layer(u, mask=np.zeros((4, 5), bool))
    assert not alone.value.any()
    for gradient in mg.gradients(alone.sum(), layer.parameters()):
        assert not gradient.value.any()


# Constructions -------------------------------------------------------------------------------------------------------


def test_layers_of_layers_are_made_of_recurrent_ones():
    for call, parts in (
        (lambda: Stacked([Dense(2, 3)]), ("Stacked: expected recurrent layers, such as GRU(2, 3), found Dense",)),
        (lambda: Stacked([GRUCell(2, 3)]), ("found GRUCell",)),
        (lambda: Bidirectional(GRU(2, 3), Dense(2, 3)), ("Bidirectional: expected recurrent layers", "found Dense")),
        (lambda: Unrolled(Dense(2, 3)), ("Unrolled(cell): expected a Cell, such as GRUCell(2, 3), found Dense",)),
    ):
        refused(call, TypeError, *parts)
    refused(lambda: Stacked(GRU(2, 3)), ValueError, "expected at least one layer, in a list")


def test_the_activation_of_a_convolution_is_a_function_that_keeps_the_shape():
    refused(lambda: Conv2D(1, 2, 3, activation="relu"), TypeError, "np.tanh, mg.relu or mg.sigmoid, found 'relu'")
    layer = Conv2D(1, 2, 3, activation=np.sum)
    refused(lambda: layer(np.ones((1, 3, 3, 1))), TypeError, "Conv2D: the activation made Sum", "of the same shape")
    assert repr(Conv2D(1, 2, 3, activation=np.tanh)) == "Conv2D(1, 2, (3, 3), tanh)"


def test_a_state_dict_that_is_none_is_refused():
    net = Dense(3, 2, rng=0)
    before = net.state_dict()
    for wrong in (None, [1, 2], net):
        found = f"Dense.load_state_dict: expected a dict of arrays by path, as state_dict() gives, found {type(wrong).__name__}"
        refused(lambda wrong=wrong: net.load_state_dict(wrong), TypeError, found)
    for change, part in (
        ({"c": 1.0}, "c is unexpected"),
        ({"b": None}, "b has shape () and dtype object, expected (2,) and float32"),
        ({"b": np.zeros(3, np.float32)}, "b has shape (3,)"),
        ({"b": np.zeros(2)}, "b has shape (2,) and dtype float64, expected (2,) and float32"),
    ):
        refused(lambda change=change: net.load_state_dict(before | change), ValueError, part, "Nothing was changed")
    refused(lambda: net.load_state_dict({"W": before["W"] + 1}), ValueError, "b is missing. Nothing was changed")
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# Losses --------------------------------------------------------------------------------------------------------------

LOSSES = {
    "cross_entropy": ((4, 3), np.array([0, 1, 2, 0])),
    "categorical_cross_entropy": ((4, 3), np.eye(3)[[0, 1, 2, 0]]),
    "kl_divergence": ((4, 3), np.eye(3)[[0, 1, 2, 0]]),
    "multi_class_hinge": ((4, 3), np.array([0, 1, 2, 0])),
    "binary_cross_entropy": ((4, 2), np.array([[0, 1], [1, 0], [1, 1], [0, 0.0]])),
    "binary_log_likelihood": ((4, 2), np.array([[0, 1], [1, 0], [1, 1], [0, 0.0]])),
    "mean_squared_error": ((4, 2), np.arange(8.0).reshape(4, 2)),
    "mean_absolute_error": ((4, 2), np.arange(8.0).reshape(4, 2)),
    "huber": ((4, 2), np.arange(8.0).reshape(4, 2)),
    "mean_euclidean_norm": ((4, 2), np.arange(8.0).reshape(4, 2)),
    "half_least_squares": ((4, 2), np.arange(8.0).reshape(4, 2)),
    "hinge": ((4, 2), np.array([[-1, 1], [1, -1], [1, 1], [-1, -1.0]])),
}
INDICES = ["cross_entropy", "multi_class_hinge"]
NUMBERS = ["mean_squared_error", "mean_absolute_error", "huber", "mean_euclidean_norm", "half_least_squares"]
every_loss = pytest.mark.parametrize("name", LOSSES)


def loss_of(name):
    """The loss, outputs, and targets that fit them."""
    shape, targets = LOSSES[name]
    return getattr(losses, name), mg.Input(RNG.normal(size=shape), name="outputs"), targets


@every_loss
def test_a_loss_takes_its_targets(name):
    loss, outputs, targets = loss_of(name)
    assert np.isfinite(float(loss(outputs, targets)))


@every_loss
def test_targets_that_are_no_array_of_numbers_are_refused(name):
    loss, outputs, targets = loss_of(name)
    for wrong, error, part in (
        ("text", TypeError, "takes real numbers or booleans, not str"),
        (None, TypeError, "not NoneType"),
        (targets.astype(complex), TypeError, "of dtype complex128"),
        (np.array(targets.tolist(), object), TypeError, "of dtype object"),
        ([[1], [2, 3]], ValueError, "nested lists of different lengths"),
    ):
        refused(lambda wrong=wrong: loss(outputs, wrong), error, f"{name}(targets)", part)


@every_loss
def test_targets_of_another_length_and_empty_batches_are_refused(name):
    loss, outputs, targets = loss_of(name)
    refused(lambda: loss(outputs, targets[:2]), ValueError, f"{name}: expected ", "found (2,")
    refused(lambda: loss(outputs[:0], targets[:0]), ValueError, f"{name}: expected ", "none of them 0")
    refused(lambda: loss(mg.Input(1.0), 1), ValueError, f"{name}: expected ", "Input ()")
    refused(lambda: loss(outputs.value, targets), TypeError, f"{name}: expected ", "found ndarray")


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in INDICES])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_target_that_is_nan_or_inf_is_refused_unless_masked(name, value):
    loss, outputs, targets = loss_of(name)
    wrong = targets.copy()
    wrong[1, 0] = value
    refused(
        lambda: loss(outputs, wrong), ValueError, "targets are wrong" if value != np.inf else "are wrong", str(value)
    )
    mask = np.array([True, False, True, True])
    assert float(loss(outputs, wrong, mask=mask)) == float(loss(outputs, targets, mask=mask))


def test_targets_that_are_not_finite_are_refused_now_and_in_replays():
    message = r"1 of 8 targets are wrong, the first is nan at \(2, 1\): expected finite numbers; .* left out by mask="
    for name in NUMBERS:
        loss, outputs, targets = loss_of(name)
        leaf = mg.Input(targets, name="t")
        graph, wrong = mg.Graph(loss(outputs, leaf)), targets.copy()
        wrong[2, 1] = np.nan
        with pytest.raises(ValueError, match=message):
            graph.fprop({leaf: wrong})
        with pytest.raises(ValueError, match=message):
            loss(outputs, wrong)
    assert losses.FiniteTargets(leaf).value is leaf.value
    mg.check_gradients(losses.FiniteTargets, targets, order=2)


def test_one_example_whose_target_is_nan_is_refused():
    refused(lambda: losses.squared_error(mg.Input([1.0, 2.0]), [0.0, np.nan]), ValueError, "1 of 2 targets are wrong")


def test_class_indices_are_integers_in_range():
    logits = mg.Input(np.zeros((2, 3)))
    for wrong, error, part in (
        ([0.0, 1.0], TypeError, "expected integer class indices"),
        ([0, np.nan], TypeError, "expected integer class indices"),
        ([True, False], TypeError, "expected integer class indices"),
        ([0, 3], IndexError, "1 of 2 indices are not among 0..2, the first is 3"),
        ([-1, 0], IndexError, "1 of 2 indices are not among 0..2, the first is -1"),
        ([[0, 1, 0]], ValueError, "expected class indices of shape (2,)"),
    ):
        refused(lambda wrong=wrong: losses.cross_entropy(logits, wrong), error, part)


@every_loss
def test_masks_and_weights_that_do_not_fit_are_refused(name):
    loss, outputs, targets = loss_of(name)
    for options, error, part in (
        ({"mask": np.ones(4, int)}, TypeError, f"{name}: expected mask of booleans"),
        ({"mask": np.ones(3, bool)}, ValueError, f"{name}: expected mask of the examples' shape (4,)"),
        ({"mask": np.ones((4, 2), bool)}, ValueError, f"{name}: expected mask of the examples' shape (4,)"),
        ({"mask": "no"}, TypeError, f"{name}(mask) takes real numbers or booleans"),
        ({"weights": np.ones(3)}, ValueError, f"{name}: expected weights of the examples' shape (4,)"),
        ({"weights": -np.ones(4)}, ValueError, "4 of 4 weights are wrong, the first is -1"),
        ({"weights": [1, 1, np.nan, 1]}, ValueError, "1 of 4 weights are wrong, the first is nan"),
        ({"weights": [[1], [1, 2]]}, ValueError, f"{name}(weights): expected an array, found nested lists"),
    ):
        refused(lambda options=options: loss(outputs, targets, **options), error, part)


@every_loss
def test_a_batch_that_is_masked_throughout_has_no_mean_but_a_sum_of_zero(name):
    loss, outputs, targets = loss_of(name)
    nothing = np.zeros(4, bool)
    refused(
        lambda: loss(outputs, targets, mask=nothing, over_examples="mean"),
        ValueError,
        "all 4 examples are masked or have weight 0",
        'over_examples="sum"',
    )
    total = loss(outputs, targets, mask=nothing, over_examples="sum")
    assert float(total) == 0
    assert not mg.gradients(total, [outputs])[0].value.any()
    assert not loss(outputs, targets, mask=nothing, over_examples="none").value.any()


def test_scores_to_be_ranked_are_nodes_of_one_shape():
    s = mg.Input(np.zeros(3))
    refused(lambda: losses.max_margin_ranking(s, np.zeros(3)), TypeError, "expected corrupt scores that are a node")
    refused(
        lambda: losses.max_margin_ranking(s, s[:2]), ValueError, "expected corrupt scores of shape (3,), found (2,)"
    )
    refused(lambda: losses.max_margin_ranking(s[:0], s[:0]), ValueError, "none of them 0")
    refused(lambda: losses.max_margin_ranking(s, s, margin=np.nan), ValueError, "margin=nan")
    nothing = np.zeros(3, bool)
    refused(lambda: losses.max_margin_ranking(s, s, mask=nothing), ValueError, "all 3 examples are masked")


def test_a_message_names_the_scope_and_the_line():
    with pytest.raises(ValueError, match=re.escape('in scope "mean_squared_error"')) as caught:
        losses.mean_squared_error(mg.Input([[1.0]]), [[np.nan]])
    assert re.search(r"at .*test_bad_input\.py:\d+$", str(caught.value))


# Sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(10**9, 10**9), r"Dense: W\(shape=\(1000000000, 1000000000\)\) would take about 3725290298 GiB"),
        (lambda: Dense(10**10, 2), r"Dense\(n_inputs=10000000000\): expected an integer of at most 1,000,000,000"),
        (lambda: Dense(10**400, 2), r"Dense\(n_inputs=10\^400\): expected an integer of at most"),
        (
            lambda: RNN(2, 10**6, 1),
            r"RNN: W\(shape=\(1000000, 1000000\)\) would take about 3725 GiB, and the limit is 16 GiB",
        ),
        (lambda: LSTM(2, 10**6), r"would take about 3725 GiB"),
        (lambda: Embedding(10**9, 10**3), r"Embedding: W\(shape=\(1000000000, 1000\)\) would take about 3725 GiB"),
        (lambda: Conv2D(10**5, 10**5, 10), r"Conv2D: W\(shape=.*\) would take about"),
        (lambda: BatchNorm(10**12), r"BatchNorm\(n_features=1000000000000\): expected an integer of at most"),
    ],
)
def test_a_layer_that_would_fill_the_memory_is_refused_before_it_is_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()
