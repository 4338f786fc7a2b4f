"""Print lines and their storage plan as a NumPy program: buffers made once, and a function that fills them on every call."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.helpers import HELPERS, copied, reshaped
from minigrad.compiler.ir import FRESH, INTO, LEAF, RESHAPE, TILES, VIEW, Index, Leaf, MatMul, Op
from minigrad.compiler.lines import NOWHERE, Line, Lines, NotContracted, Origin, uniform_number, uses_of
from minigrad.compiler.names import Names
from minigrad.compiler.printing import kernels
from minigrad.compiler.printing.blocks import BLOCK_RULES, Cut, blocks, buffers_of, reused
from minigrad.compiler.printing.expressions import Expression, Name, Row, Statement, view
from minigrad.compiler.printing.groups import Address, Group, address, grouped, in_root
from minigrad.compiler.printing.loops import rolled, wrapped
from minigrad.compiler.storage.memory import Memory, Root, plain
from minigrad.node import Node

FEW_PARTS = 8  # parts of a whole that have names of their own
NUMBER_WORDS = {0: "zero", 1: "one", 2: "two", 3: "three", 4: "four", 0.5: "half", -1: "minus_one", -2: "minus_two"}


class ProgramText(NamedTuple):
    """A program as source, what its names stand for, and the parameters it reads."""

    source: str
    names: dict[str, Any]
    reads: dict[str, Node]


def program_text(lines: Lines, arguments: Sequence[str], backend: str = "numpy") -> ProgramText:
    """Print the program that computes lines, in memory of its own; with "numba", groups of entrywise lines as compiled loops."""
    return _Writer(lines, arguments, backend).text()


class _Writer:
    def __init__(self, lines: Lines, arguments: Sequence[str], backend: str) -> None:
        self.numba = backend == "numba"
        self.memory = Memory(lines)
        self.lines = lines = self.memory.lines
        self.names = {**lines.page.names, "copied": copied, "reshaped": reshaped, "blocks": blocks, "reused": reused}
        self.kernels: dict[str, kernels.Kernel] = {}  # by name
        known = self.kernels  # and not the writer, which whoever keeps the names would keep
        self.names["compiled"] = lambda function: kernels.compiled_kernel(known[function.__name__])
        self.given = Names(self.names)
        self.arguments = {name: self.given.new(name) for name in arguments}
        self.tables: list[str] = []  # statements that make memory, once
        self.body: list[Statement] = []
        self.reads: dict[str, Node] = {}
        self.known: dict[Any, str] = {}  # what a thing is called
        self.of: dict[Line, Expression] = {}  # how a value is written
        self.said: dict[str, None] = {}  # the functions and tables that are used
        self.uses = uses_of(lines)
        self.made: set[Line] = set()  # outputs whose memory is there
        self.shared = self._shared()

    def _shared(self) -> set[Root]:
        """The series of adjoints in whose memory there are values of the forward sweep before."""
        computed = [line for line in self.lines.order if line.op.kind == INTO and line.array is None]
        forward = {self.memory.home(line) for line in computed if not line.origin.adjoint}
        series = [root for root in forward if root is not None and root.members is not None]
        return {root for root in series if root.members and _names_series(root.members).origin.adjoint}

    def text(self) -> ProgramText:
        items = grouped(self.memory, kernels.KERNEL_RULES if self.numba else BLOCK_RULES)
        for item in kernels.together(items) if self.numba else items:
            if isinstance(item, Line):
                self._write(item)
            elif isinstance(item, Group):
                self._write_blocks(item)
            else:
                self._write_loops(item)
        for state, value in self.lines.updates:
            if self.memory.states.get(value) is not state:
                self._say("copyto({0}, {1})", [self._of(state), self._of(value)], value.origin)
                self.names["copyto"] = np.copyto
        results = [self._returned(line, i) for i, line in enumerate(self.lines.outputs)]
        self._say(f"return {', '.join(results)}{',' if len(results) == 1 else ''}", [], NOWHERE)
        head = [
            f"{name} = {name}_._value" for name in self.reads
        ]  # the slot: a property would cost as much as a product
        self.names |= {f"{name}_": node for name, node in self.reads.items()}
        body = [indent(text, "    ") for text in [*head, *rolled(self.body, self.lines.page.gaps, self._local)]]
        definition = f"def program({', '.join(self.arguments.values())}):"
        loops = [f"@compiled\n{kernel.text_as(name)}\n" for name, kernel in self.kernels.items()]
        code = "\n".join([*loops, *self.tables, "", definition, *body, ""]).lstrip("\n")
        return ProgramText("".join([f"# {comment}\n" for comment in self._comments()]) + code, self.names, self.reads)

    def _comments(self) -> list[str]:
        """What the names stand for that are neither NumPy's nor defined in the program."""
        found = []
        for name in self.said:
            thing = self.names.get(name)
            if isinstance(thing, np.ndarray):
                found.append(f"{name}: an array {thing.shape} of {thing.dtype}")
            elif name in HELPERS or name.startswith("fprop_"):
                found.append(f"{name}: {(thing.__doc__ or '').partition(chr(10))[0].rstrip('.')}")
        return found

    # Statements --------------------------------------------------------------------------------------------------------

    def _say(self, form: str, parts: Sequence[Expression], origin: Origin, quick: str = "") -> None:
        self.body.append(Statement(form, tuple(parts), origin, quick))

    def _spelled(self, op: Op, operands: Sequence[str], out: str = "") -> str:
        """An operation as it is written; what it calls is noted."""
        self.said.setdefault(op.word)
        return op.written(operands, out)

    def _write(self, line: Line) -> None:
        kind = line.op.kind
        if line.array is not None:
            return
        if kind in (LEAF, TILES) or self._is_prepared(line) or self._is_written_where_read(line):
            if kind == TILES:
                self._ready(line)
            return
        operands = [self._of(operand) for operand in line.operands]
        slots = [f"{{{i}}}" for i in range(len(operands))]
        if kind == INTO:
            self._ready(line)
            out = f"{{{len(slots)}}}"
            operands.append(self._of(line))
            if self._is_plain_product(line):
                self._say("{0}.dot({1}, out={2})", operands, line.origin, "{0}.dot({1}, {2})")
            else:
                quick = line.op.written(slots, f", {out}") if line.op.quick else ""
                self._say(self._spelled(line.op, slots, f", out={out}"), operands, line.origin, quick)
        else:
            if line.op.kind in (VIEW, RESHAPE):
                name = self.given.new(f"{operands[0].name}_{line.op.word}")
            else:
                name = self.given.of(line)
            self.of[line] = Name(name)
            text = self._spelled(line.op, slots)
            if (
                kind == FRESH and not line.shape
            ):  # NumPy gives numbers there, which have no memory that others could use
                self.names["asarray"] = np.asarray
                text = f"asarray({text})"
            self._say(f"{name} = {text}", operands, line.origin)

    def _write_loops(self, groups: Sequence[Group]) -> None:
        """Groups as one call of compiled loops."""
        self._demand_one_round([line for group in groups for line in group.members])
        for line in [line for group in groups for line in group.stored]:
            self._ready(line)
        kernel = kernels.kernel_of(groups, self.memory)
        key = "kernel", kernel.name, kernel.text, kernel.apart
        if key not in self.known:
            name = self.known[key] = self.given.new(kernel.name)
            self.kernels[name] = kernel
        slots = ", ".join([f"{{{i}}}" for i in range(len(kernel.arguments))])
        arguments = [self._of(line) for line in kernel.arguments]
        self._say(f"{self.known[key]}({slots})", arguments, groups[0].members[0].origin)

    def _demand_one_round(self, members: Sequence[Line]) -> None:
        """Refuse a statement that does the same for several rounds of a loop whose middle is left out: it would skip that."""
        rounds: dict[Any, Any] = {}
        for line in members:
            origin = line.origin
            if (
                origin.loop in self.lines.page.gaps
                and rounds.setdefault((origin.role, line.op), origin.step) != origin.step
            ):
                raise NotContracted(f"one statement for the steps {rounds[origin.role, line.op]} and {origin.step}")

    def _write_blocks(self, group: Group) -> None:
        """A group, block by block: a loop over pieces of what others know, and over one block for each value in between."""
        self._demand_one_round(group.members)
        cut = Cut.of(group.shape)
        assert cut is not None
        for line in group.stored:
            self._ready(line)
        lists: dict[str, str] = {}  # what the loop goes over, and what a piece of it is called
        pieces: dict[Line, str] = {}
        wholes = _Slots()
        for line in [*group.operands, *group.stored]:
            whole = self._of(self._number(line))
            pieces[line] = slot = wholes.slot(whole)
            if cut.cuts(self._number(line)):
                over = f"blocks({slot}, {cut.length}, {cut.axis})"
                if over not in lists:
                    lists[over] = self._local(f"{whole.name}_block", lists.values())
                pieces[line] = lists[over]
        for line, first in buffers_of(group).items():
            if line is first:
                pieces[line] = name = self._local("buffer", lists.values())
                lists[self._reused(name, cut, line.dtype)] = name
            pieces[line] = pieces[first]
        body = [
            self._spelled(x.op, [pieces[operand] for operand in x.operands], f", out={pieces[x]}")
            for x in group.members
        ]
        end = []
        if group.total is not None:
            self._ready(group.total)
            sums = self.given.new("sums")
            self._make(sums, (cut.pieces,), group.total.dtype)
            lists[self._prepared(f"[{sums}[i, ...] for i in range({cut.pieces})]", f"each_of_{sums}")] = part = "part"
            summed = group.total.operands[0]
            body.insert(group.members.index(summed) + 1, group.total.op.written([pieces[summed]], f", out={part}"))
            end = [group.total.op.written([sums], f", out={wholes.slot(self._of(group.total))}")]
        head = f"for {wrapped(lists.values())} in zip{wrapped(lists, wholes.length)}:"
        text = "\n".join([head, *[f"    {text}" for text in body], *end])
        self._say(text, wholes.parts, group.members[0].origin)

    def _number(self, line: Line) -> Line:
        """A constant whose entries are all the same as one without axes, which broadcasts; other lines as they are."""
        array = uniform_number(line) if line.shape else None
        return line if array is None else self.lines.page.constant(array)

    def _local(self, word: str, others: Collection[str]) -> str:
        """A name that nothing has but loops: the word, or the next one that none of the others is."""
        for nth in count():
            name = self.known.get(("local", word, nth))
            if name is None:
                name = self.known["local", word, nth] = self.given.new(word)
            if name not in others:
                return name
        raise AssertionError

    def _reused(self, name: str, cut: Cut, dtype: np.dtype[Any]) -> str:
        """The name of a list of as many blocks as there are pieces, all in one place."""
        key = ("reused", name, cut, dtype)
        if key not in self.known:
            self.names["empty"] = np.empty
            self.known[key] = self.given.new(f"{name}s")
            memory = f"empty({cut.piece!r}, {self._dtype(dtype)})"
            self.tables.append(f"{self.known[key]} = reused({memory}, {cut.shape[cut.axis]}, {cut.axis})")
        return self.known[key]

    def _ready(self, line: Line) -> None:
        """The memory of an output is made in every call, so that the caller may keep it."""
        home = self.memory.home(line)
        if home is not None and home.output and home not in self.known:
            owner = next(owner for owner, root in self.memory.root.items() if root is home)
            name = self.known[home] = self.given.of(owner)
            self.names["empty"] = np.empty
            self._say(f"{name} = empty({home.shape!r}, {self._dtype(home.dtype)})", [], owner.origin)

    def _is_plain_product(self, line: Line) -> bool:
        """Whether it is a product of matrices that ndarray.dot can do, whose call costs least."""
        if not isinstance(line.op, MatMul) or len(line.shape) != 2:
            return False
        fit = all(len(x.shape) == 2 and x.dtype == line.dtype for x in line.operands)
        return fit and line.dtype.kind == "f" and self.memory.example[line].flags.c_contiguous

    def _returned(self, line: Line, i: int) -> str:
        root, text = self.memory.root.get(plain(line)), self._of(line).text
        if root is not None and root.output and plain(line) not in map(plain, self.lines.outputs[:i]):
            return text
        self.names["array"] = np.array
        return f"array({text})"

    # Expressions -------------------------------------------------------------------------------------------------------

    def _is_prepared(self, line: Line) -> bool:
        """Whether it is a view of memory that is there before the first call."""
        if line.op.kind not in (VIEW, RESHAPE):
            return False
        base = self.memory.base(line)
        if base.array is not None:
            return True
        home = self.memory.home(line)
        return home is not None and not home.output

    def _is_written_where_read(self, line: Line) -> bool:
        """Whether a line is one of many slices of an array, as every time step has one: a list of names would grow with time."""
        if not isinstance(line.op, Index) or not (line.origin.step or self.uses.get(line) == 1):
            return False
        numbered = [axis for axis, entry in enumerate(line.op.entries) if entry not in (slice(None), ...)]
        return (
            len(numbered) == 1
            and isinstance(line.op.entries[numbered[0]], int)
            and line.operands[0].shape[numbered[0]] > FEW_PARTS
        )

    def _of(self, line: Line) -> Expression:
        """How the program writes the value of a line."""
        chain = [line]  # views of views of ...: from the outside in, and then written from the inside out
        while chain[-1] not in self.of and (inner := self.memory.whole(chain[-1])) is not None:
            chain.append(inner)
        for part in reversed(chain):
            if part not in self.of:
                self.of[part] = self._found(part)
                if self._has_own_name(part):
                    self.given.call(part, self.of[part].name)
        return self.of[line]

    def _has_own_name(self, line: Line) -> bool:
        """Whether what the line is called is its own value, and not that of another in whose memory it is."""
        if line.array is not None or line.op.kind in (VIEW, RESHAPE):
            return False
        if line in self.memory.over or line in self.memory.slot:
            return False
        return line not in self.memory.place or self.memory.place[line][0] not in self.shared

    def _found(self, line: Line) -> Expression:
        if line.array is not None:
            return Name(self._constant(line))
        if isinstance(line.op, Leaf):
            return Name(self._leaf(line, line.op.name))
        if line.op.kind in (VIEW, RESHAPE):
            return self._seen(line.operands[0], line.op, line)
        memory = self.memory
        if line in memory.over:
            return self._of(memory.over[line])
        if line in memory.slot:
            other, index = memory.slot[line]
            return self._seen(other, Index.of(*index) if line.shape or ... in index else Index.of(*index, ...), line)
        if line in memory.place:
            root, at = memory.place[line]
            array, rows = self._series(root)
            if isinstance(at, int):
                return Row(rows, at)
            whole = (at.start, at.stop) == (0, root.shape[0])
            return Name(array if whole else self._prepared(f"{array}[{at.start}:{at.stop}]", f"some_{rows}"))
        root = memory.root[line]
        if not root.output:
            return Name(self._pooled(line, root))
        self._ready(line)  # a view of it may stand before the loop that computes it
        return Name(self.known[root])

    def _seen(self, whole: Line, op: Op, line: Line) -> Expression:
        """A line as a view of a whole: prepared in advance; of the rows of a series, for all rows at once."""
        of = self._of(whole)
        home = self.memory.home(line)
        if self.memory.base(line).array is None and (home is None or home.output):
            return view(of, op)
        if isinstance(of, Row):
            every = self._spelled(op, ["part"])
            return Row(self._prepared(f"[{every} for part in {of.rows}]", f"{of.rows}_{op.word}"), of.number)
        if isinstance(op, Index) and op.row is not None:
            return Row(self._rows_of(of.text, address(self.memory, whole)), op.row)
        if isinstance(op, Index) and (part := self._of_many(of.text, whole.shape, op.entries)) is not None:
            return part
        return Name(self._prepared(self._spelled(op, [of.text]), f"{of.text}_{op.word}"))

    def _of_many(self, whole: str, shape: tuple[int, ...], index: Sequence[Any]) -> Expression | None:
        """One of many parts of a whole, side by side along an axis, as an entry of a list of all; None where it is another part.

        So a program is no longer for more time steps.
        """
        axes = [axis for axis, entry in enumerate(index) if entry not in (slice(None), ...)]
        if len(axes) != 1 or index[axes[0]] is None:
            return None
        (axis,) = axes
        entry, n = index[axis], shape[axis]
        start, stop, step = entry.indices(n) if isinstance(entry, slice) else (entry, entry + 1, 1)
        width = stop - start
        if step != 1 or width < 1 or start % width or n % width or n // width <= FEW_PARTS:
            return None
        part = f"i : i + {width}" if isinstance(entry, slice) else "i"
        rest = "" if len(shape) > 1 else ", ..."
        over = f"range({n})" if width == 1 else f"range(0, {n}, {width})"
        every = f"[{whole}[{':, ' * axis}{part}{rest}] for i in {over}]"
        return Row(self._prepared(every, f"{whole}_parts"), start // width)

    def _rows_of(self, array: str, where: Address, name: str = "") -> str:
        """The name of the list of an array's rows; it is one list for arrays of one shape that lie in one place.

        name: its name, if it is to have another than that of the array with _rows
        """
        if ("rows", array) not in self.known:
            name = self.known["rows", array] = name or self.given.new(f"{array}_rows")
            there = self.known.setdefault(("rows", where), name)
            self.tables.append(f"{name} = {f'list({array})' if there == name else there}")
        return self.known["rows", array]

    def _prepared(self, expression: str, word: str) -> str:
        name = self.known.get(expression)
        if name is None:
            name = self.known[expression] = self.given.new(word)
            self.tables.append(f"{name} = {expression}")
        return name

    def _constant(self, line: Line) -> str:
        array = line.array
        assert array is not None
        if array.ndim or array.dtype.kind == "b":
            name = self.given.new("constant")
            self.names[name] = array
            self.said.setdefault(name)
            return name
        number = array.item()
        self.names["array"] = np.array
        word = NUMBER_WORDS.get(number) if number == number else "nan"
        if word is None:
            word = "number_" + f"{number:g}".translate({ord("-"): "minus_", ord("+"): "_", ord("."): "_"})
        text = repr(number) if np.isfinite(number) else f"float('{number}')"
        return self._prepared(f"array({text}, {self._dtype(array.dtype)})", word)

    def _leaf(self, line: Line, word: str) -> str:
        if line.node is None:
            return self.arguments[word]
        name = self.given.new(word or "parameter")
        self.reads[name] = line.node
        return name

    def _series(self, root: Root) -> tuple[str, str]:
        """The names of the array of a series, and of the list of its rows."""
        if root not in self.known:
            assert root.members is not None
            word = self.given.new("shared") if root in self.shared else self.given.of(_names_series(root.members))
            array = self.given.new(f"all_{word}")
            self._allocate(array, root.shape, root)
            if root.members[0].shape:
                rows = self._rows_of(array, in_root(root, root.shape), word)
            else:
                rows = word
                self.tables.append(f"{rows} = [{array}[i, ...] for i in range({root.shape[0]})]")
            self.known[root] = f"{array} {rows}"
        array, rows = self.known[root].split()
        return array, rows

    def _pooled(self, line: Line, root: Root) -> str:
        key = (root.buffer, root.shape, root.dtype, line.origin.role, line.op)
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.given.of(line)
            self._allocate(name, root.shape, root)
        return name

    def _allocate(self, name: str, shape: tuple[int, ...], root: Root) -> None:
        """Memory under a name; where it serves others already, theirs; where buffers share an arena, a part of that."""
        buffer = root.buffer
        assert buffer is not None
        arena = buffer.arena
        assert arena is not None
        shared = any(other.size != arena.size for other in arena.buffers)
        first = self.known.get(("buffer", buffer) if shared else ("arena", arena))
        if first is not None:
            other, _, its_shape = first.partition(" ")
            self.tables.append(f"{name} = {other}" + ("" if its_shape == repr(shape) else f".reshape({shape!r})"))
            return
        self.known[("buffer", buffer) if shared else ("arena", arena)] = f"{name} {shape!r}"
        if not shared:
            self._make(name, shape, root.dtype)
            return
        if ("arena", arena) not in self.known:
            self.known["arena", arena] = memory = self.given.new("memory")
            self._make(memory, (arena.size,), arena.dtype)
        self.tables.append(f"{name} = {self.known['arena', arena]}[{buffer.start}:{buffer.stop}].reshape({shape!r})")

    def _make(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Memory under a name."""
        self.names["empty"] = np.empty
        self.tables.append(f"{name} = empty({shape!r}, {self._dtype(dtype)})")

    def _dtype(self, dtype: np.dtype[Any]) -> str:
        self.names[dtype.name] = dtype.type
        self.given.taken.add(dtype.name)
        return dtype.name


class _Slots:
    """The parts of a statement that is being made, each under its place."""

    def __init__(self) -> None:
        self.parts: list[Expression] = []

    def slot(self, part: Expression) -> str:
        """Where it stands among the parts, as the form has it."""
        if part not in self.parts:
            self.parts.append(part)
        return f"{{{self.parts.index(part)}}}"

    def length(self, form: str) -> int:
        """The length of a text with the parts in their places."""
        return len(form.format(*[part.text for part in self.parts]))


def _names_series(members: Sequence[Line]) -> Line:
    """The line after which a series is called."""
    return next((line for line in members if line.origin.step), members[-1])
