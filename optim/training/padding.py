"""Padding: the mask that lengths of sequences come to, and who of model and loss takes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from inspect import Parameter
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.models import Module
from minigrad.models.layers import takes
from minigrad.node import Array
from minigrad.optim.training.examples import Examples
from minigrad.signatures import parameters

BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def input_name(model: Module) -> str:
    """What the model calls its first input: a Sequential x, a recurrent layer u."""
    return next((name for name, argument in parameters(model.forward).items() if argument.kind in BY_NAME), "x")


def takes_mask(model: Module) -> bool:
    """Whether forward has an argument mask, and so has `states` of a model that gives them itself."""
    return takes(model, "mask") and (not hasattr(model, "states") or "mask" in parameters(model.states))


def masked(model: Module, examples: Examples, lengths: npt.ArrayLike) -> Examples:
    """The examples with their lengths, and for a model that takes a mask and has none with that of the lengths.

    Errors: `Examples.with_lengths`. RuntimeWarning where the model takes no mask, so that it reads the padding
    """
    known = examples.with_lengths(lengths)
    inputs = examples.inputs
    if isinstance(inputs, tuple) or (isinstance(inputs, dict) and "mask" in inputs):
        return known
    mask = _mask(examples, lengths)
    if takes_mask(model):
        by_name = inputs if isinstance(inputs, dict) else {input_name(model): inputs}
        return Examples({**by_name, "mask": mask}, known.targets, known.options, known.lengths)
    if not isinstance(inputs, dict) and _is_read(inputs, mask):
        name = type(model).__name__
        _warn(
            f"{name}.forward takes no mask, so {name} reads the padding like other time steps: give forward an argument mask"
        )
    return known


def with_targets_masked(
    loss: Callable[..., Any], examples: Examples, lengths: npt.ArrayLike, outputs: Callable[[Examples], Any]
) -> Examples:
    """The examples with the lengths' mask for the loss, where outputs and targets are of time steps and it was given none.

    outputs: computes the outputs of a few examples. RuntimeWarning where the loss takes no mask, so that the padding counts
    """
    mask, targets = _mask(examples, lengths), examples.targets
    if "mask" in examples.options or not isinstance(targets, np.ndarray) or targets.shape[:2] != mask.shape:
        return examples
    found = outputs(examples.take(np.arange(min(len(examples), 2))))
    if not isinstance(found, np.ndarray) or found.ndim < 3 or found.shape[1] != mask.shape[1]:
        return examples
    if takes(loss, "mask") if isinstance(loss, Module) else "mask" in parameters(loss):
        return Examples(examples.inputs, targets, {**examples.options, "mask": mask}, examples.lengths)
    if _is_read(targets, mask):
        _warn(
            f"the loss {getattr(loss, '__name__', type(loss).__name__)} takes no mask, so padded time steps count in it: write a "
            "function of (outputs, targets, *, mask)"
        )
    return examples


def _mask(examples: Examples, lengths: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which time steps are no padding, (examples, time)."""
    n_steps = next(iter(examples.arrays().values())).shape[1]
    return np.arange(n_steps) < np.asarray(lengths)[:, np.newaxis]


def _is_read(array: Array, mask: npt.NDArray[np.bool_]) -> bool:
    """Whether there is padding that would be read unnoticed: nan is looked for elsewhere."""
    padding = array[~mask]
    return padding.size > 0 and not (padding.dtype.kind == "f" and bool(np.isnan(padding).all()))


def _warn(what: str) -> None:
    warnings.warn(f"fit(lengths): {what}", RuntimeWarning, stacklevel=6)
