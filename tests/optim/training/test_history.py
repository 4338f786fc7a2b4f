"""The history as columns, rows and CSV."""

import csv
import math

import pytest

from minigrad.optim import History


def make():
    history = History()
    history.append(epoch=1, loss=0.1 + 0.2)
    history.append(epoch=2, loss=1e-17, accuracy=0.5)
    return history


def test_columns_and_rows():
    history = make()
    assert list(history) == ["epoch", "loss", "accuracy"]
    assert history["loss"] == [0.1 + 0.2, 1e-17]
    assert math.isnan(history["accuracy"][0])
    assert len(history) == 3
    assert history.n_rows == 2
    assert history.rows()[1] == {"epoch": 2, "loss": 1e-17, "accuracy": 0.5}
    assert dict(history)["epoch"] == [1, 2]


def test_csv_gives_back_the_same_bits(tmp_path):
    make().write(tmp_path / "history.csv")
    with (tmp_path / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss"]) for row in rows] == [0.1 + 0.2, 1e-17]
    assert [row["accuracy"] for row in rows] == ["nan", "0.5"]
    assert (tmp_path / "history.csv").read_bytes().startswith(b"epoch,loss,accuracy\n1,0.30000000000000004,nan\n")


def test_an_unknown_column_names_the_known_ones():
    with pytest.raises(KeyError, match="no column 'lose'; there are epoch, loss, accuracy"):
        make()["lose"]
    with pytest.raises(KeyError, match="none yet"):
        History()["loss"]


def test_repr_shows_the_last_row():
    assert repr(make()) == "History(2 rows, the last: epoch 2, loss 1e-17, accuracy 0.5)"
    assert repr(History()) == "History(0 rows)"
