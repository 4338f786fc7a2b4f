"""How long a step takes in a page of 500 nodes: milliseconds of script, style and layout, in Chromium. Noted, never tested."""

import statistics

import pytest

import minigrad as mg
from minigrad.models import LSTM
from tests.drawing.browser import SIZES, chromium, opened
from tests.drawing.graphs import layer


def main() -> None:
    """Print a line per size of the window."""
    loss = layer(LSTM, 32)
    page = mg.draw(loss).html()
    print(f"a page of {len(mg.Graph(loss).nodes)} nodes, {len(page.encode()) / 1000:.0f} kB; milliseconds of a step")
    with chromium() as browser:
        for size in SIZES:
            with opened(browser, page, size=size) as shown:
                times = shown.page.evaluate("look.times()")
            print(
                f"{size[0]:5} x {size[1]}: median {statistics.median(times):.1f}, worst {max(times):.1f}, {len(times)} steps"
            )


if __name__ == "__main__":
    try:
        main()
    except pytest.skip.Exception as missing:
        print(f"step times: {missing.msg}")
