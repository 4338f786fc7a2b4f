"""The page of the studies says what their recorded results say."""

import json

import pytest

from benchmarks import studies
from minigrad.optim.studies import study

RECORDED = {name: json.loads((studies.FOLDER / f"{name}.json").read_text("utf-8")) for name in studies.ABOUT}


def test_all_studies_are_on_the_page():
    assert set(studies.ABOUT) == set(study.STUDIES)
    assert studies.PAGE.read_text("utf-8") == studies.page()


def test_mnist_is_read_rightly_by_the_bounds_that_are_claimed():
    rows = {row["run"]: row for row in RECORDED["mnist"]["rows"]}
    assert len(rows) == 9
    adam = max(
        (row for name, row in rows.items() if name.startswith("Adam")), key=lambda row: row["validation accuracy"]
    )
    assert adam["test accuracy"] >= 0.983
    assert adam["epoch"] <= 35


def test_a_recurrent_net_beats_both_forecasts_that_need_none():
    rows = RECORDED["forecasting"]["rows"]
    plain = min(row["test RMSE, spots"] for row in rows if "cell" not in row)
    by_cell = {}
    for row in rows:
        if "cell" in row:
            by_cell.setdefault(row["cell"], []).append(row["test RMSE, spots"])
    assert min(map(max, by_cell.values())) < plain  # with every seed


def test_entities_are_found_better_than_word_by_word():
    net, plain = (row["test F1"] for row in RECORDED["entities"]["rows"])
    assert net > plain + 0.1


def test_a_study_that_was_cut_off_is_refused(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({"study": "race", "headline": "", "rows": []}))
    with pytest.raises(ValueError, match="did not come to its end"):
        studies.take_in(tmp_path)
