"""The main job: the recurrent net trained by backpropagation and by penalized backpropagation, on equal terms.

Equal terms: for one seed every method starts from the same parameters and sees the same batches in the same order; all
are measured on the same examples. The configuration's penalty G is measured for every method, whether it is trained with it or not.

While a run trains, the validation examples are watched, and its best parameters kept. The test set is used once, when the
training is over: for the last parameters and for the best ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from minigrad.graph import Graph
from minigrad.models import Module, penalties
from minigrad.node import Array, Input
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.nets import make_net
from minigrad.optim.experiments.processes import in_processes
from minigrad.optim.experiments.tasks import Batch, Task, open_task
from minigrad.optim.optimizers import SGD, AdaGrad, Adam, Optimizer, RMSProp
from minigrad.optim.training import Step, evaluate, outputs_and_states
from minigrad.optim.training.best import KeepBest
from minigrad.optim.training.examples import mapped
from minigrad.optim.training.history import History
from minigrad.optim.training.progress import Progress

N_GAUGED = 100  # validation examples on which the adjoints are measured
DIVERGED = 10  # a training loss that ends at so many times the loss at the start has diverged
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "momentum": partial(SGD, momentum=0.9),
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
}


@dataclass(eq=False)
class Run:
    """One method, one seed: what was reached, and the way there.

    method:    as the configuration writes it; name: as tables and figures do
    history:   a row per record, the last where the run ended: method, seed, step, train_loss (mean since the last row),
               val_loss, val_score, G, log10_ratio = log10 ‖λ_1‖/‖λ_T‖
    adjoints:  steps, and there ‖λ_t‖ for t = 1..T, each the mean over examples (`Gauge.read`): at every record, and at 1, 2, 5, 10, 20, 50, …
               before the second one, as adjoints change most at the start
    right:     how much of each test example it answers rightly, at the end, 0 to 1
    best:      the record of the highest validation score, of equal ones the lowest validation loss, and the parameters there
    best_test_loss, best_test_score: what those reach, beside the last ones' test_loss and test_score
    recent_losses: of the steps since the last record
    stopped:   why it ended before its last step, or that it diverged; empty if all went well
    """

    method: str
    seed: int
    name: str
    history: History = field(default_factory=History)
    adjoints: list[tuple[int, Array]] = field(default_factory=list)
    parameters: dict[str, Array] = field(default_factory=dict)
    right: Array = field(default_factory=lambda: np.zeros(0, bool))
    test_loss: float = math.nan
    test_score: float = math.nan
    best: KeepBest = field(default_factory=lambda: KeepBest("val_loss", highest="val_score"))
    best_test_loss: float = math.nan
    best_test_score: float = math.nan
    G: float = math.nan
    log10_ratio: float = math.nan
    steps: int = 0
    recent_losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    stopped: str = ""

    @property
    def diverged(self) -> bool:
        """Whether it ended in nan or inf, or far above where it started; a run that Ctrl-C ended did neither."""
        return bool(self.stopped) and not self.history.interrupted

    def over(self, steps: int) -> bool:
        """Whether it made the planned steps or ended by itself, not by Ctrl-C."""
        return self.steps == steps or not self.history.interrupted


@dataclass(eq=False)
class Comparison:
    """All runs of a configuration, seed by seed."""

    configuration: Configuration
    task: Task
    runs: list[Run] = field(default_factory=list)
    interrupted: bool = False

    def of_method(self, method: str) -> list[Run]:
        """The runs of one method, by seed."""
        return [run for run in self.runs if run.method == method]

    def by_method(self) -> list[list[Run]]:
        """The runs to compare, method by method; an interrupted one stays out where the method has other seeds."""
        grouped = [self.of_method(method) for method in self.configuration.methods]
        return [[run for run in runs if run.over(self.configuration.steps)] or runs for runs in grouped if runs]

    def n_learned(self, runs: list[Run]) -> int:
        """How many of the runs have learned the task, by their last parameters."""
        return sum(run.test_score >= self.task.learned for run in runs)


def compare(
    configuration: Configuration,
    task: Task,
    *,
    quiet: bool = False,
    after_run: Callable[[Comparison], None] | None = None,
    workers: int = 1,
    ended: Sequence[Run] = (),
) -> Comparison:
    """Train every method on every seed. `after_run` is called with what there is after each run, to save it.

    Ctrl-C ends it: the comparison then holds what was reached, unfinished runs included, and that is saved too.

    workers: how many runs go on at the same time, each in a process of its own that opens the configuration's task anew: the same
             numbers, bit for bit, in the same order
    ended:   the first runs, where a job goes on that was cut off behind them
    """
    comparison = Comparison(configuration, task, list(ended))
    seeds = range(configuration.first_seed, configuration.first_seed + configuration.seeds)
    todo = [(method, seed) for seed in seeds for method in configuration.methods][len(ended) :]
    runs = (
        _one_by_one(configuration, task, todo, quiet) if workers == 1 else _at_once(configuration, todo, quiet, workers)
    )
    try:
        for run in runs:
            comparison.runs.append(run)
            comparison.interrupted |= run.history.interrupted
            if after_run is not None:
                try:
                    after_run(comparison)
                except KeyboardInterrupt:  # the run is over, and no reason to lose it
                    after_run(comparison)
                    raise
    except KeyboardInterrupt:
        comparison.interrupted = True
    return comparison


def _one_by_one(
    configuration: Configuration, task: Task, todo: Sequence[tuple[str, int]], quiet: bool
) -> Iterator[Run]:
    """The runs one after another, up to one that is interrupted."""
    from threadpoolctl import threadpool_limits

    for method, seed in todo:
        # One BLAS thread: the matrices are small, and sums in another order would give other bits.
        with threadpool_limits(1, user_api="blas"):
            run = train(configuration, task, method, seed, quiet=quiet)
        yield run
        if run.history.interrupted:
            return


def _at_once(configuration: Configuration, todo: Sequence[tuple[str, int]], quiet: bool, workers: int) -> Iterator[Run]:
    """The runs in processes, in the same order."""
    progress = Progress(len(todo), f"runs, {workers} at a time", quiet=quiet)
    try:
        for done, run in enumerate(in_processes(_alone, [(configuration, *which) for which in todo], workers), 1):
            progress.update(done)
            yield run
    finally:
        progress.close()


def _alone(configuration: Configuration, method: str, seed: int) -> Run:
    """A run in a process of its own."""
    (run,) = _one_by_one(configuration, open_task(configuration), [(method, seed)], quiet=True)
    return run


@np.errstate(all="ignore")  # a run that goes too far is ended by name; what is measured on the way there may overflow
def train(configuration: Configuration, task: Task, method: str, seed: int, *, quiet: bool = False) -> Run:
    """One run. A loss or gradient that is nan or inf ends it, and so does Ctrl-C; the run then says so in `stopped`."""
    for_parameters, for_batches = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    net = make_net(configuration, task, for_parameters)
    step = Step(
        net,
        task.loss,
        make_optimizer(configuration, net),
        penalties=configuration.method(method).penalties(),
        loss_weight=configuration.of_loss,
        clip=configuration.clip or None,
        eager=configuration.eager,
        backend=configuration.backend,
    )
    run = Run(method, seed, configuration.method(method).label)
    gauge = Gauge(configuration, task, net)
    width = max(len(configuration.method(of).label) for of in configuration.methods)
    label = f"{run.name:<{width}}" + (f" seed {seed}" if configuration.seeds > 1 else "")
    if configuration.backend != "numpy":
        label += f" by {step.backend}"
    progress = Progress(configuration.steps, label, quiet=quiet)
    try:
        _loop(configuration, task, step, gauge, run, task.batches(for_batches), progress)
    except KeyboardInterrupt:
        run.history.interrupted = True
        run.stopped = f"interrupted after {run.steps} of {configuration.steps} steps"
    except FloatingPointError as error:
        run.stopped = f"stopped after {run.steps} of {configuration.steps} steps: {error}"
    finally:
        progress.close(run.stopped.partition(":")[0])
    try:
        _measure(run, task, net, gauge)
    except KeyboardInterrupt:  # the training is over, and no reason to lose it
        run.history.interrupted = True
        _measure(run, task, net, gauge)
    return run


def _measure(run: Run, task: Task, net: Module, gauge: Gauge) -> None:
    """Measure the run on all test examples, with the last parameters and with the best ones."""
    run.parameters = run.parameters or net.state_dict()
    net.load_state_dict(run.parameters)  # where Ctrl-C came in the middle, the best ones may be there
    run.G, run.log10_ratio, _ = gauge.read()
    run.test_loss, outputs = evaluate(net, task.loss, task.test.given(net), task.test.targets)
    run.right = task.right(outputs, task.test.targets)
    run.test_score = float(run.right.mean())
    run.stopped = run.stopped or _divergence(run)
    if not run.history.n_rows or run.steps != run.history["step"][-1]:  # between two records it may be at its best
        _record(run, task, net, gauge)
    if run.best.arrays and run.best.row["step"] == run.steps:  # the best parameters are the last ones
        run.best_test_loss, run.best_test_score = run.test_loss, run.test_score
    elif run.best.arrays:
        run.best.restore(net)
        run.best_test_loss, outputs = evaluate(net, task.loss, task.test.given(net), task.test.targets)
        run.best_test_score = task.score(outputs, task.test.targets)


def _validated(task: Task, net: Module) -> dict[str, float]:
    """Loss and score on the validation examples."""
    loss, outputs = evaluate(net, task.loss, task.validation.given(net), task.validation.targets)
    return {"val_loss": loss, "val_score": task.score(outputs, task.validation.targets)}


def make_optimizer(configuration: Configuration, net: Module) -> Optimizer:
    """The configuration's optimizer, at its rate or with its schedule."""
    return OPTIMIZERS[configuration.optimizer](net.parameters(), configuration.rate, backend=configuration.backend)


