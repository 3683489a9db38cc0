.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test check bench soak audit clean

help: ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Reachbook needs Python 3.11 or newer; give one with PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(VENV)/.installed ## Start the server with sample data
	@$(BIN)/reachbook demo

test: $(VENV)/.installed-dev ## Run the tests, in parallel
	@$(BIN)/python -m pytest -n auto --dist worksteal -m 'not soak'

check: $(VENV)/.installed-dev ## Lint, types, layers, dependencies, spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/codespell

bench: $(VENV)/.installed-dev ## Measure against yardsticks; writes bench/latest.json
	@$(BIN)/python -m bench

soak: $(VENV)/.installed-dev ## The slow tests: long races, kill -9 over and over, 50,000 people
	@$(BIN)/python -m pytest -m soak -s

audit: $(VENV)/.installed-dev ## Known vulnerabilities in the pinned packages (asks the registry)
	@$(BIN)/pip-audit -r constraints.txt --disable-pip --no-deps

clean: ## Remove what was made here, data too
	rm -rf $(VENV) reachbook-data .hypothesis .pytest_cache .ruff_cache
