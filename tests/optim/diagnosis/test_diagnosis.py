"""What a training shows of itself, against numbers one can work out."""

import copy
import signal

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    LSTM,
    RNN,
    BatchNorm,
    Dense,
    Dropout,
    Module,
    Sequential,
    SimpleRNN,
    datasets,
    losses,
    penalties,
)
from minigrad.optim import SGD, AdaGrad, Adam, RMSProp, figures, fit
from minigrad.optim.diagnosis import (
    AdjointReport,
    GradientHealth,
    UpdateSizes,
    bias_variance,
    gradient_norms,
    layer_signals,
    unit_health,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 3)), RNG.integers(0, 2, 30)


@pytest.mark.row("EVA-03")
def test_the_error_of_a_model_is_bias_variance_and_noise():
    """A parabola through 8 noisy points of sin 2πx, σ = 0.5, looked at in x = 0.3: .8129 = .5629 + .25.

    The fit is linear in the targets, f̂ = aᵀy, so bias and variance are known: (aᵀ sin 2πx − sin 2π·0.3)² and σ² aᵀa.
    """
    x, at, sigma = np.linspace(0, 1, 8), np.array([0.3]), 0.5
    powers = np.vander(x, 3)
    a = np.vander(at, 3)[0] @ np.linalg.pinv(powers)

    def truth(x):
        return np.sin(2 * np.pi * x)

    def draw(rng):
        return truth(x) + sigma * rng.normal(size=8)

    def train(targets):
        fitted = np.polyfit(x, targets, 2)
        return lambda points: np.polyval(fitted, points)

    found = bias_variance(train, draw, at, truth(at), n=4000, noise=sigma**2, rng=1)
    bias_squared, variance = (a @ truth(x) - truth(at)[0]) ** 2, sigma**2 * a @ a
    assert bias_squared + variance == pytest.approx(0.5629, abs=2e-3)  # that number was itself simulated
    assert found.bias_squared == pytest.approx(bias_squared, abs=0.02)
    assert found.variance == pytest.approx(variance, rel=0.06)
    assert found.bias_squared + found.variance == pytest.approx(0.5629, abs=0.02)
    assert found.error == pytest.approx(0.8129, abs=0.02)
    assert found == bias_variance(train, draw, at, truth(at), n=4000, noise=sigma**2, rng=1)


@pytest.mark.row("TRN-14")
def test_a_stronger_penalty_has_more_bias_and_less_variance():
    """Ridge regression of polynomials."""
    points = np.linspace(-1, 1, 15)

    def features(x):
        return np.stack([x**k for k in range(8)], axis=1)

    def ridge(strength):
        def train(data):
            x, y = data
            F = features(x)
            w = np.linalg.solve(F.T @ F + strength * np.eye(8), F.T @ y)
            return lambda x: features(x) @ w

        return train

    def draw(rng):
        x = rng.uniform(-1, 1, 20)
        return x, np.sin(3 * x) + 0.3 * rng.normal(size=20)

    sweep = [bias_variance(ridge(s), draw, points, np.sin(3 * points), n=200) for s in (1e-3, 1e-2, 1e-1, 1, 10, 100)]
    biases, variances = [r.bias_squared for r in sweep], [r.variance for r in sweep]
    assert biases[1:] == sorted(biases[1:])
    assert variances == sorted(variances, reverse=True)
    errors = [r.error for r in sweep]
    assert 0 < int(np.argmin(errors)) < 5  # neither end


def test_what_bias_and_variance_refuse():
    for n, outputs, message in [
        (1, [1.0], "at least 2 models"),
        (3, [1.0, 2.0], r"the truth's shape \(1,\).*gave \(2,\)"),
        (3, [np.nan], "with nan or inf"),
    ]:
        with pytest.raises(ValueError, match=message):
            bias_variance(lambda data, found=outputs: lambda x: found, lambda rng: None, 0, [1.0], n=n)


