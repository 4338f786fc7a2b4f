"""What holds in every test: fixed settings, and no test may leave global state changed."""

import gc
import os
import pickle
import random
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "True")  # as threadpoolctl does when it is imported

import hypothesis
import numpy as np
import pytest

pytest_plugins = ["tests.rows", "tests.quick"]

ROOT = Path(__file__).parents[1]

hypothesis.settings.register_profile(
    "minigrad",
    derandomize=True,  # the same examples in every run
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("minigrad")


def pytest_configure():
    for name in ("models", "optim"):
        if not (ROOT / "minigrad" / name).is_dir():
            raise pytest.UsageError(
                f"minigrad/{name} is not a folder but should be a symlink to {name}/: enable git symlinks "
                f"(git config core.symlinks true) and check it out again (git checkout -- minigrad/{name})"
            )


def pytest_terminal_summary(terminalreporter):
    """Say why tests were skipped: a run without numba or a browser is not a whole one."""
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, n in reasons.most_common():
        terminalreporter.write_line(f"skipped {n}: {reason}")


def global_state():
    """What a test must leave as it found it, by name."""
    state = {
        "np.seterr": np.geterr(),
        "np.set_printoptions": np.get_printoptions(),
        "np.random": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "random": random.getstate(),
        "os.environ": {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"},
        "the working directory": Path.cwd(),
        "gc": gc.isenabled(),
        "the recursion limit": sys.getrecursionlimit(),
    }
    context = sys.modules.get("minigrad.context")
    state["the context nodes are born in"] = context is not None and context.current() is not context.NOWHERE
    pyplot = sys.modules.get("matplotlib.pyplot")
    state["the open figures"] = pyplot.get_fignums() if pyplot else []
    return state


@pytest.fixture(autouse=True)
def leaks_no_state():
    """Fail the test that leaks, not the next one that stumbles over it."""
    before = global_state()
    yield
    after = global_state()
    leaks = [name for name in before | after if before.get(name) != after.get(name)]
    assert not leaks, f"the test leaves changed: {', '.join(leaks)}"


@pytest.fixture
def with_numba(monkeypatch, tmp_path):
    """Skip where there is no numba; kernels are compiled anew, into the folder that is given."""
    pytest.importorskip("numba", reason="no numba: pip install '.[fast]'")
    from minigrad.compiler.printing import kernels

    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path))
    monkeypatch.setattr(kernels, "_compiled", {})
    return tmp_path / "kernels"
