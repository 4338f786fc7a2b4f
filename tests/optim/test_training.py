"""One step and the loop: compiled as built anew, clipped after the penalty, stopped at nan, reproducible."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, Dense, Dropout, Module, Sequential, losses, metrics, penalties
from minigrad.optim import SGD, Adam, Step, clip_by_norm, evaluate, fit, predict
from minigrad.optim.training import batches


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
    assert list(history) == ["epoch", "loss", "gradient_norm", "val_loss", "val_accuracy"]
    assert history["epoch"] == list(range(1, 13))
    assert history["loss"][-1] < 0.5 * history["loss"][0]
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
        TypeError, match=r"penalties on adjoints need the states of a recurrent net, and Root has no \.states"
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
