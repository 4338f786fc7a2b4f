"""One step and the loop: compiled as built anew, clipped after the penalty, stopped at nan, reproducible."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, BatchNorm, Dense, Dropout, Module, Sequential, losses, metrics, penalties
from minigrad.optim import SGD, Adam, Step, clip_by_norm, evaluate, fit, predict
from minigrad.optim.training.examples import batches


def make_net(seed=0, dtype=np.float64):
    return RNN(2, 4, 3, rng=seed, dtype=dtype)


def make_data(n=22, T=5, seed=1, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, T, 2)).astype(dtype), rng.integers(0, 3, n)


def arrays(model):
    return {name: parameter.value for name, parameter in model.named_parameters()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


PENALTIES = {
    "plain": (),
    "exact": (penalties.Omega(0.3),),
    "immediate": (penalties.Omega(0.3, form="immediate"),),
    "two": (penalties.RelativeVariance(0.1), penalties.FirstAgainstLast(2.0)),
}


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_program_gives_what_nodes_give_to_rounding(name, dtype):
    """Over batches of two sizes, with fresh inputs and labels in each; most of them are not checked in passing."""
    x, y = make_data(dtype=dtype)
    trained, columns = [], []
    for eager in (True, False):
        net = make_net(dtype=dtype)
        step = Step(net, losses.cross_entropy, SGD(net.parameters(), 0.01), penalties=PENALTIES[name], clip=1.0,
                    eager=eager)  # fmt: skip
        rng = np.random.default_rng(3)
        columns.append([step(x[index], y[index]) for _ in range(8) for index in batches(len(x), 8, rng)])
        trained.append(arrays(net))
    assert step.eager is False
    rounding = 1e-4 if dtype == np.float32 else 1e-11
    for one, other in zip(*columns, strict=True):
        assert one == pytest.approx(other, rel=rounding)
    for key, value in trained[0].items():
        np.testing.assert_allclose(trained[1][key], value, rtol=rounding, atol=rounding, err_msg=key)


def test_a_step_is_what_one_would_write_by_hand():
    x, y = make_data()
    by_step, by_hand = make_net(), make_net()
    step = Step(
        by_step, losses.cross_entropy, SGD(by_step.parameters(), 0.1), penalties=[penalties.Omega(0.3)], clip=0.5
    )
    optimizer = SGD(by_hand.parameters(), 0.1)
    for _ in range(3):
        numbers = step(x, y)
        states = by_hand.states(x)
        loss = losses.cross_entropy(by_hand.readout(states[-1]), y)
        penalty = penalties.Omega(0.3)(loss, states)
        (loss + penalty).backward()
        norm = clip_by_norm(by_hand.parameters(), 0.5)
        optimizer.step()
        assert numbers == pytest.approx({"loss": float(loss), "penalty": float(penalty), "gradient_norm": norm})
    for name, value in arrays(by_hand).items():
        np.testing.assert_allclose(arrays(by_step)[name], value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", ["exact", "immediate"])
def test_weight_0_is_backpropagation_bit_for_bit(form):
    x, y = make_data()
    trained = []
    for given in ((), (penalties.Omega(0.0, form=form),)):
        net = make_net()
        step = Step(net, losses.cross_entropy, SGD(net.parameters(), 0.1, 0.9), penalties=given, clip=1.0)
        for _ in range(5):
            step(x, y)
        trained.append(arrays(net))
    assert_same(*trained)


class Counting(Module):
    """w x, and a state that counts the calls."""

    def __init__(self):
        self.w = mg.Parameter(np.ones(1))
        self.calls = mg.Parameter(np.zeros(1), trainable=False)

    def forward(self, x):
        mg.update(self.calls, self.calls + 1.0)
        return self.w * x


def test_a_state_is_updated_once_per_batch():
    """By the program, and where it is checked."""
    model = Counting()
    step = Step(model, losses.mean_squared_error, SGD(model.parameters()))
    for _ in range(9):
        step(np.ones((2, 1)), np.zeros((2, 1)))
    assert model.calls.value == 9
    assert not step.eager


class Noisy(Module):
    """w x + noise, drawn by Python code or by a node; optionally a decision by value, or another one after some calls."""

    def __init__(self, how):
        self.w = mg.Parameter(np.ones(1))
        self.rng = np.random.default_rng(0)
        self.how = how
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        y = self.w * x
        match self.how:
            case "code draws":
                return y + self.rng.normal(size=x.shape)
            case "node draws":
                return y * mg.ops.random_normal(x.shape, rng=self.rng)
            case "both draw":
                return y * mg.ops.random_normal(x.shape, rng=self.rng) + self.rng.normal()
            case "decides by value":
                return y * 2.0 if float(y.sum()) > 0 else y * y
            case "decides late":
                return y * 2.0 if self.calls < 5 else y * y
        raise AssertionError(self.how)


def train_noisy(how, eager, n=40):
    model = Noisy(how)
    step = Step(model, losses.mean_squared_error, SGD(model.parameters(), 0.001), eager=eager)
    signs = np.where(np.arange(n) % 3, 1.0, -1.0)
    given = [step(np.full((2, 1), sign * (1 + i / n)), np.zeros((2, 1)))["loss"] for i, sign in enumerate(signs)]
    return given, model.w.value.copy(), model.calls, model.rng.bit_generator.state, step


@pytest.mark.filterwarnings("ignore:the code of the model or loss:RuntimeWarning")
@pytest.mark.parametrize("how", ["code draws", "both draw", "decides by value"])
def test_what_a_program_would_freeze_is_built_anew_with_the_same_bits_and_draws(how):
    one, other = train_noisy(how, eager=False), train_noisy(how, eager=True)
    assert one[0] == other[0]
    assert np.array_equal(one[1], other[1])
    assert one[3] == other[3]
    assert other[2] == 40
    assert one[4].eager


def test_random_nodes_are_drawn_by_the_program_as_by_nodes():
    one, other = train_noisy("node draws", eager=False), train_noisy("node draws", eager=True)
    assert one[0] == pytest.approx(other[0], rel=1e-12)
    assert one[3] == other[3]
    assert one[2] == 1 + 3 + 3  # calls of the code: the first batch, the batches 2, 3, 4, and 8, 16, 32
    assert not one[4].eager


def test_code_that_cannot_be_compiled_is_built_anew_with_a_warning():
    model = Noisy("decides by value")
    step = Step(model, losses.mean_squared_error, SGD(model.parameters(), 0.0))
    with pytest.warns(RuntimeWarning, match=r"cannot be compiled .*float\(\) on .*np.where|cannot be compiled .*float"):
        step(np.ones((2, 1)), np.zeros((2, 1)))
    assert step.eager


def test_a_program_found_wrong_late_warns():
    model = Noisy("decides late")
    step = Step(model, losses.mean_squared_error, SGD(model.parameters(), 0.0))
    given = [(np.full((1, 1), float(i)), np.zeros((1, 1))) for i in range(9)]
    for i in range(7):
        step(*given[i])
    with pytest.warns(RuntimeWarning, match="in batch 8 than its program .up to 3 batches before .* eager=True"):
        step(*given[7])
    assert step(*given[8])["loss"] == 64**2
    assert step.eager


class Watched(Noisy):
    def forward(self, x):
        return mg.probe(self.w * x, self.rng.append)


def test_effects_that_a_check_would_repeat_happen_once_per_batch():
    model = Watched("")
    model.rng = []
    step = Step(model, losses.mean_squared_error, SGD(model.parameters()))
    for _ in range(6):
        step(np.ones((2, 1)), np.zeros((2, 1)))
    assert len(model.rng) == 6
    assert not step.eager


def test_only_the_optimizers_parameters_are_trained():
    net = make_net()
    before = net.state_dict()
    Step(net, losses.cross_entropy, SGD([net.W, net.V]))(*make_data())
    changed = [name for name, value in arrays(net).items() if not np.array_equal(value, before[name])]
    assert changed == ["W", "V"]


# What is not finite


def test_nan_in_the_data_is_named_and_nothing_is_changed():
    x, y = make_data()
    net = make_net()
    before = net.state_dict()
    step = Step(net, losses.cross_entropy, SGD(net.parameters()))
    step(x, y)
    after = net.state_dict()
    x[3, 2, 1] = np.nan
    with pytest.raises(
        FloatingPointError, match=r'the loss is nan.*first node.*Input "inputs".*\(3, 2, 1\).*Clean the data'
    ):
        step(x, y)
    assert_same(arrays(net), after)
    assert not np.array_equal(net.W.value, before["W"])


class Root(Module):
    """sqrt(w x): at 0 its value is finite and its derivative is not."""

    def __init__(self):
        self.w = mg.Parameter(np.ones(1), "w")

    def forward(self, x):
        return np.sqrt(self.w * x)


def test_a_gradient_that_is_not_finite_stops_before_the_parameters_change():
    model = Root()
    step = Step(model, losses.mean_squared_error, SGD(model.parameters()))
    with pytest.raises(FloatingPointError, match=r'the gradient of Parameter "w" \(1,\) is not'):
        step(np.zeros((2, 1)), np.ones((2, 1)))
    assert model.w.value == 1


# fit


def test_fit_learns_and_writes_a_row_per_epoch():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 6, 2))
    y = (x.sum(axis=(1, 2)) > 0).astype(np.int64)
    net = RNN(2, 8, 2, rng=0, dtype=np.float64)
    history = fit(net, x, y, loss=losses.cross_entropy, optimizer=Adam(net.parameters(), 0.02), epochs=12, batch_size=16,
                  validation=0.25, metrics=[metrics.accuracy], clip=1.0, quiet=True)  # fmt: skip
    assert list(history) == ["epoch", "loss", "gradient_norm", "accuracy", "val_loss", "val_accuracy"]
    assert history["epoch"] == list(range(1, 13))
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.8
    assert history["val_accuracy"][-1] > 0.8
    assert not history.interrupted
    assert net.training


def train_once(seed, **changed):
    x, y = make_data()
    net = make_net()
    given = {"epochs": 3, "batch_size": 8, "rng": seed, "quiet": True, "loss": losses.cross_entropy,
             "optimizer": SGD(net.parameters(), 0.1)} | changed  # fmt: skip
    history = fit(net, x, y, **given)
    return arrays(net), dict(history)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    one, other, third = train_once(5), train_once(np.random.default_rng(5)), train_once(6)
    assert_same(one[0], other[0])
    assert one[1] == other[1]
    assert not np.array_equal(one[0]["W"], third[0]["W"])


def test_eager_or_not_makes_no_difference_beyond_rounding():
    one, other = (train_once(5, eager=eager, penalties=[penalties.Omega()]) for eager in (True, False))
    for name, value in one[0].items():
        np.testing.assert_allclose(other[0][name], value, rtol=1e-10, atol=1e-12)
    assert other[1] == {name: pytest.approx(column, rel=1e-10) for name, column in one[1].items()}


def test_every_example_once_per_epoch_and_the_loss_is_their_mean():
    """With learning rate 0 the mean over the batches, the smaller last one included, is the loss of all."""
    x, y = make_data(22)
    net = make_net()
    history = fit(net, x, y, loss=losses.cross_entropy, optimizer=SGD(net.parameters(), 0.0), epochs=2, batch_size=8,
                  metrics={"right": metrics.accuracy}, quiet=True)  # fmt: skip
    loss, outputs = evaluate(net, losses.cross_entropy, x, y)
    assert history["loss"] == pytest.approx([loss, loss], rel=1e-12)
    assert history["right"] == [metrics.accuracy(outputs, y)] * 2
    seen = np.concatenate(list(batches(22, 8, np.random.default_rng(0))))
    assert sorted(seen.tolist()) == list(range(22))


def test_validation_examples_are_not_trained_on():
    x, y = make_data(20)
    held = make_data(6, seed=9)
    net = make_net()
    history = fit(
        net, x, y, loss=losses.cross_entropy, optimizer=SGD(net.parameters()), epochs=1, validation=held, quiet=True
    )
    assert history["val_loss"] == [evaluate(net, losses.cross_entropy, *held)[0]]
    others = x.copy()
    others[np.random.default_rng(0).permutation(20)[:5]] += 1.0  # the quarter that the split sets aside
    nets, val_losses = [], []
    for inputs in (x, others):
        nets.append(make_net())
        history = fit(nets[-1], inputs, y, loss=losses.cross_entropy, optimizer=SGD(nets[-1].parameters()), epochs=1,
                      validation=0.25, quiet=True)  # fmt: skip
        val_losses += history["val_loss"]
    for one, other in zip(*(net.parameters() for net in nets), strict=True):
        assert np.array_equal(one.value, other.value)
    assert val_losses[0] != val_losses[1]


def test_ctrl_c_leaves_what_was_reached(capsys):
    def interrupt(model, history):
        if history.n_rows == 2:
            raise KeyboardInterrupt

    x, y = make_data()
    net = make_net()
    history = fit(
        net, x, y, loss=losses.cross_entropy, optimizer=SGD(net.parameters()), epochs=9, callbacks=[interrupt]
    )
    assert history.interrupted
    assert history.n_rows == 2
    assert "interrupted after 2 of 9 epochs; the model keeps what was reached" in capsys.readouterr().err


def test_a_callback_may_end_the_training_and_all_are_called():
    calls = []
    stop = [lambda model, history: history.n_rows == 3, lambda model, history: calls.append(history.n_rows)]
    assert len(train_once(0, epochs=9, callbacks=stop)[1]["epoch"]) == 3
    assert calls == [1, 2, 3]


def test_nan_stops_fit_with_the_first_bad_node():
    x, y = make_data()
    net = make_net()
    net.V.value[0, 0] = np.inf
    with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match=r"first node to be nan or inf: .*rnn"):
        fit(net, x, y, loss=losses.cross_entropy, optimizer=SGD(net.parameters()), quiet=True)


@pytest.mark.parametrize("where", ["inputs", "validation"])
def test_nan_in_the_data_is_refused_before_any_work(where):
    x, y = make_data()
    bad = x.copy()
    bad[3, 1, 0] = np.nan
    net = make_net()
    before = net.state_dict()
    given = {"inputs": (bad, y, None), "validation": (x, y, (bad, y))}[where]
    with pytest.raises(ValueError, match=rf"{where}.*1 of .* entries .*nan or inf, the first at \(3, 1, 0\)"):
        fit(
            net, *given[:2], loss=losses.cross_entropy, optimizer=SGD(net.parameters()), validation=given[2], quiet=True
        )
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())


def test_predict_restores_the_mode():
    net = make_net()
    x, _ = make_data(1003, T=1)
    assert predict(net, x).shape == (1003, 3)
    assert net.training
    net.eval()
    predict(net, x[:2])
    assert not net.training


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs=0: at least 1"),
        ({"batch_size": 0}, ValueError, "batch_size=0: at least 1"),
        ({"validation": 1.5}, ValueError, "validation=1.5 sets 0 of 22 examples aside"),
        ({"validation": 0.001}, ValueError, "sets 0 of 22"),
        ({"validation": (np.ones((3, 5, 2)), np.ones(2, int))}, ValueError, r"validation's.*\(3, 5, 2\) and \(2,\)"),
        ({"clip": 0}, ValueError, "clip=0: the largest norm"),
        ({"loss": "mse"}, TypeError, r"loss='mse': pass a function of \(outputs, targets\), such as .*cross_entropy"),
        ({"optimizer": "sgd"}, TypeError, r"optimizer='sgd': pass .* such as SGD\(model.parameters\(\), 0.01\)"),
    ],
)
def test_bad_settings_are_refused(changed, error, message):
    with pytest.raises(error, match=message):
        train_once(0, **changed)


def test_data_that_does_not_fit_is_refused():
    net = make_net()
    for x, y in ((np.ones((3, 5, 2)), np.zeros(4, int)), (np.ones((0, 5, 2)), np.zeros(0, int)), (1.0, 2.0)):
        with pytest.raises(ValueError, match="the same number of examples along axis 0, 1 or more"):
            fit(net, x, y, loss=losses.cross_entropy, optimizer=SGD(net.parameters()), quiet=True)


@pytest.mark.parametrize("wrong", [metrics.accuracy, "accuracy", ["accuracy"], {"accuracy": 1}])
def test_metrics_are_a_list_of_functions(wrong):
    """Found before anything is trained."""
    net = make_net()
    before = net.state_dict()
    with pytest.raises(TypeError, match=r"metrics.* such as .*metrics\.accuracy"):
        fit(net, *make_data(), loss=losses.cross_entropy, optimizer=SGD(net.parameters()), metrics=wrong, quiet=True)
    assert all((net.state_dict()[name] == array).all() for name, array in before.items())


def test_penalties_are_a_list():
    net = RNN(2, 3, 4, rng=0)
    for wrong in (penalties.L2(0.1), 0.1):
        with pytest.raises(TypeError, match=r"penalties=.*: pass a list"):
            Step(net, losses.cross_entropy, SGD(net.parameters(), 0.01), penalties=wrong)


def test_a_penalty_is_an_object():
    """Not its class, which is the commonest slip."""
    net = RNN(2, 3, 4, rng=0)
    for wrong, written in ((penalties.Omega, r"Omega\(0\.1\)"), (penalties.L2, r"L2\(0\.1\)"), (0.1, r"L2\(0\.1\)")):
        with pytest.raises(TypeError, match=rf"is no penalty: pass an object, such as penalties\.{written}"):
            Step(net, losses.cross_entropy, SGD(net.parameters(), 0.01), penalties=[wrong])


def test_penalties_need_states():
    model = Root()
    with pytest.raises(TypeError, match=r"what is trained is a Module .minigrad.models., not ufunc"):
        Step(np.sqrt, losses.mean_squared_error, SGD(model.parameters()))  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match="penalties on adjoints need the states of a recurrent net, and there is none in Root"
    ):
        Step(model, losses.mean_squared_error, SGD(model.parameters()), penalties=[penalties.Omega()])


# Penalties on weights


class Affine(Module):
    """x W' + b, without states."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.W = mg.Parameter(rng.normal(size=(3, 4)))
        self.b = mg.Parameter(rng.normal(size=3))

    def forward(self, x):
        return x @ self.W.T + self.b


