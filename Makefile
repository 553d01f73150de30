# Self-documenting: `make help` lists every target.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HOST   ?= 127.0.0.1
PORT   ?= 7860
UI_PORT ?= 5000
CONFIG ?= configs/demo.toml
WORKERS ?= 2
PROCESSES ?= 2
COVERAGE ?=
export MLFLOW_DISABLE_TELEMETRY = true
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup demo study cluster test lint types ui app docs bom audit bench clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "boneage needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

setup: $(VENV)/.installed ## Install everything into .venv and bring the shipped cascade into the store
	$(BIN)/boneage store init
	$(BIN)/boneage registry import --shipped

cluster: $(VENV)/.installed ## Install what several machines need, too (Ray, PostgreSQL's driver): docs/how-to/cluster.md
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-cluster.lock

study: setup ## Run the whole study of CONFIG (default: the demo on phantoms) and promote its cascade
	$(BIN)/python -m tuning $(CONFIG) --promote --workers $(WORKERS)

demo: study ## The same, then open the page on the demo's cascade (HOST, PORT)
	$(BIN)/python app.py --host $(HOST) --port $(PORT) --model models:/boneage-demo-cascade@champion

app: setup ## Open the page on the promoted cascade
	$(BIN)/python app.py --host $(HOST) --port $(PORT)

ui: setup ## Open the MLflow UI on mlruns/ (choose "Model training" at the top left)
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --workers 1 --host $(HOST) --port $(UI_PORT) \
	  --backend-store-uri sqlite:///$(CURDIR)/mlruns/mlflow.db

test: $(VENV)/.installed ## Run all tests in two processes (those whose part is missing here skip and say so)
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile $(COVERAGE)

lint: $(VENV)/.installed ## ruff: rules and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.installed ## mypy
	$(BIN)/mypy

docs: $(VENV)/.installed ## Build the documentation into site/: open site/index.html in a browser
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "the documentation: $(CURDIR)/site/index.html"

bom: $(VENV)/.installed ## Write dist/boneage.cdx.json, the bill of materials (CycloneDX) that lies beside the wheel
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --no-validate --pyproject pyproject.toml --output-reproducible --of JSON -o dist/boneage.cdx.json $(VENV)

audit: $(VENV)/.installed ## Look the lock file up in the database of known faults (needs a network; else a note)
	@{ timeout 30 $(BIN)/python -m pip install --quiet pip-audit && \
	  timeout 90 $(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock; } || \
	  echo "note: the lock file was not audited, or faults are known: see above (pip-audit needs its database)"

bench: $(VENV)/.installed ## Print the speed ratios of benchmarks/ (those that need data are called measure_*)
	for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

clean: ## Remove what can be made again (.venv, caches, workspace); never mlruns/ or flagged/
	rm -rf $(VENV) workspace site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
