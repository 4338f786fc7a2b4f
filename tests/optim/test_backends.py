"""backend= of steps, `fit` and the main job: what programs and updates are run by, chosen, said and refused."""

import io
import pickle
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import compiled
from minigrad.models import LSTM, Dense, Sequential, losses
from minigrad.optim import SGD, Adam, fit
from minigrad.optim.experiments.comparison import make_optimizer, train
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.job import Job
from minigrad.optim.experiments.nets import make_net
from minigrad.optim.experiments.tasks import open_task
from minigrad.optim.training import Step

RNG = np.random.default_rng(0)
INPUTS, TARGETS = RNG.normal(size=(12, 5, 2)).astype(np.float32), RNG.integers(3, size=12)


def net():
    return Sequential(recurrent=LSTM(2, 4, rng=0), readout=Dense(4, 3, rng=1))


def step(**options):
    model = net()
    return Step(model, losses.cross_entropy, SGD(model.parameters(), 0.1), **options)


def installed(monkeypatch, *, numba):
    monkeypatch.setattr(compiled, "find_spec", lambda name: name if numba else None)


@pytest.mark.parametrize(("numba", "chosen"), [(True, "numba"), (False, "numpy")])
def test_auto_is_numba_where_it_is_installed(numba, chosen, monkeypatch):
    installed(monkeypatch, numba=numba)
    assert mg.compile(np.tanh, backend="auto").backend == chosen
    assert step(backend="auto").backend == chosen


def test_a_copy_of_a_compiled_function_chooses_anew(monkeypatch):
    installed(monkeypatch, numba=True)
    copied = pickle.dumps(mg.compile(np.tanh, backend="auto"))
    installed(monkeypatch, numba=False)
    assert pickle.loads(copied).backend == "numpy"


def test_without_the_argument_it_is_numpy(monkeypatch):
    installed(monkeypatch, numba=True)
    assert step().backend == "numpy"
    assert Configuration.of().backend == "numpy"


def test_what_is_no_backend_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"Step\(backend='jax'\): expected one of numpy, numba, auto"):
        step(backend="jax")
    with pytest.raises(ValueError, match=r"backend=.numby. is unknown \(did you mean numpy\?\)"):
        Configuration.of(backend="numby")
    installed(monkeypatch, numba=False)
    with pytest.raises(ModuleNotFoundError, match=r"Step\(backend='numba'\): numba is not installed: pip install"):
        step(backend="numba")
    with pytest.raises(ModuleNotFoundError, match=r"minigrad train\(backend='numba'\): numba is not installed"):
        Job(Configuration.of(backend="numba"))


def test_nodes_built_anew_have_no_backend():
    with pytest.raises(ValueError, match="are run by NumPy"):
        step(eager=True, backend="numba")
    with pytest.raises(ValueError, match="are run by NumPy"):
        Configuration.of(eager=True, backend="numba")


@pytest.mark.parametrize("kind", ["numpy", "auto"])
def test_the_progress_line_says_what_was_chosen(kind, monkeypatch):
    installed(monkeypatch, numba=False)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    model = net()
    fit(
        model,
        INPUTS,
        TARGETS,
        loss=losses.cross_entropy,
        optimizer=SGD(model.parameters(), 0.1),
        epochs=1,
        backend=kind,
    )
    assert ("by numpy  [" in stream.getvalue()) == (kind == "auto")


def test_the_job_notes_what_auto_stood_for(monkeypatch, tmp_path):
    installed(monkeypatch, numba=False)
    job = Job(Configuration.of(backend="auto", steps=1), str(tmp_path / "run"), quiet=True)
    assert job.configuration.backend == "numpy"


def test_a_step_by_numba_trains_as_one_by_numpy(with_numba):
    trained = {}
    for backend in ("numpy", "numba"):
        model = net()
        one = Step(model, losses.cross_entropy, Adam(model.parameters(), 0.01, backend=backend), backend=backend)
        said = [one(INPUTS, TARGETS)["loss"] for _ in range(6)]
        trained[backend] = said, model.state_dict()
    np.testing.assert_allclose(trained["numba"][0], trained["numpy"][0], rtol=1e-5)
    for name, array in trained["numpy"][1].items():
        np.testing.assert_allclose(trained["numba"][1][name], array, rtol=1e-4, atol=1e-6)
    assert list(with_numba.glob("*.py"))


def test_the_job_trains_by_numba(with_numba):
    scores = {}
    for backend in ("numpy", "numba"):
        configuration = Configuration.of(
            task="temporal-order", methods=("backprop",), length=20, steps=4, states=4, batch_size=5, backend=backend
        )
        task = open_task(configuration)
        run = train(configuration, task, "backprop", 0, quiet=True)
        scores[backend] = run.history["train_loss"]
        assert (
            make_optimizer(configuration, make_net(configuration, task, np.random.default_rng(0)))._backend == backend
        )
    np.testing.assert_allclose(scores["numba"], scores["numpy"], rtol=1e-4)
    assert list(with_numba.glob("multiply_subtract_loop_*.py")), "gradient descent"