@pytest.mark.parametrize("eager", [True, False])
def test_a_penalty_on_weights_works_for_any_module(eager):
    """Gradient descent on the loss, with decay of the weights and not of the biases, written by hand."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(8, 4)), rng.integers(3, size=8)
    model, twin = Affine(), Affine()
    step = Step(model, losses.cross_entropy, SGD(model.parameters(), 0.1), penalties=[penalties.L2(0.3, factor=0.5)],
                eager=eager)  # fmt: skip
    for _ in range(3):
        size = 0.15 * (twin.W.value**2).sum()
        losses.cross_entropy(twin(x), y).backward()
        twin.W.value -= 0.1 * (twin.W.grad + 0.3 * twin.W.value)
        twin.b.value -= 0.1 * twin.b.grad
        assert step(x, y)["penalty"] == pytest.approx(size)
    for name, value in arrays(twin).items():
        np.testing.assert_allclose(arrays(model)[name], value, rtol=1e-12)


def test_penalties_on_weights_and_on_adjoints_go_together():
    x, y = make_data()
    by_step, by_hand = make_net(), make_net()
    both = [penalties.L2(0.01) + penalties.L1(0.02, names="V"), penalties.Omega(0.3)]
    step = Step(by_step, losses.cross_entropy, SGD(by_step.parameters(), 0.1), penalties=both)
    optimizer = SGD(by_hand.parameters(), 0.1)
    for _ in range(2):
        numbers = step(x, y)
        states = by_hand.states(x)
        loss = losses.cross_entropy(by_hand.readout(states[-1]), y)
        added = both[0](by_hand) + both[1](loss, states)
        (loss + added).backward()
        optimizer.step()
        assert numbers == pytest.approx({"loss": float(loss), "penalty": float(added)})
    for name, value in arrays(by_hand).items():
        np.testing.assert_allclose(arrays(by_step)[name], value, rtol=1e-12, atol=1e-14)


def test_fit_takes_penalties_on_weights_of_a_model_without_states():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 4)), rng.integers(3, size=20)
    sizes = []
    for weight in (0.0, 1.0):
        model = Affine()
        history = fit(model, x, y, loss=losses.cross_entropy, optimizer=SGD(model.parameters(), 0.1), epochs=20,
                      penalties=[penalties.L2(weight)], quiet=True)  # fmt: skip
        sizes.append((model.W.value**2).sum())
        assert list(history) == ["epoch", "loss", "penalty"]
    assert sizes[1] < 0.1 * sizes[0]


# Modes and frozen parameters


def dropping():
    return Sequential(Dense(2, 4, dtype=np.float64, rng=0), Dropout(0.5, rng=0), Dense(4, 1, dtype=np.float64, rng=1))


def test_frozen_parameters_are_passed_over_and_may_be_trained_again():
    net, x = dropping(), np.ones((3, 2))
    step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.1))
    step(x, np.zeros((3, 1)))
    net[0].freeze()
    before = net.state_dict()
    for _ in range(3):
        step(x, np.zeros((3, 1)))
    changed = {name for name, array in net.state_dict().items() if not np.array_equal(array, before[name])}
    assert changed == {"dense_2.W", "dense_2.b"}
    net[0].unfreeze()
    step(x, np.zeros((3, 1)))
    assert not np.array_equal(net[0].W.value, before["dense_1.W"])


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("norm", [False, True])
def test_what_was_frozen_when_the_optimizer_was_made_is_trained_after_unfreezing(eager, norm):
    x = np.random.default_rng(0).normal(size=(6, 2))
    net = Sequential(
        Dense(2, 4, dtype=np.float64, rng=0), BatchNorm(4, dtype=np.float64), Dense(4, 1, dtype=np.float64)
    )
    (net[:2] if norm else net[0]).freeze()
    optimizer = Adam(net.parameters(), 0.1)
    step = Step(net, losses.mean_squared_error, optimizer, clip=1.0, eager=eager)

    def changed():
        before = net.state_dict()
        for _ in range(3):
            step(x, np.ones((6, 1)))
        fit(
            net,
            x,
            np.ones((6, 1)),
            loss=losses.mean_squared_error,
            optimizer=optimizer,
            epochs=2,
            quiet=True,
            eager=eager,
        )
        return {name for name, array in net.state_dict().items() if not np.array_equal(array, before[name])}

    later = {"batchnorm_1.gamma", "batchnorm_1.beta", "batchnorm_1.running_mean", "batchnorm_1.running_variance"}
    dense_1, dense_2 = {"dense_1.W", "dense_1.b"}, {"dense_2.W", "dense_2.b"}
    assert changed() == (dense_2 if norm else dense_2 | later)
    net.unfreeze()
    assert changed() - {"dense_1.b"} == (dense_2 | later | dense_1) - {"dense_1.b"}  # which the norm makes of no effect
    assert optimizer.parameters == tuple([parameter for parameter in net.parameters() if parameter.trainable])


def test_a_model_that_is_frozen_altogether_is_not_trained_in_silence():
    net = dropping()
    step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.1))
    net.freeze()
    with pytest.raises(ValueError, match=r"all parameters of the optimizer are frozen, .*unfreeze"):
        step(np.ones((3, 2)), np.zeros((3, 1)))
    net[2].unfreeze()
    step(np.ones((3, 2)), np.zeros((3, 1)))


def test_the_mode_of_a_module_within_is_seen_at_once():
    net, x, y = dropping(), np.ones((3, 2)), np.zeros((3, 1))
    step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.0))
    for _ in range(5):
        step(x, y)
    net[1].eval()
    seen = {step(x, y)["loss"] for _ in range(4)}
    assert len(seen) == 1
    assert seen.pop() == pytest.approx(evaluate(net, losses.mean_squared_error, x, y)[0])


def test_predict_and_fit_restore_every_mode():
    net, x = dropping(), np.ones((4, 2))
    net[1].eval()
    predict(net, x)
    assert [module.training for module in (net, *net)] == [True, True, False, True]
    fit(net, x, np.zeros((4, 1)), loss=losses.mean_squared_error, optimizer=SGD(net.parameters()), epochs=1, quiet=True)
    assert [module.training for module in (net, *net)] == [True, True, False, True]


def test_an_optimizer_of_another_model_is_refused():
    net, other = dropping(), dropping()
    with pytest.raises(ValueError, match="none of the parameters of this Sequential"):
        Step(net, losses.mean_squared_error, SGD(other.parameters()))


def test_every_epoch_begins_in_training_mode():
    """A callback may look at the model in evaluation, and forget it there, or in a part of it."""
    seen = []
    net, x, y = dropping(), np.ones((6, 2)), np.zeros((6, 1))
    rates = []

    def loss(outputs, targets):
        rates.append((net.training, net[1].training))
        return losses.mean_squared_error(outputs, targets)

    def look(model, history):
        seen.append((model.training, model[1].training))
        (model if history.n_rows < 3 else model[1]).eval()

    fit(net, x, y, loss=loss, optimizer=SGD(net.parameters(), 0.0), epochs=5, callbacks=[look], eager=True, quiet=True)
    assert rates == [(True, True)] * 5
    assert seen == [(True, True)] * 5
    assert net.training
    assert net[1].training
    one, other = [], []
    for callbacks, found in (([look], one), ([], other)):  # compiled: the same numbers as without the callback
        net = dropping()
        found += fit(net, x, y, loss=losses.mean_squared_error, optimizer=SGD(net.parameters(), 0.1), epochs=12,
                     callbacks=callbacks, quiet=True)["loss"]  # fmt: skip
    assert one == other


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_frozen_batch_norms_keep_their_running_statistics(eager, whole):
    """Frozen after some steps, by itself or with the rest, also where the optimizer never had its parameters."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(2.0, 3.0, size=(12, 4)), rng.normal(size=(12, 1))
    norm = lambda: BatchNorm(3, dtype=np.float64)  # noqa: E731
    net = Sequential(
        Sequential(Dense(4, 3, dtype=np.float64, rng=0), norm()), norm(), Dense(3, 1, dtype=np.float64, rng=1)
    )
    optimizer = SGD(net.parameters() if whole else net[2].parameters(), 0.01)
    step = Step(net, losses.mean_squared_error, optimizer, eager=eager)
    for _ in range(3):
        step(x, y)
    (net[:2] if whole else net[1]).freeze()
    before = net.state_dict()
    for _ in range(3):
        step(x, y)
    kept = {path for path, array in net.state_dict().items() if np.array_equal(array, before[path])}
    statistics = {"batchnorm_1.running_mean", "batchnorm_1.running_variance"}
    if whole:
        assert kept == {path for path in before if not path.startswith("dense_1")}
    else:
        assert kept >= statistics
        assert "sequential_1.batchnorm_1.running_mean" not in kept
    net.unfreeze()
    step(x, y)
    assert not any(np.array_equal(dict(net.named_parameters())[path].value, before[path]) for path in statistics)


