"""Judge the reader's own work: `check.same(yours, expected, "λ")` says in words what differs.

This file needs NumPy alone: a notebook carries it in its first cell.
"""

import numpy as np


class NotYet(AssertionError):  # noqa: N818 - it is no error of the program: the exercise is open
    """An exercise that is not solved yet; a notebook shows the message without a traceback."""

    def _render_traceback_(self):
        return [f"Not yet. {self}"]


def same(yours, expected, name, tolerance=1e-6):
    """Compare what the reader computed with what is expected, and say "Right" or raise `NotYet` with the difference.

    yours:     a number, an array, a word, a list, a tuple or a dict; None and ... count as not written yet
    name:      what it is, in the words of the exercise: "λ", "by_hand(3)"
    tolerance: the relative difference that two numbers may have; also absolute, for numbers around 0
    """
    _compare(yours, expected, name, tolerance)
    print(f"{name}: right.")


def _compare(yours, expected, name, tolerance):
    if yours is None or yours is ...:
        raise NotYet(_unwritten(name))
    if callable(yours) and not hasattr(yours, "value"):
        raise NotYet(f"{name} is a function: call it.")
    if isinstance(expected, dict):
        _compare_dicts(yours, expected, name, tolerance)
    elif isinstance(expected, (str, bool, np.bool_)):
        if (
            isinstance(yours, (np.ndarray, str, bool, np.bool_))
            and np.ndim(yours) == 0
            and yours == expected
        ):
            return
        raise NotYet(
            f"{name}: yours {_shown(yours)}, expected {_shown(expected)}."
        )
    elif isinstance(expected, (list, tuple)) and _ragged(expected):
        _compare_lists(yours, expected, name, tolerance)
    else:
        _compare_numbers(yours, expected, name, tolerance)


def _unwritten(name):
    if "(" in name:
        return f"{name.split('(')[0]} returned None: write its body."
    return (
        f"{name} is not given yet: write it in place of the None or the dots."
    )


def _ragged(values):
    return len(
        {
            np.shape(value)
            for value in values
            if not isinstance(value, (dict, str))
        }
    ) > 1 or any(isinstance(value, (dict, str)) for value in values)


def _compare_dicts(yours, expected, name, tolerance):
    if not isinstance(yours, dict):
        raise NotYet(
            f"{name}: yours is {_shown(yours)}, expected a dict of {', '.join(map(str, expected))}."
        )
    if missing := [key for key in expected if key not in yours]:
        raise NotYet(f"{name} lacks {', '.join(map(str, missing))}.")
    for key, value in expected.items():
        _compare(yours[key], value, f"{name}[{key!r}]", tolerance)


def _compare_lists(yours, expected, name, tolerance):
    if not isinstance(yours, (list, tuple)) or len(yours) != len(expected):
        raise NotYet(
            f"{name}: yours is {_shown(yours)}, expected {len(expected)} things in a list."
        )
    for i, (mine, right) in enumerate(zip(yours, expected, strict=True)):
        _compare(mine, right, f"{name}[{i}]", tolerance)


def _compare_numbers(yours, expected, name, tolerance):
    right = _numbers(expected)
    mine = _numbers(yours)
    if mine is None:
        raise NotYet(
            f"{name}: yours is {_shown(yours)}, expected numbers of shape {right.shape}."
        )
    if mine.shape != right.shape:
        raise NotYet(
            f"{name}: yours has shape {mine.shape}, expected {right.shape}."
        )
    if right.size and not np.allclose(
        mine, right, rtol=tolerance, atol=tolerance, equal_nan=True
    ):
        where = np.unravel_index(
            np.argmax(
                ~np.isclose(
                    mine, right, rtol=tolerance, atol=tolerance, equal_nan=True
                )
            ),
            mine.shape,
        )
        place = f"[{', '.join(map(str, where))}]" if where else ""
        raise NotYet(
            f"{name}{place}: yours {_shown(mine[where])}, expected {_shown(right[where])}."
        )


def _numbers(values):
    """Values as an array of numbers, of nodes too; None where they are none."""
    try:
        if isinstance(values, (list, tuple)):
            values = [getattr(value, "value", value) for value in values]
        array = np.asarray(getattr(values, "value", values))
    except (TypeError, ValueError):
        return None
    return array if array.dtype.kind in "biufc" else None


def _shown(value):
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.6g}"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:59]}…"
