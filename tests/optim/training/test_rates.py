"""The learning-rate finder: what it finds, and that it leaves everything as it was."""

import numpy as np
import pytest

from minigrad.models import BatchNorm, Dense, Dropout, Sequential, losses, penalties
from minigrad.optim import SGD, Adam, Step, find_learning_rate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def halved(step):
    """A schedule."""
    return 0.01 * 0.5**step


def everything(net, optimizer, *generators):
    """All that a step changes, as bytes."""
    slopes = [None if p.grad is None else p.grad.tobytes() for p in net.parameters()]
    arrays = {name: array.tobytes() for name, array in {**net.state_dict(), **optimizer.state_dict()}.items()}
    modes = [module.training for _, module in net.named_modules()]
    return arrays, slopes, modes, [generator.bit_generator.state for generator in generators]


@pytest.mark.parametrize("rate", [0.01, halved], ids=["number", "schedule"])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_nothing_changes(kind, rate):
    dropped, rng = np.random.default_rng(1), np.random.default_rng(2)
    net = Sequential(Dense(3, 8, np.tanh, rng=0), BatchNorm(8), Dropout(0.5, rng=dropped), Dense(8, 1, rng=1))
    optimizer = kind(net.parameters(), rate)
    Step(net, losses.mean_squared_error, optimizer)(X[:32], Y[:32])
    net.eval()
    next(iter(net.parameters())).grad = np.ones((3, 8), np.float32)
    before = everything(net, optimizer, dropped, rng)
    found = find_learning_rate(
        net, X, Y, loss=losses.mean_squared_error, optimizer=optimizer, rng=rng, n_steps=30, clip=1.0
    )
    assert everything(net, optimizer, dropped, rng) == before
    assert optimizer.learning_rate == rate
    assert len(set(found["loss"])) == found.n_rows  # it did train


def test_an_error_within_changes_nothing():
    net = Dense(3, 1, rng=0)
    optimizer, calls = SGD(net.parameters(), 0.1), []

    def loss(outputs, targets):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return losses.mean_squared_error(outputs, targets)

    before = everything(net, optimizer)
    with pytest.raises(KeyboardInterrupt):
        find_learning_rate(net, X, Y, loss=loss, optimizer=optimizer)
    assert len(calls) == 3
    assert everything(net, optimizer) == before


def test_a_scheduled_weight_goes_back():
    net = Dense(3, 1, rng=0)
    penalty = penalties.L2(weight=lambda step: 1.0 + step)
    optimizer = SGD(net.parameters(), 0.1)
    Step(net, losses.mean_squared_error, optimizer, penalties=[penalty])(X, Y)
    step, value = penalty.weight.step, float(penalty.weight.value)
    find_learning_rate(net, X, Y, loss=losses.mean_squared_error, optimizer=optimizer, penalties=[penalty], n_steps=5)
    assert (penalty.weight.step, float(penalty.weight.value)) == (step, value)


def test_the_table_on_a_parabola():
    """Of (w − 0)²/2, w ← (1 − α) w; the full batch and its loss are known in closed form."""
    ones, zeros = np.ones((4, 1)), np.zeros((4, 1))
    net = Dense(1, 1, bias=False, rng=0, dtype=np.float64)
    (w,) = net.parameters()
    w.value = np.ones((1, 1))
    optimizer = SGD(net.parameters(), 1.0)
    found = find_learning_rate(
        net, ones, zeros, loss=lambda y, t: ((y - t) ** 2).mean() / 2, optimizer=optimizer,
        smallest=1e-3, largest=1e3, n_steps=24, batch_size=4,
    )  # fmt: skip
    rates = np.geomspace(1e-3, 1e3, 24)[: found.n_rows]
    weights = np.cumprod([1.0, *(1 - rates[:-1])])
    np.testing.assert_allclose(found["learning_rate"], rates)
    np.testing.assert_allclose(found["loss"], weights**2 / 2, rtol=1e-12)
    mean, smoothed = 0.0, []
    for t, loss in enumerate(weights**2 / 2, 1):
        mean = 0.9 * mean + 0.1 * loss
        smoothed.append(mean / (1 - 0.9**t))
    np.testing.assert_allclose(found["smoothed"], smoothed, rtol=1e-12)
    assert found.diverged == rates[-1] > 2  # beyond 2 every step makes w larger
    assert found.n_rows < 24
    assert smoothed[-1] > 4 * min(smoothed)
    assert smoothed[-2] <= 4 * min(smoothed)
    assert found.suggestion == rates[np.argmin(smoothed)] / 10
    assert 0.01 < found.suggestion < 2


@pytest.mark.parametrize(("kind", "largest"), [(SGD, 1e38), (Adam, 1e38), (Adam, 1e25)])
def test_numbers_beyond_the_dtype_end_the_search(kind, largest):
    net = Dense(3, 1, rng=0)
    optimizer = kind(net.parameters(), 0.1)
    found = find_learning_rate(
        net, X, Y, loss=losses.mean_absolute_error if largest == 1e25 else losses.mean_squared_error,
        optimizer=optimizer, smallest=1e-3, largest=largest, n_steps=3,
    )  # fmt: skip
    assert found.diverged is not None
    assert np.isfinite(found["loss"]).all()


def test_no_suggestion_where_the_loss_never_falls():
    net = Dense(3, 1, rng=0)
    found = find_learning_rate(
        net,
        X,
        Y,
        loss=losses.mean_squared_error,
        optimizer=SGD(net.parameters(), 0.1),
        smallest=10,
        largest=100,
        n_steps=4,
    )
    with pytest.raises(ValueError, match="fell at none of the rates from 10 to"):
        _ = found.suggestion


@pytest.mark.parametrize(
    "options",
    [{"n_steps": 1}, {"smallest": 0}, {"smallest": 1, "largest": 1}, {"largest": np.inf}, {"smallest": np.nan}],
)
def test_bad_arguments(options):
    net = Dense(3, 1, rng=0)
    with pytest.raises(ValueError, match="at least 2 steps"):
        find_learning_rate(net, X, Y, loss=losses.mean_squared_error, optimizer=SGD(net.parameters(), 0.1), **options)
