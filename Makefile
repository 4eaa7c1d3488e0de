# `make demo` and `make test` need Python 3.11+ and make; all else is set up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
WORKERS ?= 3
export PIP_NO_INPUT := 1

# Where what tests compile outlives the run; `COLD=1` for a run that compiles all of it anew.
EMBERKEEP_TEST_KEEP ?= .test-keep
TEST_KEEP := --test-keep='$(if $(COLD),,$(EMBERKEEP_TEST_KEEP))'
# It is no setting of emberkeep's, which refuses those that it does not know.
unexport EMBERKEEP_TEST_KEEP
# Hundreds of processes are started: none of them should compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
# What goes through all of the engines that compile, in the tests that take least.
COLD_TESTS := tests/elimination tests/ode/test_independence.py tests/phasetype/test_stiff.py

.PHONY: setup demo test cold soak lint docs wheel-test bench clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "emberkeep needs Python 3.11 or newer; set PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[numba]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

setup: $(VENV)/.dev  ## all that the other verbs need

demo: $(VENV)/.demo  ## a sweep of differential equations: cold, then warm in a new process
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev  ## the whole suite, with a sample of each fault; COLD=1: compile all anew
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not soak' $(TEST_KEEP)

cold: $(VENV)/.dev  ## a few tests of each engine, with nothing kept from before
	$(BIN)/python -m pytest -q --test-keep= -m 'not soak' -k 'not ring' $(COLD_TESTS)

soak: $(VENV)/.dev  ## the fault tests at their full counts
	$(BIN)/python -m pytest -n $(WORKERS) -m soak --timeout 3600 -s $(TEST_KEEP)

lint: $(VENV)/.dev  ## style, types, import rules, assembly
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_assembly.py

docs: $(VENV)/.dev  ## the documentation, without a warning
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b doctest docs docs/_build/doctest

wheel-test: $(VENV)/.dev  ## the wheel in clean environments: bare, and with the newest and oldest of all
	EMBERKEEP_TEST_KEEP='$(if $(COLD),,$(abspath $(EMBERKEEP_TEST_KEEP)))' $(BIN)/python .ci/check_wheel.py

bench: $(VENV)/.dev  ## every benchmark, each against its peer or floor in the same run
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) .peers docs/_build .test-keep
