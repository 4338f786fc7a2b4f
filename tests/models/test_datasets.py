"""Data sets: what the files hold, what the generators draw, and that a damaged file never passes for data."""

import gzip
import hashlib
import importlib
import os
import struct
import sys
import tracemalloc
import types
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
    folder = Path(datasets.__file__).with_name("data")
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


def test_digits_are_split_once_and_for_all():
    data = datasets.digits()
    assert data.train.inputs.shape == (1442, 64, 1)
    assert data.test.inputs.shape == (355, 64, 1)
    assert (data.length, data.n_features, data.n_classes) == (64, 1, 10)
    assert repr(data) == "Dataset('digits': 1442 train, 355 test, 64 steps of 1, 10 classes)"
    assert "CC BY 4.0" in data.description
    images = datasets.read_idx(Path(datasets.__file__).with_name("data") / "digits-images-idx3-ubyte.gz")
    labels = datasets.read_idx(Path(datasets.__file__).with_name("data") / "digits-labels-idx1-ubyte.gz")
    seen = dict.fromkeys(range(10), 0)
    parts: dict[bool, list[int]] = {True: [], False: []}
    for i, label in enumerate(labels.tolist()):
        seen[label] += 1
        parts[seen[label] % 5 == 0].append(i)
    for split, rows in ((data.test, parts[True]), (data.train, parts[False])):
        np.testing.assert_array_equal(split.inputs.reshape(-1, 8, 8) * 16, images[rows])
        np.testing.assert_array_equal(split.targets, labels[rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float16"])
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


def test_temporal_order_against_a_plain_reading():
    inputs, targets = datasets.temporal_order(500, 57, np.random.default_rng(0))
    assert inputs.shape == (500, 57, 6)
    assert inputs.dtype == np.float32
    assert targets.shape == (500,)
    assert targets.dtype == np.int64
    assert set(np.unique(inputs)) == {0, 1}
    assert (inputs.sum(axis=2) == 1).all()
    for sequence, target in zip(inputs.argmax(axis=2), targets, strict=True):
        p0, p1 = np.flatnonzero(sequence < 2)
        assert 5 <= p0 < 10
        assert 28 <= p1 < 33
        assert target == sequence[p0] + 2 * sequence[p1]


def test_temporal_order_is_uniform():
    n, length = 20000, 50
    inputs, targets = datasets.temporal_order(n, length, np.random.default_rng(1))
    symbols = inputs.argmax(axis=2)
    p0, p1 = (np.flatnonzero(row < 2) for row in (symbols[:, :25].T.min(axis=1), symbols[:, 25:].T.min(axis=1)))
    assert p0.tolist() == [5, 6, 7, 8, 9]
    assert p1.tolist() == [0, 1, 2, 3, 4]
    for positions in (range(5, 10), range(25, 30)):  # each a fifth of the time: 5 standard deviations are 0.014
        np.testing.assert_allclose((symbols[:, positions] < 2).mean(axis=0), 0.2, atol=0.015)
    np.testing.assert_allclose(np.bincount(targets) / n, 0.25, atol=0.016)
    counts = np.bincount(symbols.ravel(), minlength=6) / (n * length)
    np.testing.assert_allclose(counts, [0.02, 0.02, 0.24, 0.24, 0.24, 0.24], atol=0.003)
    first = (symbols < 2).argmax(axis=1)  # position and class are independent
    for p in range(5, 10):
        np.testing.assert_allclose(np.bincount(targets[first == p]) / (first == p).sum(), 0.25, atol=0.036)


def test_adding_against_a_plain_reading():
    inputs, targets = datasets.adding(500, 57, np.random.default_rng(0), dtype=np.float64)
    assert inputs.shape == (500, 57, 2)
    assert targets.shape == (500, 1)
    for sequence, target in zip(inputs, targets, strict=True):
        p0, p1 = np.flatnonzero(sequence[:, 1])
        assert 0 <= p0 < 5 <= p1 < 25
        assert sequence[:, 1].sum() == 2
        assert target == pytest.approx((sequence[p0, 0] + sequence[p1, 0]) / 2, rel=1e-15)


def test_adding_is_uniform():
    n = 20000
    inputs, targets = datasets.adding(n, 50, np.random.default_rng(1))
    values, markers = inputs[..., 0], inputs[..., 1]
    assert values.min() >= 0
    assert values.max() <= 1
    np.testing.assert_allclose(np.histogram(values, 10, (0, 1))[0] / values.size, 0.1, atol=0.002)
    frequencies = markers.mean(axis=0)
    np.testing.assert_allclose(frequencies[:5], 0.2, atol=0.015)
    np.testing.assert_allclose(frequencies[5:25], 0.05, atol=0.008)
    assert not frequencies[25:].any()
    assert ((targets - 0.5) ** 2).mean() == pytest.approx(1 / 24, rel=0.05)


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding])
def test_generated_tasks_repeat_by_seed(task):
    rng = np.random.default_rng(5)
    first, second = task(7, 30, rng), task(7, 30, rng)
    again = task(7, 30, np.random.default_rng(5))
    for a, b, c in zip(first, again, second, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_generated_tasks_in_each_dtype(task, dtype):
    inputs, targets = task(7, 30, np.random.default_rng(5), dtype=dtype)
    reference, reference_targets = task(7, 30, np.random.default_rng(5), dtype=np.float64)
    assert inputs.dtype == dtype
    assert targets.dtype == (np.int64 if task is datasets.temporal_order else dtype)
    np.testing.assert_allclose(inputs, reference, atol=1e-3)  # the same sequences, rounded
    np.testing.assert_allclose(targets, reference_targets, atol=1e-3)


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding])
@given(n=st.integers(1, 5), length=st.integers(10, 130), seed=st.integers(0, 1000))
def test_generated_tasks_at_every_length(task, n, length, seed):
    inputs, targets = task(n, length, np.random.default_rng(seed))
    assert inputs.shape[:2] == (n, length)
    assert len(targets) == n
    marked = inputs[..., :2].any(axis=2) if task is datasets.temporal_order else inputs[..., 1] == 1
    tenth = length // 10
    windows = (tenth, 2 * tenth, length // 2, length // 2 + tenth)
    if task is datasets.adding:
        windows = (0, tenth, tenth, 5 * tenth)
    for row in marked:
        p0, p1 = np.flatnonzero(row)
        assert windows[0] <= p0 < windows[1]
        assert windows[2] <= p1 < windows[3]


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding])
def test_generated_tasks_refuse_what_cannot_work(task):
    rng = np.random.default_rng(0)
    for length in (-1, 0, 9):
        with pytest.raises(ValueError, match=f"length {length} are too short.*at least 10"):
            task(3, length, rng)
    with pytest.raises(ValueError, match="n, the number of examples, must be at least 1, not 0"):
        task(0, 50, rng)
    with pytest.raises(TypeError, match=rf"{task.__name__}: rng must be a numpy\.random\.Generator.*not 0"):
        task(3, 50, 0)
    with pytest.raises(TypeError, match="dtype must be float32, float64 or float16, not int64"):
        task(3, 50, rng, dtype=np.int64)


