"""Ten steps of every optimizer against what PyTorch and Keras computed in the matching settings: see optimizers.py."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.peers import optimizers

RECORDED = json.loads(optimizers.FILE.read_text("utf-8"))["cases"]


def test_what_is_recorded_is_what_is_compared():
    assert {name: set(case.peers) for name, case in optimizers.CASES.items()} == {
        name: set(found) for name, found in RECORDED.items()
    }


@pytest.mark.parametrize("name", optimizers.CASES)
def test_ten_steps_are_the_peers(name):
    found = np.reshape(optimizers.ours(optimizers.CASES[name]), (optimizers.STEPS, -1))
    for peer, recorded in RECORDED[name].items():
        np.testing.assert_allclose(found, recorded, rtol=1e-9, atol=1e-11, err_msg=peer)
