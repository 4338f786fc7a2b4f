"""Batch over time: lines that do the same in every time step, and wait for no other step, become one line over all steps.

Its operands are the stacks of theirs. A stack costs nothing where its parts lie (or can be made to lie) next to each other,
so a line is only batched with its like if that holds for every operand that changes from step to step. `regrouped` multiplies
factors in another order first, (a b) c as a (b c), where only a waits for another step, so that b c can be batched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.compiler.ir import INTO, LEAF, MATMUL, MULTIPLY, SUBTRACT, TILES, VIEW, Index, Join, Op, Permute, Reshape
from minigrad.compiler.lines import (
    Line,
    Lines,
    Origin,
    Page,
    before,
    places_of,
    rewired,
    uses_of,
)
from minigrad.compiler.storage.chains import Chains, is_stack, linked, may_be_placed, rows_of

LEAST = 3  # time steps
LARGEST = 1 << 16  # bytes of one step's result: beyond, the cache is worth more than the calls that are saved


class Group:
    """Lines of one role, in the order of time. `number` is its bit in sets of groups, `needs` the groups it depends on."""

    def __init__(self, members: list[Line], number: int) -> None:
        self.members = members
        self.number = number
        self.needs = 0
        self.first = min(line.number for line in members)
        self.at = {line: i for i, line in enumerate(members)}

    @property
    def waits(self) -> bool:
        """Whether one time step has to wait for another."""
        return bool(self.needs >> self.number & 1)


def batched(lines: Lines, apart: Collection[Line] = ()) -> Lines:
    """Batch what every time step computes by itself into one line over all steps: squares of states, projections of inputs.

    apart: lines that stay by themselves, and with them every group most members of which do
    """
    order = lines.order
    groups = _groups(order)
    _find_needs(order, groups)
    for group in set(groups.values()):
        if 2 * sum(line in apart for line in group.members) > len(group.members):
            for line in group.members:
                del groups[line]
    if not groups:
        return lines
    chosen = _Choice(lines.page, order).chosen(list(dict.fromkeys(groups.values())))
    if not chosen:
        return lines
    return _Rebuilt(lines, order, chosen).lines()


def waiting_lines(lines: Lines) -> set[Line]:
    """The lines of time steps that have to wait for other time steps."""
    groups = _groups(lines.order)
    _find_needs(lines.order, groups)
    return {line for line, group in groups.items() if group.waits}


def regrouped(lines: Lines) -> Lines:
    """Regroup (a b) c as a (b c) in time steps that wait for each other, where only a waits: b c is computed for all at once.

    Likewise a − a b becomes a (1 − b). The results differ only where b c overflows although a b does not, and where a is
    infinite.
    """
    # a − a b comes first: then a b may have one reader less, and be regrouped itself.
    for rule in (_Regrouping.difference, _Regrouping.product):
        groups = _groups(lines.order)
        above = _shared(_find_needs(lines.order, groups))
        if any(group.waits for group in groups.values()):
            regrouping = _Regrouping(lines.page, groups, above, uses_of(lines))
            lines = rewired(lines, regrouping.new(lines.order, rule))
    return lines


Rule = Callable[["_Regrouping", Line, tuple[Line, ...], Group], "Line | None"]


class _Regrouping:
    """The lines written again.

    needs: the groups a new line depends on
    at:    by role and place of an operand: the groups it depends on in some time step. In the first step it may come from
           elsewhere, but what can be regrouped in the others is regrouped there too, so that all steps stay alike
    once:  the new lines with a single reader
    """

    def __init__(self, page: Page, groups: dict[Line, Group], above: dict[Line, int], uses: dict[Line, int]) -> None:
        self.page = page
        self.groups = groups
        self.above = above
        self.uses = uses
        self.needs: dict[Line, int] = {}
        self.at: dict[Any, int] = {}
        self.once: set[Line] = set()

    def new(self, order: Sequence[Line], rule: Rule) -> dict[Line, Line]:
        """The new line of every line."""
        for line in order:
            if line.origin.step:
                for i, operand in enumerate(line.operands):
                    self._note(line.origin.role, i, self.above[operand] | self._own(operand))
        new: dict[Line, Line] = {}
        for line in order:
            operands = tuple([new[operand] for operand in line.operands])
            group = self.groups.get(line)
            made = rule(self, line, operands, group) if group is not None and group.waits else None
            if made is None:
                made = line if operands == line.operands else self.page.like(line, operands)
            if line.after is not None:
                made.after = new[line.after]
            self.needs[made] = self.needs.get(made, 0) | self.above[line] | self._own(line)
            if self.uses[line] == 1:
                self.once.add(made)
            new[line] = made
        return new

    def _own(self, line: Line) -> int:
        group = self.groups.get(line)
        return 0 if group is None else 1 << group.number

    def _note(self, role: Any, i: int, needs: int) -> None:
        self.at[role, i] = self.at.get((role, i), 0) | needs

    def product(self, line: Line, operands: tuple[Line, ...], group: Group) -> Line | None:
        """(a b) c as a (b c), in tiles too."""
        for i in (0, 1) if line.op == MULTIPLY else ():
            moving, still = operands[i], operands[1 - i]
            if not self._waits(moving, group) or self._waits(still, group) or moving not in self.once:
                continue
            if moving.op == MULTIPLY and moving.shape == line.shape:
                return self._times(moving, still, line, group, i, "")
            if moving.op.kind == TILES and still.shape == line.shape and not is_stack(moving):
                return self._into_tiles(moving, still, line, group)
        return None

    def difference(self, line: Line, operands: tuple[Line, ...], group: Group) -> Line | None:
        """a − a b as a (1 − b): the factor can be made before the loop, and taken into others."""
        a, product = operands if line.op == SUBTRACT else (line, line)
        if (
            product.op != MULTIPLY
            or a not in product.operands
            or a.shape != product.shape
            or not self._waits_at(line, a, 0, group)
        ):
            return None
        b = product.operands[1] if product.operands[0] is a else product.operands[0]
        if self._waits(b, group) or not b.dtype == a.dtype == line.dtype or line.dtype.kind != "f":
            return None
        one = self.page.constant(np.ones((), b.dtype))
        factor = self._written(SUBTRACT, (one, b), b.shape, line, "factor", group.first)
        made = self._written(MULTIPLY, (a, factor), line.shape, line, "difference", line.number)
        self._note(made.origin.role, 0, self._needs_at(line, a, 0))
        return made

    def _waits(self, line: Line, group: Group) -> bool:
        return bool(self.needs[line] >> group.number & 1)

    def _waits_at(self, line: Line, operand: Line, i: int, group: Group) -> bool:
        return bool(self._needs_at(line, operand, i) >> group.number & 1)

    def _needs_at(self, line: Line, operand: Line, i: int) -> int:
        """The groups on which operand i of a line depends, or that of its like in another time step."""
        return self.needs[operand] | (self.at.get((line.origin.role, i), 0) if line.origin.step else 0)

    def _times(self, product: Line, still: Line, line: Line, group: Group, place: int, part: str) -> Line | None:
        """(a b) c as a (b c). New roles, so that lines of other time steps are known as their like.

        place: where a stands in the new line
        """
        for i in (0, 1):
            a, b = product.operands[i], product.operands[1 - i]
            same = {x.dtype for x in (a, b, still, product)} == {line.dtype} and line.dtype.kind == "f"
            waits = self._waits_at(product, a, i, group) and not self._waits_at(product, b, 1 - i, group)
            if same and waits and b.shape == product.shape:
                factor = self._written(MULTIPLY, (b, still), b.shape, line, f"factor{part}", group.first)
                both = (a, factor) if place == 0 else (factor, a)
                made = self._written(MULTIPLY, both, product.shape, line, part and f"product{part}", line.number)
                self._note(made.origin.role, place, self._needs_at(product, a, i))
                return made
        return None

    def _into_tiles(self, tiles: Line, still: Line, line: Line, group: Group) -> Line | None:
        """[a b, …] c as [a (b c), …], each with its own part of c."""
        parts = []
        for i, (piece, index) in enumerate(zip(tiles.operands, places_of(tiles), strict=True), 1):
            if piece.op != MULTIPLY or piece not in self.once:
                return None
            there = self.page.write(Index.of(*index), (still,), piece.shape, still.dtype, still.origin)
            self.needs[there] = self.needs[still]
            made = self._times(piece, there, line, group, 0, f" {i}")
            if made is None:
                return None
            parts.append(made)
        return self.page.write(tiles.op, parts, line.shape, line.dtype, tiles.origin)

    def _written(
        self, op: Op, factors: tuple[Line, Line], shape: tuple[int, ...], line: Line, part: str, number: int
    ) -> Line:
        """part: what it is of the line, "" for the line itself;  number: its place among lines that could come next."""
        origin = line.origin._replace(role=(line.origin.role, part)) if part else line.origin
        made = self.page.write(op, factors, shape, factors[0].dtype, origin)
        made.number = number
        self.needs[made] = self.needs.get(factors[0], 0) | self.needs.get(factors[1], 0)
        if part not in ("", "difference"):  # these have the readers of the line
            self.once.add(made)
        return made


def _groups(order: Iterable[Line]) -> dict[Line, Group]:
    """Each line's group: same role, same call, same shapes."""
    families: dict[Any, list[Line]] = {}
    for line in order:
        if line.origin.step and line.op.kind == INTO and line.op.pure and line.array is None:
            shapes = tuple([(operand.shape, operand.dtype) for operand in line.operands])
            families.setdefault((line.origin.role, line.op, line.shape, line.dtype, shapes), []).append(line)
    groups: dict[Line, Group] = {}
    for family in families.values():
        family.sort(key=lambda line: line.origin.step)
        if len(family) >= LEAST and len({line.origin.step for line in family}) == len(family):
            group = Group(family, len(set(groups.values())))
            groups.update(dict.fromkeys(family, group))
    return groups


