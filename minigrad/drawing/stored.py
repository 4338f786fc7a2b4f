"""Arrays as data: each once, small ones whole, large ones as a summary that says so."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.drawing import summary

DIGESTED = 1024  # bytes beyond which arrays are compared by a digest


@dataclass(frozen=True, slots=True)
class Stored:
    """An array as data.

    text:    what pictures and listings write: one line, or the rows of a small matrix
    norm:    the Euclidean norm of all entries: nan or inf where one of them is
    entries: all of them in a row, or None where the array was too large
    range:   the least, the greatest and the mean of the finite entries of an array that was too large; else ()
    strange: how many entries are nan, and how many infinite
    zeros:   how many are 0
    """

    shape: tuple[int, ...]
    dtype: str
    text: tuple[str, ...]
    norm: float
    entries: tuple[float | bool, ...] | None
    range: tuple[float, ...] = ()
    strange: tuple[int, int] = (0, 0)
    zeros: int = 0

    @property
    def size(self) -> int:
        """How many entries the array has."""
        return math.prod(self.shape)

    def array(self) -> np.ndarray[Any, Any]:
        """The array, bit for bit (but for the payload of a nan); ValueError where only a summary of it was stored."""
        if self.entries is None:
            raise ValueError(
                f"an array of {self.size} entries was summarized: record with mg.record(..., largest={self.size}) to have it whole"
            )
        return np.array(self.entries, self.dtype).reshape(self.shape)

    def as_dict(self) -> dict[str, Any]:
        """The same as lists, numbers and text."""
        data: dict[str, Any] = {"shape": list(self.shape), "dtype": self.dtype}
        if self.entries is not None:
            return {**data, "entries": [_written(entry) for entry in self.entries]}
        least, greatest, mean = map(_written, self.range or (math.nan,) * 3)
        found = {"entries": self.size, "least": least, "greatest": greatest, "mean": mean, "norm": _written(self.norm)}
        nans, infinities = self.strange
        counts = {"nan": nans, "inf": infinities, "zero": self.zeros}
        return {**data, "summary": {**found, **counts, "text": list(self.text)}}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Stored:
        """The array whose `as_dict` this is."""
        shape, dtype = tuple(data["shape"]), data["dtype"]
        if "entries" in data:
            return stored(
                np.array([float(e) if isinstance(e, str) else e for e in data["entries"]], dtype).reshape(shape)
            )
        found = data["summary"]
        finite = tuple([float(found[name]) for name in ("least", "greatest", "mean")])
        return Stored(
            shape=shape,
            dtype=dtype,
            text=tuple(found["text"]),
            norm=float(found["norm"]),
            entries=None,
            range=() if math.isnan(finite[0]) else finite,
            strange=(found["nan"], found["inf"]),
            zeros=found["zero"],
        )


class Table:
    """The arrays of a record: an equal one is stored once. largest: the entries up to which it is stored whole."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.arrays: list[Stored] = []
        self._places: dict[tuple[Any, ...], int] = {}

    def place(self, array: np.ndarray[Any, Any]) -> int:
        """The place of the array in the table."""
        key = array.shape, array.dtype.str, _fingerprint(array)
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = len(self.arrays)
            self.arrays.append(stored(array) if array.size <= self.largest else summarized(array))
        return found


def _fingerprint(array: np.ndarray[Any, Any]) -> bytes:
    """The bytes of a small array, the digest of a large one: no copy of it is kept."""
    if array.nbytes <= DIGESTED:
        return array.tobytes()
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=32).digest()


def stored(array: np.ndarray[Any, Any]) -> Stored:
    """The whole array."""
    entries = tuple(_shortest(array).ravel().tolist())
    found = summary.figures(array)
    text, norm = summary.rows(array), _norm(array, found)
    strange, zeros = (found.nans, found.infinities), array.size - int(np.count_nonzero(array))
    return Stored(array.shape, str(array.dtype), text, norm, entries, strange=strange, zeros=zeros)


def summarized(array: np.ndarray[Any, Any]) -> Stored:
    """Range, mean and norm of the array."""
    found = summary.figures(array)
    return Stored(
        shape=array.shape,
        dtype=str(array.dtype),
        text=(summary.statistics(found, array.size, array.dtype.kind),),
        norm=_norm(array, found),
        entries=None,
        range=() if math.isnan(found.mean) else (found.least, found.greatest, found.mean),
        strange=(found.nans, found.infinities),
        zeros=array.size - int(np.count_nonzero(array)),
    )


def _shortest(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The entries as numbers with few digits: those of 32 bits need not be written to 17."""
    if array.dtype != np.float32:
        return array
    return np.array([float(str(entry)) for entry in array.ravel()], np.float64).reshape(array.shape)


def _norm(array: np.ndarray[Any, Any], found: summary.Figures) -> float:
    """√Σ x², without overflow or underflow on the way."""
    if found.nans or found.infinities:
        return math.nan if found.nans else math.inf
    greatest = max(abs(found.least), abs(found.greatest)) if array.size else 0.0
    if greatest == 0:
        return 0.0
    return greatest * math.sqrt(np.square(array.ravel() / np.float64(greatest)).sum())


def _written(entry: float | bool) -> float | bool | str:
    """A number of JSON, or the name of one that is none."""
    return entry if isinstance(entry, bool | int) or math.isfinite(entry) else str(entry)