# Whose parameters the optimizer holds


def test_a_layer_replaced_after_the_optimizer_was_made_is_noticed():
    net = dropping()
    optimizer = SGD(net.parameters(), 0.1)
    net.dense_2 = Dense(4, 1, dtype=np.float64, rng=5)
    message = (
        r'holds Parameter "dense_2.W" \(1, 4\), Parameter "dense_2.b" \(1,\), which this Sequential has not, and does not hold the '
        r"model's dense_2.W, dense_2.b: a layer was replaced after"
    )
    with pytest.raises(ValueError, match=message):
        Step(net, losses.mean_squared_error, optimizer)
    with pytest.raises(ValueError, match=message):
        fit(net, np.ones((3, 2)), np.ones((3, 1)), loss=losses.mean_squared_error, optimizer=optimizer, quiet=True)
    Step(net, losses.mean_squared_error, SGD(net[0].parameters(), 0.1))  # a part of the model may be trained


@pytest.mark.parametrize("eager", [True, False])
def test_a_layer_replaced_between_two_steps_is_noticed(eager):
    net = dropping()
    step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.1), eager=eager)
    for _ in range(6):
        step(np.ones((3, 2)), np.ones((3, 1)))
    net.dense_1 = Dense(2, 4, dtype=np.float64, rng=5)
    before = net.state_dict()
    with pytest.raises(
        ValueError, match=r'holds Parameter "dense_1.W" \(4, 2\), .*does not hold the model\'s dense_1.W'
    ):
        step(np.ones((3, 2)), np.ones((3, 1)))
    assert_same(net.state_dict(), before)