def _find_needs(order: Iterable[Line], groups: dict[Line, Group]) -> dict[Line, int]:
    """Which groups each line and each group depend on."""
    above: dict[Line, int] = {}
    for line in order:
        needs = 0
        for operand in before(line):
            needs |= above[operand]
            if operand in groups:
                needs |= 1 << groups[operand].number
        above[line] = needs
        if line in groups:
            groups[line].needs |= needs
    return above


def _shared(needs: dict[Line, int]) -> dict[Line, int]:
    """The same for all lines of a role: what other time steps have to wait for, the first one does not, but is like them."""
    of_role: dict[Any, int] = {}
    for line, own in needs.items():
        of_role[line.origin.role] = of_role.get(line.origin.role, 0) | own
    return {line: of_role[line.origin.role] if line.origin.step else own for line, own in needs.items()}


class _Choice:
    """Which groups can become one line each, without a ring of groups that wait for each other, and without copies."""

    def __init__(self, page: Page, order: Sequence[Line]) -> None:
        self.page = page
        self.chains = Chains()
        self.chosen_groups: list[Group] = []
        self.group_of: dict[Line, Group] = {}
        for line in sorted([line for line in order if is_stack(line)], key=lambda line: -line.nbytes):
            links = linked(line.operands)
            if all(may_be_placed(part) for part in line.operands[1:]) and self.chains.may_join(links, rows_of(line)):
                self.chains.join(links, rows_of(line))

    def chosen(self, groups: Sequence[Group]) -> list[Group]:
        for group in groups:
            if self._is_worth(group) and not self._makes_a_ring(group) and self._stacks(group):
                self.chosen_groups.append(group)
                self.group_of.update(dict.fromkeys(group.members, group))
        return self.chosen_groups

    def _is_worth(self, group: Group) -> bool:
        line = group.members[0]
        if line.op == MATMUL:
            a, b = line.operands
            fits = len(a.shape) == len(b.shape) == 2 and all(x.operands[1] is b for x in group.members)
            return fits and a.dtype == b.dtype
        return line.op.entrywise and line.nbytes <= LARGEST

    def _makes_a_ring(self, group: Group) -> bool:
        if group.waits:
            return True
        everyone = [*self.chosen_groups, group]
        stack, seen = [group], set()
        while stack:
            at = stack.pop()
            for other in everyone:
                if at.needs >> other.number & 1 and other is not at:
                    if other is group:
                        return True
                    if other not in seen:
                        seen.add(other)
                        stack.append(other)
        return False

    def _stacks(self, group: Group) -> bool:
        """Whether every operand is the same for all, or has a stack for nothing; such stacks are claimed."""
        wanted: list[tuple[list[Any], list[int]]] = []
        ndim = len(group.members[0].shape)
        n = self.page.row_numbers(group.members)[-1] + 1
        for parts in zip(*[line.operands for line in group.members], strict=True):
            if all(part is parts[0] for part in parts):
                continue
            if len(parts[0].shape) != ndim:
                return False
            claims = self._claims(list(parts), n)
            if claims is None:
                return False
            wanted += claims
        if not wanted and not any(part is not group.members[0].operands[0] for part in group.members[1].operands):
            return False
        for links, rows in wanted:
            if not self.chains.may_join(links, rows):
                return False
            self.chains.join(links, rows)
        return True

    def _claims(self, parts: list[Line], n: int) -> list[tuple[list[Any], list[int]]] | None:
        """The lines that have to lie next to each other for a stack of n rows, and which rows: none if they do; None if they cannot."""
        group = self.group_of.get(parts[0])
        if group is not None:
            start = group.at[parts[0]]
            return [] if group.members[start : start + len(parts)] == parts else None
        if neighbors_along_an_axis(parts, n) is not None:
            return []
        if all(part.op.kind == VIEW and part.op == parts[0].op for part in parts) and with_steps(parts[0].op):
            return self._claims([part.operands[0] for part in parts], n)
        own = all(may_be_placed(part) and part not in self.group_of for part in parts[1:])
        first = parts[0].op.kind == LEAF or (may_be_placed(parts[0]) and parts[0] not in self.group_of)
        links = linked(parts)
        numbers = self.page.row_numbers(parts)
        fits = own and first and numbers[-1] + 1 == n and self.chains.may_join(links, numbers)
        return [(links, numbers)] if fits else None


