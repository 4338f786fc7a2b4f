"""The command line: `minigrad train`, `draw` and `explain`. It only parses; the work is `minigrad.optim`'s."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from minigrad import __version__
from minigrad.files import FULL
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.drawing_commands import add_commands
from minigrad.optim.experiments.job import Job, printed
from minigrad.optim.studies.study import Study, is_study

DESCRIPTION = """\
Train a recurrent net by backpropagation, by penalized backpropagation (exact: full double backpropagation) and by its
immediate form, from the same parameters and on the same batches, and compare them.

The net is x_i = tanh(W x_{i-1} + R u_i + b_1), its answer V x_T + b_o. Its adjoints λ_t = ∂loss/∂x_t tend to vanish or
to explode on their way from the last time step to the first; the penalty G on them works against that.
"""

EXAMPLES = """\
examples:
  minigrad train                                      digits to be remembered, three methods, three seeds
  minigrad train --methods backprop omega=0.1 log-ratio    other penalties, each with a weight of its own
  minigrad train --task temporal-order --seeds 4      the task on which backpropagation mostly stays at chance
  minigrad train --seeds 8 --workers 2                two runs at a time, to the same numbers
  minigrad train --initialization orthogonal          a start from which adjoints hardly vanish
  minigrad train --methods backprop soft-orthogonality     a penalty on W itself, which costs little
  minigrad train --task mnist --download              MNIST, row by row
  minigrad train --task copy-memory --seeds 4         symbols to be repeated, an answer at every time step
  minigrad train --task temporal-order --length 20..50     a length drawn for every batch, tested at 50 time steps
  minigrad train --config runs/delayed-digits-1/config.toml   the same numbers again, bit for bit
  minigrad train --resume runs/delayed-digits-1       what was killed goes on behind the runs that had ended
  minigrad train --config optim/studies/mnist.toml --data-folder FOLDER     a study on real data; there are five

Every run leaves a new folder with a report, figures, the history as CSV, the parameters and the configuration.
Sizes that would take more than 16 GiB of memory by estimate are refused, and so is any number beyond reason.
Exit codes: 0 done; 1 a run diverged; 2 bad values (nothing was started); 3 a file or picture could not be written, as on
a full disk (what was saved before is kept); 130 Ctrl-C or a termination signal (what was reached is saved).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no λ shows ?
    try:
        options = vars(_parser().parse_args(arguments))
    except SystemExit:
        printed("", end="")  # --help, for a reader that has gone
        raise
    with _terminated_as_by_ctrl_c():
        return int(options.pop("command")(**options))


def _train(config: str, out: str, quiet: bool, workers: int, resume: str = "", **options: Any) -> int:
    """Do the main job; every failure that is no mistake of minigrad's own is one line and an exit code."""
    kept = ""
    try:
        if resume:
            config = _resumed(resume, config, out)
        if config and is_study(config):
            _check_study(options)
            data = options.get("data_folder", "")
            study = Study(config, data, out, workers=workers, quiet=quiet, resumed=resume)
            kept = f"; runs that had ended are in {study.place}"
            return study.run()
        if resume and options:
            raise ValueError(
                f"--resume goes on with the options in {config}: leave out {', '.join(map(_option, options))}"
            )
        configuration = Configuration.load(config, **options) if config else Configuration.of(**options)
        job = Job(configuration, out, quiet=quiet, workers=workers, resumed=resume)
        kept = f"; runs that had ended are in {job.folder.path}"
        return job.run()
    except KeyboardInterrupt:
        return _failed(f"interrupted{kept or ' before the training began'}", 130)
    except MemoryError:
        return _failed(f"this machine has too little memory: lower states, length or batch_size{kept}", 3)
    except OSError as error:
        return _failed(f"{error}{kept}", 3 if kept or error.errno in FULL else 2)
    except (ValueError, ModuleNotFoundError) as error:
        if kept:
            raise
        return _failed(f"{error}", 2)


def _resumed(folder: str, config: str, out: str) -> str:
    """Find the configuration of a run folder; an error where it is none, or where another folder is named beside it."""
    if config or out:
        raise ValueError(
            f"--resume {folder} goes on in that folder, with its configuration: leave out --config and --out"
        )
    path = Path(folder) / "config.toml"
    if not path.is_file():
        raise FileNotFoundError(
            f"--resume {folder}: there is no config.toml: expected a folder that minigrad train has left"
        )
    return str(path)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _check_study(options: dict[str, Any]) -> None:
    """ValueError for options of the main job: a study's settings stand in its configuration."""
    others = [_option(name) for name in options if name != "data_folder"]
    if others:
        raise ValueError(
            f"{', '.join(others)}: a study takes --data-folder, --out, --workers and --quiet; copy its configuration to change the rest"
        )


def _failed(why: str, code: int) -> int:
    print(f"minigrad train: {' '.join(why.split())}", file=sys.stderr)
    return code


@contextmanager
def _terminated_as_by_ctrl_c() -> Iterator[None]:
    """Let a termination signal save what was reached, as Ctrl-C does; only the main thread may set that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("minigrad", description="An autodiff engine you can see through.")
    parser.add_argument("--version", action="version", version=f"minigrad {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    train = commands.add_parser(
        "train",
        help="train a recurrent net by backpropagation and by penalized backpropagation, and compare",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for option in fields(Configuration):
        if option.metadata:
            train.add_argument(f"--{option.name.replace('_', '-')}", **_settings(option.default, option.metadata))
    train.add_argument(
        "--out", default="", metavar="FOLDER", help="the new folder for the results (default: runs/<task>-<n>)"
    )
    train.add_argument("--config", default="", metavar="FILE", help="take the options from a saved config.toml; those given here override it")  # fmt: skip
    train.add_argument("--resume", default=argparse.SUPPRESS, metavar="FOLDER", help="go on with a job that was cut off, in its folder, to the same numbers")  # fmt: skip
    train.add_argument("--workers", type=int, default=1, metavar="N", help="runs at the same time, in processes; the same numbers as with one (default: 1)")  # fmt: skip
    train.add_argument("--quiet", action="store_true", help="print errors only")
    train.set_defaults(command=_train)
    add_commands(commands)
    return parser


def _settings(default: Any, metadata: Any) -> dict[str, Any]:
    """How argparse reads an option. What is not given stays away, so that a configuration file may say it."""
    settings: dict[str, Any] = {"default": argparse.SUPPRESS, "help": metadata["help"]}
    if isinstance(default, bool):
        return settings | {"action": "store_true"}
    settings["metavar"] = metadata["metavar"]
    if isinstance(default, tuple):
        return settings | {"nargs": "+", "action": "extend"}
    return settings | {"type": metadata.get("type", type(default))}


if __name__ == "__main__":
    sys.exit(main())
