"""Put the index of a node into a formula that speaks of `x[index]`: slices as text, arrays by their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minigrad.node import Node
from minigrad.ops.indexing import is_slot
from minigrad.rules.tree import ButFor, Call, Expression, Indexed, Name, Place, mapped


def put(tree: Expression, node: Node, symbols: Sequence[str], slot: int) -> Expression:
    """The formula with the entries of its index; `slot` is the child that a formula of any child is about."""
    match tree:
        case Indexed(x, (Name("index"),)) if isinstance(node.attributes.get("index"), tuple):
            return Indexed(x, _entries(node.attributes["index"], _arrays(node, symbols)))
        case ButFor(x, whole, (Name("index"),), value, adds) if isinstance(node.attributes.get("index"), tuple):
            return ButFor(x, whole, _entries(node.attributes["index"], _arrays(node, symbols)), value, adds)
        case Indexed(x, (Name("index_i"),)) if "places" in node.attributes:
            return Indexed(x, _places(node, symbols)[slot])
        case ButFor(x, whole, (Name("index_i"),), _, adds) if "places" in node.attributes:
            for symbol, index in zip(symbols, _places(node, symbols), strict=False):
                x = ButFor(x, whole, index, Name(symbol), adds)
            return x
        case Indexed(x, (Name("stretch_i"),)) if "axis" in node.attributes:
            return Indexed(x, _stretch(node, slot))
        case Indexed(x, (Name("slice_i"),)) if "axis" in node.attributes:
            axis = node.attributes["axis"] % node.ndim
            return Indexed(x, _along(axis, slot))
        case Call("einsum", arguments) if isinstance(node.attributes.get("subscripts"), str):
            return _einsum(arguments, node, symbols, slot)
    return mapped(tree, lambda part: put(part, node, symbols, slot))


def _einsum(arguments: tuple[Expression, ...], node: Node, symbols: Sequence[str], slot: int) -> Expression:
    """An einsum with its subscripts; about a child, that of the adjoint and all others, to the child's own indices."""
    subscripts = node.attributes["subscripts"]
    if Name("x_j") not in arguments:
        return Call("einsum", (Place(f'"{subscripts}"', subscripts), *arguments))
    terms, _, output = subscripts.partition("->")
    own, others = terms.split(",")[slot], [term for i, term in enumerate(terms.split(",")) if i != slot]
    known = {*output, *"".join(others)}
    subscripts = f"{','.join([output, *others])}->{''.join([label for label in own if label in known])}"
    rest = [Name(symbol) for i, symbol in enumerate(symbols[: len(node.children)]) if i != slot]
    found = Call("einsum", (Place(f'"{subscripts}"', subscripts), arguments[0], *rest))
    if set(own) <= known:
        return found
    return Indexed(found, tuple([Place(":", slice(None)) if label in known else Place("None", None) for label in own]))


def _arrays(node: Node, symbols: Sequence[str]) -> Iterator[str]:
    """The symbols of the index arrays, which are the last children."""
    count = sum(map(is_slot, node.attributes["index"]))
    return iter(symbols[len(node.children) - count : len(node.children)])


def _places(node: Node, symbols: Sequence[str]) -> list[tuple[Expression, ...]]:
    """The indices of all parts of a `Scatter`; their arrays follow the parts."""
    places = node.attributes["places"]
    arrays = iter(symbols[len(places) : len(node.children)])
    return [_entries(index, arrays) for index in places]


def _entries(index: Sequence[Any], arrays: Iterator[str]) -> tuple[Expression, ...]:
    return tuple([Name(next(arrays)) if is_slot(entry) else Place(_text(entry), entry) for entry in index])


def _stretch(node: Node, slot: int) -> tuple[Expression, ...]:
    """Where a child lies in a concatenation."""
    axis = node.attributes["axis"] % node.ndim
    lengths = [child.shape[axis] for child in node.children]
    start = sum(lengths[:slot])
    return _along(axis, slice(start, start + lengths[slot]))


def _along(axis: int, entry: Any) -> tuple[Expression, ...]:
    """An entry of an index along an axis, and all of the axes before."""
    entries = [*[slice(None)] * axis, entry]
    return tuple([Place(_text(entry), entry) for entry in entries])


def _text(entry: Any) -> str:
    """A slice, a number, an ellipsis or a new axis as Python writes it."""
    if isinstance(entry, slice):
        ends = ["" if end is None else str(end) for end in (entry.start, entry.stop)]
        return ":".join([*ends, *([] if entry.step is None else [str(entry.step)])])
    return "..." if entry is Ellipsis else str(entry)
