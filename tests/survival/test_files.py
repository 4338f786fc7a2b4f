"""Files of arrays and checkpoints: what is written is read to the last bit, whatever else is refused, by its name."""

import builtins
import json
import math
import pickle
import re

import numpy as np
import pytest
import safetensors.numpy

from minigrad.array_files import read_arrays, write_arrays
from minigrad.models import Dense, Dropout, Sequential
from minigrad.optim import (
    SGD,
    Adam,
    Checkpoints,
    History,
    UnreadableFileError,
    load_arrays,
    load_checkpoint,
    save_arrays,
    save_checkpoint,
)
from minigrad.optim.training.checkpoints import read_state, write_state
from tests.survival import fuzz


def same(found, expected):
    assert fuzz.strip(found) == fuzz.strip(expected)


# Arrays ----------------------------------------------------------------------------------------------------------------


def test_every_dtype_and_shape_comes_back_in_all_memory_orders(tmp_path):
    given = fuzz.every_array()
    save_arrays(tmp_path / "a", given)
    same(load_arrays(tmp_path / "a"), given)
    found = load_arrays(tmp_path / "a")["F32.5"]
    found += 1  # an array of one's own, that may be written into
    assert found.flags.c_contiguous
    assert found.flags.aligned


@pytest.mark.parametrize("kind", [">f4", ">f8", ">i2", ">u4", ">i8"])
def test_other_byte_orders_and_strides_are_saved_by_value(kind, tmp_path):
    whole = np.arange(24).reshape(2, 3, 4).astype(kind)
    given = {
        "whole": whole, "back": whole[:, ::-1], "swapped": whole.transpose(2, 0, 1), "every second": whole[..., ::2],
        "same": np.broadcast_to(whole[:1], (5, 3, 4)), "number": whole[1, 1, 1:2].reshape(()),
    }  # fmt: skip
    save_arrays(tmp_path / "a", given)
    found = load_arrays(tmp_path / "a")
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")
        assert found[name].shape == array.shape


def test_the_package_safetensors_reads_what_is_written_and_the_other_way_round(tmp_path):
    given = fuzz.every_array()
    save_arrays(tmp_path / "ours", given)
    same(dict(sorted(safetensors.numpy.load_file(tmp_path / "ours").items())), dict(sorted(given.items())))
    safetensors.numpy.save_file(
        {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in given.items()}, tmp_path / "theirs"
    )
    same(dict(sorted(load_arrays(tmp_path / "theirs").items())), dict(sorted(given.items())))


