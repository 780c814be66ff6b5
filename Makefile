# make demo   make the environment and show the answer for sample_logs/
# make test   make the environment and run every check and test
# make bench  the benchmarks (ratios in one run; a few minutes, 4 GB of disk)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench clean

demo: .venv/installed
	$(BIN)/fwlens recommend sample_logs/

test: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

bench: .venv/benched
	$(BIN)/python bench/cover.py
	$(BIN)/python bench/reading.py

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

.venv/benched: .venv/tested
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@touch $@

clean:
	rm -rf .venv bench/data .mypy_cache .ruff_cache .pytest_cache .hypothesis
