"""Schedules: their formulas, and that rates of optimizers and weights of penalties follow them, compiled or not."""

import copy
import math
import pickle
from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, Conv2D, Dense, Module, losses, penalties
from minigrad.models.scheduled import Scheduled, value_at
from minigrad.optim import SGD, AdaGrad, Adam, RMSProp, Step, fit, schedules

U = np.random.default_rng(0).normal(size=(12, 6, 3))
Y = np.random.default_rng(1).integers(0, 4, 12)


def net():
    return RNN(3, 5, 4, dtype=np.float64, rng=0)


def values(schedule, *steps):
    return [schedule(step) for step in steps]


# Formulas ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("SCH-01")
def test_constant_and_set_by_hand():
    assert values(schedules.constant(0.1), 0, 7, 10**9) == [0.1, 0.1, 0.1]
    by_hand = schedules.piecewise({100: 0.02, 0: 0.1, 500: 0.0})
    assert values(by_hand, 0, 99, 100, 499, 500, 10**9) == [0.1, 0.1, 0.02, 0.02, 0, 0]
    w = mg.Parameter(1.0)
    assert SGD([w]).rates() == [0.01]  # the default is a constant


@pytest.mark.row("SCH-02")
def test_constant_for_the_first_updates_then_decrease():
    found = schedules.hold(5, schedules.inverse_decay(0.1, 0.01))
    assert values(found, 0, 4, 5) == [0.1, 0.1, 0.1]
    assert values(found, 6, 15, 105) == pytest.approx([0.1 / 1.01, 0.1 / 1.1, 0.05], rel=1e-15)
    assert schedules.hold(0, schedules.inverse_decay(0.1, 0.01))(1) == 0.1 / 1.01


@pytest.mark.row("SCH-03")
def test_inverse_decay():
    found = values(schedules.inverse_decay(0.1, decay=0.01), 0, 1, 10, 100)
    assert found == pytest.approx([0.1, 0.099010, 0.090909, 0.05], abs=5e-7)


@pytest.mark.row("SCH-04")
def test_power_decay():
    found = values(schedules.power_decay(0.1, 0.6), 0, 1, 10, 100)
    assert found == pytest.approx([0.1, 0.1, 0.025119, 0.006310], abs=5e-7)
    assert schedules.power_decay(0.1, 1)(4) == 0.025
    for exponent in (0.5, 1.2):
        with pytest.raises(ValueError, match=rf"power_decay\(exponent={exponent}\): expected 1/2 < exponent <= 1"):
            schedules.power_decay(0.1, exponent)


@pytest.mark.row("SCH-05")
def test_step_decay():
    found = values(schedules.step_decay(0.1, factor=0.5, every=10), 0, 9, 10, 25)
    assert found == pytest.approx([0.1, 0.1, 0.05, 0.025], rel=1e-15)
    assert schedules.step_decay(50, factor=2, every=3)(6) == 200


@pytest.mark.row("SCH-06")
def test_exponential_decay():
    found = values(schedules.exponential_decay(0.1, 0.01), 0, 1, 10, 100)
    assert found == pytest.approx([0.1, 0.099005, 0.090484, 0.036788], abs=5e-7)


@pytest.mark.row("SCH-07")
def test_tau_decay():
    found = values(schedules.tau_decay(0.1, tau=50), 0, 50, 100, 200)
    assert found == pytest.approx([0.1, 0.1, 0.05, 0.025], rel=1e-15)


@pytest.mark.row("SCH-08")
@pytest.mark.parametrize("rate", [0.1, schedules.constant(0.1)])
def test_rates_by_fan_in(rate):
    W, b, K = (mg.Parameter(np.zeros(shape)) for shape in [(8, 20), (8,), (4, 3, 3, 2)])
    optimizer = SGD([W, b, K], schedules.by_fan_in(rate, [W, b, K]))
    assert optimizer.rates() == pytest.approx([0.1 / 4.472136, 0.1, 0.1 / math.sqrt(18)], rel=1e-7)
    for parameter in (W, b, K):
        parameter.grad = np.ones(parameter.shape)
    optimizer.step()
    for parameter, moved in zip((W, b, K), (0.1 / math.sqrt(20), 0.1, 0.1 / math.sqrt(18)), strict=True):
        np.testing.assert_allclose(parameter.value, -moved, rtol=1e-14)


