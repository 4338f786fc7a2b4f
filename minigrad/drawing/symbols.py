"""Operations as mathematics people know: `#1 @ #2`, `√x`, `Σ axis=0`.

The tables are keyed by the name of the operation's class, so that no operation need be imported, and a user's own
operation falls back to its name in snake_case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np

INFIX = {
    "Add": "+",
    "AddN": "+",
    "Subtract": "−",
    "Multiply": "×",
    "Divide": "÷",
    "MatMul": "@",
    "Power": "^",
    "FloorDivide": "//",
    "Mod": "mod",
    "Remainder": "mod",
    "Less": "<",
    "LessEqual": "≤",
    "Greater": ">",
    "GreaterEqual": "≥",
    "Equal": "=",
    "NotEqual": "≠",
    "LogicalAnd": "and",
    "LogicalOr": "or",
    "LogicalXor": "xor",
}
COMMUTATIVE = {"Add", "AddN", "Multiply", "Equal", "NotEqual", "LogicalAnd", "LogicalOr", "LogicalXor"}
AROUND = {
    "Negative": "−{}",
    "Square": "{}²",
    "Reciprocal": "1 ÷ {}",
    "Sqrt": "√{}",
    "Cbrt": "∛{}",
    "Absolute": "|{}|",
    "Floor": "⌊{}⌋",
    "Ceil": "⌈{}⌉",
    "LogicalNot": "not {}",
}
WORDS = {
    "Sum": "Σ",
    "SumTo": "Σ to shape",
    "BroadcastTo": "broadcast",
    "Prod": "∏",
    "Log": "ln",
    "StopGradient": "stop ∂",
    "ClipAdjoint": "clip ∂",
    "ScaleAdjoint": "scale ∂",
    "Probe": "probe ∂",
    "LogSumExp": "logsumexp",
    "GELUTanh": "gelu by tanh",
    "Number": "constant",
    "AddN": "sum",
    "GetItem": "item",
}
NUMPY = {
    *(
        "ArgMax",
        "ArgMin",
        "ArgSort",
        "AsType",
        "CumProd",
        "CumSum",
        "IsClose",
        "IsFinite",
        "IsInf",
        "IsNan",
        "LogAddExp",
        "MatMul",
    ),
    *("SearchSorted", "SignBit"),
}  # NumPy writes these as one word
_STACKED = re.compile("([\u0300-\u036f]{4})[\u0300-\u036f]+")
_WORD = re.compile(
    r"[A-Z]{0,2}[a-z]?LU(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+(?:(?<=[0-9])D)?"
)  # ReLU and its likes are one word
_SILENT = ("shape", "places", "role")  # attributes that a heading can do without
_USUAL = {"stride": "(1, 1)", "dilation": "(1, 1)", "groups": "1"}  # so are values that do nothing
_TRANSPOSED = ("Transpose", "MatrixTranspose")
_PLUMBING = (
    "Reshape",
    "BroadcastTo",
    "AsType",
    "ExpandDims",
    "Squeeze",
    "SwapAxes",
    "MoveAxis",
)  # the entries stay what they are
_SLOT = re.compile(r"array( once)?")  # stands for an array in an index
ANY = "·"  # stands for an operand that an arrow brings
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def expression(operation: str, attributes: Mapping[str, str], operands: Sequence[str]) -> str:
    """The operation on operands that have names: "#1 @ #2", "Σ(#3, axis=0)"."""
    if operation in INFIX and len(operands) > 1:
        return f" {INFIX[operation]} ".join(operands)
    if operation in AROUND and len(operands) == 1:
        return AROUND[operation].format(operands[0]) + _suffix(attributes)
    if operation == "PowerOfNumber":
        return f"{operands[0]}{_exponent(attributes['exponent'])}"
    if operation in _TRANSPOSED and not attributes:
        return f"{operands[0]}ᵀ"
    if "index" in attributes and operands:
        return _indexed(attributes["index"], operands)
    given = [f"{name}={value}" for name, value in attributes.items()]
    return f"{word(operation)}({', '.join((*operands, *given))})"


def rearranged(operation: str, attributes: Mapping[str, str], operand: str) -> str:
    """The operand's name with what an operation does to its arrangement: "Wᵀ", "W[:8]", "reshape u"; "" for other operations."""
    if operation in _TRANSPOSED or (operation == "GetItem" and not _SLOT.search(attributes["index"])):
        return expression(operation, {name: value for name, value in attributes.items() if name == "index"}, [operand])
    return f"{word(operation)} {operand}" if operation in _PLUMBING else ""


