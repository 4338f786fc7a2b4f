"""Define the operations of the intermediate representation as frozen values: `Ufunc`, `Reduce`, `MatMul`, `Index` and others.

An operation knows how it is applied to arrays, how it behaves in memory (into, fresh, view, ...), and how it is printed. It
refers to functions by the names they have in programs; `Page.names` maps these to the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.compiler.indices import Entries, index_text
from minigrad.compiler.ufuncs import Facts, facts

# How an operation behaves in memory:
INTO = "into"  # it computes into memory it is given
FRESH = "fresh"  # it brings memory of its own
VIEW = "view"  # it looks at its operand's memory
RESHAPE = "reshape"  # it does if it can, else it copies
TILES = "tiles"  # its operands are the parts of its own memory
LEAF = "leaf"  # it is given: an argument, a parameter, a constant

Namespace = Mapping[str, Any]
Spell = Callable[[str], str]  # what the program calls a function or dtype to how it is written


class Op:
    """Define what all operations have.

    kind:      how it behaves in memory, one of the words above
    entrywise: it works entry by entry on operands that broadcast, so it may write over an operand
    pure:      equal operands give equal values, and nothing else happens
    quick:     it takes `out` as its last argument, which costs less than by keyword
    """

    kind: str
    entrywise: bool = False
    pure: bool = True
    quick: bool = False

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        """Compute the value from those of the operands."""
        raise NotImplementedError

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        """Write the call. out: what stands before the closing parenthesis, ", out=y"."""
        raise NotImplementedError

    def formula(self, operands: Sequence[str], spell: Spell) -> str:
        """Write it as a pure program does, without memory of its own."""
        return self.written(operands, "", spell)

    @property
    def word(self) -> str:
        """A word for the value: sum, part, tanh."""
        raise NotImplementedError


@dataclass(frozen=True)
class Leaf(Op):
    """Give an argument, a parameter or a constant."""

    name: str
    kind = LEAF

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return self.name

    @property
    def word(self) -> str:
        return self.name


class Named(Op):
    """Call a function of the program's names on the operands."""

    name: str

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return names[self.name](*arrays)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{spell(self.name)}({', '.join(operands)}{out})"

    @property
    def word(self) -> str:
        return self.name


@dataclass(frozen=True)
class Ufunc(Named):
    """Apply a function entry by entry: multiply, tanh, where."""

    name: str
    kind = INTO
    entrywise = True

    @property
    def facts(self) -> Facts:
        """What is known of it."""
        return facts(self.name)

    @property
    def quick(self) -> bool:  # type: ignore[override]
        return not self.facts.by_keyword

    def formula(self, operands: Sequence[str], spell: Spell) -> str:
        if self.facts.infix and len(operands) == 2:
            return f"{operands[0]} {self.facts.infix} {operands[1]}"
        return f"{self.facts.prefix}{operands[0]}" if self.facts.prefix else self.written(operands, "", spell)


@dataclass(frozen=True)
class Cast(Op):
    """Cast the operand to another dtype."""

    dtype: str
    kind = INTO
    entrywise = True
    quick = True
    word = "astype"

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return arrays[0].astype(names[self.dtype])

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{spell('astype')}({operands[0]}, {spell(self.dtype)}{out})"

    def formula(self, operands: Sequence[str], spell: Spell) -> str:
        return f"{operands[0]}.astype({spell(self.dtype)})"


@dataclass(frozen=True)
class Copy(Op):
    """Copy the operand. pure: whether one copy serves all who ask for one"""

    pure: bool = True
    kind = INTO
    entrywise = True
    quick = True
    word = "copied"

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return arrays[0].copy()

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{spell('copied')}({operands[0]}{out})"


@dataclass(frozen=True)
class MatMul(Named):
    """Multiply matrices."""

    name = "matmul"
    kind = INTO
    quick = True

    def formula(self, operands: Sequence[str], spell: Spell) -> str:
        return f"{operands[0]} @ {operands[1]}"


