"""What a test of an operation is made of: a call, and the arrays it is differentiated at.

Each family has a module `cases_<family>.py` with `CASES: dict[type[Operation], SearchStrategy[Trial]]`; the harness in
`test_every_operation.py` collects them, and an operation without a case fails it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Trial(NamedTuple):
    """A call and where to check it.

    call:      takes nodes (or arrays: then it is plain NumPy or what `reference` is for), gives one node
    arrays:    the float64 arrays it is differentiated at, away from kinks and ties
    reference: the same on arrays, where `call` does not work on arrays
    """

    call: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    reference: Callable[..., Any] | None = None
