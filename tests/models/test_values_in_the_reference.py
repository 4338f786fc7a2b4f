"""The table of values in reference/penalties.md, computed in plain NumPy: the net forward and back by hand, then each formula."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from minigrad.models import penalties
from tests.models import second_backpropagation as closed

PAGE = Path(__file__).parents[2] / "reference" / "penalties.md"
VALUES = dict(
    re.findall(r"^\| `(\w+\(1.*?\)|SumOf\(.*?\)\))` +\| .* \| (\S+) +\|$", PAGE.read_text("utf-8"), re.MULTILINE)
)


def entries(*shape):
    return np.sin(1 + np.arange(np.prod(shape))).reshape(shape)


NET = {
    "W": entries(3, 3),
    "R": entries(3, 2),
    "b_1": entries(3),
    "V": entries(2, 3),
    "b_o": entries(2),
    "x_0": np.zeros(3),
}
RUN = closed.backpropagation(NET, entries(2, 4, 2), np.array([0, 1]), "tanh", closed.cross_entropy)
X = np.stack(RUN.states[1:])  # (time, batch, states)
OWN = 2 * np.stack(RUN.g[1:])  # the mean over two examples has half of each one's own adjoint
L2_NORMS, L1_NORMS = np.sqrt((OWN**2).sum(axis=2)), np.abs(OWN).sum(axis=2)
RATIOS = L2_NORMS[:-1] / L2_NORMS[1:]
MATRICES = [NET[name] for name in "WRV"]
WEIGHTS = np.concatenate([matrix.ravel() for matrix in MATRICES])


def apart(norms):
    """Σ_t (n_t − m)² for each example."""
    return ((norms - norms.mean(axis=0)) ** 2).sum(axis=0)


EXPECTED = {
    "L2(1)": (WEIGHTS**2).sum(),
    "L2(1, factor=0.5)": (WEIGHTS**2).sum() / 2,
    "L1(1)": np.abs(WEIGHTS).sum(),
    "ElasticNet(1, ratio=0.5)": (np.abs(WEIGHTS) / 2 + WEIGHTS**2 / 4).sum(),
    "MaxNorm(1)": sum(np.abs(matrix).max() for matrix in MATRICES),
    "LogSumExp(1)": sum(np.log(np.exp(matrix).sum()) for matrix in MATRICES),
    "SoftOrthogonality(1)": ((NET["W"].T @ NET["W"] - np.eye(3)) ** 2).sum(),
    'SumOf(L2(1, names="W"), L1(1, names="V"))': (NET["W"] ** 2).sum() + np.abs(NET["V"]).sum(),
    "Omega(1)": ((RATIOS**2 - 1) ** 2).mean(),
    'Omega(1, over_time="sum")': ((RATIOS**2 - 1) ** 2).sum() / 2,
    "OmegaNorms(1)": ((RATIOS - 1) ** 2).mean(),
    'OmegaNorms(1, over_time="sum")': ((RATIOS - 1) ** 2).sum() / 2,
    "AdjointVariance(1)": apart(L2_NORMS).mean() / 4,
    'AdjointVariance(1, over_time="sum")': apart(L2_NORMS).mean(),
    'AdjointVariance(1, norm="l1")': apart(L1_NORMS).mean() / 4,
    'AdjointVariance(1, norm="l1", over_time="sum")': apart(L1_NORMS).mean(),
    "RelativeVariance(1)": (apart(L2_NORMS) / 4 / L2_NORMS.mean(axis=0) ** 2).mean(),
    "LogRatio(1)": (np.log(RATIOS) ** 2).mean(),
    'LogRatio(1, over_time="sum")': (np.log(RATIOS) ** 2).sum() / 2,
    "HalfSquaredNorms(1)": (L2_NORMS**2).sum() / 4,
    "FirstAgainstLast(1)": ((L2_NORMS[0] - L2_NORMS[-1]) ** 2).mean(),
    "NormStabilizer(1)": (np.diff(np.sqrt((X**2).sum(axis=2)), axis=0) ** 2).mean(),
}


@pytest.mark.parametrize("text", EXPECTED)
def test_the_value_in_the_table_is_that_of_plain_numpy(text):
    np.testing.assert_allclose(float(VALUES[text]), EXPECTED[text], rtol=1e-8)


def test_every_penalty_has_a_row():
    bases = {penalties.Penalty, penalties.WeightPenalty, penalties.ParameterPenalty}
    kinds = {kind for _, kind in inspect.getmembers(penalties, inspect.isclass)
             if issubclass(kind, penalties.Penalty | penalties.WeightPenalty)}  # fmt: skip
    assert VALUES.keys() == EXPECTED.keys()
    assert {text.partition("(")[0] for text in VALUES} == {kind.__name__ for kind in kinds - bases}


def test_the_relative_variance_is_that_of_the_shares():
    """Of a penalty in the notes' repository, Σ_t (share_t − 1/T)², it is T times."""
    shares = L2_NORMS / L2_NORMS.sum(axis=0)
    np.testing.assert_allclose(
        EXPECTED["RelativeVariance(1)"], 4 * ((shares - 1 / 4) ** 2).sum(axis=0).mean(), rtol=1e-13
    )
