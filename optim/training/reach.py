"""Which of the optimizer's parameters the loss is computed from: the others would stay as they are, without a word."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from minigrad.graph import ancestry
from minigrad.node import Node, Parameter

LOOK_FOR = (
    "look in model and loss for .value, float(), np.array() and mg.stop_gradient, which no adjoint passes, and for layers that "
    "forward makes anew in every call instead of __init__ once"
)
SHOWN = 6  # parameters that a message names


class CutGraphError(ValueError):
    """No path leads from the loss to anything that is trained."""


class Reach:
    """The parameters that got an adjoint in some batch so far, and what was said about the others."""

    def __init__(self) -> None:
        self.reached: set[Parameter] = set()
        self.told = False

    def note(self, trained: Sequence[Parameter], slopes: Sequence[Node]) -> None:
        """Add what these gradients reach; CutGraphError where no batch has reached anything yet."""
        if self.reached.issuperset(trained):
            return
        # `gradients` gives a constant of zeros where no path leads; any other gradient was computed, or is the seed's one
        self.reached.update(p for p, slope in zip(trained, slopes, strict=True) if slope.children or slope._value.any())
        if self.reached.isdisjoint(trained):
            raise CutGraphError(
                f"no path leads from the loss to any of the parameters that are trained ({_listed(trained)}), so nothing would be "
                f"learned: {LOOK_FOR}"
            )

    def tell_of_loss(self, loss: Node, trained: Sequence[Parameter]) -> None:
        """Warn where penalties alone reach what is trained, so that nothing is learned from the data."""
        if trained and not self.told and set(ancestry([loss])).isdisjoint(trained):
            self.told = True
            warnings.warn(
                f"the loss itself leads to no parameter that is trained, only the penalties do: {LOOK_FOR}",
                RuntimeWarning,
                stacklevel=7,
            )

    def tell(self, trained: Sequence[Parameter]) -> None:
        """Warn, once, of parameters that no batch has reached; called by what the user calls."""
        missed = self._missed(trained)
        if missed and not self.told:
            self.told = True
            warnings.warn(
                f"no path led from the loss to {_listed(missed)} in any batch so far, so they are not trained: {LOOK_FOR}. If it is "
                "meant, freeze() their layer, or leave them out of the optimizer",
                RuntimeWarning,
                stacklevel=4,
            )

    def told_here(self, trained: Sequence[Parameter]) -> str:
        """Name the parameters that no batch has reached for another warning, which makes that of `tell` superfluous."""
        missed = self._missed(trained)
        self.told |= bool(missed)
        return f". Not trained are {_listed(missed)}" if missed else ""

    def _missed(self, trained: Sequence[Parameter]) -> list[Parameter]:
        return [parameter for parameter in trained if parameter not in self.reached]


def made_anew(outputs: Iterable[Node], start: int) -> str:
    """The trainable parameters among what the outputs are computed from that were made at `start` or later; "" if none."""
    younger = [node for node in ancestry(outputs, start) if node.number >= start]  # an output itself may be older
    return _listed([node for node in younger if isinstance(node, Parameter) and node.trainable])


def _listed(parameters: Sequence[Parameter]) -> str:
    more = len(parameters) - SHOWN
    return ", ".join(p.label for p in parameters[:SHOWN]) + (f" and {more} more" if more > 0 else "")
