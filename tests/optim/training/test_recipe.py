"""What training is, step by step and by hand: the objective, the loop, backpropagation, batches, evaluation."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import BatchNorm, Dense, Dropout, Sequential, initializers, losses, metrics, penalties
from minigrad.optim import SGD, Adam, RMSProp, Step, evaluate, fit, predict

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
Y = RNG.normal(size=(12, 2))
CLASSES = RNG.integers(0, 2, 12)


def net(rng=0):
    return Sequential(Dense(3, 4, np.tanh, rng=rng, dtype=np.float64), Dense(4, 2, rng=rng + 1, dtype=np.float64))


@pytest.mark.row("TRN-01")
def test_the_objective_is_the_mean_of_the_losses_plus_the_weighted_penalty():
    """(1/T) Σ_t ℓ(f(x_t), y_t) + λ Ω(θ), with ℓ the squared error summed over outputs and Ω = Σ W²."""
    model, weight = net(), 0.3
    first, second = model[0], model[1]
    by_hand = 0.0
    for x, y in zip(X, Y, strict=True):
        hidden = np.tanh(first.W.value @ x + first.b.value)
        by_hand += np.sum((second.W.value @ hidden + second.b.value - y) ** 2) / len(X)
    omega = np.sum(first.W.value**2) + np.sum(second.W.value**2)

    def squared(outputs, targets):
        return losses.mean_squared_error(outputs, targets, over_outputs="sum")

    step = Step(model, squared, SGD(model.parameters(), 0.0), penalties=[penalties.L2(weight)])
    numbers = step(X, Y)
    assert numbers["loss"] == pytest.approx(by_hand, rel=1e-12)
    assert numbers["penalty"] == pytest.approx(weight * omega, rel=1e-12)


@pytest.mark.row("TRN-02")
def test_fit_is_the_loop_one_writes():
    """N epochs; for each example of a shuffled order Δ = −∇ℓ, θ += α Δ."""
    epochs, rate = 3, 0.05
    fitted, looped = net(), net()
    history = fit(
        fitted, X, Y, loss=losses.mean_squared_error, optimizer=SGD(fitted.parameters(), rate), epochs=epochs, batch_size=1,
        rng=np.random.default_rng(7), quiet=True,
    )  # fmt: skip
    rng, seen = np.random.default_rng(7), []
    for _ in range(epochs):
        total = 0.0
        for i in rng.permutation(len(X)):
            loss = losses.mean_squared_error(looped(X[i : i + 1]), Y[i : i + 1])
            loss.backward()
            total += float(loss)
            for parameter in looped.parameters():
                parameter.value = parameter.value - rate * parameter.grad
        seen.append(total / len(X))
    assert history["loss"] == pytest.approx(seen, rel=1e-12)
    for found, expected in zip(fitted.parameters(), looped.parameters(), strict=True):
        np.testing.assert_allclose(found.value, expected.value, rtol=1e-12)


@pytest.mark.row("TRN-03")
@pytest.mark.parametrize(
    ("loss", "optimizer", "penalty", "initializer"),
    list(
        itertools.product(
            [losses.cross_entropy, losses.multi_class_hinge],
            [SGD, Adam, RMSProp],
            [None, penalties.L1(0.01), penalties.L2(0.01)],
            [initializers.glorot_uniform(), initializers.orthogonal()],
        )
    ),
)
def test_any_loss_goes_with_any_optimizer_penalty_and_initializer(loss, optimizer, penalty, initializer):
    model = Sequential(
        Dense(3, 4, np.tanh, initializer=initializer, rng=0), Dense(4, 2, initializer=initializer, rng=1)
    )
    before = model.state_dict()
    added = [] if penalty is None else [penalty]
    history = fit(
        model, X.astype(np.float32), CLASSES, loss=loss, optimizer=optimizer(model.parameters(), 0.01), penalties=added,
        epochs=2, quiet=True,
    )  # fmt: skip
    assert set(history) == {"epoch", "loss"} | ({"penalty"} if added else set())
    assert history["loss"][1] < history["loss"][0]
    assert all((array != before[name]).any() for name, array in model.state_dict().items())


@pytest.mark.row("TRN-05")
@pytest.mark.parametrize("n_hidden", [0, 1, 3])
def test_backpropagation_by_hand_is_the_engines(n_hidden):
    """From the output back, k = L+1, ..., 1: ∂W_k = δ_k h_{k−1}ᵀ, ∂b_k = δ_k, δ_{k−1} = (W_kᵀ δ_k) ⊙ (1 − h_{k−1}²)."""
    sizes = [3, *[4] * n_hidden, 2]
    pairs = list(itertools.pairwise(sizes))
    weights = [mg.Parameter(RNG.normal(size=(b, a)), f"W{k}") for k, (a, b) in enumerate(pairs, 1)]
    biases = [mg.Parameter(RNG.normal(size=b), f"b{k}") for k, (_, b) in enumerate(pairs, 1)]
    x, label = RNG.normal(size=3), 1

    h = [x]
    for k, (W, b) in enumerate(zip(weights, biases, strict=True), 1):
        a = W.value @ h[-1] + b.value
        h.append(a if k == len(weights) else np.tanh(a))
    f = np.exp(h[-1] - h[-1].max())
    delta = f / f.sum() - np.eye(2)[label]
    by_hand = []
    for k in range(len(weights), 0, -1):
        by_hand = [np.outer(delta, h[k - 1]), delta, *by_hand]
        delta = (weights[k - 1].value.T @ delta) * (1 - h[k - 1] ** 2)

    node = mg.Input(x[np.newaxis], name="x")
    for k, (W, b) in enumerate(zip(weights, biases, strict=True), 1):
        node = node @ W.T + b
        node = node if k == len(weights) else np.tanh(node)
    parameters = [p for pair in zip(weights, biases, strict=True) for p in pair]
    found = mg.gradients(losses.cross_entropy(node, np.array([label])), parameters)
    for adjoint, expected in zip(found, by_hand, strict=True):
        np.testing.assert_allclose(adjoint.value, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.row("TRN-06")
def test_what_fit_takes_and_the_history_it_returns():
    model = net()
    history = fit(
        model, X, CLASSES, loss=losses.cross_entropy, optimizer=SGD(model.parameters(), 0.1), metrics=[metrics.accuracy],
        batch_size=5, epochs=4, validation=(X[:4], CLASSES[:4]), quiet=True,
    )  # fmt: skip
    assert set(history) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["accuracy"][-1] == metrics.accuracy(predict(model, X), CLASSES)
    assert history["val_loss"][-1] == evaluate(model, losses.cross_entropy, X[:4], CLASSES[:4])[0]


@pytest.mark.row("TRN-08")
def test_what_is_shown_validates_on_no_test_set():
    """Pages say why, and neither they nor the tutorials choose by a test set."""
    root = Path(__file__).parents[3]
    page = (root / "reference" / "training.md").read_text("utf-8")
    assert "validation=split.validation" in page
    assert "no longer an honest guess" in page
    shown = [root / "README.md", *(root / "reference").glob("*.md"), *(root / "tutorials").glob("*.py")]
    assert len(shown) > 20
    for path in shown:
        assert not re.search(r"validation=[^,\n]*\btest\b", path.read_text("utf-8")), path.name


@pytest.mark.row("TRN-15")
def test_the_variance_of_a_batch_gradient_falls_as_one_over_its_size():
    """Over all batches drawn with replacement it is exactly that of one example divided by s; a batch is one product."""
    W = mg.Parameter(RNG.normal(size=(2, 3)))

    def gradient(rows):
        losses.mean_squared_error(X[rows] @ W.T, Y[rows]).backward()
        return W.grad

    single = np.stack([gradient([i]) for i in range(len(X))])
    for size in (1, 2, 3):
        batches = [gradient(list(rows)) for rows in itertools.product(range(6), repeat=size)]
        expected = single[:6].var(axis=0).sum() / size
        assert np.var(batches, axis=0).sum() == pytest.approx(expected, rel=1e-10)


@pytest.mark.row("TRN-16")
@pytest.mark.parametrize("optimizer", [SGD, lambda p: SGD(p, 0.1, 0.9), Adam, RMSProp])
def test_where_no_margin_is_violated_nothing_moves(optimizer):
    """J = max(0, 1 − s + s_c) is 0, and so are its gradients."""
    model = Dense(2, 1, rng=0, dtype=np.float64)
    model.W.value, model.b.value = np.array([[1.0, 0.0]]), np.zeros(1)
    windows, corrupt = np.array([[3.0, 1.0], [2.5, -1.0]]), np.array([[1.0, 1.0], [0.5, 2.0]])

    def margin(outputs, targets):
        scores, corrupted = outputs[:2], outputs[2:]
        return np.maximum(0, 1 - scores + corrupted).mean() + 0 * targets.sum()

    before = model.state_dict()
    history = fit(
        model, np.concatenate([windows, corrupt]), np.zeros((4, 1)), loss=margin, optimizer=optimizer(model.parameters()),
        epochs=3, batch_size=4, rng=Unshuffled(), quiet=True,
    )  # fmt: skip
    assert history["loss"] == [0, 0, 0]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


class Unshuffled(np.random.Generator):
    """Leaves examples where they are: the first half of a batch is right, the second corrupt."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def permutation(self, n, *_, **__):
        return np.arange(n)


