"""The table itself: entries by name, in order, printed as text or drawn as a gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from minigrad.activation_table.entries import ENTRIES
from minigrad.activation_table.entry import Activation
from minigrad.node import Node

if TYPE_CHECKING:
    from minigrad.activation_table.gallery import Gallery

Function = TypeVar("Function", bound=Callable[..., Node])


class Activations:
    """The table: iterate over its entries, or take one by name. `print` shows all, `gallery` draws them."""

    def __init__(self, entries: Iterable[Activation] = ()) -> None:
        self._entries: dict[str, Activation] = {}
        self._names: dict[str, str] = {}  # every name and alias, with the name of its entry
        for entry in entries:
            self._enter(entry)

    def add(self, *, aliases: tuple[str, ...] = (), **texts: str) -> Callable[[Function], Function]:
        """Decorator: a function of x (entry by entry) and of numbers with defaults becomes an entry of the table."""

        def enter(function: Function) -> Function:
            self._enter(Activation(function, aliases=aliases, **texts))
            return function

        return enter

    def _enter(self, entry: Activation) -> None:
        names = (entry.name, *entry.aliases)
        if taken := [name for name in names if name in self._names]:
            raise ValueError(f"the table of activations has an entry {taken[0]!r} already")
        self._names.update(dict.fromkeys(names, entry.name))
        self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Activation:
        if name not in self._names:
            import difflib  # not needed where names are right

            close = difflib.get_close_matches(str(name), self._names, 3)
            raise KeyError(
                f"no activation {name!r}: {'did you mean' if close else 'there are'} {', '.join(close or self._entries)}"
            )
        return self._entries[self._names[name]]

    def __iter__(self) -> Iterator[Activation]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._names or any(name is entry for entry in self)

    def keys(self) -> list[str]:
        """The names, in the order of the table."""
        return list(self._entries)

    def values(self) -> list[Activation]:
        """The entries."""
        return list(self)

    def items(self) -> list[tuple[str, Activation]]:
        """Names and entries."""
        return list(self._entries.items())

    def __repr__(self) -> str:
        return f"<Activations: {', '.join(self._entries)}>"

    def __str__(self) -> str:
        return "\n\n".join([str(entry) for entry in self])

    def gallery(self) -> Gallery:
        """A picture of all functions and their derivatives, a panel each: `.svg()`, `.save(path)`; shown in notebooks."""
        from minigrad.activation_table.gallery import Gallery

        return Gallery(list(self))


ACTIVATIONS = Activations(ENTRIES)


def activations() -> Activations:
    """The table of activation functions: name, formula and derivative, range, properties, callable.

    >>> import minigrad as mg
    >>> print(mg.activations()["gelu"])
    gelu(x)
        f  = x Φ(x)
        f′ = Φ(x) + x φ(x)
        range [-0.17, ∞); saturates left; smooth; f′(0) = 0.5
    """
    return ACTIVATIONS
