"""A record as a paragraph: for those who listen, and for the text beside a picture."""

from __future__ import annotations

from collections import Counter

from minigrad.drawing import summary, symbols
from minigrad.drawing.decay import curves_of, in_words
from minigrad.drawing.events import Bprop, Record
from minigrad.drawing.flow import FlowNode
from minigrad.drawing.lanes import grids
from minigrad.drawing.stored import Stored
from minigrad.drawing.words import MOST, listed, plural, sign_or_word, word_of_number

LONGEST = 40  # letters of a name


def described(found: Record) -> str:
    """A paragraph about the graph: what it computes, its loops, and how large the adjoints are that arrive."""
    return " ".join([_about_nodes(found), *_about_loops(found), *_about_adjoints(found)])


def _about_nodes(found: Record) -> str:
    kinds = Counter(node.kind for node in found.nodes)
    operations = Counter(sign_or_word(node) for node in found.nodes if node.kind == "operation")
    counted = [plural(kinds[kind], kind) for kind in ("parameter", "state", "input", "constant") if kinds[kind]]
    most = ", ".join([f"{word} {times}" for word, times in operations.most_common(MOST)])
    if kinds["operation"]:
        counted.append(f"{plural(kinds['operation'], 'operation')} ({most}{', …' if len(operations) > MOST else ''})")
    if kinds["adjoint"]:
        counted.append(f"{plural(kinds['adjoint'], 'operation')} of backward sweeps")
    results = [f"{_title(found.nodes[i])} = {summary.line(found.nodes[i].value)}" for i in found.flow.outputs]
    return f"{listed(results)} is computed from {listed(counted)}."


def _about_loops(found: Record) -> list[str]:
    texts, told = [], over_time(found)
    for number, loop in enumerate(found.flow.loops):
        if not loop.order:
            inside = [node for node in found.nodes if node.loop == number]
            size = max(Counter(node.step for node in inside if node.kind == "operation").values(), default=0)
            roles = {
                role: dict.fromkeys(node.name for node in inside if node.role == role and node.name)
                for role in ("state", "gate")
            }
            named = [f"{word_of_number(len(names), role)} {listed(names)}" for role, names in roles.items() if names]
            others = len(loop.kinds) - max(Counter(loop.kinds).values())
            alike = f", all but {others} alike" if others else ", all alike"
            texts.append(f"A loop has {plural(len(loop.steps), 'step')} of up to {plural(size, 'operation')}{alike}"
                         f"{'; ' * bool(named)}{', '.join(named)}.")  # fmt: skip
            texts += told.get(number, [])
    return texts


def over_time(found: Record) -> dict[int, list[str]]:
    """By loop: how the norm of the adjoint of each state changes from the last step back to the first, as view="time" says it."""
    texts = {}
    for grid in grids(found):
        curves = curves_of(grid)
        texts[grid.loop] = [f"The adjoint of {curve.label}: {in_words(curve)}." for curve in curves[:MOST]]
        if len(curves) > MOST:
            texts[grid.loop].append(f"The adjoints of {plural(len(curves) - MOST, 'more state')} are not told.")
    return texts


def _about_adjoints(found: Record) -> list[str]:
    n_rules = sum(isinstance(event, Bprop) for event in found.events)
    if not n_rules:
        return ["No rule is applied backward: no path leads from what was asked for to the result."]
    leaves = [found.nodes[i] for i in found.wrt if found.nodes[i].kind in ("parameter", "input", "constant")]
    adjoints = [(node, found.adjoints[node.index]) for node in leaves]
    arrived = [(found.arrays[place], _title(node)) for node, place in adjoints if place is not None]
    texts = [f"Backward {plural(n_rules, 'rule')} {'is' if n_rules == 1 else 'are'} applied."]
    strange = [f"{title} ({_strange(stored)})" for stored, title in arrived if any(stored.strange)]
    if strange:
        texts.append(
            f"Not finite {'is the adjoint' if len(strange) == 1 else 'are the adjoints'} of {listed(strange)}."
        )
    norms = [(stored.norm, title) for stored, title in arrived if not any(stored.strange)]
    if norms:
        largest, smallest = max(norms), min(norms)
        kind = "finite adjoint" if strange else "adjoint"
        texts.append(
            f"The largest {kind} of a leaf is that of {largest[1]}, with the norm {summary.number(largest[0])}"
        )
        texts[-1] += f", the smallest that of {smallest[1]}, {summary.number(smallest[0])}." if len(norms) > 1 else "."
    none = [_title(node) for node, place in adjoints if place is None]
    if none:
        texts.append(f"No adjoint arrives at {listed(none)}.")
    return texts


def _strange(stored: Stored) -> str:
    """How many entries are nan, and how many infinite: "2 nan of 6"."""
    counts = [f"{count} {what}" for count, what in zip(stored.strange, ("nan", "inf"), strict=True) if count]
    return f"{' and '.join(counts)} of {stored.size}"


def _title(node: FlowNode) -> str:
    return symbols.shortened(node.title, LONGEST)
