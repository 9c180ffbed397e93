# Each target makes the virtual environment when it is needed, and does nothing twice.
PYTHON ?= python3
DATA ?= data/ptb-xl
BIN := .venv/bin
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
TORCH := $(shell grep '^torch==' requirements.lock)
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

.PHONY: discover test lab lint data train clean
.DEFAULT_GOAL := discover

discover: .venv/.installed      ## the main job: a small study from the bundled generator to a report
	$(BIN)/discovery study --out runs/first-study

test: lint                      ## lint, tests, notebooks, and browser tests where there is a Chromium
	$(BIN)/python -m pytest

lab: .venv/.installed           ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --ip=127.0.0.1 $(AS_ROOT) \
	    --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate notebooks

lint: .venv/.installed          ## ruff only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

data: .venv/.installed          ## download PTB-XL (3 GB): only needed to train, or to compare with records
	$(BIN)/python -c 'from models.records import download_ptbxl; download_ptbxl("$(DATA)")'

train: .venv/.installed         ## train the bundled generator again on the records in DATA
	mkdir -p training
	$(BIN)/discovery measure $(DATA) --out training/measured.parquet
	$(BIN)/python -m models.training --data $(DATA) --measured training/measured.parquet
	$(BIN)/discovery calibrate ptbxl $(DATA) --out models/weights/ptbxl.safetensors

clean:                          ## forget the environment and the caches; runs/ and data/ stay
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
	find models discovery tests -name __pycache__ -prune -exec rm -rf {} +

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python must be 3.11 or newer, got " + \
	sys.version.split()[0] + ": name another one, as in `make PYTHON=python3.12 $(MAKECMDGOALS)`")'
	@echo "Installing into .venv (once; some minutes, about 3 GB)"
	$(PYTHON) -m venv .venv
	$(PIP) $(TORCH)
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
