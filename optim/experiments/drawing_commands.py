"""`minigrad draw` and `minigrad explain`: a small example or a trained net as a picture, and its adjoints in words."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minigrad.drawing import draw, explain, record
from minigrad.drawing.dot import DotError
from minigrad.drawing.flow import flow_graph
from minigrad.drawing.named import named
from minigrad.drawing.picture import VIEWS
from minigrad.graph import Graph
from minigrad.node import Node, Parameter
from minigrad.numbering import in_order
from minigrad.optim.experiments.configuration import did_you_mean
from minigrad.optim.experiments.example_graphs import EXAMPLES
from minigrad.optim.experiments.job import printed
from minigrad.optim.experiments.saved_runs import SavedRun

WHAT = "\n".join(
    [
        "EXAMPLE is one of",
        *[f"  {name:<14} {words}" for name, (words, _) in EXAMPLES.items()],
        "",
        "RUN is a folder of minigrad train, such as runs/delayed-digits-1 (write ./net for one that is named as an example).",
        "Drawn is the loss of a few validation examples, with the last parameters of a method and seed.",
    ]
)
MOST = 6  # numbers of nodes that a message lists
CODES = "Exit codes: 0 done; 2 bad values; 3 a file or standard output could not be written; 130 Ctrl-C."
DRAW = f"""\
{WHAT}

examples:
  minigrad draw net --view mirror -o net.svg                     each adjoint below its node
  minigrad draw lstm --view cell -o lstm.svg                     one step as textbooks draw it
  minigrad draw lstm -o lstm.html                                a page
  minigrad draw runs/delayed-digits-1 --view time -o time.svg    how far adjoints reach, by method, on one scale
  minigrad draw lstm --roll --highlight W_h -o lstm.svg          its step, once, and the paths of a weight
  minigrad draw net -o net.mmd                                   for a README
  minigrad draw gru                                              as text, in the terminal

{CODES}
"""
EXPLAIN = f"""\
{WHAT}

examples:
  minigrad explain net w11                                 the path from the loss to w11, and where it ends
  minigrad explain runs/delayed-digits-1 W --method exact
  minigrad explain lstm                                    the whole graph, then every parameter

