"""Compile functions of nodes to NumPy programs: trace, record lines, run passes, plan storage, print source."""

from minigrad.compiler.compiled import Compiled, compile
from minigrad.compiler.passes.table import REWRITES
from minigrad.compiler.tracing.tracer import NotCompiled, TraceError

__all__ = ["REWRITES", "Compiled", "NotCompiled", "TraceError", "compile"]
