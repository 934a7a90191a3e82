# make setup   an environment in .venv, with `sancha` in it
# make demo    the whole way on a synthetic book, into demo/
# make test    all tests
# make lint    formatting, style, types
# make docs    the tables of the language references, from the engine's own
# make spark   Apache Spark for `sancha replay --engine spark`, into .venv (needs Java 17)
# make lock    resolve the dependencies anew (needs uv)
# make wheel   a wheel in dist/

.DEFAULT_GOAL := demo
.PHONY: setup demo test lint docs lock spark wheel example-sba example-bpic2012 clean

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

# Spark weighs 400 MB: it has a lock of its own, over the same versions of what both need.
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate --no-emit-index-url --no-emit-find-links --quiet
lock:
	@$(COMPILE) --extra test --extra lint --extra benchmark --extra postgres --extra kafka --output-file requirements.lock
	@$(COMPILE) --extra spark --constraint requirements.lock --output-file requirements-spark.lock

spark: $(READY)
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-spark.lock

wheel: $(READY)
	@.venv/bin/python -m build --wheel --no-isolation

clean:
	@rm -rf .venv build dist demo
