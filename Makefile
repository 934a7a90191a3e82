# make setup   an environment in .venv, with `sancha` in it
# make demo    the whole way on a synthetic book, into demo/
# make test    all tests
# make lint    formatting, style, types
# make docs    the tables of the language references, from the engine's own
# make lock    resolve the dependencies anew (needs uv)
# make wheel   a wheel in dist/

.DEFAULT_GOAL := demo
.PHONY: setup demo test lint docs lock wheel example-sba example-bpic2012 clean

SANCHA := .venv/bin/sancha
READY := .venv/ready
DATA ?= ../shared/data

setup: $(READY)

$(READY): requirements.lock pyproject.toml scripts/setup.sh scripts/system_packages.sh
	@scripts/setup.sh

demo: $(READY)
	@$(SANCHA) demo --out demo

test: $(READY)
	@.venv/bin/python -m pytest -n auto

lint: $(READY)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@mkdir -p build/types && ln -sfn ../.. build/types/sancha
	@cd build/types && ../../.venv/bin/mypy --config-file ../../pyproject.toml -p sancha.engine

example-sba: $(READY)
	@examples/sba/run.sh $(DATA)/sba

example-bpic2012: $(READY)
	@examples/bpic2012/run.sh $(DATA)/bpic2012

docs: $(READY)
	@.venv/bin/python -m sancha.engine.feel.manual

lock:
	@uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock

wheel: $(READY)
	@.venv/bin/python -m build --wheel --no-isolation

clean:
	@rm -rf .venv build dist demo
