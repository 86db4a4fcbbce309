# millrace: everything a developer does, from a clean clone with Python >= 3.11 and make alone.
# Stamp files in .venv say what is installed; a second call does nothing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
INSTALL := $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python
FROM_LOCK := $(INSTALL) --require-hashes --no-build -r
COMPILE = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --custom-compile-command "make lock" --no-config \
	-c requirements/bounds.in
# Whole files, because their tests share clusters; in the order of tests/conftest.py. Tests wait for the
# processes they start: three at a time keep two cores busy. Those marked `alone` need room: two.
FILES := --dist loadfile --no-loadscope-reorder
THREE := -n 3 $(FILES)
TWO := -n 2 $(FILES)
ARGS ?=

# The first Python that is new enough and can make a virtual environment; PYTHON=... overrides.
FIND_PYTHON = for python in $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python3.14); do \
	if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then found=$$python; break; fi; done; \
	if [ -z "$${found:-}" ]; then \
	echo "millrace needs Python 3.11 or newer with its venv module (Debian: python3-venv)" >&2; \
	exit 1; fi

.PHONY: help demo cover examples test test-long test-ssh test-ui test-slurm check lint format bench bench-train bench-train-memory bench-train-larger bench-train-stopping bench-train-published bench-train-faults bench-train-same bench-score bench-score-faults bench-commands bench-profile bench-contract bench-features bench-tune lock clean bench-estimators bench-estimators-memory

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-22s %s\n", $$1, $$2 }'

demo: $(VENV)/.runtime ## Generate the demo's data, train on it, score it
	$(BIN)/python examples/demo/generate.py
	$(BIN)/millrace run examples/demo/job.toml

test: $(VENV)/.dev ## Run the tests, three at a time; ARGS='-k NAME' chooses
	$(BIN)/python -m pytest $(THREE) -m "not long and not alone" $(ARGS)
	$(BIN)/python -m pytest $(TWO) -m "alone and not long" $(ARGS)

examples: $(VENV)/.dev ## Run the job files of examples/public, compare with the published baselines; needs MILLRACE_DATA
	$(BIN)/python examples/public/run.py $(ARGS)

cover: $(VENV)/.dev ## Run all tests with branch coverage, in worker processes too
	$(BIN)/python -m pytest $(TWO) --cov --cov-report= -m "not alone" $(ARGS)
	$(BIN)/python -m pytest --cov --cov-append --cov-report=term -m "alone" $(ARGS)

test-long: $(VENV)/.dev ## Run the tests that take long: giant row groups, cut networks, more faults, more examples
	$(BIN)/python -m pytest -m long $(ARGS)
	$(BIN)/python -m pytest $(THREE) -m "hypothesis and not long" --hypothesis-profile=thorough $(ARGS)

test-ui: $(VENV)/.dev ## Run the tests of `millrace ui` and of the report in a browser; needs Debian's chromium
	MILLRACE_MUST_HAVE=chromium $(BIN)/python -m pytest tests/jobs/ui \
		tests/jobs/report/test_report_browser.py $(ARGS)

test-ssh: $(VENV)/.dev ## Run the tests with real SSH servers in network namespaces (root, sshd, ip)
	MILLRACE_MUST_HAVE=ssh $(BIN)/python -m pytest tests/cluster/ssh $(ARGS)

test-slurm: $(VENV)/.dev ## Run jobs on a real SLURM that the tests start on this machine (Debian: slurm-wlm, munge)
	MILLRACE_MUST_HAVE=slurm $(BIN)/python -m pytest tests/cluster/slurm $(ARGS)

check: lint test ## Everything that must hold before a commit

lint: $(VENV)/.dev ## Style, formatting, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## Mend what ruff can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: bench-train bench-score bench-profile bench-contract bench-features ## All benchmarks, at full size

bench-train: $(VENV)/.dev ## Training against lightgbm.dask, xgboost and LightGBM in memory; ARGS=...
	$(BIN)/python benchmarks/train.py $(ARGS)

bench-train-memory: $(VENV)/.dev ## Memory of training against the plan, 14 shapes; ARGS=...
	$(BIN)/python benchmarks/train_memory.py $(ARGS)

bench-train-larger: $(VENV)/.dev ## Raw data ten times the memory of all workers; ARGS=...
	$(BIN)/python benchmarks/train_larger.py $(ARGS)

bench-train-stopping: $(VENV)/.dev ## Early stopping against LightGBM in one process; ARGS=...
	$(BIN)/python benchmarks/train_stopping.py $(ARGS)

bench-train-published: $(VENV)/.dev ## Sets with published figures, and LightGBM's examples; ARGS=...
	$(BIN)/python benchmarks/train_published.py $(ARGS)

bench-train-faults: $(VENV)/.dev ## Random faults while training; ARGS='--faults 200'
	$(BIN)/python benchmarks/train_faults.py $(ARGS)

bench-train-same: $(VENV)/.dev ## The same model on 1, 2 and 4 workers; ARGS=...
	$(BIN)/python benchmarks/reproducible.py $(ARGS)

bench-tune: $(VENV)/.dev ## Tuning against Optuna in memory, dask-ml and Ray Tune; ARGS=...
	$(BIN)/python benchmarks/tune.py $(ARGS)

bench-estimators: $(VENV)/.dev ## Every estimator against the same one in memory; ARGS=--write
	$(BIN)/python benchmarks/estimators.py $(ARGS)

bench-estimators-memory: $(VENV)/.dev ## Memory of every estimator against the plan; ARGS=--fresh
	$(BIN)/python benchmarks/estimators_memory.py $(ARGS)

bench-score: $(VENV)/.dev ## Scoring against Dask DataFrame and Booster.predict; ARGS=...
	$(BIN)/python benchmarks/score.py $(ARGS)

bench-score-faults: $(VENV)/.dev ## Random kill -9 while scoring; ARGS='--faults 300'
	$(BIN)/python benchmarks/score_faults.py $(ARGS)

bench-commands: $(VENV)/.dev ## How long a user waits for a command; ARGS=...
	$(BIN)/python benchmarks/commands.py $(ARGS)

bench-profile: $(VENV)/.dev ## Profiling against Polars, Dask DataFrame and report libraries; ARGS=...
	$(BIN)/python benchmarks/profile.py $(ARGS)

bench-contract: $(VENV)/.dev ## Checking rows against validation libraries; ARGS=...
	$(BIN)/python -m benchmarks.contract $(ARGS)

bench-features: $(VENV)/.dev ## Features against Polars, dask-ml and, if there, Spark and Ray; ARGS=...
	$(BIN)/python benchmarks/features.py $(ARGS)

lock: $(VENV)/.uv ## Resolve again; ARGS=--upgrade takes the newest versions the bounds allow
	$(COMPILE) --group build -o requirements/runtime.txt $(ARGS)
	$(COMPILE) --group dev --all-extras \
		-c requirements/runtime.txt -o requirements/dev.txt $(ARGS)

clean: ## Remove what the tools made, the environment too
	rm -rf $(VENV) .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache dist
	find engine jobs cluster tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.uv: requirements/installer.txt
	@$(FIND_PYTHON); echo "making $(VENV) with $$($$found -V)"; $$found -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--only-binary :all: -r requirements/installer.txt
	@touch $@

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(VENV)/.uv
	@echo "installing requirements/runtime.txt"
	@$(FROM_LOCK) requirements/runtime.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "installing requirements/dev.txt"
	@$(FROM_LOCK) requirements/dev.txt
	@touch $@
