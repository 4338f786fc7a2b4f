"""The algebra of adjoints: what happens to them between one rule and the next.

A rule (`bprop`) is mathematics only. Here its adjoints are fitted to the child (cast, summed over what was broadcast),
joined with those of other paths, and accompanied by masks, so that a branch which `where` did not take sends no nan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, reduce
from operator import or_
from typing import Any, NamedTuple, cast

import numpy as np

from minigrad.errors import refused_rule, tell_of_rule, where
from minigrad.node import Node, constant
from minigrad.ops.base import AddN, Masked, Operation, Piece, broadcast_to, broadcasts_to, sum_to, where_mask

Mask = Callable[[], Node]  # gives the boolean node: made only where a rule has to be kept from making a nan


class Held(NamedTuple):
    """An adjoint, or a piece of one, on its way with a mask: it is 0 outside, and stays 0 there."""

    adjoint: Node | Piece
    mask: Mask


Part = Node | Piece | Held  # of the adjoint of a child: what one parent sends
Arrived = dict[Node, list[Part]]
Note = Callable[[int, Part], object]


def joined(child: Node, parts: Sequence[Part]) -> tuple[Node, Mask | None]:
    """Sum all that arrived at a child. Masks join by or; a path without a mask clears them, a piece only where it lies."""
    if len(parts) == 1 and isinstance(parts[0], Node):
        return parts[0], None
    terms = [part for part in parts if isinstance(part, Node)]
    if len(terms) == len(parts):
        return AddN(*terms), None
    held = [part if isinstance(part, Held) else (part, None) for part in parts]
    terms = [adjoint for adjoint, _ in held if isinstance(adjoint, Node)]
    masks = [mask for adjoint, mask in held if isinstance(adjoint, Node)]
    pieces = [(adjoint, mask) for adjoint, mask in held if isinstance(adjoint, Piece)]
    masked = any(mask is not None for _, mask in held)
    for merge in dict.fromkeys(piece.merge for piece, _ in pieces):
        group = [(piece, mask) for piece, mask in pieces if piece.merge is merge]
        terms.append(merge(child, [piece for piece, _ in group]))
        masks.append(_mask_of_pieces(child, group) if masked else None)
    known = [mask for mask in masks if mask is not None]
    mask = cache(lambda: reduce(or_, [mask() for mask in known])) if len(known) == len(masks) else None
    return (terms[0] if len(terms) == 1 else AddN(*terms)), mask


def send(
    node: Operation, adjoint: Node, mask: Mask | None, wanted: set[Node], arrived: Arrived, note: Note | None = None
) -> None:
    """Apply the rule of a node; add its parts, fitted and masked, to what arrived at the wanted children.

    note: is told of every part, with the place of the child among the children
    """
    try:
        given: Any = node.bprop(adjoint)
        entries = given if type(given) is tuple or type(given) is list else (given,)
        if given is None or len(entries) != len(node.children):
            raise refused_rule(node, given, len(entries))
        for position, child in enumerate(node.children):
            if child not in wanted:
                continue
            entry = entries[position]
            part = entry() if callable(entry) else entry
            if part is None:
                continue
            held = None
            if mask is not None or type(part) is Masked:
                part, held = _masked(node, position, part, adjoint, mask)
            there = child._value
            if held is not None or not (
                isinstance(part, Node) and part._value.shape == there.shape and part._value.dtype is there.dtype
            ):
                part = _fitted(node, child, part, held)
            arrived.setdefault(child, []).append(part)
            if note is not None:
                note(position, part)
    except Exception as error:
        tell_of_rule(error, node)
        raise


def _fitted(node: Operation, child: Node, given: Node | Piece, mask: Mask | None) -> Part:
    """The adjoint in the child's shape and dtype: summed where the operation broadcast the child, else asserted."""
    if isinstance(given, Piece):
        return given if mask is None else Held(given, mask)
    if not isinstance(given, Node):
        raise TypeError(f"{where(node)}: bprop gives nodes (or None), not {type(given).__name__}")
    adjoint = given if given.dtype == child.dtype else given.astype(child.dtype)
    if adjoint.shape == child.shape:
        return adjoint if mask is None else Held(adjoint, mask)
    if not (node.broadcasts and broadcasts_to(child.shape, adjoint.shape)):
        raise ValueError(f"{where(node)}: bprop gave an adjoint of shape {adjoint.shape} for {child.label}")
    fitted = sum_to(adjoint, child.shape)
    if mask is None:
        return fitted
    return Held(fitted, cache(lambda: sum_to(_numbers(mask, adjoint), child.shape) > 0))  # any of the terms


# Masks ---------------------------------------------------------------------------------------------------------------


def _masked(
    node: Operation, position: int, given: Any, adjoint: Node, mask: Mask | None
) -> tuple[Node | Piece, Mask | None]:
    """What a rule made of a masked adjoint, and the mask it has now.

    An elementwise rule is 0 outside the mask, whatever it computed there. What moves, copies or sums entries does the
    same with their mask. Every other operation ends the mask.
    """
    if isinstance(given, Masked):  # chosen from the adjoint, so it is 0 where the adjoint is
        given, own = given
        if mask is None or not node.moves:
            return given, (lambda: own) if mask is None else cache(lambda: mask() & own)
    assert mask is not None
    if node.elementwise:
        return (given if given is adjoint else where_mask(mask(), given)), mask
    if not node.moves or isinstance(given, Piece):
        return given, mask if node.moves else None
    return given, cache(lambda: _moved(node, position, _numbers(mask, adjoint)) > 0)


def _moved(node: Operation, position: int, ones: Node) -> Node:
    """What the rule makes of an adjoint of ones and zeros."""
    given: Any = node.bprop(ones)
    entry = given[position] if type(given) is tuple or type(given) is list else given
    part = entry() if callable(entry) else entry
    return cast(Node, part.adjoint if isinstance(part, Masked) else part)


def _mask_of_pieces(child: Node, group: Sequence[tuple[Piece, Mask | None]]) -> Mask | None:
    """The mask of an adjoint merged of pieces: it holds where one of them lies and holds. Products lie everywhere."""
    if not all(cast(Operation, piece.place).moves for piece, _ in group):
        return None
    merge = group[0][0].merge
    return cache(lambda: merge(child, [p._replace(adjoint=_numbers(mask, p.adjoint)) for p, mask in group]) > 0)


def _numbers(mask: Mask | None, adjoint: Node) -> Node:
    """The mask as ones and zeros in the shape and dtype of the adjoint, for rules to compute with; None holds everywhere."""
    if mask is None:
        return constant(np.ones(adjoint.shape, adjoint.dtype))
    return broadcast_to(mask().astype(adjoint.dtype), adjoint.shape)
