"""A graph as a NumPy program: traced, recorded as lines, rewritten, laid out in memory, written as source, and run."""

from minigrad.compiler.compilation import Compiled, compile
from minigrad.compiler.rewrites import REWRITES
from minigrad.compiler.tracing import NotCompiled, TraceError

__all__ = ["REWRITES", "Compiled", "NotCompiled", "TraceError", "compile"]
