"""The story of a record as short as its page can read it: texts and arrays once, and no numbers of nodes in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

NUMBER = "\ue000"  # marks the place of a node's number in a text, and is taken out of names


def packed(story: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten a story, which `stepper.told` gives, to what the script of the page reads.

    texts:  rules, and what nodes are, each once: a mark and 0 stand for the number of the node, a mark and 1 for that of its
            first child, so that the steps of a loop share their rules
    arrays: lists as text, "2,3:1 .5*4 -2" or, of two arrays side by side, "+4,7"
    nodes:  without the parts of adjoints, which the script finds among the events
    """
    texts: dict[str, int] = {}
    children = [of_node[1] for of_node in story["nodes"]]

    def place(text: str, node: int) -> int:
        return texts.setdefault(_without_numbers(text, [node, *children[node]]), len(texts))

    def event(node: int, what: str | list[Any], *more: Any) -> list[Any]:
        if isinstance(what, str):
            return [node, place(what, node), *more]
        return [node, [[child, place(rule, node), *rest] for child, rule, *rest in what], *more]

    arrays, sums = story["arrays"], story["sums"]
    return {
        "nodes": [[place(said, i), *facts[:5], *facts[6:]] for i, (said, *facts) in enumerate(story["nodes"])],
        "events": [event(*told) for told in story["events"]],
        "arrays": ["+{},{}".format(*sums[i]) if i in sums else _as_text(array) for i, array in enumerate(arrays)],
        "texts": list(texts),
        "loops": story["loops"],
        "turn": story["turn"],
    }


def embedded(data: dict[str, Any]) -> str:
    """Write data as JSON that ends no script, whatever its names."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _without_numbers(text: str, nodes: Sequence[int]) -> str:
    """The text, the number of the k-th node replaced by k."""
    places = {str(node): k for k, node in reversed(list(enumerate(nodes)))}
    own = text.replace(NUMBER, "�")
    return re.sub(r"#(\d+)", lambda found: f"{NUMBER}{places[found[1]]}" if found[1] in places else found[0], own)


def _as_text(array: Any) -> Any:
    """The shape of a list and its entries, like ones in a row once, and without the 0 before a point."""
    if not isinstance(array, list):
        return _as_number(array)
    shape, entries = [str(len(array))], array
    while isinstance(entries[0], list):
        shape.append(str(len(entries[0])))
        entries = [entry for part in entries for entry in part]
    texts = [re.sub(r"^(-?)0\.", r"\1.", entry) for entry in entries]
    runs = [(text, len(list(run))) for text, run in groupby(texts)]
    return f"{','.join(shape)}:{' '.join([text if n == 1 else f'{text}*{n}' for text, n in runs])}"


def _as_number(text: str) -> float | int | str:
    """A number, if JSON and JavaScript write it by the same characters; else the text."""
    if re.fullmatch(r"-?[1-9]\d{0,14}|0", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d{1,14}\.\d*[1-9]", text) else text
