"""Run one benchmark: `python -m benchmarks eager`; without a name, list them."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys

import benchmarks


def main() -> int:
    """Run the benchmark named on the command line, with one BLAS thread."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")
    )
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(f"usage: python -m benchmarks NAME [options]   (NAME: {', '.join(names)})")
        return 2
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", f"benchmarks.{sys.argv[1]}", *sys.argv[2:]]
    return subprocess.run(command, env={**os.environ, **threads}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
