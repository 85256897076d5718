# Every target installs what it needs into .venv first, so each works alone in a fresh clone.
PYTHON ?= python3
NEWEST = $(firstword $(foreach version,3.13 3.12,$(shell \
	for python in python$(version) $(HOME)/.pyenv/versions/$(version).*/bin/python; do \
	$$python -c 'import sys; print(sys.executable)' 2>/dev/null && break; done)))
BIN := .venv/bin
PYTEST := -m pytest -q -n logical --maxprocesses 8 --dist worksteal # a worker a core
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

# What measures this machine and not a claim.
MEASUREMENTS := $(addprefix experiments/,$(addsuffix .py,batch_evaluation benchmark engine_scale growth plan_accuracy whole_job))
EXPERIMENTS := $(filter-out $(addprefix experiments/,$(addsuffix .py,claiming claims_page drawing encoding figures measuring reporting)), $(wildcard experiments/*.py))

# Tests and smoke runs train so little that compiling well would not pay. The second flag is unknown to newer XLA.
COMPILE_FAST := --xla_backend_optimization_level=0 $(shell \
	$(PYTHON) -c 'import sys; print("--xla_cpu_use_fusion_emitters=false" * (sys.version_info < (3, 12)))')

.PHONY: install sweep test test-all test-browser test-newest check format docs faults reproduce report figures smoke clean

install: .venv/core ## fnnet and what it runs on, at the versions of constraints.txt

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e .
	touch $@

.venv/dev: .venv/core
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	touch $@

sweep: .venv/core ## learning rates x depths x seeds on handwritten digits: 256 runs
	$(BIN)/fnnet sweep --dataset digits depth=1,2,4,8 learning_rate=log:1e-3:10:16 seed=range:4

test: export XLA_FLAGS = $(COMPILE_FAST)
test: .venv/dev ## unit, property and documentation tests, in a few minutes
	$(BIN)/python $(PYTEST) -m "not slow"

test-all: .venv/dev ## all of them, the slow ones of whole sweeps compiled as users compile
	XLA_FLAGS="$(COMPILE_FAST)" $(BIN)/python $(PYTEST) -m "not optimized"
	$(BIN)/python $(PYTEST) -m optimized

test-browser: .venv/dev ## the report in a browser: Debian's Chromium, which this installs as root
	command -v chromium > /dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[browser]'
	$(BIN)/python -m pytest -q tests/browser

test-newest: ## the tests on the newest Python found, with the newest jax
	@test -n "$(NEWEST)" || { echo "no Python 3.12 or 3.13 found; put one on the PATH"; exit 1; }
	$(NEWEST) -m venv .venv-newest
	.venv-newest/bin/python $(PIP_INSTALL) --upgrade -e '.[dev]'
	.venv-newest/bin/python -c 'import sys, jax; print("Python", sys.version.split()[0], "jax", jax.__version__)'
	.venv-newest/bin/python $(PYTEST)

check: .venv/dev ## formatting, lint, types and all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/typing/mypy.ini examples tests/typing
	$(MAKE) test-all

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/docs: .venv/core
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[docs]'
	touch $@

docs: .venv/docs ## the documentation, as docs/_build/html/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -j auto docs docs/_build/html

faults: .venv/dev ## kills, full disks and damaged files, at length (a quarter of an hour)
	$(BIN)/python tests/faults/store_faults.py --seeds 20
	$(BIN)/python tests/faults/kill_sweep.py --kills 60
	$(BIN)/python tests/random_schedules.py 5000

reproduce: .venv/core ## every claim at full size, one by one, and the page of them all
	for script in $(filter-out $(MEASUREMENTS), $(EXPERIMENTS)); do $(BIN)/python $$script || exit 1; done
	$(MAKE) report

report: .venv/core ## one page of what experiments claimed and measured, from experiments/results
	$(BIN)/python experiments/claims_page.py

figures: .venv/core ## the figures drawn again from the reports, without training; FORMAT=pdf or svg for vectors
	$(BIN)/python experiments/figures.py --format $(or $(FORMAT),png)

smoke: export XLA_FLAGS = $(COMPILE_FAST)
smoke: .venv/core ## every experiment at its smallest size; the largest files first, so that both cores end together
	ls -S $(EXPERIMENTS) | xargs -P 2 -I SCRIPT sh -c '$(BIN)/python SCRIPT --smoke > /dev/null || { echo SCRIPT failed; exit 1; }'

clean:
	rm -rf .venv .venv-newest .mypy_cache .pytest_cache .ruff_cache .hypothesis docs/_build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
