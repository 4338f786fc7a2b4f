"""A loop whose step is a known cell: what its items are called, its equations, and what it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from minigrad.drawing import symbols
from minigrad.drawing.cell_graph import INPUT, LAYER, SUM, CellGraph, Item
from minigrad.drawing.cell_places import Cell
from minigrad.drawing.cell_weights import Weight
from minigrad.drawing.words import listed

LETTERS = "figorzch"  # of a textbook, where the graph has no names
LONGEST = 9
MOST = 6  # parameters that are listed by name


@dataclass(frozen=True, slots=True)
class Panel:
    """A loop whose step is a known cell: `way` has the item of every name in the cell's equations."""

    cell: Cell
    graph: CellGraph
    way: Mapping[str, int]
    name: str
    steps: tuple[int, ...]

    def item(self, name: str) -> Item:
        """The item of that name."""
        return self.graph.items[self.way[name]]

    def letter(self, name: str) -> str:
        """What the graph calls an item; where it has no name, and no other item that one, what textbooks call it."""
        found = self.item(name).name
        free = name in LETTERS and all(item.name != name for item in self.graph.items)
        return symbols.shortened(found, LONGEST) or (name if free else "")

    def label(self, name: str) -> tuple[str, str]:
        """A letter and its subscript: ("c", "t−1")."""
        if name == "x":
            item = self.item(name)
            free = "u" if any(other.name == "x" for other in self.graph.items) else "x"
            return symbols.shortened(item.name, LONGEST) or free, "t" if item.timed or not item.name else ""
        if name.endswith("'"):
            return self.letter(name[:-1]), "t−1" if self.graph.before < self.graph.step else "t+1"
        letter = self.letter(name.removeprefix("out "))
        return letter, "t" if letter else ""

    def written(self, name: str) -> str:
        """The label in a line of text: "c_{t−1}"."""
        letter, below = self.label(name)
        return f"{letter}_{{{below}}}" if len(below) > 1 else f"{letter}_{below}" if below else letter

    @property
    def routes(self) -> dict[tuple[str, str], str]:
        """The wires that are drawn: those of the table, the ones to other readers where there are any."""
        outputs = {f"out {name}" for name in self.cell.states if self.way[name] in self.graph.outputs}
        return {
            ends: route
            for ends, route in self.cell.routes.items()
            if not ends[1].startswith("out ") or ends[1] in outputs
        }

    def formulas(self) -> list[str]:
        """The equations of the step, with the names of the graph and the parts of weights."""
        named = [name for name in self.cell.equations if self.letter(name)]
        return [
            f"{self.written(name)} = {self.formula(name)}" for name in sorted(named, key=lambda name: self.way[name])
        ]

    def formula(self, name: str) -> str:
        """What an item is computed by."""
        item = self.item(name)
        names = {i: name for name, i in self.way.items()}
        if item.kind in (LAYER, SUM):
            parts = [
                f"{weight.text} {self.operand(names[i])}"
                for i, weight in zip(item.sources, item.weights, strict=True)
                if weight
            ]
            inside = " + ".join([*parts, *[bias.text for bias in item.biases]])
            return f"{item.sign}({inside})" if item.kind == LAYER else inside
        parts = [self.operand(names[i], loose=item.sign != "+") for i in item.sources]
        if len(parts) > 1:
            return f" {item.sign} ".join(parts)
        return (
            f"{item.sign} {parts[0]}"
            if item.sign[0].isdigit()
            else f"{item.sign}({self.operand(names[item.sources[0]], loose=False)})"
        )

    def operand(self, name: str, *, loose: bool = True) -> str:
        """What an item is called in a formula: its name, else its own formula, in brackets where what is around it binds closer."""
        if name not in self.cell.equations or self.letter(name):
            return self.written(name)
        inner = self.formula(name)
        return f"({inner})" if loose and " " in inner else inner

    def wire(self, source: str, target: str) -> str:
        """A wire in words: "h_{t−1} → f_t, times W_h[4:8]"."""
        if target.endswith("'"):
            return f"{self.written(source)} → {self.written(target)} of the next step"
        if target.startswith("out "):
            return f"{self.written(source)} → what reads it besides"
        item = self.item(target)
        weights = [
            weight for i, weight in zip(item.sources, item.weights, strict=True) if i == self.way[source] and weight
        ]
        ends = [self.operand(name, loose=False) for name in (source, target)]
        return " ".join([" → ".join(ends), *[f"(times {weight.text})" for weight in weights]])

    def weights(self, item: Item) -> list[Weight]:
        """What a layer uses: the weights of inputs, of other sources, and biases."""
        pairs = [(i, weight) for i, weight in zip(item.sources, item.weights, strict=True) if weight]
        pairs.sort(key=lambda pair: self.graph.items[pair[0]].kind != INPUT)
        return [*[weight for _, weight in pairs], *item.biases]

    def parameters(self) -> list[str]:
        """The names of all weights and biases."""
        return list(dict.fromkeys([weight.name for item in self.graph.items for weight in self.weights(item)]))

    def caption(self) -> list[str]:
        """What the picture stands for: which steps, and what they share."""
        first, last = self.steps[0], self.steps[-1]
        names = self.parameters()
        shared = listed(names, MOST) if len(names) <= MOST else f"all {len(names)} parameters"
        same = f"; {shared} {'is' if len(names) == 1 else 'are'} the same in all of them" if names else ""
        lines = [f"Repeated for the steps {first} … {last}{same}."]
        if self.graph.n_unlike:
            verb = "is" if self.graph.n_unlike == 1 else "are"
            lines.append(f"{self.graph.n_unlike} of the {len(self.steps)} steps {verb} not like this one.")
        if self.graph.n_others:
            plural = "s" if self.graph.n_others > 1 else ""
            lines.append(f"Left out: {self.graph.n_others} operation{plural} of a step on which no state depends.")
        return lines
