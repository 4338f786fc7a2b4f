"""Step through a record in a page: left the graph, right the current event, below a scrubber.

All text of the page is made here, of the record; its script (`stepper_page`) only shows it. A step is a number of events that
have happened: 0 is the start, where leaves alone are known.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any, cast

import numpy as np

from minigrad.drawing import summary, symbols
from minigrad.drawing.diagram import Diagram
from minigrad.drawing.events import Bprop, Fprop, Record, Sent
from minigrad.drawing.flow import FlowNode
from minigrad.drawing.stepper_page import LOOKS, PAGE, SCRIPT
from minigrad.drawing.stored import Stored, stored
from minigrad.drawing.style import MONO, ROLES, SANS, sheet
from minigrad.drawing.svg import swatch
from minigrad.rules import Formula, Rule

MOST_COLUMNS, MOST_ROWS = 6, 12  # of an array whose entries are written
NEGLIGIBLE = 1e-12  # of the largest entry
LONGEST_NAME = 24
ORDINALS = ("first", "second", "third")


def stepper(record: Record, boxes: Diagram, svg: str, listing: str) -> str:
    """Write the page: the picture of the record's graph, its events, what the boxes mean, and the listing."""
    shown = {box.role for box in boxes.boxes}
    roles = [role for role in ROLES if role in shown]
    words = "a … b  μ m: least, greatest and mean entry"
    if any(node.adjoint for node in record.nodes):
        words += "; ∂: the adjoint, ∂output/∂node"
    return PAGE.format(
        title=escape(boxes.title),
        description=escape(boxes.description),
        svg=svg,
        legend="\n".join([f"<li>{swatch(role)} {escape(ROLES[role].meaning)}</li>" for role in roles]),
        words=escape(words),
        listing=escape(listing),
        style=sheet("page", roles, ()) + LOOKS.replace("SANS", SANS).replace("MONO", MONO),
        data=_embedded({"boxes": [box.node for box in boxes.boxes], **told(record)}),
        script=SCRIPT,
    )


def told(record: Record) -> dict[str, Any]:
    """Put the record into words, step by step.

    nodes:  of each: what it is, its children, the places of value and adjoint in `arrays`, the steps at which its value and
            its adjoint are known (-1: never), and the parts of its adjoint as (event, place among its sends)
    events: of an fprop (node, rule, rule in numbers), of a bprop (node, adjoint, sends); of a send the child, the rule, the
            rule in numbers, and in `arrays` what is sent, the sum so far and with it (-1: not known), and what is missing
    arrays: a number as text, the entries of a small array row by row, or a sentence about a large one
    turn:   the number of fprops
    """
    arrays = _Arrays(record)
    parts: list[list[tuple[int, int]]] = [[] for _ in record.nodes]
    for i, event in enumerate(record.events):
        for j, sent in enumerate(event.sends if isinstance(event, Bprop) else ()):
            parts[sent.child].append((i, j))
    turn = sum(isinstance(event, Fprop) for event in record.events)
    known = {event.node: i + 1 for i, event in enumerate(record.events) if isinstance(event, Fprop)}
    operands = record.flow.operands()
    nodes = []
    for i, node in enumerate(record.nodes):
        adjoint = record.adjoints[i]
        complete = max([step + 1 for step, _ in parts[i]], default=turn if i in record.flow.outputs else 0)
        nodes.append(
            [
                _said(node, operands[i]),
                operands[i],
                arrays.place(record.values[i]),
                -1 if adjoint is None else arrays.place(adjoint),
                known.get(i, 0),
                -1 if adjoint is None else complete,
                parts[i],
            ]
        )
    teller = _Teller(record, operands, parts, arrays)
    events = [teller.told(event) for event in record.events]
    return {"nodes": nodes, "events": events, "arrays": arrays.shown, "turn": turn}


class _Arrays:
    """The arrays of the page, each once."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.shown: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, array: int) -> int:
        """The place of an array of the record."""
        return self.add(self.record.arrays[array])

    def add(self, array: Stored) -> int:
        """The place of an array."""
        cells = _cells(array)
        place = self._places.setdefault(repr(cells), len(self.shown))
        if place == len(self.shown):
            self.shown.append(cells)
        return place

    def whole(self, array: int) -> np.ndarray[Any, Any] | None:
        """The entries of an array of the record; None where only a summary is known."""
        found = self.record.arrays[array]
        return None if found.entries is None else found.array()

    def sent(self, sent: Sent) -> np.ndarray[Any, Any] | None:
        """What a send adds to the child's adjoint: 0 where the mask says that it does not count."""
        whole = self.whole(sent.array)
        if whole is None or sent.mask is None:
            return whole
        mask = self.whole(sent.mask)
        return None if mask is None else np.where(mask, whole, whole.dtype.type(0))


