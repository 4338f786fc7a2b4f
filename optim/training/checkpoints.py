"""Checkpoints: all that a training needs to go on, in one file that is whole or not there.

A checkpoint is a safetensors file with a checksum (`minigrad.array_files`): its arrays, and one text in JSON with all that is no
array. Nothing in it is ever run.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minigrad.array_files import CHECKPOINT, UnreadableFileError, read_arrays, write_arrays
from minigrad.files import not_written, remove_leftovers, sync_folder
from minigrad.models import Module
from minigrad.node import Array
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.training.generators import generators_of, move_to, positions
from minigrad.optim.training.history import History

VERSION = 1  # of what the JSON says
ARRAY = "@array"  # {"@array": name} stands in the JSON for an array of the file
RESERVED = ("model", "optimizer", "history", "generators")


# Files -----------------------------------------------------------------------------------------------------------------


def write_state(path: str | os.PathLike[str], kind: str, state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of numbers, texts, None and arrays; on the disk itself when it returns.

    kind: what it is a checkpoint of, which `read_state` asks for

    Errors: TypeError names what is none of these; OSError the file that cannot be written, which is then as it was.
    """
    arrays: dict[str, Array] = {}
    tree = {"version": VERSION, "kind": kind, "state": _without_arrays(state, "", arrays)}
    write_arrays(path, arrays, {CHECKPOINT: json.dumps(tree)})
    sync_folder(Path(path).parent)


