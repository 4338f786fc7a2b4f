"""The parameters of functions, the same for every NumPy: it tells those of its ufuncs only from 2.4 on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a function by name: of a ufunc its operands, x or x1, x2, ...; none where none are known."""
    if isinstance(function, np.ufunc):
        names = ["x"] if function.nin == 1 else [f"x{i + 1}" for i in range(function.nin)]
        return {name: inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names}
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # of some functions written in C nothing is known
        return {}
