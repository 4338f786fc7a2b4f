"""Run one benchmark: `python -m benchmarks eager`; without a name, list them."""

from __future__ import annotations

import os
import pkgutil
import runpy
import sys

import benchmarks


def main() -> int:
    """Run the benchmark named on the command line in this process, with one BLAS thread."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")
    )
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(f"usage: python -m benchmarks NAME [options]   (NAME: {', '.join(names)})")
        return 2
    name = sys.argv.pop(1)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # before NumPy is imported
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
