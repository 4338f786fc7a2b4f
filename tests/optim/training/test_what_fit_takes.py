"""Masks, weights, several inputs, missing targets, lengths: what `fit` and `Step` take beside inputs and targets."""

import sys
from threading import Lock

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GRU, LSTM, RNN, BatchNorm, Dense, LayerNorm, Module, Sequential, SimpleRNN, losses, metrics
from minigrad.models import penalties as of
from minigrad.optim import SGD, Adam, Step, batches, bucketed, evaluate, fit, predict

RNG = np.random.default_rng(0)
N, T = 12, 6
LENGTHS = RNG.integers(2, T + 1, N)
MASK = np.arange(T) < LENGTHS[:, np.newaxis]
U = RNG.normal(size=(N, T, 2))
PADDED = np.where(MASK[..., np.newaxis], U, np.nan)
PER_STEP = np.where(MASK[..., np.newaxis], U.cumsum(axis=1), np.nan)
PER_SEQUENCE = RNG.normal(size=(N, 1))
WEIGHTS = RNG.uniform(0.5, 2, N)


class Net(Module):
    """A recurrent net with a readout, for penalties on adjoints, masked."""

    def __init__(self, kind=SimpleRNN):
        self.layer = kind(2, 4, dtype=np.float64, rng=0)
        self.out = Dense(4, 1, dtype=np.float64, rng=1)

    def states(self, u, mask=None):
        return self.layer.states(u, mask=mask)

    def readout(self, h):
        return self.out(h)

    def forward(self, u, mask=None):
        return self.readout(self.states(u, mask)[-1])


class Both(Module):
    """W a + V b: two inputs, by position or by name."""

    def __init__(self):
        self.one = Dense(3, 2, dtype=np.float64, rng=0)
        self.other = Dense(2, 2, dtype=np.float64, rng=1)

    def forward(self, a, b):
        return self.one(a) + self.other(b)


def weighted(outputs, targets, mask=None, weights=None):
    return losses.mean_squared_error(outputs, targets, mask=mask, weights=weights)


CASES = {
    "mask of model and loss": (
        lambda: LSTM(2, 2, dtype=np.float64, sequences=True, rng=0), {"u": PADDED, "mask": MASK}, PER_STEP, {"mask": MASK}, (),
    ),
    "mask, weights and a penalty on weights": (
        lambda: GRU(2, 2, dtype=np.float64, sequences=True, rng=0), {"u": PADDED, "mask": MASK}, PER_STEP,
        {"mask": MASK, "weights": WEIGHTS}, (of.L2(0.01),),
    ),
    "mask of the model and a penalty on adjoints": (Net, {"u": PADDED, "mask": MASK}, PER_SEQUENCE, {}, (of.Omega(0.3),)),
    "an RNN, its mask and a penalty on adjoints": (
        lambda: RNN(2, 3, 1, dtype=np.float64, rng=0), {"u": PADDED, "mask": MASK}, PER_SEQUENCE, {}, (of.Omega(0.3),),
    ),
    "two kinds of penalties": (
        lambda: Net(LSTM), {"u": PADDED, "mask": MASK}, PER_SEQUENCE, {"weights": WEIGHTS},
        (of.HalfSquaredNorms(0.3), of.L2(0.1)),
    ),
    "two inputs by position": (Both, (RNG.normal(size=(N, 3)), U[:, 0]), U[:, 1], {"mask": RNG.random(N) < 0.6}, ()),
    "two inputs by name": (Both, {"b": U[:, 0], "a": RNG.normal(size=(N, 3))}, U[:, 1], {"weights": WEIGHTS}, (of.L1(0.1),)),
    "a mask handed on by a Sequential": (
        lambda: Sequential(LSTM(2, 3, dtype=np.float64, rng=0), Dense(3, 1, dtype=np.float64, rng=0)),
        {"x": PADDED, "mask": MASK}, PER_SEQUENCE, {}, (),
    ),
}  # fmt: skip