class Gauge:
    """Measures G and the adjoint norms on fixed validation examples, with the parameters as they are when it is read."""

    def __init__(self, configuration: Configuration, task: Task, net: Module) -> None:
        batch = task.validation.first(N_GAUGED)
        self.n, n_steps = batch.inputs.shape[:2]
        counts = np.ones((n_steps, self.n), bool) if batch.mask is None else batch.mask.T
        self.order = np.argsort(counts, axis=0, kind="stable")  # padding first: each sequence ends at T
        self.n_padded = n_steps - counts.sum(axis=0)
        outputs, states = outputs_and_states(net, mapped(partial(Input, name="inputs"), batch.given(net)))
        loss = task.loss(outputs, Input(batch.targets, "targets"))
        (penalty,) = configuration.method("exact").penalties()
        assert isinstance(penalty, penalties.Penalty)  # --penalty names those on adjoints
        self.graph = Graph(penalty.measure(loss, states), *penalties.adjoints(loss, states))

    def read(self) -> tuple[float, float, Array]:
        """G; log10 ‖λ_1‖/‖λ_T‖; ‖λ_t‖ for t = 1..T: norms of each example's own adjoint, averaged over the examples.

        Padding is left out: sequences of differing lengths end together at T, and the mean is over those that have begun; nan
        before the first does. λ_1 is that of each example's own first step.
        """
        G, *adjoints = self.graph.fprop()
        norms = np.array([np.linalg.norm(np.asarray(a, np.float64) * self.n, axis=1) for a in adjoints])
        norms = np.take_along_axis(norms, self.order, axis=0)
        first = norms[self.n_padded, np.arange(self.n)].mean()
        begun = np.arange(len(norms))[:, np.newaxis] >= self.n_padded
        sums, n_begun = np.where(begun, norms, 0).sum(axis=1), begun.sum(axis=1)
        means = np.divide(sums, n_begun, out=np.full(len(norms), math.nan), where=n_begun > 0)
        return float(G), log10_ratio(first, means[-1]), means


