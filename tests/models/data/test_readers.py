"""Readers of text files: what they give, and that nothing damaged or of another form passes."""

import gzip
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.models import readers

TABLE = b"name,x,y\na,1,2.5\nb,-3e2,NA\n"
CONLL = b"Paris I-LOC\nis O\n\nBig O\n\n-DOCSTART- O\n\nBen I-PER\n\n-DOCSTART- O\n\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """One place for files that a test overwrites at will."""
    return tmp_path_factory.mktemp("text") / "file"


def refusal(read, path, content):
    """What the reader says about a file of this content."""
    path.write_bytes(content)
    with pytest.raises(ValueError, match="expected ") as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert type(caught.value) is ValueError
    return str(caught.value)


def table(path):
    return readers.read_table(path, numbers=["x", "y"], words=["name"], missing="NA")


@given(text=st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])), packed=st.booleans())
def test_text_round_trip(path, text, packed):
    content = text.encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    assert readers.read_text(path) == text.removeprefix("\ufeff")


def test_text_of_other_systems(path):
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert readers.read_text(path) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"caf\xe9 au lait\n", "line 1: expected text in UTF-8, found the byte e9 (invalid continuation byte)"),
        (b"one\ntwo\nthr\xff", "line 3: expected text in UTF-8, found the byte ff (invalid start byte)"),
        ("é".encode("utf-16"), "line 1: expected text in UTF-8, found the byte ff"),
        ("é".encode()[:1], "line 1: expected text in UTF-8, found the byte c3 (unexpected end of data)"),
    ],
)
def test_text_in_another_encoding(path, content, message):
    for read in (readers.read_text, table, readers.read_conll):
        assert message in refusal(read, path, content)
        assert message in refusal(read, path, gzip.compress(content))


@pytest.mark.parametrize(("read", "content"), [(table, TABLE), (readers.read_conll, CONLL)])
def test_gzipped_text_truncated_anywhere_is_an_error(path, read, content):
    packed = gzip.compress(content)
    for n in range(2, len(packed)):
        assert "truncated or damaged" in refusal(read, path, packed[:n])


def test_a_file_that_is_not_there(tmp_path):
    for read in (readers.read_text, table, readers.read_conll):
        with pytest.raises(FileNotFoundError, match=r"neither nothing nor nothing\.gz in "):
            read(tmp_path / "nothing")


def test_table(path):
    for content in (TABLE, gzip.compress(TABLE), TABLE.replace(b"\n", b"\r\n")):
        path.write_bytes(content)
        columns = table(path)
        assert list(columns) == ["x", "y", "name"]
        assert columns["name"].tolist() == ["a", "b"]
        assert columns["x"].dtype == np.float64
        np.testing.assert_array_equal(columns["x"], [1, -300])
        np.testing.assert_array_equal(columns["y"], [2.5, np.nan])
    path.write_bytes(b'x,"a, b"\n .5 ,"say ""hi"""\n')
    columns = readers.read_table(path, numbers=["x"], words=["a, b"])
    assert (columns["x"][0], columns["a, b"][0]) == (0.5, 'say "hi"')


def test_table_truncated_anywhere_is_an_error(path):
    """Cut behind a line, only the number of rows could tell; everywhere else it is seen."""
    for n in range(len(TABLE)):
        if TABLE[:n].count(b"\n") < 2 or not TABLE[:n].endswith(b"\n"):
            assert refusal(table, path, TABLE[:n])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a line end at the end, found an empty file"),
        (b"name,x,y\n", "expected a line of names and at least one of values"),
        (b"name,x\na,1\n", "line 1: expected one column 'y', found name, x; is it the right file?"),
        (b"name,x,y,x\na,1,2,3\n", "line 1: expected one column 'x', found it 2 times"),
        (b"name,x,y\na,1,2\nb,3\n", "line 3: expected 3 fields, as line 1 has, found 2"),
        (b"name,x,y\na,1,2,\n", "line 2: expected 3 fields, as line 1 has, found 4"),
        (b"name,x,y\na,1,2\n\n", "line 3: expected 3 fields, as line 1 has, found 0"),
        (b"name,x,y\na,1,2\nb,one,2\n", "line 3, column 'x': expected a finite number, or NA where it is missing"),
        (b"name,x,y\na,,2\n", "line 2, column 'x': expected a finite number, or NA where it is missing, found ''"),
        (b"name,x,y\na,nan,2\n", "found 'nan'"),
        (b"name,x,y\na,inf,2\n", "found 'inf'"),
        (b"name,x,y\na,1e999,2\n", "found '1e999'"),
        (b"name,x,y\na,1_000,2\n", "found '1_000'"),
        (b"name,x,y\na,0x10,2\n", "found '0x10'"),
        ("name,x,y\na,٣,2\n".encode(), "found '٣'"),
        (b'name,x,y\n"a"b,1,2\n', "line 2: expected comma-separated values, found"),
        (b'name,x,y\n"a,1,2\n', "expected comma-separated values, found"),
        (b'name,x,y\n"a\nb",1,2\n', "each its own line"),
    ],
)
def test_table_refuses(path, content, message):
    assert message in refusal(table, path, content)


def test_table_without_a_mark_for_what_is_missing(path):
    path.write_bytes(TABLE)
    with pytest.raises(ValueError, match=r"line 3, column 'y': expected a finite number, found 'NA'; correct the file"):
        readers.read_table(path, numbers=["y"])


