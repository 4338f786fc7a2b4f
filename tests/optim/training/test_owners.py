"""Whose parameters an optimizer holds: what a loss or penalty refers to, and what the refusal names."""

from functools import partial
from types import SimpleNamespace

import pytest

import minigrad as mg
from minigrad.models import BatchNorm, Dense, Sequential
from minigrad.optim import SGD
from minigrad.optim.training.owners import check_owners, parameters_of

S = mg.Parameter(1.0, "s")
LAYER = Dense(1, 1, rng=0)


def of_a_global(outputs, targets):
    return outputs * S


def closing_over(thing):
    return lambda outputs, targets: outputs * thing


def nothing_yet():
    def loss(outputs, targets):
        return outputs * later

    if not S.trainable:
        later = S
    return loss


class Loss:
    def __init__(self, held):
        self.held = held

    def method(self, outputs, targets):
        return outputs * self.held


REFERRING = {
    "global": of_a_global,
    "closure": closing_over(S),
    "a list in a closure": closing_over([S]),
    "a tuple in a closure": closing_over((1.0, S)),
    "attribute": Loss(S),
    "method": Loss(S).method,
    "partial": partial(closing_over, S),
    "partial by name": partial(closing_over, thing=S),
    "partial of a function": partial(closing_over(S)),
    "within": closing_over(SimpleNamespace(scale=SimpleNamespace(s=S))),
}


@pytest.mark.parametrize("how", REFERRING)
def test_what_a_loss_refers_to(how):
    assert list(dict.fromkeys(parameters_of(REFERRING[how]))) == [S]


def test_a_module_in_a_closure_and_a_variable_without_a_value():
    assert set(parameters_of(closing_over(LAYER))) == set(LAYER.parameters())
    assert list(parameters_of(nothing_yet())) == []


def test_the_refusal_names_what_is_missing_and_would_be_trained():
    net = Sequential(Dense(1, 1, rng=0), BatchNorm(1), Dense(1, 1, rng=0))
    optimizer = SGD([*net[0].parameters(), *net[1].parameters()[:2], S])
    net[2].W.trainable = False
    check_owners(optimizer, net, [closing_over(S)])
    with pytest.raises(
        ValueError, match=r'holds Parameter "s" \(\), .*and does not hold the model\'s dense_2\.b: a layer'
    ):
        check_owners(optimizer, net, [])
    other = SGD([*(p for p in net.parameters() if p is not S), S])
    with pytest.raises(ValueError, match=r'holds Parameter "s" \(\), which this Sequential has not: a layer'):
        check_owners(other, net, [])
    with pytest.raises(ValueError, match="none of the parameters of this Sequential"):
        check_owners(SGD([S]), net, [closing_over(S)])