def net():
    return Sequential(
        Dense(3, 4, np.tanh, rng=0, dtype=np.float64),
        BatchNorm(4, dtype=np.float64),
        Dropout(0.5, rng=1),
        Dense(4, 2, rng=2, dtype=np.float64),
    )


def deep(*matrices):
    return Sequential(*(layer_of(W, np.tanh) for W in matrices), layer_of(np.ones((1, len(matrices[-1]))), None))


def layer_of(W, activation):
    layer = Dense(W.shape[1], W.shape[0], activation, rng=0, dtype=np.float64)
    layer.W.value = np.asarray(W, np.float64)
    return layer


def test_signals_of_layers_against_numpy():
    W, V = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 4))
    targets = RNG.normal(size=(30, 1))
    found = layer_signals(deep(W, V), losses.mean_squared_error, X, targets)
    assert list(found) == ["sequential/dense_1/tanh", "sequential/dense_2/tanh"]
    x1 = np.tanh(X @ W.T)
    x2 = np.tanh(x1 @ V.T)
    λ2 = 2 * (x2.sum(axis=1, keepdims=True) - targets) * np.ones(5) / 30
    λ1 = (λ2 * (1 - x2**2)) @ V
    for place, x, λ in (("sequential/dense_1/tanh", x1, λ1), ("sequential/dense_2/tanh", x2, λ2)):
        assert found[place].values == pytest.approx(np.sqrt(x.var(axis=0).mean()))
        assert found[place].adjoints == pytest.approx(np.sqrt(λ.var(axis=0).mean()))
        assert found[place].saturated == pytest.approx(np.mean(1 - x**2 <= 0.05))
    assert found["sequential/dense_2/tanh"].saturated > 0


def test_signals_of_a_recurrent_net_are_those_of_all_its_steps():
    model = SimpleRNN(2, 3, rng=0, dtype=np.float64)
    x, targets = RNG.normal(size=(4, 6, 2)), np.zeros((4, 3))
    (found,) = layer_signals(model, losses.mean_squared_error, x, targets).values()
    cell, states, adjoints = model.cell, [np.zeros((4, 3))], []
    for t in range(6):
        states.append(np.tanh(x[:, t] @ cell.W_x.value.T + states[-1] @ cell.W_h.value.T + cell.b.value))
    λ = 2 * states[-1] / states[-1].size
    for state in reversed(states[1:]):
        adjoints.append(λ)
        λ = (λ * (1 - state**2)) @ cell.W_h.value
    assert found.values == pytest.approx(np.sqrt(np.mean([state.var(axis=0).mean() for state in states[1:]])))
    assert found.adjoints == pytest.approx(np.sqrt(np.mean([each.var(axis=0).mean() for each in adjoints])))


def test_layers_drawn():
    W, V = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 4))
    one = layer_signals(deep(W, V), losses.mean_squared_error, X, np.zeros((30, 1)))
    figure = figures.layers({"a": one, "b": one})
    left, right = figure.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["a", "b"]
    np.testing.assert_array_equal(left.lines[0].get_data(), [[1, 2], [of.values for of in one.values()]])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [of.adjoints for of in one.values()])
    assert [ax.get_legend() for ax in figures.layers(one).axes] == [None, None]
    for nothing in ({}, {"a": {}}):
        with pytest.raises(ValueError, match="no activation to draw"):
            figures.layers(nothing)


@pytest.mark.row("EVA-05")
def test_adjoints_of_a_linear_net_shrink_by_its_matrix():
    """Without an activation λ_t = (Wᵀ)^(T−t) λ_T: with W = ρ Q, Q orthogonal, its norm is ρ^(T−t) ‖λ_T‖."""
    steps, rho = 12, 0.8
    model = RNN(2, 5, 3, activation=lambda x: x, rng=0, dtype=np.float64)
    model.W.value = rho * np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    states = model.states(RNG.normal(size=(4, steps, 2)))
    loss = losses.cross_entropy(model.readout(states[-1]), np.array([0, 1, 2, 0]))
    norms = penalties.adjoint_norms(loss, states)
    assert norms.shape == (steps,)
    np.testing.assert_allclose(norms, norms[-1] * rho ** np.arange(steps)[::-1], rtol=1e-10)


