# Everything runs in .venv, which the stamps below build; nothing else is needed than Python 3.11, make and git.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

# pip 25.1 is the first that reads dependency groups.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Azoth needs Python 3.11 or later; none was found on PATH."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install "pip>=25.1"

$(VENV)/run.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --editable ".[cli]"
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --editable ".[cli,fast]" --group test
	@touch $@ $(VENV)/run.stamp

$(VENV)/check.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --editable ".[cli,fast]" --group dev
	@touch $@ $(VENV)/test.stamp $(VENV)/run.stamp

.PHONY: dev
dev: $(VENV)/check.stamp ## Build .venv with everything that tests and checks need
