"""The table from NumPy's functions to the operations that answer them on nodes.

The modules of `minigrad.ops` fill it; Python's operators, the methods of nodes and NumPy's two protocols look things up
in it. So nothing below the operations needs to import them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from minigrad.node import Node

Answer = TypeVar("Answer", bound=Callable[..., Any])

NOT_GIVEN: Any = np._NoValue  # NumPy's own default where None would mean something


class Way(NamedTuple):
    """A call that nodes do not answer, and an expression on nodes that gives the same: the tests run both."""

    call: str
    recipe: str

    def __str__(self) -> str:
        return f"for {self.call} write {self.recipe}"


# A NumPy function, or a name: that of a method NumPy has no function for ("getitem"), of a method of ufuncs ("reduce"), of
# a form ("np.matmul(axes=)"), or of a function of SciPy, which need not be installed ("scipy.special.expit").
TABLE: dict[Any, Callable[..., Node]] = {}
ADVICE: dict[Any, Way | str] = {}  # what to do instead of calling a function that is not answered


def answers(*functions: Any) -> Callable[[Answer], Answer]:
    """Decorator: this operation or function is what the given keys of the table mean on nodes."""

    def register(answer: Answer) -> Answer:
        for function in functions:
            TABLE[function] = answer
        return answer

    return register


def refuse_out(out: Any) -> None:
    """Raise where a function was given an array to write its result into."""
    if out is not None:
        raise TypeError("Nodes do not change, so there is no out=: use the result.")


@cache
def spelling(function: Any) -> str:
    """The name a user knows a function by: np.linalg.norm, scipy.special.expit."""
    name: str = function.__name__
    if isinstance(function, np.ufunc):  # which does not know its module
        known = [m for m in ("numpy", "scipy.special") if getattr(sys.modules.get(m), name, None) is function]
        module = known[0] if known else ""
    else:
        module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{name}".replace("numpy", "np", 1) if module else name