def by_hand(net, inputs, targets, options, penalties):
    """Loss, penalties and gradient, as one would write them without `Step`."""

    def of_states():
        states = net.states(**inputs)
        return net.readout(states[-1]), states

    if any(not isinstance(penalty, of.WeightPenalty) for penalty in penalties):
        outputs, states = of_states()
    else:
        outputs, states = net(**inputs) if isinstance(inputs, dict) else net(*inputs), ()
    loss = losses.mean_squared_error(outputs, targets, **options)
    added = [p(net) if isinstance(p, of.WeightPenalty) else p(loss, states) for p in penalties]
    return float(loss), sum(map(float, added)), mg.gradients(sum(added, loss), net.parameters())


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_a_step_is_what_one_would_write_by_hand(name, eager):
    make, inputs, targets, options, penalties = CASES[name]
    net, twin = make(), make()
    step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.1), penalties=penalties, eager=eager)
    for rows in (slice(0, 8), slice(4, 12), slice(2, 10), slice(0, 8), slice(3, 11), slice(1, 9)):
        some = {k: a[rows] for k, a in inputs.items()} if isinstance(inputs, dict) else tuple([a[rows] for a in inputs])
        chosen = {k: a[rows] for k, a in options.items()}
        numbers = step(some, targets[rows], **chosen)
        loss, penalty, slopes = by_hand(twin, some, targets[rows], chosen, penalties)
        for parameter, slope in zip(twin.parameters(), slopes, strict=True):
            parameter.value = parameter.value - 0.1 * slope.value
        assert numbers["loss"] == pytest.approx(loss, rel=1e-10)
        assert numbers.get("penalty", 0.0) == pytest.approx(penalty, rel=1e-9)
        for one, other in zip(net.parameters(), twin.parameters(), strict=True):
            np.testing.assert_allclose(one.value, other.value, rtol=1e-9, atol=1e-12)
    assert step.eager is eager


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_fit_trains_on_the_same_eager_or_not_and_what_is_masked_does_not_matter(name):
    make, inputs, targets, options, penalties = CASES[name]
    found = []
    for eager, filler in ((True, None), (False, None), (False, 5.0)):
        net = make()
        given, wanted = inputs, targets
        if filler is not None:  # other numbers in the padding
            given = {k: np.nan_to_num(a, nan=filler) if a.dtype == float else a for k, a in inputs.items()} if isinstance(
                inputs, dict
            ) else inputs  # fmt: skip
            wanted = np.nan_to_num(targets, nan=-filler)
        history = fit(
            net, given, wanted, **options, loss=losses.mean_squared_error, optimizer=Adam(net.parameters(), 0.01), epochs=3,
            batch_size=5, penalties=penalties, validation=0.25, eager=eager, quiet=True,
        )  # fmt: skip
        found.append((history, net.state_dict()))
    for history, state in found[1:]:
        assert list(history) == list(found[0][0])
        for column in history:
            np.testing.assert_allclose(history[column], found[0][0][column], rtol=1e-8)
        for path, array in state.items():
            np.testing.assert_allclose(array, found[0][1][path], rtol=1e-7, atol=1e-9)


def test_the_mean_over_masked_batches_is_that_of_all_examples():
    """With learning rate 0 the epoch's loss is the loss of all examples, each step of each sequence counted alike."""
    net = LSTM(2, 2, dtype=np.float64, sequences=True, rng=0)
    for options in ({"mask": MASK}, {"mask": MASK, "weights": WEIGHTS}, {"weights": WEIGHTS}):
        given = {"u": PADDED, "mask": MASK}
        targets = PER_STEP if "mask" in options else np.nan_to_num(PER_STEP)
        history = fit(net, given, targets, **options, loss=losses.mean_squared_error, optimizer=SGD(net.parameters(), 0.0),
                      epochs=1, batch_size=5, validation=(given, targets, options), quiet=True)  # fmt: skip
        assert history["loss"] == pytest.approx(history["val_loss"], rel=1e-12)
        assert evaluate(net, losses.mean_squared_error, given, targets, **options)[0] == pytest.approx(
            history["loss"][0]
        )


@pytest.mark.parametrize("kind", [tuple, list])
def test_targets_and_outputs_may_be_several(kind):
    class Two(Module):
        def __init__(self):
            self.a = Dense(2, 1, dtype=np.float64, rng=0)
            self.b = Dense(2, 3, dtype=np.float64, rng=0)

        def forward(self, x):
            return kind([self.a(x), self.b(x)])

    def loss(outputs, targets):
        return losses.mean_squared_error(outputs[0], targets[0]) + losses.cross_entropy(outputs[1], targets[1])

    net, x = Two(), U[:, 0]
    y = (x[:, :1], np.arange(N) % 3)
    history = fit(net, x, y, loss=loss, optimizer=Adam(net.parameters(), 0.05), epochs=40, batch_size=6,
                  metrics={"right": lambda outputs, targets: metrics.accuracy(outputs[1], targets[1])},
                  validation=(x, y), quiet=True)  # fmt: skip
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["right"] == history["val_right"]
    outputs = predict(net, x)
    assert isinstance(outputs, tuple)
    assert [array.shape for array in outputs] == [(N, 1), (N, 3)]
    named = {"a": y[0], "b": y[1]}
    by_name = lambda outputs, targets: loss(outputs, (targets["a"], targets["b"]))  # noqa: E731
    assert evaluate(net, by_name, (x,), named)[0] == pytest.approx(history["val_loss"][-1])