GLOBAL = mg.Parameter(0.0, "global")


def global_loss(outputs, targets):
    return losses.mean_squared_error(outputs, targets) * np.exp(-GLOBAL) + GLOBAL


class LossModule(Module):
    def __init__(self, s):
        self.s = s

    def forward(self, outputs, targets):
        return losses.mean_squared_error(outputs, targets) * np.exp(-self.s) + self.s

    def method(self, outputs, targets):
        return self.forward(outputs, targets)


@pytest.mark.parametrize("how", ["module", "method", "closure", "global", "partial", "penalty"])
def test_parameters_of_the_loss_and_of_penalties_may_be_trained_too(how):
    s = GLOBAL if how == "global" else mg.Parameter(0.0, "s")
    loss, added = {
        "module": lambda: (LossModule(s), ()),
        "method": lambda: (LossModule(s).method, ()),
        "closure": lambda: (lambda o, t: losses.mean_squared_error(o, t) * np.exp(-s) + s, ()),
        "global": lambda: (global_loss, ()),
        "partial": lambda: (partial(lambda o, t, s: losses.mean_squared_error(o, t) * np.exp(-s), s=s), ()),
        "penalty": lambda: (losses.mean_squared_error, [penalties.L2(s) + penalties.L1(0.1)]),
    }[how]()
    net, before = Affine(), s.value.copy()
    step = Step(net, loss, SGD([*net.parameters(), s], 0.1), penalties=added)
    step(np.ones((2, 4)), np.zeros((2, 3)))
    assert s.value != before
    with pytest.raises(ValueError, match=r'holds Parameter "other" \(\), which this Affine has not: '):
        Step(net, loss, SGD([*net.parameters(), s, mg.Parameter(1.0, "other")], 0.1), penalties=added)


