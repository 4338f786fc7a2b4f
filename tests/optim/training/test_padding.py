from typing import Any

import numpy as np
import pytest

from minigrad.models import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    Embedding,
    Module,
    Sequential,
    SimpleRNN,
    Stacked,
    losses,
)
from minigrad.models.penalties import Omega
from minigrad.optim import SGD, fit

N, T = 12, 6
LENGTHS = np.arange(N) % 4 + 2
MASK = np.arange(T) < LENGTHS[:, np.newaxis]
RNG = np.random.default_rng(0)
U = RNG.normal(size=(N, T, 2))
ONE_EACH = RNG.normal(size=(N, 1))
PER_STEP = U.cumsum(axis=1)
BOTH = pytest.mark.parametrize("eager", [True, False])
F64: dict[str, Any] = {"dtype": np.float64, "rng": 0}


class Own(Module):
    """A model whose inputs have names of its own."""

    def __init__(self):
        self.layer = GRU(2, 1, **F64)

    def forward(self, series, mask=None):
        return self.layer(series, mask=mask)


MODELS = {
    "sequential": lambda: Sequential(LSTM(2, 3, **F64), Dense(3, 1, **F64)),
    "lstm": lambda: LSTM(2, 1, **F64),
    "rnn": lambda: RNN(2, 3, 1, **F64),
    "stacked": lambda: Stacked([SimpleRNN(2, 3, **F64), GRU(3, 1, **F64)]),
    "bidirectional": lambda: Sequential(Bidirectional(GRU(2, 2, **F64), GRU(2, 2, **F64)), Dense(4, 1, **F64)),
    "own": Own,
}


def padded(array, padding):
    return np.where(MASK[:, :, np.newaxis], array, padding)


def trained(net, inputs, targets, **options):
    given = {
        "lengths": LENGTHS,
        "loss": losses.mean_squared_error,
        "epochs": 2,
        "batch_size": 5,
        "quiet": True,
        **options,
    }
    history = fit(net, inputs, targets, optimizer=SGD(net.parameters(), 0.1), **given)
    return list(history.rows()[-1].values())


@BOTH
@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_padding_is_not_read_where_lengths_are_given(name, eager):
    first = {"sequential": "x", "bidirectional": "x", "own": "series"}.get(name, "u")
    by_hand = trained(MODELS[name](), {first: padded(U, 0), "mask": MASK}, ONE_EACH, eager=eager)
    assert trained(MODELS[name](), padded(U, 100), ONE_EACH, eager=eager) == by_hand
    assert trained(MODELS[name](), {first: padded(U, np.nan)}, ONE_EACH, eager=eager) == by_hand


@BOTH
@pytest.mark.parametrize("validation", ["given", 0.25])
def test_padding_is_not_read_in_a_validation_penalty_metric_or_loss_of_time_steps(validation, eager):
    found = []
    for padding in (100, np.nan):
        net = LSTM(2, 2, sequences=True, **F64)
        u, y = padded(U, padding), padded(PER_STEP, padding)
        held = (u, y, {"lengths": LENGTHS}) if validation == "given" else validation
        found.append(trained(net, u, y, validation=held, penalties=[Omega(0.1)], eager=eager,
                             metrics={"off": lambda o, t, mask: np.abs(o - t)[mask].mean()}))  # fmt: skip
    assert found[0] == found[1]
    assert np.isfinite(found[0]).all()
    if validation == "given":
        by_hand = trained(
            LSTM(2, 2, sequences=True, **F64), {"u": padded(U, 0), "mask": MASK}, padded(PER_STEP, 0), mask=MASK,
            penalties=[Omega(0.1)], eager=eager, validation=({"u": padded(U, 0), "mask": MASK}, padded(PER_STEP, 0), {"mask": MASK}),
            metrics={"off": lambda o, t, mask: np.abs(o - t)[mask].mean()},
        )  # fmt: skip
        assert by_hand == found[0]