@pytest.mark.row("EVA-05")
def test_gradient_norms_by_layer_and_shares_of_units():
    model = Sequential(
        Dense(1, 4, mg.relu, rng=0, dtype=np.float64),
        Dense(4, 2, np.tanh, rng=1, dtype=np.float64),
        Dense(2, 1, rng=2, dtype=np.float64),
    )
    first, second = model[0], model[1]
    first.W.value, first.b.value = np.array([[1.0], [-1], [0], [0]]), np.array([0, 0, -1.0, 1])  # unit 2 is dead
    second.W.value, second.b.value = np.zeros((2, 4)), np.array([0.0, 9.0])  # unit 1 is saturated
    x, y = np.array([[1.0], [-1], [2]]), np.zeros((3, 1))
    found = unit_health(model, x)
    relu, tanh = found.values()
    assert list(found) == ["sequential/dense_1/relu", "sequential/dense_2/tanh"]
    assert (relu.n_units, relu.dead) == (4, 0.25)
    assert relu.saturated == pytest.approx((1 + 2 + 3 + 0) / 12)
    assert (tanh.n_units, tanh.saturated, tanh.dead) == (2, 0.5, 0)
    norms = gradient_norms(model, losses.mean_squared_error, x, y)
    loss = losses.mean_squared_error(model(x), y)
    for (name, parameter), slope in zip(
        model.named_parameters(), mg.gradients(loss, list(model.parameters())), strict=True
    ):
        assert norms[name] == pytest.approx(np.linalg.norm(slope.value), rel=1e-12), parameter


def test_units_of_recurrent_layers_count_once():
    found = unit_health(SimpleRNN(2, 3, rng=0), RNG.normal(size=(4, 6, 2)).astype(np.float32))
    assert [health.n_units for health in found.values()] == [3]
    gates = unit_health(LSTM(2, 3, rng=0), RNG.normal(size=(4, 6, 2)).astype(np.float32))
    assert all(0 <= health.saturated <= 1 for health in gates.values())


def test_health_leaves_the_model_and_the_training_as_they_are():
    plain, watched = net(), net()
    before = copy.deepcopy(watched.state_dict())
    gradient_norms(watched, losses.cross_entropy, X, Y)
    unit_health(watched, X)
    assert watched.training
    for name, array in watched.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    health, sizes = GradientHealth(losses.cross_entropy, X, Y), UpdateSizes()
    for model, callbacks in ((plain, []), (watched, [health, sizes])):
        fit(
            model,
            X,
            Y,
            loss=losses.cross_entropy,
            optimizer=Adam(model.parameters(), 0.05),
            epochs=3,
            callbacks=callbacks,
            quiet=True,
        )
    for name, array in watched.state_dict().items():
        np.testing.assert_array_equal(array, plain.state_dict()[name])
    assert set(health.norms) == {"epoch", *[n for n, p in watched.named_parameters() if p.trainable]}
    assert len(health.units) == 3