def test_integer_inputs_are_refused(tmp_path):
    for load in (datasets.digits, lambda dtype: datasets.mnist(tmp_path, dtype=dtype)):
        with pytest.raises(TypeError, match="not uint8"):
            load(dtype=np.uint8)


def test_fraction_wrong_of_classes():
    outputs = np.array([[1.0, 2.0, 0.0], [5.0, 4.0, 3.0], [0.0, 0.0, 1.0], [0.0, 1.0, np.nan]])
    assert datasets.fraction_wrong(outputs, np.array([1, 0, 2, 2])) == 0.25  # nan is wrong, though argmax finds it
    assert datasets.fraction_wrong(outputs, np.array([0, 1, 0, 0])) == 1


def test_fraction_wrong_of_numbers():
    targets = np.array([[0.5], [0.5], [0.5], [0.5]])
    outputs = np.array([[0.539], [0.461], [0.541], [np.nan]])
    assert datasets.fraction_wrong(outputs, targets) == 0.5
    assert datasets.fraction_wrong(targets, targets) == 0


def test_fraction_wrong_of_shapes_that_do_not_fit():
    number, label = np.zeros((4, 1)), np.zeros(4, int)
    for outputs, targets in ((number[:, 0], number), (number[:3], number), (number[:0], number[:0])):
        with pytest.raises(ValueError, match=r"expected outputs \(n, 1\) as the targets"):
            datasets.fraction_wrong(outputs, targets)
    for outputs, targets in ((np.zeros(4), label), (np.zeros((3, 2)), label), (np.zeros((0, 2)), label[:0])):
        with pytest.raises(ValueError, match=r"expected outputs \(n, classes\) for integer targets"):
            datasets.fraction_wrong(outputs, targets)


def test_chance_on_the_generated_tasks():
    rng = np.random.default_rng(3)
    _, targets = datasets.temporal_order(20000, 20, rng)
    assert datasets.fraction_wrong(rng.random((20000, 4)), targets) == pytest.approx(0.75, abs=0.015)
    _, sums = datasets.adding(20000, 20, rng)
    assert datasets.fraction_wrong(np.full_like(sums, 0.5), sums) == pytest.approx(1 - 0.1536, abs=0.015)