@dataclass(frozen=True)
class Reduce(Op):
    """Reduce the operand along some axes by a ufunc.

    axes:    one, several, or None for all
    initial: what it begins with; None for nothing
    dtype:   the result's, where it is not the operand's
    """

    name: str
    axes: int | tuple[int, ...] | None
    keepdims: bool = False
    initial: float | None = None
    dtype: str = ""
    spelled: str = field(init=False, repr=False)  # the initial number as text, which tells 0.0 from −0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "spelled", repr(self.initial))

    @property
    def kind(self) -> str:  # type: ignore[override]
        return FRESH if self.dtype else INTO

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        keywords: dict[str, Any] = {} if self.initial is None else {"initial": self.initial}
        if self.dtype:
            keywords["dtype"] = names[self.dtype]
        return names[self.name].reduce(arrays[0], axis=self.axes, keepdims=self.keepdims, **keywords)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        inside = f"{operands[0]}, {self._options(spell)}"
        return f"{spell(self.name)}.reduce({inside}{out if self.kind == INTO else ''})"

    def formula(self, operands: Sequence[str], spell: Spell) -> str:
        method = facts(self.name).reduced
        return (
            f"{spell(method)}({operands[0]}, {self._options(spell)})" if method else self.written(operands, "", spell)
        )

    def _options(self, spell: Spell) -> str:
        parts = [f"axis={self.axes!r}"]
        parts += ["keepdims=True"] if self.keepdims else []
        parts += [] if self.initial is None else [f"initial={spell(str(self.initial))}"]
        parts += [f"dtype={spell(self.dtype)}"] if self.dtype else []
        return ", ".join(parts)

    @property
    def word(self) -> str:
        return facts(self.name).reduced or self.name


# Views -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Index(Op):
    """Index the operand by numbers, slices, None and Ellipsis."""

    entries: Entries
    kind = VIEW
    word = "part"

    @classmethod
    def of(cls, *entries: Any) -> Index:
        """The operation for these entries."""
        return cls(Entries(entries))

    @property
    def row(self) -> int | None:
        """The number i of x[i]; None where it is another index."""
        return self.entries[0] if len(self.entries) == 1 and type(self.entries[0]) is int else None

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return arrays[0][tuple(self.entries)]

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{operands[0]}[{index_text(self.entries)}]"


def column_slice(ndim: int, start: int, stop: int) -> Index:
    """The operation for the columns start:stop of an array with so many axes."""
    return Index.of(*[slice(None)] * (ndim - 1), slice(start, stop))


@dataclass(frozen=True)
class Permute(Op):
    """Permute the axes of the operand."""

    axes: tuple[int, ...]
    kind = VIEW

    @classmethod
    def swapped(cls, ndim: int, i: int, j: int) -> Permute:
        """Two axes exchanged."""
        axes = list(range(ndim))
        axes[i], axes[j] = axes[j], axes[i]
        return cls(tuple(axes))

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return arrays[0].transpose(self.axes)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{operands[0]}.{self.word}{self._arguments()}"

    def _moved(self) -> list[int]:
        return [i for i, axis in enumerate(self.axes) if i != axis]

    def _arguments(self) -> str:
        if self.word == "T":
            return ""
        return repr(tuple(self._moved()) if self.word == "swapaxes" else self.axes)

    @property
    def word(self) -> str:
        if self.axes == tuple(range(len(self.axes)))[::-1]:
            return "T"
        return "swapaxes" if len(self._moved()) == 2 else "transpose"


TRANSPOSED = Permute((1, 0))


@dataclass(frozen=True)
class Reshape(Op):
    """Reshape the operand: a view where its memory allows that."""

    shape: tuple[int, ...]
    kind = RESHAPE
    word = "reshape"

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return arrays[0].reshape(self.shape)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        lengths = f"({self.shape[0]})" if len(self.shape) == 1 else repr(self.shape) if self.shape else "(())"
        return f"{operands[0]}.reshape{lengths}"


# Other arrangements of entries -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reshaped(Op):
    """Copy the operand to another shape."""

    shape: tuple[int, ...]
    kind = INTO
    word = "reshaped"

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return arrays[0].reshape(self.shape).copy()

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{spell('reshaped')}({operands[0]}, {self.shape!r}{out})"

    def formula(self, operands: Sequence[str], spell: Spell) -> str:
        return f"{operands[0]}.reshape{self.shape!r}"


