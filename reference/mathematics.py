r"""Set the formulas of docstrings in LaTeX: "y = σ(x W' + b)" becomes `y = \sigma\left(x \, W^{\top} + b\right)`.

A docstring writes formulas as one line of text, words between them. The grammar is small:

* A product is a space or "·". A slash between spaces divides all factors before it, up to a sign, by the one behind it:
  "γ (x − μ) / σ". A slash without spaces divides one factor by one: "2/T g".
* "'" transposes, but behind f, σ and φ it is the derivative. "_" and "^" take a word, or what braces or brackets hold.
* Bars and hats over letters, "²", "½", "√", "Σ", "‖…‖" and "|…|" mean what they do on paper.
* Words are set upright. Where no formula follows any more, the words are a sentence and stay text (`Setting.words`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

MARKS = {"\u0304": r"\bar", "\u0302": r"\hat", "\u0303": r"\tilde"}
LETTERS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "η": "eta", "θ": "theta", "λ": "lambda",
    "μ": "mu", "ν": "nu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "ψ": "psi", "ω": "omega",
    "Δ": "Delta", "Φ": "Phi", "Ω": "Omega", "Γ": "Gamma", "Λ": "Lambda", "∇": "nabla", "∞": "infty",
}  # fmt: skip
SIGNS = {
    "=": "=", "≠": r"\ne", "<": "<", ">": ">", "≤": r"\le", "≥": r"\ge", "~": r"\sim", "←": r"\leftarrow", "→": r"\to",
    "+": "+", "−": "-", "-": "-", "±": r"\pm", "+=": r"\mathrel{+}=", "−=": r"\mathrel{-}=", "·": r"\cdot", "*": r"\ast",
    "∈": r"\in", "…": r"\ldots", "..": r", \ldots,", "≈": r"\approx",
}  # fmt: skip
UPRIGHT = {"ln", "log", "exp", "sin", "cos", "tan", "tanh", "max", "min", "arctan"}  # LaTeX has commands for them
FUNCTIONS = {*UPRIGHT, "mean", "softmax", "sigmoid", "sgn", "Var", "argmax", "clip", "sign"}
NEVER_NAMES = {"a", "and", "at", "else", "for", "from", "gradient", "in", "of", "or", "over", "to", "where", "with"}
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵗⁿ", "0123456789-+tn", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
DERIVED = {"f", "σ", "φ"}  # functions, whose "'" is a derivative
CLOSED_BY = {"(": ")]", "[": "])", "⌊": "⌋", "⌈": "⌉"}
FENCES = {"⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil"}
TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<code>`[^`]*`)|(?P<number>\d+(?:\.\d+)?(?:e[-−]?\d+)?)"
    r"|(?P<word>a(?= [A-Za-z]{2})|(?:max|min|mean|argmax)(?=_)|[A-Za-z]'s\b|[A-Za-z]{2,}(?:-[a-z]{2,}|'s\b)*(?:_[A-Za-z]{2,})*)"
    r"|(?P<letter>(?![⁰¹²³⁴⁵⁶⁷⁸⁹ᵗⁿ₀₁₂₃₄₅₆₇₈₉½])[^\W\d_][\u0300-\u036f]*|∇|∞)"
    r"|(?P<sign>\+=|−=|\.\.|[=≠<>≤≥~←→+−±·*∈…≈-])|(?P<other>.)"
)
WIDE = 60  # characters of a docstring that fit on one line of a page once they are set,
SHORT = 10  # and up to which they are no line of their own


class Setting(NamedTuple):
    """A docstring's formula in LaTeX ("" where there is none), and the words that are no part of it."""

    formula: str
    words: str


def setting(text: str) -> Setting:
    """The formulas a text begins with, set, and the sentence that follows them."""
    clauses = _clauses(text)
    formulas = [_is_formula(clause.text) for clause in clauses]
    if True not in formulas:
        return Setting("", text)
    last = formulas.index(True)
    while last + 1 < len(clauses) and formulas[last + 1] and not _explains(clauses[last], clauses[last + 1]):
        last += 1
    rows, length = [""], 0
    for i, clause in enumerate(clauses[: last + 1]):
        if _relates(clause.text) and i > 0:
            full = length + len(clause.text) > WIDE and length > SHORT
            rows, length = ([*rows, ""], 0) if full else ([*rows[:-1], rf"{rows[-1]}\quad "], length)
        joined = r"\text{ and } " if i > 0 and clauses[i - 1].separator.endswith("and ") else ""
        rows[-1] += joined + _Reader(clause.text).all() + (_sign(clause.separator) if i < last else "")
        length += len(clause.text)
    words = "".join(clause.text + clause.separator for clause in clauses[last + 1 :])
    return Setting(_block([_tidied(row) for row in rows]), _capitalized(words))