def neighbors_along_an_axis(parts: Sequence[Line], n: int) -> tuple[Line, int, int] | None:
    """Where the parts are n neighbors along an axis of one array: the array, the axis and the first one's number.

    Where rounds were left out, their rows are those between.
    """
    base = parts[0].operands[0] if parts[0].op.kind == VIEW else None
    if base is None or any(part.op.kind != VIEW or part.operands[0] is not base for part in parts):
        return None
    found = [_neighbor(part.op) for part in parts]
    axes = {place[0] if place else None for place in found}
    if None in axes or len(axes) > 1:
        return None
    numbers = [place[1] for place in found if place]
    jumps = {later - earlier for earlier, later in pairwise(numbers)} - {1}
    if numbers[-1] - numbers[0] + 1 != n or len(jumps) > 1 or min(jumps, default=1) < 1:
        return None
    (axis,) = axes
    assert axis is not None
    return base, axis, numbers[0]


def _neighbor(op: Op) -> tuple[int, int] | None:
    """The axis and the number of x[i] or x[:, :, i]; None where it is another view."""
    if not isinstance(op, Index) or not op.entries:
        return None
    *before, last = op.entries
    return (len(before), last) if type(last) is int and all(entry == slice(None) for entry in before) else None


def with_steps(op: Op) -> Op | None:
    """The view that does to each row of a stack what the operation does to one array; None where it is not a simple one."""
    if isinstance(op, Permute):
        return Permute((0, *[1 + axis for axis in op.axes]))
    return Index.of(slice(None), *op.entries) if isinstance(op, Index) else None


