# Gristmill: `make run` builds a model from repositories and serves it; `make test` proves it.
PYTHON ?= python3
RECIPE ?= laptop
SERVE ?= yes
BIN := .venv/bin
# flags of `gristmill run` that the variables above stand for
RUN_FLAGS := $(if $(filter no,$(SERVE)),--no-serve,)

.PHONY: run test check bench install clean

run: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/gristmill run $(RECIPE) $(RUN_FLAGS) $(ARGS)

test: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(ARGS)

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/unit/test_house.py

bench: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/bench $(ARGS)

install: .venv/installed

# torch first and alone: with it in place nothing else pulls another build.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Gristmill needs Python 3.11 or 3.12; found %d.%d. Try: make $(MAKECMDGOALS) PYTHON=python3.11" % sys.version_info[:2] if sys.version_info[:2] not in ((3, 11), (3, 12)) else 0)'
	@command -v g++ > /dev/null || { echo "Gristmill needs g++: DeepSpeed builds its small CPU helper once (Debian: apt-get install g++)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "the venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "installing into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
