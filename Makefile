# Needs python3 (3.11 or later), pip and make; everything else is installed into .venv when it is first needed.

PYTHON ?= python3
ARGS ?=
BIN = .venv/bin
# The environment has no pip of its own (Debian's python3 has no ensurepip): the machine's pip installs into it.
PIP = $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help train test quick oldest lint types pytest pages coverage rows graphs survive core reference course site site-look wheel bench format clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

train: .venv/train.stamp  ## the main job; options by ARGS="--task adding", all of them by ARGS=--help
	@$(BIN)/python -m minigrad train $(ARGS)

test: .venv/test.stamp  ## everything that must hold: lint, types, tests, doctests, tutorials, wheel
	@$(MAKE) --keep-going --no-print-directory lint types pytest

quick: .venv/test.stamp  ## a smoke run of all tests in about a minute, between two edits; a wrong sign in any rule fails it
	$(BIN)/python -m pytest --quick -q -n auto --dist worksteal $(ARGS)

oldest: OLDEST = $(shell sed -n 's/.*"numpy>=\([0-9.]*\)".*/\1/p' pyproject.toml)
oldest: .venv/test.stamp  ## make quick with the oldest NumPy that pyproject.toml allows, in .venv-oldest
	$(PYTHON) -m venv --clear --without-pip .venv-oldest
	$(PYTHON) -m pip --python .venv-oldest/bin/python --disable-pip-version-check install --quiet --editable '.[test]' 'numpy==$(OLDEST)'
	$(MAKE) --no-print-directory quick BIN=.venv-oldest/bin

lint: .venv/test.stamp  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test.stamp  ## mypy, strict
	$(BIN)/mypy

# One thread per worker: the matrices are small, and the workers already fill the machine.
pytest pages quick coverage rows site-look: export OMP_NUM_THREADS = 1
pytest pages quick coverage rows site-look: export OPENBLAS_NUM_THREADS = 1

pytest: .venv/test.stamp  ## the tests; a selection by ARGS="-k rnn"
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

pages: .venv/test.stamp  ## every page stepped by keys in Chromium (apt install chromium), and how long a step takes
	@$(PIP) install --quiet --editable '.[pages]'
	MINIGRAD_PAGES=all $(BIN)/python -m pytest --no-cov -n auto --dist worksteal -m browser -rs $(ARGS)
	@$(BIN)/python -m tests.drawing.step_times

coverage: .venv/test.stamp  ## the tests with branch coverage, which takes twice as long, and a page per file in htmlcov/
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS) --cov
	$(BIN)/coverage html

rows: .venv/test.stamp  ## run the tests that prove rows of tests/rows.toml and list what is proven
	@rm -f .rows-proven.json
	-$(BIN)/python -m pytest -n auto --dist worksteal -q -m row
	@$(BIN)/python -m tests.rows

graphs: .venv/test.stamp  ## compare programs with nodes on 10,000 random graphs; others by ARGS="--graphs 300 --backend numba"
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.compiler $(ARGS)

survive: .venv/test.stamp  ## kill trainings 100 times and resume them, load 10,000 damaged files; others by ARGS="--kills 20 --files 500"
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.survival $(ARGS)

core:  ## count the lines of code of the core
	@$(PYTHON) tests/core_size.py

reference: .venv/test.stamp  ## write the pages of reference/ from docstrings and tables
	@$(BIN)/python -m reference

course: .venv/test.stamp  ## run the lessons and write their pages, tutorials/pages
	@$(BIN)/python -m course --pages $(ARGS)

FRESH ?=
PYODIDE ?=
site: .venv/course.stamp  ## the site of course and reference, public/; all anew by FRESH=1; lessons run in the browser by PYODIDE=1
	@$(BIN)/python -m course --site $(if $(FRESH),--fresh) $(if $(PYODIDE),--pyodide)

site-look: .venv/test.stamp site  ## open every page of the site in Chromium, wide and narrow, light and dark
	@$(PIP) install --quiet --editable '.[pages]'
	MINIGRAD_PAGES=all $(BIN)/python -m pytest --no-cov -q -n auto --dist worksteal -rs tests/test_site_look.py $(ARGS)

wheel: .venv/test.stamp  ## build the wheel into dist/
	rm -rf build dist
	$(BIN)/python -m pip wheel -q --no-deps --no-build-isolation --wheel-dir dist .
	rm -rf build

bench: .venv/test.stamp  ## side by side with NumPy by hand and with peers
	$(BIN)/python -m benchmarks $(ARGS)

format: .venv/test.stamp  ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was generated, .venv too; run folders stay
	rm -rf .venv .venv-oldest .course public build dist htmlcov *.egg-info .coverage .coverage.* .rows-proven.json
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "minigrad needs Python 3.11 or later")'
	@$(PYTHON) -m pip --version >/dev/null || { echo "minigrad needs pip: apt-get install python3-pip"; exit 1; }
	$(PYTHON) -m venv --clear --without-pip .venv

.venv/train.stamp .venv/test.stamp .venv/course.stamp: .venv/%.stamp: pyproject.toml | .venv/bin/python
	@echo "installing what \`make $*\` needs into .venv (once) ..."
	@$(PIP) install --quiet --editable '.[$*]'
	@touch $@ .venv/train.stamp
