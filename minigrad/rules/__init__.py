"""The rules of operations as data: `rule_of(node)` can be written with names, written in numbers, and computed."""

from minigrad.rules.formulas import Formula
from minigrad.rules.rule import Rule, rule_of

__all__ = ["Formula", "Rule", "rule_of"]
