"""What a picture costs: CPU seconds, bytes, boxes, how much of the page they cover, and how long an arrow is on average.

CPU seconds, for other processes do not count in them; the least of a few rounds, from the node to the text of the SVG.
`--peers` draws the same with others: see `drawing_peers`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np

import minigrad as mg
from benchmarks import drawing_peers
from minigrad.drawing import Drawing
from minigrad.drawing.layout import Route
from minigrad.models import GRU, LSTM, SimpleRNN
from minigrad.optim.experiments import example_graphs

ROUNDS = 3
T = TypeVar("T")


def recurrent(layer: type[SimpleRNN | LSTM | GRU], length: int) -> mg.Node:
    """The mean square of the last state of a layer with 4 units, over a sequence of 3 features."""
    rng = np.random.default_rng(0)
    net = layer(3, 4, rng=rng)
    return (net(mg.Input(rng.normal(size=(2, length, 3)).astype(np.float32), name="u")) ** 2).mean()


def repeated(function: Callable[[mg.Node], mg.Node], times: int) -> mg.Node:
    """f(f(… f(x)))."""
    y: mg.Node = mg.Input(1.0, name="x")
    for _ in range(times):
        y = function(y)
    return y


PICTURES: dict[str, Callable[[], mg.Node]] = {
    "SimpleRNN, 20 steps": lambda: recurrent(SimpleRNN, 20),
    "LSTM, 20 steps": lambda: recurrent(LSTM, 20),
    "GRU, 20 steps": lambda: recurrent(GRU, 20),
    "LSTM, 100 steps": lambda: recurrent(LSTM, 100),
    "y = y + y, 16 times": lambda: repeated(lambda y: y + y, 16),
    "y = sin y, 5000 times": lambda: repeated(np.sin, 5000),
    "y = tanh(y / 2), 5000 times": lambda: repeated(lambda y: np.tanh(y / 2), 5000),
}


ROLLED: dict[str, Callable[[], mg.Node]] = {
    "LSTM, 100 steps, rolled": lambda: recurrent(LSTM, 100),
    "GRU, 100 steps, rolled": lambda: recurrent(GRU, 100),
}
OVER_TIME: dict[str, Callable[[], mg.Node]] = {
    "LSTM, 100 steps, over time": lambda: recurrent(LSTM, 100),
    "GRU, 100 steps, over time": lambda: recurrent(GRU, 100),
}
AS_CELLS: dict[str, Callable[[], mg.Node]] = {
    "LSTM, 100 steps, as a cell": lambda: recurrent(LSTM, 100),
    "GRU, 100 steps, as a cell": lambda: recurrent(GRU, 100),
}
PAGES: dict[str, Callable[[], mg.Node]] = {
    "2-2-1 net, page": example_graphs.net,
    "LSTM, 6 steps, page": lambda: recurrent(LSTM, 6),
    "GRU, 6 steps, page": lambda: recurrent(GRU, 6),
    "LSTM, 32 steps, page": lambda: recurrent(LSTM, 32),
    "GRU, 30 steps, page": lambda: recurrent(GRU, 30),
}


def timed(draw: Callable[[], tuple[T, str]]) -> tuple[float, T, float]:
    """Draw a few times: the least CPU seconds, what was drawn, and the kilobytes of its text."""
    seconds = math.inf
    for _ in range(ROUNDS):
        start = time.process_time()
        drawn, text = draw()
        seconds = min(seconds, time.process_time() - start)
    return seconds, drawn, len(text.encode()) / 1000


def flow(node: mg.Node, *, roll: bool) -> tuple[Drawing, str]:
    """Draw a graph as flow."""
    drawing = mg.draw(node, limit=5000, roll=roll)
    return drawing, drawing.svg()


def over_time(node: mg.Node) -> tuple[int, str]:
    """Draw the adjoints of a graph over time, and count its dots."""
    view = mg.draw(node, view="time")
    return view.n_dots, view.svg()


def as_cell(node: mg.Node) -> tuple[int, str]:
    """Draw the cell of a graph, and count its boxes."""
    view = mg.draw(node, view="cell")
    return view.n_boxes, view.svg()


def page(node: mg.Node) -> tuple[int, str]:
    """Write the page that steps through a graph, and count its nodes."""
    record = mg.record(node)
    return len(record.nodes), record.html()


def _density(drawing: Drawing) -> tuple[float, float]:
    """The part of the page that boxes cover, and the mean length of arrows in pixels."""
    layout = drawing.layout
    area = sum([box.width * box.height for box in drawing.diagram.boxes])
    lengths = [_length(route) for route in layout.routes]
    return area / (layout.width * layout.height), sum(lengths) / max(1, len(lengths))


def _length(route: Route) -> float:
    points = [route.start, *[piece[-1] for piece in route.pieces], route.tip]
    return sum([math.dist(a, b) for a, b in pairwise(points)])


def main() -> None:
    """Print a line per picture."""
    if sys.argv[1:2] == ["--peers"]:
        drawing_peers.main(sys.argv[2:])
        return
    mg.draw(mg.Input(1.0)).svg()  # imports
    width = max([len(name) for name in (*PICTURES, *ROLLED, *OVER_TIME, *AS_CELLS, *PAGES)])
    print(f"{'picture':{width}}  CPU s    kB  boxes  covered  arrow px")
    for name, make in (PICTURES | ROLLED).items():
        node = make()
        seconds, drawing, kilobytes = timed(partial(flow, node, roll=name in ROLLED))
        cover, arrow = _density(drawing)
        _say(f"{name:{width}}", seconds, kilobytes, f"{len(drawing.diagram.boxes):5}  {cover:6.0%}  {arrow:8.0f}")
    for pictures, draw, unit in ((OVER_TIME, over_time, ""), (AS_CELLS, as_cell, ""), (PAGES, page, " nodes")):
        for name, make in pictures.items():
            node = make()
            seconds, count, kilobytes = timed(partial(draw, node))
            _say(f"{name:{width}}", seconds, kilobytes, f"{count:5}{unit}")


def _say(name: str, seconds: float, kilobytes: float, more: str) -> None:
    print(f"{name}  {seconds:5.3f}  {kilobytes:4.0f}  {more}", flush=True)


if __name__ == "__main__":
    main()
