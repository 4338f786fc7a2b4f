"""Functions of arrays that a compiled program calls as they stand."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def as_one_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function of arrays which the compiler writes as one call, as it does NumPy's, by NumPy's protocol."""

    @wraps(function)
    def call(x: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(x, np.ndarray | np.generic):
            return function(x, *arguments, **keywords)
        return x.__array_function__(call, (), (x, *arguments), keywords)

    return call
