# `make demo` and `make test` need Python 3.11+ and make; all else is set up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
WORKERS ?= 4
export PIP_NO_INPUT := 1

.PHONY: demo test soak lint docs bench clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "emberkeep needs Python 3.11 or newer; set PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[numba]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## a sweep of differential equations: cold, then warm in a new process
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev  ## the whole suite, with a sample of each fault; COLD=1: compile all anew
	$(if $(COLD),EMBERKEEP_TEST_KEEP= )$(BIN)/python -m pytest -n $(WORKERS) -m 'not soak'

soak: $(VENV)/.dev  ## the fault tests at their full counts
	$(BIN)/python -m pytest -n $(WORKERS) -m soak --timeout 3600 -s

lint: $(VENV)/.dev  ## style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: $(VENV)/.dev  ## the documentation, without a warning
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b doctest docs docs/_build/doctest

bench: $(VENV)/.dev  ## every benchmark, each against its peer or floor in the same run
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) .peers docs/_build .test-keep
