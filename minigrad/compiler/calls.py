"""The calls that rewrites look for and write, under one name each."""

from __future__ import annotations

import re

from minigrad.compiler.lines import INTO, VIEW, Call

MULTIPLY, ADD, SUBTRACT, DIVIDE = (
    Call(INTO, f"{name}({{0}}, {{1}}{{out}})", entrywise=True) for name in ("multiply", "add", "subtract", "divide")
)
NEGATIVE, EXP, LOG, COPIED = (
    Call(INTO, f"{name}({{0}}{{out}})", entrywise=True) for name in ("negative", "exp", "log", "copied")
)
MATMUL = Call(INTO, "matmul({0}, {1}{out})")
TRANSPOSED = Call(VIEW, "{0}.T")
ROW = re.compile(r"\{0\}\[(\d+)\]")
