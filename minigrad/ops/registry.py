"""The registry of operations, and what is asked of a class that a user adds to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from numpy import ndarray

from minigrad.ops.base import Operation


def operations() -> dict[type[Operation], str]:
    """List every operation there is, with how the tests check it: by finite "differences", or by its "definition"."""
    found: dict[type[Operation], str] = {}
    families = [Operation]
    while families:
        family = families.pop()
        families.extend(reversed(family.__subclasses__()))
        if family.fprop is not Operation.fprop:
            found[family] = family.checked
    return found


def on_read_only(fprop: Callable[..., Any]) -> Callable[..., Any]:
    """An fprop of a user's class, kept from writing into its inputs: they are the values of other nodes."""

    @wraps(fprop)
    def guarded(self: Operation, *arrays: Any, **attributes: Any) -> Any:
        views = [array.view() if type(array) is ndarray else array for array in arrays]
        for view in views:
            if type(view) is ndarray:
                view.flags.writeable = False
        try:
            return fprop(self, *views, **attributes)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise ValueError("fprop writes into one of its inputs, the value of another node: copy it first") from error

    return guarded
