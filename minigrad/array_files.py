"""Named arrays in a file: the format of safetensors, which holds names, shapes and numbers, and no code.

The file is 8 bytes that give the length n of the header (little endian), the header (n bytes of JSON), then the arrays one after
the other, little endian and in C order. The header gives of each array its dtype, its shape and its bytes from begin to end, and
under "__metadata__" texts by name. Files written here carry a checksum there: a file that was changed is refused.

Source: https://github.com/huggingface/safetensors, the section "Format".
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from minigrad.files import write_file
from minigrad.node import Array

DTYPES = {  # safetensors' name: NumPy's, little endian
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (4, 8)},
    **{f"{kind.upper()}{8 * size}": np.dtype(f"<{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)},
    "BOOL": np.dtype(bool),
}
NAMES = {dtype.newbyteorder("="): name for name, dtype in DTYPES.items()}
METADATA = "__metadata__"
VERSION, CHECKSUM = "minigrad", "sha256"  # the names of texts that files written here carry
CHECKPOINT = "checkpoint"  # that of a checkpoint's JSON
LARGEST_HEADER = 100_000_000  # bytes, as safetensors allows
ALIGNED = 8  # bytes: where numbers begin


class UnreadableFileError(ValueError):
    """A file is damaged, was changed after it was written, is no file of this kind, or is of another version; the message begins with
    its name.
    """


class Stored(NamedTuple):
    """The arrays of a file by name, and its texts by name."""

    arrays: dict[str, Array]
    texts: dict[str, str]


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, npt.ArrayLike], texts: Mapping[str, str] | None = None
) -> None:
    """Write named arrays, in any memory order and byte order, and texts; as a whole or not at all.

    Errors: TypeError names an array of a dtype that is none of `DTYPES`, or a name that is no text; OSError the file that cannot be
    written, which is then as it was.
    """
    write_file(path, packed(Path(path), arrays, texts or {}))


def read_arrays(path: str | os.PathLike[str], *, checked: bool = False) -> Stored:
    """Read the arrays and texts of a file.

    checked: refuse a file without a checksum, as other programs write

    Errors: FileNotFoundError; UnreadableFileError, which says what is wrong with the file, or names an array of another dtype.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no parameter file {file}")
    return unpacked(file, file.read_bytes(), checked=checked)