@pytest.mark.row("EVA-06")
def test_the_adjoint_report_is_that_of_the_recursion():
    """λ_T = Vᵀ (f − e(y)) / n, λ_{t−1} = Wᵀ (σ'(a_t) ⊙ λ_t): by hand, after every epoch."""
    task = datasets.digits()
    u, y = task.train.inputs[:6].astype(np.float64).reshape(6, 8, 8), task.train.targets[:6]
    model = RNN(8, 5, 10, rng=0, dtype=np.float64)
    report, by_hand = AdjointReport(losses.cross_entropy, u, y, penalties.Omega(1.0)), []

    def recursion(model, history):
        states = [h.value for h in model.states(u)]
        logits = model.readout(mg.Input(states[-1])).value
        f = np.exp(logits - logits.max(axis=1, keepdims=True))
        error = f / f.sum(axis=1, keepdims=True) - np.eye(10)[y]
        adjoint = error @ model.V.value / len(y)
        norms = [np.linalg.norm(adjoint, axis=1).mean()]
        for x in states[:0:-1]:
            adjoint = ((1 - x**2) * adjoint) @ model.W.value
            norms.insert(0, np.linalg.norm(adjoint, axis=1).mean())
        loss = losses.cross_entropy(model.readout((nodes := model.states(u))[-1]), y)
        by_hand.append((norms, float(penalties.Omega(1.0)(loss, nodes))))

    fit(
        model, u, y, loss=losses.cross_entropy, optimizer=SGD(model.parameters(), 0.1), epochs=3, callbacks=[report, recursion],
        quiet=True,
    )  # fmt: skip
    assert report.report["epoch"] == [1, 2, 3]
    for i, (norms, g) in enumerate(by_hand):
        np.testing.assert_allclose(report.norms[i], norms, rtol=1e-10)
        assert report.report["first"][i] == pytest.approx(norms[0], rel=1e-10)
        assert report.report["last"][i] == pytest.approx(norms[-1], rel=1e-10)
        assert report.report["G"][i] == pytest.approx(g, rel=1e-10)


@pytest.mark.row("EVA-07")
def test_the_rate_of_adagrad_never_rises_and_that_of_rmsprop_may():
    """α/(√r + ε) entry by entry, while gradients shrink; and the updates that `UpdateSizes` notes are those that were made."""
    rates = {}
    for make in (AdaGrad, RMSProp):
        w = mg.Parameter(np.array([1.0, -2.0]), "w")
        optimizer, found = make([w], 0.1), []
        for step in range(30):
            w.grad = np.array([1.0, 0.5]) / (1 + step)
            optimizer.step()
            found.append(0.1 / (np.sqrt(optimizer.state_dict()["0.r"]) + 1e-7))
        rates[make] = np.array(found)
    assert (np.diff(rates[AdaGrad], axis=0) <= 0).all()
    assert (np.diff(rates[RMSProp], axis=0) > 0).any()

    model = net()
    before, seen = {n: p.value.copy() for n, p in model.named_parameters()}, []

    def by_hand(model, history):
        seen.append({n: np.abs(p.value - before[n]).mean() for n, p in model.named_parameters() if p.trainable})
        before.update({n: p.value.copy() for n, p in model.named_parameters()})

    sizes = UpdateSizes()
    fit(
        model, X, Y, loss=losses.cross_entropy, optimizer=Adam(model.parameters(), 0.01), epochs=3, batch_size=30,
        callbacks=[sizes, by_hand], quiet=True,
    )  # fmt: skip
    for i, expected in enumerate(seen):
        for name, size in expected.items():
            assert sizes.sizes[name][i] == pytest.approx(size, rel=1e-12)
            value = np.abs(dict(model.named_parameters())[name].value).mean() if i == 2 else None
            if value is not None:
                assert sizes.ratios[name][i] == pytest.approx(size / value, rel=1e-12)


def test_a_parameter_that_is_unfrozen_has_its_sizes_from_then_on():
    model, sizes = net(), UpdateSizes()
    model[0].W.trainable = False

    def unfreeze(model, history):
        model[0].W.trainable = True

    fit(
        model,
        X,
        Y,
        loss=losses.cross_entropy,
        optimizer=Adam(model.parameters(), 0.01),
        epochs=3,
        callbacks=[sizes, unfreeze],
        quiet=True,
    )
    column = sizes.sizes["dense_1.W"]
    assert np.isnan(column[0])
    assert all(size > 0 for size in column[1:])


def test_update_sizes_of_every_so_many_steps():
    model, sizes = net(), UpdateSizes(every=2)
    fit(
        model,
        X,
        Y,
        loss=losses.cross_entropy,
        optimizer=SGD(model.parameters(), 0.1),
        epochs=2,
        batch_size=6,
        callbacks=[sizes],
        quiet=True,
    )
    assert sizes.sizes["step"] == [2, 4, 6, 8, 10]
    assert sizes.ratios["epoch"] == [1, 1, 2, 2, 2]
    with pytest.raises(ValueError, match="at least 1 step"):
        UpdateSizes(every=0)


