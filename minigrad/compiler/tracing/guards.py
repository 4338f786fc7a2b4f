"""Guard a program against changes of what its trace read besides arguments: attributes, closures, defaults.

A trace sees nodes, and not the numbers that Python code puts into them: a rate, a weight, a mode, a list of sizes. `Guards`
notes them in modules, penalties, losses and whatever these or the function refer to, through lists, dicts, arrays and objects,
and tells before every run of the program whether they are the same. What changed during the trace itself (a count of calls) is
left out: it would change in every call.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter, is_
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from minigrad.node import Node, Parameter

MOST_WATCHED = 1000  # of a list, dict or set; longer ones are told by which they are
MOST_WATCHED_BYTES = 1 << 18  # of an array; larger ones are told by which they are
CONTENTS = attrgetter("cell_contents")
COUNTS = (int, float, np.number)
SCALARS = (bool, int, float, complex, str, bytes)
BUFFERS = (np.ndarray, bytearray, array)
MISSING = object()


class Guards:
    """Check that watched objects, and all within them, hold what they held when they were traced.

    Checked by identity first, at some 25 ns per attribute; only where that fails, by value.
    """

    def __init__(self, watched: Iterable[Any] = ()) -> None:
        self.seen: dict[int, Any] = {}  # by id, and kept, so that the id stays theirs
        self.places: list[_Place] = []
        self.arrays: list[tuple[Callable[[], bytes], bytes]] = []  # what gives the bytes of one, and those it had
        self.parameters: list[Parameter] = []
        self.flags: list[bool] = []
        self.changed: list[_Place] = []  # the one that was last found to differ
        self.counted: list[Count] = []  # numbers that the trace itself changed
        for thing in watched:
            self.watch(thing)
        self.n_own = len(self.places)  # of what the function itself refers to

    def watch(self, thing: Any) -> None:
        """Note what the thing holds, and all that is within it."""
        waiting = [thing]
        while waiting:
            thing = waiting.pop()
            if isinstance(thing, SCALARS) or thing is None or id(thing) in self.seen:
                continue
            self.seen[id(thing)] = thing
            if isinstance(thing, Parameter):
                self.parameters.append(thing)
                self.flags.append(thing.trainable)
            elif isinstance(thing, BUFFERS) and not (isinstance(thing, np.ndarray) and thing.dtype.hasobject):
                if memoryview(thing).nbytes <= MOST_WATCHED_BYTES:  # type: ignore[arg-type]
                    read = partial(bytes, thing) if isinstance(thing, bytearray) else thing.tobytes
                    self.arrays.append((read, read()))
            else:
                places = list(_places(thing))
                self.places += places
                waiting.extend(chain.from_iterable([place.within() for place in places]))
                waiting.extend(_fixed_parts(thing))

    def settle(self) -> None:
        """The trace is over: leave out what changed during it."""
        self.counted = [found for place in self.places[: self.n_own] for found in place.counted()]
        self.places = [place for place in self.places if place.settle()]
        self.arrays = [(read, held) for read, held in self.arrays if read() == held]
        same = [p for p, flag in zip(self.parameters, self.flags, strict=True) if p.trainable is flag]
        self.parameters, self.flags = same, [p.trainable for p in same]
        self.seen.clear()
        self._flatten()

    def _flatten(self) -> None:
        """Put what can be checked by identity in a row: what holds values, and the values."""
        tight = [place for place in self.places if place.is_tight()]
        self.loose = [place for place in self.places if not place.is_tight()]
        views = [part for place in tight for part in (*place.views, (MISSING,))]  # which keeps neighbors apart
        self.row = views, list(chain.from_iterable(views))
        self.others = bool(self.loose or self.parameters or self.arrays)

    def hold(self) -> bool:
        """Whether everything is as it was."""
        views, values = self.row
        try:
            same = not values or all(map(is_, chain.from_iterable(views), values))
        except ValueError:  # a variable that a function closes over was deleted
            return False
        if not same:
            if not self._hold_by_value():
                return False
            self._flatten()  # equal values, though other objects
        return not self.others or self._others_hold()

    def _others_hold(self) -> bool:
        for place in self.loose:
            if not place.holds():
                return False
        if [parameter.trainable for parameter in self.parameters] != self.flags:
            return False
        for read, held in self.arrays:  # noqa: SIM110 -- in every call
            if read() != held:
                return False
        return True

    def _hold_by_value(self) -> bool:
        for place in (*self.changed, *self.places):  # what differed last will do so again, as long as others run
            if not place.holds():
                self.changed = [place]
                return False
        return True


class Count(NamedTuple):
    """A number that a function changes: an attribute of an object, or a variable that a function closes over."""

    owner: Any
    name: str
    value: Any

    def __str__(self) -> str:
        if isinstance(self.owner, FunctionType):
            return f"{self.owner.__name__}'s variable {self.name}"
        return f"{type(self.owner).__name__}.{self.name}"

    def put_back(self) -> None:
        """Make it again what it was when it was noted."""
        if isinstance(self.owner, FunctionType):
            cells = dict(zip(self.owner.__code__.co_freevars, self.owner.__closure__ or (), strict=True))
            cells[self.name].cell_contents = self.value
        else:
            setattr(self.owner, self.name, self.value)


class _Place:
    """One thing that holds others, by name or in a row.

    now:     gives what it holds: a dict, or a tuple
    views:   iterables that always show what it holds; () where there are none
    kind:    the class whose attributes stand in for those that an object lacks
    owner:   the object whose attributes these are, or the function whose variables
    skipped: the names of what changes in every call
    """

    __slots__ = ("held", "kind", "now", "owner", "skipped", "views")

    def __init__(
        self, now: Callable[[], Any], views: tuple[Any, ...] = (), kind: type | None = None, owner: Any = None
    ) -> None:
        self.now = now
        self.views = views
        self.kind = kind
        self.owner = owner
        self.held = now()
        self.skipped: frozenset[str] = frozenset()

    def is_tight(self) -> bool:
        """Whether all that it holds can be told by which it is."""
        return bool(self.views) and not self.skipped

    def within(self) -> Iterable[Any]:
        """What it holds."""
        return list(self.held.values() if type(self.held) is dict else self.held)

    def counted(self) -> list[Count]:
        """The numbers that are not as they were."""
        now = self.now() if self.owner is not None else {}
        both = [(name, self.held[name], now[name]) for name in self.held if name in now] if now else []
        return [
            Count(self.owner, name, new)
            for name, old, new in both
            if isinstance(old, COUNTS) and isinstance(new, COUNTS) and not _same(old, new)
        ]

    def settle(self) -> bool:
        """Leave out what is not as it was; False where nothing is left to tell."""
        now = self.now()
        if type(now) is not dict:
            return self.holds()
        self.skipped = frozenset([name for name in self.held.keys() | now.keys() if not self._same(name, now)])
        self.held = now
        return True

    def holds(self) -> bool:
        """Whether it holds the same, or equal numbers."""
        now = self.now()
        if type(now) is not dict:
            return len(now) == len(self.held) and all(map(_same, now, self.held))
        if self.kind is None and now.keys() == self.held.keys() and [*now] != [*self.held]:
            return False  # of a dict the order is read too
        return all(self._same(name, now) for name in self.held.keys() | now.keys() if name not in self.skipped)

    def _same(self, name: str, now: dict[str, Any]) -> bool:
        one, other = self.held.get(name, MISSING), now.get(name, MISSING)
        if (one is MISSING or other is MISSING) and self.kind is not None:
            default = getattr(self.kind, name, MISSING)
            one, other = (default if value is MISSING else value for value in (one, other))
        return _same(one, other)


class _OfClass(_Place):
    """A class and its attributes. Its functions are what they are, and not looked into."""

    __slots__ = ()

    def within(self) -> Iterable[Any]:
        kept = (FunctionType, staticmethod, classmethod, property)
        return [x for name, x in self.held.items() if not name.startswith("__") and not isinstance(x, kept)]


def _places(thing: Any) -> Iterator[_Place]:
    """Where a thing holds others that may change."""
    if isinstance(thing, dict) and len(thing) <= MOST_WATCHED:
        yield _Place(partial(dict, thing), (thing.keys(), thing.values()))
    elif isinstance(thing, list | set | deque) and len(thing) <= MOST_WATCHED:
        yield _Place(partial(tuple, thing), (thing,))
    elif isinstance(thing, FunctionType) and thing.__closure__ and not _is_ours(thing.__module__):
        yield _Place(partial(_variables, thing), _views_of(thing.__closure__), owner=thing)
    if _is_object(thing):
        kind = type(thing)
        if hasattr(thing, "__dict__"):
            yield _Place(partial(dict, vars(thing)), (vars(thing).values(),), kind, thing)
        if in_slots(thing):
            yield _Place(partial(in_slots, thing), owner=thing)
        for part in kind.__mro__[:-1]:
            if not _is_ours(part.__module__):
                yield _OfClass(partial(dict, vars(part)), (vars(part).values(),))


class _Cells:
    """A view of what the cells of a function hold."""

    __slots__ = ("cells",)

    def __init__(self, cells: tuple[CellType, ...]) -> None:
        self.cells = cells

    def __iter__(self) -> Iterator[Any]:
        """ValueError where a variable was deleted."""
        return map(CONTENTS, self.cells)


def _views_of(cells: tuple[CellType, ...]) -> tuple[_Cells, ...]:
    """A view of the cells, if all hold something."""
    view = _Cells(cells)
    try:
        return (view,) if list(view) else ()
    except ValueError:
        return ()


def _variables(function: FunctionType) -> dict[str, Any]:
    """The free variables of a function, by name."""
    return dict(zip(function.__code__.co_freevars, cells_of(function), strict=True))


def objects_of(f: Any) -> list[Any]:
    """What is to be watched of a function: itself, with all that it closes over or has as defaults, and the objects that it and
    the functions it calls refer to by name. Global numbers, lists and arrays are none of them: they stay as they were.
    """
    found: list[Any] = [f] if isinstance(f, FunctionType | MethodType | partial) else []
    seen: dict[int, Any] = {}
    waiting = [f]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, FunctionType):
            if not _is_ours(thing.__module__):
                names = names_in(thing.__code__)
                waiting += [*cells_of(thing), *_fixed_parts(thing)]
                waiting += [thing.__globals__[name] for name in names if name in thing.__globals__]
        elif isinstance(thing, list | tuple | dict):
            parts = thing.values() if isinstance(thing, dict) else thing
            waiting += [part for part in parts if _is_object(part)] if len(thing) <= MOST_WATCHED else []
        elif _is_object(thing):
            found.append(thing)
        else:
            waiting += _fixed_parts(thing)
    return found


def names_in(code: CodeType) -> set[str]:
    """List the names that a function and those within it look up."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return {*code.co_names, *[name for part in inner for name in names_in(part)]}


