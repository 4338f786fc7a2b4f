"""Every rule is differentiated, and the check itself is checked: it notices planted mistakes, in a quick run too."""

import itertools

import hypothesis
import pytest

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.ops.base import Masked, Piece
from tests import quick
from tests.ops.test_every_operation import CASES, build, differentiate, each, framed
from tests.ops.trials import Trial
from tests.quick import examples

N, N_QUICK = 25, 8  # trials of a rule, and in a quick run
many = examples(60)


@pytest.mark.row("ENG-02")
@pytest.mark.every_case
@each
def test_derivatives(kind):
    """Orders 1 and 2, and 3 where smooth, inside a nonlinear frame; in a quick run 1 and 2."""
    check_derivatives(kind, examples(N, N_QUICK), 3 if kind.smooth and not quick.quick else 2)


def check_derivatives(kind, settings, order=2):
    @settings
    @hypothesis.given(CASES[kind])
    def check(trial: Trial):
        mg.check_gradients(framed(trial), *trial.arrays, order=order)

    check()


# The check is checked ----------------------------------------------------------------------------------------------


MUTATIONS = {
    "a wrong factor": (1, lambda adjoint: adjoint * 1.5),
    "an adjoint cut out of the graph": (2, lambda adjoint: mg.Constant(adjoint.value)),
}


class Mutant:
    """A bprop with one entry mutated: `possible` tells whether it has this entry, `planted` whether it held any number,
    `length` how many entries it had at most.
    """

    def __init__(self, bprop, place, mutate):
        self.bprop, self.place, self.mutate = bprop, place, mutate
        self.possible = self.planted = False
        self.length = 0

    def __get__(self, node, kind):
        return lambda adjoint: self.mutated(self.bprop(node, adjoint))

    def mutated(self, entries):
        entries = list(entries) if isinstance(entries, list | tuple) and not is_entry(entries) else [entries]
        self.length = max(self.length, len(entries))
        if self.place < len(entries):
            entries[self.place] = self.mutated_entry(entries[self.place])
        return entries

    def mutated_entry(self, entry):
        if callable(entry):
            return lambda: self.mutated_entry(entry())
        if isinstance(entry, Masked | Piece):
            return entry._replace(adjoint=self.mutated_entry(entry.adjoint))
        if entry is None:
            return None
        self.possible = True
        if not entry.value.any():
            return entry
        self.planted = True
        return self.mutate(entry)


def is_entry(entries):
    return isinstance(entries, Masked | Piece)


def failure(function, arrays, order):
    """What the check says, nothing if it passes."""
    try:
        mg.check_gradients(function, *arrays, order=order)
    except mg.GradientError as error:
        return str(error)
    return ""


@pytest.mark.row("ENG-16")
@pytest.mark.slow
@each
def test_a_quick_run_notices_a_wrong_sign_in_every_rule(kind, monkeypatch):
    """In the adjoint of every child, by the trials that --quick draws, and the operation is named."""
    original, n_entries = kind.bprop, 0
    for place in itertools.count():
        mutant = Mutant(original, place, lambda adjoint: -adjoint)
        said = ""
        with monkeypatch.context() as patch:
            patch.setattr(kind, "bprop", mutant)
            try:
                as_quick = hypothesis.settings(max_examples=N_QUICK, phases=[hypothesis.Phase.generate])
                check_derivatives(kind, as_quick)
            except mg.GradientError as error:
                said = str(error)
        if mutant.possible:
            n_entries += 1
            assert f"The node at fault: {kind.__name__}" in said, f"not noticed in the adjoint of child {place}"
        elif place >= mutant.length:  # in no trial: without a mistake all were run
            break
    assert n_entries, "no trial has an adjoint to mutate"


@pytest.mark.row("ENG-16")
@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
@each
def test_a_planted_mistake_is_caught(kind, mutation, monkeypatch):
    """In the rule for every child, and the operation is named."""
    order, mutate = MUTATIONS[mutation]
    original = kind.bprop
    possible, planted = set(), set()

    @many
    @hypothesis.given(CASES[kind])
    def check(trial: Trial):
        y, _ = build(trial)
        children = [node.children[:4] for node in ancestry([y]) if type(node) is kind] or [(y,)]
        places = {i for each in children for i, child in enumerate(each) if child.dtype.kind == "f" and child.size}
        for place in places - planted:
            mutant = Mutant(original, place, mutate)
            with monkeypatch.context() as patch:
                patch.setattr(kind, "bprop", mutant)
                differentiate(trial)
                if mutant.planted:
                    text = failure(framed(trial), trial.arrays, order)
                    assert text, f"{mutation} in the adjoint of child {place} was not caught"
                    assert f"The node at fault: {kind.__name__}" in text
                    planted.add(place)
            if mutant.possible:
                possible.add(place)

    check()
    assert planted, "no trial has an adjoint to mutate"
    assert planted == possible, "some children have adjoints that are 0 in every trial"