def test_outputs_may_be_of_a_kind_of_ones_own():
    class Result:
        def __init__(self, y):
            self.y = y

    class Wrapped(Dense):
        def forward(self, x):
            return Result(super().forward(x))

    net = Wrapped(2, 1, dtype=np.float64, rng=0)
    step = Step(net, lambda result, t: losses.mean_squared_error(result.y, t), SGD(net.parameters(), 0.1))
    assert step(U[:, 0], PER_SEQUENCE)["loss"] > step(U[:, 0], PER_SEQUENCE)["loss"]


def test_metrics_are_given_the_mask_if_they_take_it():
    net = LSTM(2, 3, sequences=True, rng=0, dtype=np.float64)
    classes = np.where(MASK, RNG.integers(0, 3, (N, T)), -1)  # −1, which is no class, where padded
    seen = []

    def plain(outputs, targets):
        seen.append(outputs.shape)
        return 1.5

    history = fit(net, {"u": PADDED, "mask": MASK}, classes, mask=MASK, loss=losses.cross_entropy, epochs=2, quiet=True,
                  optimizer=Adam(net.parameters(), 0.01), metrics=[metrics.accuracy, plain])  # fmt: skip
    outputs = predict(net, {"u": PADDED, "mask": MASK})
    assert history["accuracy"][-1] == metrics.accuracy(outputs, classes, mask=MASK)
    assert history["plain"] == [1.5, 1.5]
    assert seen == [(N, T, 3)] * 2


def test_a_batch_that_is_masked_altogether_is_passed_over():
    net = Dense(2, 1, dtype=np.float64, rng=0)
    mask = np.zeros(N, bool)
    mask[3] = True
    targets = np.where(mask[:, np.newaxis], 1.0, np.nan)
    history = fit(net, U[:, 0], targets, mask=mask, loss=losses.mean_squared_error, optimizer=SGD(net.parameters(), 0.0),
                  epochs=1, batch_size=2, quiet=True)  # fmt: skip
    assert history["loss"][0] == pytest.approx(((predict(net, U[3:4, 0]) - 1) ** 2).item())


# Missing targets and padding -----------------------------------------------------------------------------------------


def masking(outputs, targets):
    """A loss that finds what is missing by itself."""
    return losses.mean_squared_error(outputs, targets, mask=~np.isnan(targets)[:, 0])


class Padded(Module):
    """A net that finds the padding by itself."""

    def __init__(self):
        self.layer = LSTM(2, 1, dtype=np.float64, rng=0)

    def forward(self, u):
        return self.layer(u, mask=~np.isnan(u).any(axis=-1))


@pytest.mark.parametrize("eager", [True, False])
def test_what_model_and_loss_leave_out_by_themselves_may_be_nan(eager):
    targets = PER_SEQUENCE.copy()
    targets[[0, 5, 6]] = np.nan
    states, found = [], []
    for u, y in ((PADDED, targets), (np.delete(PADDED, [0, 5, 6], 0), np.delete(targets, [0, 5, 6], 0))):
        net = Padded()
        history = fit(net, u, y, loss=masking, optimizer=SGD(net.parameters(), 0.1), epochs=4, batch_size=N, quiet=True,
                      eager=eager, validation=(PADDED, targets))  # fmt: skip
        found.append(history["val_loss"])
        states.append(net.state_dict())
    np.testing.assert_allclose(*found, rtol=1e-9)
    for path in states[0]:
        np.testing.assert_allclose(states[0][path], states[1][path], rtol=1e-9)


