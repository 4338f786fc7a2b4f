"""Named arrays in files: the `state_dict()` of a model or an optimizer, saved as safetensors, which holds numbers and no code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from minigrad.array_files import read_arrays, write_arrays
from minigrad.node import Array


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Save named arrays as safetensors, with a checksum; in whatever order of memory and bytes they are.

    Errors: TypeError names an array of a dtype that `load_arrays` would refuse; OSError the file that cannot be written,
    which is then as it was.
    """
    _check_arrays(path, arrays)
    write_arrays(path, arrays)


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Load the named arrays of a safetensors file, such as `save_arrays` writes. A file of another program has no checksum.

    Errors: FileNotFoundError; `UnreadableFileError`, a ValueError, where the file is damaged, was changed after `save_arrays` wrote it,
    or is something else, or names an array whose dtype minigrad does not compute with, such as bfloat16.
    """
    return read_arrays(path).arrays


def _check_arrays(path: Any, arrays: Any) -> None:
    """TypeError where the path or the dict of arrays is something else; it says what to write."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"save_arrays(path, arrays): the path comes first, and is a string, found {type(path).__name__}"
        )
    if isinstance(arrays, Mapping):
        return
    name = getattr(arrays, "__name__", "")
    found, use = f"{type(arrays).__name__}", "a dict, {'W': array}"
    if name and callable(arrays):
        found, use = f"the method {name}", f"call it, model.{name}()"
    elif hasattr(arrays, "state_dict"):
        use = f"the arrays of this {found} are its .state_dict()"
    raise TypeError(f"save_arrays(path, arrays): expected a dict of arrays by name, found {found}: {use}")
