"""What `fit` is given, looked at before anything is trained: wrong arguments are errors that say what to write."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.models import Module
from minigrad.node import Input, Node
from minigrad.optim.training.broadcasting import refuse_all_pairs
from minigrad.optim.training.callbacks import Callback
from minigrad.optim.training.evaluation import Metric, copies, outputs_of, predict, put_back, takes
from minigrad.optim.training.examples import Examples, first_bad
from minigrad.optim.training.padding import input_name, masked, takes_mask, with_targets_masked
from minigrad.optim.training.step import Step


def check_watched(callbacks: Sequence[Any], columns: Sequence[str]) -> None:
    """ValueError where a callback watches a column that there will not be: after the first epoch would be too late."""
    for callback in callbacks:
        watched = getattr(callback, "watched", ())
        for name in (watched,) if isinstance(watched, str) else watched:
            if name not in columns:
                hint = ": pass validation=" if name.startswith("val_") and "val_loss" not in columns else ""
                raise ValueError(
                    f"callbacks: {type(callback).__name__} watches {name!r}, and the history has {', '.join(columns)}{hint}"
                )


def without_padding(step: Step, examples: Examples, lengths: npt.ArrayLike) -> Examples:
    """The examples with masks for model and loss, as far as these take them."""

    def outputs(few: Examples) -> Any:
        before = copies(step.states)
        try:
            return predict(step.model, few.inputs)
        finally:
            put_back(before)

    return with_targets_masked(step.loss, masked(step.model, examples, lengths), lengths, outputs)


def validation_examples(given: Any, step: Step) -> Examples:
    """(inputs, targets) or (inputs, targets, {"mask": mask}), as a user hands them in; "lengths" become masks."""
    what = "the validation's inputs and targets"
    parts = tuple(given) if isinstance(given, tuple | list) else ()
    if len(parts) not in (2, 3) or not isinstance(parts[-1] if len(parts) == 3 else {}, Mapping):
        raise TypeError(
            "validation: expected (inputs, targets), (inputs, targets, {'mask': mask}) with what the loss takes by name, or a "
            f"fraction of the examples, found {type(given).__name__}{f' of {len(parts)}' if parts else ''}"
        )
    options = dict(parts[2]) if len(parts) == 3 else {}
    lengths = options.pop("lengths", None)
    if not options.keys() <= {"mask", "weights"}:
        raise ValueError(
            f"validation: a loss takes mask and weights by name, found {', '.join(map(str, options))} (lengths are masked too)"
        )
    held = Examples.of("validation", *parts[:2], **options).checked(what)
    return held if lengths is None else without_padding(step, held, lengths)


def check_finite(step: Step, examples: Examples, what: str, batch_size: int) -> None:
    """ValueError where the data hold nan or inf that reaches the loss or its gradient; what is masked does not."""
    rows, sentence = first_bad(examples)
    if not rows.size:
        return
    sound = np.setdiff1d(np.flatnonzero(examples.counts()), rows)
    one = sound[:1]  # with it there is something to take the mean of
    why = step.refuses(examples.take(np.concatenate([rows[:batch_size], one])))
    if not why and len(rows) > batch_size:
        why = step.refuses(examples.take(np.concatenate([rows, one])), gradient=False)
    if not why or (sound.size and step.refuses(examples.take(sound[:batch_size]))):
        return  # or there is another fault, which the first batch tells of
    masks = "mask= for targets"
    if takes_mask(step.model):
        name = input_name(step.model)
        masks += f", and for sequences lengths=, or the inputs {{'{name}': {name}, 'mask': mask}}"
    raise ValueError(
        f"{what}: {sentence}, and {why}: drop these examples, fill in what is missing, or leave it out by a mask ({masks})"
    )


def check_last(model: Module, examples: Examples, batch_size: int, drop_last: bool) -> None:
    """ValueError where the last batch has a single example, and a layer with running statistics refuses that in training."""
    n = len(examples)
    if drop_last and n < batch_size:
        raise ValueError(
            f"drop_last leaves none of {n} examples in batches of {batch_size}: choose a smaller batch_size"
        )
    if drop_last or n % batch_size != 1 or all(parameter.trainable for parameter in model.parameters()):
        return
    try:
        twin = copy.deepcopy(model)  # whose states and generators the question does not change
    except TypeError:  # what cannot be copied is not asked
        return
    try:
        with np.errstate(all="ignore"):
            outputs_of(twin.train(), examples.take(np.zeros(1, np.intp)).inputs)
    except ValueError as error:
        raise ValueError(
            f"{n} examples in batches of {batch_size} leave one over, which the model refuses: write drop_last=True, which "
            f"leaves out another one in every epoch, or take another batch_size ({error})"
        ) from error


def check_metrics(step: Step, metrics: Mapping[str, Metric], examples: Examples) -> None:
    """ValueError where a metric of one's own compares examples with others, seen on two examples as nodes.

    Where outputs and targets have one shape, without axes of length 1, or targets are classes, there is little to go wrong, and
    nothing is asked.
    """
    few = examples.take(np.arange(min(len(examples), 2)))
    if not metrics or not isinstance(few.targets, np.ndarray):
        return
    before = copies(step.states)
    outputs = predict(step.model, few.inputs)
    put_back(before)
    if not isinstance(outputs, np.ndarray):
        return
    one_shape = outputs.shape == few.targets.shape and 1 not in outputs.shape[1:]
    classes = outputs.size != few.targets.size and few.targets.dtype.kind != "f"
    if one_shape or classes:
        return
    given = {"outputs": outputs, "targets": few.targets, **few.options}
    nodes = {name: Input(array, name) for name, array in given.items()}
    for name, metric in metrics.items():
        options = {key: nodes[key] for key in few.options if takes(metric, key)}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: Any = metric(nodes["outputs"], nodes["targets"], **options)
        except Exception:
            continue
        if isinstance(found, Node):
            refuse_all_pairs(found, nodes, f"the metric {name}")


def metrics_by_name(metrics: Sequence[Metric] | Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics by name; TypeError for what is none, before anything is trained."""
    if not isinstance(metrics, Sequence | Mapping) or isinstance(metrics, str):
        raise TypeError(
            f"metrics={metrics!r}: pass a list of functions, such as [metrics.accuracy], or a dict of them by name"
        )
    for metric in metrics.values() if isinstance(metrics, Mapping) else metrics:
        if not callable(metric):
            raise TypeError(
                f"metrics: {metric!r} is no function of (outputs, targets), such as minigrad.models.metrics.accuracy"
            )
    if isinstance(metrics, Mapping):
        return dict(metrics)
    return {getattr(metric, "__name__", type(metric).__name__): metric for metric in metrics}