def untouched(net, call, message, error=ValueError):
    before = net.state_dict()
    with pytest.raises(error, match=message):
        call()
    for path, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[path])
    assert net.training


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_nobody_leaves_out_is_refused_before_any_work(bad):
    given = {"loss": losses.mean_squared_error, "epochs": 1, "quiet": True, "batch_size": 3}
    x, y = U[:, 0].copy(), PER_SEQUENCE.copy()
    net = Dense(2, 1, dtype=np.float64, rng=0)
    given["optimizer"] = SGD(net.parameters(), 0.1)
    y[[4, 7]] = bad
    mask = np.ones(N, bool)
    mask[4] = False
    untouched(net, lambda: fit(net, x, y, **given), r"2 of 12 entries of targets.*first at \(4, 0\)")
    untouched(net, lambda: fit(net, x, y, mask=mask, **given), r"1 of 12 entries of targets.*first at \(7, 0\)")
    mask[7] = False
    fit(net, x, y, mask=mask, **given)
    x[11, 1] = bad  # beyond the first batch of those that are bad
    x[[0, 1, 2], 0] = bad
    mask[[0, 1, 2]] = False
    untouched(
        net, lambda: fit(net, x, y, mask=mask, **given), r"4 of 24 entries of inputs.*first at \(0, 0\).*by a mask"
    )
    masked_by_nobody = {"u": PADDED}
    lstm = LSTM(2, 1, dtype=np.float64, rng=0)
    given["optimizer"] = SGD(lstm.parameters(), 0.1)
    untouched(lstm, lambda: fit(lstm, masked_by_nobody, PER_SEQUENCE, **given), "entries of inputs_u.*nan or inf")
    held = ({"u": PADDED}, PER_SEQUENCE)
    untouched(lstm, lambda: fit(lstm, U, PER_SEQUENCE, validation=held, **given), "validation's.*entries of inputs_u")


def test_nan_in_inputs_that_only_the_loss_leaves_out_is_refused_since_the_gradient_has_it():
    x = U[:, 0].copy()
    x[3] = np.nan
    mask = np.arange(N) != 3
    net = Dense(2, 1, dtype=np.float64, rng=0)
    untouched(net, lambda: fit(net, x, PER_SEQUENCE, mask=mask, loss=losses.mean_squared_error, quiet=True,
                               optimizer=SGD(net.parameters())), "2 of 24 entries of inputs.*the gradient is then not finite")  # fmt: skip


# What does not fit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"mask": np.ones(3, bool)}, ValueError, r"shapes \(12, 2\) and \(12, 1\) and \(3,\): the same number"),
        ({"mask": np.ones(N)}, TypeError, "expected a mask of booleans.* found float64"),
        ({"weights": -np.ones(N)}, ValueError, "expected weights that are finite numbers of at least 0"),
        ({"mask": MASK, "weights": np.ones((N, 3))}, ValueError, r"mask of shape \(12, 6\) and weights of shape \(12, 3\)"),
        ({"loss": lambda o, t: weighted(o, t), "mask": np.ones(N, bool)}, TypeError, "the loss <lambda> takes no mask: write"),
        ({"inputs": (U[:, 0], U[:3, 0])}, ValueError, r"\(12, 2\) and \(3, 2\)"),
        ({"inputs": {"z": U[:, 0]}}, TypeError, "unexpected keyword argument 'z'"),
        ({"validation": (U[:, 0], PER_SEQUENCE, MASK)}, TypeError, r"validation: expected \(inputs, targets\)"),
        ({"validation": (U[:, 0],)}, TypeError, r"validation: expected .* found tuple of 1"),
        ({"validation": (U[:, 0], PER_SEQUENCE, {"masks": MASK})}, ValueError, "takes mask and weights by name, found masks"),
        ({"lengths": [1, 2]}, ValueError, r"lengths: expected the number of time steps of each of the 12 examples"),
        ({"lengths": np.full(N, 3)}, ValueError, r"found \(12,\) up to 3 for inputs of shape \(12, 2\)"),
        ({"lengths": np.ones(N)}, ValueError, r"expected integers of at least 1"),
        ({"drop_last": True, "batch_size": 13}, ValueError, "drop_last leaves none of 12 examples in batches of 13"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_any_work(changed, error, message):
    net = Dense(2, 1, dtype=np.float64, rng=0)
    given = {
        "inputs": U[:, 0],
        "targets": PER_SEQUENCE,
        "loss": weighted,
        "optimizer": SGD(net.parameters()),
        "quiet": True,
    }
    untouched(net, lambda: fit(net, **given | changed), message, error)


@pytest.mark.parametrize("ragged", [[[1.0, 2.0], [3.0]], [np.ones((2, 2)), np.ones((3, 2))]], ids=["lists", "arrays"])
def test_ragged_lists_are_refused_with_what_to_write(ragged):
    net = Dense(2, 1, rng=0)
    optimizer = SGD(net.parameters())
    message = "expected an array, found nested lists of different lengths: pad them to one length, and say by a mask"
    for call in (
        lambda: fit(net, ragged, [1.0, 2.0], loss=losses.mean_squared_error, optimizer=optimizer, quiet=True),
        lambda: fit(net, np.ones((2, 2)), ragged, loss=losses.mean_squared_error, optimizer=optimizer, quiet=True),
        lambda: fit(net, {"x": ragged}, [1.0, 2.0], loss=losses.mean_squared_error, optimizer=optimizer, quiet=True),
        lambda: Step(net, losses.mean_squared_error, optimizer)(ragged, [1.0, 2.0]),
        lambda: predict(net, ragged),
        lambda: evaluate(net, losses.mean_squared_error, ragged, [1.0, 2.0]),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_lists_are_arrays():
    net = Dense(2, 1, dtype=np.float64, rng=0)
    step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.0))
    assert step([[1.0, 2.0], [3.0, 4.0]], ((1.0,), (2.0,))) == step(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [2.0]])
    )