def _fixed_parts(thing: Any) -> Sequence[Any]:
    """What is within a thing that does not change itself."""
    if isinstance(thing, tuple | frozenset):
        return tuple(thing) if len(thing) <= MOST_WATCHED else ()
    if isinstance(thing, MethodType):
        return thing.__self__, thing.__func__
    if isinstance(thing, partial):
        return thing.func, thing.args, thing.keywords
    if isinstance(thing, FunctionType):
        return thing.__defaults__, thing.__kwdefaults__
    return ()


def _is_object(thing: Any) -> bool:
    """Whether it is an object whose attributes a traced function may read. Of the engine's own that is a module, penalty or
    loss; an optimizer or a history changes in every step.
    """
    if isinstance(
        thing,
        bytearray
        | array
        | type
        | ModuleType
        | Node
        | np.ndarray
        | tuple
        | frozenset
        | FunctionType
        | MethodType
        | partial,
    ):
        return False
    module = type(thing).__module__
    if module.partition(".")[0] == "minigrad":
        return module.startswith("minigrad.models.") and callable(thing)
    return module.partition(".")[0] not in ("builtins", "numpy")


def _is_ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in ("minigrad", "builtins", "abc", "typing", "collections")


def in_slots(thing: Any) -> dict[str, Any]:
    """What an object of a user's class holds in slots."""
    found = {}
    for part in type(thing).__mro__:
        slots = () if _is_ours(part.__module__) else vars(part).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__"):
                found[name] = getattr(thing, name, MISSING)
    return found


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one, or numbers that are equal in every respect."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, SCALARS):
        return repr(one) == repr(other)  # which tells 0.0 from −0.0, and nan is nan
    if isinstance(one, np.generic):
        return bool(one.dtype == other.dtype) and one.tobytes() == other.tobytes()
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return False


def cells_of(function: FunctionType) -> list[Any]:
    """What the free variables of a function hold now; None for one that holds nothing yet."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(None)
    return found
