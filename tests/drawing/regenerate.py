"""Write the golden files anew: `python -m tests.drawing.regenerate`, then look at the differences.

Of the texts that are kept as hashes, `python -m tests.drawing.fingerprints --write FOLDER` writes both versions out.
"""

from pathlib import Path
from unittest.mock import patch

import minigrad as mg
from minigrad.drawing import dot
from minigrad.models import GRU, LSTM
from tests.drawing import fingerprints
from tests.drawing.graphs import classifier, expression, layer, net_2_2_1, scoped

GOLDEN = Path(__file__).parent / "golden"
NETS = {"net_2_2_1": lambda: net_2_2_1()[0], "expression": lambda: expression()[0]}


def texts():
    """The golden files by name."""
    found = {}
    for name, net in NETS.items():
        drawing = mg.draw(net())
        found |= {f"{name}.svg": drawing.svg(), f"{name}.dot": drawing.dot(), f"{name}.txt": mg.listing(net()) + "\n"}
        found[f"{name}.mmd"] = drawing.mermaid()
    answer = (GOLDEN / "dot_answer.json").read_bytes()  # of Graphviz 2.43, to the picture of `scoped`
    with patch.object(dot, "run", lambda *_: answer):
        found["by_dot.svg"] = mg.draw(scoped(), direction="TB", layout="dot").svg()
    return found


def views():
    """A picture of each further view, and its text."""
    mirror = mg.draw(net_2_2_1()[0], view="mirror")
    layers = mg.draw(classifier("conv"), view="layers")
    lstm, gru = [mg.draw(layer(cell, 6), view="cell") for cell in (LSTM, GRU)]
    time = mg.draw(layer(LSTM, 24), view="time", cut=("h", "c"))
    return {
        f"{name}{suffix}": text
        for name, view in (
            ("cell_lstm", lstm),
            ("cell_gru", gru),
            ("layers_conv", layers),
            ("mirror_2_2_1", mirror),
            ("time_lstm", time),
        )
        for suffix, text in ((".svg", view.svg()), (".txt", view.text()))
    }


if __name__ == "__main__":
    for name, text in (texts() | views()).items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
    fingerprints.HASHES.write_text(fingerprints.as_lines(fingerprints.all_hashes()), encoding="utf-8")
