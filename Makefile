# Everything starts here. From a fresh clone only Python 3.11 or newer and make are needed:
# uv comes from PyPI into .uv/, and uv.lock says what goes into .venv/.

PYTHON ?= python3
UV ?= .uv/bin/uv
UV_VERSION := 0.13.9
BIN := .venv/bin
SYNCED := .venv/.synced

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run test test-all check bench bench-serving campaign shots docs docs-serve lock help up down logs

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

run: $(SYNCED)  ## start everything on this machine; ARGS="--check" only looks
	@exec $(BIN)/python -m compose.local $(ARGS)

COMPOSE := docker compose --file compose/compose.yaml

up: $(SYNCED)  ## build and start everything in containers, with secrets made at the first use
	@docker compose version >/dev/null 2>&1 || { \
	    echo "make up needs Docker with its compose plugin, 2.24 or newer; make run needs neither." >&2; exit 1; }
	@$(BIN)/python -m compose.prepare
	@$(COMPOSE) up --build --detach --wait $(ARGS)
	@$(BIN)/python -m compose.prepare --links

down:  ## stop the containers; ARGS="--volumes" throws everything away that they kept
	@$(COMPOSE) down $(ARGS)

logs:  ## follow what the containers say; ARGS="worker" picks
	@$(COMPOSE) logs --follow --tail 100 $(ARGS)

# Files go to some processes, each with servers of its own; to one where the servers are given. Tests
# wait a third of their time, so a third process pays on two cores.
GIVEN := $(TEST_DATABASE_SERVER)$(TEST_REDIS_URL)
PARALLEL = --numprocesses $(or $(PROCESSES),$(if $(GIVEN),1,3)) --dist loadfile --no-loadscope-reorder

test: $(SYNCED)  ## the tests before a push, in minutes; ARGS="tests/unit -x" picks
	@$(BIN)/pytest $(PARALLEL) -m "not whole" $(ARGS)

test-all: $(SYNCED)  ## adds whole systems, kill loops, browsers and fuzz; THOROUGH=1 tries more
	@$(BIN)/pytest $(PARALLEL) --durations=25 $(ARGS)

check: $(SYNCED)  ## format, lint, types and layers; images, manifests and workflows
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.deployment

bench: $(SYNCED)  ## list the measurements; NAME=x runs bench/x.py
	@if [ -z "$(NAME)" ]; then \
	    for f in bench/*.py; do [ -e "$$f" ] || continue; n=$${f##*/}; echo "  make bench NAME=$${n%.py}"; done; \
	    ls bench/*.py >/dev/null 2>&1 || echo "There are no measurements in bench/ yet."; \
	else \
	    $(UV) sync --quiet --frozen --compile-bytecode --group bench && $(BIN)/python "bench/$(NAME).py" $(ARGS); \
	fi

bench-serving: $(SYNCED)  ## serving beside its peers, four minutes; ARGS="--rounds 1" is shorter
	@$(UV) sync --quiet --frozen --compile-bytecode --group bench && $(BIN)/python bench/answering.py $(ARGS)

campaign: $(SYNCED)  ## disturb a whole system for HOURS=1 on DATABASE=sqlite or mariadb; SEED=7 replays
	@$(BIN)/python -m tests.campaign --hours $(or $(HOURS),1) --database $(or $(DATABASE),sqlite) $(if $(SEED),--seed $(SEED))

shots: $(SYNCED)  ## a screenshot of each page of the running console, into shots/; STATES=1 shows a desk of its own empty, normal, alarming and broken
	@$(BIN)/python -m tests.$(if $(STATES),states,shots) $(ARGS)

SITE := --builder dirhtml --conf-dir docs/generator --doctree-dir .doctrees docs site

# From nothing each time: Sphinx warns of a page only when it reads it, and leaves what is gone.
docs: $(SYNCED)  ## the reference from the code, and the site into site/; a broken link fails
	@$(BIN)/python -m docs.generator
	@rm -rf site .doctrees
	@$(BIN)/python -m sphinx --quiet --fail-on-warning $(SITE)

docs-serve: $(SYNCED)  ## the site at 127.0.0.1:8080, built anew with each change
	@$(BIN)/python -m sphinx_autobuild --quiet --fresh-env --host 127.0.0.1 --port 8080 \
	    --pre-build "$(BIN)/python -m docs.generator" --watch docs/generator --watch bench --watch CHANGELOG.md $(SITE)

lock: | $(UV)  ## resolve the dependencies anew, into uv.lock
	@$(UV) lock

# Exactly what the lock says, and only when it or the project has changed.
$(SYNCED): uv.lock pyproject.toml | $(UV)
	@echo "Installing what uv.lock names into .venv (about 1 GB the first time)..."
	@$(UV) sync --quiet --frozen --compile-bytecode --no-python-downloads --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" \
	    || { echo "Could not install the dependencies; the lines above say why." >&2; exit 1; }
	@touch $@

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "driftdesk needs Python 3.11 or newer, and $(PYTHON) is not: install it, or name it with make PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "$(PYTHON) comes without venv: install it (Debian and Ubuntu: apt install python3-venv), or name another with make PYTHON=..., or a uv of your own with make UV=..." >&2; exit 1; }
	@echo "Fetching uv $(UV_VERSION) into .uv..."
	@rm -rf .uv && $(PYTHON) -m venv .uv && \
	    .uv/bin/pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)" \
	    || { rm -rf .uv; echo "Could not fetch uv from PyPI; the lines above say why." >&2; exit 1; }
