"""Named arrays in files: the `state_dict()` of a model or an optimizer, saved as safetensors, which holds numbers and no code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.files import write_file
from minigrad.node import Array

DTYPES = {  # safetensors' name: NumPy's
    **{f"F{8 * size}": np.dtype(f"f{size}") for size in (4, 8)},
    **{f"{kind.upper()}{8 * size}": np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)},
    "BOOL": np.dtype(bool),
}


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Save named arrays as safetensors. Made contiguous first: safetensors 0.8 scrambles arrays that are not.

    Errors: TypeError names an array of a dtype that `load_arrays` would refuse; OSError the file that cannot be written,
    which is then as it was.
    """
    _check_arrays(path, arrays)
    save = _safetensors().numpy.save

    given = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in given.items():
        if array.dtype.newbyteorder("=") not in DTYPES.values():
            raise TypeError(_refusal(f"{name!r} for {Path(path)}", f"{array.dtype}"))
    write_file(path, save(given))


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Load the named arrays of a safetensors file, such as `save_arrays` writes.

    Errors: FileNotFoundError; ValueError where the file is damaged or something else, or names an array whose dtype
    minigrad does not compute with, such as bfloat16.
    """
    safetensors = _safetensors()

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no parameter file {file}")
    try:
        with safetensors.safe_open(file, framework="np") as stored:
            for name in stored.keys():  # noqa: SIM118 (no dict)
                if (kind := stored.get_slice(name).get_dtype()) not in DTYPES:
                    raise ValueError(_refusal(f"{name!r} in {file}", kind))
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        if (kind := _numpys(file)) is not None:
            raise ValueError(
                f"{file} is no safetensors file, but one of NumPy's ({kind}): load it by np.load(path)"
            ) from None
        raise ValueError(f"{file} is damaged or no safetensors file ({error}): save or copy it again") from None


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


def _numpys(file: Path) -> str | None:
    """Which of NumPy's formats a file has, if any: its first bytes tell."""
    with file.open("rb") as stream:
        first = stream.read(6)
    return {b"PK": "npz", b"\x93N": "npy"}.get(first[:2])


def _refusal(what: str, found: str) -> str:
    return (
        f"the array {what} is {found}; minigrad computes with float32, float64, integers and booleans: convert it before it "
        "is saved, by .astype(np.float32)"
    )


def _safetensors() -> Any:
    """The package, which an extra installs."""
    try:
        import safetensors.numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "arrays are saved and loaded by the package safetensors: pip install 'minigrad[train]', or without it "
            "np.savez(path, **arrays) and np.load(path)"
        ) from None
    return safetensors
