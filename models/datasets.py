"""Data sets for sequence models: two of handwritten digits, two generated long-memory tasks.

Inputs are `(batch, time, features)`, floats; class targets are int64, regression targets floats. Everything is NumPy
and deterministic: the digit sets have a fixed split, the generated tasks draw from the generator they are given.

* `digits`: the 1,797 optical digits of UCI, read pixel by pixel (64 time steps of 1 feature), shipped with minigrad.
* `mnist`: 70,000 digits read row by row (28 time steps of 28 features), from a folder or downloaded.
* `temporal_order`, `adding`: a new batch at every call; `fraction_wrong` is the score papers report on them.
* `read_idx`: the reader of the IDX files behind both digit sets.
"""

import gzip
import importlib
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]

ADDING_TOLERANCE = 0.04
"""An answer to `adding` is wrong when it is further than this from the target (Hochreiter and Schmidhuber, 1997)."""

SOLVED = 0.01
"""A generated task counts as solved when less than this fraction of fresh sequences is wrong (Pascanu et al., 2013)."""

MNIST_FILES = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
"""The four files of MNIST, and the SHA-256 of each as published, that is with `.gz`."""

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Where `mnist(download=True)` looks, in this order."""


class Split(NamedTuple):
    """Inputs `(n, time, features)` and their targets `(n,)`: `inputs, targets = digits().train`."""

    inputs: Floats
    targets: Labels


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A classification data set with its fixed split into train and test."""

    name: str
    train: Split
    test: Split
    n_classes: int
    description: str

    @property
    def length(self) -> int:
        """Time steps of every sequence."""
        return int(self.train.inputs.shape[1])

    @property
    def n_features(self) -> int:
        """Features at every time step: the `n_inputs` of a recurrent net."""
        return int(self.train.inputs.shape[2])

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.train.targets)} train, {len(self.test.targets)} test, "
            f"{self.length} steps of {self.n_features}, {self.n_classes} classes)"
        )


def digits(*, dtype: DTypeLike = np.float32) -> Dataset:
    """The 1,797 optical digits of UCI, 8x8 pixels read one by one, row by row: inputs `(n, 64, 1)` in [0, 1].

    Ink was counted in 0..16 and is divided by 16. Of each class the 5th, 10th, 15th, ... image is in test (355), the
    others are in train (1,442): the split is stratified, involves no random number and so never changes. Both parts
    keep the order of the file; shuffle before training. Train and test share their 13 writers, so a test score speaks
    of new images by known hands.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49, CC BY 4.0; its test part, the one scikit-learn ships too.
    """
    dtype = _float_dtype(dtype)
    files = Path(__file__).with_name("data") / "digits"
    images, labels = _images_and_labels(f"{files}-images-idx3-ubyte.gz", f"{files}-labels-idx1-ubyte.gz", 8)
    inputs = np.divide(images.reshape(-1, 64, 1), 16, dtype=dtype)
    test = _every_fifth_of_each_class(labels)
    return Dataset(
        name="digits",
        train=Split(inputs[~test], labels[~test]),
        test=Split(inputs[test], labels[test]),
        n_classes=10,
        description="Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI 1998, CC BY 4.0), "
        "8x8 pixels read one by one",
    )


def mnist(
    folder: str | os.PathLike[str] | None = None, *, download: bool = False, dtype: DTypeLike = np.float32
) -> Dataset:
    """The 70,000 handwritten digits of MNIST, 28x28 pixels read row by row: inputs `(n, 28, 28)` in [0, 1].

    `folder` holds the four files of `MNIST_FILES`, plain or with `.gz`. With `download=True` those it lacks are fetched
    into it (without a folder: into the user's cache) by pooch and checked against their SHA-256; what is there is never
    fetched again or replaced. 60,000 train and 10,000 test images, or as many as the files hold.

    Errors: FileNotFoundError names the files looked for; ValueError a damaged file, or that neither a folder nor a
    download was asked for; ConnectionError a download that failed, and what to do without network.

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST Database of Handwritten Digits, 1998.
    """
    dtype = _float_dtype(dtype)
    if folder is None and not download:
        raise ValueError(
            "mnist needs to know where its files are: pass the folder that holds "
            f"{', '.join(MNIST_FILES)} (plain or .gz), or download=True to fetch them"
        )
    place = _download_mnist(folder) if download else Path(cast(str, folder))
    if not place.is_dir():
        raise FileNotFoundError(
            f"{place} is not a folder: mnist looks there for {', '.join(MNIST_FILES)} (plain or .gz); "
            "put them there, or pass download=True to fetch them"
        )
    parts = [
        _images_and_labels(f"{place / part}-images-idx3-ubyte", f"{place / part}-labels-idx1-ubyte", 28)
        for part in ("train", "t10k")
    ]
    train, test = (Split(np.divide(images, 255, dtype=dtype), labels) for images, labels in parts)
    return Dataset(
        name="mnist",
        train=train,
        test=test,
        n_classes=10,
        description="MNIST (LeCun, Cortes and Burges, 1998), 28x28 pixels read row by row",
    )