def test_conll(path):
    documents = [[[("Paris", "I-LOC"), ("is", "O")], [("Big", "O")]], [[("Ben", "I-PER")]]]
    tabs = CONLL.replace(b" ", b"\t").replace(b"\n\n", b"\n\t\n")
    for content in (CONLL, gzip.compress(CONLL), tabs, CONLL.replace(b"\n", b"\r\n")):
        path.write_bytes(content)
        assert readers.read_conll(path) == documents
    path.write_bytes("\u00a0x\u2028 O\n".encode())  # only a blank and a tab part fields
    assert readers.read_conll(path) == [[[("\u00a0x\u2028", "O")]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (b"\n", "expected at least one tagged word, found none"),
        (b"-DOCSTART- O\n\n", "expected at least one tagged word, found none"),
        (b"Paris I-LOC\nis\n", "line 2: expected a word, a blank and its tag, found 'is'"),
        (b"Paris NNP I-LOC\n", "line 1: expected a word, a blank and its tag, found 'Paris NNP I-LOC'"),
        (b"Paris I-LOC\nis O", "expected a line end at the end, found 'Paris I-LOC\\nis O': the file is truncated"),
    ],
)
def test_conll_refuses(path, content, message):
    assert message in refusal(readers.read_conll, path, content)


# Hostile files ---------------------------------------------------------------------------------------------------------


def bomb(start=b"", n_bytes=1 << 32):
    """A gzip file of 4 MB that unpacks to `start` and `n_bytes` zeros."""
    return gzip.compress(start) + gzip.compress(bytes(1 << 20)) * (n_bytes >> 20)


READERS = {
    "read_idx": (readers.read_idx, b"\0\0\x0d\x02\0\0\0\x02\0\0\0\x03" + np.arange(6, dtype=">f4").tobytes()),
    "read_text": (readers.read_text, "λ\n".encode()),
    "read_table": (table, TABLE),
    "read_conll": (readers.read_conll, CONLL),
}


@pytest.mark.parametrize("name", READERS)
def test_a_gzip_bomb_is_refused_at_the_limit(path, name):
    _, content = READERS[name]
    start = b"\0\0\x08\x01\xff\xff\xff\xff" if name == "read_idx" else content
    limit = 1 << 24
    packed = bomb(start)
    assert len(packed) < 5e6
    path.write_bytes(packed)
    with pytest.raises(ValueError, match="expected a gzip file") as caught:
        getattr(readers, name)(path, limit=limit)
    assert str(caught.value) == (
        f"{path}: expected a gzip file that unpacks to {limit:,} bytes at most, found one of "
        f"{len(packed):,} bytes that unpacks to more; if you trust it, allow more, as by limit=2**32"
    )


@pytest.mark.parametrize("name", READERS)
def test_every_reader_has_a_limit(name):
    assert inspect.signature(getattr(readers, name)).parameters["limit"].default == readers.LARGEST_UNPACKED == 2**30


@pytest.mark.parametrize("name", READERS)
def test_the_limit_is_raised_and_lowered(path, name):
    _, content = READERS[name]
    options = {"numbers": ["x"]} if name == "read_table" else {}
    read = getattr(readers, name)
    path.write_bytes(gzip.compress(content))
    read(path, limit=len(content), **options)
    with pytest.raises(ValueError, match=rf"unpacks to {len(content) - 1} bytes at most, found one of \d+ bytes"):
        read(path, limit=len(content) - 1, **options)
    path.write_bytes(content)
    read(path, limit=1, **options)  # nothing is unpacked


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("packed", [True, False])
def test_a_flipped_bit_raises_only_what_is_documented(path, name, packed):
    """In a gzip file a checksum tells; a plain file may be another good one."""
    read, content = READERS[name]
    content = gzip.compress(content) if packed else content
    said = []
    for bit in range(8 * len(content)):
        path.write_bytes(content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :])
        try:
            read(path)
        except ValueError as error:
            said.append(error)
    assert all(str(path) in str(error) and type(error) is ValueError for error in said)
    assert len(said) > len(content)


@pytest.mark.parametrize("name", READERS)
def test_a_path_may_be_text(path, name):
    read, content = READERS[name]
    path.write_bytes(content)
    np.testing.assert_equal(read(str(path)), read(path))


@pytest.mark.parametrize(
    "field", ["1" * 130_000 + "x", "." + "1" * 130_000 + "x", "1e" + "1" * 130_000 + "x", " " * 130_000 + "x"]
)
def test_a_field_that_is_nearly_a_number_is_read_in_one_go(path, field):
    """Trying every part of the digits anew would take hours."""
    message = refusal(table, path, f"name,x,y\na,{field},2\n".encode())
    assert "line 2, column 'x': expected a finite number" in message
    assert len(message) < 400


def test_long_numbers_are_numbers(path):
    path.write_bytes(b"x\n" + b"0." + b"3" * 130_000 + b"\n" + b"0" * 130_000 + b"7.5\n")
    np.testing.assert_array_equal(readers.read_table(path, numbers=["x"])["x"], [1 / 3, 7.5])


def test_one_long_word_does_not_fill_the_memory(path):
    """Every entry of an array of words is as wide as the longest."""
    path.write_bytes(b"w\n" + b"a" * 130_000 + b"\n" + b"b\n" * 100_000)
    with pytest.raises(ValueError, match=r"column 'w'\(rows=100001\) would take about 48 GiB, and the limit is 16 GiB"):
        readers.read_table(path, words=["w"])
