# Two commands do it all: `make matrix` runs the matrix, `make test` passes the tests.
# Both make the environment in .venv first, from the pinned constraints.txt.
#
#   make matrix             run a sample and all that has lapsed, take the rest from reports/
#   make matrix FRESH=1     run everything, take nothing from the committed reference run
#   make matrix RESUME=1    go on after an interrupt
#   make matrix ARGS="--budget 30m --sample-seed 7"     a larger sample, the same each time
#   make matrix ARGS="--applications ResNet*,VGG16 --variants top"
#   make venv PYTHON=python3.12 CONSTRAINTS=     another Python, the newest releases

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
# ai-edge-quantizer fixes the version of ai-edge-litert: with the newest releases it stays out.
EXTRAS ?= $(if $(CONSTRAINTS),dev$(comma)peers,dev)
ARGS ?=
RUN := $(VENV)/bin/python
comma := ,

.DEFAULT_GOAL := help
.PHONY: help venv matrix test lint format smoke speed constraints clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

$(VENV)/.done: pyproject.toml $(wildcard $(CONSTRAINTS))
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) \
	  else "Python 3.10 to 3.13 is needed, this is %d.%d: make venv PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS),--upgrade) -e ".[$(EXTRAS)]"
	@touch $@

venv: $(VENV)/.done

matrix: venv
	$(RUN) -m harness run $(if $(FRESH),--fresh) $(if $(RESUME),--resume) $(ARGS)

test: venv
	$(RUN) -m pytest -n auto --dist loadfile -m "not slow" tests $(ARGS)

lint: venv
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: venv
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

# A sample of small members, one of each family and kind of row, that keeps to its budget even if
# all records have lapsed.
smoke: venv
	$(RUN) -m harness run --smoke --budget 3m --case-timeout 300 --results .harness/smoke $(ARGS)

speed: venv
	for one in speed/*.py; do $(RUN) $$one || exit; done

constraints: venv
	$(RUN) -m pip install --quiet uv
	sed -n '/^#/p' constraints.txt > $(VENV)/constraints.new
	$(RUN) -m uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 --upgrade \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet \
	  >> $(VENV)/constraints.new
	mv $(VENV)/constraints.new constraints.txt

clean:
	rm -rf $(VENV) .harness build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
