"""Errors that say what, where, and what to do: the operation, its inputs, the scope, the user's line."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minigrad.node import Node

# NumPy's own errors, the most particular first; what is none of them passes through unchanged.
_EXPLAINED = (
    np.exceptions.AxisError, np.linalg.LinAlgError, IndexError, FloatingPointError, OverflowError, ValueError, TypeError
)  # fmt: skip


class GradientError(AssertionError):
    """A gradient check failed: the adjoint of an operation is not the derivative of its value."""


def explain(error: Exception, node: Node, roles: tuple[str, ...], advice: str) -> Exception:
    """The error of a failed fprop, of NumPy's own type, retold for the one who wrote the line."""
    kind = next((kind for kind in _EXPLAINED if isinstance(error, kind)), None)
    if kind is None:
        return error
    return kind(f"{where(node)}: {advice or error}   {inputs(node, roles)}   {users_line()}".rstrip())


def refused_rule(node: Node, given: Any, entries: int) -> Exception:
    """The error of a bprop that does not give one entry per child."""
    if given is None:
        return TypeError(f"{where(node)}: bprop gave nothing: return the adjoints, or [None] where there is none")
    return ValueError(f"{where(node)}: bprop gave {entries} adjoints for {len(node.children)} children")


def tell_of_rule(error: Exception, node: Node) -> None:
    """Let the message of an error that left a bprop begin with the operation. (Anomalies are named by the sweep.)"""
    text = str(error.args[0]) if len(error.args) == 1 else str(error)
    if not isinstance(error, FloatingPointError) and not text.startswith(type(node).__name__):
        error.args = (f"{where(node)}: its rule (bprop) failed: {text}",)


def where(node: Node) -> str:
    """The operation, its attributes and its scope: sum(axis=2) in scope "rnn/t=3"."""
    given = ", ".join(f"{name}={value!r}" for name, value in node.attributes.items())
    place = f' in scope "{node.scope}"' if node.scope else ""
    return f"{type(node).__name__}{f'({given})' if given else ''}{place}"


def inputs(node: Node, roles: tuple[str, ...]) -> str:
    """Every input with its role, its kind, its name and its shape: a: Tanh (20, 50)   W: Parameter "W" (40, 50)."""
    names = (*roles, *(f"input {i}" for i in range(len(roles), len(node.children))))
    return "   ".join(f"{role}: {child.label}" for role, child in zip(names, node.children, strict=False))


def no_node(expected: str, found: Any, of_several: str) -> TypeError:
    """The error where something else stands than a node. of_several: what to do with a list of nodes."""
    from minigrad.wording import instead

    return TypeError(f"{expected}, not {instead(found, of_several)}")


def unfit(owner: str, dtype: np.dtype[Any], found: str = "") -> TypeError:
    """The error of an array whose dtype no node holds; added number types (bfloat16) are of kind "V", as records are."""
    if dtype.kind == "f" or (dtype.kind == "V" and not issubclass(dtype.type, np.void)):
        return TypeError(
            f"{owner}: floating-point numbers are float32 or float64 here, not {dtype}: write x.astype(np.float32) first"
        )
    return TypeError(f"{owner} takes real numbers or booleans, not {found or 'an array'} of dtype {dtype}")


def users_line() -> str:
    """The innermost line on the stack that is neither minigrad's nor NumPy's."""
    frame = innermost(sys._getframe(1), without=("minigrad", "numpy"))
    return f"at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""


def innermost(frame: FrameType | None, without: tuple[str, ...]) -> FrameType | None:
    """The innermost frame from this one out that is in none of these packages."""
    while frame is not None and package(frame) in without:
        frame = frame.f_back
    return frame


def package(frame: FrameType) -> str:
    """The package whose code runs in the frame."""
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