@dataclass(frozen=True)
class Repeated(Op):
    """Repeat the entries of the operand so many times, as one row."""

    times: int
    kind = INTO
    word = "repeated"

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return names["repeated"](arrays[0], self.times)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{spell('repeated')}({operands[0]}, {self.times}{out})"

    def formula(self, operands: Sequence[str], spell: Spell) -> str:
        return f"{spell('tile')}({operands[0]}.ravel(), {self.times})"


@dataclass(frozen=True)
class Join(Op):
    """Join the operands, as parts that fill one array.

    function: what says so in NumPy, stack or concatenate along an axis; or an fprop that puts the parts into their places
    places:   the index of each operand's part
    """

    function: str
    axis: int
    places: Entries
    kind = TILES

    @classmethod
    def stack(cls, rows: Sequence[int]) -> Join:
        """The operands as these rows, in order; all others, where rounds of a loop are left out, are those rounds'."""
        return cls("stack", 0, Entries((i,) for i in rows))

    @property
    def rows(self) -> list[int] | None:
        """The numbers of the rows that its parts are, in order; None where they are something else."""
        rows = [index[0] for index in self.places if len(index) == 1 and type(index[0]) is int]
        ascend = all(i < j for i, j in pairwise(rows))
        return rows if 1 < len(rows) == len(self.places) and rows[0] == 0 and ascend else None

    @property
    def order(self) -> Sequence[int]:
        """The numbers of the parts in the order in which they lie along the axis."""
        if self.function != "concatenate":
            return range(len(self.places))
        return sorted(range(len(self.places)), key=lambda i: self.places[i][self.axis].start or 0)

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        if self.function in ("stack", "concatenate"):
            return names[self.function]([arrays[i] for i in self.order], axis=self.axis)
        return names[self.function](*arrays)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        if self.function in ("stack", "concatenate"):
            return self.written_with(f"[{', '.join([operands[i] for i in self.order])}]", spell)
        return f"{spell(self.function)}({', '.join(operands)})"

    def written_with(self, parts: str, spell: Spell) -> str:
        """Write the call with the list of its parts."""
        return f"{spell(self.function)}({parts}{f', axis={self.axis}' if self.axis else ''})"

    @property
    def word(self) -> str:
        return self.function


def columns_joined(widths: Sequence[int], ndim: int) -> Join:
    """The operation that joins arrays with so many axes along the last one, from left to right."""
    head, places, start = (slice(None),) * (ndim - 1), [], 0
    for width in widths:
        places.append((*head, slice(start, start + width)))
        start += width
    return Join("concatenate", -1, Entries(places))


@dataclass(frozen=True)
class Take(Op):
    """Take entries of the first operand, by an index whose arrays are the other operands: `Slot` says which."""

    entries: Entries
    kind = FRESH
    word = "part"

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return arrays[0][tuple([arrays[x.number] if isinstance(x, Slot) else x for x in self.entries])]

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        entries = [operands[x.number] if isinstance(x, Slot) else index_text([x]) for x in self.entries]
        return f"{operands[0]}[{', '.join(entries)}{',' if len(entries) == 1 else ''}]"


@dataclass(frozen=True)
class Place(Op):
    """Scatter the first operand into zeros, at the entries that the other operands name, each once."""

    shape: tuple[int, ...]
    kind = INTO
    word = "placed"

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return names["placed"](arrays[0], tuple(arrays[1:]), self.shape)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        index = ", ".join(operands[1:])
        return f"{spell('placed')}({operands[0]}, ({index}{',' if len(operands) == 2 else ''}), {self.shape!r}{out})"


# What the program calls as it stands -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw(Op):
    """Draw random numbers by a method of a generator."""

    generator: str
    method: str
    shape: tuple[int, ...]
    dtype: str
    kind = INTO
    pure = False

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        return getattr(names[self.generator], self.method)(self.shape, names[self.dtype])

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{spell(self.generator)}.{self.method}({self.shape!r}, {spell(self.dtype)}{out})"

    @property
    def word(self) -> str:
        return self.generator


@dataclass(frozen=True)
class Opaque(Named):
    """Call an fprop as it stands."""

    name: str
    kind: str
    pure: bool = True

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        return f"{spell(self.name)}({', '.join(operands)}{out if self.kind == INTO else ''})"