@pytest.mark.row("SCH-09")
def test_which_schedules_converge():
    s = schedules
    yes = [s.inverse_decay(0.1, 0.01), s.power_decay(0.1, 0.6), s.tau_decay(0.1, 50)]
    no = [
        *[0.1, s.constant(0.1), s.piecewise({0: 0.1}), s.step_decay(0.1, 0.5, 10), s.exponential_decay(0.1, 0.01)],
        *[s.linear(0.1, 0.0, 10), s.linear(0.1, 0.1, 10), s.cosine(0.1, 10), s.hold_then_linear(0.1, 10)],
        *[s.inverse_decay(0, 0.01), s.power_decay(0, 1), s.tau_decay(0, 50)],
    ]
    for wrap in (lambda x: x, partial(s.hold, 10), partial(s.warm_up, 10), lambda x: s.scaled(x, 2)):
        assert all(s.converges(wrap(schedule)) for schedule in yes)
        assert not any(s.converges(wrap(schedule)) for schedule in no if callable(schedule))
    assert not s.converges(0.1)
    with pytest.raises(ValueError, match="of a function of one's own the sums are not known"):
        s.converges(s.hold(3, lambda step: 1 / (1 + step)))


@pytest.mark.row("SCH-09")
@pytest.mark.parametrize(
    ("make", "sums", "squares"),
    [
        (schedules.inverse_decay(1.0, 0.01), (920.5, 989.9), (99.49, 99.50)),
        (schedules.power_decay(1.0, 0.6), (626, 827), (5.28, 5.32)),
        (schedules.exponential_decay(1.0, 0.01), (99.50, 99.50), (49.50, 49.50)),
        (schedules.step_decay(1.0, 0.5, 10), (19, 19), (12.333, 12.333)),
    ],
)
def test_sums_up_to_one_and_two_million(make, sums, squares):
    """The first sum grows and the second has a limit exactly where `converges` says so."""
    rates = np.array([make(step) for step in range(1, 2_000_001)])
    found, of_squares = ([float((rates[:n] ** p).sum()) for n in (10**6, 2 * 10**6)] for p in (1, 2))
    assert found == pytest.approx(sums, rel=1e-3)
    assert of_squares == pytest.approx(squares, rel=1e-3)
    assert schedules.converges(make) == (found[1] > 1.05 * found[0] and of_squares[1] < 1.01 * of_squares[0])


def test_from_one_value_to_another():
    s = schedules
    assert values(s.linear(0.3, 0.1, 4), 0, 1, 2, 4, 5) == pytest.approx([0.3, 0.25, 0.2, 0.1, 0.1], rel=1e-14)
    assert s.linear(0.3, 0.1, 4)(9) == 0.1  # exactly
    assert s.linear(0.0, 8.0, 4)(1) == 2.0
    assert values(s.cosine(0.4, 4), 0, 2, 4, 9) == pytest.approx([0.4, 0.2, 0, 0], abs=1e-15)
    assert values(s.cosine(0.4, 4, end=0.1), 1, 4) == pytest.approx([0.1 + 0.15 * (1 + math.sqrt(0.5)), 0.1])
    falls = s.hold_then_linear(0.002, 4000)
    assert values(falls, 0, 1999, 2000) == [0.002] * 3
    assert values(falls, 3000, 4000, 5000) == pytest.approx([0.00102, 0.00004, 0.00004], rel=1e-12)
    assert values(s.hold_then_linear(1.0, 10, held=0.0, end=0.5), 0, 5, 10) == pytest.approx([1, 0.75, 0.5])
    assert values(s.hold_then_linear(1.0, 1, held=0.9, end=0.5), 0, 1) == [1, 0.5]


