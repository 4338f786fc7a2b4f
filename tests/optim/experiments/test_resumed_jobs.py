"""A job that was cut off goes on behind the runs that had ended, and leaves what it would have left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigrad.__main__ import main
from minigrad.optim.experiments.run_folder import RunFolder
from minigrad.optim.studies import study

OPTIONS = [
    "--task", "temporal-order", "--length", "10", "--states", "4", "--steps", "6", "--batch-size", "4", "--record-every", "3",
    "--seeds", "2", "--methods", "backprop", "omega",
]  # fmt: skip
SAME = ("history.csv", "adjoints.csv")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder of a job of four runs that nothing cut off."""
    out = tmp_path_factory.mktemp("job") / "straight"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RunFolder, "finish", lambda self: None)  # so that there is something to cut off
        assert main(["train", *OPTIONS, "--quiet", "--out", str(out)]) == 0
    return out


def cut_off(straight, to, ended):
    """What is there after so many runs."""
    (to / "ended").mkdir(parents=True)
    shutil.copy(straight / "config.toml", to)
    for file in sorted((straight / "ended").iterdir())[:ended]:
        shutil.copy(file, to / "ended")
    return to


def assert_same(found, straight):
    for name in SAME:
        assert (found / name).read_bytes() == (straight / name).read_bytes()
    names = sorted(path.name for path in (straight / "parameters").iterdir())
    written = sorted(path.name for path in (found / "parameters").iterdir())
    assert set(written) <= set(names)
    for name in written:
        assert (found / "parameters" / name).read_bytes() == (straight / "parameters" / name).read_bytes()


@pytest.mark.parametrize("ended", [0, 1, 3, 4])
def test_a_job_goes_on_to_the_same_files(straight, tmp_path, ended):
    folder = cut_off(straight, tmp_path / "job", ended)
    assert main(["train", "--resume", str(folder), "--quiet"]) == 0
    assert_same(folder, straight)
    assert not (folder / "ended").exists()
    assert {"learning-curves.png", "adjoint-norms.png", "report.md"} <= {path.name for path in folder.iterdir()}


def test_runs_behind_one_that_is_missing_are_made_anew(straight, tmp_path):
    folder = cut_off(straight, tmp_path / "job", 4)
    (folder / "ended" / "0002.safetensors").unlink()
    assert main(["train", "--resume", str(folder), "--quiet"]) == 0
    assert_same(folder, straight)


@pytest.mark.slow
def test_a_job_that_is_killed_goes_on(straight, tmp_path):
    """SIGKILL as soon as the first run has ended, wherever the second is then."""
    folder = tmp_path / "job"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "minigrad", "train", *OPTIONS, "--quiet", "--out", str(folder)]
    process = subprocess.Popen(command, env=environment)
    end = time.monotonic() + 60
    while not list(folder.glob("ended/*.safetensors")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main(["train", "--resume", str(folder), "--quiet"]) == 0
    assert_same(folder, straight)


def test_a_damaged_run_is_refused_by_name(straight, tmp_path, capsys):
    folder = cut_off(straight, tmp_path / "job", 2)
    file = folder / "ended" / "0002.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert main(["train", "--resume", str(folder), "--quiet"]) == 2
    assert "0002.safetensors" in capsys.readouterr().err
    shutil.copy(straight / "ended" / "0003.safetensors", file)
    assert main(["train", "--resume", str(folder), "--quiet"]) == 2
    assert "expected omega, seed" in capsys.readouterr().err


def test_what_resume_refuses(straight, tmp_path, capsys):
    done = tmp_path / "done"
    shutil.copytree(straight, done, ignore=shutil.ignore_patterns("ended"))
    for options, message in [
        (["--resume", str(tmp_path)], "there is no config.toml"),
        (["--resume", str(straight), "--out", "other"], "leave out --config and --out"),
        (["--resume", str(straight), "--steps", "3"], "leave out --steps"),
        (["--resume", str(done)], "has come to its end"),
    ]:
        assert main(["train", *options, "--quiet"]) == 2
        assert message in capsys.readouterr().err


def test_a_study_goes_on_behind_its_runs(tmp_path, capsys):
    config = str(Path(study.__file__).with_name("race.toml"))
    assert main(["train", "--config", config, "--quiet", "--out", str(tmp_path / "whole")]) == 0
    whole = study.json.loads((tmp_path / "whole" / "results.json").read_text())
    part = tmp_path / "part"
    shutil.copytree(tmp_path / "whole", part)
    (part / "results.json").write_text(study.json.dumps({**whole, "rows": whole["rows"][:2], "headline": ""}))
    assert main(["train", "--resume", str(part), "--quiet"]) == 0
    found = study.json.loads((part / "results.json").read_text())
    assert [{**row, "seconds": 0} for row in found["rows"]] == [{**row, "seconds": 0} for row in whole["rows"]]
    assert found["rows"][:2] == whole["rows"][:2]
    (part / "results.json").write_text(study.json.dumps({**whole, "sha256 of contents": {"other": "0"}}))
    assert main(["train", "--resume", str(part), "--quiet"]) == 2
    assert "had other sha256 of contents" in capsys.readouterr().err
    text = (part / "config.toml").read_text()
    (part / "results.json").write_text(study.json.dumps({**whole, "rows": whole["rows"][:2]}))
    (part / "config.toml").write_text(text.replace("steps = 300", "steps = 10"))
    assert main(["train", "--resume", str(part), "--quiet"]) == 2
    assert "had other settings" in capsys.readouterr().err
    (part / "config.toml").write_text(text)
    (part / "results.json").write_text("{")
    assert main(["train", "--resume", str(part), "--quiet"]) == 2
    assert "not what a study leaves" in capsys.readouterr().err
