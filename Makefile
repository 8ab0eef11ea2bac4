# What a developer types. `make` alone lists the targets.
# The interpreter that the virtualenv is made from: 3.10, 3.11 or 3.12.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
export DEVCLOUD_STATE ?= $(CURDIR)/.devcloud
# The runbook command takes its configuration from here; devcloud/up writes it.
export OPENSTACK_OPS_CONFIG ?= $(DEVCLOUD_STATE)/openstack_ops.yaml
# Tests start many processes: without bytecode each of them would compile the library anew.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -q
# Long tests go without: they cover little that others do not, and would take half as long again.
COVERED := $(BIN)/coverage run -m pytest -q
# Side by side goes everything but what needs the one devcloud. Much of it waits for processes that
# it has started: four workers are sooner done than two, also on two cores.
SIDE_BY_SIDE := -n 4 --dist worksteal

.PHONY: help venv constraints lint generate runbook sizes exchange test test-fast test-long test-lowest test-pythons test-cloud test-cloud-long test-crash mutants coverage devcloud demo bench bench-query bench-requests bench-mail bench-hops bench-sensors mail-previews clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

venv: $(READY)  ## make the virtualenv

$(READY): constraints.txt $(wildcard requirements*.txt)
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' \
	  || { echo 'Python 3.10, 3.11 or 3.12 is needed: make PYTHON=python3.11 $(MAKECMDGOALS)'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	touch $@

constraints: venv  ## the newest versions within the ranges, for all Pythons, into constraints.txt
	sed -i '/^[^#]/d' constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header \
	  requirements-dev.txt >> constraints.txt

lint: venv  ## black, ruff, mypy
	$(BIN)/black --check --quiet lib actions tests devcloud bench tools || $(BIN)/black --check lib actions tests devcloud bench tools
	$(BIN)/ruff check lib actions tests devcloud bench tools
	$(BIN)/mypy lib
	MYPYPATH=lib:tools $(BIN)/mypy tools

generate: venv  ## the actions, and what docs/ has of them, from runbooks, tables and schemas
	$(BIN)/python tools/generate.py

runbook: venv  ## the skeleton of a new runbook: make runbook NAME=server.power_cycle
	@$(BIN)/python tools/new_runbook.py '$(NAME)'

sizes: venv  ## how large each folder of the library is, into docs/ARCHITECTURE.md
	$(BIN)/python tools/sizes.py

exchange: venv  ## the checks that StackStorm Exchange's CI makes
	PATH="$(BIN):$$PATH" $(BIN)/python tools/exchange.py

test: lint  ## all but test-cloud-long and test-crash, on a devcloud that is brought up for it
	$(BIN)/coverage erase
	$(MAKE) test-fast PYTEST='$(COVERED)'
	$(MAKE) test-long
	$(MAKE) test-cloud PYTEST='$(COVERED)'
	$(MAKE) coverage

test-fast: venv  ## unit and contract tests: no network, a sample of what takes long
	$(PYTEST) $(SIDE_BY_SIDE) tests/unit tests/contract

test-long: venv  ## what takes a second or more, and the whole of what test-fast takes a sample of
	$(PYTEST) $(SIDE_BY_SIDE) -m 'long or hypothesis' tests/unit tests/contract

test-lowest: venv  ## unit and contract tests on the lowest versions that the requirements allow
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct \
	  -r requirements-tests.txt
	.venv-lowest/bin/python -m pytest -q $(SIDE_BY_SIDE) tests/unit tests/contract

test-pythons:  ## unit and contract tests on every supported Python that is here
	for version in 3.10 3.11 3.12; do \
	  if python$$version -c '' 2>/dev/null; then \
	    echo "Python $$version" && $(MAKE) --no-print-directory test-fast \
	      VENV=.venv-$$version PYTHON=python$$version || exit 1; \
	  else echo "Python $$version is not here"; fi; \
	done

test-cloud: devcloud  ## the tests against a real OpenStack
	$(PYTEST) -m 'cloud and not crash' tests

test-cloud-long: devcloud  ## every verb with every fault on a real OpenStack, of which test-cloud tries one each
	$(PYTEST) -m 'cloud and long' tests

test-crash: devcloud  ## the long form of the kill tests
	CRASH_KILLS=$${CRASH_KILLS:-40} $(PYTEST) -s -m crash tests

mutants: venv  ## break the safety-critical code in some hundred ways: do the tests notice each?
	$(BIN)/python tools/mutants.py $(MUTANTS)

coverage: venv  ## what the tests of this folder have covered, by branches
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

devcloud: venv  ## bring up a real OpenStack on loopback, with an estate in it
	devcloud/up --with monitoring,ssh
	devcloud/seed

demo: devcloud  ## from nothing to a drained hypervisor
	devcloud/demo

bench: devcloud  ## measure against the limit and the rivals
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/drain.py
	$(BIN)/python bench/bulk.py

bench-query: venv  ## measure queries over 100,000 servers against the SDK, keystoneauth and the limit
	$(BIN)/python bench/query.py

bench-requests: devcloud  ## count what a dozen questions send, beside a client that asks row by row
	$(BIN)/python bench/query_requests.py

mail-previews: venv  ## every notice as mail programs show it: HTML files and pictures in build/mail-previews
	$(BIN)/python tools/mail_previews.py

bench-mail: venv  ## measure a campaign to 800 owners of 8000 servers against bare SMTP
	$(BIN)/python bench/mail.py

bench-sensors: venv  ## measure what a look of the sensors costs in a cloud of 1000 hypervisors
	$(BIN)/python bench/sensors.py

bench-hops: venv  ## count the modules that a value passes on its way to a service
	$(BIN)/python bench/hops.py

clean:  ## remove what this Makefile made, and stop devcloud
	devcloud/down --wipe
	rm -rf $(VENV) build .venv-lowest .venv-3.* .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