def log10_ratio(first: float, last: float) -> float:
    """log10(first/last): -inf where nothing reaches the first state, nan where there is nothing to compare."""
    if not last > 0 or math.isnan(first):
        return math.nan
    return math.log10(first) - math.log10(last) if first > 0 else -math.inf


def _divergence(run: Run) -> str:
    """In words, if the loss ended far above where it started; else empty."""
    start, end = run.history["val_loss"][0], run.history["train_loss"][-1]
    if end <= DIVERGED * start and math.isfinite(run.test_loss):
        return ""
    return f"diverged after {run.steps} steps: the loss was {start:.3g} at the start, at the end {end:.3g} in training and {run.test_loss:.3g} in the test"


def _loop(
    configuration: Configuration,
    task: Task,
    step: Step,
    gauge: Gauge,
    run: Run,
    stream: Iterator[Batch],
    progress: Progress,
) -> None:
    """All steps, with a record before the first, at every `record_every`-th, and after the last planned one.

    In between the first two the adjoints alone are recorded, densely: a record costs ten times that, as it validates.
    """
    score = _record(run, task, step.model, gauge)
    for _ in range(configuration.steps):
        started = time.process_time()
        batch = next(stream)
        run.recent_losses.append(step(batch.given(step.model), batch.targets)["loss"])
        run.seconds += time.process_time() - started
        run.steps += 1
        loss = run.recent_losses[-1]
        if run.steps % configuration.record_every == 0 or run.steps == configuration.steps:
            score = _record(run, task, step.model, gauge)
        elif run.steps < configuration.record_every and str(run.steps).rstrip("0") in ("1", "2", "5"):
            run.adjoints.append((run.steps, gauge.read()[-1]))
        progress.update(run.steps, loss=loss, val_score=score)


def _record(run: Run, task: Task, net: Module, gauge: Gauge) -> float:
    """Add a row to the history and the adjoint norms to their list; gives the score on the validation examples."""
    G, ratio, norms = gauge.read()
    validated = _validated(task, net)
    losses = run.recent_losses
    run.history.append(
        method=run.method,
        seed=run.seed,
        step=run.steps,
        train_loss=math.fsum(losses) / len(losses) if losses else math.nan,
        **validated,
        G=G,
        log10_ratio=ratio,
    )
    if not run.adjoints or run.adjoints[-1][0] != run.steps:
        run.adjoints.append((run.steps, norms))
    run.best(net, run.history)
    run.recent_losses = []
    return validated["val_score"]