# Batches -------------------------------------------------------------------------------------------------------------


def test_drop_last_leaves_out_the_smaller_last_batch():
    pieces = list(batches(10, 4, np.random.default_rng(0), drop_last=True))
    assert [len(piece) for piece in pieces] == [4, 4]
    assert len(list(batches(8, 4, np.random.default_rng(0), drop_last=True))) == 2
    assert list(batches(0, 4, np.random.default_rng(0), drop_last=True)) == []
    with pytest.raises(ValueError, match="batch_size=0"):
        next(batches(8, 0, np.random.default_rng(0)))
    sizes = []

    def loss(outputs, targets):
        sizes.append(len(outputs))
        return losses.mean_squared_error(outputs, targets)

    net = Dense(2, 1, dtype=np.float64, rng=0)
    given = {"loss": loss, "optimizer": SGD(net.parameters(), 0.0), "epochs": 2, "eager": True, "quiet": True}
    history = fit(net, U[:, 0], PER_SEQUENCE, batch_size=5, drop_last=True, **given)
    assert sizes == [5, 5, 5, 5]
    assert history.n_rows == 2


class Single(Module):
    """Batch statistics of one's own, which one example has none of."""

    def __init__(self):
        self.w = mg.Parameter(np.ones(2, np.float32))
        self.mean = mg.Parameter(np.zeros(2, np.float32), trainable=False)

    def forward(self, x):
        if self.training and len(x) < 2:
            raise ValueError("one example has no spread")
        mg.update(self.mean, x.mean(axis=0))
        return ((x - x.mean(axis=0)) * self.w).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "make", [lambda: Sequential(Dense(2, 3, rng=0), BatchNorm(3), Dense(3, 1, rng=1)), lambda: Single()]
)
def test_one_left_over_example_that_the_model_refuses_is_seen_before_any_work(make):
    x, y = U[:, 0].astype(np.float32), PER_SEQUENCE.astype(np.float32)
    net = make()
    given = {"loss": losses.mean_squared_error, "optimizer": SGD(net.parameters()), "epochs": 2, "quiet": True}
    untouched(net, lambda: fit(net, x[:11], y[:11], batch_size=5, **given),
              r"11 examples in batches of 5 leave one over, which the model refuses: write drop_last=True")  # fmt: skip
    untouched(net, lambda: fit(net, x, y, batch_size=5, validation=1 / 12, **given), "leave one over")
    for changed in ({"batch_size": 5, "drop_last": True}, {"batch_size": 4}, {"batch_size": 16}):
        assert fit(net, x[:11], y[:11], **given | changed).n_rows == 2
    if isinstance(net, Sequential):  # frozen, it takes any number
        net[1].freeze()
        assert fit(net, x[:11], y[:11], batch_size=5, **given).n_rows == 2


def test_one_left_over_example_is_trained_on_where_it_may_be():
    """By LayerNorm, and by BatchNorm over images, of which one has many values."""
    x = U[:11].astype(np.float32)
    for norm in (BatchNorm(2), LayerNorm(2)):
        net = Sequential(norm, Dense(2, 1, rng=0))
        assert fit(net, x, x[..., :1], loss=losses.mean_squared_error, optimizer=SGD(net.parameters()), epochs=1,
                   batch_size=5, quiet=True).n_rows == 1  # fmt: skip


