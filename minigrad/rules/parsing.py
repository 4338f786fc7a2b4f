"""Read a formula as docstrings write them, by recursive descent.

    choice     = sum ["but for" factor ("=" | "+=") sum] ["where" condition [","] "else" choice]
    condition  = comparisons joined by "and", these by "or"; a comparison may be a chain, −1 ≤ x ≤ 1, or "x is nan"
    sum        = ["−"] term {("+" | "−") term};  term = product ["∘" product], entry by entry though of matrices
    product    = ratio {ratio | ("·" | "@") ratio | "/" ratio}  a slash between spaces divides all that stands before it
    ratio      = tight {"/" tight}                              without spaces: 2/√π exp(−x²), ȳ a/y
    tight      = factor {factor}                                without spaces: 2y, πx, 3y²
    factor     = atom {raised | "^" atom | "'" | "[" atom "]"}                 "'" transposes
    atom       = number | name | function | Σ product | √ factor | "(" choice ")" | |sum| | ⌊sum⌋ | ⌈sum⌉ | ⟨sum, sum⟩
    function   = word [raised] (arguments in brackets | factor) sin x, ln(1 + x), ψ⁽ⁿ⁾(x)

Where none of this fits, `UnreadableError` is raised: the text is words then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from minigrad.rules import functions
from minigrad.rules.phrases import PHRASES, STATES
from minigrad.rules.tokens import Token, tokens
from minigrad.rules.tree import (
    ButFor,
    Call,
    Choice,
    Compare,
    Expression,
    Indexed,
    Logic,
    Name,
    Negative,
    Number,
    Over,
    Phrase,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    product,
)

REDUCTIONS = {"Σ", "Π", "Σ_i", "Π_", "max", "min", "mean"}
SPANS = ("over j ≤ k", "over k ≥ j")  # of running sums and products
OTHERS = "Π_{i≠j}"  # the product of all other entries
RELATIONS = ("<", ">", "≤", "≥", "=", "≠")
FENCES = {"(": ")", "⌊": "⌋", "⌈": "⌉", "|": "|"}
KEYWORDS = {
    "where",
    "else",
    "and",
    "or",
    "with",
    "over",
    "along",
    "but",
    *[words.split()[0] for words in (*STATES, *PHRASES)],
}
AXES = ("over the axes", "along the axis", "along the axes", "over axes", "along them", "over them")
NUMBERS = {"π": math.pi, "e": math.e, "∞": math.inf}
E = Number("e", math.e)
HOLE = "▢"  # where a phrase has a name
DEEPEST = 60  # levels of brackets, functions and roots within each other


class UnreadableError(ValueError):
    """The text is no formula of this grammar."""


def parse(text: str, words: Collection[str] = ()) -> Expression:
    """The tree of a formula; `words` are the names of more than one letter that may stand in it."""
    reader = Reader(tokens(text), words)
    tree = reader.choice()
    reader.expect_end()
    return tree


class Reader:
    """Reads tokens from left to right; every method leaves off behind what it has read."""

    def __init__(self, tokens: Sequence[Token], words: Collection[str] = ()) -> None:
        self.tokens = tokens
        self.at = 0
        self.words = words
        self.bars = 0  # the absolute values that are open
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.next
        self.at += token.kind != "end"
        return token

    def meets(self, *texts: str) -> bool:
        """Whether exactly these tokens come next; they are read then."""
        following = self.tokens[self.at : self.at + len(texts)]
        met = [token.text for token in following if token.kind != "raised"] == list(texts)
        self.at += len(texts) if met else 0
        return met

    def expect(self, text: str) -> None:
        if not self.meets(text):
            raise UnreadableError(f"{self.next.text or 'the end'!r} stands where {text!r} was expected")

    def expect_end(self) -> None:
        if self.next.kind != "end":
            raise UnreadableError(f"{self.next.text!r} belongs to no formula")

    # From loose to tight

    def choice(self) -> Expression:
        self.descend()
        value = self.condition() if self.meets("whether") else self.said_of(self.along(self.sum()), PHRASES)
        if self.meets("but", "for"):
            value = self.but_for(value)
        if self.meets("where"):
            condition = self.condition()
            self.meets(",")
            self.expect("else")
            value = Choice(value, condition, self.choice())
        self.depth -= 1
        return value

    def but_for(self, x: Expression) -> Expression:
        place = self.factor()
        if not isinstance(place, Indexed):
            raise UnreadableError("entries of an array stand behind 'but for'")
        adds = self.meets("+")
        self.expect("=")
        return ButFor(x, place.x, place.index, self.sum(), adds)

    def condition(self) -> Expression:
        return self.joined("or", lambda: self.joined("and", self.comparison))

    def joined(self, word: str, part: Callable[[], Expression]) -> Expression:
        terms = [part()]
        while self.meets(word):
            terms.append(part())
        return Logic(word, tuple(terms)) if len(terms) > 1 else terms[0]

    def comparison(self) -> Expression:
        first = self.sum()
        return self.compared(first) if self.next.text in RELATIONS else self.said_of(first, STATES)

    def compared(self, first: Expression) -> Expression:
        terms, signs = [first], []
        while self.next.text in RELATIONS:
            signs.append(self.take().text)
            terms.append(self.sum())
        return Compare(tuple(terms), tuple(signs))

    def said_of(self, x: Expression, phrases: Collection[str]) -> Expression:
        """The longest phrase that follows, if one does."""
        for words in sorted(phrases, key=len, reverse=True):
            parts = [token.text for token in tokens(words.replace("{}", HOLE))][:-1]
            following = self.tokens[self.at : self.at + len(parts)]
            if len(following) == len(parts) and all(_fits(*pair) for pair in zip(parts, following, strict=True)):
                self.at += len(parts)
                of = [Name(token.text) for part, token in zip(parts, following, strict=True) if part == HOLE]
                return self.along(Phrase(x, words, of[0] if of else None))
        return x

    def along(self, x: Expression) -> Expression:
        """The same, and past the words that name the axes."""
        for words in AXES:
            if self.meets(*words.split()):
                break
        return x

    def sum(self) -> Expression:
        terms = [Negative(self.term()) if self.meets("−") else self.term()]
        while self.next.text in ("+", "−") and self.next.kind == "sign":
            terms.append(self.term() if self.take().text == "+" else Negative(self.term()))
        return Sum(tuple(terms)) if len(terms) > 1 else terms[0]

    def term(self) -> Expression:
        first = self.product()
        return Product((first, self.product()), "∘") if self.meets("∘") else first

    def product(self) -> Expression:
        factors, sign = [self.ratio()], ""
        while True:
            if self.meets("/"):
                factors = [Quotient(product(factors, sign), self.ratio())]
                sign = ""
            elif self.meets("·") or self.meets("@") or self.begins_factor():
                factors.append(self.ratio())
            elif self.next.text == "×" and len(factors) == 1:
                sign = self.take().text
                factors.append(self.ratio())
            else:
                return product(factors, sign)

    def ratio(self) -> Expression:
        above = self.tight()
        while self.next.text == "/" and not self.next.spaced:
            self.take()
            above = Quotient(above, self.tight())
        return above

    def tight(self) -> Expression:
        factors = [self.factor()]
        while self.begins_factor() and not self.next.spaced:
            factors.append(self.factor())
        return product(factors)

    def begins_factor(self) -> bool:
        token = self.next
        if token.kind == "word":
            return token.text not in KEYWORDS
        if token.text == "|":
            return not self.bars
        return token.kind in ("number", "name") or token.text in ("(", "⌊", "⌈", "⟨", "√", "∛", "Σ", "Π")

    def factor(self) -> Expression:
        base = self.atom()
        while True:
            if self.next.kind == "raised":
                base = _raised(base, self.take().text)
            elif self.next.text == "^" and not self.next.spaced:
                self.take()
                base = Power(base, self.atom())
            elif self.meets("'"):
                base = Transpose(base)
            elif self.next.text == "[" and not self.next.spaced:
                self.take()
                base = Indexed(base, (self.atom(),))
                self.expect("]")
            else:
                return base

    # Atoms

    def descend(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnreadableError("the formula is nested too deeply")

    def atom(self) -> Expression:
        self.descend()
        found = self.opened(self.take())
        self.depth -= 1
        return found

    def opened(self, token: Token) -> Expression:
        """What begins with a token."""
        if token.text in REDUCTIONS and (token.kind == "name" or self.next.spaced):
            return self.over(token.text)
        if token.text in functions.NAMES and token.text not in self.words:
            return self.function(token.text)
        if token.text in ("√", "∛"):
            return Call(token.text, (self.atom(),))  # a power belongs to the root
        if token.text in FENCES:
            return self.fenced(token.text)
        if token.text == "⟨":
            first = self.sum()
            self.expect(",")
            second = self.sum()
            self.expect("⟩")
            return Call("⟨⟩", (first, second))
        if token.kind == "number":
            return Number(token.text, float(token.text))
        if token.text in NUMBERS and token.text not in self.words:
            return Number(token.text, NUMBERS[token.text])
        if token.kind == "name" or token.text in self.words:
            return Name(token.text)
        raise UnreadableError(f"{token.text or 'the end'!r} begins no factor")

    def over(self, sign: str) -> Expression:
        if sign == "Π_":
            sign += "".join([self.take().text for _ in range(5)])
            if sign != OTHERS:
                raise UnreadableError(f"{sign} is no product of this grammar")
        body = self.product() if sign[0] in "ΣΠ" else self.factor()
        span = next((span for span in SPANS if self.meets(*span.split())), "")
        return Over(sign, self.along(body), span)

    def function(self, name: str) -> Expression:
        order = None
        if self.next.kind == "raised" and self.next.text.startswith("("):
            order = parse(self.take().text)
        if self.next.text != "(" or self.next.spaced:
            return Call(name, (self.factor(),), order)
        self.take()
        arguments = [self.choice()]
        while self.meets(","):
            arguments.append(self.choice())
        self.expect(")")
        return Power(E, arguments[0]) if name == "exp" and len(arguments) == 1 else Call(name, tuple(arguments), order)

    def fenced(self, opening: str) -> Expression:
        self.bars += opening == "|"
        bars, self.bars = self.bars, self.bars if opening == "|" else 0
        inside = self.choice()
        if self.next.text in RELATIONS:
            inside = self.compared(inside)
        self.bars = bars
        self.expect(FENCES[opening])
        self.bars -= opening == "|"
        return inside if opening == "(" else Call(opening, (inside,))


def _raised(base: Expression, text: str) -> Expression:
    """A power, the transpose, or of an inverse the transpose."""
    power = text.removesuffix("T")
    raised = Power(base, parse(power)) if power else base
    return raised if power == text else Transpose(raised)


def _fits(part: str, token: Token) -> bool:
    return token.kind == "name" if part == HOLE else token.text == part and token.kind != "raised"