def label(operation: str, attributes: Mapping[str, str], operands: Sequence[str | None], names: Sequence[str]) -> str:
    """The operation as the title of a box: numbers among the operands are written out, the others (None) have arrows.

    names: what the operands are called, "" where they have no name; a single operand is written with its operation
    """
    numbers = [operand for operand in operands if operand is not None]
    x = names[0] or "x" if names else "x"
    if operation == "Power" and operands[0] is None and numbers:
        return f"{x}{_exponent(numbers[0])}"
    if operation in INFIX and len(operands) > 1:
        return _infix(INFIX[operation], operands)
    shown = {name: value for name, value in attributes.items() if name not in _SILENT and value != _USUAL.get(name)}
    if operation in AROUND or operation == "PowerOfNumber" or (operation in _TRANSPOSED and not shown):
        return expression(operation, shown, [operand or x for operand in operands])
    if set(shown) == {"index"}:
        return _indexed(shown["index"], [names[0], *[operand or ANY for operand in operands[1:]]])
    if numbers:
        return expression(operation, shown, [operand or ANY for operand in operands])
    return word(operation) + _suffix(shown)


def word(operation: str) -> str:
    """The name of an operation: what the table says, NumPy's name, or its class name in snake_case."""
    if operation in WORDS:
        return WORDS[operation]
    return operation.lower() if operation in NUMPY else "_".join(_WORD.findall(operation)).lower()


def attributes(given: Mapping[str, Any]) -> dict[str, str]:
    """The attributes worth showing, as text that is the same in every run."""
    return {
        name.removesuffix("_to"): clean(_inside(value) if name == "index" else _shown(value))
        for name, value in given.items()
        if value is not None and value is not False
    }


def clean(text: str) -> str:
    """The text without what could break a line, a file or a terminal: controls, lone surrogates, changes of direction, towers of accents."""
    text = _STACKED.sub(r"\1", text)
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or unicodedata.combining(c) else " " if c.isspace() else "�" for c in text])


def shortened(text: str, length: int) -> str:
    """The text, its middle left out where it is longer than that."""
    if len(text) <= length:
        return text
    end = (length - 1) // 3
    return f"{text[: length - 1 - end]}…{text[len(text) - end :]}"


def _infix(sign: str, operands: Sequence[str | None]) -> str:
    """Numbers where they stand: "1 −", "× 2"; the sign alone where all operands have arrows."""
    if all(operand is None for operand in operands):
        return sign
    if len(operands) == 2:
        return f" {sign} ".join([operand or "" for operand in operands]).strip()
    return f" {sign} ".join([operand or ANY for operand in operands])


def _exponent(number: str) -> str:
    return number.translate(_SUPERSCRIPTS) if re.fullmatch(r"-?\d+", number) else f" ^ {number}"


def _indexed(index: str, operands: Sequence[str]) -> str:
    """The operand and its index, the arrays of the index put where they belong."""
    arrays = iter(operands[1:])
    return f"{operands[0]}[{_SLOT.sub(lambda _: next(arrays), index)}]"


def _suffix(attributes: Mapping[str, str]) -> str:
    return "".join([f" {name}={value}" for name, value in attributes.items()])


def _shown(value: Any) -> str:
    """An attribute as text; of an object only its type or name, since a repr may hold an address."""
    if isinstance(value, slice):
        step = "" if value.step is None else f":{value.step}"
        return f"{'' if value.start is None else value.start}:{'' if value.stop is None else value.stop}{step}"
    if isinstance(value, tuple | list):
        return f"({_inside(value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, Enum):
        return str(value.value)
    if value is Ellipsis:
        return "..."
    if value is None or isinstance(value, bool | int | str | np.dtype):
        return str(value)
    if isinstance(value, float | np.number):
        return f"{value:.4g}"
    return getattr(value, "__name__", type(value).__name__)


def _inside(value: Any) -> str:
    """The parts of a tuple, as they stand between the brackets of an index."""
    return ", ".join([_shown(part) for part in (value if isinstance(value, tuple | list) else (value,))])
