# The two commands of the README; each sets up its environment first (see tools/setup.py).
#   make demo                      a sick network on real digits: checked, repaired, proven
#   make test                      style, types, arrows and tests
#   make setup EXTRAS=web,keras    set up only
# Also read: PYTHON=python3.12  VENV=path  TORCH_INDEX=https://...  UNDERTOW_UV=0 (pip even beside uv)

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?=
TORCH_INDEX ?=
export VENV TORCH_INDEX UNDERTOW_UV

.PHONY: demo test setup

demo:
	@"$(PYTHON)" tools/setup.py --extras ""
	@"$(VENV)/bin/python" -m undertow demo

test:
	@"$(PYTHON)" tools/setup.py --extras dev,export,plot
	@scripts/check
	@scripts/test

setup:
	@"$(PYTHON)" tools/setup.py --extras "$(EXTRAS)"
