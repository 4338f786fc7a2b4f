"""Kill trainings and damage files, as often as one likes; the suite does it some hundred times.

    python -m tests.survival --kills 100 --files 10000

The same seed gives the same files. What fails is printed, and the exit code is 1.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.survival import fuzz
from tests.survival.killing import killed


@contextmanager
def never_run() -> Iterator[None]:
    """Let an audit hook end the program where something is run, imported or unpickled meanwhile."""
    watching = [True]

    def hook(event: str, arguments: object) -> None:
        if watching and event in RUN:
            raise AssertionError(f"{event} {arguments} while a damaged file was loaded")

    sys.addaudithook(hook)
    try:
        yield
    finally:
        watching.clear()


RUN = ("exec", "import", "pickle.find_class", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn")


def main() -> int:
    """Run as many as asked for."""
    parser = argparse.ArgumentParser("python -m tests.survival", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how often trainings are killed (default: 100)")
    parser.add_argument("--files", type=int, default=10_000, help="how many damaged files are loaded (default: 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    if options.kills:
        kills = killed(options.kills, options.seed)
        said = ", ".join(f"{n} by {how}" for how, n in sorted(kills.items()))
        print(f"{sum(kills.values())} trainings killed ({said}): all ended with the same bits", flush=True)
    with TemporaryDirectory() as folder:
        for name, (write, load) in fuzz.WRITERS.items():  # what they import is imported
            write(Path(folder) / name)
            load(Path(folder) / name)
        n = options.files // (len(fuzz.WRITERS) + 1)
        with never_run():
            for name in fuzz.WRITERS:
                print(
                    f"{fuzz.refused(name, n, Path(folder), options.seed)} of {n} damaged files of {name} refused",
                    flush=True,
                )
            n_refused = fuzz.refused_from_elsewhere(n, Path(folder), options.seed)
            print(f"{n_refused} of {n} damaged files of another program refused; {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