def temporal_order(
    n: int, length: int, rng: np.random.Generator, *, dtype: DTypeLike = np.float32
) -> tuple[Floats, Labels]:
    """`n` sequences in which two symbols far apart must be remembered: inputs `(n, length, 6)`, targets `(n,)`.

    Each time step shows one of six symbols, one-hot. Two of them matter, v0 and v1, each A (0) or B (1): the first at a
    position p0 in [L/10, 2L/10), the second at p1 in [5L/10, 6L/10), all uniform (tenths rounded down). Everywhere else
    stands c, d, e or f (2..5). The class is v0 + 2 v1: AA, BA, AB, BB. Chance is 75 % wrong, a cross-entropy of ln 4.

    Source: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013, as
    their published generator draws it; the task is from S. Hochreiter and J. Schmidhuber, Long short-term memory, 1997.
    """
    dtype = _float_dtype(dtype)
    tenth = _tenth("temporal_order", n, length, rng)
    symbols = rng.integers(2, 6, (n, length))
    positions = rng.integers(0, tenth, (2, n)) + np.array([[tenth], [length // 2]])
    relevant = rng.integers(0, 2, (2, n))
    symbols[np.arange(n), positions] = relevant
    return np.eye(6, dtype=dtype).take(symbols, axis=0), relevant[0] + 2 * relevant[1]


def adding(n: int, length: int, rng: np.random.Generator, *, dtype: DTypeLike = np.float32) -> tuple[Floats, Floats]:
    """`n` sequences in which two marked numbers must be averaged: inputs `(n, length, 2)`, targets `(n, 1)`.

    Feature 0 is a number, uniform in [0, 1) (then rounded to `dtype`); feature 1 is its marker, 1 at two positions and
    0 elsewhere: p0 in [0, L/10) and p1 in [L/10, 5L/10), uniform (tenths rounded down). The target is the mean of the
    two marked numbers. Always answering 1/2 has the mean squared error 1/24 = 0.0417.

    Source: Pascanu, Mikolov and Bengio, ICML 2013 (positions; they draw the length too, here it is given). The mean is
    the target of Hochreiter and Schmidhuber, 1997, whose numbers span [-1, 1], so that their tolerance, 0.04, holds.
    Where the sum is the target (Arjovsky, Shah and Bengio, 2016), squared errors are 4 times as large.
    """
    dtype = _float_dtype(dtype)
    tenth = _tenth("adding", n, length, rng)
    inputs = np.zeros((n, length, 2), dtype)
    inputs[..., 0] = rng.random((n, length))
    marked = (np.arange(n), np.stack([rng.integers(0, tenth, n), rng.integers(tenth, 5 * tenth, n)]))
    inputs[..., 1][marked] = 1
    return inputs, inputs[..., 0][marked].mean(axis=0, dtype=np.float64).astype(dtype)[:, np.newaxis]


def fraction_wrong(outputs: NDArray[Any], targets: NDArray[Any]) -> float:
    """The fraction of sequences answered wrongly, in [0, 1]; a task is solved below `SOLVED`.

    For classes (integer targets `(n,)`, outputs `(n, classes)`) an answer is wrong when the largest output is not the
    target's; for numbers (targets and outputs `(n, 1)`) when it is more than `ADDING_TOLERANCE` away. nan is wrong.
    """
    classes = np.issubdtype(targets.dtype, np.integer)
    fits = outputs.ndim == 2 and (outputs.shape[:1] if classes else outputs.shape) == targets.shape
    if not fits or targets.size == 0:
        wanted = "(n, classes) for integer targets (n,)" if classes else "(n, 1) as the targets"
        raise ValueError(
            f"fraction_wrong: expected outputs {wanted} with n >= 1, "
            f"found outputs {outputs.shape} and targets {targets.shape}"
        )
    if classes:
        right = (outputs.argmax(axis=1) == targets) & ~np.isnan(outputs).any(axis=1)
    else:
        right = abs(outputs - targets) <= ADDING_TOLERANCE
    return float(1 - right.mean())


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in an IDX file, plain or gzipped, in its own type and shape (native byte order, writable).

    Where `path` does not exist, the same name with (or without) `.gz` is tried. An IDX file is two zero bytes, a type
    code, the number of axes, the length of each as a big-endian 32-bit integer, then the data in C order. Nothing is
    guessed: a file with a byte too few or too many is refused, and memory follows the bytes that are there, not those
    a header claims.

    Errors: FileNotFoundError names the files looked for; ValueError says what was expected and found.

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST Database of Handwritten Digits, 1998 (file formats).
    """
    file = _existing(Path(path))
    try:
        with _open(file) as stream:
            dtype, shape = _read_idx_header(stream, file)
            n_bytes = dtype.itemsize * math.prod(shape)
            data = _read_at_most(stream, n_bytes + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _refusal(file, "a whole gzip file", f"a truncated or damaged one ({error})") from error
    if len(data) != n_bytes:
        found = f"only {len(data)}: the file is truncated" if len(data) < n_bytes else "more: bytes trail behind them"
        raise _refusal(file, f"{n_bytes} bytes of data after its header, as {shape} of {dtype.name} takes", found)
    try:
        array = np.ndarray(shape, dtype, buffer=data)
    except ValueError as error:  # no data, yet axes too many or too long for NumPy
        raise _refusal(file, "a shape that NumPy can hold", f"{shape} ({error})") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _read_idx_header(stream: BinaryIO, file: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The type and the shape that an IDX header states."""
    magic = _read_at_most(stream, 4)
    if len(magic) < 4:
        raise _refusal(file, "an IDX header of at least 4 bytes", f"{len(magic)}: the file is truncated")
    if magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or magic[3] == 0:
        codes = ", ".join(f"{code:02x}" for code in _IDX_TYPES)
        raise _refusal(
            file,
            f"an IDX file, which starts with 00 00, a type code ({codes}) and the number of axes (at least 01)",
            magic.hex(" "),
            "is it the right file?",
        )
    lengths = _read_at_most(stream, 4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise _refusal(
            file, f"the lengths of {magic[3]} axes, {4 * magic[3]} bytes", f"only {len(lengths)}: the file is truncated"
        )
    return np.dtype(_IDX_TYPES[magic[2]]), tuple(np.frombuffer(lengths, ">u4").tolist())


def _read_at_most(stream: BinaryIO, n_bytes: int) -> bytearray:
    """Up to `n_bytes` bytes, piece by piece: a single read would first allocate whatever a header claims."""
    data = bytearray()
    while piece := stream.read(min(n_bytes - len(data), 1 << 20)):
        data += piece
    return data


def _open(file: Path) -> BinaryIO:
    """The file as a stream of what it holds, unpacked if it is gzipped."""
    with file.open("rb") as stream:
        start = stream.read(2)
    if start == b"\x1f\x8b":
        return cast(BinaryIO, gzip.open(file))
    if file.suffix == ".gz":
        advice = "it looks unpacked: remove .gz from its name" if start == b"\0\0" else None
        raise _refusal(file, "a gzip file, which starts with 1f 8b", start.hex(" ") or "an empty file", advice)
    return file.open("rb")


def _existing(path: Path) -> Path:
    """`path`, or the same name with (or without) `.gz`."""
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    for candidate in (path, other):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"found neither {path.name} nor {other.name} in {path.absolute().parent}: "
        "put one of them there, or correct the path"
    )


def _refusal(file: Path, expected: str, found: str, advice: str | None = None) -> ValueError:
    return ValueError(f"{file}: expected {expected}, found {found}; {advice or 'copy or download the file again'}")


def _images_and_labels(images_file: str, labels_file: str, side: int) -> tuple[NDArray[np.uint8], Labels]:
    """Images `(n, side, side)` and their labels `(n,)` in 0..9, from two IDX files that must fit each other."""
    images_path, labels_path = _existing(Path(images_file)), _existing(Path(labels_file))
    images, labels = read_idx(images_path), read_idx(labels_path)
    right_file = "is it the right file?"
    if images.dtype != np.uint8 or images.shape[1:] != (side, side) or len(images) == 0:
        raise _refusal(
            images_path, f"uint8 images (n, {side}, {side}), n >= 1", f"{images.dtype.name} {images.shape}", right_file
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise _refusal(labels_path, "uint8 labels (n,)", f"{labels.dtype.name} {labels.shape}", right_file)
    if len(labels) != len(images):
        raise _refusal(
            labels_path,
            f"{len(images)} labels, one for each image of {images_path.name}",
            f"{len(labels)}",
            "take both files from the same source",
        )
    if labels.max() > 9:
        first = int(np.argmax(labels > 9))
        raise _refusal(labels_path, "labels 0 to 9", f"{labels[first]} at index {first}", right_file)
    return images, labels.astype(np.int64)


def _every_fifth_of_each_class(labels: Labels) -> NDArray[np.bool_]:
    """True at the 5th, 10th, 15th, ... example of every class."""
    chosen = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[4::5]] = True
    return chosen


def _download_mnist(folder: str | os.PathLike[str] | None) -> Path:
    """Fetch the files of MNIST that the folder (None: the user's cache) lacks; the folder."""
    try:
        pooch: Any = importlib.import_module("pooch")
    except ImportError as error:
        raise ModuleNotFoundError(
            "downloading MNIST takes the package pooch: pip install pooch, or pass the folder that holds its files"
        ) from error
    place = Path(pooch.os_cache("minigrad")) / "mnist" if folder is None else Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name, sha256 in MNIST_FILES.items():
        if not ((place / name).is_file() or (place / f"{name}.gz").is_file()):
            _fetch(pooch, f"{name}.gz", sha256, place)
    return place


def _fetch(pooch: Any, name: str, sha256: str, place: Path) -> None:
    """Fetch one file from the first mirror that has it, whole and unaltered."""
    failures = []
    for mirror in MNIST_MIRRORS:
        try:
            pooch.retrieve(
                mirror + name,
                f"sha256:{sha256}",
                fname=name,
                path=place,
                downloader=pooch.HTTPDownloader(timeout=30),
            )
            return
        except PermissionError:  # the folder's fault: another mirror would not help
            raise
        except (OSError, ValueError) as error:  # no network, or (ValueError) a file with another checksum
            failures.append(f"{mirror + name}: {error}")
    raise ConnectionError(
        f"could not download {name} into {place}. Without network, get the four files "
        f"{', '.join(f'{file}.gz' for file in MNIST_FILES)} by other means, put them in a folder and pass that folder. "
        f"Tried {'; '.join(failures)}"
    )


def _tenth(task: str, n: int, length: int, rng: np.random.Generator) -> int:
    """A tenth of the length, rounded down, once the arguments of a generated task are seen to be usable."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{task}: rng must be a numpy.random.Generator, as numpy.random.default_rng(0), not {rng!r}")
    if n < 1:
        raise ValueError(f"{task}: n, the number of sequences, must be at least 1, not {n}")
    if length < 10:
        raise ValueError(
            f"{task}: sequences of length {length} are too short, since positions are drawn from tenths of the length; "
            "take a length of at least 10"
        )
    return length // 10


def _float_dtype(dtype: DTypeLike) -> np.dtype[np.floating[Any]]:
    """`dtype` as a NumPy dtype; inputs in [0, 1] would all become 0 or 1 as integers."""
    result = np.dtype(dtype)
    if not np.issubdtype(result, np.floating):
        raise TypeError(f"inputs are floating point numbers: dtype must be float32, float64 or float16, not {result}")
    return cast(np.dtype[np.floating[Any]], result)
