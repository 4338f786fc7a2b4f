"""Check the data of a record that comes from a file, before anything relies on it: types, shapes, and every index.

A check takes a value and the place where it stands, and raises ValueError if something else was expected there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from minigrad.drawing import symbols

Check = Callable[[Any, str], None]

KINDS = ("parameter", "state", "input", "constant", "operation", "adjoint")
ROLES = ("", "state", "gate")
DTYPES = ("float32", "float64", "bool", *[f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)])
NOT_FINITE = ("nan", "inf", "-inf")
MOST_AXES = 64  # of NumPy
MOST_ENTRIES = 2**60
COUNT_LIMIT = 2**53  # up to which every integer is a number of JSON's readers


def parsed(text: str) -> Any:
    """The data in a text of JSON; ValueError where it is none, or too deeply nested to be a record."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("expected a record, found data that is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON, found something else ({error})") from error
    except ValueError as error:  # of Python, which reads integers up to some length
        raise ValueError("expected numbers that a record can have, found an integer of thousands of digits") from error


def checked(data: Any) -> Any:
    """The data of a record, its texts without what could break a line or a terminal; ValueError says what is wrong, and where."""
    data = _clean(data)
    _object(TOP)(data, "")
    _arrays(data["arrays"])
    _loops(data["loops"])
    for i in range(len(data["nodes"])):
        _node(data, i)
    for name in ("outputs", "wrt"):
        _each(_index(len(data["nodes"]), "a node"))(data[name], name)
    if not data["outputs"]:
        _fail("outputs", "at least one node", data["outputs"])
    _events(data)
    return data


def _clean(data: Any) -> Any:
    if isinstance(data, str):
        return symbols.clean(data)
    if isinstance(data, list | tuple):
        return [_clean(entry) for entry in data]
    return {_clean(key): _clean(entry) for key, entry in data.items()} if isinstance(data, dict) else data


def _fail(where: str, expected: str, found: Any) -> NoReturn:
    raise ValueError(f"{where or 'the whole'}: expected {expected}, found {symbols.shortened(repr(found), 60)}")


# Checks --------------------------------------------------------------------------------------------------------------


def _is(kind: type, words: str) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) is not kind:
            _fail(where, words, value)

    return check


def _integer(value: Any, where: str, low: int = 0, high: int = COUNT_LIMIT, words: str = "a whole number") -> None:
    if type(value) is not int or not low <= value < high:
        _fail(where, words, value)


def _index(length: int, what: str) -> Check:
    return lambda value, where: _integer(value, where, 0, length, f"the place of {what}, below {length}")


def _one_of(*words: str) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in words:
            _fail(where, f"one of {', '.join(map(repr, words))}", value)

    return check


def _or_none(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def _each(check: Check) -> Check:
    def checks(values: Any, where: str) -> None:
        _list(values, where)
        for i, value in enumerate(values):
            check(value, f"{where}[{i}]")

    return checks


def _object(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {})}

    def check(value: Any, where: str) -> None:
        _is(dict, "an object")(value, where)
        for name in required:
            if name not in value:
                _fail(where, f"an object with {name!r}", value)
        for name, inside in value.items():
            if name not in known:
                _fail(where, f"an object without {name!r}", value)
            known[name](inside, f"{where}.{name}" if where else name)

    return check


_text, _list, _flag = _is(str, "text"), _is(list, "a list"), _is(bool, "true or false")
_shape = _each(_integer)


def _number(value: Any, where: str) -> None:
    if type(value) not in (int, float, bool) and value not in NOT_FINITE:
        _fail(where, 'a number, "nan", "inf" or "-inf"', value)


# What a record is made of --------------------------------------------------------------------------------------------

SUMMARY = {
    **dict.fromkeys(("entries", "nan", "inf", "zero"), _integer),
    **dict.fromkeys(("least", "greatest", "mean", "norm"), _number),
    "text": _each(_text),
}
ARRAY = _object({"shape": _shape, "dtype": _one_of(*DTYPES)}, {"entries": _each(_number), "summary": _object(SUMMARY)})
LOOP = _object({"steps": _each(_integer), "kinds": _each(_integer), "order": _integer, "of": _integer})
RULE = _object({"symbols": _each(_text), "forward": _text, "adjoints": _each(_or_none(_text))})
NODE = _object(
    {"kind": _one_of(*KINDS), "operation": _text, "shape": _shape, "dtype": _one_of(*DTYPES), "value": _integer},
    {
        **dict.fromkeys(("name", "scope", "line"), _text),
        **dict.fromkeys(("adjoint_of", "loop", "step"), _or_none(_integer)),
        **dict.fromkeys(("order", "adjoint", "rule"), _integer),
        "attributes": lambda value, where: _each(_text)([*value.values()] if isinstance(value, dict) else value, where),
        "children": _each(_integer),
        "role": _one_of(*ROLES),
    },
)
SENT = _object({"child": _integer, "slot": _integer, "array": _integer}, {"mask": _integer, "piece": _flag})
FPROP = _object({"fprop": _integer})
BPROP = _object({"bprop": _integer, "adjoint": _integer, "sends": _each(SENT)})
TOP: dict[str, Check] = {
    "version": _integer,
    "nodes": _each(NODE),
    "loops": _each(LOOP),
    "outputs": _each(_integer),
    "wrt": _each(_integer),
    "events": _each(
        lambda value, where: (FPROP if isinstance(value, dict) and "fprop" in value else BPROP)(value, where)
    ),
    "arrays": _each(ARRAY),
    "rules": _each(RULE),
    "note": _text,
}


