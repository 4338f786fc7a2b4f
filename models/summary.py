"""A module as a table: its parts with their output shapes and numbers of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from minigrad.models.module import OBSERVER, Module, Shape
from minigrad.node import Input, Node, Parameter

TITLES = ("Layer (type)", "Output Shape", "Param #")
BATCH = 2  # examples; 1 would also be the length of axes that are no batch
UNKNOWN = "?"


class Summary(str):
    """The text of a summary. It was printed already, so an interpreter that echoes it need not show it again."""

    __slots__ = ("_kind", "_total")

    def __new__(cls, text: str, kind: str, total: int) -> Self:
        """The text, the class of the module, and its number of parameters."""
        summary = super().__new__(cls, text)
        summary._kind, summary._total = kind, total
        return summary

    _kind: str
    _total: int

    def __repr__(self) -> str:
        return f"<Summary of {self._kind}: {self._total:,} parameters>"


class Row(NamedTuple):
    """One line of the table."""

    name: str
    shape: str
    size: int


def summarize(module: Module, shapes: Sequence[Shape], dtype: np.dtype[Any]) -> Summary:
    """The table of `Module.summary`."""
    outputs = output_shapes(module, shapes, dtype) if shapes else {}
    kind = type(module).__name__
    rows = (
        _rows_within(module, outputs, "", {module})
        if _opens(module, outputs)
        else [_row(kind.lower(), module, outputs)]
    )
    lines = _table([TITLES, *[(row.name, row.shape, str(row.size)) for row in rows]])
    rule = "=" * max(map(len, lines))
    total = module.n_parameters()
    text = [
        f'Model: "{kind.lower()}"', lines[0], rule, *lines[1:], rule,
        f"Total params: {total:,}",
        f"Trainable params: {module.n_parameters(trainable=True):,}",
        f"Non-trainable params: {module.n_parameters(trainable=False):,}",
    ]  # fmt: skip
    return Summary("\n".join(text), kind, total)


def output_shapes(module: Module, shapes: Sequence[Shape], dtype: np.dtype[Any]) -> dict[Module, str]:
    """The output shape of every module that runs, found by running on zeros in evaluation."""
    inputs = [np.zeros((BATCH, *_of_one_example(shape)), dtype) for shape in shapes]
    found: dict[Module, str] = {}
    modes = [(inner, inner.training) for _, inner in module.named_modules()]

    def observe(inner: Module, output: Any) -> None:
        found[inner] = shape_of(output)

    token = OBSERVER.set(observe)
    try:
        with np.errstate(all="ignore"):  # zeros are no data: what they make of a division tells nothing
            found[module] = shape_of(module.eval()(*[Input(array, f"input {i}") for i, array in enumerate(inputs)]))
    except Exception as error:
        error.add_note(
            f"{type(module).__name__}.summary ran forward on zeros of shape {', '.join(str(a.shape) for a in inputs)} and "
            f"dtype {dtype}: input_shape is that of one example, and dtype= says what the inputs hold"
        )
        raise
    finally:
        OBSERVER.reset(token)
        for inner, training in modes:
            inner.training = training
    return found


def shape_of(output: Any) -> str:
    """(None, 3), for whatever length of batch; a list or tuple of nodes as its distinct shapes."""
    if isinstance(output, Node):
        batch, rest = output.shape[:1], output.shape[1:]
        return str((None, *rest) if batch == (BATCH,) else output.shape)
    if isinstance(output, list | tuple):
        return ", ".join(dict.fromkeys(map(shape_of, output))) or UNKNOWN
    return UNKNOWN


def _of_one_example(shape: Shape) -> tuple[int, ...]:
    """The shape without the batch, which a leading None may stand for."""
    given: Any = shape  # whatever a user hands in
    if not isinstance(given, tuple | list) or not all(n is None or hasattr(n, "__index__") for n in given):
        raise TypeError(f"summary(input_shape={given!r}): expected a tuple of integers, as (784,)")
    rest: tuple[Any, ...] = tuple(given[1:] if given and given[0] is None else given)
    if any(n is None or n < 1 for n in rest):
        raise ValueError(
            f"summary(input_shape={given!r}): lengths are at least 1, and only the first may be None, the batch: a number "
            "of time steps is needed for a run, and changes no parameter"
        )
    return rest


def _rows_within(module: Module, outputs: dict[Module, str], margin: str, above: set[Module]) -> list[Row]:
    """The rows of what a module holds, each followed by the rows of what that holds."""
    rows = []
    for path, member in module.own_members():
        if isinstance(member, Parameter):
            rows.append(Row(f"{margin}{path} (Parameter)", str(member.shape), member.size))
        elif member not in above:  # one that refers to its owner is no part of itself
            rows.append(_row(margin + path, member, outputs))
            if _opens(member, outputs):
                rows += _rows_within(member, outputs, margin + "  ", above | {member})
    return rows


def _opens(module: Module, outputs: dict[Module, str]) -> bool:
    """Whether to show what is inside: modules that were called. A cell that its layer steps through stays in its layer."""
    inside = [inner for _, inner in module.named_modules()[1:]]
    return any(inner in outputs for inner in inside) if outputs else bool(inside)


def _row(name: str, module: Module, outputs: dict[Module, str]) -> Row:
    return Row(f"{name} ({type(module).__name__})", outputs.get(module, UNKNOWN), module.n_parameters())


def _table(cells: Sequence[tuple[str, str, str]]) -> list[str]:
    """Lines with aligned columns, numbers to the right."""
    first, second, third = (max(map(len, column)) for column in zip(*cells, strict=True))
    return [f"{name:<{first}}  {shape:<{second}}  {count:>{third}}" for name, shape, count in cells]
