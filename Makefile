# Each target makes .venv on its own the first time, installs what it needs there, and prints the plain command it runs.
PYTHON ?= python3
VENV ?= .venv

.PHONY: cifar test lint clean

cifar: $(VENV)/installed
	$(VENV)/bin/python train.py --config cifar

test: $(VENV)/installed-test
	$(VENV)/bin/python -m pytest -n 2

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-cache

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable ".[report]"
	touch $@

$(VENV)/installed-test: $(VENV)/bin/python pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable ".[test]"
	touch $@

$(VENV)/installed-dev: $(VENV)/bin/python pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@
