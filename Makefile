# Two commands for people: `make demo` and `make test`. On a machine without make the README has the same lines.

# Compiled modules and rewritten assertions are kept: tests start many processes, and each would compile all anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all test-x11 soak coverage mutants check bench clean

# A whole night on the simulated table, for nobody to watch; SENSORS=8 for another number of them.
demo: .venv/demo-installed
	$(BIN)/labctl overnight --no-bus $(if $(SENSORS),--sensors $(SENSORS))

test: .venv/test-installed
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

# The long statistical checks too, which `make test` runs in a reduced form.
test-all: .venv/test-installed
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 --dist loadfile

# The screens on an X server, as on a desk; `make test` draws them into memory. One process: two would take the keys
# from each other's windows.
test-x11: .venv/test-installed
	QT_QPA_PLATFORM=xcb xvfb-run -a -s '-screen 0 3840x2160x24' $(BIN)/python -m pytest -m "not slow" tests/dashboard

# Memory of a dashboard that is fed at 50 Hz; an hour with MINUTES=60.
MINUTES ?= 10
soak: .venv/test-installed
	QT_QPA_PLATFORM=offscreen $(BIN)/python tests/benchmarks/soak_dashboard.py --minutes $(MINUTES)

# Lines and branches that the tests run, of the rooms that keep a table safe and its data; 90 % of each, or it fails.
COVERING := tests/station tests/locks tests/store tests/bus tests/core
coverage: .venv/test-installed
	rm -f .coverage .coverage.*
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m coverage run -m pytest -m "not slow" --timeout 600 $(COVERING)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python tests/benchmarks/branch_coverage.py

# Every small wrong change of what limits and servos hang on must make a test fail.
mutants: .venv/test-installed
	$(BIN)/python tests/benchmarks/mutation_test.py

# Formatting, lint and types.
check: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/test-installed
	$(BIN)/python -m pytest tests/benchmarks/bench_*.py --benchmark-only

.venv/demo-installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/test-installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv runs
