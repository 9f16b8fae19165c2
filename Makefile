# Every target does its own set-up; `make` alone lists them.
PYTHON ?= python3
WORKERS ?= 2
# Such as dev,ffcv; ffcv needs root or OpenCV and TurboJPEG.
EXTRAS ?= dev
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed-$(EXTRAS)
DEMO := build/demo
# The suite of `make demo` has one scale only.
SUITES = $(filter-out suites/smoke.yaml suites/recipes/% suites/published/%,$(wildcard suites/*.yaml suites/*/*.yaml))
STYLE := ../shared/tools/measure_style.py
# What the machine has no GPU, no ffcv or no SLURM for; a test cluster is started by root.
LEFT_OUT = $(shell $(BIN)/python -c 'import importlib.util as util, os, shutil, torch; print(" and ".join(\
    ["not gpu"] * (not torch.cuda.is_available()) + ["not ffcv"] * (not util.find_spec("ffcv")) + \
    ["not slurm"] * (os.geteuid() != 0 or not all(map(shutil.which, ("sbatch", "slurmd", "munged"))))))')

.DEFAULT_GOAL := help
.PHONY: help setup demo suites test lint image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## make .venv and install kbench into it, as constraints.txt says

$(INSTALLED): pyproject.toml constraints.txt
	@bash scripts/setup.sh $(PYTHON) $(VENV) $(EXTRAS)
	@touch $@

demo: setup ## train the smoke suite and print its table (results in build/demo)
	$(BIN)/kbench run suites/smoke.yaml --jobs $(WORKERS) --results $(DEMO)
	$(BIN)/kbench report suites/smoke.yaml --results $(DEMO)

suites: setup ## check every suite, run its smoke scale and typeset its tables (in build/suites)
	$(BIN)/kbench check $(SUITES) >/dev/null
	$(BIN)/kbench run $(SUITES) --scale smoke --jobs $(WORKERS) --results build/suites/results
	$(BIN)/kbench report $(SUITES) --scale smoke --results build/suites/results --latex --output build/suites/tables

# The slow ones too; what needs real data skips unless KBENCH_DATA names it.
test: setup ## run all tests that this machine can
	$(BIN)/pytest -m "$(LEFT_OUT)" -n $(WORKERS)

lint: setup ## check style, types and the style budget
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@if [ -f $(STYLE) ]; then $(BIN)/python $(STYLE) --check kbench; fi

image: ## build the container image and run the smoke suite in it (root, Debian or Ubuntu)
	bash scripts/build_image.sh

clean: ## remove what was built and cached, but not .venv
	rm -rf build dist *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find kbench tests -name __pycache__ -type d -prune -exec rm -rf {} +