def begins(text: str) -> bool:
    """Whether a paragraph begins with a formula: "μ = Σ x / n, ..." or "With i, f = sigmoid(...) ...".

    A formula says what something is, so it has a sign of relation.
    """
    first = _tokens(text)[0]
    if first.kind in ("word", "space", "sign") and first.text != "With":
        return False
    clauses = [clause.text for clause in _clauses(" ".join(text.split()))]
    relates = next((i for i, clause in enumerate(clauses) if _relates(clause)), None)
    return relates is not None and all(map(_is_formula, clauses[: relates + 1]))


def _block(rows: Sequence[str]) -> str:
    """One line, or several below each other."""
    if len(rows) == 1:
        return rows[0]
    lines = " \\\\\n".join(f"& {row}" for row in rows)
    return f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}"


def _tidied(row: str) -> str:
    """Without spaces where a text begins or ends the row, or a sign follows it."""
    row = re.sub(r"^\\text\{ ", r"\\text{", row.strip())
    row = re.sub(r" \}(?=$|[,;:.])", "}", row)
    row = re.sub(r"\{\\text\{ (.*?) \}\}", r"{\\text{\1}}", row)
    return re.sub(r"(\\sum(?:_\{\w+\})?|\\ln|\\max|\\min) \\, ", r"\1 ", row)


def _capitalized(words: str) -> str:
    """A sentence, unless it begins with a letter or name of the formula."""
    return words[:1].upper() + words[1:] if re.match(r"(?:[a-z]{2,}|a)(?!\w)", words) else words


# Clauses -------------------------------------------------------------------------------------------------------------


class _Clause(NamedTuple):
    text: str
    separator: str  # what ends it: ", " or ": " and the like


SEPARATOR = re.compile(r"(?:[,;:]\s+|\.\s+(?=[A-Z]))(?:and )?")


def _clauses(text: str) -> list[_Clause]:
    """The text cut at commas, semicolons and colons, but for those in brackets."""
    found, start, i, depth = [], 0, 0, 0
    while i < len(text):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        match = SEPARATOR.match(text, i) if depth == 0 else None
        if match:
            found.append(_Clause(text[start:i], match[0]))
            start = i = match.end()
        else:
            i += 1
    return [*found, _Clause(text[start:], "")]


def _explains(before: _Clause, clause: _Clause) -> bool:
    """Whether the clause begins a sentence about the formula before it, as "the w' that minimizes ..." does."""
    return before.separator.startswith(":") and _tokens(clause.text)[0].kind == "word"


def _relates(clause: str) -> bool:
    """Whether the clause says what something is, so that it may have a line of its own."""
    return any(token.text in ("=", "+=", "−=", "←", "~") for token in _tokens(clause))


def _is_formula(clause: str) -> bool:
    """Whether more than a letter of it is mathematics: a relation, a sign, a product."""
    tokens = [token for token in _tokens(clause) if token.kind != "space"]
    if tokens and tokens[0].text == "gradient":
        return True
    if any(token.kind == "sign" and token.text not in ("-", "…", "..") for token in tokens):
        return True
    mathematics = [
        token.kind in ("number", "letter") or token.text in FUNCTIONS or token.text in "²½√Σ^'" for token in tokens
    ]
    words = sum(token.kind in ("word", "code") and token.text not in FUNCTIONS for token in tokens)
    return (any(mathematics) and words < 2) or any(a and b for a, b in pairwise(mathematics))


def _sign(separator: str) -> str:
    """The sign of a separator, without the word that may follow it."""
    return separator.removesuffix("and ").strip() + " "


# From text to LaTeX --------------------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    decomposed = "".join(c if c in SIGNS else unicodedata.normalize("NFD", c) for c in text)
    return [_Token(match.lastgroup or "", match[0]) for match in TOKEN.finditer(decomposed)]