def _arrays(arrays: Sequence[dict[str, Any]]) -> None:
    for i, array in enumerate(arrays):
        where, size = f"arrays[{i}]", math.prod(array["shape"])
        if len(array["shape"]) > MOST_AXES or math.prod([max(n, 1) for n in array["shape"]]) > MOST_ENTRIES:
            _fail(f"{where}.shape", "the shape of an array", array["shape"])
        if ("entries" in array) == ("summary" in array):
            _fail(where, "entries or a summary", sorted(array))
        if "entries" in array:
            _entries(array, size, f"{where}.entries")
        elif array["summary"]["entries"] != size or not array["summary"]["text"]:
            _fail(f"{where}.summary", f"text about {size} entries", array["summary"])


def _entries(array: dict[str, Any], size: int, where: str) -> None:
    """Entries fit their dtype, and there are as many as the shape says."""
    entries, dtype = array["entries"], np.dtype(array["dtype"])
    if len(entries) != size:
        _fail(where, f"{size} entries", f"{len(entries)} entries")
    allowed = {"b": (bool,), "f": (int, float, str)}.get(dtype.kind, (int,))
    for entry in entries:
        if type(entry) not in allowed:
            _fail(where, f"entries of {dtype}", entry)
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= entry <= np.iinfo(dtype).max:
            _fail(where, f"entries of {dtype}", entry)
        if type(entry) is int and dtype.kind == "f" and abs(entry) > COUNT_LIMIT:
            _fail(where, f"entries of {dtype}", entry)


def _loops(loops: Sequence[dict[str, Any]]) -> None:
    for i, loop in enumerate(loops):
        where, steps = f"loops[{i}]", loop["steps"]
        if not steps or len(set(steps)) != len(steps):
            _fail(f"{where}.steps", "steps, each once", steps)
        if len(loop["kinds"]) != len(steps):
            _fail(f"{where}.kinds", f"the kinds of {len(steps)} steps", loop["kinds"])
        _index(len(loops), "a loop")(loop["of"], f"{where}.of")


def _node(data: dict[str, Any], i: int) -> None:
    node, where = data["nodes"][i], f"nodes[{i}]"
    children = node.get("children", [])
    _each(_index(i, "an earlier node"))(children, f"{where}.children")
    _array(data, node["value"], node, f"{where}.value")
    if "adjoint" in node:
        _array(data, node["adjoint"], node, f"{where}.adjoint")
    if "rule" in node:
        _index(len(data["rules"]), "a rule")(node["rule"], f"{where}.rule")
        rule = data["rules"][node["rule"]]
        if len(rule["adjoints"]) != len(children):
            _fail(f"{where}.rule", f"a rule of {len(children)} children", rule)
    _or_none(_index(len(data["nodes"]), "a node"))(node.get("adjoint_of"), f"{where}.adjoint_of")
    loop, step = node.get("loop"), node.get("step")
    _or_none(_index(len(data["loops"]), "a loop"))(loop, f"{where}.loop")
    if (loop is None) != (step is None) or (loop is not None and step not in data["loops"][loop]["steps"]):
        _fail(f"{where}.step", "a step of its loop", step)


def _array(data: dict[str, Any], place: int, node: dict[str, Any], where: str, *, mask: bool = False) -> None:
    """An array of the node's shape, and of its dtype if it is no mask."""
    arrays = data["arrays"]
    _index(len(arrays), "an array")(place, where)
    found, dtype = arrays[place], "bool" if mask else node["dtype"]
    if (found["shape"], found["dtype"]) != (node["shape"], dtype):
        _fail(where, f"an array {tuple(node['shape'])} {dtype}", f"{tuple(found['shape'])} {found['dtype']}")


def _events(data: dict[str, Any]) -> None:
    """Every fprop, then bprops, each node's once, and what they send goes to their children."""
    nodes, seen, backward = data["nodes"], set(), False
    for i, event in enumerate(data["events"]):
        where, name = f"events[{i}]", "fprop" if "fprop" in event else "bprop"
        _index(len(nodes), "a node")(event[name], f"{where}.{name}")
        if (name, event[name]) in seen or (backward and name == "fprop"):
            _fail(where, "every fprop once, then every bprop once", event)
        seen.add((name, event[name]))
        backward = name == "bprop"
        node = nodes[event[name]]
        if "rule" not in node or (backward and "adjoint" not in node):
            _fail(where, "a node with a rule" + " and an adjoint" * backward, node)
        if backward:
            _array(data, event["adjoint"], node, f"{where}.adjoint")
            for j, sent in enumerate(event["sends"]):
                _sent(data, node, sent, f"{where}.sends[{j}]")


def _sent(data: dict[str, Any], node: dict[str, Any], sent: dict[str, Any], where: str) -> None:
    children = node["children"]
    _index(len(children), "an operand")(sent["slot"], f"{where}.slot")
    if children[sent["slot"]] != sent["child"]:
        _fail(f"{where}.child", f"node {children[sent['slot']]}", sent["child"])
    child = data["nodes"][sent["child"]]
    if "adjoint" not in child:
        _fail(f"{where}.child", "a node with an adjoint", child)
    _array(data, sent["array"], child, f"{where}.array")
    if "mask" in sent:
        _array(data, sent["mask"], child, f"{where}.mask", mask=True)
