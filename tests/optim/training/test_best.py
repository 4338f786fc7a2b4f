"""The best parameters on validation are kept beside the last ones."""

import copy
import math

import numpy as np
import pytest

from minigrad.models import BatchNorm, Dense, Sequential, losses, metrics
from minigrad.optim import SGD, Adam, History, KeepBest, evaluate, fit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = (X @ RNG.normal(size=(3, 2)) > 0).argmax(axis=1)
X_HELD = RNG.normal(size=(40, 3)).astype(np.float32)
Y_HELD = RNG.integers(0, 2, 40)  # which nothing explains, so that validation soon gets worse


def model():
    return Sequential(Dense(3, 8, np.tanh, rng=0), BatchNorm(8), Dense(8, 2, rng=1))


def trained(best, epochs=6, net=None, **options):
    net = model() if net is None else net
    kept = []
    given = {"loss": losses.cross_entropy, "optimizer": Adam(net.parameters(), 0.05), "metrics": [metrics.accuracy]}
    history = fit(
        net,
        X,
        Y,
        validation=(X_HELD, Y_HELD),
        epochs=epochs,
        callbacks=[best, lambda net, _: kept.append(net.state_dict()) and None],
        quiet=True,
        **given | options,
    )
    return net, history, kept


@pytest.mark.parametrize("eager", [False, True])
def test_the_best_epoch_is_kept_and_the_model_ends_with_the_last(eager):
    best = KeepBest()
    net, history, kept = trained(best, eager=eager)
    i = int(np.argmin(history["val_loss"]))
    assert i < 5  # else the test would tell nothing
    assert best.row == {name: history[name][i] for name in history}
    assert repr(best) == f"KeepBest(val_loss {history['val_loss'][i]:.4g})"
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(best.arrays[name], kept[i][name])
        np.testing.assert_array_equal(array, kept[-1][name])
    assert any("running" in name or "mean" in name for name in best.arrays)  # running statistics are kept too
    best.restore(net)
    assert evaluate(net, losses.cross_entropy, X_HELD, Y_HELD)[0] == history["val_loss"][i]


def test_a_column_where_a_large_number_is_good():
    best = KeepBest(highest="val_accuracy")
    _, history, kept = trained(best)
    i = int(np.argmax(history["val_accuracy"]))
    assert best.row["epoch"] == i + 1
    np.testing.assert_array_equal(next(iter(best.arrays.values())), next(iter(kept[i].values())))


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        (KeepBest(), 2),
        (KeepBest("loss"), 4),
        (KeepBest(highest="score"), 1),
        (KeepBest("val_loss", highest="score"), 3),
    ],
)
def test_equal_rows_and_rows_that_are_no_numbers(best, expected):
    """Of equal ones the first; with two columns the second decides between equal ones; nan is never the best."""
    net = Dense(2, 2, rng=0)
    rows = [
        (math.nan, 9.0, math.nan),
        (5.0, math.inf, 0.5),
        (1.0, 4.0, 0.3),
        (2.0, 4.0, 0.5),
        (1.0, 3.0, 0.5),
        (7.0, 3.0, 0.1),
    ]
    history = History()
    for i, (val_loss, loss, score) in enumerate(rows):
        history.append(i=i, val_loss=val_loss, loss=loss, score=score)
        assert best(net, history) is None  # so it never ends a training
        assert (best.row == {}) == (i == 0 and best.lowest != "loss")
    assert best.row["i"] == (4 if best.watched == ("score", "val_loss") else expected)


def test_it_goes_on_over_several_calls_of_fit():
    best, net = KeepBest(), model()
    optimizer = SGD(net.parameters(), 0.3)
    _, first, _ = trained(best, net=net, optimizer=optimizer)
    _, second, _ = trained(best, net=net, optimizer=optimizer)
    assert best.row["val_loss"] == min(first["val_loss"] + second["val_loss"])


def test_an_interrupted_training_and_one_that_fails_keep_the_best():
    def interrupts(net, history):
        if history.n_rows == 3:
            raise KeyboardInterrupt

    def fails(net, history):
        if history.n_rows == 3:
            raise RuntimeError("no")

    for stop in (interrupts, fails):
        best, net = KeepBest(), model()
        options = {"loss": losses.cross_entropy, "optimizer": Adam(net.parameters(), 0.05), "quiet": True}
        try:
            history = fit(net, X, Y, validation=(X_HELD, Y_HELD), callbacks=[best, stop], **options)
        except RuntimeError as error:
            history = vars(error)["history"]
        assert best.row["val_loss"] == min(history["val_loss"])


def test_what_it_watches_has_to_be_there_before_anything_is_trained():
    net = model()
    before = net.state_dict()
    options = {"loss": losses.cross_entropy, "optimizer": Adam(net.parameters()), "quiet": True}
    with pytest.raises(
        ValueError,
        match=r"callbacks: KeepBest watches 'val_loss', and the history has epoch, loss, gradient_norm: pass validation=",
    ):
        fit(net, X, Y, callbacks=[KeepBest()], clip=1.0, **options)
    with pytest.raises(
        ValueError, match=r"watches 'val_acc', and the history has epoch, loss, accuracy, val_loss, val_accuracy$"
    ):
        fit(
            net,
            X,
            Y,
            validation=0.2,
            metrics=[metrics.accuracy],
            callbacks=[KeepBest(highest="val_acc")],
            **options,
        )
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    history = fit(net, X, Y, callbacks=[KeepBest("gradient_norm")], clip=1.0, epochs=1, **options)
    assert list(history) == ["epoch", "loss", "gradient_norm"]


class Watching:
    """A callback of one's own that names a column."""

    watched = "val_loss"

    def __call__(self, net, history):
        return history["val_loss"][-1] > 0


def test_a_callback_of_ones_own_may_name_what_it_watches():
    net = model()
    options = {"loss": losses.cross_entropy, "optimizer": Adam(net.parameters()), "quiet": True}
    with pytest.raises(ValueError, match="callbacks: Watching watches 'val_loss'"):
        fit(net, X, Y, callbacks=[Watching()], **options)
    assert fit(net, X, Y, validation=0.2, callbacks=[Watching()], **options).n_rows == 1


def test_nothing_kept_is_said_and_another_model_is_refused():
    best = KeepBest()
    assert repr(best) == "KeepBest(nothing yet)"
    with pytest.raises(ValueError, match=r"KeepBest.restore: nothing was kept, as no epoch has ended with a val_loss"):
        best.restore(model())
    trained(best, epochs=1)
    with pytest.raises(ValueError, match="load_state_dict"):
        best.restore(Dense(3, 2, rng=0))
    twin = copy.deepcopy(best)
    assert twin.row == best.row