class _Reader:
    """Reads tokens from left to right; every method leaves off behind what it has read."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.bars: list[str] = []  # the norms and absolute values that are open

    def peek(self, ahead: int = 0) -> _Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else _Token("end", "")

    def take(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def all(self) -> str:
        """The LaTeX of the whole text."""
        found = self.run("")
        if self.peek().kind != "end":
            raise ValueError(f"{self.peek().text!r} closes nothing")
        return found

    def run(self, closers: str) -> str:
        """Products, signs and words up to one of the closers, which is left to the caller."""
        parts: list[str] = []
        product: list[str] = []
        while (token := self.peek()).kind != "end" and not (token.text in closers and token.kind == "other"):
            if token.text == "/":
                self.divide(product)
            elif token.kind == "space":
                self.take()
            elif self.is_words():
                parts += [r" \, ".join(product), self.words()]
                product = []
            elif token.kind == "sign" or token.text in (",", ";", ":", "."):
                self.take()
                parts += [r" \, ".join(product), SIGNS.get(token.text, token.text)]
                product = []
            else:
                product.append(self.factor())
        return " ".join(filter(None, [*parts, r" \, ".join(product)])).replace(" ,", ",").replace(" ;", ";")

    def divide(self, product: list[str]) -> None:
        """Replace the factors before a slash, or the one before it where no space is around it, by a fraction."""
        spaced = self.at > 0 and self.tokens[self.at - 1].kind == "space"
        self.take()
        while self.peek().kind == "space":
            self.take()
        below = self.words() if spaced and self.is_words() else self.factor()
        if not product:
            raise ValueError("nothing stands before a slash")
        above = r" \, ".join(product) if spaced else product[-1]
        product[0 if spaced else -1 :] = [rf"\frac{{{_bare(above)}}}{{{_bare(below)}}}"]

    # Words

    def is_words(self) -> bool:
        """Whether a word comes that belongs to a sentence: no function, and no name of a factor."""
        kind = self.peek().kind
        return kind == "code" or (kind == "word" and not self.is_function() and not self.is_name())

    def is_function(self) -> bool:
        after = self.peek(1)
        applied = after.text in ("(", "_", "[") or after.text in RAISED
        followed = self.peek(2).kind in ("letter", "number") or self.peek(2).text in "|‖(Σ"
        return self.peek().text in FUNCTIONS and (applied or (self.peek().text in UPRIGHT and followed))

    def is_name(self) -> bool:
        """A word by itself with a sign on one side at least: batch in 1/batch, rate in (1 − rate)."""
        before, after = self.beside(-1), self.beside(1)
        applied = self.peek(1).text in RAISED or self.peek(1).text in ("_", "(", "[")
        by_a_sign = before.text in ("(", "[", "/", "+", "−", "=", "·", "|", "∂") or after.text in (
            ")",
            "/",
            "+",
            "−",
            "=",
            "·",
            "|",
        )
        alone = "word" not in (before.kind, after.kind)
        return alone and (applied or by_a_sign) and self.peek().text not in NEVER_NAMES

    def beside(self, step: int) -> _Token:
        """The next token to the right (step 1) or left (−1) that is no space."""
        at = self.at + step
        while 0 <= at < len(self.tokens) and self.tokens[at].kind == "space":
            at += step
        return self.tokens[at] if 0 <= at < len(self.tokens) else _Token("end", "")

    def words(self) -> str:
        """As many words as follow each other, as one text."""
        found: list[str] = []
        while self.is_words() or (self.peek().kind == "space" and found):
            token = self.take()
            found.append(" " if token.kind == "space" else token.text.strip("`"))
        said = "".join(found).strip().replace("_", r"\_")
        return rf"\text{{ {said} }}"

    # Factors

    def factor(self) -> str:
        """An atom with its indices, powers and arguments."""
        token = self.take()
        base = self.atom(token)
        derived = token.text[:1] in DERIVED
        while True:
            after = self.peek()
            if after.text == "'":
                self.take()
                base += "'" if derived else r"^{\top}"
            elif after.text == "_":
                self.take()
                base += f"_{{{self.script()}}}"
            elif after.text == "^":
                self.take()
                base += f"^{{{self.script()}}}"
            elif after.text in RAISED:
                base += f"^{{{self.many(RAISED)}}}"
            elif after.text in LOWERED:
                base += f"_{{{self.many(LOWERED)}}}"
            elif after.text in ("(", "[") and self.tokens[self.at - 1].kind != "space" and token.kind != "number":
                base += self.bracket(self.take().text)
            elif after.text == "[" and token.text == "1":
                base = r"\mathbf{1}" + self.bracket(self.take().text)
            else:
                return base

    def atom(self, token: _Token) -> str:
        """A letter, number, name or sign of mathematics, or what brackets and bars hold."""
        match token:
            case _Token("letter", text):
                letter, marks = text[0], text[1:]
                sign = f"\\{LETTERS[letter]}" if letter in LETTERS else r"\sum" if letter == "Σ" else letter
                for mark in marks:
                    if mark not in MARKS:
                        raise ValueError(f"{text!r} has a mark that is not known")
                    sign = f"{MARKS[mark]}{{{sign}}}"
                return sign
            case _Token("number", text):
                return re.sub(
                    r"e[-−]?(\d+)", lambda m: rf" \cdot 10^{{{'-' * (len(m[0]) > len(m[1]) + 1)}{m[1]}}}", text
                )
            case _Token("word", text):
                return f"\\{text}" if text in UPRIGHT else rf"\mathrm{{{text.replace('_', chr(92) + '_')}}}"
            case _Token(_, "½"):
                return r"\frac{1}{2}"
            case _Token(_, "√"):
                return rf"\sqrt{{{_bare(self.factor_under_root())}}}"
            case _Token(_, ("‖" | "|") as bar):
                return self.barred(bar)
            case _Token(_, "∂"):
                return rf"\partial {self.factor()}"
            case _Token(_, text) if text in CLOSED_BY:
                group = self.bracket(text)
                return _bare(group) if re.fullmatch(r"\\frac(\{[^{}]*\}){2}", _bare(group)) else group
        raise ValueError(f"{token.text!r} is no part of a formula")

    def factor_under_root(self) -> str:
        """What a root covers: brackets, or one letter or number with its indices; a power belongs to the root."""
        token = self.take()
        base = self.atom(token)
        while self.peek().text == "_":
            self.take()
            base += f"_{{{self.script()}}}"
        return base

    def script(self) -> str:
        """An index or exponent: braces, brackets, letters and digits, or a sign."""
        token = self.take()
        if token.text in ("{", "("):
            inside = self.run("}" if token.text == "{" else ")")
            self.take()
            return inside
        if token.text == "½":
            return "1/2"
        text = token.text
        while self.peek().kind in ("letter", "number", "word"):
            text += self.take().text
        return " ".join(f"\\{LETTERS[c]}" if c in LETTERS else c for c in text) if not text.isascii() else text

    def many(self, characters: dict[str, str]) -> str:
        found = ""
        while self.peek().text in characters:
            found += characters[self.take().text]
        return found

    def bracket(self, opening: str) -> str:
        """What stands between brackets, which grow with it. An interval may close as it did not open: [a, b)."""
        inside = self.run(CLOSED_BY[opening])
        closing = self.take().text
        if not closing:
            raise ValueError(f"{opening!r} is not closed")
        left, right = FENCES.get(opening, opening), FENCES.get(closing, closing)
        return rf"\left{left} {inside} \right{right}" if len(left) > 1 else rf"\left{left}{inside}\right{right}"

    def barred(self, bar: str) -> str:
        """A norm or an absolute value."""
        inside = self.run(bar)
        if not self.take().text:
            raise ValueError(f"{bar!r} is not closed")
        sign = r"\|" if bar == "‖" else "|"
        return rf"\left{sign} {inside} \right{sign}"


def _bare(text: str) -> str:
    """Without the brackets around all of it: a fraction and a root hold their parts together themselves."""
    if not (text.startswith(r"\left(") and text.endswith(r"\right)")):
        return text
    inside = text[len(r"\left(") : -len(r"\right)")]
    depth = 0
    for word in re.findall(r"\\left\b|\\right\b", inside):
        depth += 1 if word == r"\left" else -1
        if depth < 0:
            return text
    return inside
