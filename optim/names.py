"""Arguments that come under another library's name: the error says what they are called here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any


def refuse_other_names(asker: str, given: Iterable[str], others: Mapping[str, str]) -> None:
    """TypeError for a name that is called otherwise here. others: by another library's name the name here"""
    for name in given:
        if name in others:
            raise TypeError(f"{asker} got an unexpected keyword argument '{name}': here it is called {others[name]}")


def checked_names(constructor: Callable[..., None], others: Mapping[str, str]) -> Callable[..., None]:
    """The constructor, which refuses other names by `refuse_other_names`; names that it has itself are its own."""
    own = inspect.signature(constructor).parameters
    strange = {name: here for name, here in others.items() if name not in own}

    @wraps(constructor)
    def called(self: Any, *arguments: Any, **keywords: Any) -> None:
        refuse_other_names(type(self).__name__, keywords, strange)
        constructor(self, *arguments, **keywords)

    return called
