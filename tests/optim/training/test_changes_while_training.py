"""What a model, a loss or a penalty reads may change between steps: the next step has the new value, compiled as built anew."""

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, BatchNorm, Dense, Dropout, Module, Sequential, losses, penalties
from minigrad.optim import SGD, Step, fit

X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.random.default_rng(1).normal(size=(6, 3))


@dataclass
class Options:
    rate: float = 0.5


class Slotted:
    __slots__ = ("rate",)

    def __init__(self):
        self.rate = 0.5


class Scaled(Module):
    """w x times whatever the case reads."""

    of_class = 0.5

    def __init__(self, read):
        self.read_from = read
        self.w = mg.Parameter(np.ones(3))
        self.rate = 0.5
        self.rates = [0.5, [2.0]]
        self.table = np.array([1.0, 2.0, 3.0])
        self.by_name = {"rate": 0.5}
        self.layers = [Dense(3, 3, rng=0, dtype=np.float64)]
        self.options = Options()
        self.slotted = Slotted()
        self.space = SimpleNamespace(inner=SimpleNamespace(rate=0.5))
        self.kind = "tanh"
        self.chosen = {"a"}
        self.function = np.tanh
        self.numpys = np.float64(0.5)
        self.partial = partial(np.multiply, self.rates[1][0])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.w * x * self.read_from(self)


class Weighted:
    """A loss that is an object."""

    def __init__(self):
        self.weight = 1.0

    def __call__(self, outputs, targets):
        return losses.mean_squared_error(outputs, targets) * self.weight


class Schedule(penalties.WeightPenalty):
    """A penalty of one's own whose weight is a property."""

    def __init__(self):
        self.step = 1

    @property
    def weight(self):
        return 0.1 / self.step

    def __call__(self, target):
        return target.w.sum() * self.weight


def closing():
    held = [1.0]

    def loss(outputs, targets):
        return losses.mean_squared_error(outputs, targets) * held[0]

    return loss, held


READ = {
    "a number": (lambda m: m.rate, lambda m: setattr(m, "rate", 0.7)),
    "a number that becomes another type": (lambda m: m.rate, lambda m: setattr(m, "rate", 1)),
    "minus zero": (lambda m: np.copysign(1.0, m.rate), lambda m: setattr(m, "rate", -0.5)),
    "a NumPy number": (lambda m: float(m.numpys), lambda m: setattr(m, "numpys", np.float64(0.7))),
    "an entry of a list": (lambda m: m.rates[0], lambda m: m.rates.__setitem__(0, 0.7)),
    "an entry of a list in a list": (lambda m: m.rates[1][0], lambda m: m.rates[1].__setitem__(0, 0.7)),
    "the length of a list": (lambda m: len(m.rates), lambda m: m.rates.append(1.0)),
    "an array in place": (lambda m: m.table, lambda m: m.table.__setitem__(1, 7.0)),
    "an array": (lambda m: m.table, lambda m: setattr(m, "table", np.ones(3))),
    "an entry of a dict": (lambda m: m.by_name["rate"], lambda m: m.by_name.update(rate=0.7)),
    "a key of a dict": (lambda m: len(next(iter(m.by_name))), lambda m: (m.by_name.clear(), m.by_name.update(r=0.5))),
    "a set": (lambda m: 2.0 if "b" in m.chosen else 1.0, lambda m: m.chosen.add("b")),
    "a dataclass": (lambda m: m.options.rate, lambda m: setattr(m.options, "rate", 0.7)),
    "slots": (lambda m: m.slotted.rate, lambda m: setattr(m.slotted, "rate", 0.7)),
    "an object in an object": (lambda m: m.space.inner.rate, lambda m: setattr(m.space.inner, "rate", 0.7)),
    "a class's attribute hidden": (lambda m: m.of_class, lambda m: setattr(m, "of_class", 0.7)),
    "a word": (lambda m: {"tanh": 1.0, "relu": 2.0}[m.kind], lambda m: setattr(m, "kind", "relu")),
    "a function": (lambda m: m.function(m.w), lambda m: setattr(m, "function", np.exp)),
    "a list of modules": (lambda m: 1.0, lambda m: m.layers.append(Dense(3, 3, rng=1, dtype=np.float64))),
    "a new attribute": (lambda m: getattr(m, "extra", 1.0), lambda m: setattr(m, "extra", 2.0)),
    "an attribute that is gone": (lambda m: getattr(m, "kind", 2.0) == 2.0 or 3.0, lambda m: delattr(m, "kind")),
    "a mode": (lambda m: 1.0 if m.training else 2.0, lambda m: m.eval()),
    "the mode of a module within": (lambda m: 1.0 if m.layers[0].training else 2.0, lambda m: m.layers[0].eval()),
}


