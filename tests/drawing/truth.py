"""What a page that steps has to show, computed afresh by the engine: values by `fprop`, adjoints by `gradients`, and what a node
sends by its own rule alone. Nothing here reads a record.
"""

from __future__ import annotations

import re

import numpy as np

import minigrad as mg
from minigrad.drawing.flow import differentiable
from minigrad.numbering import in_order
from minigrad.rules import factors
from minigrad.rules.evaluation import evaluate

NUMBER = r"[-−]?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf)"
NOT_YET = "not yet"


def factor_value(formula, values):
    """What the adjoint is multiplied by, as an array; None where the rule is no such product."""
    tree = factors.factor(formula.tree, formula.symbols[-1])
    with np.errstate(all="ignore"):
        return None if tree is None else evaluate(tree, formula.completed(values), formula.context)


class Truth:
    """A graph, built anew; its nodes have the numbers of the page."""

    def __init__(self, outputs, *, leaves=False):
        self.outputs = [outputs] if isinstance(outputs, mg.Node) else list(outputs)
        self.nodes = in_order(self.outputs)
        self.index = {node: i for i, node in enumerate(self.nodes)}
        self.operands = [[self.index[child] for child in node.children] for node in self.nodes]
        with np.errstate(all="ignore"):
            self.values = self._values()
            self.adjoints = self._adjoints(leaves)
            self.sends = {i: self._sends(i) for i in self.adjoints if self.nodes[i].children}
        self.parts = [[] for _ in self.nodes]  # of each node the operations that send to it, once for each operand
        for i, sends in self.sends.items():
            for child, _ in sends:
                self.parts[child].append(i)

    def _values(self):
        """Every value, by the node's fprop of those of its children."""
        values = []
        for i, node in enumerate(self.nodes):
            arrays = [values[child] for child in self.operands[i]]
            values.append(np.asarray(node.fprop(*arrays, **node.attributes)) if arrays else node.value)
        return values

    def _adjoints(self, leaves):
        """The adjoints by number: of all nodes on a path to the loss, or, with `leaves`, of those between it and the leaves."""
        wanted = differentiable(self.nodes)
        try:
            found = mg.gradients(self.outputs[0], wanted) if len(self.outputs) == 1 else ()
        except (TypeError, ValueError):  # no number, or one that cannot be differentiated
            return {}
        adjoints = {self.index[node]: gradient.value for node, gradient in zip(wanted, found, strict=False)}
        if leaves:
            leads = set()
            for i, node in enumerate(self.nodes):
                if any(child in leads for child in self.operands[i]) or (not node.children and i in adjoints):
                    leads.add(i)
            adjoints = {i: adjoint for i, adjoint in adjoints.items() if i in leads}
        return adjoints

    def _sends(self, i):
        """What the node sends to its children, as (child, array), by its rule alone."""
        node = self.nodes[i]
        inputs = [mg.Input(self.values[child]) for child in self.operands[i]]
        alone = type(node)(*inputs, **node.attributes)
        entries = alone.bprop(mg.Constant(self.adjoints[i]))
        if isinstance(entries, mg.Node) or callable(entries):
            entries = (entries,)
        sends = []
        for child, given, entry in zip(self.operands[i], inputs, entries, strict=True):
            if entry is not None and child in self.adjoints:
                (sent,) = mg.gradients(alone, [given], adjoint=self.adjoints[i])
                sends.append((child, sent.value))
        return sends


def agree(shown, array, scale=None):
    """Whether what is shown of an array, its entries or a sentence about them, is what it holds."""
    array = np.asarray(array)
    if "values" in shown:
        return _agree(shown["values"], array.ravel(), scale)
    shape, _, words = shown["text"].partition(": ")
    return shape == f"{array.shape} {array.dtype}" and in_words(words.partition("; norm")[0], array, scale)


def in_words(words, array, scale=None):
    """Whether a summary, "[1, 2]", "0 … 7  μ 3.5", "all 3", "2 of 4 true" or "1 nan", is that of the array."""
    array = np.asarray(array)
    numbers = re.findall(NUMBER, words.replace("~0", "0"))
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if words == "empty":
        return array.size == 0
    if words.endswith("true") and " of " in words:
        return numbers == [str(int(array.sum())), str(array.size)]
    if words.startswith("all "):
        return _agree(numbers[:1], finite[:1], scale) and len(set(finite.tolist())) == 1
    if "μ" in words:
        figures = [finite.min(), finite.max(), finite.astype(np.float64).mean()]
        return _agree(numbers[:3], figures, scale, digits=3)
    if "nan" in words and not words.startswith("["):
        return bool(np.isnan(array).any())
    entries = re.findall(rf"{NUMBER}|~0|True|False", words)
    return _agree(entries, array.ravel(), scale)


def _agree(texts, entries, scale, digits=4):
    """Whether numbers to so many digits are the entries. What is small beside the scale may be rounding alone."""
    entries = np.asarray(entries)
    if len(texts) != len(entries):
        return False
    sizes = [abs(float(x)) for x in entries if np.isfinite(x)]
    scale = max([*sizes, 0.0] if scale is None else [scale])
    for text, entry in zip(texts, entries, strict=True):
        if text in ("True", "False"):
            if text != str(bool(entry)):
                return False
            continue
        number = 0.0 if text == "~0" else float(text.replace("−", "-"))
        if not np.isclose(number, float(entry), rtol=0.6 * 10.0 ** (1 - digits), atol=2e-12 * scale, equal_nan=True):
            return False
    return True
