"""Let a resumed training compute every batch the way the training that was stopped would have: by a program, or by nodes.

Both give the same numbers to rounding only. Which of them a `Step` takes depends on how often batches of each shape came and on the
programs that there are, so both are noted. A program itself is not: it is made anew, of the first batch of its shape, whose
effects (draws, running statistics) are taken back before the batch is computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import repeat
from types import CodeType
from typing import Any

import numpy as np

from minigrad.compiler import NotCompiled
from minigrad.compiler.compiled import _Given
from minigrad.compiler.tracing.comparison import ByIdentity, OfClass
from minigrad.compiler.tracing.shelf import Seen, Shelf
from minigrad.node import Array, Node
from minigrad.optim.training.evaluation import copies, put_back
from minigrad.optim.training.examples import Form, filled, named
from minigrad.optim.training.generators import move_to, positions
from minigrad.optim.training.owners import parameters_of
from minigrad.optim.training.step import Setting, Step


def noted(step: Step) -> dict[str, Any]:
    """Note what a step remembers of the batches so far, as numbers and texts."""
    settings = list(step._settings.values())
    keys = list(step._batches)
    places = {_key_of(step, key): i for i, key in enumerate(keys)}
    shelf = step._compiled.shelf

    def counted(counts: Mapping[Any, int]) -> list[list[int]]:
        return [[places[key], n] for key, n in counts.items() if key in places]

    def seen(found: Sequence[tuple[Any, Any]]) -> list[Any]:
        return [[places[key], one.calls, one.n_nodes, one.n_bytes, digest(one.skeleton)] for key, one in found]

    return {
        "settings": [
            [_listed(setting.form), list(setting.trained), _weight(setting.loss_weight)] for setting in settings
        ],
        "batches": [
            [
                settings.index(setting),
                [[list(shape), np.dtype(dtype).str] for shape, dtype in arrays],
                step._batches[key],
            ]
            for key in keys
            for setting, *arrays in [key]
        ],
        "programs": seen([(key, kept.seen) for key, programs in shelf.programs.items() for kept in programs]),
        "waiting": seen([(key, one) for key, graphs in shelf.waiting.items() for one in graphs]),
        "n_new": counted(shelf.n_new),
        "pauses": counted(shelf.pauses),
        "n_untraced": counted(shelf.n_untraced),
        "numbers": [shelf.n_at_once, shelf.nodes_at_once, shelf.n_by_nodes],
        "n_steps": step._n_steps,
        "eager": step.eager,
        "told": step._reach.told,
        "reached": [parameter in step._reach.reached for parameter in step.optimizer.parameters],
    }


def recall(step: Step, state: Mapping[str, Any], generators: Sequence[np.random.Generator]) -> None:
    """Put what was `noted` into a new step. generators: those that batches draw from"""
    settings = []
    for form, trained, weight in state["settings"]:
        key = _tupled(form), tuple(trained), step.loss_weight if weight is None else weight
        settings.append(step._settings.setdefault(key, Setting(*key)))
    keys = []
    for i, arrays, n in state["batches"]:
        key = (settings[i], *[(tuple(shape), np.dtype(dtype)) for shape, dtype in arrays])
        step._batches[key] = n
        keys.append(_key_of(step, key))
    shelf = step._compiled.shelf
    for i, *facts in state["programs"]:
        shelf.programs.setdefault(keys[i], []).append(Absent(*facts))  # type: ignore[arg-type]
    for i, *facts in state["waiting"]:
        shelf.waiting.setdefault(keys[i], []).append(Absent(*facts))  # type: ignore[arg-type]
    shelf.n_new.update({keys[i]: n for i, n in state["n_new"]})
    shelf.pauses.update({keys[i]: n for i, n in state["pauses"]})
    shelf.n_untraced.update({keys[i]: n for i, n in state["n_untraced"]})
    shelf.n_at_once, shelf.nodes_at_once, shelf.n_by_nodes = state["numbers"]
    step._n_steps, step.eager, step._reach.told = state["n_steps"], state["eager"], state["told"]
    reached = zip(step.optimizer.parameters, state["reached"], strict=True)
    step._reach.reached.update([parameter for parameter, flag in reached if flag])
    step.before_batch = Recall(step, generators)


class Recall:
    """Make graphs and programs anew for a step, each when the first batch comes that asks for it."""

    def __init__(self, step: Step, generators: Sequence[np.random.Generator]) -> None:
        self.step = step
        self.generators = generators
        others = [p for thing in (step.loss, *step.penalties) for p in parameters_of(thing) if not p.trainable]
        self.states = list(dict.fromkeys([*step.states, *others]))

    def __call__(self, arrays: Mapping[str, Array], setting: Setting) -> None:
        """See to it that the shelf of programs knows the graph of this batch, if it did when it was noted."""
        compiled, shelf = self.step._compiled, self.step._compiled.shelf
        key = _Given.of((setting,), dict(arrays)).key
        programs: list[Any] = shelf.programs.get(key, [])
        waiting: list[Any] = shelf.waiting.get(key, [])
        had = {one.digest for one in programs if isinstance(one, Absent)}
        if not (had or any(isinstance(one, Absent) for one in waiting)):
            return
        if shelf.program(key) is not None or shelf.seen(key) is not None:
            return
        trial = _Trial(had)
        before, drawn = copies(self.states), positions(self.generators)
        compiled.shelf = trial
        try:
            compiled(setting, **arrays)
        except (NotCompiled, ValueError, TypeError, IndexError, FloatingPointError):
            return  # which the batch itself will raise
        finally:
            compiled.shelf = shelf
            put_back(before)
            move_to(self.generators, drawn)
        _replace(programs, trial.programs)
        _replace(waiting, trial.waiting)
        left: list[Sequence[Any]] = [*shelf.programs.values(), *shelf.waiting.values()]
        if not any(isinstance(one, Absent) for ones in left for one in ones):
            self.step.before_batch = None


def _replace(kept: list[Any], made: Mapping[Any, Sequence[Any]]) -> None:
    """Put what was made of a graph in the place of what stands for it."""
    for new in (one for ones in made.values() for one in ones):
        seen = getattr(new, "seen", new)
        for i, one in enumerate(kept):
            if isinstance(one, Absent) and one.digest == digest(seen.skeleton):
                seen.calls = one.calls
                kept[i] = new


class Absent:
    """Stands in a shelf for a graph, or a program, that was there when it was noted."""

    def __init__(self, calls: int, n_nodes: int, n_bytes: int, digest: str) -> None:
        self.calls = calls
        self.n_nodes = n_nodes
        self.n_bytes = n_bytes
        self.digest = digest
        self.seen = self.guards = self.skeleton = self

    def hold(self) -> bool:
        """As guards: nobody knows whether they would hold, so that the graph has to be traced."""
        return False


class _Trial(Shelf[Any]):
    """A shelf for one graph, of which a program is made if there was one."""

    def __init__(self, programs: set[str]) -> None:
        super().__init__()
        self.had = programs

    def is_worth_a_program(self, seen: Seen) -> bool:
        return digest(seen.skeleton) in self.had


# In numbers and texts --------------------------------------------------------------------------------------------------


def _key_of(step: Step, key: Any) -> Any:
    """The key by which the shelf knows the batches that the step counts under `key`."""
    setting, *arrays = key
    inputs, targets, options = setting.form
    places = [*named("inputs", filled(inputs, repeat(0))), *named("targets", filled(targets, repeat(0))), *options]
    like = {
        name: np.broadcast_to(np.zeros((), dtype), shape) for name, (shape, dtype) in zip(places, arrays, strict=True)
    }
    return _Given.of((setting,), like).key


def _listed(form: tuple[Form, Form, tuple[str, ...]]) -> list[Any]:
    return [list(part) if isinstance(part, tuple) else part for part in form]


def _tupled(form: Sequence[Any]) -> Any:
    return tuple([tuple(part) if isinstance(part, list) else part for part in form])


def _weight(weight: float | Node) -> float | None:
    return None if isinstance(weight, Node) else weight


def digest(skeleton: Any) -> str:
    """Give a graph a text that is the same in every process."""
    if isinstance(skeleton, Absent):
        return skeleton.digest
    parts = [
        repr(_plain((skeleton.kinds, skeleton.leaves, skeleton.results))).encode(),
        skeleton.kind_of.tobytes(),
        skeleton.edges.tobytes(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _plain(thing: Any) -> Any:
    """A thing of a skeleton without what differs from process to process: addresses, the order of sets."""
    if isinstance(thing, tuple | list):
        return [_plain(part) for part in thing]
    if isinstance(thing, set | frozenset):
        return sorted([repr(_plain(part)) for part in thing])
    if isinstance(thing, OfClass | type):
        kind = thing.thing if isinstance(thing, OfClass) else thing
        return f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(thing, ByIdentity):
        held = thing.thing
        return [type(held).__qualname__, held.shape, held.name] if isinstance(held, Node) else type(held).__qualname__
    if isinstance(thing, CodeType):
        return [thing.co_qualname, thing.co_code, thing.co_names]
    if thing is None or thing is Ellipsis or isinstance(thing, bool | int | float | str | bytes | np.dtype):
        return repr(thing)
    return type(thing).__qualname__