@dataclass(frozen=True)
class Slot:
    """Where an operand stands among the arguments of a function, or in an index."""

    number: int


@dataclass(frozen=True)
class Known:
    """Something the program has a name for, as an argument: a dtype, a function."""

    name: str


@dataclass(frozen=True)
class Function(Op):
    """Call any other function, or a method of the first operand, with arguments that are not all operands.

    form:      the arguments as they are written, {0}, {1}, … for operands: equal forms are equal calls
    arguments: the same as values: operands as `Slot`, named things as `Known`, anything else as it is
    """

    name: str
    kind: str
    form: str
    entrywise: bool = False
    method: bool = False
    arguments: tuple[Any, ...] = field(compare=False, default=())
    keywords: tuple[tuple[str, Any], ...] = field(compare=False, default=())

    @classmethod
    def of(
        cls,
        name: str,
        kind: str,
        arguments: tuple[Any, ...],
        keywords: tuple[tuple[str, Any], ...],
        *,
        entrywise: bool,
        method: bool,
    ) -> Function:
        """The operation with these arguments; those of a method begin with its object."""
        form = _arguments(arguments[method:], keywords, str)
        return cls(name, kind, form, entrywise, method, arguments, keywords)

    def apply(self, arrays: Sequence[Any], names: Namespace) -> Any:
        values = [_filled(value, arrays, names) for value in self.arguments]
        keywords = {name: _filled(value, arrays, names) for name, value in self.keywords}
        if self.method:
            return getattr(arrays[0], self.name)(*values[1:], **keywords)
        function = names[self.name.removesuffix(".reduce")]
        return (function.reduce if self.name.endswith(".reduce") else function)(*values, **keywords)

    def written(self, operands: Sequence[str], out: str = "", spell: Spell = str) -> str:
        inside = _arguments(self.arguments[self.method :], self.keywords, spell).format(*operands)
        if self.method:
            return f"{operands[0]}.{self.name}({inside})"
        return f"{spell(self.word)}{self.name.removeprefix(self.word)}({inside}{out if self.kind == INTO else ''})"

    @property
    def takes_a_list(self) -> bool:
        """Whether the first argument is a list of all operands, of which there are several."""
        first = self.arguments[0] if self.arguments else None
        return isinstance(first, list | tuple) and len(first) > 1 and all(isinstance(x, Slot) for x in first)

    def written_with(self, parts: str, spell: Spell) -> str:
        """Write the call with the list of its parts."""
        rest = _arguments(self.arguments[1:], self.keywords, spell)
        return f"{spell(self.name)}({parts}{', ' if rest else ''}{rest})"

    @property
    def word(self) -> str:
        return self.name.removesuffix(".reduce")


def _arguments(values: Sequence[Any], keywords: Sequence[tuple[str, Any]], spell: Spell) -> str:
    """Arguments as they are written, {0} for the first operand."""

    def said(value: Any) -> str:
        match value:
            case Slot(number):
                return f"{{{number}}}"
            case Known(name):
                return spell(name)
            case tuple():
                return f"({', '.join(map(said, value))}{',' if len(value) == 1 else ''})"
            case list():
                return f"[{', '.join(map(said, value))}]"
            case np.generic():
                return f"{spell(value.dtype.name)}({value.item()!r})"
            case float() if not np.isfinite(value):
                return spell(str(value))
            case _:
                return repr(value)

    return ", ".join([*map(said, values), *[f"{word}={said(value)}" for word, value in keywords]])


def _filled(value: Any, arrays: Sequence[Any], names: Namespace) -> Any:
    """An argument with arrays and things in the places of slots and names."""
    if isinstance(value, Slot):
        return arrays[value.number]
    if isinstance(value, Known):
        return names[value.name]
    if isinstance(value, tuple | list):
        return type(value)([_filled(part, arrays, names) for part in value])
    return value


MULTIPLY, ADD, SUBTRACT, DIVIDE = (Ufunc(name) for name in ("multiply", "add", "subtract", "divide"))
NEGATIVE, EXP, LOG, WHERE = (Ufunc(name) for name in ("negative", "exp", "log", "where"))
MATMUL = MatMul()
COPIED, COPY = Copy(), Copy(pure=False)
