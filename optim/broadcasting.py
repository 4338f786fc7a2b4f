"""A guard for losses of one's own: outputs (n, 1) against targets (n,) broadcast to (n, n), all against all."""

from __future__ import annotations

from collections.abc import Mapping

from minigrad.node import Node


def refuse_all_pairs(loss: Node, given: Mapping[str, Node]) -> None:
    """ValueError where an operation in the loss pairs every example of one thing with every example of another.

    given: what the loss was made from, by name: outputs, targets, mask, weights

    That is, where two nodes that come from different ones of these have equally many entries, the examples along axis 0 in
    both, and broadcast to more entries than either has. What is written as all against all, by an axis inserted or by a
    transpose, is no such pair: y[:, np.newaxis] - y, y - y.T.
    """
    sources: dict[Node, frozenset[str]] = {}
    for name, node in given.items():
        sources[node] = sources.get(node, frozenset()) | {name}
    n_axes = {name: node.ndim for name, node in given.items()}
    n_examples = {node.shape[0] for node in given.values() if node.ndim}

    for node in _between(loss, set(sources)):
        children = [child for child in dict.fromkeys(node.children) if sources.get(child)]
        if getattr(node, "elementwise", False):
            paired = [
                child
                for child in children
                if child.ndim <= max(n_axes[name] for name in sources[child]) and child.shape[:1] != (1,)
                if child.ndim and child.shape[0] in n_examples
            ]
            for i, a in enumerate(paired):
                for b in paired[:i]:
                    if sources[a] != sources[b] and a.size == b.size < node.size:
                        raise _all_pairs(node, b, a, sources)
        sources[node] = frozenset().union(*[sources[child] for child in children])


def _between(loss: Node, stops: set[Node]) -> list[Node]:
    """The nodes that the loss is computed from, children first, without the stops and what lies beneath them."""
    found = {loss} - stops
    todo = list(found)
    while todo:
        new = set(todo.pop().children) - found - stops
        found |= new
        todo += new
    return sorted(found, key=lambda node: node.number)


def _all_pairs(node: Node, a: Node, b: Node, sources: Mapping[Node, frozenset[str]]) -> ValueError:
    few, many = sorted((a, b), key=lambda child: child.ndim)
    one, other = (" and ".join(sorted(sources[child])) for child in (many, few))
    return ValueError(
        f"the loss compares every example with every other: {type(node).__name__} of {one} {many.shape} and {other} {few.shape} "
        f"broadcasts to {node.shape}. Give both one shape: {other}.reshape({one}.shape) in the loss, or pass {other} of shape "
        f"{many.shape}"
    )
