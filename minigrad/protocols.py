"""NumPy's two protocols on nodes: what np.tanh(node) and np.sum(node) come to, with NumPy's arguments in all their forms.

A call goes to the answer of the table as it is. Where its arguments do not fit, those that NumPy's own signature gives as
defaults are left out; an error says what to write for the others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from minigrad.dispatch import ADVICE, NOT_GIVEN, TABLE, spelling
from minigrad.signatures import parameters

WAYS_OUT = {  # what to write instead of arguments that NumPy has and nodes do not
    "out": "Nodes do not change, so there is no out=: use the result.",
    "where": "There is no where=: choose with np.where(condition, result, otherwise).",
    "dtype": "There is no dtype= here: write x.astype(dtype).",
    "casting": "There is no casting= here: write x.astype(dtype).",
    "order": "There is no order= here: nodes have no layout in memory to choose.",
    "signature": "There is no signature=: write x.astype(dtype).",
    "axes": "There is no axes= here: write np.moveaxis before and after.",
}
IN_PLACE = {  # the operators by which Python writes into an array
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.floor_divide: "//", np.remainder: "%", np.power: "**",
    np.matmul: "@", np.bitwise_and: "&", np.bitwise_or: "|", np.bitwise_xor: "^", np.left_shift: "<<", np.right_shift: ">>",
}  # fmt: skip
UFUNC_DEFAULTS = {
    "out": None, "where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True, "signature": None
}  # fmt: skip
UNTOLD = {np.concatenate: ("arrays", "axis", "out")}  # NumPy tells positions of what is written in C from 2.4 on


# The protocols -------------------------------------------------------------------------------------------------------


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """NumPy's `__array_ufunc__` protocol: `np.tanh(node)`, `np.add.reduce(node)`, and SciPy's ufuncs."""
    if method == "__call__":
        if "out" in keywords:
            _refuse_in_place(ufunc, inputs, keywords["out"])
        return call_function(ufunc, inputs, keywords)
    if method == "at":
        raise TypeError(f"{spelling(ufunc)}.at works in place, and nodes do not change: write x.at[index].add(value)")
    return _answered(f"{spelling(ufunc)}.{method}", TABLE[method], (ufunc, *inputs), keywords, UFUNC_DEFAULTS, ())


def _refuse_in_place(ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any) -> None:
    """TypeError for `array -= node`, which NumPy calls as np.subtract(array, node, out=array)."""
    target = out[0] if isinstance(out, tuple) else out
    if ufunc in IN_PLACE and target is inputs[0] and isinstance(target, np.ndarray):
        sign = IN_PLACE[ufunc]
        change = "0.01 * g.value" if sign in "+-" else "g.value"
        raise TypeError(
            f"array {sign}= node would write a node into an array. W.value is an array: to change it, outside the graph, write "
            f"W.value = W.value {sign} {change}; to go on with nodes, a = a {sign} g"
        )


def call_function(function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """NumPy's `__array_function__` protocol: the answer registered for the function, or an error that says what to do."""
    answer = TABLE.get(function)
    if answer is None or "axes" in keywords:
        answer = TABLE.get(spelling(function) + "(axes=)" * ("axes" in keywords), answer)
    if answer is None:
        raise TypeError(f"{spelling(function)} is not supported on nodes: {ADVICE.get(function) or _outside(function)}")
    while arguments and arguments[-1] is NOT_GIVEN:
        arguments = arguments[:-1]
    if keywords:
        keywords = {name: value for name, value in keywords.items() if value is not NOT_GIVEN}
    try:
        return answer(*arguments, **keywords)
    except TypeError:
        if _misfit(answer, arguments, keywords) is None:
            raise
    if isinstance(function, np.ufunc):
        return _answered(spelling(function), answer, arguments, keywords, UFUNC_DEFAULTS, ())
    defaults, positions = _numpys_parameters(function)
    return _answered(spelling(function), answer, arguments, keywords, {**UFUNC_DEFAULTS, **defaults}, positions)


def _outside(function: Any) -> str:
    return (
        f"outside the graph, without gradient, {spelling(function)} takes x.value; inside, compose it of functions that nodes "
        "have (mg.operations() lists the operations)"
    )


# Arguments -----------------------------------------------------------------------------------------------------------


def _answered(
    name: str,
    answer: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    defaults: Mapping[str, Any],
    positions: tuple[str, ...],
) -> Any:
    """Call the answer without the arguments that were given as NumPy's defaults and that it does not take.

    positions: the names of NumPy's positional parameters
    """
    known = _parameters(answer)
    count = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in known.values())
    given = dict(keywords)
    if not any(p.kind is p.VAR_POSITIONAL for p in known.values()):
        given = {**dict(zip(positions[count:], arguments[count:], strict=False)), **given}
        arguments = arguments[: max(count, len(arguments) - len(positions[count:]))]
    kept = {
        keyword: value
        for keyword, value in given.items()
        if keyword in known or not (_idle(keyword, value) or (keyword in defaults and _same(value, defaults[keyword])))
    }
    if "casting" not in known and "dtype" not in kept:  # there is nothing to cast
        kept.pop("casting", None)
    misfit = _misfit(answer, arguments, kept)
    if misfit is not None:
        ways = " ".join(WAYS_OUT[keyword] for keyword in kept if keyword in WAYS_OUT and keyword not in known)
        raise TypeError(f"{name} on nodes: {misfit}. {ways}".rstrip())
    return answer(*arguments, **kept)


def _idle(keyword: str, value: Any) -> bool:
    """Whether an argument asks for nothing that a node could have otherwise: its layout is none but NumPy's own."""
    if keyword == "order":
        return value in ("C", "A", "K")
    return keyword in ("subok", "copy") or (keyword == "device" and value in (None, "cpu"))


def _same(value: Any, default: Any) -> bool:
    """Whether a value is the default; an array never is."""
    return value is default or (type(value) is type(default) and isinstance(value, str | int) and value == default)


def _misfit(answer: Callable[..., Any], arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> TypeError | None:
    """Python's error where a call does not fit the answer's parameters."""
    try:
        inspect.signature(answer).bind(*arguments, **keywords)
    except TypeError as error:
        return error
    return None


@cache
def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


@cache
def _numpys_parameters(function: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The defaults of a NumPy function, and the names of its positional parameters, as far as they are known."""
    known = parameters(function)
    defaults = {name: p.default for name, p in known.items() if p.default is not p.empty}
    positions = [name for name, p in known.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return defaults, tuple(positions) or UNTOLD.get(function, ())
