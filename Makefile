# make all: set everything up and run the whole experiment on the embedded corpus.  make test: set up, check, run the fast tests;
# make test-all: also the slow ones (whole DAGs, SLURM, a browser, documented commands) and the site.
# With an environment of your own (environment.yml, or pip install -e ".[workflow]") you need none of this: run snakemake.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
LOWEST := .venv-lowest
LIBRARY_TESTS := $(addprefix tests/test_,$(addsuffix .py,attacks convolution evaluation experiments explainers frontend games grid lime \
	notebook plain_stacks readouts searching seeds store summaries tables))

.PHONY: all page test test-all fast-tests all-tests test-lowest check docs setup bench clean

all: setup
	$(BIN)/snakemake --cores $(CORES) all

# A page to draw on, in a browser: on a synthetic song and a small detector, which is trained on first use.
page: $(if $(wildcard $(VENV)/ready),setup,$(VENV)/page)
	$(BIN)/veracity page

# Tests of one file stay on one process, so that what a file shares is made once; the files that take longest begin.
PYTEST = $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder --durations 20

# The checks and the site are made beside the tests, which leave cores idle now and then.
test: setup
	$(MAKE) --no-print-directory --jobs check fast-tests

test-all: setup
	$(MAKE) --no-print-directory --jobs check docs all-tests
	$(BIN)/pytest tests/test_site.py

fast-tests: setup
	$(PYTEST) -m "not slow"

all-tests: setup
	$(PYTEST) --ignore tests/test_site.py

# The library with the lowest versions that are claimed; gigabytes to download, since only the newest torch has a small build here.
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

# The site, in site/: built strictly and offline; the tour in it is run (a minute or two, and less once its example is there).
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: setup
	$(BIN)/python benchmarks/run.py

setup: $(VENV)/ready

# Exact versions that were tested; torch is the pinned one, from the index that pip is set up with.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable ".[dev]"
	touch $@

# The page alone, in half the time.
$(VENV)/page: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable ".[page]"
	touch $@

clean:
	rm -rf $(VENV) .snakemake results site
