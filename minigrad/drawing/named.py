"""Find nodes by what people call them: a name, its last part, a number as in "#12", or a scope. Every command and option does so."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from minigrad.drawing.flow import Flow
from minigrad.drawing.steps import names


def named(flow: Flow, name: str, asked: str) -> list[int]:
    """Find the nodes of that name, number or scope, by their indices.

    A number is that of listings and pictures. Of "cell.W_h" the last part, "W_h", is enough.

    asked: how the message of a failure begins

    Errors: ValueError where nothing has that name, with the nearest one.
    """
    is_number = name.startswith("#") and name[1:].isdecimal()
    if is_number and int(name[1:]) < len(flow.nodes):
        return [int(name[1:])]
    found = [node.index for node in flow.nodes if name and name in (node.name, _last(node.name))]
    found = found or [node.index for node in flow.nodes if end_of(names(node), name)]
    if not found and is_number:
        raise ValueError(f"{asked}: nodes have the numbers #0 to #{len(flow.nodes) - 1}")
    if not found:
        known = dict.fromkeys([part for node in flow.nodes for part in (_last(node.name), node.name)])
        raise ValueError(f"{asked}: no node and no scope has that name{close(name, [*known, *scopes(flow)])}")
    return found


def scopes(flow: Flow) -> list[str]:
    """The scopes by the names one may give: each by its own and with those around it."""
    found: dict[str, None] = {}
    for node in flow.nodes:
        parts = names(node)
        for end in range(1, len(parts) + 1):
            found |= dict.fromkeys([parts[end - 1], "/".join(parts[:end])])
    return list(found)


def end_of(parts: Sequence[str], scope: str) -> int:
    """How many of the scopes around a node lie in or are the one of that name, counted from outside; 0: none."""
    wanted = [part for part in scope.split("/") if part]
    for start in range(len(parts) - len(wanted) + 1 if wanted else 0):
        if list(parts[start : start + len(wanted)]) == wanted:
            return start + len(wanted)
    return 0


def close(name: str, known: Iterable[str]) -> str:
    """Name the nearest of the known names in parentheses, or those that begin with it; "" where none is near."""
    given = [one for one in known if one]
    found = difflib.get_close_matches(name, given, 1) or [one for one in given if name and one.startswith(name)][:3]
    return f" (did you mean {' or '.join(map(repr, found))}?)" if found else ""


def _last(name: str) -> str:
    return name.rsplit(".", maxsplit=1)[-1]
