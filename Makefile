# Each command does its own set-up; a second call does none again.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
.DEFAULT_GOAL := help

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or newer: make PYTHON=python3.11 book")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

book: $(READY)  ## bring stale results up to date, render the site and the PDF
	@$(BIN)/lab render

test: $(READY)  ## run every test (installs Chromium through apt-get if there is no browser)
	@tests/browser.sh
	@$(BIN)/python -m pytest -n 2

reproduce: $(READY)  ## recompute every result, by the same code and by independent code, and compare with the committed one
	@$(BIN)/lab verify; verified=$$?; $(BIN)/python -m tests.independent && exit $$verified

check: $(READY)  ## lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## measure rendering against what one would use instead
	@$(BIN)/python -m benchmarks

serve: $(READY)  ## show the rendered site on localhost
	@$(BIN)/lab serve

quarto: $(READY)  ## install the real Quarto from PyPI, where the network allows (tried with 1.10.18)
	@$(BIN)/python -m pip install --quiet 'quarto-cli>=1.9' && $(BIN)/quarto --version || \
		{ echo 'Quarto could not be installed: its PyPI package downloads from elsewhere while it installs.'; \
		  echo 'Get it from quarto.org (1.9 or newer; tried with 1.10.18) and put quarto on PATH; until then lab render uses press.'; exit 1; }

clean:  ## remove what rendering made; results and the environment stay
	rm -rf _book _freeze .press .quarto

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: book test reproduce check bench serve quarto clean help
