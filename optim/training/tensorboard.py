"""TensorBoard's event files, written by a callback while a training runs."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from minigrad.optim.training.callbacks import Callback, Training


class TensorBoard(Callback):
    """Write the history's numbers, epoch by epoch, where TensorBoard reads them: `tensorboard --logdir folder`.

    folder: made if it is not there; a run in a folder of its own is a curve of its own
    every_steps: also write what every n-th step gave (its loss, penalty and gradient_norm), as step/<name>; None for epochs alone

    Columns of the training are written as epoch/<name>, those of the validation as validation/<name>. A training that is resumed goes on
    in the same curves. Needs the extra [tensorboard]; ImportError without.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every_steps: int | None = None) -> None:
        if every_steps is not None and not (hasattr(every_steps, "__index__") and every_steps >= 1):
            raise ValueError(f"TensorBoard(every_steps={every_steps!r}): expected an integer of at least 1, or None")
        try:
            self._package = importlib.import_module("tensorboardX")
        except ImportError as error:
            raise ImportError(
                "TensorBoard needs the package tensorboardX: pip install 'minigrad[tensorboard]'"
            ) from error
        self.folder = os.fspath(folder)
        self.every_steps = every_steps
        self._writer: Any = None

    def before_training(self, training: Training) -> None:
        """Open a file of events in the folder."""
        self._close()
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        # The package names files by the second, and writes over one of the same name.
        suffix = f".{os.getpid()}.{sum(1 for _ in folder.iterdir())}"
        self._writer = self._package.SummaryWriter(self.folder, filename_suffix=suffix)

    def after_step(self, training: Training) -> bool | None:
        """Write what the step gave, if its turn has come."""
        if self.every_steps is not None and training.step % self.every_steps == 0:
            for name, number in training.numbers.items():
                self._writer.add_scalar(f"step/{name}", number, training.step)
        return None

    def after_epoch(self, training: Training) -> bool | None:
        """Write the last row of the history."""
        for name, column in training.history.items():
            if name != "epoch":
                held = name.startswith("val_")
                tag = f"validation/{name.removeprefix('val_')}" if held else f"epoch/{name}"
                self._writer.add_scalar(tag, column[-1], training.epoch)
        self._writer.flush()  # so that a page that is open shows it
        return None

    def after_training(self, training: Training) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
