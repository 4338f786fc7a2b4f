"""Every graph of `graphs.ALL` in every view, by every writer of text, and the hashes of what they write.

    python -m tests.drawing.fingerprints                   compare with the committed hashes, and name what differs
    python -m tests.drawing.fingerprints --write FOLDER    write the texts instead, to compare them with those of another version

The last digits of a number depend on the processor (kernels of BLAS, vector instructions). So all graphs are of float64, no
text shows a number that is nothing but rounding, and where a text shows more than six digits, they are rounded before it is hashed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from hashlib import sha256
from pathlib import Path

import minigrad as mg
from minigrad.drawing.events import record_forward
from minigrad.drawing.picture import VIEWS
from tests.drawing.graphs import ALL

HASHES = Path(__file__).parent / "golden" / "hashes.json"
NUMBER = re.compile(r"(?<![\w#.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")


def texts(graph):
    """What each writer makes of each view that a graph has."""
    outputs = ALL[graph]()
    found = {"record.json": recorded(outputs).json()}
    for view in VIEWS:
        try:
            drawing = mg.draw(outputs, view=view)
        except (TypeError, ValueError):  # of several outputs, without steps, without layers, with too many boxes
            continue
        writers = {"svg": drawing.svg, "html": drawing.html, "txt": drawing.text}
        if view == "flow":
            writers |= {"dot": drawing.dot, "mmd": drawing.mermaid}
        for suffix, write in writers.items():
            try:
                found[f"{view}.{suffix}"] = write()
            except ValueError:
                assert suffix == "mmd", "Mermaid draws up to 500 arrows"
    return found


def recorded(outputs):
    """The whole record of a loss, what is computed forward of other nodes."""
    if not isinstance(outputs, mg.Node):
        return record_forward(outputs)
    return mg.record(outputs) if outputs.size == 1 else record_forward([outputs])


def rounded(text):
    """The text as it is on every processor."""
    return NUMBER.sub(lambda number: f"{_snapped(float(number[0])):.6g}" if len(number[0]) > 7 else number[0], text)


def _snapped(number):
    return 0.0 if abs(number) < 1e-12 else number


def hashed(text):
    """Twenty digits of the text's SHA-256, which tell texts apart as well as sixty-four."""
    return sha256(text.encode()).hexdigest()[:20]


def committed():
    """The hashes of the repository: graph -> text -> hash."""
    return json.loads(HASHES.read_text("utf-8"))


def as_lines(hashes):
    """The hashes as JSON, a line for each text, so that two changes of different texts can be merged."""
    graphs = [
        f'"{graph}": {{\n' + ",\n".join([f'  "{name}": "{found}"' for name, found in sorted(of.items())]) + "\n}"
        for graph, of in hashes.items()
    ]
    return "{" + ",\n".join(graphs) + "}\n"


def all_hashes():
    """graph -> text -> hash, of what is written today."""
    return {graph: {name: hashed(rounded(text)) for name, text in texts(graph).items()} for graph in ALL}


def written(folder):
    """Write every text into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for graph in ALL:
        for name, text in texts(graph).items():
            (folder / f"{graph} {name}").write_text(text, "utf-8")


def differences(hashes):
    """The texts whose hashes are not the committed ones."""
    kept = committed()
    pairs = {(graph, name) for of in (kept, hashes) for graph in of for name in of[graph]}
    return sorted(
        f"{graph} {name}" for graph, name in pairs if kept.get(graph, {}).get(name) != hashes.get(graph, {}).get(name)
    )


def main():
    """Compare, or write."""
    parser = argparse.ArgumentParser(
        "python -m tests.drawing.fingerprints", description="Compare with the committed hashes."
    )
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the texts into this folder instead")
    folder = parser.parse_args().write
    if folder is not None:
        written(folder)
        return 0
    found = differences(all_hashes())
    print("\n".join(found) or "all texts have the committed hashes")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
