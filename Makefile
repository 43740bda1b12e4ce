# Two commands do everything: `make lab` opens the labs, `make test` tests them.
#   make lab ARGS=--no-browser     any argument of JupyterLab passes through
#   make test                      NO_SKIPS=1 turns a skipped test into a failure
# The others: labs, site, lint, lines, bench, fuzz, measure, picture, frontends, binder-check, pins, clean, test-oldest/-newest/-python.

VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
ARGS ?=
PYTHONS ?= python3.11 python3.12 python3.13 python3.14
SHELL := /bin/sh

.PHONY: help lab test test-unit test-notebooks test-browser labs labs-check picture measure lint lines bench fuzz \
        binder-check pins clean setup-lab setup-test setup-dev test-oldest test-newest test-python

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -n 4

lab: setup-lab
	@tools/lab $(VENV) $(ARGS)

setup-lab setup-test setup-dev: setup-%:
	@tools/setup $* $(VENV)

test: test-unit test-notebooks test-browser

# Unit tests, recordings, doctests; a file's tests stay together, for what they share is made once.
test-unit: setup-test
	@$(PYTEST) -n auto --maxprocesses 4 --dist loadfile -m "not fuzz and not slow and not browser and not classroom and not site and not lite and not frontends" $(ARGS)

# Strict: every committed output is what the cell prints now. One process, or cells of a notebook are torn apart.
test-notebooks: setup-test
	@notebooks=$$($(BIN)/python -m tools.build_labs --list) && \
		$(PYTEST) -p no:doctest -p no:xdist -o addopts= --nbval -q $$notebooks

test-browser: setup-test
	@$(PYTEST) tests/browser -n 2 --dist loadfile --no-loadscope-reorder -m "browser and not slow and not site and not lite and not frontends" $(ARGS)

# All tests with the newest packages, and with the oldest that pyproject.toml allows; each in its own environment.
test-newest:
	@rm -rf .venv-newest
	@$(MAKE) --no-print-directory test CONSTRAINTS= VENV=.venv-newest

test-oldest: setup-dev
	@tools/pins oldest $(BIN)/uv
	@$(MAKE) --no-print-directory test CONSTRAINTS=build/oldest.txt VENV=.venv-oldest

# Unit tests and notebooks under each of these interpreters that is here.
test-python:
	@tools/test-python $(PYTHONS)

fuzz: setup-test
	@HYPOTHESIS_PROFILE=fuzz $(PYTEST) -m fuzz $(ARGS)

# The notebooks are built from labs/source/*.py, the cheat sheet from widgets/figures/cheatsheet.py, the badges from pyproject.toml.
labs: setup-test
	@$(BIN)/python -m tools.build_labs $(ARGS)
	@$(BIN)/python -m tools.cheatsheet
	@$(BIN)/python -m tools.speed
	@$(BIN)/python -m tools.badges
	@$(BIN)/python -m tools.frontends

labs-check: setup-test
	@$(BIN)/python -m tools.build_labs --check $(ARGS)
	@$(BIN)/python -m tools.cheatsheet --check
	@$(BIN)/python -m tools.speed --check
	@$(BIN)/python -m tools.badges --check
	@$(BIN)/python -m tools.frontends --check

# The README's moving picture, from the panel in a browser.
picture: setup-test
	@$(BIN)/python -m tools.picture

# How long a learner waits for the first click on a fresh machine; ARGS=--test measures make test, too.
measure: setup-test
	@$(BIN)/python -m tools.measure $(ARGS)

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=labs $(BIN)/lint-imports --no-cache
	@$(BIN)/codespell

# What a reader of the simulator has before them: the path of one Step apart, code and words apart.
lines: setup-test
	@$(BIN)/python -m tools.lines

bench: setup-test
	@$(BIN)/python -m tools.bench $(ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_cpu
	@$(BIN)/python -m tests.benchmarks.bench_compiled
	@$(BIN)/python -m tests.benchmarks.bench_growth
	@$(BIN)/python -m tests.benchmarks.bench_stops
	@$(BIN)/python -m tests.benchmarks.bench_history 100000 1
	@$(BIN)/python -m tests.benchmarks.bench_gdb 500 1
	@$(BIN)/python -m tests.benchmarks.bench_seeing
	@$(BIN)/python -m tests.benchmarks.bench_assembler 100000

# The site: static files in build/site, to be opened with any web server. Needs npm, for Python in the browser.
.PHONY: site site-check bench-site
site: setup-test
	@$(BIN)/python -m tools.site $(ARGS)

# JupyterLite with the labs, in build/lite/site; then `make site ARGS="--lite build/lite/site"` links to it.
# An environment of its own: JupyterLab loads whatever extensions are installed beside it, JupyterLite's kernel, too.
.PHONY: lite lite-check setup-site
setup-site:
	@tools/setup site $(VENV)-site

lite: setup-site
	@$(VENV)-site/bin/python -m tools.lite $(ARGS)

lite-check: setup-test lite
	@$(PYTEST) tests/browser/test_lite.py -n 2 -m lite $(ARGS)

# Every figure that a reader of the built site and of JupyterLite waits for.
bench-site: setup-test
	@$(BIN)/python -m tests.benchmarks.bench_import
	@$(BIN)/python -m tests.benchmarks.bench_site build/site
	@$(BIN)/python -m tests.benchmarks.bench_lite build/lite/site

site-check: setup-test site
	@$(PYTEST) tests/browser tests/site -m site $(ARGS)

# The same checks in every front end, newest and oldest versions, each in an environment of its own; the README's table.
.PHONY: frontends
frontends: setup-dev
	@tools/pins oldest $(BIN)/uv
	@tools/setup frontends .venv-frontends-newest
	@CONSTRAINTS=build/oldest.txt tools/setup frontends .venv-frontends-oldest
	@$(PYTEST) tests/browser/test_frontends.py -m frontends $(ARGS)
	@$(BIN)/python -m tools.frontends

binder-check: setup-test
	@$(BIN)/python -m tools.emulate_binder $(ARGS)

# For a class (labs/instructors.md). CLASS is its folder: what learners write and hand in; `make clean` leaves it alone.
CLASS ?= class
.PHONY: assignment hub class-check setup-class
setup-class:
	@tools/setup class $(VENV)

# A copy of the repository for learners, in COURSE: without solutions, and without the sources that hold them.
COURSE ?= course
.PHONY: course
course:
	@mkdir -p $(COURSE)
	@git archive HEAD . ':(exclude)labs/solutions' ':(exclude)labs/source' | tar -x -C $(COURSE)
	@echo "$(COURSE) has everything but the solutions and their sources."

assignment: setup-class
	@$(BIN)/python -m tools.assignment --course $(CLASS)/course $(ARGS)

hub: setup-class
	@$(BIN)/python -m tools.hub --class $(CLASS) $(ARGS)

class-check: setup-test setup-class
	@$(BIN)/python -m tools.class_check $(ARGS)
	@$(PYTEST) tests/classroom -m classroom

# Renew the pinned versions.
pins: setup-dev
	@tools/pins newest $(BIN)/uv

clean:
	rm -rf $(VENV) $(VENV)-* .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
