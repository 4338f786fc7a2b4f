"""A record read from a file: what is none gives one error that names the file, and all that is let in can be drawn."""

import copy
import json
import re
from functools import cache
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM
from tests.drawing.graphs import layer

REPLACED: dict[str, Any] = {"nothing": None, "minus one": -1, "a huge number": 10**30, "a count": 2**40, "a fraction": 0.5, "nan": float("nan"),
            "text": "x", "a list": [], "a list of one": [0], "an object": {}, "a truth value": True, "zero": 0, "one": 1,
            "ten": 10}  # fmt: skip


@cache
def recorded():
    """A record with loops, masks, pieces, attributes, a summary and numbers that are not finite; as JSON."""
    x = mg.Input([[1.0, np.inf], [np.nan, 2.0]], name="x")
    with np.errstate(all="ignore"), mg.scope("a"):
        odd = (np.where(x > 1, x, 0.0)[:, 0] * mg.Input(np.arange(2), name="n")).sum() + mg.Input(np.ones(70)).mean()
        return mg.record(layer(LSTM, 3) + odd).json()


def leaves(data, path=()):
    """The places in data, of each list the first and the last entry."""
    yield path
    if isinstance(data, dict):
        for name, value in data.items():
            yield from leaves(value, (*path, name))
    elif isinstance(data, list):
        for place in sorted({0, len(data) // 2, len(data) - 1} if data else ()):
            yield from leaves(data[place], (*path, place))


def changed(data, path, value):
    """The same with another value at a place, or, where that is `KeyError`, without it."""
    data = copy.deepcopy(data)
    inside = data
    for name in path[:-1]:
        inside = inside[name]
    if value is KeyError:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return data


def drawn(record):
    """All that is made of a record."""
    picture = mg.draw(record)
    yield from (
        picture.svg(),
        picture.html(),
        picture.dot(),
        picture.mermaid(),
        picture.text(),
        record.describe(),
        record.json(),
    )
    yield from (mg.draw(record, view="layers").svg(), mg.listing(record))
    if any(not loop.order for loop in record.flow.loops):
        yield mg.draw(record, view="time").svg()


PLACES = [path for path in leaves(json.loads(recorded())) if path]


@pytest.mark.parametrize("place", range(len(PLACES)), ids=["/".join(map(str, path)) for path in PLACES])
def test_what_is_no_record_is_refused_and_the_rest_can_be_drawn(place):
    """Anything else in place of a part; which, by turns, so that each place and each kind has its share."""
    data, path = json.loads(recorded()), PLACES[place]
    values = [KeyError, *REPLACED.values()]
    refused = []
    for value in values[place % 5 :: 5]:
        try:
            record = mg.Record.from_dict(changed(data, path, value))
        except ValueError as error:
            refused.append(str(error))
        else:
            assert all(text.encode() for text in drawn(record))
    assert all(re.fullmatch(r"(Record|the whole|[\w.\[\]]+): expected .*, found .*", error) for error in refused)
    assert all(len(error) < 400 for error in refused)
    assert refused or isinstance(inside(data, path), str) or path[-1] in FREE, "nothing is checked here"


FREE = {"order", "role", "adjoint_of", "piece", "line", "mask", "attributes"}


def inside(data, path):
    """What stands at a place."""
    for name in path:
        data = data[name]
    return data


WRONG = {
    "a child that comes later": (("nodes", 5, "children"), [30]),
    "a node that is its own child": (("nodes", -1, "children", 0), -1),
    "an array out of range": (("nodes", 0, "value"), 10_000),
    "a rule out of range": (("nodes", -1, "rule"), 10_000),
    "an output out of range": (("outputs", 0), 10_000),
    "a loop out of range": (("loops", 0, "of"), 10_000),
    "as many entries as no machine holds": (("arrays", 0, "shape"), [10**9, 10**9]),
    "axes without end": (("arrays", 0, "shape"), [1] * 1000),
    "a dtype of objects": (("arrays", 0, "dtype"), "object"),
    "an entry that is text": (("arrays", 0, "entries", 0), "__import__('os')"),
    "an entry beyond a float": (("arrays", 0, "entries", 0), 10**400),
    "an event twice": (("events", 1), {"fprop": 1}),
    "a property more": (("nodes", 0, "onload"), "x"),
    "no node": (("nodes",), []),
    "no output": (("outputs",), []),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_error_names_the_file_and_the_place(case, tmp_path):
    path, value = WRONG[case]
    data = json.loads(recorded())
    if case == "a node that is its own child":
        value = len(data["nodes"]) - 1
    file = tmp_path / "record.json"
    file.write_text(json.dumps(changed(data, path, value)))
    with pytest.raises(ValueError, match=r"Record\.load\('.*record\.json'\): .*expected .*, found "):
        mg.Record.load(file)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '"x"', "{}", '{"version": 2}', '{"version": [2]}', "[" * 100_000, '{"a":' * 100_000,
     '{"version": 2, "nodes": ' + "9" * 10_000 + "}", "\ufeff{}", "\x00"],
    ids=range(14),
)  # fmt: skip
def test_a_file_that_holds_something_else(text, tmp_path):
    file = tmp_path / "record.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"Record\.load\('.*record\.json'\): .{10,300}$"):
        mg.Record.load(file)


def test_an_integer_of_thousands_of_digits(tmp_path):
    path = tmp_path / "long.json"
    path.write_text('{"version": ' + "9" * 6000 + "}")
    with pytest.raises(ValueError, match="found an integer of thousands of digits") as failed:
        mg.Record.load(path)
    assert "set_int_max_str_digits" not in str(failed.value)
    assert "long.json" in str(failed.value)


def test_bytes_that_are_no_text(tmp_path):
    file = tmp_path / "record.json"
    file.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match=r"Record\.load\('.*record\.json'\)"):
        mg.Record.load(file)


def test_texts_of_a_file_lose_what_a_terminal_obeys():
    data = json.loads(recorded())
    data["nodes"][0]["name"] = "\x1b[31m\u202e\ud800\n"
    data["nodes"][5]["operation"] = "\x00<script>"
    record = mg.Record.from_dict(data)
    assert all(text.encode() for text in drawn(record))
    assert record.nodes[0].name == "�[31m�� "
    assert "\x1b" not in mg.listing(record)
    assert "<script>" not in mg.draw(record).html().replace('<script id="code">', "").partition("<!--")[0].replace(
        "<script type", ""
    )
