"""The same nets drawn by others: torchviz and torchview, micrograd's notebook, Keras.

    python -m benchmarks drawing --peers             what is installed, as a table
    python -m benchmarks drawing --peers --record    kept in drawing_peers.json, which the page reference/drawing.md shows

It takes torch, torchviz, torchview, micrograd, keras, pydot, and Graphviz's program `dot`, which draws all pictures but ours.
Seconds are from the loss to the text of the SVG, all processes together, the least of three rounds; nodes are the boxes, dots or
items of the picture. The LSTM has 3 inputs and 4 units, a batch of 2 and 20 steps; the one by hand is a loop of linear maps, sigmoids
and tanhs, since a layer of PyTorch's is one operation to those who draw it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import results
from minigrad.files import write_file

FILE = Path(__file__).parent / "drawing_peers.json"
STEPS, BATCH, INPUTS, UNITS = 20, 2, 3, 4
ROUNDS = 3
POINT = 4 / 3  # pixels
PACKAGES = ("torch", "torchviz", "torchview", "micrograd", "keras", "graphviz")
Draw = Callable[[], tuple[str, int]]  # the SVG, and how many nodes it has


# Ours ----------------------------------------------------------------------------------------------------------------


def ours() -> dict[str, Draw]:
    """Our views of the LSTM, and of micrograd's expression."""
    import numpy as np

    import minigrad as mg
    from minigrad.models import LSTM
    from minigrad.optim.experiments import example_graphs

    rng = np.random.default_rng(0)
    layer = LSTM(INPUTS, UNITS, rng=0)
    loss = (layer(mg.Input(rng.normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32), name="u")) ** 2).mean()
    expression = example_graphs.micrograd()

    def drawing(node: mg.Node, count: Callable[[Any], int], **options: Any) -> Draw:
        def draw() -> tuple[str, int]:
            picture = mg.draw(node, **options)
            return picture.svg(), count(picture)

        return draw

    def boxes(picture: Any) -> int:
        return len(picture.diagram.boxes)

    return {
        'LSTM: minigrad, view="flow"': drawing(loss, boxes),
        "LSTM: minigrad, roll=True": drawing(loss, boxes, roll=True),
        'LSTM: minigrad, view="cell"': drawing(loss, lambda view: len(view.panels[0].way), view="cell"),
        'LSTM: minigrad, view="time"': drawing(loss, lambda view: view.n_dots, view="time"),
        'LSTM: minigrad, view="layers"': drawing(loss, lambda view: len(view.layers), view="layers"),
        'expression: minigrad, view="flow"': drawing(expression, boxes),
        'expression: minigrad, view="mirror"': drawing(
            expression, lambda view: 2 * len(view.boxes.boxes), view="mirror"
        ),
    }


# Others --------------------------------------------------------------------------------------------------------------


def by_torch() -> dict[str, Draw]:
    """What draws graphs and modules of PyTorch."""
    import torch
    from torch import nn

    class ByHand(nn.Module):  # type: ignore[misc]
        """An LSTM as a loop."""

        def __init__(self) -> None:
            super().__init__()
            self.from_input, self.from_state = nn.Linear(INPUTS, 4 * UNITS), nn.Linear(UNITS, 4 * UNITS)

        def forward(self, u: Any) -> Any:
            h = c = torch.zeros(BATCH, UNITS)
            for t in range(STEPS):
                i, f, o, g = (self.from_input(u[:, t]) + self.from_state(h)).chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            return (h**2).mean()

    torch.manual_seed(0)
    u, net, fused = torch.randn(BATCH, STEPS, INPUTS), ByHand(), nn.LSTM(INPUTS, UNITS, batch_first=True)
    found: dict[str, Draw] = {}
    if find_spec("torchviz"):
        from torchviz import make_dot

        found["LSTM by hand: torchviz"] = lambda: _svg(make_dot(net(u), params=dict(net.named_parameters())))
        found["LSTM layer: torchviz"] = lambda: _svg(
            make_dot((fused(u)[0][:, -1] ** 2).mean(), params=dict(fused.named_parameters()))
        )
    if find_spec("torchview"):
        from torchview import draw_graph

        def viewed(module: Any, **options: Any) -> Draw:
            return lambda: _svg(draw_graph(module, input_data=u, **options).visual_graph)

        found["LSTM by hand: torchview"] = viewed(net)
        found["LSTM by hand: torchview, roll=True"] = viewed(net, roll=True)
        found["LSTM layer: torchview"] = viewed(fused)
    return found


