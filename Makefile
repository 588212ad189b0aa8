# Two commands for people: `make demo` and `make test`. On a machine without make the README has the same lines.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all check bench clean

demo: .venv/demo-installed
	$(BIN)/labctl overnight

test: .venv/test-installed
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

# The long statistical checks too, which `make test` runs in a reduced form.
test-all: .venv/test-installed
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 --dist loadfile

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
