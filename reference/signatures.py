"""How things are called and found: signatures without type hints, the programs that make an operation, source files."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import ops
from minigrad.dispatch import NOT_GIVEN, TABLE, spelling
from minigrad.operators import Operators
from minigrad.ops.indexing import Place

ROOT = Path(__file__).parents[1]


def call(thing: Any, name: str = "", skip: int = 0) -> str:
    """How a class or function is called: `Dense(n_inputs, n_outputs, activation=None, *, bias=True)`."""
    parameters = list(inspect.signature(thing).parameters.values())[skip:]
    written: list[str] = []
    for k, parameter in enumerate(parameters):
        kind, before = parameter.kind, parameters[k - 1].kind if k else None
        if kind is parameter.KEYWORD_ONLY and before not in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL):
            written.append("*")
        stars = "*" * ((kind is parameter.VAR_POSITIONAL) + 2 * (kind is parameter.VAR_KEYWORD))
        default = "" if parameter.default is parameter.empty else f"={_default(parameter.default)}"
        written.append(f"{stars}{parameter.name}{default}")
    return f"{name or thing.__name__}({', '.join(written)})"


def _default(value: Any) -> str:
    if value is NOT_GIVEN:
        return "np._NoValue"
    if isinstance(value, np.ufunc) or (isinstance(value, type) and issubclass(value, np.generic)):
        return f"np.{value.__name__}"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def source(thing: Any) -> str:
    """A link from a page to the file a module, class or function is written in."""
    path = Path(inspect.getsourcefile(thing) or "").resolve().relative_to(ROOT).as_posix()
    return f"[`{path}`](../{path})"


@cache
def spellings() -> dict[str, Any]:
    """What a program writes, with what answers it: NumPy's functions, operators and methods of nodes, minigrad's own."""
    found = {spelling(key): TABLE[key] for key in TABLE if not isinstance(key, str)}
    for name, method in vars(Operators).items():
        function = method.fget if isinstance(method, property) else method
        if isinstance(function, FunctionType) and (key := _key(function.__code__)) not in (None, "at"):
            found[_written(name, isinstance(method, property))] = TABLE[key]
    methods = {name: member for name, member in public_members(Place).items() if not isinstance(member, property)}
    found.update({f"x.at[b].{name}()": method for name, method in methods.items()})
    for prefix, module in (("mg.", mg), ("mg.ops.", ops)):
        made = {kind for answer in found.values() for kind in operations_of(answer)}
        for name, function in sorted(vars(module).items()):
            if function in found.values() or not _gives_a_node(function):
                continue
            kinds = operations_of(function)
            if module is mg or not kinds or not made.issuperset(kinds):  # what NumPy's names make needs no second one
                found[prefix + name] = function
    return {name: answer for name, answer in found.items() if answer.__module__.startswith("minigrad.")}


def operations_of(answer: Any) -> list[type[mg.Operation]]:
    """The operations a function makes by itself (not by way of another function); of an operation that one."""
    if isinstance(answer, type):
        return [answer]
    named = [answer.__globals__.get(name) for name in _names(answer.__code__)]
    return [thing for thing in named if inspect.isclass(thing) and issubclass(thing, mg.Operation)]


def _gives_a_node(function: Any) -> bool:
    return (
        isinstance(function, FunctionType)
        and function.__module__.startswith("minigrad.ops.")
        and function.__annotations__.get("return") in ("Node", "tuple[Node, ...]")
    )


def _names(code: CodeType) -> Iterator[str]:
    """The global names a function uses, in the functions inside it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _key(code: CodeType) -> Any:
    """The key of the table that a method of nodes looks up: TABLE[np.sum] or TABLE["getitem"]."""
    if "TABLE" not in code.co_names:
        return None
    if "np" in code.co_names:
        return getattr(np, code.co_names[code.co_names.index("np") + 1])
    return next(constant for constant in code.co_consts if isinstance(constant, str) and constant in TABLE)


def _written(name: str, is_property: bool) -> str:
    """How a method is written: `x.sum()`, `x.T`, and for __add__ what Python's documentation says: "Same as a + b."."""
    if name.startswith("__"):
        if name in ("__divmod__", "__rdivmod__"):  # which is no operator to Python
            return "divmod(a, b)"
        swapped = "__" + name.removeprefix("__r")
        name = swapped if name.startswith("__r") and hasattr(operator, swapped) else name
        says = inspect.getdoc(getattr(operator, name)) or ""
        return says.removeprefix("Same as ").removesuffix(".")
    return f"x.{name}" if is_property else f"x.{name}()"


def public_members(owner: type) -> dict[str, FunctionType | property]:
    """The methods and properties a class defines itself, by name."""
    members = {name: member for name, member in vars(owner).items() if not name.startswith("_")}
    return {name: member for name, member in members.items() if isinstance(member, FunctionType | property)}
