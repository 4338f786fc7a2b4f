"""List the facts about each ufunc in one table: its sign, its loop body, its reduction, how it takes `out`."""

from __future__ import annotations

from typing import NamedTuple


class Facts(NamedTuple):
    """List the facts about a ufunc.

    infix:      its sign between two operands
    prefix:     its sign before one
    loop:       one entry in a compiled loop: {0}, {1} the operands, {type} and {bits} those of the result's dtype
    compares:   its operands, in their common dtype, are compared
    repeats:    how often the loop reads its first operand
    reduced:    what a reduction with it is called, where arrays have a method for that
    by_keyword: NumPy takes `out` by keyword only (from 2.4 on the positional one is deprecated)
    """

    infix: str = ""
    prefix: str = ""
    loop: str = ""
    compares: bool = False
    repeats: int = 1
    reduced: str = ""
    by_keyword: bool = False


UFUNCS = {
    "add": Facts(infix="+", loop="{0} + {1}", reduced="sum"),
    "subtract": Facts(infix="-", loop="{0} - {1}"),
    "multiply": Facts(infix="*", loop="{0} * {1}", reduced="prod"),
    "divide": Facts(infix="/", loop="{0} / {1}"),
    "power": Facts(infix="**"),
    "negative": Facts(prefix="-", loop="-{0}"),
    "square": Facts(loop="{0} * {0}", repeats=2),
    "reciprocal": Facts(loop="{type}(1) / {0}"),
    "absolute": Facts(loop="abs({0})"),
    "sqrt": Facts(loop="sqrt({0})"),
    "exp": Facts(loop="exp{bits}({0})"),
    "tanh": Facts(loop="tanh{bits}({0})"),
    "maximum": Facts(loop="maximum({0}, {1})", reduced="max", by_keyword=True),
    "minimum": Facts(loop="minimum({0}, {1})", reduced="min", by_keyword=True),
    "greater": Facts(infix=">", loop="{0} > {1}", compares=True),
    "greater_equal": Facts(infix=">=", loop="{0} >= {1}", compares=True),
    "less": Facts(infix="<", loop="{0} < {1}", compares=True),
    "less_equal": Facts(infix="<=", loop="{0} <= {1}", compares=True),
    "equal": Facts(infix="==", loop="{0} == {1}", compares=True),
    "not_equal": Facts(infix="!=", loop="{0} != {1}", compares=True),
}
UNKNOWN = Facts()


def facts(name: str) -> Facts:
    """Look up the facts about a ufunc by name."""
    return UFUNCS.get(name, UNKNOWN)