def test_an_error_in_the_middle_has_the_history_so_far():
    net = Dense(2, 1, dtype=np.float64, rng=0)

    def spoil(model, history):
        if history.n_rows == 3:
            model.W.value = np.full((1, 2), np.inf)

    with np.errstate(all="ignore"), pytest.raises(FloatingPointError) as caught:
        fit(net, U[:, 0], PER_SEQUENCE, loss=losses.mean_squared_error, optimizer=SGD(net.parameters()), quiet=True,
            callbacks=[spoil])  # fmt: skip
    assert caught.value.history["epoch"] == [1, 2, 3]


# Lengths -------------------------------------------------------------------------------------------------------------


def test_lengths_are_rounded_up_to_few():
    lengths = np.random.default_rng(0).integers(1, 56, 300)
    rounded = bucketed(lengths)
    assert len(set(rounded.tolist())) <= 8
    assert (rounded >= lengths).all()
    assert rounded.max() == lengths.max()
    assert (rounded - lengths).mean() < 5
    np.testing.assert_array_equal(bucketed(lengths, 10**6), lengths)
    assert bucketed([3, 3, 3]).tolist() == [3, 3, 3]
    for wrong in ([], [0, 1], [1.5], [[1]]):
        with pytest.raises(ValueError, match=r"bucketed.lengths.: expected integers of at least 1"):
            bucketed(wrong)
    with pytest.raises(ValueError, match="n_buckets=0"):
        bucketed([1], 0)


def test_batches_have_examples_of_one_length_as_far_as_they_fill_them():
    lengths = bucketed(np.random.default_rng(0).integers(1, 56, 300))
    pieces = list(batches(300, 16, np.random.default_rng(1), lengths=lengths))
    assert sorted(np.concatenate(pieces).tolist()) == list(range(300))
    assert sorted({len(piece) for piece in pieces}) == [12, 16]
    mixed = [piece for piece in pieces if len(set(lengths[piece].tolist())) > 1]
    assert len(mixed) <= 7  # one between two neighboring lengths, at most
    longest = [int(lengths[piece].max()) for piece in pieces]
    assert longest != sorted(longest)  # in a random order
    assert len(list(batches(300, 16, np.random.default_rng(1), lengths=lengths, drop_last=True))) == 18
    with pytest.raises(ValueError, match="one length for each of the 300 examples"):
        next(batches(300, 16, np.random.default_rng(1), lengths=lengths[:5]))


def test_fit_cuts_batches_to_their_lengths_and_learns_the_same():
    seen = []

    class Seen(Module):
        def __init__(self):
            self.layer = LSTM(2, 2, dtype=np.float64, sequences=True, rng=0)

        def forward(self, u, mask, extra):
            seen.append((u.shape[1], mask.shape, extra.shape))
            return self.layer(u, mask=mask)

    inputs = {"u": PADDED, "mask": MASK, "extra": np.ones((N, 3))}
    found = []
    for lengths in (None, LENGTHS):
        net = Seen()
        history = fit(net, inputs, PER_STEP, mask=MASK, lengths=lengths, loss=losses.mean_squared_error, epochs=1, eager=True,
                      batch_size=4, optimizer=SGD(net.parameters(), 0.0), quiet=True)  # fmt: skip
        found.append(history["loss"][0])
    assert found[0] == pytest.approx(found[1], rel=1e-12)  # masked steps count nothing, so cutting them changes nothing
    steps = [n for n, mask, extra in seen[-3:]]
    assert min(steps) < T
    assert all(mask == (4, n) and extra == (4, 3) for n, mask, extra in seen[-3:])


def test_few_shapes_are_compiled_where_lengths_are_many():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 41, 120)
    u = rng.normal(size=(120, 40, 2))
    mask = np.arange(40) < lengths[:, np.newaxis]
    net = SimpleRNN(2, 1, dtype=np.float64, rng=0)
    shapes = set()

    def loss(outputs, targets):
        return losses.mean_squared_error(outputs, targets)

    step = Step(net, loss, SGD(net.parameters(), 0.01), eager=True)
    rounded = bucketed(lengths, 4)
    for index in batches(120, 16, rng, lengths=rounded):
        n_steps = rounded[index].max()
        shapes.add((len(index), n_steps))
        step({"u": u[index, :n_steps], "mask": mask[index, :n_steps]}, u[index, 0, :1])
    assert len(shapes) <= 5