def test_what_was_noted_survives_an_interruption(tmp_path):
    """Reports of a training that is gone on with are those of one that nothing stopped."""
    task = datasets.digits()
    u, y = task.train.inputs[:20].reshape(20, 8, 8), task.train.targets[:20]

    def trained(folder, stop_after):
        model = RNN(8, 5, 10, rng=0)
        noted = [
            GradientHealth(losses.cross_entropy, u, y),
            UpdateSizes(),
            UpdateSizes(every=2),
            AdjointReport(losses.cross_entropy, u, y, penalties.Omega(1.0)),
        ]

        def stop(model, history):
            if history.n_rows == stop_after:
                signal.raise_signal(signal.SIGINT)

        history = fit(
            model, u, y, loss=losses.cross_entropy, optimizer=Adam(model.parameters(), 0.01), epochs=4, batch_size=6,
            callbacks=[*noted, stop], checkpoints=folder, quiet=True,
        )  # fmt: skip
        assert history.interrupted == (stop_after > 0)
        return noted

    straight = trained(tmp_path / "straight", 0)
    trained(tmp_path / "resumed", 2)
    resumed = trained(tmp_path / "resumed", 0)
    for a, b in zip(straight, resumed, strict=True):
        found, expected = b.state_dict(), a.state_dict()
        assert found.keys() == expected.keys()
        for name in found:
            np.testing.assert_equal(found[name], expected[name])


def test_a_layer_that_is_saturated_as_a_whole_is_said_to_be():
    layer = Dense(2, 3, np.tanh, rng=0)
    layer.b.value = np.full(3, 6, np.float32)
    (health,) = unit_health(layer, np.zeros((4, 2), np.float32)).values()
    assert (health.saturated, health.dead) == (1, 0)


@pytest.mark.parametrize(("slope", "share"), [(0.06, 0), (0.04, 1)])
@pytest.mark.parametrize(("function", "largest"), [(np.tanh, 1), (mg.sigmoid, 0.25)])
def test_saturated_is_below_a_twentieth_of_the_largest_slope(function, largest, slope, share):
    """tanh' = 1 − y², and sigmoid' = y (1 − y) is a quarter of tanh' at half the argument."""
    layer = Dense(1, 1, function, rng=0, dtype=np.float64)
    layer.W.value = np.zeros((1, 1))
    layer.b.value = np.full(1, np.arctanh(np.sqrt(1 - slope)) * (1 if largest == 1 else 2))
    (health,) = unit_health(layer, np.zeros((3, 1))).values()
    assert health.saturated == share


def test_activations_of_one_module_are_told_apart():
    class Two(Module):
        def __init__(self):
            self.a, self.b = Dense(2, 5, rng=0), Dense(5, 7, rng=1)

        def forward(self, x):
            return mg.relu(self.b(mg.relu(self.a(x))))

    assert [h.n_units for h in unit_health(Two(), np.ones((4, 2), np.float32)).values()] == [5, 7]


@pytest.mark.parametrize("scale", [1e-26, 1e25])
def test_norms_of_tiny_and_huge_gradients(scale):
    model = Dense(2, 1, bias=False, rng=0)
    x = np.full((1, 2), scale, np.float32)
    norms = gradient_norms(
        model, lambda outputs, targets: outputs.sum() + 0 * targets.sum(), x, np.zeros((1, 1), np.float32)
    )
    assert norms["W"] == pytest.approx(scale * 2**0.5, rel=1e-6)


def test_bias_and_variance_are_estimated_without_bias():
    """Two models, 1 and 3: their variance is 2, and of (2 − 0)² = 4 half of it is the mean's own."""
    outputs = iter([[1.0], [3.0]])
    found = bias_variance(lambda data: lambda x: next(outputs), lambda rng: None, 0, [0.0], n=2)
    assert (found.bias_squared, found.variance) == (3, 2)
