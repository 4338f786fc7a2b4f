"""The page of the studies, from what their runs left: `python -m benchmarks.studies`; with a run folder it is taken in first.

minigrad train --config optim/studies/mnist.toml --data-folder FOLDER --out runs/mnist
python -m benchmarks.studies runs/mnist
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from minigrad.files import write_file
from minigrad.optim.figures import save
from minigrad.optim.studies import study

FOLDER = Path(__file__).parent / "studies"
PAGE = Path(__file__).parent / "studies.md"
ABOUT = {  # in the order of the page
    "mnist": (
        "MNIST: eight ways to descend, and one more",
        (
            "A net 784-512-512-10 with relu and dropout 0.2, batches of 128, 35 epochs. 5,000 of the training images choose the epoch; the "
            "test images are looked at once, with the parameters of that epoch. The eight are those of an introductory course (its seven, with SGD at two rates). The ninth, with a falling rate, was added after the test accuracy of the eight was known, so its own is not from a fresh test set. The curves are the losses on the validation images; two runs went on at a time (`--workers 2`)."
        ),
    ),
    "forecasting": (
        "Sunspots, a year ahead",
        (
            "Nets of 16 units read 48 months and say the number of sunspots a year later; the training years end before those that choose "
            "the epoch, and these before the test years. The naive forecast is that of today, the seasonal one that of 132 months before "
            "the month in question. Errors are root mean squares, in spots."
        ),
    ),
    "entities": (
        "Named entities by word windows and max margin",
        (
            "Wikigold: windows of five words, embeddings of words and of how they are written, one hidden layer, the multi-class hinge. Of "
            "five articles in turn three are trained on, one chooses the epoch, one tests. F1 of whole entities, as conlleval counts."
        ),
    ),
    "names": (
        "Names, invented",
        "An LSTM of 96 units learns given names letter by letter, and then draws new ones at temperature 0.8.",
    ),
    "race": (
        "A race down a valley",
        "f(x, y) = (1 − x)² + 10 (y − x²)² from (−1.5, 2), each optimizer at a rate that suits it; the curves are the values over 300 steps.",
    ),
}
NEEDS = {"mnist": " --data-folder FOLDER", "entities": " --data-folder FOLDER"}


def take_in(run: Path) -> None:
    """Keep the results of a run folder, and its curves as they are drawn now."""
    found = json.loads((run / "results.json").read_text("utf-8"))
    if not found["headline"]:
        raise ValueError(f"{run}: the study did not come to its end")
    name = found["study"]
    FOLDER.mkdir(exist_ok=True)
    write_file(FOLDER / f"{name}.json", json.dumps(found) + "\n")
    save(study.curves(found["rows"]), FOLDER / f"{name}.svg")


def page() -> str:
    """Write the page from what is kept."""
    parts = [
        "# Studies on real data\n",
        (
            "Each is a configuration that one command runs again; with the same versions it gives the same numbers. A study leaves a folder "
            "with its results, a table and curves. This page is made from such folders by `python -m benchmarks.studies`.\n"
        ),
    ]
    for name, (title, about) in ABOUT.items():
        file = FOLDER / f"{name}.json"
        if file.exists():
            parts += _section(name, title, about, json.loads(file.read_text("utf-8")))
    return "\n".join(parts)


def _section(name: str, title: str, about: str, found: dict[str, Any]) -> list[str]:
    made = ", ".join(f"{package} {version}" for package, version in found["made with"].items())
    read = "".join(
        f"\n- `{file}`, SHA-256 of what is in it `{checksum}`" for file, checksum in found["sha256 of contents"].items()
    )
    return [
        f"## {title}\n",
        f"    minigrad train --config optim/studies/{name}.toml{NEEDS.get(name, '')}\n",
        f"{about}\n",
        f"**{found['headline']}**\n",
        f"{study.table(found['rows'])}\n",
        f"![The curves of all runs](studies/{name}.svg)\n",
        (
            f"Made with {made}, one BLAS thread; the seeds stand in [the configuration](../optim/studies/{name}.toml)."
            f"{' Read were:' + read if read else ''}\n"
        ),
    ]


def main() -> int:
    """Take in run folders, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="FOLDER", help="run folders to take in")
    for run in parser.parse_args().runs:
        take_in(run)
    write_file(PAGE, page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
