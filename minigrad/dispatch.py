"""The table from NumPy's functions to the operations that answer them on nodes.

The modules of `minigrad.ops` fill it; Python's operators, the methods of nodes and NumPy's two protocols look things up
in it. So nothing below the operations needs to import them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from minigrad.node import Node

Answer = TypeVar("Answer", bound=Callable[..., Any])

TABLE: dict[Any, Callable[..., Node]] = {}  # a NumPy function, or the name of a method NumPy has no function for
ADVICE: dict[Any, str] = {}  # what to write instead of a function that is not answered
WAYS_OUT = {  # what to write instead of keywords NumPy has and nodes do not
    "out": "Nodes do not change, so there is no out=: use the result.",
    "where": "There is no where=: choose with np.where(condition, result, otherwise).",
    "dtype": "There is no dtype= here: write x.astype(dtype).",
    "initial": "There is no initial=: combine the result with it.",
    "casting": "There is no casting=: write x.astype(dtype).",
    "order": "There is no order=: nodes have no layout in memory to choose.",
}


def answers(*functions: Any) -> Callable[[Answer], Answer]:
    """Decorator: this operation or function is what the given NumPy functions (or methods, by name) mean on nodes."""

    def register(answer: Answer) -> Answer:
        for function in functions:
            TABLE[function] = answer
        return answer

    return register


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """NumPy's `__array_ufunc__` protocol: `np.tanh(node)` and everything like it."""
    if method == "at":
        raise TypeError(f"np.{ufunc.__name__}.at works in place, and nodes do not change: write x.at[index].add(value)")
    if method != "__call__":
        raise TypeError(
            f"np.{ufunc.__name__}.{method} is not supported on nodes: write the function that does it (np.sum, np.prod, "
            "np.cumsum, np.outer), or operators"
        )
    return call_function(ufunc, inputs, keywords)


def call_function(function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """NumPy's `__array_function__` protocol: the answer registered for the function, or an error that says what to do."""
    answer = TABLE.get(function)
    if answer is None:
        advice = ADVICE.get(function, "compose it from functions that are (minigrad.operations() lists the operations)")
        raise TypeError(f"{spelling(function)} is not supported on nodes: {advice}")
    given = {keyword: value for keyword, value in keywords.items() if value is not None or keyword not in WAYS_OUT}
    try:
        return answer(*arguments, **given)
    except TypeError:
        _check_fit(function, answer, arguments, given)
        raise


def _check_fit(function: Any, answer: Callable[..., Any], arguments: tuple[Any, ...], given: dict[str, Any]) -> None:
    """Raise the error that explains arguments which the answer does not take; reached only after a failed call."""
    try:
        inspect.signature(answer).bind(*arguments, **given)
    except TypeError as misfit:
        ways = " ".join(WAYS_OUT[keyword] for keyword in given if keyword in WAYS_OUT)
        raise TypeError(f"{spelling(function)} on nodes: {misfit}. {ways}".rstrip()) from None


def spelling(function: Any) -> str:
    """The name a user knows a NumPy function by: np.linalg.norm."""
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    return f"{module}.{function.__name__}"