def test_warm_up_and_what_else_takes_a_schedule():
    s = schedules
    found = s.warm_up(4, s.inverse_decay(0.4, 1.0))
    assert values(found, 0, 1, 3, 4, 5) == pytest.approx([0.1, 0.2, 0.4, 0.4, 0.2], rel=1e-15)
    assert values(s.hold(2, s.warm_up(2, lambda step: 1.0 / (1 + step))), 0, 2, 3, 4, 5) == [0.5, 0.5, 1, 1, 0.5]
    assert s.scaled(s.linear(1, 3, 2), 0.5)(1) == 1
    lengths = s.rounded(s.linear(50, 200, 4000), to=10)
    assert values(lengths, 0, 1000, 4000) == [50, 90, 200]
    assert all(type(lengths(step)) is int for step in (0, 17, 5000))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.constant(math.nan), ValueError, r"constant\(value=nan\): expected a finite number of at least 0"),
        (lambda s: s.constant(-1), ValueError, r"constant\(value=-1\)"),
        (lambda s: s.inverse_decay(0.1, 0), ValueError, r"inverse_decay\(decay=0\): expected a finite number above 0"),
        (lambda s: s.exponential_decay(0.1, -1), ValueError, r"exponential_decay\(rate=-1\)"),
        (lambda s: s.tau_decay(0.1, 0), ValueError, r"tau_decay\(tau=0\)"),
        (lambda s: s.step_decay(0.1, 0.5, 0), ValueError, r"step_decay\(every=0\): expected an integer of at least 1"),
        (lambda s: s.linear(0.1, 0, 2.5), ValueError, r"linear\(steps=2.5\): expected an integer of at least 1"),
        (lambda s: s.cosine(0.1, True), ValueError, r"cosine\(steps=True\)"),
        (lambda s: s.hold(-1, s.constant(1)), ValueError, r"hold\(steps=-1\): expected an integer of at least 0"),
        (
            lambda s: s.hold(1, 0.1),
            TypeError,
            r"hold: expected a schedule, found 0.1: for a number write constant\(0.1\)",
        ),
        (lambda s: s.warm_up(2, lambda step: -1.0), ValueError, r"warm_up: the schedule gives -1.0 at step 0"),
        (lambda s: s.hold_then_linear(0.1, 10, held=1), ValueError, r"hold_then_linear\(held=1\)"),
        (lambda s: s.piecewise({5: 0.1}), ValueError, "integers of at least 0, one of them 0"),
        (lambda s: s.piecewise({}), ValueError, "one of them 0"),
        (lambda s: s.piecewise({0: -0.1}), ValueError, r"piecewise\(values\[0\]=-0.1\)"),
        (lambda s: s.scaled(s.constant(1), -1), ValueError, r"scaled\(factor=-1\)"),
        (lambda s: s.rounded(s.constant(1), 0), ValueError, r"rounded\(to=0\)"),
    ],
)
def test_what_makes_no_schedule(call, error, message):
    with pytest.raises(error, match=message):
        call(schedules)


def test_a_schedule_is_shown_copied_and_pickled_as_it_was_made():
    made = schedules.warm_up(4, schedules.scaled(schedules.inverse_decay(0.1, 0.01), 2.0))
    assert repr(made) == "warm_up(4, scaled(inverse_decay(0.1, 0.01), 2.0))"
    for twin in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), eval(repr(made), vars(schedules))):
        assert values(twin, 0, 3, 9) == values(made, 0, 3, 9)
    assert schedules.linear(1, 2, np.int64(3))(3) == 2


# Learning rates ------------------------------------------------------------------------------------------------------

OPTIMIZERS = [
    SGD,
    partial(SGD, momentum=0.9),
    AdaGrad,
    partial(RMSProp, momentum=0.5),
    Adam,
]