def check_numbers(**numbers: Any) -> None:
    """TypeError or ValueError unless each is an integer of at least 1."""
    for name, number in numbers.items():
        if not hasattr(number, "__index__"):
            raise TypeError(f"{name}={number!r}: expected an integer, found {type(number).__name__}")
        if number < 1:
            raise ValueError(f"{name}={number!r}: at least 1")


def check_flags(**flags: Any) -> None:
    """TypeError unless each is True or False."""
    for name, flag in flags.items():
        if not isinstance(flag, bool | int | np.bool_):
            raise TypeError(f"{name}={flag!r}: expected True or False, found {type(flag).__name__}")


def generator_of(rng: Any) -> np.random.Generator:
    """The generator, or one that begins with that number."""
    try:
        return np.random.default_rng(rng)
    except TypeError:
        raise TypeError(f"rng={rng!r}: expected an integer, or a generator, np.random.default_rng(0)") from None


def takes_two(function: Callable[..., Any]) -> bool:
    """Tell whether a function can be called with two arguments, as far as it says what it takes."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # as some of C have none
        return True
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return True


def check_callbacks(callbacks: Any) -> None:
    """TypeError unless it is a list of functions."""
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise TypeError(
            f"callbacks={callbacks!r}: pass a list of functions of (model, history), [{getattr(callbacks, '__name__', 'callback')}]"
        )
    for callback in callbacks:
        if isinstance(callback, type) or not (callable(callback) or isinstance(callback, Callback)):
            raise TypeError(f"callbacks: {callback!r} is neither a function of (model, history) nor a Callback")
        if not isinstance(callback, Callback) and not takes_two(callback):
            name = getattr(callback, "__name__", type(callback).__name__)
            raise TypeError(
                f"callbacks: {name} cannot be called as {name}(model, history): write a function of these two"
            )
