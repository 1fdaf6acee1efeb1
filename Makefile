# Needs python3 (3.11 or newer) and make; everything else is installed into .uv and .venv.
.POSIX:
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
STAMP := .venv/.installed
PACKAGES := core console workers serving compose
CODE := $(PACKAGES) tests bench

.PHONY: help run test check bench shots lock clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 10

run: $(STAMP) ## start the whole system on this machine; Ctrl-C stops it
	@$(BIN)/python -m compose.local

test: $(STAMP) ## run every test
	@$(BIN)/pytest

check: $(STAMP) ## formatting, lint, types, import rules
	@$(BIN)/ruff format --check -q $(CODE)
	@$(BIN)/ruff check -q $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## measure; bench/README.md says what
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync -q --frozen --group bench
	@$(BIN)/python bench/all.py

shots: $(STAMP) ## take a screenshot of each page of a running console into shots/
	@$(BIN)/python -m tests.shots

lock: $(UV) ## resolve the dependencies again
	@$(UV) lock --upgrade

clean: ## remove what make installed; .data stays
	@rm -rf .uv .venv

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "driftdesk needs Python 3.11 or newer; say PYTHON=python3.12 make run, or install one." >&2; exit 1; }
	@$(PYTHON) -m venv .uv 2>/dev/null || \
	  { rm -rf .uv; echo "Python cannot make a virtual environment; install its venv package (Debian: python3-venv)." >&2; exit 1; }
	@echo "Installing uv $(UV_VERSION)..."
	@.uv/bin/pip install -qq --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP): $(UV) uv.lock pyproject.toml
	@echo "Installing what uv.lock names; the first time this takes a minute or two..."
	@$(UV) sync -q --frozen --compile-bytecode --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $(STAMP)