def with_header(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


FOUR = bytes(4)
BAD = {
    "nothing": (b"", "its header is not complete"),
    "a short one": (b"\1\0\0", "its header is not complete"),
    "a header that is too long": ((10**6).to_bytes(8, "little") + b"{}", "its header is not complete"),
    "no JSON": (with_header(b"{oh"), "its header is no JSON"),
    "deep JSON": (with_header(b"[" * 100_000), "its header is no JSON"),
    "no text": (with_header(b"\xff\xfe{}"), "its header is no JSON"),
    "no table": (with_header([1]), "its header is no table of arrays"),
    "a name twice": (with_header(b'{"a":{},"a":{}}'), "a name stands in it twice"),
    "no entry": (with_header({"a": 3}), "does not give dtype, shape and data_offsets"),
    "more in it": (with_header({"a": entry() | {"b": 1}}, FOUR), "does not give dtype, shape and data_offsets"),
    "a shape of text": (with_header({"a": entry(shape="1")}, FOUR), "dtype, shape or data_offsets of 'a' are none"),
    "a shape of booleans": (with_header({"a": entry(shape=[True])}, FOUR), "are none"),
    "a negative shape": (with_header({"a": entry(shape=[-1])}, FOUR), "are none"),
    "three offsets": (with_header({"a": entry(offsets=[0, 4, 8])}, FOUR), "are none"),
    "a wrong length": (with_header({"a": entry(shape=[2])}, FOUR), "takes 8 bytes, and has 4"),
    "a cut": (with_header({"a": entry()}, FOUR[:3]), "it ends 1 bytes too early, in the array 'a'"),
    "too much": (with_header({"a": entry()}, FOUR + b"x"), "it has 1 bytes that belong to no array"),
    "a hole": (with_header({"a": entry(offsets=[4, 8])}, 2 * FOUR), "begins at byte 4, expected 0"),
    "an overlap": (with_header({"a": entry(), "b": entry()}, FOUR), "begins at byte 0, expected 4"),
    "many axes": (with_header({"a": entry(shape=[1] * 65)}, FOUR), "takes 4 bytes"),
    "a huge empty one": (with_header({"a": entry(shape=[0, 10**30], offsets=[0, 0])}), "the array 'a'"),
    "half precision": (with_header({"a": entry("BF16", [2])}, FOUR), "bad.safetensors is BF16; minigrad computes with"),
    "booleans of 2": (with_header({"a": entry("BOOL", [4])}, b"\0\1\2\0"), "neither 0 nor 1"),
    "texts of numbers": (with_header({"__metadata__": {"a": 1}}), "__metadata__ holds what is no text"),
    "another version": (with_header({"__metadata__": {"minigrad": "2", "sha256": ""}}), "expected version '1', found '2'"),
    "no version": (with_header({"__metadata__": {"sha256": ""}}), "expected version '1', found None"),
    "no checksum": (with_header({"__metadata__": {"minigrad": "1"}}), "its checksum differs"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_file_is_refused_by_name(name, tmp_path):
    content, why = BAD[name]
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=re.escape(why)) as caught:
        load_arrays(tmp_path / "bad.safetensors")
    assert str(tmp_path / "bad.safetensors") in str(caught.value)


def test_one_bit_anywhere_is_seen(tmp_path):
    save_arrays(tmp_path / "a", {"W": np.arange(5.0), "n": np.array(3)})
    data = (tmp_path / "a").read_bytes()
    held = load_arrays(tmp_path / "a")
    n_loaded = 0
    for at in range(len(data)):
        (tmp_path / "a").write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        try:
            found = load_arrays(tmp_path / "a")
        except UnreadableFileError:
            continue
        same(found, held)
        n_loaded += 1
    assert n_loaded < 8  # spaces behind the header that became other white space


def test_names_that_a_header_cannot_hold_are_refused(tmp_path):
    for name in ("__metadata__", 3):
        with pytest.raises(TypeError, match="is no name of an array"):
            save_arrays(tmp_path / "a", {name: np.ones(2)})
    for array in (np.ones(2, np.complex64), np.ones(2, np.float16), np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match="minigrad computes with"):
            save_arrays(tmp_path / "a", {"W": array})
    assert not [*tmp_path.iterdir()]


@pytest.fixture
def nothing_is_run(monkeypatch, tmp_path):
    for write, load in fuzz.WRITERS.values():  # imports run code
        write(tmp_path / "file.safetensors")
        load(tmp_path / "file.safetensors")

    def run(*_, **__):
        raise AssertionError("a file was run")

    for owner, names in ((builtins, ("exec", "eval")), (pickle, ("load", "loads", "Unpickler"))):
        for name in names:
            monkeypatch.setattr(owner, name, run)


@pytest.mark.parametrize("name", fuzz.WRITERS)
def test_damaged_files_are_refused_or_hold_what_they_held(name, tmp_path, nothing_is_run):
    assert fuzz.refused(name, 150, tmp_path) > 140


def test_damaged_files_of_other_programs_raise_the_documented_error_only(tmp_path, nothing_is_run):
    assert fuzz.refused_from_elsewhere(150, tmp_path) > 75


# Models ----------------------------------------------------------------------------------------------------------------


def test_a_model_is_saved_and_loaded(tmp_path):
    file = tmp_path / "net.safetensors"
    fuzz.a_net().save(file)
    other = fuzz.a_net()
    for parameter in other.parameters():
        parameter.value = parameter.value + 1
    assert other.load(str(file)) is other
    same(other.state_dict(), fuzz.a_net().state_dict())
    Dense(3, 2, rng=0).save(file)
    same(Dense.load(file, 3, 2).state_dict(), Dense(3, 2, rng=0).state_dict())
    same(Dense.load(file, n_inputs=3, n_outputs=2, rng=5).state_dict(), Dense(3, 2, rng=0).state_dict())


def test_a_model_that_does_not_fit_the_file_stays_as_it_was(tmp_path):
    file = tmp_path / "net.safetensors"
    Dense(3, 2, rng=0).save(file)
    for other, said in (
        (Dense(3, 4, rng=1), r"W has shape \(2, 3\)"),
        (Dense(3, 2, rng=1, bias=False), "b is unexpected"),
        (Dense(3, 2, rng=1, dtype=np.float64), "float64"),
        (fuzz.a_net(), "dense_1.W is missing"),
    ):
        before = other.state_dict()
        with pytest.raises(ValueError, match=rf"net.safetensors does not fit this {type(other).__name__}: .*{said}"):
            other.load(file)
        same(other.state_dict(), before)
    with pytest.raises(TypeError, match=r"Dense.load\(path, ...\): after the path come the arguments of Dense"):
        Dense.load(file)
    with pytest.raises(FileNotFoundError, match=r"nothing.safetensors"):
        Dense.load(tmp_path / "nothing.safetensors", 3, 2)
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(UnreadableFileError, match=r"net.safetensors is damaged"):
        Dense(3, 2).load(file)


# Checkpoints -----------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_no_file_of_a_model(tmp_path):
    net = Dense(2, 1, rng=0)
    save_checkpoint(tmp_path / "c.safetensors", net, Adam(net.parameters()))
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"c.safetensors is a checkpoint, .*load_checkpoint\(path, model\)"):
        net.load(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(net.W.value, before["W"])


def test_a_loop_of_ones_own_goes_on_with_the_same_bits(tmp_path):
    def parts():
        net = Sequential(Dense(3, 4, rng=0), Dropout(0.5, rng=1), Dense(4, 1, rng=2))
        return net, Adam(net.parameters(), 0.1), np.random.default_rng(3), History()

    def go_on(net, optimizer, rng, history, epochs):
        for epoch in epochs:
            loss = (net(rng.normal(size=(8, 3)).astype(np.float32)) ** 2).sum()
            loss.backward()
            optimizer.step()
            history.append(epoch=epoch, loss=float(loss.value))

    straight = parts()
    go_on(*straight, range(6))
    first, second = parts(), parts()
    go_on(*first, range(3))
    net, optimizer, rng, history = first
    save_checkpoint(tmp_path / "c", net, optimizer, rng=rng, history=history, epoch=3, seen={"a": [1, np.arange(2)]})
    net, optimizer, rng, history = second
    found = load_checkpoint(tmp_path / "c", net, optimizer, rng=rng, history=history)
    same((found["epoch"], found["seen"]), (3, {"a": [1, np.arange(2)]}))
    same(found["history"], dict(first[3]))
    go_on(*second, range(3, 6))
    same(second[0].state_dict(), straight[0].state_dict())
    same(second[1].state_dict(), straight[1].state_dict())
    same(dict(second[3]), dict(straight[3]))
    same(load_checkpoint(tmp_path / "c")["model"], first[0].state_dict())  # to look at it


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path):
    net = fuzz.a_net()
    save_checkpoint(tmp_path / "c", net, rng=np.random.default_rng(0))
    for model, optimizer, rng, said in (
        (Dense(3, 1), None, (), "dense_1.W is unexpected"),
        (net, SGD(net.parameters()), (), "it was saved without optimizer="),
        (
            net,
            None,
            [np.random.default_rng(1), np.random.default_rng(2)],
            "1 random generators were noted, and there are 2",
        ),
        (net, None, np.random.Generator(np.random.MT19937(0)), "MT19937"),
    ):
        before = (
            model.state_dict(),
            fuzz.strip([rng.bit_generator.state] if isinstance(rng, np.random.Generator) else []),
        )
        with pytest.raises(ValueError, match=rf"c does not fit: .*{said}"):
            load_checkpoint(tmp_path / "c", model, optimizer, rng=rng)
        after = (
            model.state_dict(),
            fuzz.strip([rng.bit_generator.state] if isinstance(rng, np.random.Generator) else []),
        )
        same(after, before)
    with pytest.raises(TypeError, match=r"save_checkpoint\(generators=...\): the name is taken"):
        save_checkpoint(tmp_path / "d", net, generators=3)
    with pytest.raises(TypeError, match=r"a checkpoint holds numbers, texts, arrays.* and what is a set"):
        save_checkpoint(tmp_path / "d", net, what={1, 2})
    assert not (tmp_path / "d").exists()
    full = History()
    full.append(loss=1.0)
    with pytest.raises(ValueError, match="1 rows already"):
        load_checkpoint(tmp_path / "c", net, history=full)


@pytest.mark.parametrize(
    "kind", [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]
)
def test_generators_of_all_kinds_go_on_where_they_were(kind, tmp_path):
    rng, again = np.random.Generator(kind(0)), np.random.Generator(kind(1))
    rng.random(3, np.float32)  # half of a number of 64 bits is left over
    save_checkpoint(tmp_path / "c", Dense(1, 1), rng=rng)
    load_checkpoint(tmp_path / "c", rng=again)
    assert fuzz.strip(again.bit_generator.state) == fuzz.strip(rng.bit_generator.state)
    np.testing.assert_array_equal(again.random(5, np.float32), rng.random(5, np.float32))


def test_numbers_that_json_has_no_word_for_come_back(tmp_path):
    notes = {"a": [math.nan, math.inf, -math.inf, -0.0, 1e-320, 2**200, np.float32(0.1), np.int8(3), True, None, "λ\n"]}
    write_state(tmp_path / "c", "notes", notes)
    found = read_state(tmp_path / "c", "notes")["a"]
    assert [repr(x) for x in found] == [repr(x.item() if isinstance(x, np.generic) else x) for x in notes["a"]]


def test_a_checkpoint_of_another_kind_or_version_is_refused(tmp_path):
    write_state(tmp_path / "c", "a search", {"a": 1})
    with pytest.raises(
        UnreadableFileError,
        match="c cannot be gone on from: it is a checkpoint of 'a search', expected one of 'a loop'",
    ):
        load_checkpoint(tmp_path / "c")
    save_arrays(tmp_path / "c", {"W": np.ones(2)})
    with pytest.raises(UnreadableFileError, match="c cannot be gone on from: it is no checkpoint"):
        load_checkpoint(tmp_path / "c")
    safetensors.numpy.save_file({"W": np.ones(2)}, tmp_path / "c", {"checkpoint": "{}"})
    with pytest.raises(UnreadableFileError, match="c is no file of this version of minigrad"):
        load_checkpoint(tmp_path / "c")
    for text, said in (
        ("[]", "it is no checkpoint"),
        ('{"version": 9, "kind": "a loop", "state": {}}', "of version 9, expected 1"),
        ('{"version": 1, "kind": "a loop", "state": {"a": {"@array": "b"}}}', "its arrays are not those it names"),
        ('{"version": 1, "kind": "a loop", "state": 3}', "its arrays are not those it names"),
    ):
        write_arrays(tmp_path / "c", {}, {"checkpoint": text})
        with pytest.raises(UnreadableFileError, match=said):
            load_checkpoint(tmp_path / "c")
    assert read_arrays(tmp_path / "c").texts == {"checkpoint": text}


# A folder of them ------------------------------------------------------------------------------------------------------


def test_a_folder_keeps_the_last_ones_and_falls_back(tmp_path):
    folder = Checkpoints(tmp_path / "runs" / "a", keep=2)
    folder.open()
    taken = []

    def take(path, state):
        taken.append((path.name, state["n"]))

    assert folder.newest("x", take) is None
    for n in range(4):
        folder.write("x", {"n": n})
    names = ["checkpoint-000003.safetensors", "checkpoint-000004.safetensors"]
    assert [path.name for path in folder.files()] == names
    (folder.folder / ".minigrad-0000.tmp").write_bytes(b"of a write that was killed")
    (folder.folder / "notes.txt").write_text("kept")
    last = folder.files()[-1]
    last.write_bytes(last.read_bytes()[:-1])
    again = Checkpoints(folder.folder, keep=2)
    again.open()
    with pytest.warns(
        RuntimeWarning, match=r"checkpoint-000004.safetensors is damaged .* So .*000003.safetensors is gone on from"
    ):
        assert again.newest("x", take).name == names[0]
    assert taken == [(names[0], 2)]
    again.write("x", {"n": 4})
    assert sorted(path.name for path in folder.folder.iterdir()) == [
        names[0],
        "checkpoint-000005.safetensors",
        "notes.txt",
    ]
    for path in folder.files():
        path.write_bytes(b"")
    with pytest.raises(
        UnreadableFileError, match=r"000005.safetensors is damaged.*000003.safetensors is damaged.*begin anew"
    ):
        Checkpoints(folder.folder).newest("x", take)


@pytest.mark.parametrize("given", [{"every_steps": 0}, {"every_epochs": 1.5}, {"keep": 0}, {"keep": True}])
def test_checkpoints_takes_integers_above_0(given, tmp_path):
    with pytest.raises(ValueError, match="expected an integer of at least 1"):
        Checkpoints(tmp_path, **given)
    with pytest.raises(TypeError, match="the name of a folder, found int"):
        Checkpoints(3)
