"""Train, validation and test kept apart; folds."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations

import numpy as np
import pytest

from minigrad.models import preprocessing
from minigrad.optim import History, cross_validate, grid_search, three_way_split
from minigrad.optim.selection import folds
from tests.optim.selection import trainings
from tests.optim.selection.trainings import processes

X = np.arange(100.0)[:, np.newaxis]
Y = np.arange(100) % 4


def sets_of(data):
    """The three sets' inputs, which name the examples."""
    return [split.inputs[:, 0].astype(int).tolist() for split in (data.train, data.validation, data.open_test())]


@pytest.mark.row("TRN-07")
def test_three_sets_of_the_sizes_asked_for_without_a_common_example():
    sets = sets_of(three_way_split(X, Y, validation=0.15, test=0.25, rng=2))
    assert [len(part) for part in sets] == [60, 15, 25]
    assert sorted(chain(*sets)) == list(range(100))
    assert sets_of(three_way_split(X, Y, validation=0.15, test=0.25, rng=2)) == sets
    assert sets_of(three_way_split(X, Y, validation=0.15, test=0.25, rng=3)) != sets
    data = three_way_split(X, Y, rng=np.random.default_rng(0), stratified=True)
    assert [np.bincount(part.targets).tolist() for part in (data.train, data.validation, data.open_test())] == [
        [15] * 4, [5] * 4, [5] * 4,
    ]  # fmt: skip
    assert all((Y[part.inputs[:, 0].astype(int)] == part.targets).all() for part in (data.train, data.validation))


@pytest.mark.parametrize("seed", range(10))
def test_a_group_lies_in_one_set(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 25, 100)
    names = np.array([f"speaker {g}" for g in groups])
    sets = sets_of(three_way_split(X, Y, validation=0.2, test=0.3, rng=seed, groups=names))
    assert sorted(chain(*sets)) == list(range(100))
    found = [set(groups[part]) for part in sets]
    assert all(a.isdisjoint(b) for a, b in combinations(found, 2))
    largest = np.bincount(groups).max()
    assert abs(len(sets[1]) - 20) <= largest
    assert abs(len(sets[2]) - 30) <= largest / 2


def test_groups_refused():
    split = preprocessing.train_validation_test
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="stratified=True and groups exclude each other"):
        split(X, Y, rng=rng, stratified=True, groups=Y)
    with pytest.raises(ValueError, match=r"groups of shape \(100,\), one for each example, found \(3,\)"):
        split(X, Y, rng=rng, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="2 groups leave none for"):
        split(X, Y, rng=rng, groups=Y % 2)
    train, validation, test = split(X, Y, rng=rng, groups=Y % 2, validation=0.5, test=0.0)
    assert [len(part.inputs) for part in (train, validation, test)] == [50, 50, 0]


def test_a_test_set_of_its_own():
    data = three_way_split(X[:80], Y[:80], validation=0.25, test=(X[80:], Y[80:]))
    train, validation, test = sets_of(data)
    assert (len(train), len(validation), test) == (60, 20, list(range(80, 100)))
    with pytest.raises(TypeError, match=r"a fraction, or \(inputs, targets\)"):
        three_way_split(X, Y, test=(X, Y, Y))


def test_the_test_set_is_opened_once_and_in_no_trial():
    data = three_way_split(X, Y)
    trials = grid_search(lambda a: trainings.cuts(data), {"a": [1, 2]}, quiet=True)
    assert all(trial.error.startswith("RuntimeError: a trial asked for the test set") for trial in trials)
    with ThreadPoolExecutor(1) as threads:
        trials = grid_search(lambda a: trainings.cuts(data), {"a": [1]}, executor=threads, quiet=True)
    assert trials[0].error.startswith("RuntimeError: a trial asked for the test set")
    with pytest.raises(RuntimeError, match="a trial asked for the test set"):
        cross_validate(lambda training, held_out: trainings.cuts(data), X, Y)
    assert pickle.loads(pickle.dumps(data)).validation.inputs.tolist() == data.validation.inputs.tolist()
    with (
        processes(1) as pool,
        pytest.raises(RuntimeError, match="stayed where it was when this copy was made"),
    ):
        pool.submit(trainings.cuts, data).result()
    assert len(data.open_test().inputs) == 20
    with pytest.raises(RuntimeError, match="the test set was opened before"):
        data.open_test()
    assert repr(data) == "ThreeWay(train 60, validation 20, test 20)"


