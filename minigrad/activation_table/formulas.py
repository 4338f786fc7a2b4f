"""Formulas of one variable as text that can be read, evaluated and set: one source for documentation, tests, pictures.

A formula is a Python expression in x and named parameters, with the functions of WORDS and `a if condition else b` for
cases. It may call other names which are given on the side, as in "x*(1 + tanh(u))/2" given "u = x + x**3".
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.node import Array

WORDS: dict[str, Any] = {
    "abs": abs, "max": max, "min": min, "pi": math.pi,
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos,
    "tanh": math.tanh, "arctan": math.atan,
    "sigma": lambda x: 1 / (1 + math.exp(-x)),  # the logistic function,
    "Phi": lambda x: (1 + math.erf(x / math.sqrt(2))) / 2,  # the normal distribution, and
    "phi": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),  # its density
}  # fmt: skip
LETTERS = {"alpha": "α", "beta": "β", "omega": "ω", "sigma": "σ", "phi": "φ", "Phi": "Φ", "pi": "π"}
SIGNS = [  # from Python's spelling to print
    (r"\*\*2\b", "²"), (r"\*\*3\b", "³"), (r"\*\*", "^"), (r"abs\(([^()]*)\)", r"|\1|"), (r"sqrt\(", "√("), (r"\blog\(", "ln("),
    (r"\s*\*\s*", " "), ("<=", "≤"), (">=", "≥"), ("!=", "≠"), ("==", "="), ("-", "−"),
]  # fmt: skip
RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge", ast.Eq: "=", ast.NotEq: r"\ne",
}  # fmt: skip
NAMED = {"log": r"\ln", "sin": r"\sin", "cos": r"\cos", "tanh": r"\tanh", "arctan": r"\arctan",
         "max": r"\max", "min": r"\min"}  # fmt: skip


def evaluated(formula: str, x: Any, names: Mapping[str, float], given: str = "") -> Array:
    """The value of the formula at every entry of x, in float64; an entry of a case not taken is never evaluated."""
    name, _, definition = given.partition("=")
    code = compile(formula, "<formula>", "eval")
    helper = compile(definition.strip(), "<given>", "eval") if given else None

    def at(x: float) -> float:
        scope = {**WORDS, **names, "x": x}
        if helper is not None:
            scope[name.strip()] = eval(helper, scope)
        return float(eval(code, scope))

    return np.asarray(np.vectorize(at, otypes=[np.float64])(np.asarray(x, np.float64)))


def printed(formula: str) -> str:
    """The formula as one would write it: "alpha*x**2" is "α x²"."""
    for pattern, sign in SIGNS:
        formula = re.sub(pattern, sign, formula)
    return re.sub(r"[A-Za-z]+", lambda word: LETTERS.get(word[0], word[0]), formula)


def latex(formula: str) -> str:
    """The formula in LaTeX."""
    if "=" in re.sub(r"[<>=!]=", "", formula):  # a definition
        name, _, definition = formula.partition("=")
        return f"{name.strip()} = {latex(definition.strip())}"
    return _set(ast.parse(formula, mode="eval").body)


def settled(formula: str, names: Mapping[str, float]) -> str:
    """The formula without the cases that the parameters decide: what is left depends on x."""
    body = ast.parse(formula, mode="eval").body
    while isinstance(body, ast.IfExp) and not any(n.id == "x" for n in ast.walk(body.test) if isinstance(n, ast.Name)):
        body = body.body if eval(ast.unparse(body.test), {**WORDS, **names}) else body.orelse
    return formula if body.col_offset == 0 and body.end_col_offset == len(formula) else ast.unparse(body)


def _set(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return repr(value)
        case ast.Name(id=name):
            return f"\\{name}" if name in LETTERS else name if len(name) == 1 else rf"\mathrm{{{name}}}"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{_factor(operand)}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{_set(left)} + {_set(right)}"
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return f"{_set(left)} - {_factor(right)}"
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            first = _set(left) if isinstance(left, ast.UnaryOp) else _factor(left)
            return rf"{first} \, {_factor(right)}"
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return rf"\frac{{{_set(left)}}}{{{_set(right)}}}"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base = _set(left) if isinstance(left, ast.Name | ast.Constant) else _between("(", left, ")")
            return f"{base}^{{{_set(right)}}}"
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, arguments)
        case ast.Compare(left=left, ops=relations, comparators=others):
            pairs = [f" {RELATIONS[type(op)]} {_set(other)}" for op, other in zip(relations, others, strict=True)]
            return _set(left) + "".join(pairs)
        case ast.IfExp():
            return rf"\begin{{cases}} {_cases(node)} \end{{cases}}"
    raise ValueError(f"a formula has no {type(node).__name__}: {ast.unparse(node)}")


def _factor(node: ast.expr) -> str:
    """A part of a product: sums, and what begins with a sign, in parentheses."""
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return _between("(", node, ")") if is_sum or isinstance(node, ast.UnaryOp) else _set(node)


def _call(name: str, arguments: list[ast.expr]) -> str:
    if name == "exp":
        return f"e^{{{_set(arguments[0])}}}"
    if name == "sqrt":
        return rf"\sqrt{{{_set(arguments[0])}}}"
    if name == "abs":
        return _between("|", arguments[0], "|")
    inside = ", ".join([_set(argument) for argument in arguments])
    return rf"{NAMED.get(name, chr(92) + name)}\left({inside}\right)"


def _between(left: str, node: ast.expr, right: str) -> str:
    return rf"\left{left}{_set(node)}\right{right}"


def _cases(node: ast.expr) -> str:
    if not isinstance(node, ast.IfExp):
        return rf"{_set(node)} & \text{{otherwise}}"
    return rf"{_set(node.body)} & \text{{if }} {_set(node.test)} \\ {_cases(node.orelse)}"
