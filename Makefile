# Everything runs in .venv, which the stamps below build. Nothing else is needed than Python 3.11,
# make and git. Each stamp installs what its targets need and no more: a first `make test` waits
# for no type checker.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# What is never imported need not be compiled, and that is most of it.
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check install --no-compile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show the targets
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/run.stamp ## Schedule real work, kill it half-way, and prove that nothing was lost
	@$(BIN)/azoth-scheduler demo

.PHONY: test
test: $(VENV)/test.stamp ## Run the tests and the documentation, with branch coverage
	$(BIN)/python -m pytest -n 3 --dist worksteal -q --cov --cov-report term $(ARGS)

.PHONY: check
check: lint layers mypy pyright ## Run the linters, the layer rules and both type checkers

.PHONY: lint
lint: $(VENV)/check.stamp
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	bash -n .ci/run

.PHONY: layers
layers: $(VENV)/check.stamp
	$(BIN)/lint-imports --no-logo --no-cache

.PHONY: mypy
mypy: $(VENV)/check.stamp
	$(BIN)/mypy

.PHONY: pyright
pyright: $(VENV)/check.stamp
	$(BIN)/pyright

.PHONY: format
format: $(VENV)/check.stamp ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: $(VENV)/test.stamp ## Run each benchmark and print its answer
	@for question in benchmarks/*.py; do $(BIN)/python $$question || exit 1; done

# How long `make soak` plays scenarios, and then faults of stores, before it searches on with the
# tests. It takes some hundred scenarios until every rare state was reached, about two minutes on a
# slow machine; a soak that is shorter may miss one, and fails then.
SECONDS := 600

.PHONY: soak
soak: $(VENV)/test.stamp ## Play scenarios and faults for SECONDS each, then search for hours with the soak profile
	$(BIN)/azoth-scheduler simulate --for $(SECONDS) --sometimes --jobs 2
	$(BIN)/python -m tests.stores.faults.soak --seconds $(SECONDS)
	AZOTH_PROFILE=soak $(BIN)/python -m pytest -n 2 --dist worksteal -q -m "soak or not soak" --timeout 0 $(ARGS)

.PHONY: dev
dev: $(VENV)/check.stamp ## Build .venv with all that tests and checks need

.PHONY: clean
clean: ## Remove .venv, caches and what was built
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Azoth needs Python 3.11 or later, and found none on PATH." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[cli]"
	@touch $@

# pip 25.1 is the first that reads dependency groups.
$(VENV)/pip.stamp: | $(BIN)/python
	$(PIP) "pip>=25.1"
	@touch $@

$(VENV)/test.stamp: pyproject.toml $(VENV)/pip.stamp
	$(PIP) --editable ".[cli,fast]" --group test
	@touch $@ $(VENV)/run.stamp

$(VENV)/check.stamp: pyproject.toml $(VENV)/pip.stamp
	$(PIP) --editable ".[cli,fast]" --group dev
	@touch $@ $(VENV)/test.stamp $(VENV)/run.stamp