def losses_while(make, change, eager, n=5):
    """The losses of n steps, a change, and n steps more; and what was trained and the step."""
    model, loss, terms, thing = make()
    step = Step(model, loss, SGD(model.parameters(), 0.01), penalties=terms, eager=eager)
    found = [step(X, Y) for _ in range(n)]
    change(thing)
    found += [step(X, Y) for _ in range(n)]
    return found, model.state_dict(), step


def assert_the_change_is_seen(make, change):
    compiled, arrays, step = losses_while(make, change, eager=False)
    built, expected, _ = losses_while(make, change, eager=True)
    unchanged, before, _ = losses_while(make, lambda _: None, eager=True)
    assert not step.eager
    for one, other in zip(compiled, built, strict=True):
        assert one == pytest.approx(other, rel=1e-9)
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-9, atol=1e-12)
    matters = any(not np.allclose(before[name], expected[name], rtol=1e-6) for name in before.keys() & expected.keys())
    assert matters or built[-1] != pytest.approx(unchanged[-1], rel=1e-6)
    assert step._compiled.programs, "and what follows runs as a program"


@pytest.mark.parametrize("what", READ)
def test_what_a_module_reads(what):
    read, change = READ[what]

    def make():
        model = Scaled(read)
        return model, losses.mean_squared_error, (), model

    assert_the_change_is_seen(make, change)


def test_what_a_class_of_a_module_holds(monkeypatch):
    class Own(Scaled):
        sizes = (2.0, [3.0])

    def make():
        Own.sizes = (2.0, [3.0])
        model = Sequential(Own(lambda m: m.sizes[0] * m.sizes[1][0]))
        return model, losses.mean_squared_error, (), Own

    assert_the_change_is_seen(make, lambda kind: setattr(kind, "sizes", (4.0, [3.0])))
    assert_the_change_is_seen(make, lambda kind: kind.sizes[1].__setitem__(0, 5.0))


def net(*layers):
    return Sequential(Dense(3, 3, rng=0, dtype=np.float64), *layers)


MAKE = {
    "the rate of dropout": (
        lambda: (net(dropout := Dropout(0.5, rng=0)), losses.mean_squared_error, (), dropout),
        lambda dropout: setattr(dropout, "rate", 0.9),
    ),
    "the generator of dropout": (
        lambda: (net(dropout := Dropout(0.5, rng=0)), losses.mean_squared_error, (), dropout),
        lambda dropout: setattr(dropout, "rng", np.random.default_rng(5)),
    ),
    "the momentum of a normalization": (
        lambda: (net(norm := BatchNorm(3, dtype=np.float64)), losses.mean_squared_error, (), norm),
        lambda norm: setattr(norm, "momentum", 0.9),
    ),
    "the mode of a normalization": (
        lambda: (net(norm := BatchNorm(3, dtype=np.float64)), losses.mean_squared_error, (), norm),
        lambda norm: norm.eval(),
    ),
    "the weight of a penalty": (
        lambda: (net(), losses.mean_squared_error, [term := penalties.L2(0.1)], term),
        lambda term: setattr(term, "weight", 0.5),
    ),
    "a penalty that becomes 0": (
        lambda: (net(), losses.mean_squared_error, [term := penalties.L1(0.1)], term),
        lambda term: setattr(term, "weight", 0.0),
    ),
    "a penalty in a sum": (
        lambda: (net(), losses.mean_squared_error, [(term := penalties.L2(0.1)) + penalties.L1(0.1)], term),
        lambda term: setattr(term, "weight", 0.5),
    ),
    "the ratio of a penalty": (
        lambda: (net(), losses.mean_squared_error, [term := penalties.ElasticNet(0.1)], term),
        lambda term: setattr(term, "ratio", 0.9),
    ),
    "what a penalty is of": (
        lambda: (net(), losses.mean_squared_error, [term := penalties.L2(0.1)], term),
        lambda term: setattr(term, "role", "all"),
    ),
    "a schedule that is a property": (
        lambda: (Scaled(lambda m: 1.0), losses.mean_squared_error, [term := Schedule()], term),
        lambda term: setattr(term, "step", 2),
    ),
    "a loss that is an object": (
        lambda: (net(), loss := Weighted(), (), loss),
        lambda loss: setattr(loss, "weight", 3.0),
    ),
    "a loss that is a method": (
        lambda: (net(), (loss := Weighted()).__call__, (), loss),
        lambda loss: setattr(loss, "weight", 3.0),
    ),
    "a loss that is partial": (
        lambda: (net(), partial(loss := Weighted()), (), loss),
        lambda loss: setattr(loss, "weight", 3.0),
    ),
    "what a loss closes over": (
        lambda: (net(), (pair := closing())[0], (), pair[1]),
        lambda held: held.__setitem__(0, 3.0),
    ),
    "a weight that is frozen": (
        lambda: (model := net(), losses.mean_squared_error, [penalties.L2(0.1)], model),
        lambda model: setattr(model.parameters()[1], "trainable", False),
    ),
}


