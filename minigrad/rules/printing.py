"""Write a rule's formula as text, with names or numbers in the place of its letters, and brackets only where needed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minigrad.rules.evaluation import is_matrix
from minigrad.rules.tokens import LOWERED, RAISED
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
    Place,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    everything,
)

CHOICE, COMPARISON, SUM, PRODUCT, APPLIED, ATOM = range(6)  # how tightly a text holds together
RAISE = {plain: raised for raised, plain in RAISED.items()}
LOWER = {plain: lowered for lowered, plain in LOWERED.items()}
RAISED_AT_MOST = 5  # characters of an exponent in superscripts
MOST_TERMS = 6  # of a sum that are all written
CLOSED = {"|": "|{}|", "⌊": "⌊{}⌋", "⌈": "⌈{}⌉", "⟨⟩": "⟨{}⟩"}
LETTER = re.compile(r"[^\W\d_](_[^\W_]{1,2}|[\d₀-₉]*)['′]*")  # one letter, with an index or without: x, w11, W_h
ZERO = Number("0", 0.0)


class Text(NamedTuple):
    """A text and how tightly it holds together."""

    text: str
    level: int

    def at(self, level: int) -> str:
        """In brackets where it would fall apart."""
        return self.text if self.level >= level else f"({self.text})"


def written(tree: Expression, name: Callable[[str], Text], times: str = "") -> Text:
    """The formula as text: `name` writes a name by its symbol; times is the sign of products, "" for none."""

    def at(part: Expression) -> Text:
        return written(part, name, times)

    match tree:
        case Number(text):
            return Text(text, ATOM)
        case Name(symbol):
            return name(symbol)
        case Negative(x):
            return Text(f"−{at(x).at(PRODUCT)}", SUM)
        case Sum(terms):
            return _sum(terms, at)
        case Product(factors, sign):
            words = [name(part.symbol).text for part in everything(tree) if isinstance(part, Name)]
            own = [name(part.symbol).text for part in factors if isinstance(part, Name)]
            dotted = len(set(own)) < len(own) or not all(map(_is_letter, words))
            return _product(factors, [at(factor) for factor in factors], sign, times, dotted)
        case Quotient(above, below):
            divisor = at(below).text if isinstance(below, Over) else at(below).at(APPLIED)
            return Text(f"{at(above).at(PRODUCT)} / {divisor}", PRODUCT)
        case Power(base, exponent):
            return _power(base, at(base), at(exponent))
        case Transpose(x):
            return Text(f"{at(x).at(ATOM)}ᵀ", ATOM)
        case Call(function, arguments, order):
            return _call(function, [at(argument) for argument in arguments], None if order is None else at(order))
        case Over(sign, x, span):
            return Text(f"{sign} {at(x).at(PRODUCT)} {span}".rstrip(), PRODUCT)
        case Choice(value, condition, otherwise):
            kept = [at(part).at(COMPARISON) for part in (value, condition)]
            return Text(f"{kept[0]} where {kept[1]}, else {at(otherwise).text}", CHOICE)
        case Compare(terms, signs):
            sides = [at(term).at(SUM) for term in terms]
            return Text(sides[0] + "".join([f" {s} {x}" for s, x in zip(signs, sides[1:], strict=True)]), COMPARISON)
        case Logic(word, terms):
            return Text(f" {word} ".join([at(term).at(COMPARISON) for term in terms]), COMPARISON)
        case Phrase(x, words, of, shown):
            said = shown or words.replace("{}", "" if of is None else at(of).text)
            return Text(f"{at(x).at(SUM)} {said}", COMPARISON)
        case Place(text):
            return Text(text, ATOM)
        case Indexed(x, index):
            return Text(f"{at(x).at(ATOM)}[{', '.join([at(entry).text for entry in index])}]", ATOM)
        case ButFor():
            return Text(_placed(tree, at) if times else _but_for(tree, at), CHOICE)
    return Text("".join([part if isinstance(part, str) else at(part).text for part in tree.parts]), CHOICE)


def plain(text: str) -> Text:
    """A name as it is put into a formula; one with spaces or signs in it goes into brackets."""
    whole = all(c.isalnum() or c in "_.#∂'′[]₀₁₂₃₄₅₆₇₈₉" or unicodedata.combining(c) for c in text)
    return Text(text, ATOM if whole else CHOICE)


def number(entry: float) -> Text:
    """A number to four significant digits, a whole one of an integer dtype as it is."""
    if isinstance(entry, bool | np.bool_):
        return Text(str(bool(entry)).lower(), ATOM)
    size = str(abs(entry)) if isinstance(entry, int | np.integer) else f"{abs(entry):.4g}".replace("inf", "∞")
    if entry < 0:
        return Text(f"−{size}", SUM)
    return Text(size, APPLIED if "e" in size else ATOM)


def raised(text: str) -> str | None:
    """The text in superscripts, None where it is long or a letter of it has no superscript."""
    close = text.replace(" ", "")
    return (
        "".join([RAISE[c] for c in close]) if len(close) <= RAISED_AT_MOST and all(c in RAISE for c in close) else None
    )


def lowered(count: int) -> str:
    """A number in subscripts."""
    return "".join([LOWER[c] for c in str(count)])


def _sum(terms: tuple[Expression, ...], at: Callable[[Expression], Text]) -> Text:
    shown: list[str] = []
    for i, term in enumerate(terms):
        if len(terms) > MOST_TERMS and MOST_TERMS // 2 <= i < len(terms) - 1:
            if i == MOST_TERMS // 2:
                shown.append("+ …")
            continue
        minus = isinstance(term, Negative)
        text = at(term.x if isinstance(term, Negative) else term)
        if i == 0:
            shown.append(f"−{text.at(PRODUCT)}" if minus else text.at(SUM))
        else:
            shown.append(f"{'−' if minus else '+'} {text.at(PRODUCT)}")
    return Text(" ".join(shown), SUM)


def _product(factors: tuple[Expression, ...], texts: list[Text], sign: str, times: str, dotted: bool) -> Text:
    found, matrix = "", False
    for i, (factor, text) in enumerate(zip(factors, texts, strict=True)):
        last = i == len(factors) - 1
        shown = text.text if isinstance(factor, Over) and last else text.at(APPLIED)
        if isinstance(factor, Call) and text.level == APPLIED and not last:
            shown = text.at(ATOM)
        between = sign or ("@" if matrix and is_matrix(factor) else times or ("·" if dotted else ""))
        found += (f" {between} " if between else " ") * (i > 0) + shown
        matrix |= is_matrix(factor)
    return Text(found, PRODUCT)


def _is_letter(text: str) -> bool:
    """Whether a name may stand beside another, unlike one, as a product: w2, x̄, h. Words, and equal letters, have a dot between."""
    return (
        LETTER.fullmatch("".join([c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)]))
        is not None
    )


def _but_for(tree: ButFor, at: Callable[[Expression], Text]) -> str:
    """0 but for y[0] += a, y[1] += b: some entries, and others."""
    before = f"{_but_for(tree.x, at)}," if isinstance(tree.x, ButFor) else f"{at(tree.x).at(SUM)} but for"
    place = at(Indexed(tree.whole, tree.index)).text
    return f"{before} {place} {'+=' if tree.adds else '='} {at(tree.value).text}"


def _placed(tree: ButFor, at: Callable[[Expression], Text]) -> str:
    """The same in numbers: 0.3 at [0], 0.5 at [1], 0 elsewhere."""
    placed = f"{at(tree.value).text} at [{', '.join([at(entry).text for entry in tree.index])}]"
    if isinstance(tree.x, ButFor):
        return f"{placed}, {_placed(tree.x, at)}"
    if tree.x == ZERO:
        return f"{placed}, 0 elsewhere"
    return f"{placed}, {'added to' if tree.adds else 'else'} {at(tree.x).text}"


def _power(base: Expression, below: Text, above: Text) -> Text:
    small = raised(above.text)
    if isinstance(base, Number) and base.text == "e" and (small is None or any(c.isdigit() for c in above.text)):
        return Text(f"exp({above.text})", ATOM)
    return Text(f"{below.at(ATOM)}{small}" if small else f"{below.at(ATOM)}^{above.at(ATOM)}", APPLIED)


def _call(function: str, arguments: list[Text], order: Text | None) -> Text:
    inside = ", ".join([argument.text for argument in arguments])
    if function in CLOSED:
        return Text(CLOSED[function].format(inside), ATOM)
    if function in ("√", "∛"):
        return Text(f"{function}{arguments[0].at(ATOM)}", APPLIED)
    if order is not None:
        small = raised(f"({order.text})")
        function += small or f"^({order.text})"
    if len(arguments) == 1 and function.islower() and len(function) > 1 and len(inside) == 1 and inside.isalpha():
        return Text(f"{function} {inside}", APPLIED)
    return Text(f"{function}({inside})", ATOM)
