"""A record as a paragraph: for those who listen, and for the text beside a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from minigrad.drawing import summary, symbols
from minigrad.drawing.events import Bprop, Record
from minigrad.drawing.flow import FlowNode

MOST = 5  # names in a list
LONGEST = 40  # letters of a name


def described(found: Record) -> str:
    """A paragraph about the graph: what it computes, its loops, and how large the adjoints are that arrive."""
    return " ".join([_about_nodes(found), *_about_loops(found), *_about_adjoints(found)])


def _about_nodes(found: Record) -> str:
    kinds = Counter(node.kind for node in found.nodes)
    operations = Counter(word(node) for node in found.nodes if node.kind == "operation")
    counted = [plural(kinds[kind], kind) for kind in ("parameter", "state", "input", "constant") if kinds[kind]]
    most = ", ".join([f"{word} {times}" for word, times in operations.most_common(MOST)])
    if kinds["operation"]:
        counted.append(f"{plural(kinds['operation'], 'operation')} ({most}{', …' if len(operations) > MOST else ''})")
    if kinds["adjoint"]:
        counted.append(f"{plural(kinds['adjoint'], 'operation')} of backward sweeps")
    results = [f"{_title(found.nodes[i])} = {summary.line(found.nodes[i].value)}" for i in found.flow.outputs]
    return f"{listed(results)} is computed from {listed(counted)}."


def _about_loops(found: Record) -> list[str]:
    texts = []
    for number, loop in enumerate(found.flow.loops):
        if not loop.order:
            inside = [node for node in found.nodes if node.loop == number]
            size = max(Counter(node.step for node in inside if node.kind == "operation").values(), default=0)
            roles = {
                role: dict.fromkeys(node.name for node in inside if node.role == role and node.name)
                for role in ("state", "gate")
            }
            named = [f"{_word_of_number(len(names), role)} {listed(names)}" for role, names in roles.items() if names]
            others = len(loop.kinds) - max(Counter(loop.kinds).values())
            alike = f", all but {others} alike" if others else ", all alike"
            texts.append(f"A loop has {plural(len(loop.steps), 'step')} of up to {plural(size, 'operation')}{alike}"
                         f"{'; ' * bool(named)}{', '.join(named)}.")  # fmt: skip
            texts += over_time(found, number)
    return texts


def over_time(found: Record, loop: int) -> list[str]:
    """How the norm of the adjoint of each state changes from the last step of a loop back to the first."""
    steps: dict[int | None, list[FlowNode]] = {}
    for node in found.nodes:
        if node.loop == loop and node.role == "state":
            steps.setdefault(node.step, []).append(node)
    texts = []
    for nodes in list(zip(*steps.values(), strict=False))[:MOST]:
        norms = [found.arrays[place].norm for node in nodes if (place := found.adjoints[node.index]) is not None]
        if len(norms) == len(nodes) > 1:
            first, last = summary.number(norms[0]), summary.number(norms[-1])
            names = {node.name for node in nodes}
            state = names.pop() if len(names) == 1 else ""
            text = f"From step {nodes[-1].step} back to step {nodes[0].step} the norm of the adjoint of {state or 'the state'}"
            rate = (norms[0] / norms[-1]) ** (1 / (len(norms) - 1)) if norms[0] and norms[-1] else 0.0
            texts.append(f"{text} goes from {last} to {first}{f', times {rate:.3g} a step' if rate else ''}.")
    return texts


def _about_adjoints(found: Record) -> list[str]:
    n_rules = sum(isinstance(event, Bprop) for event in found.events)
    if not n_rules:
        return ["No rule is applied backward: no path leads from what was asked for to the result."]
    leaves = [i for i in found.wrt if found.nodes[i].kind in ("parameter", "input", "constant")]
    places = [(i, found.adjoints[i]) for i in leaves]
    norms = [(found.arrays[place].norm, _title(found.nodes[i])) for i, place in places if place is not None]
    texts = [f"Backward {plural(n_rules, 'rule')} {'is' if n_rules == 1 else 'are'} applied."]
    if norms:
        largest, smallest = max(norms), min(norms)
        texts.append(
            f"The largest adjoint of a leaf is that of {largest[1]}, with the norm {summary.number(largest[0])}"
        )
        texts[-1] += f", the smallest that of {smallest[1]}, {summary.number(smallest[0])}." if len(norms) > 1 else "."
    none = [_title(found.nodes[i]) for i, place in places if place is None]
    if none:
        texts.append(f"No adjoint arrives at {listed(none)}.")
    return texts


def _title(node: FlowNode) -> str:
    return symbols.shortened(node.title, LONGEST)


def word(node: FlowNode) -> str:
    """The operation's sign or word."""
    return symbols.INFIX.get(node.operation) or symbols.word(node.operation)


def plural(count: int, word: str) -> str:
    """Count things: 1 step, 2 steps."""
    return f"{count} {_word_of_number(count, word)}"


def _word_of_number(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def listed(texts: Iterable[str]) -> str:
    """Join texts as a, b and c; of many the first."""
    shown: Sequence[str] = list(texts)
    if len(shown) > MOST:
        return f"{', '.join(shown[:MOST])} and {len(shown) - MOST} more"
    return " and ".join([part for part in (", ".join(shown[:-1]), *shown[-1:]) if part])