@pytest.mark.parametrize("what", MAKE)
def test_what_layers_losses_and_penalties_read(what):
    assert_the_change_is_seen(*MAKE[what])


def test_the_weight_of_a_penalty_on_adjoints():
    x, y = np.random.default_rng(0).normal(size=(5, 4, 2)), np.array([0, 1, 2, 0, 1])
    found = []
    for eager in (False, True):
        model, term = RNN(2, 4, 3, rng=0, dtype=np.float64), penalties.Omega(0.3)
        step = Step(model, losses.cross_entropy, SGD(model.parameters(), 0.1), penalties=[term], eager=eager)
        for weight in (0.3, 0.3, 0.5, 0.5, 0.0, 0.3):
            term.weight = weight
            found.append(step(x, y))
        assert step.eager is eager
    for one, other in zip(found[:6], found[6:], strict=True):
        assert one == pytest.approx(other, rel=1e-9)


class CountsRuns(Module):
    """w x, times a rate; knows how often its code ran, and keeps a log, neither of which matters."""

    def __init__(self):
        self.w = mg.Parameter(np.ones(1))
        self.rate = 1.0
        self.note = 0.0
        self.runs = 0
        self.log = []

    def forward(self, x):
        self.runs += 1
        self.log.append(self.runs)
        return self.w * x * self.rate


def steps_of(n, change, eager=False):
    model = CountsRuns()
    step = Step(model, losses.mean_squared_error, SGD(model.parameters(), 0.01), eager=eager)
    found = []
    for i in range(n):
        change(model, i)
        found.append(step(np.full((2, 1), 1.0 + i / n), np.zeros((2, 1)))["loss"])
    return found, model, step


@pytest.mark.parametrize("eager", [False, True])
def test_a_schedule_that_changes_every_step_is_followed(eager):
    """It neither makes a program each time nor ends compilation for good."""

    def change(model, i):
        model.rate = 1.0 / (1.0 + min(i, 150))  # a warm-up, and constant then

    found, model, step = steps_of(320, change, eager)
    expected, _, _ = steps_of(320, change, True)
    assert found == pytest.approx(expected, rel=1e-9)
    assert step.eager is eager
    if not eager:
        made = sum(map(len, step._compiled.programs.values()))
        assert made < 30, "small programs are made at once, but not of every step"
        assert model.runs < 260, "once it is constant, a program runs again"


def test_a_change_that_does_not_matter_makes_no_program():
    """The graph is found to be that of the program, which goes on."""

    def change(model, i):
        model.note = float(i // 10)

    _, model, step = steps_of(60, change)
    assert sum(map(len, step._compiled.programs.values())) == 1
    assert model.runs < 20


def test_equal_numbers_are_no_change():
    def change(model, i):
        model.rate = float("1.0")  # another object in every step
        model.w.name = f"w{i}"

    _, model, step = steps_of(40, change)
    assert model.runs == 1 + 3 + 3  # the first batch, and those that are checked: 2, 3, 4, 8, 16, 32
    assert not step.eager


def test_two_values_in_turn_have_a_program_each():
    def change(model, i):
        model.rate = (0.5, 0.25)[i % 2]

    found, model, step = steps_of(60, change)
    expected, _, _ = steps_of(60, change, True)
    assert found == pytest.approx(expected, rel=1e-9)
    assert sum(map(len, step._compiled.programs.values())) == 2
    assert model.runs < 12


def test_callbacks_of_fit_change_rates_and_weights():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 3)), rng.normal(size=(64, 3))
    trained = []
    for eager in (False, True):
        dropout, term = Dropout(0.5, rng=0), penalties.L2(0.1)
        model = net(dropout)

        def callback(model, history, dropout=dropout, term=term):
            dropout.rate *= 0.8
            term.weight *= 0.5

        history = fit(
            model, x, y, loss=losses.mean_squared_error, optimizer=SGD(model.parameters(), 0.05), epochs=6, batch_size=8,
            penalties=[term], callbacks=[callback], quiet=True, eager=eager,
        )  # fmt: skip
        trained.append((model.state_dict(), history["loss"], history["penalty"]))
    for name, array in trained[0][0].items():
        np.testing.assert_allclose(array, trained[1][0][name], rtol=1e-9)
    np.testing.assert_allclose(trained[0][1:], trained[1][1:], rtol=1e-9)