# Losses of one's own that broadcast


def squared(outputs, targets):
    return ((outputs - targets) ** 2).mean()


WRONG = {
    "difference": (1, squared, (8, 1), (8,)),
    "other way": (None, squared, (8,), (8, 1)),
    "absolute": (1, lambda o, t: np.abs(t - o).mean(), (8, 1), (8,)),
    "squeezed": (1, lambda o, t: ((o.squeeze() - t) ** 2).mean(), (8, 1), (8, 1)),
    "likelihood": (
        1,
        lambda o, t: -(t * np.log(mg.sigmoid(o)) + (1 - t) * np.log(1 - mg.sigmoid(o))).mean(),
        (8, 1),
        (8,),
    ),
    "comparison": (1, lambda o, t: (mg.softplus(o) * np.where(o > t, 1.0, 0.5)).mean(), (8, 1), (8,)),
    "maximum": (1, lambda o, t: np.maximum(0, 1 - t * o).mean(), (8, 1), (8,)),
    "cast": (1, lambda o, t: ((o - (2 * t.astype(float) - 1)) ** 2).mean(), (8, 1), (8,)),
    "weights": (1, lambda o, t, weights: (weights * (o - t) ** 2).mean(), (8, 1), (8, 1)),
    "mask": (1, lambda o, t, mask: np.where(mask, (o - t) ** 2, 0).mean(), (8, 1), (8, 1)),
    "all steps": (3, lambda o, t: ((o.reshape(-1, 1) - t.reshape(-1)) ** 2).mean(), (4, 3, 1), (4, 3)),
    "soft": (1, lambda o, t: ((mg.softmax(o, axis=0) - mg.softmax(t)) ** 2).mean(), (8, 1), (8,)),
    "norms": (3, lambda o, t: ((np.linalg.norm(o, axis=-1) - t) ** 2).mean(), (8, 1, 3), (8,)),
    "slices": (1, lambda o, t: ((o[:, :1] - t) ** 2).mean(), (8, 3), (8,)),
    "time": (3, lambda o, t: ((o - t) ** 2).mean(), (8, 8, 1), (8, 8)),
}