class _Teller:
    """Puts events into words."""

    def __init__(
        self, record: Record, operands: list[list[int]], parts: list[list[tuple[int, int]]], arrays: _Arrays
    ) -> None:
        self.record, self.operands, self.parts, self.arrays = record, operands, parts, arrays
        self.sums: dict[int, np.ndarray[Any, Any] | None] = {}
        self.come = [0] * len(record.nodes)

    def told(self, event: Fprop | Bprop) -> list[Any]:
        """One event; of the sends of a bprop, the sums they belong to."""
        if isinstance(event, Fprop):
            rule = self._rule(event.node)
            formula = None if rule is None else rule.forward
            return [event.node, *self._formula(event.node, formula, self._text(event.node, None), None, None)]
        sends = [self._send(event, sent) for sent in event.sends]
        return [event.node, self.arrays.place(event.adjoint), sends]

    def _send(self, event: Bprop, sent: Sent) -> list[Any]:
        child, array = sent.child, self.arrays.sent(sent)
        rule = self._rule(event.node)
        formula = None if rule is None else rule.adjoints[sent.slot]
        said = self._formula(event.node, formula, self._text(event.node, sent.slot), event.adjoint, array)
        before, first = self.sums.get(child), self.come[child] == 0
        self.come[child] += 1
        missing = self.parts[child][self.come[child] :]
        with np.errstate(all="ignore"):
            after = array if first else None if before is None or array is None else before + array
        self.sums[child] = after
        final = self.record.adjoints[child]
        total = -1 if after is None else self.arrays.add(stored(np.asarray(after)))
        if not missing and final is not None:
            total = self.arrays.place(final)  # of the engine's own additions
        return [
            child,
            *said,
            self.arrays.place(sent.array) if array is None else self.arrays.add(stored(np.asarray(array))),
            -1 if first or before is None else self.arrays.add(stored(np.asarray(before))),
            total,
            self._status(child, missing),
        ]

    def _status(self, child: int, missing: Sequence[tuple[int, int]]) -> str:
        """Whether a child's adjoint is complete, or for whom it waits."""
        n, k = len(self.parts[child]), self.come[child]
        if not missing:
            return "complete" if n == 1 else f"complete: {n} parts"
        senders = dict.fromkeys([f"#{self.record.events[i].node}" for i, _ in missing])
        others = list(senders)[:6] + ["…"] * (len(senders) > 6)
        which = f"{ORDINALS[k - 1]} of {n} parts" if k <= len(ORDINALS) else f"part {k} of {n}"
        return f"{which}: waits for {', '.join(others)}"

    def _rule(self, node: int) -> Rule | None:
        return self.record.formulas[node] if self.record.formulas else None

    def _text(self, node: int, slot: int | None) -> str:
        """The rule without numbers, which every record has."""
        rule = self.record.rules[cast(int, self.record.ruled[node])]  # only operations have events
        return rule.forward if slot is None else rule.adjoints[slot] or ""

    def _formula(
        self, node: int, formula: Formula | None, text: str, adjoint: int | None, sent: np.ndarray[Any, Any] | None
    ) -> tuple[str, str]:
        """A formula with the names of the nodes, and in numbers where all arrays are known."""
        rule = self._rule(node)
        if formula is None or rule is None:
            return text, ""
        children = self.operands[node]
        names = rule.bound([self._name(child) for child in children], self._name(node))
        places = [*[self.record.values[child] for child in children], self.record.values[node]]
        arrays = [self.arrays.whole(place) for place in [*places, *([] if adjoint is None else [adjoint])]]
        line = symbols.clean(formula.line(names))
        if any(array is None for array in arrays):
            return line, ""
        values = rule.bound(arrays[: len(children)], arrays[len(children)], None if adjoint is None else arrays[-1])
        if adjoint is not None and sent is not None:
            values[formula.target] = sent
        return line, symbols.clean(formula.in_numbers(values))

    def _name(self, index: int) -> str:
        node = self.record.nodes[index]
        if node.is_number:
            return summary.line(node.value)
        return symbols.shortened(node.name, LONGEST_NAME) if node.name else f"#{index}"


def _said(node: FlowNode, operands: Sequence[int]) -> str:
    """A node as a line of mathematics: "#12 u1 = tanh(#11)", of a leaf "#3 w01"."""
    children = [f"#{child}" for child in operands[:12]]
    what = symbols.expression(node.operation, node.attributes, children) if children else symbols.word(node.operation)
    parts = [f"#{node.index}", symbols.shortened(node.name, LONGEST_NAME), "=" * bool(children), what]
    return " ".join([part for part in parts if part][: None if children or not node.name else 2])


def _cells(array: Stored) -> Any:
    """An array as the page shows it."""
    if array.entries is not None and array.size and len(array.shape) <= 2:
        columns = array.shape[-1] if array.shape else 1
        if columns <= MOST_COLUMNS and array.size <= columns * MOST_ROWS:
            texts = _texts(array.entries)
            return texts[0] if not array.shape else [texts[k : k + columns] for k in range(0, len(texts), columns)]
    said = f"{array.shape} {array.dtype}: {summary.line(array.text)}"
    return said if array.entries is not None else f"{said}; norm {array.norm:.4g} (summarized)"


def _texts(entries: Sequence[float | bool]) -> list[str]:
    """Entries to four digits, "~0" where rounding alone made them."""
    finite = [abs(entry) for entry in entries if abs(entry) < np.inf]
    least = NEGLIGIBLE * max(finite, default=0)
    return ["~0" if 0 < abs(entry) < least else summary.number(entry) for entry in entries]


def _embedded(data: dict[str, Any]) -> str:
    """Data as JSON that ends no script, whatever its names."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