# Names and positions -------------------------------------------------------------------------------------------------


def test_what_comes_by_position_or_under_another_name_is_explained():
    net = Dense(2, 1, dtype=np.float64, rng=0)
    x, y, loss, optimizer = U[:, 0], PER_SEQUENCE, losses.mean_squared_error, SGD(net.parameters())
    with pytest.raises(
        TypeError, match=r"5 came by position: write fit\(model, inputs, targets, loss=loss, optimizer=optimizer\)"
    ):
        fit(net, x, y, loss, optimizer)
    for name, here in (("validation_data", "validation"), ("sample_weight", "weights"), ("verbose", "quiet")):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}': here it is called {here}"):
            fit(net, x, y, loss=loss, optimizer=optimizer, **{name: 1})
    for kind in (SGD, Adam):
        with pytest.raises(
            TypeError, match=f"{kind.__name__} got an unexpected keyword argument 'lr': .*learning_rate"
        ):
            kind(net.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="'eps': here it is called epsilon"):
        Adam(net.parameters(), eps=1e-8)

    class Own(SGD):
        def __init__(self, parameters, lr):
            super().__init__(parameters, lr)

    assert Own(net.parameters(), lr=0.5).learning_rate == 0.5


@pytest.mark.parametrize("penalties", [(), (of.Omega(),)])
def test_a_shape_error_in_a_net_with_states_names_the_path_of_its_layer(penalties):
    net = Net()
    step = Step(net, losses.mean_squared_error, SGD(net.parameters()), penalties=penalties)
    with pytest.raises(ValueError, match=r"SimpleRNN: expected inputs of shape .*\(in layer of Net\)$"):
        step(np.ones((2, 5, 3)), np.ones((2, 1)))


# Progress ------------------------------------------------------------------------------------------------------------


def test_without_a_console_nothing_is_shown_and_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    net = Dense(2, 1, dtype=np.float64, rng=0)
    assert (
        fit(
            net, U[:, 0], PER_SEQUENCE, loss=losses.mean_squared_error, optimizer=SGD(net.parameters()), epochs=2
        ).n_rows
        == 2
    )


def test_the_progress_line_shows_the_validation_loss_at_every_time(capsys):
    net = Dense(2, 1, dtype=np.float64, rng=0)
    history = fit(net, U[:, 0], PER_SEQUENCE, loss=losses.mean_squared_error, optimizer=SGD(net.parameters()), epochs=5,
                  batch_size=4, validation=(U[:, 1], PER_SEQUENCE))  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    for line, loss, val_loss in zip(lines, history["loss"], history["val_loss"], strict=True):
        assert f"loss {loss:.4g}  val loss {val_loss:.4g}" in line


# What cannot be asked ------------------------------------------------------------------------------------------------


class Locked(Single):
    """A model that cannot be copied."""

    def __init__(self):
        super().__init__()
        self.lock = Lock()


def test_a_model_that_cannot_be_copied_is_not_asked_about_one_example():
    """It says so itself, and the error has the history."""
    net = Locked()
    x, y = U[:11, 0].astype(np.float32), PER_SEQUENCE[:11].astype(np.float32)
    with pytest.raises(ValueError, match="one example has no spread") as caught:
        fit(net, x, y, batch_size=5, loss=losses.mean_squared_error, optimizer=SGD(net.parameters()), quiet=True)
    assert caught.value.history.n_rows == 0


def test_metrics_that_take_arrays_alone_or_tell_nothing_of_their_arguments_are_called_as_they_are():
    class Metric:
        __signature__ = "none"  # of which inspect can make nothing

        def __call__(self, outputs, targets):
            return float(np.partition(outputs[:, 0] - targets, 0)[0])

    net = Dense(2, 1, dtype=np.float64, rng=0)
    y = PER_SEQUENCE[:, 0]
    history = fit(net, U[:, 0], y, mask=np.ones(N, bool), loss=lambda o, t, mask: losses.mean_squared_error(o[:, 0], t, mask=mask),
                  optimizer=SGD(net.parameters()), epochs=1, metrics={"least": Metric()}, quiet=True)  # fmt: skip
    assert history["least"] == [min(predict(net, U[:, 0])[:, 0] - y)]
