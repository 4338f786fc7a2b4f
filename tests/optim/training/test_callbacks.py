"""Callbacks at the moments of a training, and early stopping."""

import numpy as np
import pytest

from minigrad.models import Dense, losses
from minigrad.optim import SGD, Callback, EarlyStopping, KeepBest, fit

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = X @ np.ones((3, 1), np.float32)


def trained(*callbacks, epochs=3, net=None, **options):
    net = Dense(3, 1, rng=0) if net is None else net
    given = {
        "loss": losses.mean_squared_error,
        "optimizer": SGD(net.parameters(), 0.01),
        "batch_size": 8,
        "quiet": True,
    }
    return net, fit(net, X, Y, epochs=epochs, callbacks=list(callbacks), **given | options)


class Notes(Callback):
    def __init__(self, ends=None):
        self.notes, self.ends = [], ends

    def note(self, moment, training):
        self.notes.append((moment, training.epoch, training.step, training.history.n_rows))
        return self.ends == self.notes[-1][:3] or None

    def before_training(self, training):
        assert training.batch is None
        self.note("before", training)

    def after_step(self, training):
        assert set(training.numbers) == {"loss"}
        assert len(training.batch) in (8, 4)
        return self.note("step", training)

    def after_epoch(self, training):
        return self.note("epoch", training)

    def after_training(self, training):
        self.note("after", training)


@pytest.mark.row("TRN-04")
def test_the_moments_of_a_training():
    """⌈20/8⌉ = 3 steps an epoch, the last on 4 examples."""
    notes = Notes()
    trained(notes, epochs=2)
    assert notes.notes == [
        ("before", 0, 0, 0),
        ("step", 1, 1, 0), ("step", 1, 2, 0), ("step", 1, 3, 0), ("epoch", 1, 3, 1),
        ("step", 2, 4, 1), ("step", 2, 5, 1), ("step", 2, 6, 1), ("epoch", 2, 6, 2),
        ("after", 2, 6, 2),
    ]  # fmt: skip


def test_a_callback_may_end_the_training_after_a_step_or_an_epoch():
    in_epoch, after_epoch, all_the_same = Notes(("step", 2, 5)), Notes(("epoch", 2, 6)), Notes()
    _, history = trained(in_epoch, all_the_same)
    assert history["epoch"] == [1, 2]
    assert in_epoch.notes[-2:] == [("epoch", 2, 5, 2), ("after", 2, 5, 2)] == all_the_same.notes[-2:]
    _, history = trained(after_epoch)
    assert history["epoch"] == [1, 2]


@pytest.mark.parametrize("answer", [1.5, "stop", [], 1])
def test_an_answer_that_is_none_is_refused(answer):
    def odd(model, history):
        return answer

    with pytest.raises(TypeError, match=r"callbacks: odd returned .* after an epoch: return True to end the training"):
        trained(odd)


def test_an_answer_after_a_step_is_checked_too():
    class Odd(Callback):
        def after_step(self, training):
            return training.numbers["loss"]

    with pytest.raises(TypeError, match=r"callbacks: Odd returned .* after a step"):
        trained(Odd())


@pytest.mark.parametrize("function", [lambda history: None, lambda: None, lambda model, history, more: None])
def test_a_function_of_other_arguments_is_refused_before_anything_is_trained(function):
    net = Dense(3, 1, rng=0)
    before = net.state_dict()
    with pytest.raises(TypeError, match=r"<lambda> cannot be called as <lambda>\(model, history\)"):
        trained(function, net=net)
    np.testing.assert_array_equal(net.W.value, before["W"])


def test_the_progress_line_says_who_ended_the_training(capsys):
    trained(EarlyStopping("loss", patience=1, min_delta=10), quiet=False)
    assert "stopped by EarlyStopping after epoch 2" in capsys.readouterr().err


def test_numpys_booleans_are_answers():
    _, history = trained(lambda model, history: np.bool_(True))
    assert history.n_rows == 1


def test_what_is_no_callback_is_refused():
    for bad in (3, Notes, EarlyStopping):
        with pytest.raises(TypeError, match="neither a function of"):
            trained(bad)


def one_after_the_other(numbers):
    """A metric that gives these; what is asked with nodes, before the training, is not counted."""
    left = iter(numbers)
    return lambda outputs, targets: next(left) if isinstance(outputs, np.ndarray) else 0.0


def errors(numbers, **options):
    """A training whose validation errors are these, and the parameters after each epoch."""
    net = Dense(3, 1, rng=0)
    stopping = EarlyStopping("error", **options)
    kept = []
    _, history = trained(
        lambda model, history: kept.append(model.state_dict()),
        stopping,
        net=net,
        epochs=len(numbers),
        metrics={"error": one_after_the_other(numbers)},
    )
    return net, stopping, history, kept