def packed(file: Path, arrays: Mapping[str, npt.ArrayLike], texts: Mapping[str, str]) -> bytes:
    """Pack arrays and texts into the content of a file, with its checksum. The widest dtypes come first, so that every number is aligned."""
    given: dict[str, Array] = {}
    for name, array in arrays.items():
        if not isinstance(name, str) or name == METADATA:
            raise TypeError(f"{file}: {name!r} is no name of an array: expected a text other than {METADATA}")
        given[name] = found = np.asarray(array)
        if found.dtype.newbyteorder("=") not in NAMES:
            raise TypeError(refusal(f"{name!r} for {file}", f"{found.dtype}"))
    header: dict[str, Any] = {name: {} for name in given}
    pieces, at = [], 0
    for name in sorted(given, key=lambda name: -given[name].itemsize):
        kind = NAMES[given[name].dtype.newbyteorder("=")]
        pieces.append(given[name].astype(DTYPES[kind], copy=False).tobytes(order="C"))
        header[name] = {"dtype": kind, "shape": list(given[name].shape), "data_offsets": [at, at + len(pieces[-1])]}
        at += len(pieces[-1])
    body, known = b"".join(pieces), {**texts, VERSION: "1"}
    header[METADATA] = {**known, CHECKSUM: checksum(header, known, body)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    return len(text).to_bytes(8, "little") + text + body


def unpacked(file: Path, content: bytes, *, checked: bool = False) -> Stored:
    """Unpack a file's content into arrays, which own their memory, and texts."""
    header, body = _split(file, content)
    texts = header.pop(METADATA, {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        _damaged(file, f"{METADATA} holds what is no text")
    arrays: dict[str, Array] = {}
    reached = 0
    places = {name: _Place.of(file, name, entry) for name, entry in header.items()}
    for name, place in sorted(places.items(), key=lambda item: (item[1].begin, item[1].end)):
        if place.begin != reached:
            _damaged(file, f"the array {name!r} begins at byte {place.begin}, expected {reached}")
        reached = place.end
        if reached > len(body):
            _damaged(file, f"it ends {reached - len(body)} bytes too early, in the array {name!r}")
        try:
            arrays[name] = place.array(body)
        except ValueError as error:  # an empty array of more entries than NumPy counts
            _damaged(file, f"the array {name!r}: {error}")
        if arrays[name].dtype == bool and arrays[name].view(np.uint8).max(initial=0) > 1:
            _damaged(file, f"the array {name!r} has booleans that are neither 0 nor 1")
    if reached != len(body):
        _damaged(file, f"it has {len(body) - reached} bytes that belong to no array")
    if (checked or VERSION in texts or CHECKSUM in texts) and texts.get(VERSION) != "1":
        raise UnreadableFileError(
            f"{file} is no file of this version of minigrad (expected version '1', found {texts.get(VERSION)!r})"
        )
    if VERSION in texts:
        if texts.pop(CHECKSUM, "") != checksum(header, texts, body):
            _damaged(file, "its checksum differs: it was changed after it was written")
        del texts[VERSION]
    return Stored({name: arrays[name] for name in header}, texts)


def checksum(header: Mapping[str, Any], texts: Mapping[str, str], body: bytes) -> str:
    """Compute the SHA-256 of all that a file says, as hexadecimal text."""
    said = {name: entry for name, entry in header.items() if name != METADATA}
    digest = hashlib.sha256(json.dumps([said, texts], sort_keys=True).encode())
    digest.update(body)
    return digest.hexdigest()


class _Place(NamedTuple):
    """Where an array lies in the bytes behind the header, and how they are read."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int

    @classmethod
    def of(cls, file: Path, name: str, entry: Any) -> _Place:
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            _damaged(file, f"the entry of {name!r} does not give dtype, shape and data_offsets")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(kind, str) or not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
            _damaged(file, f"dtype, shape or data_offsets of {name!r} are none")
        if kind not in DTYPES:
            raise UnreadableFileError(refusal(f"{name!r} in {file}", kind))
        begin, end = offsets
        size = math.prod(shape) * DTYPES[kind].itemsize
        if end - begin != size or len(shape) > MOST_AXES:
            _damaged(file, f"the array {name!r} of shape {shape} and {kind} takes {size} bytes, and has {end - begin}")
        return cls(DTYPES[kind], tuple(shape), begin, end)

    def array(self, body: bytes) -> Array:
        flat = np.frombuffer(body[self.begin : self.end], self.dtype)
        return flat.reshape(self.shape).astype(self.dtype.newbyteorder("="))


MOST_AXES = 64  # of an array of NumPy


def _are_counts(found: Any) -> bool:
    return isinstance(found, list) and all(type(number) is int and number >= 0 for number in found)


def _split(file: Path, content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the bytes behind it."""
    n = int.from_bytes(content[:8], "little")
    kind = {b"PK": "npz", b"\x93N": "npy"}.get(content[:2])
    if kind is not None and not content[8:9] == b"{":
        raise UnreadableFileError(
            f"{file} is no safetensors file, but one of NumPy's ({kind}): load it by np.load(path)"
        )
    if len(content) < 8 or n > LARGEST_HEADER or 8 + n > len(content):
        _damaged(file, f"its header is not complete in {len(content)} bytes")
    try:
        header = json.loads(content[8 : 8 + n].decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is one
        _damaged(file, f"its header is no JSON: {error}")
    if not isinstance(header, dict):
        _damaged(file, "its header is no table of arrays")
    return header, content[8 + n :]


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _damaged(file: Path, why: str) -> NoReturn:
    raise UnreadableFileError(f"{file} is damaged or no safetensors file ({why}): save or copy it again") from None


def refusal(what: str, found: str) -> str:
    """Write the message on an array of a dtype that minigrad does not compute with."""
    return (
        f"the array {what} is {found}; minigrad computes with float32, float64, integers and booleans: convert it before it "
        "is saved, by .astype(np.float32)"
    )
