# make all: create the environment and run the whole experiment on the synthetic corpus.  make test: run checks and fast tests.
# make test-all: also run slow tests (whole DAGs, SLURM, a browser, documented commands, the site).
# If you use your own environment (environment.yml, or pip install -e ".[workflow]"), run snakemake directly.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
LOWEST := .venv-lowest
LIBRARY_TESTS := $(addprefix tests/test_,$(addsuffix .py,attacks convolution evaluation experiments explainers feedforward frontend games grid lime \
	notebook searching seeds solution_concepts store summaries tables))

.PHONY: all reproduce page test test-all fast-tests all-tests test-lowest check docs setup bench clean

all: setup
	$(BIN)/snakemake --cores $(CORES) all

# Results of README and docs that take no more than an hour each; docs/reproduction.md lists the others. The runs on real songs
# need the Jamendo corpus, which the first of them downloads.
reproduce: all
	$(BIN)/snakemake --cores $(CORES) compare variant_costs --configfile config/variants.yaml
	$(BIN)/python docs/truth.py
	$(BIN)/python docs/findings.py
	$(BIN)/snakemake --cores 1 download --configfile config/jamendo.yaml
	$(BIN)/snakemake --cores $(CORES) all --configfile config/silero.yaml
	$(BIN)/snakemake --cores $(CORES) compare variant_costs --configfile config/jamendo_free_variants.yaml

# Drawing page in a browser, with a synthetic song and the pretrained detector.
page: $(if $(wildcard $(VENV)/ready),setup,$(VENV)/page)
	$(BIN)/veracity page

# Tests of one file run in one process, so that shared fixtures are created once. The slowest files start first.
PYTEST = $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder --durations 20

# The checks run next to the tests, which leave cores idle from time to time.
test: setup
	$(MAKE) --no-print-directory --jobs check fast-tests

test-all: setup
	$(MAKE) --no-print-directory --jobs check all-tests

fast-tests: setup
	$(PYTEST) -m "not slow"

# Three processes on two cores, because the test of SLURM mostly waits.
all-tests: setup
	$(PYTEST) -n 3

# Tests with the lowest supported versions. This downloads gigabytes, because only the newest torch has a small build here.
test-lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable ".[explainers]" hypothesis pytest
	$(LOWEST)/bin/pytest -q $(LIBRARY_TESTS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakemake --lint

# Site in site/, built strictly and offline. Its tour is executed, which takes one to two minutes, less if its example exists.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: setup
	$(BIN)/python benchmarks/run.py

setup: $(VENV)/ready

# Exact versions of the tests. torch is pinned, too, and comes from the index configured for pip.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable ".[dev]"
	touch $@

# Environment for the drawing page only, in half the time.
$(VENV)/page: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable ".[page]"
	touch $@

clean:
	rm -rf $(VENV) .snakemake results site