def with_statistics():
    return Sequential(Dense(3, 4, np.tanh, rng=0), BatchNorm(4), Dropout(0.5, rng=1), Dense(4, 2, rng=2))


@pytest.mark.row("EVA-02")
@pytest.mark.row("EVA-04")
def test_evaluation_uses_running_statistics_drops_nothing_and_changes_nothing():
    model = with_statistics()
    x = X.astype(np.float32)
    fit(model, x, CLASSES, loss=losses.cross_entropy, optimizer=SGD(model.parameters(), 0.1), epochs=2, quiet=True)
    before = model.state_dict()
    first, outputs = evaluate(model, losses.cross_entropy, x[:5], CLASSES[:5])
    assert model.training
    second, again = evaluate(model, losses.cross_entropy, x[:5], CLASSES[:5])
    assert first == second
    np.testing.assert_array_equal(outputs, again)
    np.testing.assert_allclose(outputs, np.concatenate([predict(model, x[i : i + 1]) for i in range(5)]), rtol=1e-5)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    norm = model[1]
    hidden = np.tanh(x[:5] @ model[0].W.value.T + model[0].b.value)
    names = dict(norm.named_parameters())
    mean, variance = (next(p.value for key, p in names.items() if word in key) for word in ("mean", "var"))
    scaled = (hidden - mean) / np.sqrt(variance + 1e-5) * norm.gamma.value + norm.beta.value
    np.testing.assert_allclose(outputs, scaled @ model[3].W.value.T + model[3].b.value, rtol=1e-5)
    drawn = [model(x[:5]).value for _ in range(2)]  # in training mode two calls differ
    assert (drawn[0] != drawn[1]).any()
