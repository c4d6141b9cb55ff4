# Each target sets up .venv first when pyproject.toml or constraints.txt changed. Python 3.11 or later is all it needs.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(name))))
BIN := .venv/bin
INSTALLED := .venv/installed
# Beta features warn; the one that is used on purpose is named here and in pyproject.toml, which says why.
WARNINGS := -W error -W 'ignore:Parameter `backfill_policy` of'

.DEFAULT_GOAL := help
.PHONY: help demo ui test check format dictionary bench clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1|\2/' | \
		while IFS='|' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

demo: $(INSTALLED) ## a vendor in miniature, thirty days of it backfilled into DuckDB, and a table of what came
	$(BIN)/python -m contact_analytics.demo

ui: $(INSTALLED) ## Dagster's UI over the same data; the sandbox answers when no credentials are set
	$(BIN)/python -m contact_analytics.demo --ui

test: $(INSTALLED) ## the tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: $(INSTALLED) ## format, lint, types, warnings at import, generated documents
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/basedpyright --level warning
	$(BIN)/python $(WARNINGS) -c 'import contact_analytics.definitions'
	$(BIN)/python -m contact_analytics.dictionary --check

format: $(INSTALLED) ## put the code into the house's format
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format --quiet

dictionary: $(INSTALLED) ## write docs/dictionary.md from the schemas
	$(BIN)/python -m contact_analytics.dictionary

bench: $(INSTALLED) ## speed and memory, against DuckDB alone and what others use; two hours or more
	$(BIN)/python -m benchmarks.run

clean: ## remove the environment and the caches; data/ stays
	rm -rf .venv .venv-peers build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or later was found.' \
		'Install one, or name it: make PYTHON=/path/to/python3 …' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo 'Setting up .venv, which takes a minute or two …' && \
		$(PYTHON) -m venv --clear .venv; } || { echo 'Python could not make a virtual environment.' \
		'On Debian and Ubuntu the package python3-venv is missing.' >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
