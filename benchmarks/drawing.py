"""What a picture costs: CPU seconds, bytes, boxes, how much of the page they cover, and how long an arrow is on average.

CPU seconds, for other processes do not count in them; the least of a few rounds, from the node to the text of the SVG.
`--peers` draws the same with others: see `drawing_peers`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

import minigrad as mg
from benchmarks import drawing_peers
from minigrad.drawing import Drawing
from minigrad.drawing.layout import Route
from minigrad.models import GRU, LSTM, SimpleRNN
from minigrad.optim.experiments import example_graphs

ROUNDS = 3


class Measured(NamedTuple):
    """A picture in numbers."""

    seconds: float
    kilobytes: float
    boxes: int
    cover: float
    arrow: float


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


def measured(make: Callable[[], mg.Node], *, roll: bool = False) -> Measured:
    """Draw a graph, its nodes made before the clock runs."""
    node = make()
    seconds = math.inf
    for _ in range(ROUNDS):
        start = time.process_time()
        drawing = mg.draw(node, limit=5000, roll=roll)
        svg = drawing.svg()
        seconds = min(seconds, time.process_time() - start)
    return Measured(seconds, len(svg.encode()) / 1000, len(drawing.diagram.boxes), *_density(drawing))


ROLLED: dict[str, Callable[[], mg.Node]] = {
    "LSTM, 100 steps, rolled": lambda: recurrent(LSTM, 100),
    "GRU, 100 steps, rolled": lambda: recurrent(GRU, 100),
}
OVER_TIME: dict[str, Callable[[], mg.Node]] = {
    "LSTM, 100 steps, over time": lambda: recurrent(LSTM, 100),
    "GRU, 100 steps, over time": lambda: recurrent(GRU, 100),
}


def measured_over_time(make: Callable[[], mg.Node]) -> tuple[float, float, int]:
    """Draw the adjoints of a graph over time: CPU seconds, kilobytes, dots."""
    node = make()
    seconds = math.inf
    for _ in range(ROUNDS):
        start = time.process_time()
        drawing = mg.draw(node, view="time")
        svg = drawing.svg()
        seconds = min(seconds, time.process_time() - start)
    return seconds, len(svg.encode()) / 1000, drawing.n_dots


AS_CELLS: dict[str, Callable[[], mg.Node]] = {
    "LSTM, 100 steps, as a cell": lambda: recurrent(LSTM, 100),
    "GRU, 100 steps, as a cell": lambda: recurrent(GRU, 100),
}


def measured_as_cell(make: Callable[[], mg.Node]) -> tuple[float, float, int]:
    """Draw the cell of a graph: CPU seconds, kilobytes, boxes."""
    node = make()
    seconds = math.inf
    for _ in range(ROUNDS):
        start = time.process_time()
        view = mg.draw(node, view="cell")
        svg = view.svg()
        seconds = min(seconds, time.process_time() - start)
    return seconds, len(svg.encode()) / 1000, view.n_boxes


PAGES: dict[str, Callable[[], mg.Node]] = {
    "2-2-1 net, page": example_graphs.net,
    "LSTM, 6 steps, page": lambda: recurrent(LSTM, 6),
    "GRU, 6 steps, page": lambda: recurrent(GRU, 6),
    "LSTM, 32 steps, page": lambda: recurrent(LSTM, 32),
    "GRU, 30 steps, page": lambda: recurrent(GRU, 30),
}


def measured_page(make: Callable[[], mg.Node]) -> tuple[float, float, int]:
    """Write the page that steps through a graph: CPU seconds, kilobytes, nodes."""
    node = make()
    seconds = math.inf
    for _ in range(ROUNDS):
        start = time.process_time()
        record = mg.record(node)
        page = record.html()
        seconds = min(seconds, time.process_time() - start)
    return seconds, len(page.encode()) / 1000, len(record.nodes)


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
        m = measured(make, roll=name in ROLLED)
        print(
            f"{name:{width}}  {m.seconds:5.3f}  {m.kilobytes:4.0f}  {m.boxes:5}  {m.cover:6.0%}  {m.arrow:8.0f}",
            flush=True,
        )
    for name, make in OVER_TIME.items():
        seconds, kilobytes, dots = measured_over_time(make)
        print(f"{name:{width}}  {seconds:5.3f}  {kilobytes:4.0f}  {dots:5}", flush=True)
    for name, make in AS_CELLS.items():
        seconds, kilobytes, boxes = measured_as_cell(make)
        print(f"{name:{width}}  {seconds:5.3f}  {kilobytes:4.0f}  {boxes:5}", flush=True)
    for name, make in PAGES.items():
        seconds, kilobytes, nodes = measured_page(make)
        print(f"{name:{width}}  {seconds:5.3f}  {kilobytes:4.0f}  {nodes:5} nodes", flush=True)


if __name__ == "__main__":
    main()
