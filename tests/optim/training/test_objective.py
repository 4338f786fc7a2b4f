"""The weight of the loss beside those of the penalties: what is descended on is w_L loss + w_G G."""

import copy
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GRU, RNN, Dense, Sequential, losses
from minigrad.models.penalties import L2, AdjointVariance, NormStabilizer, Omega, RelativeVariance, SoftOrthogonality
from minigrad.optim import SGD, fit, schedules
from minigrad.optim.training import Step

RNG = np.random.default_rng(3)
INPUTS = RNG.normal(size=(8, 4, 2))
TARGETS = RNG.integers(3, size=8)


def net_of(kind="RNN"):
    options = {"dtype": np.float64, "rng": 0}
    return RNN(2, 4, 3, **options) if kind == "RNN" else Sequential(GRU(2, 4, **options), Dense(4, 3, **options))


def trained(net, eager, steps=6, rate=0.1, **options):
    net = copy.deepcopy(net)
    step = Step(net, losses.cross_entropy, SGD(net.parameters(), rate), eager=eager, **options)
    numbers = [step(INPUTS, TARGETS) for _ in range(steps)]
    return net.state_dict(), numbers


def assert_same(found, expected, tolerance=1e-12):
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_a_step_is_along_the_gradient_of_the_weighted_sum(kind, eager):
    net = net_of(kind)
    (found, (numbers,)) = trained(net, eager, 1, loss_weight=0.25, penalties=[RelativeVariance(0.5), L2(0.01)])
    from minigrad.optim.training import outputs_and_states

    outputs, states = outputs_and_states(net, mg.Input(INPUTS))
    loss = losses.cross_entropy(outputs, TARGETS)
    G = RelativeVariance(0.5)(loss, states) + L2(0.01)(net)
    slopes = mg.gradients(0.25 * loss + G, net.parameters())
    for (name, parameter), slope in zip(net.named_parameters(), slopes, strict=True):
        np.testing.assert_allclose(found[name], parameter.value - 0.1 * slope.value, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(numbers["loss"], float(loss), rtol=1e-13)  # what is reported has no weight
    np.testing.assert_allclose(numbers["penalty"], float(G), rtol=1e-12)


def test_compiled_is_eager():
    for weight in (0.25, schedules.linear(1.0, 0.0, 4), lambda step: float(step > 2)):
        options = {"loss_weight": weight, "penalties": [Omega(0.1)], "clip": 1.0}
        (a, numbers), (b, others) = (trained(net_of(), eager, 12, **options) for eager in (True, False))
        assert_same(a, b, 1e-9)
        for row, other in zip(numbers, others, strict=True):
            assert row == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize("eager", [False, True])
def test_weight_one_changes_no_bit(eager):
    plain, with_one = (
        trained(net_of(), eager, penalties=[Omega(0.1)], **options) for options in ({}, {"loss_weight": 1})
    )
    assert plain[1] == with_one[1]
    assert all(plain[0][name].tobytes() == array.tobytes() for name, array in with_one[0].items())


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(
    "penalty", [RelativeVariance(1.0), AdjointVariance(), NormStabilizer(), SoftOrthogonality(0.1)]
)
def test_weight_zero_trains_on_the_penalties_alone(penalty, eager):
    """The initialization of the notes' repository: whatever the data teach is left out, and the loss is still reported."""
    net = net_of()
    net.W.value *= 0.5
    state, numbers = trained(net, eager, 10, 0.05, loss_weight=0, penalties=[penalty])
    assert numbers[-1]["penalty"] < 0.95 * numbers[0]["penalty"]
    assert all(math.isfinite(row["loss"]) and row["loss"] > 0 for row in numbers)
    if isinstance(penalty, NormStabilizer | SoftOrthogonality):
        assert all(state[name].tobytes() == net.state_dict()[name].tobytes() for name in ("V", "b_o"))


@pytest.mark.parametrize("eager", [False, True])
def test_a_schedule_moves_from_the_penalty_alone_to_both(eager):
    state, numbers = trained(net_of(), eager, 8, loss_weight=lambda step: 0.5 * (step >= 4), penalties=[Omega(0.1)])
    first, _ = trained(net_of(), eager, 4, loss_weight=0, penalties=[Omega(0.1)])
    net = net_of()
    net.load_state_dict(first)
    both, rest = trained(net, eager, 4, loss_weight=0.5, penalties=[Omega(0.1)])
    assert_same(state, both, 1e-10)
    assert [row["loss"] for row in numbers[4:]] == pytest.approx([row["loss"] for row in rest], rel=1e-10)


def test_a_weight_that_is_changed_between_steps_is_read():
    found = []
    for eager in (True, False):
        net = net_of()
        step = Step(net, losses.cross_entropy, SGD(net.parameters(), 0.1), eager=eager)
        for weight in (1.0, 0.1, 0.1, 2.0):
            step.loss_weight = weight
            step(INPUTS, TARGETS)
        found.append(net.state_dict())
    assert_same(*found)


def test_fit_takes_it_and_reports_the_loss():
    rows = []
    for options in ({}, {"loss_weight": 0.5}):
        net = net_of()
        rate = 0.1 if not options else 0.2  # half the loss at twice the rate
        history = fit(net, INPUTS, TARGETS, loss=losses.cross_entropy, optimizer=SGD(net.parameters(), rate), epochs=3,
                      batch_size=4, validation=(INPUTS, TARGETS), quiet=True, **options)  # fmt: skip
        rows.append([history["loss"], history["val_loss"]])
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-12)


@pytest.mark.parametrize(("weight", "error"), [(-1, ValueError), (math.nan, ValueError), ([1.0, 2.0], ValueError)])
def test_a_weight_is_a_number_of_at_least_0(weight, error):
    net = net_of()
    with pytest.raises(error, match=r"Step\(loss_weight"):
        Step(net, losses.cross_entropy, SGD(net.parameters(), 0.1), loss_weight=weight)


def test_nothing_to_descend_on_is_refused():
    net = net_of()
    with pytest.raises(ValueError, match="loss_weight=0 and no penalties: nothing would be trained"):
        Step(net, losses.cross_entropy, SGD(net.parameters(), 0.1), loss_weight=0)
    with pytest.raises(ValueError, match=r"Step\(loss_weight\): the schedule gives -1.0 at step 0"):
        Step(net, losses.cross_entropy, SGD(net.parameters(), 0.1), loss_weight=lambda step: -1.0)
