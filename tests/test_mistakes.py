"""Ten mistakes a learner makes in the first week, and what minigrad says: what is wrong, where, and what to do."""

from __future__ import annotations

import re

import numpy as np
import pytest
from safetensors.numpy import save

import minigrad as mg
from minigrad.__main__ import main
from minigrad.models import RNN, datasets, losses
from minigrad.optim import SGD, fit
from minigrad.optim.experiments.run_folder import load_arrays


def x():
    return mg.Input(np.ones((20, 50)), name="x")


def wrong_shapes_in_a_product(folder):
    W = mg.Parameter(np.ones((40, 50)), name="W")
    with mg.scope("rnn/t=3"):
        x() @ W


def an_integer_parameter(folder):
    mg.Parameter([1, 2, 3], name="b")


def an_assignment_to_an_entry(folder):
    x()[0] = 1


def a_branch_on_an_array(folder):
    return 1 if x() > 0 else 2


def a_vector_as_a_float(folder):
    float(x()[0])


def the_gradient_of_a_matrix(folder):
    node = x()
    mg.gradients(node * 2, [node])


def nan_in_the_data(folder):
    u = np.ones((4, 3, 2), np.float32)
    u[1, 2, 0] = np.nan
    net = RNN(2, 5, 3, rng=0)
    fit(net, u, np.zeros(4, int), loss=losses.cross_entropy, optimizer=SGD(net.parameters()), epochs=1, quiet=True)


def an_unknown_task(folder):
    if main(["train", "--task", "digit"]) != 0:
        raise SystemExit


def a_truncated_idx_file(folder):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x05\x01\x02")
    datasets.read_idx(folder / "t10k-labels-idx1-ubyte")


def a_corrupted_parameter_file(folder):
    path = folder / "parameters.safetensors"
    path.write_bytes(save({"W": np.ones((3, 3), np.float32)})[:-7])
    load_arrays(path)


MISTAKES = [
    (
        wrong_shapes_in_a_product,
        ValueError,
        [
            'scope "rnn/t=3"',
            "(20, 50) @ (40, 50)",
            "last axis is 50",
            "first is 40",
            'Input "x"',
            'Parameter "W"',
            ".mT",
        ],
    ),
    (an_integer_parameter, TypeError, ["'b'", "int64", "floating-point", "2.0", "np.float32"]),
    (an_assignment_to_an_entry, TypeError, ["do not change", "x.at[index].set(value)", "np.where"]),
    (a_branch_on_an_array, TypeError, ["one element", "(20, 50)", "np.where", "np.all"]),
    (a_vector_as_a_float, TypeError, ["float()", "one element", "(50,)", "x.sum()", "x.value"]),
    (the_gradient_of_a_matrix, ValueError, ["Multiply (20, 50)", "not a scalar", "output.sum()", "adjoint="]),
    (nan_in_the_data, ValueError, ["inputs", "1 of 24 entries", "nan", "(1, 2, 0)", "drop these examples"]),
    (an_unknown_task, SystemExit, ["digit", "digits", "mnist", "temporal-order", "adding"]),
    (a_truncated_idx_file, ValueError, ["t10k-labels-idx1-ubyte", "expected", "found", "again"]),
    (a_corrupted_parameter_file, ValueError, ["parameters.safetensors", "again"]),
]


@pytest.mark.parametrize(("mistake", "kind", "said"), MISTAKES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_mistake_is_explained(mistake, kind, said, tmp_path, capsys):
    with pytest.raises(kind) as caught:
        mistake(tmp_path)
    message = f"{caught.value}{capsys.readouterr().err}"
    assert [words for words in said if words not in message] == [], message


def test_what_fails_in_a_node_names_the_line_that_made_it():
    with pytest.raises(ValueError, match=re.escape(f"at {__file__}:")):
        wrong_shapes_in_a_product(None)
