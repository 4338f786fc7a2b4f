"""The progress line on a terminal, in a log, in a notebook, and when it is asked to be quiet."""

import io
import sys
from types import ModuleType

import pytest

from minigrad.optim.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""

    class Clock:
        now = 100.0

    monkeypatch.setattr("minigrad.optim.training.progress.time.monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")  # not the function, which pytest's own lines call, too


@pytest.mark.usefixtures("columns")
def test_a_terminal_gets_one_line_rewritten(clock):
    stream = Terminal()
    line = Progress(10, "training", stream=stream)
    clock.now += 1
    line.update(5, loss=0.123456, test_score=0.5)
    clock.now += 1
    line.update(10, loss=0.1)
    line.close()
    assert stream.getvalue() == (
        "\rtraining  [##########..........] 5/10  loss 0.1235  test sc"
        "\rtraining  [####################] 10/10  loss 0.1  5/s  2 s \n"
    )


@pytest.mark.usefixtures("columns")
def test_a_terminal_is_drawn_ten_times_a_second_and_always_at_the_end(clock):
    stream = Terminal()
    line = Progress(1000, stream=stream)
    for done in range(1, 1001):
        clock.now += 0.01
        line.update(done)
    drawn = stream.getvalue().split("\r")[1:]
    assert 90 <= len(drawn) <= 101
    assert drawn[-1].startswith("[####################] 1000/1000")
    assert all(len(text) < 60 for text in drawn)


@pytest.mark.usefixtures("columns")
def test_a_message_ends_the_line(clock):
    stream = Terminal()
    line = Progress(4, "x", stream=stream)
    line.update(2)
    line.close("interrupted")
    assert stream.getvalue().endswith("\rx  [##########..........] 2/4  0 s  interrupted\n")


def test_a_log_gets_a_line_at_every_fifth_and_no_carriage_return(clock):
    stream = io.StringIO()
    line = Progress(1000, "training", stream=stream)
    for done in range(1, 1001):
        line.update(done, loss=1.0)
    line.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5
    assert "\r" not in stream.getvalue()
    assert lines[0] == "training  [####................] 200/1000  loss 1  0 s"
    assert lines[-1].startswith("training  [####################] 1000/1000")


def test_a_log_gets_the_message_and_the_line_it_ends(clock):
    stream = io.StringIO()
    line = Progress(3, stream=stream)
    line.update(1)
    line.close("interrupted")
    assert stream.getvalue().splitlines() == [
        "[######..............] 1/3  0 s",
        "[######..............] 1/3  0 s  interrupted",
    ]


def test_a_line_that_was_never_drawn_ends_in_nothing():
    for stream in (Terminal(), io.StringIO()):
        Progress(3, stream=stream).close()
        assert stream.getvalue() == ""


def test_a_notebook_display_is_updated_in_place(clock, monkeypatch):
    shown = []

    class Handle:
        def update(self, content, raw):
            assert raw
            shown[-1] = content["text/plain"]

    def display(content, raw, display_id):
        assert raw
        assert display_id
        shown.append(content["text/plain"])
        return Handle()

    module = ModuleType("IPython.display")
    vars(module)["display"] = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    kernel_stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    line = Progress(2, "x", stream=kernel_stream())
    for done in (1, 2):
        clock.now += 1
        line.update(done)
    line.close("done")
    assert shown == ["x  [####################] 2/2  1/s  2 s  done"]


def test_quiet_touches_no_stream(capsys):
    line = Progress(2, quiet=True)
    line.update(2, loss=1.0)
    line.close("message")
    assert capsys.readouterr() == ("", "")


def test_the_default_stream_is_stderr_as_it_is_then(capsys):
    line = Progress(1)
    line.update(1)
    line.close()
    assert capsys.readouterr().err.startswith("[####################] 1/1")


def test_nothing_to_do_is_no_division_by_zero():
    stream = io.StringIO()
    line = Progress(0, stream=stream)
    line.update(0)
    line.close()
    assert "nan" not in stream.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_stream_that_cannot_be_written_ends_no_training(terminal):
    class Full(io.StringIO):
        written = 0

        def isatty(self):
            return terminal

        def write(self, text):
            self.written += 1
            raise OSError(28, "No space left on device")

    stream = Full()
    progress = Progress(1, stream=stream)
    progress.update(1, loss=0.5)
    progress.close("interrupted")
    assert stream.written == 1


def test_no_stream_and_one_that_only_writes_do_no_harm(monkeypatch):
    class Writes:
        text = ""

        def write(self, line):
            self.text += line

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stderr", None)
    for stream in (None, Writes()):
        progress = Progress(2, "run", stream=stream)
        progress.update(1, loss=0.5)
        progress.update(2, loss=0.25)
        progress.close("done")
    assert stream.text.count("\n") == 3
    assert "2/2  loss 0.25" in stream.text


def test_rate_and_time_left_count_from_the_first_update(clock):
    """900 of 1000 were done before; then 20 in 4 s are 5 per second, and the 80 left take 16 s."""
    stream = io.StringIO()
    line = Progress(1000, stream=stream)
    clock.now += 30
    line.update(900)
    clock.now += 4
    line.update(920, loss=1.0)
    line._writer.fifths = 0
    line.update(920, loss=1.0, val_accuracy=0.5)
    assert stream.getvalue().splitlines()[-1].endswith("920/1000  loss 1  val accuracy 0.5  5/s  16 s left  34 s")


@pytest.mark.parametrize(("seconds", "left"), [(1, "99 s"), (10, "16 min"), (100, "2.8 h")])
def test_long_times_have_a_unit_that_suits_them(clock, seconds, left):
    stream = io.StringIO()
    line = Progress(101, stream=stream)
    line.update(1)
    clock.now += seconds
    line._writer.fifths = -1
    line.update(2)
    assert f"{left} left" in stream.getvalue()