def stepped(optimizer, parameters, n, first=0, change=None):
    for i in range(first, first + n):
        if change is not None:
            change(i)
        for k, parameter in enumerate(parameters):
            parameter.grad = np.random.default_rng((i, k)).normal(size=parameter.shape)
        optimizer.step()
    return [parameter.value.copy() for parameter in parameters]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_schedule_is_the_rate_assigned_before_every_step(kind):
    schedule = schedules.warm_up(3, schedules.inverse_decay(0.1, 0.5))
    one, other = ([mg.Parameter(np.ones(3)), mg.Parameter(np.ones((2, 2)))] for _ in range(2))
    by_hand = kind(other, learning_rate=0.1)
    found = stepped(kind(one, learning_rate=schedule), one, 7)
    expected = stepped(by_hand, other, 7, change=lambda i: setattr(by_hand, "learning_rate", schedule(i)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_rates_by_parameter_are_those_of_optimizers_of_their_own(kind):
    rates = (0.1, schedules.exponential_decay(0.3, 0.1), 0.1)
    together = [mg.Parameter(np.ones(3)) for _ in rates]
    alone = [mg.Parameter(np.ones(3)) for _ in rates]
    optimizer = kind(together, learning_rate=dict(zip(together, rates, strict=True)))
    found = stepped(optimizer, together, 4)
    each = [kind([w], learning_rate=rate) for w, rate in zip(alone, rates, strict=True)]
    for i in range(4):
        for k, (w, one) in enumerate(zip(alone, each, strict=True)):
            w.grad = np.random.default_rng((i, k)).normal(size=w.shape)
            one.step()
    for a, w in zip(found, alone, strict=True):
        np.testing.assert_array_equal(a, w.value)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("by_parameter", [False, True])
def test_a_resumed_optimizer_goes_on_at_the_rate_of_its_step(kind, by_parameter):
    def make(w):
        schedule = schedules.hold(2, schedules.inverse_decay(0.1, 0.5))
        return kind([w], learning_rate={w: schedule} if by_parameter else schedule)

    straight, half = mg.Parameter(np.ones(3)), mg.Parameter(np.ones(3))
    (expected,) = stepped(make(straight), [straight], 9)
    first = make(half)
    stepped(first, [half], 5)
    resumed = mg.Parameter(half.value)
    second = make(resumed)
    second.load_state_dict(first.state_dict())
    assert second.n_steps == 5
    assert second.rates() == first.rates()
    np.testing.assert_array_equal(stepped(second, [resumed], 4, first=5)[0], expected)
    twin = pickle.loads(pickle.dumps(second))
    assert (twin.n_steps, twin.rates()) == (9, second.rates())


def test_states_with_and_without_a_schedule():
    w = mg.Parameter(np.ones(2))
    scheduled = Adam([w], schedules.linear(0.1, 0.0, 10))
    stepped(scheduled, [w], 4)
    plain = Adam([w], 0.5)
    with pytest.raises(ValueError, match=r"Adam.load_state_dict: the state is of an optimizer with a schedule"):
        plain.load_state_dict(scheduled.state_dict())
    assert (plain.n_steps, plain.rates()) == (0, [0.5])
    stepped(plain, [w], 2)
    scheduled.load_state_dict(plain.state_dict())  # which keeps its schedule
    assert scheduled.rates() == [pytest.approx(0.08)]
    plain.load_state_dict(plain.state_dict() | {"learning_rate": np.asarray(0.25)})
    assert plain.learning_rate == 0.25


def test_rates_by_parameter_name_the_one_that_is_missing():
    model = Dense(3, 2, rng=0)
    W, b = model.parameters()
    with pytest.raises(ValueError, match=r"SGD\(learning_rate\): the dict has no rate for Parameter.*expected one for"):
        SGD(model.parameters(), {W: 0.1})
    conv = Conv2D(2, 3, 3, rng=0)
    assert SGD(conv.parameters(), schedules.by_fan_in(0.3, conv.parameters())).rates()[0] == pytest.approx(
        0.3 / 18**0.5
    )
    assert SGD([W], {W: 0.1, b: 0.2}).rates() == [0.1]


BAD = [
    (lambda step: math.nan, ValueError, "the schedule gives nan at step 0: expected a finite number of at least 0"),
    (lambda step: 0.1 - 0.1 * step, ValueError, "the schedule gives -0.1 at step 2: expected a finite number"),
    (lambda step: math.inf if step else 1.0, ValueError, "the schedule gives inf at step 1"),
    (lambda step: None, TypeError, "the schedule gives None, as without a return, at step 0: expected a number"),
    (lambda step: "0.1" if step == 3 else 0.1, TypeError, "the schedule gives a str at step 3: expected a number"),
    (lambda step: np.ones(2), TypeError, "the schedule gives a ndarray at step 0"),
    (lambda step: mg.Constant(0.1), TypeError, "the schedule gives a Constant at step 0"),
    (lambda step: 0.1 / step, ValueError, r"the schedule fails at step 0 \(ZeroDivisionError: .*the first step is 0"),
    (lambda: 0.1, ValueError, r"the schedule fails at step 0 \(TypeError: .*called with the step alone"),
    (lambda step: [0.1, 0.1][step], ValueError, r"the schedule fails at step 2 \(IndexError"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD)
def test_a_bad_rate_names_the_step_and_changes_nothing(bad, error, message):
    w = mg.Parameter(np.ones(2))
    before = w.value.copy()

    def train():
        nonlocal before
        optimizer = Adam([w], bad)
        for _ in range(5):
            before = w.value.copy()
            w.grad = np.ones(2)
            optimizer.step()

    with pytest.raises(error, match=rf"Adam\(learning_rate\): {message}"):
        train()
    np.testing.assert_array_equal(w.value, before)


@pytest.mark.parametrize(("bad", "error", "message"), BAD)
@pytest.mark.parametrize("eager", [False, True])
def test_a_bad_weight_names_the_step_and_changes_nothing(bad, error, message, eager):
    model = net()
    before = model.state_dict()

    def train():
        nonlocal before
        step = Step(
            model, losses.cross_entropy, SGD(model.parameters(), 0.1), penalties=[penalties.Omega(bad)], eager=eager
        )
        for _ in range(5):
            before = model.state_dict()
            step(U, Y)

    with pytest.raises(error, match=rf"Omega\(weight\): {message}"):
        train()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_bad_rate_ends_fit_with_the_history_so_far():
    model = net()
    optimizer = SGD(model.parameters(), lambda step: 0.1 if step < 8 else -1.0)
    with pytest.raises(ValueError, match=r"gives -1\.0 at step 8") as caught:
        fit(model, U, Y, loss=losses.cross_entropy, optimizer=optimizer, batch_size=4, epochs=4, quiet=True)
    assert caught.value.history.n_rows == 2
    assert optimizer.n_steps == 8


@pytest.mark.parametrize("wrong", ["0.1", None, [0.1], mg.Constant(np.ones(2)), 1j])
def test_what_is_no_rate(wrong):
    w = mg.Parameter(np.ones(2))
    with pytest.raises(TypeError, match=r"learning_rate=.*expected a number"):
        SGD([w], wrong)
    optimizer = SGD([w], 0.5)
    with pytest.raises(TypeError, match=r"learning_rate=.*expected a number"):
        optimizer.learning_rate = wrong
    assert optimizer.rates() == [0.5]
    optimizer.learning_rate = np.asarray(0.25)
    assert optimizer.rates() == [0.25]
    with pytest.raises(ValueError, match="learning_rate=nan"):
        optimizer.learning_rate = math.nan


# Weights of penalties ------------------------------------------------------------------------------------------------


def of_loss_and_states(weight):
    """A penalty of one's own with another one in its closure."""
    inner = penalties.RelativeVariance(weight)
    return lambda loss, states: inner(loss, states) * 2.0


class Outer:
    """A penalty of one's own that holds another one."""

    def __init__(self, weight):
        self.inner = [penalties.LogRatio(weight)]

    def __call__(self, loss, states):
        return self.inner[0](loss, states)


PENALTIES = {
    "exact": penalties.Omega,
    "immediate": partial(penalties.Omega, form="immediate"),
    "relative variance": penalties.RelativeVariance,
    "variance": penalties.AdjointVariance,
    "L2": penalties.L2,
    "elastic net": penalties.ElasticNet,
    "a sum": lambda weight: penalties.L2(weight) + penalties.L1(0.01, names="V"),
    "one's own function": of_loss_and_states,
    "one's own object": Outer,
}


def decay(step):
    return 0.5 / (1 + step)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("eager", [False, True])
def test_a_weight_that_follows_a_schedule(name, eager):
    """It is what a penalty made anew for every step gives; compiled by one program, traced once and checked."""
    scheduled, anew = net(), net()
    step = Step(
        scheduled,
        losses.cross_entropy,
        SGD(scheduled.parameters(), 0.1),
        penalties=[PENALTIES[name](decay)],
        eager=eager,
    )
    traces = []
    objective = step._objective
    step._compiled.f = lambda *a, **k: traces.append(1) or objective(*a, **k)
    optimizer = SGD(anew.parameters(), 0.1)
    for i in range(20):
        found = step(U, Y)
        expected = Step(anew, losses.cross_entropy, optimizer, penalties=[PENALTIES[name](decay(i))], eager=True)(U, Y)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)
    for path, array in scheduled.state_dict().items():
        np.testing.assert_allclose(array, anew.state_dict()[path], rtol=1e-9, atol=1e-12)
    assert step.eager is eager
    if not eager:
        assert sum(map(len, step._compiled.programs.values())) == 1
        assert len(traces) == 1 + 5  # the first batch, and batches 2, 3, 4, 8 and 16, which are checked


def test_a_weight_may_reach_zero_and_come_back():
    pulse = schedules.piecewise({0: 0.0, 3: 0.5, 6: 0.0})
    model, plain = net(), net()
    step = Step(model, losses.cross_entropy, SGD(model.parameters(), 0.1), penalties=[penalties.Omega(pulse)])
    without = Step(plain, losses.cross_entropy, SGD(plain.parameters(), 0.1))
    for i in range(9):
        found, expected = step(U, Y), without(U, Y)
        assert (found["penalty"] > 0) == (3 <= i < 6)
        assert (found["loss"] == pytest.approx(expected["loss"], rel=1e-12)) == (i <= 3)


def test_a_weight_follows_the_optimizers_count_when_training_is_resumed():
    def make(model):
        optimizer = Adam(model.parameters(), schedules.linear(0.01, 0.001, 10))
        return optimizer, Step(model, losses.cross_entropy, optimizer, penalties=[penalties.Omega(decay)])

    straight, half = net(), net()
    _, step = make(straight)
    numbers = [step(U, Y) for _ in range(9)]
    optimizer, step = make(half)
    for _ in range(4):
        step(U, Y)
    resumed = net()
    resumed.load_state_dict(half.state_dict())
    again, step = make(resumed)
    again.load_state_dict(optimizer.state_dict())
    assert [step(U, Y) for _ in range(5)] == [pytest.approx(n, rel=1e-12) for n in numbers[4:]]
    for path, array in resumed.state_dict().items():
        np.testing.assert_allclose(array, straight.state_dict()[path], rtol=1e-12)


def test_fit_counts_on_over_epochs_and_calls():
    seen = []

    def weight(step):
        seen.append(step)
        return 0.1

    model = net()
    optimizer = SGD(model.parameters(), schedules.constant(0.1))
    options = {"loss": losses.cross_entropy, "optimizer": optimizer, "batch_size": 4, "quiet": True}
    for _ in range(2):
        history = fit(model, U, Y, epochs=2, penalties=[penalties.Omega(weight)], **options)
    assert sorted(set(seen)) == list(range(12))
    assert len(history["penalty"]) == 2


class Noisy(Module):
    """A model with a number that follows a schedule."""

    def __init__(self):
        self.w = mg.Parameter(np.ones(3))
        self.strength = Scheduled(decay, "Noisy(strength)")

    def forward(self, x):
        return self.w * x * self.strength


def test_a_number_of_a_model_or_a_loss_follows_a_schedule_too():
    weight = Scheduled(schedules.constant(2.0), "the loss")

    def loss(outputs, targets):
        return losses.mean_squared_error(outputs, targets) * weight

    x = np.ones((2, 3))
    model = Noisy()
    step = Step(model, loss, SGD(model.parameters(), 0.0))
    for i in range(6):
        assert step(x, 0 * x)["loss"] == pytest.approx(2 * decay(i) ** 2, rel=1e-12)
    weight.move_to(3)
    twin = pickle.loads(pickle.dumps(weight))
    assert (float(twin), twin.step, twin.trainable, twin.owner) == (2.0, 3, False, "the loss")


def test_outside_of_a_step_the_weight_is_moved_by_hand():
    model = net()
    states = model.states(mg.Input(U))
    loss = losses.cross_entropy(model.readout(states[-1]), Y)
    penalty = penalties.Omega(decay)
    measured = float(penalty.measure(loss, states))
    assert float(penalty(loss, states)) == pytest.approx(0.5 * measured)
    penalty.weight.move_to(4)
    assert float(penalty(loss, states)) == pytest.approx(0.1 * measured)
    penalty.weight = decay
    with pytest.raises(TypeError, match=r"weight became a schedule after it was made: make it anew"):
        penalty(loss, states)
    with pytest.raises(ValueError, match=r"Omega\(weight=-1\): expected a finite number"):
        penalties.Omega(-1)


def test_the_gradient_of_a_scheduled_penalty_is_right_to_order_two():
    small = RNN(2, 3, 2, dtype=np.float64, rng=0)
    u, y = np.random.default_rng(2).normal(size=(3, 4, 2)), np.array([0, 1, 0])
    penalty = penalties.RelativeVariance(decay)
    penalty.weight.move_to(2)

    def total(W):
        small.W = W
        states = small.states(mg.Input(u))
        loss = losses.cross_entropy(small.readout(states[-1]), y)
        return loss + penalty(loss, states)

    mg.check_gradients(total, small.W.value.copy(), order=2)


def test_value_at_takes_what_numpy_gives():
    assert value_at(lambda step: np.float32(0.5), 0, "x") == 0.5
    assert value_at(lambda step: np.asarray(3), 0, "x") == 3.0
    assert type(value_at(lambda step: 1, 0, "x")) is float


# As text -------------------------------------------------------------------------------------------------------------


def test_a_schedule_is_read_from_text():
    found = schedules.parsed("warm_up(100, cosine(rate, steps // 2, end=0.1 * rate))", rate=0.01, steps=4000)
    assert repr(found) == "warm_up(100, cosine(0.01, 2000, 0.001))"
    found = schedules.parsed("rounded(linear(20, length, 0.6 * steps), 10)", length=50, steps=4000)
    assert repr(found) == "rounded(linear(20.0, 50.0, 2400), 10)"
    assert repr(schedules.parsed("linear(1, 0, steps=0.3 * steps)", steps=1)) == "linear(1.0, 0.0, 1)"
    assert repr(schedules.parsed("hold(0.1 * steps, constant(1))", steps=37)) == "hold(4, constant(1.0))"
    made = [
        schedules.piecewise({0: 0.1, 5: 0.2}),
        schedules.hold_then_linear(0.002, 4000),
        schedules.hold(3, schedules.scaled(schedules.power_decay(0.1, 0.6), 2.0)),
        schedules.rounded(schedules.linear(50, 200, 4000), 10),
        schedules.tau_decay(0.1, 50),
    ]
    for schedule in made:
        again = schedules.parsed(repr(schedule))
        assert values(again, 0, 4, 100, 5000) == values(schedule, 0, 4, 100, 5000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("0.1", r"expected a call, such as cosine\(0.01, 4000\)"),
        ("cosine(0.1)", "missing a required argument: 'steps'"),
        ("cosine(0.1, 3", "was never closed"),
        ("cosine(speed, 3)", r"made of numbers, rate and calls of constant, .*; speed is none"),
        ("__import__('os')", r"; __import__\('os'\) is none"),
        ("cosine(0.1, 10).formula", r"cosine\(0.1, 10\).formula is none"),
        ("cosine(0.1, 1 // 0)", "by zero"),
        ("cosine(-1, 3)", "-1 is none"),
        ("cosine(0.1, 0.0)", r"cosine\(steps=0\): expected an integer of at least 1"),
        ("cosine(0.1, 1e999)", r"cosine\(steps=inf\): expected an integer"),
        ("cosine(0.1, 3, 4, 5)", "too many positional arguments"),
        ("cosine(0.1, 0)", r"cosine\(steps=0\): expected an integer of at least 1"),
        ("piecewise({**{}})", "is none"),
        ("(" * 900, "cannot be read"),
        ("x" * 2000, "of at most 1000 letters"),
    ],
)
def test_text_that_is_no_schedule(text, message):
    with pytest.raises(ValueError, match=message):
        schedules.parsed(text, rate=0.1)


@pytest.mark.parametrize("batch_size", [4, 3])
def test_the_history_of_fit_has_the_rate_of_each_epochs_last_step_where_it_follows_a_schedule(batch_size):
    x = np.ones((8, 1), np.float32)

    options = {"loss": losses.mean_squared_error, "epochs": 3, "batch_size": batch_size, "quiet": True}
    falling = schedules.linear(0.1, 0.0, 10)

    def trained(rate):
        net = Dense(1, 1, rng=0)
        optimizer = SGD(net.parameters(), rate(net.parameters()))
        return fit(net, x, x, optimizer=optimizer, **options), partial(fit, net, x, x, optimizer=optimizer, **options)

    history, go_on = trained(lambda parameters: falling)
    n_steps = -(-8 // batch_size)
    assert history["learning_rate"] == [falling(n_steps * epoch - 1) for epoch in (1, 2, 3)]
    assert go_on()["learning_rate"][0] == falling(n_steps * 4 - 1)
    for rate in (lambda parameters: 0.1, partial(schedules.by_fan_in, falling)):
        assert "learning_rate" not in trained(rate)[0]
