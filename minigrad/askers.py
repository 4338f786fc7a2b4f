"""Who asks a node for a bare number: read off the instruction that the asking line executes.

`float(loss)` is meant. `a[i] = node` on a NumPy array asks in the same way, behind the reader's back, and what is
computed from the array has lost its path in the graph.
"""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType, FrameType

STORING, FILLING = "a[i] = x", "a.fill(x)"


def refuse_storing(frame: FrameType, label: str) -> None:
    """Raise TypeError where the frame puts a node into an array. NumPy may show it as the cause of an error of its own."""
    way = _asked_by(frame.f_code, frame.f_lasti)
    if way:
        raise TypeError(
            f"{way} puts the bare number of {label} into an array, and what is computed from it has lost its path: collect "
            "nodes in a list and write np.stack(nodes), or write y = y.at[i].set(x) on a node y; where the number is meant, "
            "as in a log, write a[i] = float(x)"
        )


@lru_cache(maxsize=1024)
def _asked_by(code: CodeType, offset: int) -> str:
    """STORING or FILLING where the instruction at the offset does that, else nothing."""
    if dis.opname[code.co_code[offset]] == "STORE_SUBSCR":
        return STORING
    if "fill" not in code.co_names:
        return ""
    instructions = [i for i in dis.get_instructions(code) if i.offset <= offset]
    begin = _begin(instructions[-1])
    called = [i.argval for i in instructions if _begin(i) == begin]  # names where the call begins: a, fill in a.fill(x)
    return FILLING if begin and "fill" in called else ""


def _begin(instruction: dis.Instruction) -> tuple[int | None, int | None] | None:
    """The line and the column where the expression of an instruction begins."""
    at = instruction.positions
    return (at.lineno, at.col_offset) if at and at.lineno else None
