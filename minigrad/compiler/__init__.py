"""A graph as a NumPy program: traced, recorded as lines, rewritten, laid out in memory, written as source, and run."""

from minigrad.compiler.compiled import Compiled, compile
from minigrad.compiler.passes.table import REWRITES
from minigrad.compiler.tracing.tracer import NotCompiled, TraceError

__all__ = ["REWRITES", "Compiled", "NotCompiled", "TraceError", "compile"]