# Folds


@pytest.mark.parametrize(("n", "k"), [(10, 5), (11, 3), (7, 7), (100, 2)])
def test_every_example_is_held_out_once(n, k):
    parts = list(folds(n, k, rng=1))
    assert sorted(np.concatenate([part.validation for part in parts]).tolist()) == list(range(n))
    assert all(sorted([*part.train, *part.validation]) == list(range(n)) for part in parts)
    assert {len(part.validation) for part in parts} <= {n // k, -(-n // k)}
    again = list(folds(n, k, rng=1))
    assert all((a.validation == b.validation).all() for a, b in zip(parts, again, strict=True))


def test_folds_of_classes_and_of_groups():
    labels = np.repeat([0, 1, 2], [10, 7, 3])
    for part in folds(20, 3, classes=labels):
        counts = np.bincount(labels[part.validation], minlength=3)
        assert all(count in (n // 3, -(-n // 3)) for count, n in zip(counts, (10, 7, 3), strict=True))
        assert len(part.validation) in (6, 7)
    groups = np.array(["a", "b", "c", "d", "e"])[np.arange(20) % 5]
    held = [set(groups[part.validation]) for part in folds(20, 2, groups=groups, rng=4)]
    assert sorted(map(len, held)) == [2, 3]
    assert not held[0] & held[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1}, r"folds\(k=1\): expected an integer of at least 2"),
        ({"k": 11}, "there are only 10 examples"),
        ({"k": 3, "groups": [0, 1] * 5}, "there are only 2 groups"),
        ({"k": 3, "groups": [0, 1] * 5, "classes": [0] * 10}, "exclude each other"),
        ({"k": 3, "classes": [0] * 9}, r"a label for each of 10 examples, found shape \(9,\)"),
    ],
)
def test_folds_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        list(folds(10, **options))


def mean_of(training, held_out):
    """The squared error of the mean."""
    return np.mean((training.targets.mean() - held_out.targets) ** 2)


def test_cross_validation_has_a_score_for_every_fold():
    scores = cross_validate(mean_of, X, X[:, 0], k=4, rng=1)
    expected = [np.mean((X[a].mean() - X[b]) ** 2) for a, b in folds(100, 4, rng=1)]
    np.testing.assert_allclose(scores.values, expected, rtol=1e-12)
    assert scores.mean == pytest.approx(np.mean(expected))
    assert scores.spread == pytest.approx(np.std(expected, ddof=1))
    with processes(2) as pool:
        assert cross_validate(mean_of, X, X[:, 0], k=4, rng=1, executor=pool) == scores
    drawn = [cross_validate(mean_of, X, X[:, 0], k=4, rng=np.random.default_rng(3)) for _ in range(2)]
    assert drawn[0] == drawn[1] != scores


def test_what_cross_validation_hands_on_and_takes():
    seeds, counts = [], []

    def train(training, held_out, rng, seed):
        assert rng.random() == np.random.default_rng(seed).random()
        seeds.append(seed)
        counts.append(np.bincount(held_out.targets).tolist())
        history = History()
        history.append(epoch=1, val_loss=3.0)
        history.append(epoch=2, val_loss=2.0)
        return history

    assert cross_validate(train, X, Y, stratified=True).mean == 2.0
    assert counts == [[5] * 4] * 5
    assert len(set(seeds)) == 5
    with pytest.raises(ZeroDivisionError):
        cross_validate(lambda training, held_out: 1 / 0, X, Y)
    with pytest.raises(ValueError, match=r"same number of examples, found \(100, 1\) and \(99,\)"):
        cross_validate(train, X, Y[1:])
    with pytest.raises(ValueError, match=r"stratified=True takes class indices \(n,\), found float64 \(100, 1\)"):
        cross_validate(train, X, X, stratified=True)