class Reshaped(Module):
    """w x, with an axis of one output or without."""

    def __init__(self, n_axes):
        self.w = mg.Parameter(np.ones(1))
        self.n_axes = n_axes

    def forward(self, x):
        y = x * self.w
        return y.reshape(-1) if self.n_axes is None else y


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_a_loss_that_compares_all_with_all_is_refused(name, eager):
    n_axes, loss, outputs, targets = WRONG[name]
    net = Reshaped(n_axes)
    x = np.random.default_rng(0).normal(size=outputs if n_axes else (8, 1))
    given = {"weights": np.ones(8)} if name == "weights" else {"mask": np.ones(8, bool)} if name == "mask" else {}
    step = Step(net, loss, SGD(net.parameters(), 0.1), eager=eager)
    with pytest.raises(ValueError, match=r"the loss compares every example with every other: \w+ of .*reshape\("):
        step(x, np.zeros(targets), **given)
    assert net.w.value == 1


def test_the_message_says_what_to_write():
    net = Reshaped(1)
    message = (
        r"every other: Subtract of outputs \(8, 1\) and targets \(8,\) broadcasts to \(8, 8\). Give both one shape: "
        r"targets.reshape\(outputs.shape\) in the loss, or pass targets of shape \(8, 1\)"
    )
    for call in (
        lambda: fit(net, np.ones((8, 1)), np.ones(8), loss=squared, optimizer=SGD(net.parameters()), quiet=True),
        lambda: evaluate(net, squared, np.ones((8, 1)), np.ones(8)),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert net.w.value == 1


ACROSS = {
    "targets along the columns": (squared, (3, 3), (3,), {}),
    "other way": (lambda o, t: np.abs(t - o).mean(), (3, 3), (3,), {}),
    "weights": (lambda o, t, weights: (weights * (o - t) ** 2).mean(), (3, 3), (3, 3), {"weights": np.ones(3)}),
    "mask": (lambda o, t, mask: np.where(mask, o - t, 0).var(), (3, 3), (3, 3), {"mask": np.ones(3, bool)}),
    "features": (squared, (3, 5, 3), (3,), {}),
    "time": (squared, (4, 4, 2), (4, 1), {}),
    "steps": (squared, (4, 4, 3), (4, 3), {}),
    "every step with every example": (squared, (4, 5, 1), (4,), {}),
    "sums": (lambda o, t: ((o - t.sum(axis=1)) ** 2).mean(), (3, 3), (3, 2), {}),
}


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("name", ACROSS)
def test_a_batch_as_long_as_outputs_are_wide_does_not_hide_a_wrong_broadcast(name, eager):
    loss, outputs, targets, given = ACROSS[name]
    net, x = Reshaped(len(outputs)), np.random.default_rng(0).normal(size=outputs)
    step = Step(net, loss, SGD(net.parameters(), 0.1), eager=eager)
    with pytest.raises(ValueError, match=r"the loss compares examples with other examples: \w+ of .* of shape \("):
        step(x, np.zeros(targets), **given)
    assert net.w.value == 1


def test_the_message_says_which_shape_to_give():
    message = (
        r"Subtract of outputs \(3, 3\) and targets \(3,\) puts the 3 examples of targets along axis 1 of outputs. Put them "
        r"along axis 0: targets of shape \(3, 1\)"
    )
    with pytest.raises(ValueError, match=message):
        evaluate(Reshaped(2), squared, np.ones((3, 3)), np.ones(3))


METRICS = {
    "a column": (lambda o, t: ((o - t[:, 0]) ** 2).mean(), (6, 1), (6, 1), {}),
    "the other's": (lambda o, t: ((o[:, 0] - t) ** 2).mean(), (6, 1), (6, 1), {}),
    "the first of several": (lambda o, t: ((o[:, :1] - t) ** 2).mean(), (6, 4), (6,), {}),
    "as wide as two examples": (lambda o, t: ((o - t) ** 2).mean(), (6, 2), (6,), {}),
    "a mask": (lambda o, t, mask: (mask * (o - t) ** 2).mean(), (6, 1), (6, 1), {"mask": np.ones(6, bool)}),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_that_compares_examples_with_others_is_refused_before_training(name):
    metric, outputs, targets, given = METRICS[name]
    net = Reshaped(2)
    loss = {
        "mask": lambda o, t, mask: o.sum() + 0.0 * t.sum() * mask.sum(),
        None: lambda o, t: o.sum() + 0.0 * t.sum(),
    }[next(iter(given), None)]
    with pytest.raises(
        ValueError, match=r"the metric wrong compares (every example with every other|examples with other)"
    ):
        fit(net, np.ones(outputs), np.ones(targets), loss=loss, optimizer=SGD(net.parameters()), metrics={"wrong": metric},
            quiet=True, **given)  # fmt: skip
    assert net.w.value == 1


RIGHT = {
    "a row of the targets": (lambda o, t: ((o - t[np.newaxis]) ** 2).mean(), (3, 3), (3,)),
    "ensembles": (lambda o, t: ((o - t) ** 2).mean(), (4, 1, 3), (4, 2, 1)),
    "the mean of the targets": (lambda o, t: ((o - t.mean(axis=0)) ** 2).mean(), (3, 3), (3, 3)),
    "same shape": (squared, (8, 1), (8, 1)),
    "of one example": (squared, (1, 1), (1,)),
    "reshaped": (lambda o, t: ((o - t.reshape(o.shape)) ** 2).mean(), (8, 1), (8,)),
    "an axis": (lambda o, t: ((o - t[:, np.newaxis]) ** 2).mean(), (8, 1), (8,)),
    "column": (lambda o, t: ((o[:, 0] - t) ** 2).mean(), (8, 1), (8,)),
    "pairs of outputs": (lambda o, t: (mg.softplus(o - o.T) * ((t - t.T) > 0)).mean() + 0 * o.sum(), (8, 1), (8, 1)),
    "pairs of vectors": (lambda o, t: ((o[:, 0][:, np.newaxis] - t[np.newaxis]) ** 2).mean(), (8, 1), (8,)),
    "kernel of outputs and targets": (lambda o, t: np.exp(-((o - t.T) ** 2)).mean(), (8, 1), (8, 1)),
    "class by class": (
        lambda o, t: (np.abs(o[:, :, np.newaxis] - o[:, np.newaxis]) * t[:, np.newaxis]).mean(),
        (8, 3),
        (8, 3),
    ),
    "quantiles": (lambda o, t: np.maximum(0.1 * (t - o), 0.9 * (o - t)).mean(), (8, 3), (8, 1)),
    "square": (squared, (3, 3), (3, 3)),
    "a class of rows": (lambda o, t: (o - o.mean(axis=0)).var() + ((o.sum(axis=1) - t) ** 2).mean(), (3, 3), (3,)),
    "weights of classes": (lambda o, t: (np.array([1.0, 2.0, 3.0]) * (o - t) ** 2).mean(), (3, 3), (3, 3)),
    "sums over examples": (lambda o, t: (o.sum(axis=0) * t).mean(), (3, 3), (3, 1)),
    "an example of all": (lambda o, t: (o[0] * t).mean(), (3, 3), (3, 1)),
    "a transpose": (lambda o, t: (o.T[:, 0] * t).mean() + (o.T.sum(axis=1) * t).mean(), (3, 3), (3, 1)),
    "norms over examples": (lambda o, t: (np.linalg.norm(o, axis=0) * t).mean(), (3, 3), (3, 1)),
    "products": (lambda o, t: ((o.T @ t)[:, 0] * t).mean(), (3, 3), (3, 1)),
    "a target for all": (lambda o, t: ((o - t.mean()) ** 2).mean(), (8, 1), (8,)),
    "normalized": (lambda o, t: ((o - t) ** 2).sum() / ((t - t.mean(axis=0)) ** 2).sum(), (8, 1), (8, 1)),
}


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("name", RIGHT)
def test_broadcasting_that_is_meant_gives_no_alarm(name, eager):
    loss, outputs, targets = RIGHT[name]
    net, rng = Reshaped(1), np.random.default_rng(0)
    step = Step(net, loss, SGD(net.parameters(), 0.01), eager=eager)
    for _ in range(3):
        assert np.isfinite(step(rng.normal(size=outputs), rng.normal(size=targets))["loss"])


LIBRARY = {
    "cross_entropy": ((4, 4), "classes"),
    "categorical_cross_entropy": ((4, 4), "rows"),
    "binary_cross_entropy": ((4, 4), "zero or one"),
    "mean_squared_error": ((4, 4), "numbers"),
    "mean_absolute_error": ((4, 4, 4), "numbers"),
    "mean_euclidean_norm": ((4, 4, 4), "numbers"),
    "half_least_squares": ((4, 1), "numbers"),
    "hinge": ((4, 4), "signs"),
}


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("options", [(), ("mask",), ("weights",), ("mask", "weights")], ids=str)
def test_the_losses_of_the_library_give_no_alarm_where_all_axes_are_alike(name, options):
    shape, kind = LIBRARY[name]
    rng, net = np.random.default_rng(0), Reshaped(1)
    targets = {
        "classes": rng.integers(0, 4, shape[:-1]),
        "rows": np.eye(4)[rng.integers(0, 4, shape[:-1])],
        "zero or one": rng.integers(0, 2, shape),
        "numbers": rng.normal(size=shape),
        "signs": rng.choice([-1.0, 1.0], shape),
    }[kind]
    given = {"mask": rng.random(shape[:-1]) < 0.7, "weights": rng.random(shape[:1])}
    step = Step(net, getattr(losses, name), SGD(net.parameters(), 0.01), eager=True)
    assert np.isfinite(step(rng.normal(size=shape), targets, **{key: given[key] for key in options})["loss"])


@pytest.mark.parametrize("eager", [True, False])
def test_a_batch_that_is_refused_leaves_running_statistics_as_they_were(eager):
    net = Sequential(Dense(2, 3, rng=0), BatchNorm(3))
    step = Step(net, losses.cross_entropy, SGD(net.parameters(), 0.1), eager=eager)
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    for _ in range(3):
        before = net.state_dict()
        with pytest.raises(IndexError, match=r"not among 0\.\.2"):
            step(x, np.array([0, 1, 2, 3]))
        assert_same(net.state_dict(), before)
        step(x, np.array([0, 1, 2, 2]))
    assert not np.array_equal(net.state_dict()["batchnorm_1.running_mean"], before["batchnorm_1.running_mean"])


def test_predictions_of_no_examples_are_none():
    assert predict(make_net(), np.zeros((0, 5, 2))).shape == (0, 3)


class Leaving(Module):
    """What leaves the graph on its way out."""

    def __init__(self):
        self.w = mg.Parameter(np.ones(1))

    def forward(self, x):
        return (x * self.w).value


def test_a_loss_or_model_that_leaves_the_graph_is_refused():
    net = Reshaped(1)
    for loss, found in (
        (lambda o, t: float(((o - t) ** 2).mean()), "float"),
        (lambda o, t: ((o - t) ** 2).mean().value, "ndarray"),
    ):
        step = Step(net, loss, SGD(net.parameters()), eager=True)
        with pytest.raises(
            TypeError, match=f"the loss: expected a node, found {found}, through which no adjoint flows"
        ):
            step(np.ones((2, 1)), np.ones((2, 1)))
    leaving = Leaving()
    step = Step(leaving, squared, SGD(leaving.parameters()), eager=True)
    with pytest.raises(TypeError, match="outputs: expected a node, found ndarray"):
        step(np.ones((2, 1)), np.ones((2, 1)))


def test_a_metric_that_compares_all_with_all_is_refused_before_any_work():
    net, x, y = Reshaped(1), np.ones((8, 1)), np.ones(8)

    def right(outputs, targets):
        return squared(outputs, targets.reshape(outputs.shape))

    def off(outputs, targets):
        return np.abs(outputs - targets).mean()

    def arrays_only(outputs, targets):
        return float(np.partition(outputs[:, 0] - targets, 0)[0])

    given = {"loss": right, "optimizer": SGD(net.parameters(), 0.1), "epochs": 1, "quiet": True}
    message = (
        r"the metric off compares every .* targets.reshape\(outputs.shape\) in the metric off, or pass targets of shape"
    )
    with pytest.raises(ValueError, match=message):
        fit(net, x, y, metrics=[off], **given)
    assert net.w.value == 1
    fit(net, x, y, metrics=[right, arrays_only, lambda o, t: float(np.mean(o[:, 0] > t))], **given)
    fit(net, x, y[:, np.newaxis], metrics=[off], **given)
