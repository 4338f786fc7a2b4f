"""Metrics: numbers that say how good outputs are, computed outside the graph: nothing is trained by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minigrad.models.inputs import array_of, check_indices, index_advice
from minigrad.node import Node

if TYPE_CHECKING:
    from minigrad.node import Array
    from minigrad.operators import Operand


def accuracy(outputs: Operand, class_indices: Operand, *, mask: Operand | None = None) -> float:
    """The fraction of examples whose largest output is that of their class (a tie goes to the first). A row with nan is wrong.

    outputs (batch, n_classes), logits or probabilities; class_indices (batch,). Arrays or nodes, with any number of axes
    between, as time. mask (batch,) holds booleans: only the examples, or time steps, where it is True count.

    Errors: IndexError for a class that there is no output of, among the examples that count.
    """
    return float(np.mean(_right("accuracy", outputs, class_indices, mask)))


def classification_error(outputs: Operand, class_indices: Operand, *, mask: Operand | None = None) -> float:
    """The mean of 1[argmax f ≠ y], which is 1 − accuracy; arguments as there.

    It is piecewise constant and so cannot be trained: the loss is a surrogate. −log2 f_y, the cross-entropy divided by
    ln 2, is never below it, since a wrong example has f_y ≤ 1/2; the natural logarithm can be (0.69 against 1).
    """
    return float(np.mean(~_right("classification_error", outputs, class_indices, mask)))


def confusion_matrix(outputs: Operand, class_indices: Operand, *, mask: Operand | None = None) -> Array:
    """Count, (n_classes, n_classes): in row i and column j how many examples of class i have their largest output at j.

    Arguments as in `accuracy`, which is the sum of the diagonal over that of all; here nan is refused.
    """
    given, indices = _counted("confusion_matrix", outputs, class_indices, mask)
    if np.isnan(given).any():
        raise ValueError("confusion_matrix: an output is nan, so its example has no largest one")
    n = given.shape[-1]
    counts: Array = np.bincount(indices * n + given.argmax(axis=-1), minlength=n * n).reshape(n, n)
    return counts


class ClassScores(NamedTuple):
    """Precision, recall and F1 of each class, (n_classes,) each; `macro_f1` is the mean F1 of the classes that occur or are found."""

    precision: Array
    recall: Array
    f1: Array
    macro_f1: float


def class_scores(outputs: Operand, class_indices: Operand, *, mask: Operand | None = None) -> ClassScores:
    """Measure precision, right / found as that class; recall, right / there are; F1 = 2 p r / (p + r). Arguments as in `accuracy`.

    0/0 is 0: a class that is never found has precision 0, one that does not occur recall 0, and both F1 0 (scikit-learn's rule).
    """
    counts = confusion_matrix(outputs, class_indices, mask=mask)
    right, found, there = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    precision, recall = right / np.maximum(found, 1), right / np.maximum(there, 1)
    f1 = 2 * right / np.maximum(found + there, 1)
    return ClassScores(precision, recall, f1, float(f1[found + there > 0].mean()))


Tags = Sequence[Sequence[str]]  # of sentences


def entity_scores(found: Tags, expected: Tags) -> dict[str, float]:
    """Measure precision, recall and F1 of entities: one is right if its kind, its first and its last word all are. Keys as named.

    Tags are "O" (no entity), "B-PER" (the first word of one) and "I-PER" (a further word, or the first one where no entity of that
    kind goes on): the reading of conlleval, the script of the CoNLL tasks, for BIO and IOB1. Found or expected nothing: 0.

    Errors: ValueError where sentences differ in number or length; for a tag of another form.

    Source: E. Tjong Kim Sang and F. De Meulder, Introduction to the CoNLL-2003 shared task, 2003.

    >>> from minigrad.models.metrics import entity_scores
    >>> scores = entity_scores([["I-PER", "I-PER", "O", "I-LOC"]], [["I-PER", "I-PER", "O", "O"]])
    >>> scores["precision"], scores["recall"], round(scores["f1"], 4)
    (0.5, 1.0, 0.6667)
    """
    if [len(s) for s in found] != [len(s) for s in expected]:
        raise ValueError(
            f"entity_scores: {len(found)} sentences of {sum(map(len, found))} words found, {len(expected)} of "
            f"{sum(map(len, expected))} expected: give a tag for every word, sentence by sentence"
        )
    pairs = [(set(entities(a)), set(entities(b))) for a, b in zip(found, expected, strict=True)]
    right, n_found, n_expected = (
        (sum(map(len, sets)) for sets in zip(*[(a & b, a, b) for a, b in pairs], strict=True)) if pairs else (0, 0, 0)
    )
    return {
        "precision": right / max(n_found, 1),
        "recall": right / max(n_expected, 1),
        "f1": 2 * right / max(n_found + n_expected, 1),
    }


def entities(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Find the entities of one sentence: first word, the word behind the last, kind."""
    spans: list[tuple[int, int, str]] = []
    begun, kind = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        mark, _, name = tag.partition("-")
        if not (tag == "O" or (mark in ("B", "I") and name)):
            raise ValueError(f'entities: the tag {tag!r}: expected "O", "B-" or "I-" and a kind, as "I-PER"')
        if kind and (mark != "I" or name != kind):
            spans.append((begun, i, kind))
            kind = ""
        if name and not kind:
            begun, kind = i, name
    return spans


def root_mean_squared_error(outputs: Operand, targets: Operand, *, mask: Operand | None = None) -> float:
    """√(mean (f − y)²), in the unit of the targets; outputs and targets of one shape. mask: which entries, or time steps, count."""
    return float(np.sqrt(np.mean(np.square(_differences("root_mean_squared_error", outputs, targets, mask)))))


def mean_absolute_scaled_error(
    outputs: Operand, targets: Operand, training_series: Operand, *, period: int = 1
) -> float:
    """mean |f − y| over the mean |x_t − x_{t−period}| in the training series: below 1 is better than repeating the past.

    outputs, targets: of one shape;  training_series: (time,);  period: 1 for the naive forecast, 12 for months of a year

    Errors: ValueError where the training series is no longer than the period, or constant.

    Source: R. Hyndman and A. Koehler, Another look at measures of forecast accuracy, International journal of forecasting, 2006.
    """
    series = _array("mean_absolute_scaled_error", training_series).astype(np.float64)
    if series.ndim != 1 or not 1 <= period < len(series):
        raise ValueError(
            f"mean_absolute_scaled_error: expected a training series (time,) longer than the period {period}, found {series.shape}"
        )
    scale = float(np.mean(np.abs(series[period:] - series[:-period])))
    if not scale > 0:
        raise ValueError(
            "mean_absolute_scaled_error: the training series repeats itself without an error, so nothing scales"
        )
    return float(np.mean(np.abs(_differences("mean_absolute_scaled_error", outputs, targets, None)))) / scale


def _differences(metric: str, outputs: Operand, targets: Operand, mask: Operand | None) -> Array:
    """Outputs less targets, where they count; nan goes through."""
    given, wanted = _array(metric, outputs), _array(metric, targets)
    if given.shape != wanted.shape or given.size == 0:
        raise ValueError(
            f"{metric}: expected outputs and targets of one shape, not empty, found {given.shape} and {wanted.shape}"
        )
    differences: Array = given.astype(np.float64) - wanted
    if mask is None:
        return differences
    counts = _array(metric, mask)
    if counts.dtype.kind != "b" or counts.shape != given.shape[: counts.ndim] or not counts.any():
        raise ValueError(
            f"{metric}: expected a mask of booleans of shape {given.shape}, or of its first axes, not all False, found {counts.dtype} "
            f"of shape {counts.shape}"
        )
    kept: Array = differences[counts]
    return kept


def _right(metric: str, outputs: Operand, class_indices: Operand, mask: Operand | None) -> Array:
    """Whether each example that counts is classified rightly."""
    given, indices = _counted(metric, outputs, class_indices, mask)
    right: Array = (given.argmax(axis=-1) == indices) & ~np.isnan(given).any(axis=-1)
    return right


def _counted(metric: str, outputs: Operand, class_indices: Operand, mask: Operand | None) -> tuple[Array, Array]:
    """Outputs and class indices of the examples that count, (n, n_classes) and (n,)."""
    given, indices = _array(metric, outputs), _array(metric, class_indices)
    if given.ndim < 2 or given.shape[:-1] != indices.shape or 0 in given.shape or given.shape[-1] == 1:
        advice = index_advice(indices, given.shape)
        if given.size == indices.size > 0 and (given.ndim < 2 or given.shape[-1] == 1):
            advice = (
                f": of one logit z per example (of a probability, z = p - 0.5) and targets y of 0 and 1 write {metric}(np.stack(["
                "np.zeros(z.size), z.ravel()], axis=-1), y.ravel().astype(int))"
            )
        raise ValueError(
            f"{metric}: expected outputs (batch, n_classes) of two classes or more, and class indices (batch,), neither empty, "
            f"found shapes {given.shape} and {indices.shape}{advice}"
        )
    if indices.dtype.kind not in "iu":
        advice = index_advice(indices, given.shape)
        raise TypeError(f"{metric}: expected integer class indices, found {indices.dtype}{advice}")
    counts = np.ones(indices.shape, bool) if mask is None else _array(metric, mask)
    if counts.dtype.kind != "b" or counts.shape != indices.shape or not counts.any():
        raise ValueError(
            f"{metric}: expected a mask of booleans of shape {indices.shape}, not all False, found {counts.dtype} of shape "
            f"{counts.shape} with {np.count_nonzero(counts)} that count"
        )
    given, indices = given[counts], indices[counts]
    check_indices(indices, given.shape[-1], "outputs per example")
    return given, indices.astype(np.intp)


def _array(metric: str, given: Operand) -> Array:
    return given.value if isinstance(given, Node) else array_of(metric, given)
