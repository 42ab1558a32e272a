# Everything here works on a machine that has Python 3.11 or newer (with venv) and make.
# PYTHON=/path/to/python3 chooses the interpreter; without it, the newest one found is taken.

SHELL := /bin/sh
export PYTHON

BIN := .venv/bin
PYTEST_FLAGS ?= -n auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test lint format fuzz soak bench docs lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

install: ## make .venv with .venv/bin/openclaw
	@scripts/set-up runtime

install-dev: ## the same, with all that testing and linting need
	@scripts/set-up dev

demo: install ## place and take calls with the mock carrier; leaves one in build/demo to hear and see
	@$(BIN)/python -m examples.demo

test: install-dev ## run all tests
	$(BIN)/pytest $(PYTEST_FLAGS)

lint: install-dev ## style, types, layers, and whether each promise has its test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/scenario_matrix.py --check

format: install-dev ## rewrite the sources in the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

fuzz: install-dev ## feed every parser random input for FUZZ_SECONDS (60)
	@$(BIN)/python -m tests.fuzz

soak: install-dev ## place SOAK_CALLS calls (2000) over carriers that fail all the time
	@$(BIN)/python -m tests.load.driver soak

bench: install-dev ## measure, each figure beside its floor or a peer
	$(BIN)/python -m benchmarks.run

docs: install-dev ## rewrite the generated pages and the plugin's manifest
	$(BIN)/python scripts/scenario_matrix.py
	$(BIN)/python -m openclaw_voice_call.config.docs

lock: install ## pin the newest versions that fit, with hashes
	$(BIN)/python scripts/lock.py

clean: ## remove .venv and everything that was generated
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
