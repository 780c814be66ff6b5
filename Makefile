# make demo   make the environment, show the answer for sample_logs/ and write its report into reports/
# make demo-nightly   three nights on a Log Analytics of our own on loopback, and what changed between them
# make test   make the environment and run every check and test; the report is tested in a browser
# make bench  the benchmarks (ratios in one run; some minutes, 6 GB of disk)

PYTHON ?= python3
BIN := .venv/bin

# What tests run beside Python comes from Debian where it is missing: a browser (else Playwright's own), Node.js, Java.
APT := $(if $(filter 0,$(shell id -u)),apt-get,sudo -n apt-get)
DEBIAN = { command -v apt-get && $(APT) update -qq && $(APT) install -qq -y --no-install-recommends $(1); } >/dev/null 2>&1
define HAS_OWN
import os, playwright.sync_api as api
with api.sync_playwright() as own: exit(not os.path.exists(own.chromium.executable_path))
endef
export HAS_OWN

.PHONY: demo demo-nightly test bench clean

demo: .venv/installed
	$(BIN)/fwlens recommend sample_logs/
	$(BIN)/fwlens report sample_logs/ --region westeurope --with-allowed --priority-below 4000

demo-nightly: .venv/tested
	rm -rf reports/nights
	$(BIN)/python -m tests.three_nights reports/nights

test: .venv/tested .venv/npm/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

bench: .venv/benched
	$(BIN)/python bench/cover.py
	$(BIN)/python bench/stay.py
	$(BIN)/python bench/speed.py

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@command -v chromium >/dev/null || $(BIN)/python -c "$$HAS_OWN" 2>/dev/null || $(call DEBIAN,chromium) || $(BIN)/playwright install chromium
	@command -v npm >/dev/null || $(call DEBIAN,nodejs npm)
	@command -v java >/dev/null || $(call DEBIAN,openjdk-17-jre-headless)
	@command -v systemd-analyze >/dev/null || $(call DEBIAN,systemd)
	@touch $@

# Node's packages for the tests: Microsoft's parser of KQL, and the emulator of Azure Storage.
.venv/npm/installed: tests/npm/package.json tests/npm/package-lock.json .venv/tested
	mkdir -p .venv/npm
	cp tests/npm/package.json tests/npm/package-lock.json tests/npm/.npmrc .venv/npm/
	npm ci --prefix .venv/npm --ignore-scripts --silent
	@touch $@

.venv/benched: .venv/tested
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@touch $@

clean:
	rm -rf .venv bench/data .mypy_cache .ruff_cache .pytest_cache .hypothesis