{CODES}
"""


def add_commands(commands: Any) -> None:
    """Add `draw` and `explain` to the commands of a parser; each sets `command`, a function of the options."""
    drawn = _command(commands, "draw", "draw a small example, or a net that was trained", DRAW)
    drawn.add_argument("--view", choices=VIEWS, help="default: time for a RUN, flow for an EXAMPLE")
    drawn.add_argument("-o", "--out", metavar="FILE", help="its suffix says what to write: .svg .png .html .txt in every view; .json, the record "
                       "of all that is computed; of flow also .mmd (Mermaid), .dot, .pdf (default: text to the terminal)")  # fmt: skip
    drawn.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="the most boxes or dots of a picture (default: 2000, in mirror, cell and layers 200)",
    )
    less = drawn.add_argument_group("less of a large graph, in the view flow; given together, applied in this order")
    less.add_argument(
        "--roll", action="store_true", help="draw like steps of a loop once, with arrows into the next step"
    )
    less.add_argument(
        "--depth", type=int, metavar="N", help="draw each scope within N others as one box: 0, whole layers"
    )
    less.add_argument("--focus", action="append", metavar="NAME", help="draw only what lies between the output and nodes of that "
                      "name, or number (\"#12\"), or in that scope; may be given again")  # fmt: skip
    less.add_argument("--hops", type=int, metavar="N", help="with --focus, draw what is at most N arrows away")
    less.add_argument(
        "--highlight", action="append", metavar="NAME", help="emphasize the paths from such nodes to the output"
    )
    _add_run_options(drawn, "all in the view time, the first in the others")
    drawn.set_defaults(command=lambda **options: _done("draw", _draw, options))
    explained = _command(commands, "explain", "say in words how adjoints reach a parameter, or where they end", EXPLAIN)
    explained.add_argument(
        "parameter",
        metavar="PARAMETER",
        nargs="?",
        help='the name of a parameter or of any node ("W_h" for cell.W_h), or a number ("#12")',
    )
    _add_run_options(explained, "the first")
    explained.set_defaults(command=lambda **options: _done("explain", _explain, options))


def _command(commands: Any, name: str, what: str, epilog: str) -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=epilog,
        formatter_class=plain,
        allow_abbrev=False,
    )
    parser.add_argument("what", metavar="EXAMPLE|RUN", help="a name from the list below, or a folder")
    return parser


def _add_run_options(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--method", help=f"of a RUN, as its config.toml writes it (default: {default})")
    parser.add_argument("--seed", type=int, metavar="SEED", help="of a RUN (default: its first)")


class _NotWrittenError(Exception):
    """The file or standard output could not be written."""


def _done(name: str, work: Callable[..., None], options: Mapping[str, Any]) -> int:
    """Do the work; what fails is a line, and the exit code."""
    try:
        work(**options)
    except KeyboardInterrupt:
        return _failed(name, "interrupted", 130)
    except MemoryError:
        return _failed(name, "this machine has too little memory: draw a smaller net or fewer time steps", 3)
    except (_NotWrittenError, DotError) as error:
        return _failed(name, f"{error}", 3)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        return _failed(name, f"{error}", 2)
    return 0


def _failed(name: str, why: str, code: int) -> int:
    _note(name, why)
    return code


def _note(name: str, text: str) -> None:
    """Say something on standard error, in a line."""
    print(f"minigrad {name}: {' '.join(text.split())}", file=sys.stderr)


def _note_early(name: str, run: SavedRun, methods: Sequence[str], seed: int | None) -> None:
    """Say which of the runs were not trained to their end."""
    for method, label in zip(methods, run.labels(methods, seed), strict=True):
        if run.ended_early(method, seed):
            _note(name, f"{label}: the training ended there, and these are the parameters that it had")


def _draw(
    what: str,
    view: str | None,
    out: str | None,
    limit: int | None,
    method: str | None,
    seed: int | None,
    **transforms: Any,
) -> None:
    run = _opened(what, method, seed)
    view = view or ("flow" if run is None else "time")
    if run is None:
        losses = {"": EXAMPLES[what][1]()}
    else:
        methods = [method] if method else run.methods if view == "time" else run.methods[:1]
        losses = run.losses(methods, seed)
        _note_early("draw", run, methods, seed)
    loss, *others = losses.values()
    if out and Path(out).suffix.lower() == ".json":
        if others:
            raise ValueError(f"{out} takes the record of one net: choose a --method")
        _written(record(loss).save, out)
        return
    title = "" if run is None else run.title(seed)
    asked = {name: given for name, given in transforms.items() if given is not None and given is not False}
    if not others:
        title += f": {next(iter(losses))}" * bool(title)
    if view == "time":
        picture: Any = draw(losses, view="time", title=title, limit=limit, **asked)
    else:
        picture = draw(loss, view=view, title=title, limit=limit, **asked)  # type: ignore[call-overload]
    if view == "cell" and picture.reason:
        _note("draw", f"drawn as flow, since it has no picture as a cell: {picture.reason}")
    if out:
        _written(picture.save, out)
    else:
        _say(picture.text())


def _explain(what: str, parameter: str | None, method: str | None, seed: int | None) -> None:
    run = _opened(what, method, seed)
    loss = EXAMPLES[what][1]() if run is None else run.loss(method or run.methods[0], seed)
    if run is not None:
        methods = [method or run.methods[0]]
        _note_early("explain", run, methods, seed)
        if run.ended_early(methods[0], seed):
            _say(f"{run.title(seed)}: {run.labels(methods, seed)[0]}")
    if parameter is not None:
        _say(explain(_found(parameter, loss), loss))
        return
    _say(record(loss).describe())
    for each in Graph(loss).parameters:
        _say(f"\n{explain(each, loss)}")


def _opened(what: str, method: str | None, seed: int | None) -> SavedRun | None:
    """The run in a folder; None where an example is meant."""
    if what in EXAMPLES:
        if method is not None or seed is not None:
            raise ValueError(f"--method and --seed are of runs, and {what} is an example: leave them out")
        return None
    if not os.path.isdir(what):  # noqa: PTH112 (of a path that no system takes, Path.is_dir raises)
        raise ValueError(
            f"there is no example {what!r}{did_you_mean(what, EXAMPLES)} and no folder of that name: give a folder of minigrad "
            f"train, or one of {', '.join(EXAMPLES)}"
        )
    return SavedRun(what)


def _found(name: str, loss: Node) -> Node:
    """The parameter of that name, or the one node, named as --focus does; ValueError where there is none, or several."""
    nodes = in_order([loss])
    parameters = ", ".join([node.name for node in nodes if isinstance(node, Parameter)])
    try:
        places = named(flow_graph(loss, False, "minigrad explain"), name, repr(name))
    except ValueError as error:
        raise ValueError(f"{error}; parameters are {parameters}") from None
    found = [nodes[i] for i in places]
    exact = [node for node in found if node.name == name] or found
    found = [node for node in exact if isinstance(node, Parameter)] or exact
    if len(found) > 1:
        numbers = ", ".join([f"#{i}" for i in places[:MOST]]) + ", …" * (len(places) > MOST)
        raise ValueError(
            f"{len(found)} nodes are named {name!r}: explain a parameter, one of {parameters}, or a node by its number, one of {numbers}"
        )
    return found[0]


def _written(save: Callable[[str], None], out: str) -> None:
    try:
        save(out)
    except OSError as error:
        raise _NotWrittenError(f"{error}") from error


def _say(text: str) -> None:
    if why := printed(text):
        raise _NotWrittenError(f"standard output could not be written ({why})")