def read_state(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Read what `write_state` wrote; tuples come back as lists.

    Errors: FileNotFoundError; UnreadableFileError, which says what is wrong with the file.
    """
    arrays, texts = read_arrays(path, checked=True)
    try:
        tree = json.loads(texts[CHECKPOINT])
        version, found, state = tree["version"], tree["kind"], tree["state"]
    except (KeyError, TypeError, ValueError, RecursionError):
        _refuse(path, "it is no checkpoint")
    if version != VERSION:
        _refuse(path, f"it is a checkpoint of version {version!r}, expected {VERSION}")
    if found != kind:
        _refuse(path, f"it is a checkpoint of {found!r}, expected one of {kind!r}")
    try:
        restored: dict[str, Any] = dict(_with_arrays(state, arrays))
    except (KeyError, TypeError, ValueError, RecursionError):
        _refuse(path, "its arrays are not those it names")
    return restored


def _refuse(path: str | os.PathLike[str], why: str) -> NoReturn:
    raise UnreadableFileError(f"{os.fspath(path)} cannot be gone on from: {why}") from None


def _without_arrays(tree: Any, path: str, arrays: dict[str, Array]) -> Any:
    """The tree with {"@array": name} in the place of every array, which is added to `arrays` by that name."""
    if isinstance(tree, np.ndarray):
        name = path
        while name in arrays:
            name += "'"
        arrays[name] = tree
        return {ARRAY: name}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if isinstance(tree, Mapping) and ARRAY not in tree and all(isinstance(key, str) for key in tree):
        return {key: _without_arrays(part, f"{path}/{key}" if path else key, arrays) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_arrays(part, f"{path}/{i}", arrays) for i, part in enumerate(tree)]
    raise TypeError(
        f"a checkpoint holds numbers, texts, arrays, and lists and dicts of them (by text other than {ARRAY!r}), and {path} is a "
        f"{type(tree).__name__}"
    )


def _with_arrays(tree: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {ARRAY}:
            return arrays[tree[ARRAY]]
        return {key: _with_arrays(part, arrays) for key, part in tree.items()}
    return [_with_arrays(part, arrays) for part in tree] if isinstance(tree, list) else tree


# For a loop of one's own -----------------------------------------------------------------------------------------------


def save_checkpoint(
    path: str | os.PathLike[str],
    model: Module,
    optimizer: Optimizer | None = None,
    *,
    rng: np.random.Generator | Sequence[np.random.Generator] = (),
    history: History | None = None,
    **notes: Any,
) -> None:
    """Save all that a loop of one's own needs to go on, in one file, as a whole or not at all.

    model, optimizer: their `state_dict()`; of the model also the generators that it draws from (`Dropout`)
    rng:     the generator that the loop draws from, or a list of several
    history: the rows so far
    notes:   what else is to be kept, by name: numbers, texts, arrays, lists and dicts of them, as epoch=3

    The file is safetensors with a checksum, and JSON; no code. `fit(..., checkpoints=folder)` does all of this by itself.

    >>> import numpy as np, tempfile
    >>> from minigrad.models import Dense
    >>> from minigrad.optim import Adam, load_checkpoint, save_checkpoint
    >>> net, rng = Dense(2, 1, rng=0), np.random.default_rng(0)
    >>> optimizer = Adam(net.parameters())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/3.safetensors", net, optimizer, rng=rng, epoch=3)
    ...     later = Dense(2, 1)
    ...     found = load_checkpoint(f"{folder}/3.safetensors", later, Adam(later.parameters()), rng=rng)
    >>> found["epoch"], bool((later.W.value == net.W.value).all())
    (3, True)

    Errors: TypeError names a note that is none of these; OSError the file that cannot be written, which is then as it was.
    """
    for name in RESERVED:
        if name in notes:
            raise TypeError(f"save_checkpoint({name}=...): the name is taken: give the note another one")
    drawn = {"loop": positions(_generators(rng)), "model": positions(generators_of([model]))}
    state: dict[str, Any] = {**notes, "model": model.state_dict(), "generators": drawn}
    if optimizer is not None:
        state["optimizer"] = optimizer.state_dict()
    if history is not None:
        state["history"] = {name: list(column) for name, column in history.items()}
    write_state(path, "a loop", state)


def load_checkpoint(
    path: str | os.PathLike[str],
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    rng: np.random.Generator | Sequence[np.random.Generator] = (),
    history: History | None = None,
) -> dict[str, Any]:
    """Load what `save_checkpoint` saved into a like model, optimizer, generators and an empty history; give back all of it by name.

    The dict has "model" and "optimizer", their arrays by name; "generators"; "history", its columns; and the notes. What is not given
    is only found there.

    Errors: FileNotFoundError; `UnreadableFileError`, a ValueError, where the file is damaged, was changed or is something else;
    ValueError where what is given does not fit. All name the file, and then nothing was changed.
    """
    state = read_state(path, "a loop")
    drawn_from = {"loop": _generators(rng), "model": generators_of([model])}
    before = {owner: positions(generators) for owner, generators in drawn_from.items()}
    undo: list[tuple[Any, Any]] = []
    try:
        for owner, generators in drawn_from.items():
            if generators:
                move_to(generators, state["generators"][owner])
        for thing, name in ((model, "model"), (optimizer, "optimizer")):
            if thing is not None:
                if name not in state:
                    raise ValueError(f"it was saved without {name}=")
                undo.append((thing, thing.state_dict()))
                thing.load_state_dict(state[name])
        if history is not None:
            _fill(history, state.get("history", {}))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        for thing, old in undo:
            thing.load_state_dict(old)
        for owner, generators in drawn_from.items():
            move_to(generators, before[owner])
        raise ValueError(f"{os.fspath(path)} does not fit: {error}") from None
    return state


def _generators(rng: np.random.Generator | Sequence[np.random.Generator]) -> list[np.random.Generator]:
    return [rng] if isinstance(rng, np.random.Generator) else list(rng)


def _fill(history: History, columns: Mapping[str, Sequence[Any]]) -> None:
    if history.n_rows:
        raise ValueError(f"the history has {history.n_rows} rows already: give an empty one, History()")
    for row in zip(*columns.values(), strict=True):
        history.append(**dict(zip(columns, row, strict=True)))


# A folder of them ------------------------------------------------------------------------------------------------------


class Checkpoints:
    """Where and how often `fit` saves all that it needs to go on: `fit(..., checkpoints=Checkpoints(folder, every_steps=500))`.

    folder:       made if it is not there; one for each training
    every_epochs: save after so many epochs, and at the end
    every_steps:  save after so many steps too, in the middle of epochs; None for not
    keep:         how many to keep: the last one, and those before it, which are there if the last one is damaged

    A folder that has checkpoints of the same training is gone on from: `fit` with the same arguments ends with the same bits as if it
    had never been stopped, whether it was killed, interrupted, or out of disk space. (With the same versions of NumPy and BLAS, on a
    like machine, with as many BLAS threads.) `epochs` alone may be larger. A folder with those of another training is a ValueError,
    which says what differs. A checkpoint that is damaged, was changed, or is something else is passed over with a RuntimeWarning, and
    the one before it is taken; if none can be read, `UnreadableFileError` says so.

    A checkpoint holds parameters, running statistics, the optimizer's state, the generators of `fit`, of the model, the loss, penalties and
    callbacks, the order of the epoch's examples and how far it came, the history, and of callbacks what their `state_dict()` gives.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_epochs: int = 1,
        every_steps: int | None = None,
        keep: int = 2,
    ) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(f"Checkpoints(folder): expected the name of a folder, found {type(folder).__name__}")
        for name, number in (("every_epochs", every_epochs), ("every_steps", every_steps), ("keep", keep)):
            if number is not None and (type(number) is not int or number < 1):
                raise ValueError(f"Checkpoints({name}={number!r}): expected an integer of at least 1")
        self.folder = Path(folder)
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.keep = keep
        self.failed: OSError | None = None  # of the last write
        self._sound: list[Path] = []  # that were written or read

    def files(self) -> list[Path]:
        """List the checkpoints that are there, the oldest first."""
        numbered = [(int(found[1]), path) for path in self._entries() if (found := NAMED.fullmatch(path.name))]
        return [path for _, path in sorted(numbered)]

    def _entries(self) -> list[Path]:
        return [*self.folder.iterdir()] if self.folder.is_dir() else []

    def open(self) -> None:
        """Make the folder, and remove what writes left that were killed."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise not_written(self.folder, error) from error
        remove_leftovers(self.folder)

    def write(self, kind: str, state: Mapping[str, Any]) -> None:
        """Save one more, and remove the oldest; OSError, with all that were there still there, where it cannot be written."""
        there = self.files()
        last = int(NAMED.fullmatch(there[-1].name)[1]) if there else 0  # type: ignore[index]
        path = self.folder / f"checkpoint-{last + 1:06}.safetensors"
        write_state(path, kind, state)
        self._sound.append(path)
        self._sound = self._sound[-self.keep :]
        for old in there:
            if old not in self._sound:
                old.unlink(missing_ok=True)

    def try_to_write(self, kind: str, state: Mapping[str, Any]) -> None:
        """Save one more if that can be; a failure is a RuntimeWarning: the training is worth more than this checkpoint."""
        try:
            self.write(kind, state)
            self.failed = None
        except OSError as error:
            self.failed = error
            warnings.warn(
                f"{error}. The training goes on, and the checkpoints before this one are kept",
                RuntimeWarning,
                stacklevel=4,
            )

    def newest(self, kind: str, take: Any) -> Path | None:
        """Give the newest that can be read to `take`, which raises UnreadableFileError for one that it cannot use; None if there is none."""
        refused: list[str] = []
        for path in reversed(self.files()):
            try:
                take(path, read_state(path, kind))
            except (UnreadableFileError, OSError) as error:
                refused.append(str(error))
                if isinstance(error, OSError):  # it may be sound, and is not to be written over
                    self._sound.insert(0, path)
                continue
            self._sound.insert(0, path)
            if refused:
                warnings.warn(f"{'; '.join(refused)}. So {path} is gone on from", RuntimeWarning, stacklevel=4)
            return path
        if refused:
            raise UnreadableFileError(
                f"{'; '.join(refused)}. {self.folder} has no checkpoint that can be gone on from: give the arguments and callbacks that it was made with, or another folder to begin anew"
            )
        return None


NAMED = re.compile(r"checkpoint-(\d+)\.safetensors")
