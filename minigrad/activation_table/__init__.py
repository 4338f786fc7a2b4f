"""The table of activation functions: one entry each, from which documentation, tests and the gallery are made.

An entry holds a function and its formulas. Everything else follows from them: the range, where it saturates, whether it
is smooth. These are found by sampling f and its derivatives (the engine's), so a property is what the function does,
not what somebody wrote about it.
"""

from minigrad.activation_table.entry import Activation
from minigrad.activation_table.table import Activations, activations

__all__ = ["Activation", "Activations", "activations"]