@pytest.mark.row("TRN-12")
@pytest.mark.parametrize("patience", [1, 2, 3])
def test_early_stopping_ends_n_epochs_after_the_best_and_restores_it(patience):
    net, stopping, history, kept = errors([5, 4, 3, 3.5, 3.2, 3.3, 1, 1, 1], patience=patience)
    assert history["epoch"][-1] == stopping.stopped == 3 + patience
    assert stopping.row["epoch"] == 3
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, kept[2][name])


def test_an_improvement_in_time_is_waited_for():
    _, stopping, history, _ = errors([5, 4, 3, 3.5, 3.2, 3.3, 1, 2, 2], patience=4)
    assert stopping.stopped is None
    assert history.n_rows == 9
    assert stopping.row["epoch"] == 7


def test_early_stopping_restores_the_best_where_the_epochs_run_out_unless_told_not_to():
    net, _, _, kept = errors([5, 1, 2, 3], patience=10)
    np.testing.assert_array_equal(net.W.value, kept[1]["W"])
    net, stopping, _, kept = errors([5, 1, 2, 3], patience=10, restore=False)
    np.testing.assert_array_equal(net.W.value, kept[-1]["W"])
    stopping.restore(net)
    np.testing.assert_array_equal(net.W.value, kept[1]["W"])


def test_small_improvements_do_not_count_but_are_kept():
    net, stopping, _, kept = errors([5, 4.95, 4.9, 4.85, 1], patience=3, min_delta=0.5)
    assert stopping.stopped == 4
    np.testing.assert_array_equal(net.W.value, kept[3]["W"])


def test_nan_is_no_improvement():
    _, stopping, _, _ = errors([float("nan"), float("nan"), 1], patience=2)
    assert stopping.stopped == 2
    assert not stopping.arrays


def test_a_column_where_large_is_good():
    net = Dense(3, 1, rng=0)
    stopping = EarlyStopping(highest="score", patience=2)
    trained(stopping, net=net, epochs=5, metrics={"score": one_after_the_other([1, 3, 2, 2, 9])})
    assert (stopping.stopped, stopping.row["score"]) == (4, 3)


def test_what_was_reached_is_kept_after_an_interruption():
    kept = []

    def interrupt(model, history):
        kept.append(model.state_dict())
        if history.n_rows == 2:
            raise KeyboardInterrupt

    net, history = trained(EarlyStopping("error"), interrupt, metrics={"error": one_after_the_other([1, 2, 3])})
    assert history.interrupted
    np.testing.assert_array_equal(net.W.value, kept[1]["W"])


def test_a_second_training_begins_anew():
    best = EarlyStopping("error")
    for numbers in ([1, 2, 3], [30, 10, 20]):
        net, history = trained(best, metrics={"error": one_after_the_other(numbers)})
        assert history.n_rows == 3
        assert best.row["error"] == min(numbers)
    assert np.abs(best.arrays["W"] - net.W.value).max() < 1


def test_another_patience_is_another_training(tmp_path):
    trained(EarlyStopping("error", patience=1), metrics={"error": one_after_the_other([1, 2, 3])}, checkpoints=tmp_path)
    with pytest.raises(ValueError, match=r"callbacks: .*patience=1.* there, .*patience=5.* here"):
        trained(EarlyStopping("error", patience=5), metrics={"error": one_after_the_other([1])}, checkpoints=tmp_path)


def test_a_training_that_was_ended_early_stays_ended(tmp_path):
    """Asked for once more, it gives the best parameters and says when it was ended."""

    def once():
        net, stopping = Dense(3, 1, rng=0), EarlyStopping("error", patience=2)
        errors = one_after_the_other([3, 1, 2, 2, 0, 0])
        _, history = trained(stopping, net=net, epochs=6, metrics={"error": errors}, checkpoints=tmp_path)
        return net, stopping, history

    (net, first, history), (again, second, same) = once(), once()
    assert first.stopped == second.stopped == 4
    assert dict(history) == dict(same)
    np.testing.assert_array_equal(net.W.value, again.W.value)


def test_a_state_goes_on_where_it_was():
    _, first, _, _ = errors([5, 4, 4.5], patience=3)
    other = EarlyStopping("error", patience=3)
    state = first.state_dict()
    other.load_state_dict(state)
    assert (other.waited, other.row, repr(other)) == (1, first.row, "EarlyStopping(error 4)")
    keeper = KeepBest("error")
    keeper.load_state_dict({key: state[key] for key in ("row", "arrays")})
    assert keeper.row == first.row


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lowest": "val_accuracy"}, ValueError, "write highest='val_accuracy'"),
        ({"patience": 0}, ValueError, "at least 1 epoch"),
        ({"patience": 2.5}, TypeError, "expected an integer"),
        ({"min_delta": -1}, ValueError, "min_delta=-1"),
        ({"min_delta": float("nan")}, ValueError, "min_delta=nan"),
    ],
)
def test_bad_settings(options, error, message):
    with pytest.raises(error, match=message):
        EarlyStopping(**options)


def test_a_column_that_there_will_not_be():
    with pytest.raises(ValueError, match=r"EarlyStopping watches 'val_loss'.*pass validation="):
        trained(EarlyStopping())
