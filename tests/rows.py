"""The rows of rows.toml and the tests that prove them.

A pytest plug-in: it knows the mark `@pytest.mark.row("ACT-02")` and writes after a run which rows were proven. A row is
proven when at least one test marked with it passed and none failed. As a command, `python -m tests.rows` shows the list.
"""

import json
import tomllib
from pathlib import Path

import pytest

FAMILIES: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("rows.toml").read_text("utf-8"))
TITLES = {row: title for rows in FAMILIES.values() for row, title in rows.items()}
PROVEN = ".rows-proven.json"  # in the root of the run
MOST = 3  # rows one test may prove: who proves ten things at once proves none


class Proofs:
    """What the marked tests of this run said, per row: the names of those that passed, and of those that failed."""

    def __init__(self, path):
        self.path = path
        self.passed = {}
        self.failed = {}

    def pytest_runtest_logreport(self, report):
        for key, row in report.user_properties:
            if key != "row":
                continue
            if report.failed:
                self.failed.setdefault(row, []).append(report.nodeid)
            elif report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
                self.passed.setdefault(row, []).append(report.nodeid)

    def proven(self):
        return {row: sorted(self.passed[row]) for row in TITLES if row in self.passed and row not in self.failed}

    def pytest_terminal_summary(self, terminalreporter):
        if self.passed or self.failed:
            self.path.write_text(json.dumps(self.proven(), indent=1) + "\n", "utf-8")
            terminalreporter.write_line(f"rows: {summary(self.proven())}")


def pytest_configure(config):
    config.addinivalue_line("markers", "row(*ids): this test asserts the numbers of these rows of tests/rows.toml")
    if not hasattr(config, "workerinput"):  # under xdist the controller keeps the list
        config.pluginmanager.register(Proofs(config.rootpath / PROVEN), "row-proofs")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """A wrong mark fails the collection of its file; a right one travels with the test's reports."""
    report = yield
    wrong = []
    for item in report.result:
        if isinstance(item, pytest.Item):
            rows = [row for mark in item.iter_markers("row") for row in mark.args]
            item.user_properties += [("row", row) for row in rows]
            if unknown := [row for row in rows if row not in TITLES]:
                wrong.append(f"{item.name} is marked with unknown rows: {', '.join(map(str, unknown))}")
            if len(rows) > MOST:
                wrong.append(f"{item.name} is marked with {len(rows)} rows; a test proves at most {MOST}")
    if wrong:
        report.outcome, report.longrepr, report.result = "failed", "\n".join(wrong), []
    return report


def summary(proven):
    return f"proven {len(proven)} of {len(TITLES)}"


def main():
    path = Path(__file__).parents[1] / PROVEN
    proven = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for family, rows in FAMILIES.items():
        print(f"\n{family}: {sum(row in proven for row in rows)} of {len(rows)}")
        for row, title in rows.items():
            print(f"  {'proven' if row in proven else '      '}  {row}  {title}")
    print(f"\n{summary(proven)}" + ("" if path.exists() else f" ({PROVEN} is missing: run the tests first)"))


if __name__ == "__main__":
    main()
