"""Strict readers of data files: what is truncated, damaged or of another form is refused, never guessed at.

Every file may be plain or gzipped. A refusal is a ValueError which says where, what was expected, what was found and
what to do; a file that is not there a FileNotFoundError which says what was looked for.

* `read_idx`: an array, as MNIST is published.
* `read_text`: a text in UTF-8.
* `read_table`: columns of numbers and of words from comma-separated values under a line of names.
* `read_conll`: tagged words, sentence by sentence and document by document.

A gzipped file may unpack to a thousand times its size: unpacking ends at `limit` bytes, `LARGEST_UNPACKED` unless said.
"""

import csv
import gzip
import math
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from minigrad.models.inputs import check_bytes, shown

PathLike: TypeAlias = str | os.PathLike[str]
Sentence: TypeAlias = list[tuple[str, str]]

RIGHT_FILE = "is it the right file?"
PIECE = 1 << 20  # bytes read at a time

LARGEST_UNPACKED = 1 << 30
"""Bytes that a gzipped file may unpack to unless `limit` says another number, 1 GiB."""

_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
# float() would take 1_0 and nan too. Possessive (++): what was read as digits is not tried again in other ways.
_NUMBER = re.compile(r"\s*+[-+]?(\d++\.?\d*+|\.\d++)([eE][-+]?\d++)?\s*+", re.ASCII)


