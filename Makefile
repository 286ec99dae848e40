# Two commands matter: `make run` and `make test`. `make help` lists the rest.

# The first Python from 3.10 to 3.13 on the path; `make PYTHON=/path/to/python3.12 run` names another.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(or $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.10,\
	$(shell $(name) -c '$(SUPPORTED)' 2>/dev/null && echo $(name)))),python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SOURCES := backends widgets tui tests screenshots

.PHONY: help run test test-root test-pythons check format bench screenshots wheelhouse helper clean

help:
	@echo "make run           set up and open the dashboard on this machine"
	@echo "make test          set up and run the tests that any user can run"
	@echo "make test-root     run the tests that change this kernel's settings and put them back (root)"
	@echo "make test-pythons  run the tests under each of Python 3.10 to 3.13 that is found"
	@echo "make check         ruff, mypy --strict, import-linter"
	@echo "make format        let ruff rewrite the sources"
	@echo "make bench         measure the dashboard and the sampler beside their peers"
	@echo "make screenshots   draw screenshots/ anew from the demo machine"
	@echo "make helper        install the root helper of this checkout, through sudo"
	@echo "make wheelhouse    collect the wheels for a machine without a network in dist/wheelhouse"
	@echo "make clean         remove what these targets made"

$(BIN)/python:
	@$(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "aitune-tui needs Python 3.10 to 3.13, and found $$($(PYTHON) --version 2>&1 || true): install one (RHEL 9: dnf install python3.12) or name it with PYTHON=." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "aitune-tui needs Python's venv module with pip: on Debian and Ubuntu, apt install python3-venv." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) pip

# What the program needs, and what its development needs on top.
# Compiled beforehand, since the first start is to be as fast as the second.
COMPILE := $(BIN)/python -m compileall -q backends tui widgets

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable . --group dev
	@$(COMPILE)
	@touch $@ $(VENV)/.run

run: $(VENV)/.run
	@$(BIN)/aitune-tui

# The screens beside the rest: two cores are enough to be done in five minutes.
test: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/screen > $(VENV)/screen.log 2>&1 & screens=$$!; \
	$(BIN)/python -m pytest tests/unit tests/fuzz; failed=$$?; \
	wait $$screens || failed=$$?; cat $(VENV)/screen.log; exit $$failed

test-root: $(VENV)/.dev
	@test "$$(id -u)" = 0 || { echo "make test-root changes kernel settings and puts them back: run it as root." >&2; exit 1; }
	$(BIN)/python -m pytest tests/kernel

test-pythons:
	@found=0; for version in 3.10 3.11 3.12 3.13; do \
		command -v python$$version >/dev/null && python$$version -c '' 2>/dev/null || { echo "python$$version: not found, left out"; continue; }; \
		found=$$((found + 1)); echo "python$$version:"; \
		$(MAKE) --no-print-directory VENV=.venv-$$version PYTHON=python$$version test || exit 1; \
	done; echo "tested under $$found Pythons"; test $$found -gt 0

check: $(VENV)/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(VENV)/.dev
	$(BIN)/python tests/bench/run.py

screenshots: $(VENV)/.dev
	$(BIN)/python screenshots/make.py

helper: $(VENV)/.run
	@$(BIN)/aitune-tui helper install

wheelhouse: $(BIN)/python
	$(BIN)/python -m pip wheel --quiet --constraint constraints.txt --wheel-dir dist/wheelhouse .

clean:
	rm -rf .venv .venv-3.* dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
