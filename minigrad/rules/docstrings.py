"""Read the rules of an operation off its docstring, `y = a b;  ā = ȳ b, b̄ = ȳ a.`: each formula as a tree."""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from minigrad.ops.base import Operation
from minigrad.rules.parsing import Reader, UnreadableError
from minigrad.rules.tokens import Token, tokens
from minigrad.rules.tree import Expression, Name, Words, mapped, names

MACRON = "\u0304"
BACK = "Back:"
LONGEST = 300  # tokens of a text that is read
LINKS = ("with", "and", ",", ";", "")  # what stands before a statement
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "λ": "lambda"}  # attributes
INDICES = {"index", "index_i", "stretch_i", "slice_i", "x_j"}  # which a node fills in


@dataclass(frozen=True, slots=True)
class Statement:
    """target = tree, and the remark behind it; words: the formula as text, for where a name in the tree means nothing."""

    target: str
    tree: Expression
    remark: str
    words: Words


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a class.

    result:      the symbol of its value, as y
    slots:       the slots of the symbols that stand for children
    families:    of an operation of any number of children, what they are called: x_i, or A_i and then as many B_i; a slot
                 is one of these then
    forward:     the formula of the value, None where the docstring says nothing
    adjoints:    the formulas of the adjoints by slot
    definitions: what other symbols stand for, in order
    complete:    whether a child without formula has no adjoint: the docstring says so, or it is one of minigrad's own
    """

    result: str
    slots: dict[str, int]
    families: tuple[str, ...]
    forward: Statement | None
    adjoints: dict[int, Statement]
    definitions: tuple[Statement, ...]
    complete: bool


_KNOWN: WeakKeyDictionary[type[Operation], Rules] = WeakKeyDictionary()


def rules_of(kind: type[Operation]) -> Rules:
    """The rules of a class, read once."""
    if kind not in _KNOWN:
        _KNOWN[kind] = _rules(kind)
    return _KNOWN[kind]


def attribute_names(kind: type[Operation]) -> list[str]:
    """The keyword-only parameters of fprop."""
    parameters = inspect.signature(kind.fprop).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def barred(symbol: str) -> str:
    """The symbol of an adjoint: a bar over the letter."""
    return unicodedata.normalize("NFC", symbol[:1] + MACRON + symbol[1:])


def unbarred(symbol: str) -> str:
    """The symbol whose adjoint this is, "" where it has no bar."""
    letters = unicodedata.normalize("NFD", symbol)
    return unicodedata.normalize("NFC", letters.replace(MACRON, "", 1)) if MACRON in letters else ""


def _rules(kind: type[Operation]) -> Rules:
    roles = {role: slot for slot, role in enumerate(kind.roles)}
    forward_text, back_text = _text(kind, "fprop"), _text(kind, "bprop")
    own = kind.__module__.startswith("minigrad.")
    known = {*roles, *attribute_names(kind), *(INDICES if own else ())}
    forward, back = _statements(forward_text, known), _statements(back_text, known)
    result = forward[0].target.partition("_")[0] if forward else "y"
    families = () if roles else _families(forward_text)
    slots = {
        s: slot for s in _symbols(forward_text, back_text) if s != result and (slot := _slot(s, roles)) is not None
    }
    slots = {role: slot for role, slot in roles.items() if role != result} | slots
    slots |= {family: slot for slot, family in enumerate(families)}
    forward, back = [_unindexed(statements, slots, result) for statements in (forward, back)]
    said = [*forward[1:], *back]  # an adjoint too may be used by the next
    definitions = [s for s in said if s.target not in slots and s.target != result]
    symbols = {*known, *slots, *GREEK, result, barred(result), *[s.target for s in definitions]}
    forward, back, definitions = [_meant(statements, symbols) for statements in (forward, back, definitions)]
    adjoints = {slots[of]: s for s in back if (of := unbarred(s.target)) in slots}
    return Rules(
        result,
        slots,
        families,
        forward[0] if forward else None,
        adjoints,
        tuple(definitions),
        "no adjoint" in back_text or (bool(adjoints) and own),
    )


def _meant(statements: Sequence[Statement], symbols: set[str]) -> list[Statement]:
    """The statements, as words where a name in a formula stands for nothing."""
    return [s if set(names(s.tree)) <= symbols else replace(s, tree=s.words, remark="") for s in statements]


def _symbols(*texts: str) -> Iterator[str]:
    """All names and words of texts, those under a bar too."""
    for text in texts:
        for token in tokens(text):
            yield token.text
            yield unbarred(token.text)


def _slot(symbol: str, roles: dict[str, int]) -> int | None:
    """The child that a symbol stands for: its role, as a capital letter too, or the role that alone begins with it."""
    letter = symbol.lower()
    if letter in roles:
        return roles[letter]
    begun = [slot for role, slot in roles.items() if len(symbol) == 1 and role.startswith(letter)]
    return begun[0] if len(begun) == 1 else None


def _families(text: str) -> tuple[str, ...]:
    """The names of any child, as A_i and B_i."""
    found = [token.text for token in tokens(text) if token.kind == "name" and token.text.endswith("_i")]
    return tuple([name for name in dict.fromkeys(found) if name not in INDICES and name[0] not in "ΣΠ"])


def _unindexed(statements: Sequence[Statement], slots: Collection[str], result: str) -> list[Statement]:
    """The statements without indices of entries: y_k and x_j are y and x."""
    whole = {*slots, result, barred(result), *map(barred, slots)}

    def bare(tree: Any) -> Any:
        if isinstance(tree, Name):
            return Name(_bare(tree.symbol, whole))
        return tree if isinstance(tree, Words) else mapped(tree, bare)

    return [replace(s, target=_bare(s.target, whole), tree=bare(s.tree)) for s in statements]


def _bare(symbol: str, whole: Collection[str]) -> str:
    letter, _, index = symbol.partition("_")
    return letter if len(index) == 1 and symbol not in whole and letter in whole else symbol


# From a docstring to statements --------------------------------------------------------------------------------------


def _text(kind: type[Operation], method: str) -> str:
    """What the docstrings say of a method: that of the class, or of those it inherits from, up to the one that has it."""
    for cls in kind.__mro__[: kind.__mro__.index(Operation)]:
        said = _directions(cls)[method == "bprop"]
        if said or method in cls.__dict__:
            return said
    return ""


def _directions(cls: type) -> tuple[str, str]:
    """The texts of the two directions, as the convention of docstrings has them."""
    doc = cls.__dict__.get("__doc__")
    head, *notes = inspect.cleandoc(doc).split("\n\n") if isinstance(doc, str) else [""]
    head = " ".join(head.split("\n"))
    at = head.find(";")
    while at >= 0:
        rest = unicodedata.normalize("NFD", head[at + 1 :])
        if MACRON in rest or "adjoint" in rest:
            return head[:at], rest
        at = head.find(";", at + 1)
    back = [note.removeprefix(BACK) for note in notes if note.startswith(BACK)]
    return head, " ".join(back[0].split("\n")) if back else ""


def _statements(text: str, known: set[str]) -> list[Statement]:
    """The statements of the first sentence."""
    text = unicodedata.normalize("NFD", text)
    found = _first_sentence(tokens(text))
    if len(found) > LONGEST:
        return []
    heads = [i for i in range(len(found) - 1) if _is_head(found, i)]
    ends = [*[head - 1 for head in heads[1:]], len(found)]  # a link is between two statements
    spans = [found[head:end] for head, end in zip(heads, ends, strict=False)]
    return [_statement(text, span, known) for span in spans if len(span) > 2]


def _first_sentence(found: Sequence[Token]) -> list[Token]:
    for i, token in enumerate(found[:-1]):
        if token.text == "." and (found[i + 1].spaced or found[i + 1].kind == "end"):
            return list(found[:i])
    return list(found[:-1])


def _is_head(found: Sequence[Token], i: int) -> bool:
    """Whether a statement begins here: a name and "=", first or behind a link."""
    before = found[i - 1].text if i > 0 else ""
    return found[i].kind == "name" and found[i + 1].text == "=" and before in LINKS


def _statement(text: str, found: Sequence[Token], known: set[str]) -> Statement:
    """A formula, or words where it is none."""
    target, body = found[0].text, found[2:]
    words = _words(text, body, known)
    last = body[-1].end
    reader = Reader([*body, Token("end", "", True, last, last)], known)
    try:
        tree = reader.choice()
        if reader.next.text not in ("", ",", ":", ";"):
            raise UnreadableError("words follow")
    except UnreadableError:
        return Statement(target, words, "", words)
    rest = text[reader.next.start : last].lstrip(",:; ")
    return Statement(target, tree, unicodedata.normalize("NFC", rest), words)


def _words(text: str, body: Sequence[Token], known: set[str]) -> Words:
    """The text, in which single letters and known words are names; the article a is none."""
    body = body[: next((i for i, token in enumerate(body) if token.text == ":"), len(body))] or body[:1]
    parts: list[str | Name] = []
    at = body[0].start
    for token, after in zip(body, [*body[1:], None], strict=True):
        article = token.text == "a" and after is not None and after.kind == "word"
        if (token.kind == "name" and not article) or token.text in known:
            parts += [text[at : token.start], Name(token.text)]
            at = token.end
    parts.append(text[at : body[-1].end])
    return Words(tuple([unicodedata.normalize("NFC", p) if isinstance(p, str) else p for p in parts if p != ""]))