def test_padding_of_tokens_is_not_read():
    found = []
    for padding in (0, 4):
        net = Sequential(Embedding(5, 2, **F64), GRU(2, 1, **F64))
        tokens = np.where(MASK, np.arange(N * T).reshape(N, T) % 5, padding)
        found.append(trained(net, tokens, ONE_EACH))
    assert found[0] == found[1]


def test_one_hot_rows_as_long_as_the_series_are_no_time_steps():
    net = Sequential(LSTM(2, 3, **F64), Dense(3, T, **F64))
    rows = np.eye(T)[np.arange(N) % T]
    trained(net, U, rows, loss=losses.categorical_cross_entropy, lengths=LENGTHS + 1, batch_size=N)


class Deaf(Module):
    """A model that takes no mask."""

    def __init__(self):
        self.layer = LSTM(2, 1, **F64)

    def forward(self, u):
        return self.layer(u)


class Finding(Deaf):
    """A model that finds padding of nan by itself."""

    def forward(self, u):
        return self.layer(u, mask=~np.isnan(u).any(axis=-1))


def test_a_model_or_loss_that_reads_padding_is_told():
    with pytest.warns(RuntimeWarning, match=r"fit\(lengths\): Deaf.forward takes no mask, so Deaf reads the padding"):
        trained(Deaf(), U, ONE_EACH)
    with pytest.warns(RuntimeWarning, match=r"Deaf.forward takes no mask"):
        trained(Deaf(), U, ONE_EACH, lengths=None, validation=(U, ONE_EACH, {"lengths": LENGTHS}))
    with pytest.warns(RuntimeWarning, match=r"the loss off takes no mask, so padded time steps count"):
        trained(LSTM(2, 2, sequences=True, **F64), U, PER_STEP, loss=off)
    trained(Finding(), padded(U, np.nan), ONE_EACH)  # these are no fault
    trained(Deaf(), U, ONE_EACH, lengths=np.full(N, T))


def off(outputs, targets):
    return np.square(outputs - targets).mean()


# What is nan or inf --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_advice_for_padding_of_nan_works_as_written(name):
    net = MODELS[name]()
    with pytest.raises(ValueError, match=r"entries of inputs.* lengths=, or the inputs {") as caught:
        trained(net, padded(U, np.nan), ONE_EACH, lengths=None)
    advice = str(caught.value).partition("or the inputs ")[2].rstrip(")")
    inputs = eval(advice, {"mask": MASK} | dict.fromkeys(("x", "u", "series"), padded(U, np.nan)))
    trained(net, inputs, ONE_EACH, lengths=None)


def test_a_model_without_a_mask_is_not_advised_to_take_one():
    x = U[:, 0].copy()
    x[3] = np.nan
    with pytest.raises(ValueError, match=r"2 of 24 entries of inputs.*by a mask \(mask= for targets\)$"):
        trained(Dense(2, 1, **F64), x, ONE_EACH, lengths=None)


def test_messages_of_bad_data_speak_of_the_data():
    targets = ONE_EACH.copy()
    targets[[3, 8]] = np.nan
    net = Dense(2, 1, **F64)
    with pytest.raises(ValueError, match=r"2 of 12 entries of targets, of shape \(12, 1\)") as caught:
        trained(net, U[:, 0], targets, lengths=None)
    assert "the model or the loss refuses them" in str(caught.value)
    assert "of 2" not in str(caught.value)
    assert "(2," not in str(caught.value)
    assert "of 3" not in str(caught.value)


def test_weights_that_do_not_fit_are_told_by_the_batch_and_not_blamed_on_nan():
    net = Dense(2, 1, **F64)
    targets = ONE_EACH.copy()
    for bad in (0.0, np.nan):
        targets[3] = bad
        with pytest.raises(
            ValueError, match=r"expected weights of .*\(5,\).*found \(5, 3\).*\(in a batch of 5 of the 12 examples\)"
        ):
            trained(net, U[:, 0], targets, lengths=None, weights=np.ones((N, 3)))
        with pytest.raises(ValueError, match=r"expected weights of .*\(12,\).*found \(12, 3\)$"):
            trained(net, U[:, 0], targets, lengths=None, weights=np.ones((N, 3)), batch_size=N)