def by_micrograd() -> dict[str, Draw]:
    """The expression of micrograd's README in the form of its notebook: a record for each value, a circle for its operation."""
    import graphviz
    from micrograd.engine import Value

    def draw() -> tuple[str, int]:
        a, b = Value(-4.0), Value(2.0)
        c, d = a + b, a * b + b**3
        c += c + 1
        c += 1 + c + (-a)
        d += d * 2 + (b + a).relu()
        d += 3 * d + (b - a).relu()
        e = c - d
        f = e**2
        g = f / 2.0
        g += 10.0 / f
        g.backward()
        picture, waiting, seen = graphviz.Digraph(graph_attr={"rankdir": "LR"}), [g], {g}
        while waiting:
            value = waiting.pop()
            name = str(id(value))
            picture.node(name, f"{{ data {value.data:.4f} | grad {value.grad:.4f} }}", shape="record")
            if value._op:
                picture.node(name + value._op, value._op)
                picture.edge(name + value._op, name)
            for child in value._prev:
                picture.edge(str(id(child)), name + value._op)
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
        return _svg(picture)

    return {"expression: micrograd's notebook": draw}


def by_keras() -> dict[str, Draw]:
    """Keras draws a box per layer."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    net = keras.Sequential([keras.Input((STEPS, INPUTS)), keras.layers.LSTM(UNITS)])
    options = {"show_shapes": True, "show_layer_names": True, "show_dtype": True}
    return {"LSTM layer: Keras": lambda: counted(keras.utils.model_to_dot(net, **options).create_svg().decode())}


def _svg(picture: Any) -> tuple[str, int]:
    return counted(picture.pipe(format="svg", encoding="utf-8"))


def counted(svg: str) -> tuple[str, int]:
    """A picture of Graphviz's, and its nodes."""
    return svg, len(re.findall(r'<g id="node', svg))


# Measuring -----------------------------------------------------------------------------------------------------------


def measured(draw: Draw) -> dict[str, float]:
    """Seconds, kilobytes, nodes, and the size in pixels."""
    seconds = []
    for _ in range(ROUNDS):
        start, wall = _cpu(), time.perf_counter()
        svg, nodes = draw()
        seconds.append((_cpu() - start, time.perf_counter() - wall))
    cpu, elapsed = min(seconds)
    return {"cpu": cpu, "wall": elapsed, "kB": len(svg.encode()) / 1000, "nodes": nodes, **size(svg)}


def _cpu() -> float:
    """CPU seconds of this process and of those it has waited for, as `dot`."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def size(svg: str) -> dict[str, float]:
    """Width and height in pixels."""
    found = re.search(r'width="([\d.]+)(pt)?"\s+height="([\d.]+)', svg)
    assert found
    scale = POINT if found[2] else 1.0
    return {"width": round(float(found[1]) * scale), "height": round(float(found[3]) * scale)}


def main(arguments: list[str] | None = None) -> None:
    """Draw with all that is installed, and print or keep the table."""
    parser = argparse.ArgumentParser("python -m benchmarks drawing --peers")
    parser.add_argument("--record", action="store_true", help=f"keep the numbers in {FILE.name}")
    options = parser.parse_args(arguments)
    pictures = ours()
    for package, make in (("torch", by_torch), ("micrograd", by_micrograd), ("keras", by_keras)):
        pictures |= make() if find_spec(package) else {}
    found = {}
    for name, draw in pictures.items():
        draw()  # imports
        found[name] = measured(draw)
        print(line(name, found[name]), flush=True)
    if options.record:
        kept = {**results.conditions(PACKAGES), "measured": found}
        write_file(FILE, json.dumps(kept, indent=1) + "\n")


def line(name: str, found: dict[str, float]) -> str:
    """A picture in a line."""
    return (
        f"{name:38} {found['nodes']:5.0f} nodes  {found['cpu']:6.2f} s CPU  {found['wall']:6.2f} s  {found['kB']:5.0f} kB  "
        f"{found['width']:6.0f} x {found['height']:.0f} px"
    )


if __name__ == "__main__":
    main()