def stack_of(page: Page, parts: Sequence[Line], n: int, origin: Origin) -> Line:
    """All parts as one array of n rows, one after the other along a new first axis; a view where they are neighbors already."""
    first = parts[0]
    found = neighbors_along_an_axis(parts, n)
    if found is not None:
        base, axis, start = found
        if axis:
            shape = (base.shape[axis], *base.shape[:axis], *base.shape[axis + 1 :])
            order = (axis, *[i for i in range(len(shape)) if i != axis])
            base = page.write(Permute(order), (base,), shape, base.dtype, origin)
        if start == 0 and base.shape[0] == n:
            return base
        return page.write(Index.of(slice(start, start + n)), (base,), (n, *base.shape[1:]), base.dtype, origin)
    together = with_steps(first.op) if all(part.op == first.op and part.op.kind == VIEW for part in parts) else None
    if together is not None:
        whole = stack_of(page, [part.operands[0] for part in parts], n, origin)
        return page.write(together, (whole,), (n, *first.shape), first.dtype, origin)
    page.names["stack"] = np.stack
    return page.write(Join.stack(page.row_numbers(parts, n)), parts, (n, *first.shape), first.dtype, origin)


class _Rebuilt:
    """The lines written again, with one line in the place of each group, and its rows in the places of the members."""

    def __init__(self, lines: Lines, order: Sequence[Line], groups: Sequence[Group]) -> None:
        self.old = lines
        self.page = lines.page
        self.group_of = {line: group for group in groups for line in group.members}
        self.new: dict[Line, Line] = {}
        for thing in self._in_order(order):
            if isinstance(thing, Group):
                self._draw_together(thing)
            else:
                self.new[thing] = self._again(thing)

    def lines(self) -> Lines:
        """All of them."""
        return rewired(self.old, self.new)

    def _in_order(self, order: Sequence[Line]) -> Iterable[Line | Group]:
        """Lines and groups, each after what it needs; else by age."""
        key = {line: (i, line) for i, line in enumerate(order)}
        waiting: dict[Any, int] = {}
        parents: dict[Any, list[Any]] = {}
        age: dict[Any, int] = {}
        for line in order:
            thing = self.group_of.get(line, line)
            needs = {self.group_of.get(operand, operand) for operand in before(line)}
            waiting[thing] = waiting.get(thing, 0) + len(needs)
            age[thing] = key[line][0]
            for need in needs:
                parents.setdefault(need, []).append(thing)
        ready = [(age[thing], thing) for thing, n in waiting.items() if not n]
        heapify(ready)
        while ready:
            _, thing = heappop(ready)
            yield thing
            for parent in parents.get(thing, ()):
                waiting[parent] -= 1
                if not waiting[parent]:
                    heappush(ready, (age[parent], parent))

    def _again(self, line: Line) -> Line:
        operands = tuple([self.new[operand] for operand in line.operands])
        if is_stack(line) and neighbors_along_an_axis(operands, line.shape[0]) is not None:
            return stack_of(self.page, operands, line.shape[0], line.origin)
        if operands == line.operands and line.after is None:
            return line
        new = self.page.like(line, operands)
        if line.after is not None:
            new.after = self.new[line.after]
        return new

    def _draw_together(self, group: Group) -> None:
        members, first = group.members, group.members[0]
        numbers = self.page.row_numbers(members)
        n = numbers[-1] + 1
        scope = f"{first.origin.scope} ... {members[-1].origin.scope}"
        origin = first.origin._replace(scope=scope, loop=-1, step=(), of=None, node=-1)
        operands = []
        for parts in zip(*[line.operands for line in members], strict=True):
            news = [self.new[part] for part in parts]
            operands.append(news[0] if all(x is news[0] for x in news) else stack_of(self.page, news, n, origin))
        shape = (n, *first.shape)
        if first.op == MATMUL:
            flat = self._reshaped(operands[0], (n * operands[0].shape[1], operands[0].shape[2]), origin)
            product = self.page.write(first.op, (flat, operands[1]), (flat.shape[0], shape[2]), first.dtype, origin)
            whole = self._reshaped(product, shape, origin)
        else:
            whole = self.page.write(first.op, operands, shape, first.dtype, origin)
        whole.number = min(line.number for line in members)  # as soon as it can be
        for i, line in zip(numbers, members, strict=True):
            self.new[line] = self.page.write(
                Index.of(i) if line.shape else Index.of(i, ...),
                (whole,),
                line.shape,
                line.dtype,
                line.origin,
            )

    def _reshaped(self, line: Line, shape: tuple[int, ...], origin: Origin) -> Line:
        if line.shape == shape:
            return line
        return self.page.write(Reshape(shape), (line,), shape, line.dtype, origin)
