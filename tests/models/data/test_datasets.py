"""Data sets: what the files hold, and that a damaged file never passes for data."""

import gzip
import hashlib
import importlib
import os
import struct
import sys
import tracemalloc
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minigrad.models import datasets

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array):
    """The IDX file that holds an array."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, CODES[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """One place for files that a test overwrites at will."""
    return tmp_path_factory.mktemp("idx") / "file"


def read(path, content):
    path.write_bytes(content)
    return datasets.read_idx(path)


idx_arrays = npst.arrays(
    st.sampled_from(sorted(CODES)).map(np.dtype), npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)
)


@given(array=idx_arrays, packed=st.booleans())
def test_idx_round_trip(path, array, packed):
    content = idx_bytes(array)
    result = read(path, gzip.compress(content) if packed else content)
    assert result.dtype == array.dtype
    assert result.dtype.isnative
    assert result.flags.writeable
    np.testing.assert_array_equal(result, array)


SMALL = np.arange(12, dtype=np.int16).reshape(3, 4)


def test_idx_truncated_anywhere_is_an_error(path):
    content = idx_bytes(SMALL)
    for n in range(len(content)):
        with pytest.raises(ValueError, match="truncated") as caught:
            read(path, content[:n])
        assert str(path) in str(caught.value)
        assert "copy or download the file again" in str(caught.value)


def test_gzipped_idx_truncated_anywhere_is_an_error(path):
    content = gzip.compress(idx_bytes(SMALL))
    for name in (path, path.with_name("file.gz")):
        for n in range(len(content)):
            with pytest.raises(ValueError, match=r"truncated|damaged|starts with") as caught:
                read(name, content[:n])
            assert str(name) in str(caught.value)
    name.unlink()


def test_gzipped_idx_with_any_bit_flipped_is_an_error_or_the_same_array(path):
    content = bytearray(gzip.compress(idx_bytes(SMALL), mtime=0))
    refused = 0
    for i in range(len(content)):
        for bit in range(8):
            content[i] ^= 1 << bit
            try:
                np.testing.assert_array_equal(read(path, content), SMALL)
            except ValueError:
                refused += 1
            content[i] ^= 1 << bit
    assert refused > 8 * (len(content) - 10)  # only the gzip header holds bits that do not matter: a date, a system


def test_idx_with_trailing_bytes_is_an_error(path):
    for content in (idx_bytes(SMALL) + b"\0", gzip.compress(idx_bytes(SMALL) + b"\0")):
        with pytest.raises(ValueError, match=r"expected 24 bytes .*\(3, 4\) of int16 takes, found more: bytes trail"):
            read(path, content)
    with pytest.raises(ValueError, match="damaged"):
        read(path, gzip.compress(idx_bytes(SMALL)) + b"rubbish")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", r"expected an IDX file, which starts with 00 00.*found 3c 21 44 4f"),
        (bytes([0, 0, 0x0A, 1, 0, 0, 0, 0]), r"type code \(08, 09, 0b, 0c, 0d, 0e\).*found 00 00 0a 01"),
        (bytes([0, 0, 8, 0, 7]), r"number of axes \(at least 01\), found 00 00 08 00"),
        (bytes([0, 1, 8, 1, 0, 0, 0, 0]), "found 00 01 08 01"),
        (bytes([0, 0, 8, 2, 0, 0, 0, 1, 0]), r"lengths of 2 axes, 8 bytes, found only 5: the file is truncated"),
        (bytes([0, 0, 8, 65]) + bytes([0, 0, 0, 1]) * 65 + b"x", "a shape that NumPy can hold"),
        (bytes([0, 0, 14, 4]) + b"\xff" * 12 + bytes(4), "a shape that NumPy can hold"),
    ],
)
def test_idx_with_a_wrong_header_is_an_error(path, content, message):
    with pytest.raises(ValueError, match=message):
        read(path, content)


def test_idx_header_that_claims_terabytes_allocates_nothing(path):
    content = bytes([0, 0, 14, 3]) + b"\xff" * 12 + b"ten bytes!"
    for packed in (content, gzip.compress(content)):
        path.write_bytes(packed)
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=r"expected 633825\d+ bytes of data .*, found only 10: .*truncated"):
                datasets.read_idx(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 10e6


def test_idx_that_is_named_gz_but_is_not(tmp_path):
    file = tmp_path / "a.gz"
    with pytest.raises(ValueError, match=r"a\.gz: expected a gzip file.*found 00 00; .*remove \.gz from its name"):
        read(file, idx_bytes(SMALL))
    with pytest.raises(ValueError, match="found 3c 68; copy or download"):
        read(file, b"<html>")
    with pytest.raises(ValueError, match="found an empty file; copy or download"):
        read(file, b"")


def test_idx_is_found_with_or_without_gz(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx_bytes(SMALL)))
    (tmp_path / "b").write_bytes(idx_bytes(SMALL))
    for name in ("a", "a.gz", "b", "b.gz"):
        np.testing.assert_array_equal(datasets.read_idx(str(tmp_path / name)), SMALL)
    (tmp_path / "a").write_bytes(idx_bytes(SMALL + 1))
    np.testing.assert_array_equal(datasets.read_idx(tmp_path / "a"), SMALL + 1)
    np.testing.assert_array_equal(datasets.read_idx(tmp_path / "a.gz"), SMALL)


def test_idx_missing_names_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"neither c nor c\.gz in ") as caught:
        datasets.read_idx(tmp_path / "c")
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"neither c\.gz nor c in "):
        datasets.read_idx(tmp_path / "c.gz")
    with pytest.raises(FileNotFoundError):
        datasets.read_idx(tmp_path)


def test_digits_are_those_of_uci():
    folder = Path(datasets.__file__).parent
    sums = {
        "digits-images-idx3-ubyte.gz": "359cd13f0f514122884198b78a131df597421cbf5e93a76678fa96fc548f0d96",
        "digits-labels-idx1-ubyte.gz": "ce71631c1f31ce56fa54f31d1d498fafacff59b001e6c30c4a5e29508aa277ad",
    }
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for name, sha256 in sums.items():
        assert hashlib.sha256(gzip.decompress((folder / name).read_bytes())).hexdigest() == sha256
        assert sha256 in readme
        assert f"{(folder / name).stat().st_size:,}" in readme
    assert "doi.org/10.24432/C50P49" in readme
    assert "CC BY" in readme
    labels = datasets.read_idx(folder / "digits-labels-idx1-ubyte.gz")
    # The class distribution that UCI gives for its test part, and the first image of the file, a zero.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    first = datasets.digits().train.inputs[0].reshape(8, 8) * 16
    assert first[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert first[:, 0].tolist() == [0] * 8
    assert first.sum() == 294


def test_images_are_read_pixel_by_pixel_and_in_another_order():
    data = datasets.digits()
    rows = replace(
        data,
        train=datasets.Split(data.train.inputs.reshape(-1, 8, 8), data.train.targets),
        test=datasets.Split(data.test.inputs.reshape(-1, 8, 8), data.test.targets),
    )
    pixels = datasets.pixel_by_pixel(rows)
    assert (pixels.name, pixels.length, pixels.n_features, pixels.n_classes) == ("pixel-digits", 64, 1, 10)
    mixed = datasets.permuted(pixels)
    assert mixed.name == "permuted-digits"
    assert mixed.description.endswith("one feature at a time, the time steps in one random order")
    order = np.random.default_rng(0).permutation(64)
    for name in ("train", "test"):
        np.testing.assert_array_equal(getattr(pixels, name).inputs, getattr(data, name).inputs)
        np.testing.assert_array_equal(getattr(mixed, name).inputs, getattr(data, name).inputs[:, order])
        np.testing.assert_array_equal(getattr(mixed, name).targets, getattr(data, name).targets)
    np.testing.assert_array_equal(datasets.permuted(data).test.inputs, mixed.test.inputs)  # the same in every call
    assert not np.array_equal(datasets.permuted(data, seed=1).test.inputs, mixed.test.inputs)
    by_rows = datasets.permuted(rows).test.inputs  # whole rows change places
    np.testing.assert_array_equal(by_rows, rows.test.inputs[:, np.random.default_rng(0).permutation(8)])


@pytest.mark.parametrize("change", [datasets.pixel_by_pixel, datasets.permuted])
@pytest.mark.parametrize("load", [datasets.wine, datasets.names])
def test_what_are_no_sequences_of_features_is_not_read_in_another_way(change, load):
    with pytest.raises(ValueError, match=rf"{change.__name__}: expected a data set with inputs \(n, time, features\)"):
        change(load())


def test_digits_are_split_once_and_for_all():
    data = datasets.digits()
    assert data.train.inputs.shape == (1442, 64, 1)
    assert data.test.inputs.shape == (355, 64, 1)
    assert (data.length, data.n_features, data.n_classes) == (64, 1, 10)
    assert repr(data) == "Dataset('digits': 1442 train, 355 test, 64 steps of 1, 10 classes)"
    assert "CC BY 4.0" in data.description
    images = datasets.read_idx(Path(datasets.__file__).parent / "digits-images-idx3-ubyte.gz")
    labels = datasets.read_idx(Path(datasets.__file__).parent / "digits-labels-idx1-ubyte.gz")
    seen = dict.fromkeys(range(10), 0)
    parts: dict[bool, list[int]] = {True: [], False: []}
    for i, label in enumerate(labels.tolist()):
        seen[label] += 1
        parts[seen[label] % 5 == 0].append(i)
    for split, rows in ((data.test, parts[True]), (data.train, parts[False])):
        np.testing.assert_array_equal(split.inputs.reshape(-1, 8, 8) * 16, images[rows])
        np.testing.assert_array_equal(split.targets, labels[rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float32"])
def test_digits_in_each_dtype(dtype):
    for inputs, targets in (datasets.digits(dtype=dtype).train, datasets.digits(dtype=dtype).test):
        assert inputs.dtype == dtype
        assert targets.dtype == np.int64
        assert (inputs.min(), inputs.max()) == (0, 1)
        assert (targets.min(), targets.max()) == (0, 9)
        np.testing.assert_array_equal(inputs * 16 % 1, 0)


def test_a_caller_may_write_into_what_it_got():
    datasets.digits().train.inputs[:] = -1
    assert datasets.digits().train.inputs.min() == 0


def write_mnist(folder, n_train=5, n_test=3, packed=True):
    """A folder of four small files in the form of MNIST; the arrays they hold."""
    rng = np.random.default_rng(0)
    content = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (n_train, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, n_train, dtype=np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (n_test, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, n_test, dtype=np.uint8),
    }
    for name, array in content.items():
        write(folder, name, array, packed)
    return content


def write(folder, name, array, packed=True):
    raw = idx_bytes(array)
    (folder / f"{name}.gz" if packed else folder / name).write_bytes(gzip.compress(raw) if packed else raw)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mnist_from_a_folder(tmp_path, packed, dtype):
    content = write_mnist(tmp_path, packed=packed)
    data = datasets.mnist(str(tmp_path), dtype=dtype)
    for split, part in ((data.train, "train"), (data.test, "t10k")):
        assert split.inputs.dtype == dtype
        assert split.targets.dtype == np.int64
        np.testing.assert_array_equal(split.inputs, (content[f"{part}-images-idx3-ubyte"] / dtype(255)).astype(dtype))
        np.testing.assert_array_equal(split.targets, content[f"{part}-labels-idx1-ubyte"])
    assert (data.length, data.n_features, data.n_classes) == (28, 28, 10)
    assert repr(data) == "Dataset('mnist': 5 train, 3 test, 28 steps of 28, 10 classes)"


def test_mnist_itself(tmp_path):
    """With MINIGRAD_MNIST, the folder of the real files, their well-known counts; else a small folder in their form."""
    folder = os.environ.get("MINIGRAD_MNIST")
    if folder is None:
        labels = np.bincount(write_mnist(tmp_path)["train-labels-idx1-ubyte"], minlength=10).tolist()
        shapes = (5, 28, 28), (3, 28, 28)
    else:
        labels = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        shapes = (60000, 28, 28), (10000, 28, 28)
    data = datasets.mnist(folder or tmp_path)
    assert (data.train.inputs.shape, data.test.inputs.shape) == shapes
    assert np.bincount(data.train.targets, minlength=10).tolist() == labels
    if folder is not None:
        assert data.train.targets[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
        assert data.test.targets[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
        assert abs(data.train.inputs.mean(dtype=np.float64) - 0.1307) < 1e-4
        assert abs(data.train.inputs.std(dtype=np.float64) - 0.3081) < 1e-4


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-idx1-ubyte", np.zeros(4, np.uint8), r"expected 5 labels, one for each image of .*, found 4"),
        ("train-labels-idx1-ubyte", np.zeros(5, np.int32), r"expected uint8 labels \(n,\), found int32 \(5,\)"),
        ("t10k-labels-idx1-ubyte", np.zeros((3, 1), np.uint8), r"expected uint8 labels \(n,\), found uint8 \(3, 1\)"),
        ("t10k-labels-idx1-ubyte", np.array([9, 10, 11], np.uint8), "expected labels 0 to 9, found 10 at index 1"),
        ("train-images-idx3-ubyte", np.zeros((5, 8, 8), np.uint8), r"images \(n, 28, 28\).*found uint8 \(5, 8, 8\)"),
        ("train-images-idx3-ubyte", np.zeros((5, 28, 28), np.float32), r"uint8 images .*found float32 \(5, 28, 28\)"),
        ("t10k-images-idx3-ubyte", np.zeros((0, 28, 28), np.uint8), r"n >= 1, found uint8 \(0, 28, 28\)"),
        ("t10k-images-idx3-ubyte", np.zeros(3, np.uint8), r"uint8 images .*found uint8 \(3,\)"),
    ],
)
def test_mnist_files_that_do_not_fit(tmp_path, name, array, message):
    write_mnist(tmp_path)
    write(tmp_path, name, array)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.mnist(tmp_path)
    assert f"{name}.gz: expected" in str(caught.value)


def test_mnist_with_a_truncated_file(tmp_path):
    write_mnist(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz: expected a whole gzip file, found a truncated"):
        datasets.mnist(tmp_path)


def test_mnist_not_found(tmp_path):
    with pytest.raises(ValueError, match=r"pass the folder that holds train-images-idx3-ubyte.*or download=True"):
        datasets.mnist()
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder.*t10k-labels-idx1-ubyte.*download=True"):
        datasets.mnist(tmp_path / "nowhere")
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte\.gz in "):
        datasets.mnist(tmp_path)


@pytest.fixture
def network(monkeypatch, tmp_path):
    """A stand-in for pooch whose mirrors serve small files: what was asked of it, and the errors it shall raise."""
    served = tmp_path / "served"
    served.mkdir()
    write_mnist(served)
    asked: list[tuple[str, str]] = []
    errors: dict[str, Exception] = {}

    def retrieve(url, known_hash, fname, path, downloader):
        asked.append((url, known_hash))
        for start, error in errors.items():
            if url.startswith(start):
                raise error
        (Path(path) / fname).write_bytes((served / fname).read_bytes())

    pooch = types.SimpleNamespace(
        retrieve=retrieve,
        os_cache=lambda project: tmp_path / "cache" / project,
        HTTPDownloader=lambda timeout: f"waits {timeout} s",
    )
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    return types.SimpleNamespace(asked=asked, errors=errors, folder=tmp_path, served=served)


def test_mnist_is_downloaded_once(network):
    data = datasets.mnist(download=True)
    assert len(data.train.targets) == 5
    assert sorted(file.name for file in (network.folder / "cache" / "minigrad" / "mnist").iterdir()) == sorted(
        f"{name}.gz" for name in datasets.MNIST_FILES
    )
    assert network.asked == [
        (f"{datasets.MNIST_MIRRORS[0]}{name}.gz", f"sha256:{sha256}") for name, sha256 in datasets.MNIST_FILES.items()
    ]
    datasets.mnist(download=True)
    assert len(network.asked) == 4


def test_mnist_download_completes_a_folder_and_replaces_nothing(network):
    place = network.folder / "a" / "b"
    place.mkdir(parents=True)
    write(place, "train-labels-idx1-ubyte", np.full(5, 7, np.uint8), packed=False)
    assert datasets.mnist(place, download=True).train.targets.tolist() == [7] * 5
    assert len(network.asked) == 3


def test_mnist_download_tries_the_next_mirror(network):
    network.errors[datasets.MNIST_MIRRORS[0]] = ValueError("another checksum")
    assert len(datasets.mnist(network.folder / "new", download=True).test.targets) == 3
    assert len(network.asked) == 8


def test_mnist_download_without_network(network):
    network.errors["https://"] = OSError("no route to host")
    place = network.folder / "new"
    with pytest.raises(ConnectionError) as caught:
        datasets.mnist(place, download=True)
    message = str(caught.value)
    assert "could not download train-images-idx3-ubyte.gz into" in message
    assert str(place) in message
    assert "put them in a folder and pass that folder" in message
    assert message.count("no route to host") == len(datasets.MNIST_MIRRORS) == 2
    for name in datasets.MNIST_FILES:
        assert f"{name}.gz" in message


def test_mnist_download_into_a_folder_one_may_not_write(network):
    network.errors["https://"] = PermissionError("read-only")
    with pytest.raises(PermissionError, match="read-only"):
        datasets.mnist(network.folder / "new", download=True)
    assert len(network.asked) == 1


def test_mnist_download_without_pooch(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pooch, or pass the folder"):
        datasets.mnist(tmp_path, download=True)


def test_pooch_refuses_a_file_with_another_checksum(tmp_path, monkeypatch):
    """The real pooch, on files instead of a network."""
    pooch = importlib.import_module("pooch")

    write_mnist(tmp_path)
    monkeypatch.setattr(datasets, "MNIST_MIRRORS", ("mirror/",))
    monkeypatch.setattr(
        pooch,
        "HTTPDownloader",
        lambda timeout: lambda url, output, _: Path(output).write_bytes((tmp_path / Path(url).name).read_bytes()),
    )
    place = tmp_path / "new"
    with pytest.raises(ConnectionError, match=r"mirror/train-images-idx3-ubyte\.gz: (?s:.*)does not match"):
        datasets.mnist(place, download=True)
    assert list(place.iterdir()) == []
    sums = {name: hashlib.sha256((tmp_path / f"{name}.gz").read_bytes()).hexdigest() for name in datasets.MNIST_FILES}
    monkeypatch.setattr(datasets, "MNIST_FILES", sums)
    assert len(datasets.mnist(place, download=True).train.targets) == 5


def test_integer_inputs_are_refused(tmp_path):
    for load in (datasets.digits, lambda dtype: datasets.mnist(tmp_path, dtype=dtype)):
        with pytest.raises(TypeError, match=r"dtype=uint8\): expected floating-point numbers"):
            load(dtype=np.uint8)


DATA = Path(datasets.__file__).parent


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("sunspots.csv.gz", "b3017cdc7608f999f7a77f1f51c3ab20d171118b458dbfabf7160381babcddd6"),
        ("co2.csv.gz", "c1a4a970864145940a28225cae288618b156cb32f9a2a1b6606ba7124134febb"),
        ("penguins.csv.gz", "f204db2c753b0937caac3cb35258562c14f073e4bbc76be24b4c51ce22767a93"),
        ("wine.csv.gz", "9ff162e58e34cd69d455e76417710a590a099a50bb3b0ef635e58715ad58406d"),
        ("names.txt.gz", "816d2a728695db28a20e17eae61c9c423091a511b3df09a06a489dccbf0876c7"),
    ],
)
def test_what_is_shipped_is_what_the_readme_says(name, sha256):
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(gzip.decompress((DATA / name).read_bytes())).hexdigest() == sha256
    assert f"| `{name}` | {(DATA / name).stat().st_size:,} | `{sha256}` |" in readme
    section = readme.split(f"## {name.split('.')[0]}\n")[1].split("\n## ")[0]
    for word in ("**Source.**", "**License.**", "**Changes.**"):
        assert word in section


def test_everything_shipped_is_in_the_readme():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    shipped = [file.name for file in DATA.iterdir() if file.is_file() and file.suffix not in (".py", ".md")]
    assert len(shipped) == 7
    assert [name for name in shipped if f"`{name}`" not in readme] == []


def test_penguins():
    data = datasets.penguins(dtype=np.float64)
    assert repr(data) == "Dataset('penguins': 275 train, 67 test, 4 features, 3 classes)"
    assert data.classes == ("Adelie", "Chinstrap", "Gentoo")
    assert data.features == ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    assert np.bincount(data.train.targets).tolist() == [121, 55, 99]
    assert np.bincount(data.test.targets).tolist() == [30, 13, 24]
    both = np.concatenate([data.train.inputs, data.test.inputs])
    assert both.shape == (342, 4)
    # The means that the R package prints for all birds measured.
    np.testing.assert_allclose(both.mean(axis=0), [43.92193, 17.15117, 200.9152, 4201.754], rtol=1e-6)
    assert data.train.inputs[0].tolist() == [39.1, 18.7, 181, 3750]
    assert data.test.inputs[0].tolist() == [39.3, 20.6, 190, 3650]  # the fifth Adelie measured
    with pytest.raises(ValueError, match="penguins has no time axis"):
        _ = data.length


def test_wine():
    data = datasets.wine(dtype=np.float64)
    assert repr(data) == "Dataset('wine': 144 train, 34 test, 13 features, 3 classes)"
    assert (data.n_features, len(data.features), data.features[-1]) == (13, 13, "proline")
    labels = np.concatenate([data.train.targets, data.test.targets])
    assert np.bincount(labels).tolist() == [59, 71, 48]
    both = np.concatenate([data.train.inputs, data.test.inputs])
    # The means that UCI's statistics and scikit-learn's description give: alcohol 13.0, magnesium 99.7, proline 746.
    np.testing.assert_allclose(both.mean(axis=0)[[0, 4, 12]], [13.0, 99.7, 746], rtol=2e-3)
    assert data.train.inputs[0].tolist() == [
        14.23, 1.71, 2.43, 15.6, 127, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065,
    ]  # fmt: skip
    assert data.train.targets[0] == 0


def test_sunspots():
    data = datasets.sunspots(dtype=np.float64)
    assert repr(data) == "Dataset('sunspots': 2476 train, 602 test, 24 steps of 1, numbers to forecast)"
    assert data.n_classes == 0
    values = np.concatenate([data.train.inputs[0, :, 0], data.train.targets[:, 0]])
    assert len(values) == 2500
    assert values[:6].tolist() == [58.0, 62.6, 70.0, 55.7, 85.0, 83.5]
    rest = np.concatenate([data.test.inputs[0, :, 0], data.test.targets[:, 0]])
    assert len(rest) == 626
    assert values[-1] == 175.2  # 1957-04
    assert rest[-2:].tolist() == [2.9, 2.6]
    assert max(rest) == 253.8  # the maximum of all, 1957-10
    np.testing.assert_array_equal(data.train.inputs[7, :, 0], values[7:31])
    ahead = datasets.sunspots(12, horizon=6, dtype=np.float64)
    np.testing.assert_array_equal(ahead.train.targets[:, 0], values[17:])
    np.testing.assert_array_equal(ahead.train.inputs[3, :, 0], values[3:15])
    with pytest.raises(ValueError, match="holds no window of 626"):
        datasets.sunspots(626)


def test_co2():
    data = datasets.co2(dtype=np.float64)
    assert repr(data) == "Dataset('co2': 568 train, 125 test, 24 steps of 1, numbers to forecast)"
    assert data.train.inputs[0, :3, 0].tolist() == [315.7, 317.46, 317.51]
    assert data.test.targets[-1].tolist() == [416.18]
    assert data.train.inputs.max() < data.test.targets.mean()  # it rises
    assert len(data.train.targets) + len(data.test.targets) + 2 * 24 == 741


def test_names():
    data = datasets.names()
    assert repr(data) == "Dataset('names': 28840 train, 3193 test, 16 steps of 27, 27 classes)"
    spell = lambda indices: "".join(data.vocabulary[i] for i in indices)  # noqa: E731
    assert spell(data.train.inputs[0]) == ".emma" + "." * 11
    assert spell(data.train.targets[0]) == "emma" + "." * 12
    for split in (data.train, data.test):
        assert split.inputs.dtype == split.targets.dtype == np.int64
        np.testing.assert_array_equal(split.inputs[:, 1:], split.targets[:, :-1])
        assert not split.inputs[:, 0].any()
        assert not split.targets[:, -1].any()
    both = np.concatenate([data.train.targets, data.test.targets])
    assert (both > 0).sum() == 228145 - 32032  # the bytes of the file without its line ends
    assert len(np.unique(both, axis=0)) == 29494
    train = {row.tobytes() for row in data.train.targets}
    assert not train & {row.tobytes() for row in data.test.targets}
    mask = data.train.inputs != 0
    mask[:, 0] = True
    np.testing.assert_array_equal(mask.sum(axis=1), (data.train.targets > 0).sum(axis=1) + 1)


def test_tiny_shakespeare(tmp_path):
    text = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 20
    (tmp_path / "input.txt").write_text(text, encoding="utf-8")
    data = datasets.tiny_shakespeare(tmp_path, length=7)
    spell = lambda indices: "".join(data.vocabulary[i] for i in np.ravel(indices))  # noqa: E731
    cut = len(text) * 9 // 10
    assert data.vocabulary == data.classes == tuple(sorted(set(text)))
    assert data.length == 7
    assert data.n_features == data.n_classes == len(set(text))
    for split, part in ((data.train, text[:cut]), (data.test, text[cut:])):
        n = (len(part) - 1) // 7
        assert split.inputs.shape == split.targets.shape == (n, 7)
        assert spell(split.inputs) == part[: 7 * n]
        assert spell(split.targets) == part[1 : 7 * n + 1]
    with pytest.raises(ValueError, match=r"input\.txt: expected a text of at least 10 pieces of length 500"):
        datasets.tiny_shakespeare(tmp_path, length=500)
    for length in (0, 2.5, 10**10):
        with pytest.raises(ValueError, match=rf"tiny_shakespeare\(length={length}\): expected an integer"):
            datasets.tiny_shakespeare(tmp_path, length=length)


def test_tiny_shakespeare_itself(tmp_path):
    """With MINIGRAD_TINY_SHAKESPEARE, the folder of the real file, its known counts; else a short text."""
    folder = os.environ.get("MINIGRAD_TINY_SHAKESPEARE")
    (tmp_path / "input.txt").write_text("to be, or not to be " * 30, encoding="utf-8")
    counts = (20077, 2230, 65) if folder else (10, 1, 8)
    data = datasets.tiny_shakespeare(folder or tmp_path)
    assert (len(data.train.inputs), len(data.test.inputs), data.n_classes) == counts


def write_wikigold(folder, n_documents=10):
    """Articles of two sentences, of which the fifth and the tenth hold words of their own."""
    article = "Museums O\nin O\nParis I-LOC\nare O\namazing O\n\nBob I-PER\nin O\nParis I-LOC\n\n-DOCSTART- O\n\n"
    other = article.replace("Bob", "Alice")
    text = "".join(other if i % 5 == 4 else article for i in range(n_documents))
    (folder / "wikigold.conll.txt").write_text(text, encoding="utf-8")


def test_wikigold(tmp_path):
    write_wikigold(tmp_path)
    data = datasets.wikigold(tmp_path)
    assert repr(data) == "Dataset('wikigold': 64 train, 16 test, 5 steps of 8, 5 classes)"
    assert data.vocabulary == ("<padding>", "<unknown>", "in", "Paris", "Museums", "are", "amazing", "Bob")
    words = [[data.vocabulary[i] for i in row] for row in data.test.inputs[:8]]
    pad = "<padding>"
    assert words[0] == [pad, pad, "Museums", "in", "Paris"]
    assert words[2] == ["Museums", "in", "Paris", "are", "amazing"]
    assert words[5] == [pad, pad, "<unknown>", "in", "Paris"]  # Alice occurs in test alone
    assert words[7] == ["<unknown>", "in", "Paris", pad, pad]
    assert [data.classes[i] for i in data.test.targets[:8]] == ["O", "O", "I-LOC", "O", "O", "I-PER", "O", "I-LOC"]
    assert data.train.targets.dtype == data.train.inputs.dtype == np.int64
    rare = datasets.wikigold(tmp_path, size=3, min_count=9)
    assert rare.vocabulary == ("<padding>", "<unknown>", "in", "Paris")
    assert rare.train.inputs.shape == (64, 3)


def test_wikigold_itself(tmp_path):
    """With MINIGRAD_WIKIGOLD, the folder of the real file, its known counts; else a short one in its form."""
    folder = os.environ.get("MINIGRAD_WIKIGOLD")
    write_wikigold(tmp_path)
    counts = [32576, 1447, 1392, 1958, 1634] if folder else [50, 20, 0, 0, 10]
    data = datasets.wikigold(folder or tmp_path)
    targets = np.concatenate([data.train.targets, data.test.targets])
    assert np.bincount(targets, minlength=5).tolist() == counts
    assert len(targets) == (39007 if folder else 80)
    assert len(data.vocabulary) == (3021 if folder else 8)


def test_wikigold_that_does_not_fit(tmp_path):
    write_wikigold(tmp_path, 4)
    with pytest.raises(ValueError, match=r"at least 5 articles, each behind -DOCSTART-, found 4"):
        datasets.wikigold(tmp_path)
    file = tmp_path / "wikigold.conll.txt"
    file.write_text("Paris B-LOC\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected the tags O, I-LOC, .*, found B-LOC; is it the right file\?"):
        datasets.wikigold(tmp_path)
    file.write_text("Paris\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 1: expected a word, a blank and its tag"):
        datasets.wikigold(tmp_path)


FROM_A_FOLDER = [
    (datasets.tiny_shakespeare, "input.txt", datasets.TINY_SHAKESPEARE_FILES, datasets.TINY_SHAKESPEARE_MIRRORS),
    (datasets.wikigold, "wikigold.conll.txt", datasets.WIKIGOLD_FILES, datasets.WIKIGOLD_MIRRORS),
]


@pytest.mark.parametrize(("load", "file", "files", "mirrors"), FROM_A_FOLDER)
def test_texts_not_found(tmp_path, load, file, files, mirrors):
    with pytest.raises(ValueError, match=f"{load.__name__} needs to know where its files are: .* holds {file}"):
        load()
    with pytest.raises(FileNotFoundError, match=f"nowhere is not a folder: {load.__name__} looks there for {file}"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=rf"neither {file} nor {file}\.gz in "):
        load(tmp_path)


@pytest.mark.parametrize(("load", "file", "files", "mirrors"), FROM_A_FOLDER)
def test_texts_are_downloaded_once(network, load, file, files, mirrors):
    write_wikigold(network.served)
    (network.served / "input.txt").write_text("to be, or not to be " * 30, encoding="utf-8")
    first = load(download=True)
    assert network.asked == [(mirrors[0] + file, f"sha256:{files[file]}")]
    again = load(network.folder / "cache" / "minigrad" / load.__name__)
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    load(download=True)
    assert len(network.asked) == 1
    network.errors["https://"] = OSError("no route to host")
    with pytest.raises(ConnectionError, match=rf"could not download {file} into .* get {file} by other means"):
        load(network.folder / "new", download=True)