def read_idx(path: PathLike, *, limit: int = LARGEST_UNPACKED) -> NDArray[Any]:
    """The array in an IDX file, plain or gzipped, in its own type and shape (native byte order, writable).

    limit: the most bytes a gzipped file may unpack to

    Where `path` does not exist, the same name with (or without) `.gz` is tried. An IDX file is two zero bytes, a type
    code, the number of axes, the length of each as a big-endian 32-bit integer, then the data in C order. Nothing is
    guessed: a file with a byte too few or too many is refused, and memory follows the bytes that are there, not those
    a header claims.

    Errors: FileNotFoundError names the files looked for; ValueError says what was expected and found.

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST Database of Handwritten Digits, 1998 (file formats).
    """
    file = existing(Path(path))
    try:
        with _open(file, limit) as stream:
            dtype, shape = _read_idx_header(stream, file)
            n_bytes = dtype.itemsize * math.prod(shape)
            data = _read_at_most(stream, n_bytes + 1)
    except _DAMAGED as error:
        raise _damaged(file, error) from error
    if len(data) != n_bytes:
        found = f"only {len(data)}: the file is truncated" if len(data) < n_bytes else "more: bytes trail behind them"
        raise refusal(file, f"{n_bytes} bytes of data after its header, as {shape} of {dtype.name} takes", found)
    try:
        array = np.ndarray(shape, dtype, buffer=data)
    except ValueError as error:  # no data, yet axes too many or too long for NumPy
        raise refusal(file, "a shape that NumPy can hold", f"{shape} ({error})") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _read_idx_header(stream: BinaryIO, file: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The type and the shape that an IDX header states."""
    magic = _read_at_most(stream, 4)
    if len(magic) < 4:
        raise refusal(file, "an IDX header of at least 4 bytes", f"{len(magic)}: the file is truncated")
    if magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or magic[3] == 0:
        codes = ", ".join(f"{code:02x}" for code in _IDX_TYPES)
        raise refusal(
            file,
            f"an IDX file, which starts with 00 00, a type code ({codes}) and the number of axes (at least 01)",
            magic.hex(" "),
            "is it the right file?",
        )
    lengths = _read_at_most(stream, 4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise refusal(
            file, f"the lengths of {magic[3]} axes, {4 * magic[3]} bytes", f"only {len(lengths)}: the file is truncated"
        )
    return np.dtype(_IDX_TYPES[magic[2]]), tuple(np.frombuffer(lengths, ">u4").tolist())


def read_text(path: PathLike, *, limit: int = LARGEST_UNPACKED) -> str:
    """The text in a file of UTF-8, plain or gzipped, its lines ended by a line feed alone, without a byte order mark.

    limit: the most bytes a gzipped file may unpack to

    Errors: as `read_idx`; ValueError says at which line and byte the text stops being UTF-8.
    """
    file = existing(Path(path))
    try:
        with _open(file, limit) as stream:
            data = _read_at_most(stream, None)
    except _DAMAGED as error:
        raise _damaged(file, error) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refusal(
            f"{file}, line {line}",
            "text in UTF-8",
            f"the byte {data[error.start]:02x} ({error.reason})",
            "convert the file to UTF-8, or check that it is the right one",
        ) from error
    return text.replace("\r\n", "\n")


def read_table(
    path: PathLike,
    *,
    numbers: Iterable[str] = (),
    words: Iterable[str] = (),
    missing: str | None = None,
    limit: int = LARGEST_UNPACKED,
) -> dict[str, NDArray[Any]]:
    """The columns named, from comma-separated values whose first line names them: name -> array `(rows,)`.

    numbers: columns read as float64; a field equal to `missing` becomes nan
    words:   columns read as strings, as they stand
    limit:   the most bytes a gzipped file may unpack to

    Every row must have as many fields as the first line, every number must be a finite one, the last line must end as
    the others do (a table cut off inside a number would else pass).

    Errors: as `read_text`; ValueError names the line and the column.
    """
    file = existing(Path(path))
    header, rows = _rows(file, limit)
    numbers = list(numbers)
    columns: dict[str, NDArray[Any]] = {}
    for name in [*numbers, *words]:
        if header.count(name) != 1:
            found = f"{', '.join(header)}" if name not in header else f"it {header.count(name)} times"
            raise refusal(f"{file}, line 1", f"one column {name!r}", found, RIGHT_FILE)
        at = header.index(name)
        fields = [row[at] for row in rows]
        if name in numbers:
            columns[name] = np.array(
                [_number(field, missing, f"{file}, line {i}, column {name!r}") for i, field in enumerate(fields, 2)]
            )
        else:
            check_bytes(f"{file}, column {name!r}", 4 * len(fields) * max(map(len, fields)), rows=len(fields))
            columns[name] = np.array(fields)
    return columns


def read_conll(path: PathLike, *, limit: int = LARGEST_UNPACKED) -> list[list[Sentence]]:
    """The documents of a CoNLL file, each a list of sentences, each a list of (word, tag).

    A line holds a word, a blank or a tab, and its tag; an empty line ends a sentence, `-DOCSTART-` starts a document (a
    file without it is one document). Documents without a sentence are left out.

    limit: the most bytes a gzipped file may unpack to

    Errors: as `read_text`; ValueError names the line that is not a word and a tag. The last line must be ended.
    """
    file = existing(Path(path))
    documents: list[list[Sentence]] = []
    fresh_document = fresh_sentence = True
    for i, line in enumerate(_lines(file, limit), 1):
        fields = re.split(r"[ \t]+", line.strip(" \t"))
        if fields[0] == "-DOCSTART-":
            fresh_document = fresh_sentence = True
        elif fields == [""]:
            fresh_sentence = True
        elif len(fields) != 2:
            raise refusal(f"{file}, line {i}", "a word, a blank and its tag", shown(line), RIGHT_FILE)
        else:
            if fresh_document:
                documents.append([])
            if fresh_sentence:
                documents[-1].append([])
            fresh_document = fresh_sentence = False
            documents[-1][-1].append((fields[0], fields[1]))
    if not documents:
        raise refusal(file, "at least one tagged word", "none", RIGHT_FILE)
    return documents


def refusal(where: Path | str, expected: str, found: str, advice: str | None = None) -> ValueError:
    """The error of a file that is not what it should be."""
    return ValueError(f"{where}: expected {expected}, found {found}; {advice or 'copy or download the file again'}")


def existing(path: Path) -> Path:
    """`path`, or the same name with (or without) `.gz`."""
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    for candidate in (path, other):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"found neither {path.name} nor {other.name} in {path.absolute().parent}: "
        "put one of them there, or correct the path"
    )


def _rows(file: Path, limit: int) -> tuple[list[str], list[list[str]]]:
    """The names in the first line of a table, and the fields of all others, as many in each."""
    lines = _lines(file, limit)
    rows = []
    try:
        for row in csv.reader(lines, strict=True):
            rows.append(row)
            if len(row) != len(rows[0]):
                raise refusal(
                    f"{file}, line {len(rows)}", f"{len(rows[0])} fields, as line 1 has", f"{len(row)}", RIGHT_FILE
                )
    except csv.Error as error:
        raise refusal(f"{file}, line {len(rows) + 1}", "comma-separated values", f"{error}", RIGHT_FILE) from error
    if len(rows) < 2 or len(rows) != len(lines):
        raise refusal(file, "a line of names and at least one of values, each its own line", f"{len(rows)} rows")
    return rows[0], rows[1:]


def _lines(file: Path, limit: int) -> Sequence[str]:
    """The lines of a text file, whose last one must be ended too."""
    text = read_text(file, limit=limit)
    if not text.endswith("\n"):
        raise refusal(
            file,
            "a line end at the end",
            f"{text[-20:]!r}: the file is truncated" if text else "an empty file",
            "copy or download the file again; if it is whole, add the line end",
        )
    return text[:-1].split("\n")


def _number(field: str, missing: str | None, where: str) -> float:
    if field == missing:
        return math.nan
    number = float(field) if _NUMBER.fullmatch(field) else math.nan
    if not math.isfinite(number):
        also = "" if missing is None else f", or {missing} where it is missing"
        raise refusal(where, f"a finite number{also}", shown(field), "correct the file, or read the column as words")
    return number


def _damaged(file: Path, error: Exception) -> ValueError:
    return refusal(file, "a whole gzip file", f"a truncated or damaged one ({error})")


def _read_at_most(stream: BinaryIO, n_bytes: int | None) -> bytearray:
    """Up to `n_bytes` bytes (None: all), piece by piece: a single read would first allocate whatever a header claims."""
    data = bytearray()
    while piece := stream.read(PIECE if n_bytes is None else min(n_bytes - len(data), PIECE)):
        data += piece
    return data


class _Unpacked(gzip.GzipFile):
    """What a gzipped file holds; ValueError as soon as that is more than the limit."""

    def __init__(self, file: Path, limit: int) -> None:
        super().__init__(file)
        self.file, self.limit, self.n_bytes = file, limit, 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.n_bytes += len(piece)
        if self.n_bytes > self.limit:
            raise refusal(
                self.file,
                f"a gzip file that unpacks to {self.limit:,} bytes at most",
                f"one of {self.file.stat().st_size:,} bytes that unpacks to more",
                "if you trust it, allow more, as by limit=2**32",
            )
        return piece


def _open(file: Path, limit: int) -> BinaryIO:
    """The file as a stream of what it holds, unpacked if it is gzipped."""
    with file.open("rb") as stream:
        start = stream.read(2)
    if start == b"\x1f\x8b":
        return cast(BinaryIO, _Unpacked(file, limit))
    if file.suffix == ".gz":
        advice = "it looks unpacked: remove .gz from its name" if start == b"\0\0" else None
        raise refusal(file, "a gzip file, which starts with 1f 8b", start.hex(" ") or "an empty file", advice)
    return file.open("rb")
