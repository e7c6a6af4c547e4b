# Everything a person types. Needs Python 3.11 or newer with venv, and make; the rest is installed into .venv from hashed lists.

# The first that works: `python3.11` may be a shim of a version manager with nothing behind it.
PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
VENV := .venv
PY := $(VENV)/bin/python
# Stamps remember which list was installed; a changed list is installed again, nothing else is.
RUNTIME := $(VENV)/runtime.stamp
DEV := $(VENV)/dev.stamp
# The servers of Node that `make bench` compares us with; npm writes this file whenever it has installed them.
PEERS := bench/peers/node/node_modules/.package-lock.json
# The pages, and the packages that build them.
PAGES := web/dist/.stamp
WEB := web/node_modules/.stamp
# What `make cluster` puts between its workers: redis or postgresql.
BUS := redis

# -qq: errors only. --require-hashes: what was locked, or nothing.
INSTALL = $(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r
# --no-config and --no-emit-*: nothing of the machine that made a list gets into it. fewest: one version of a package for every Python.
COMPILE = $(VENV)/bin/uv pip compile --no-config --quiet --universal --fork-strategy fewest --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)

# Whether Node is new enough for Vite. Without it everything but the pages works, and `/` says so.
HAS_NODE := $(shell node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a === 20 && +b >= 19) ? 0 : 1)' 2>/dev/null && command -v npm)
# Its spinner is a line of control characters in whatever records a terminal.
export npm_config_progress := false

.DEFAULT_GOAL := help
.PHONY: help run cluster demo test soak chaos pictures check format bench schema lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

# Who wants to serve does so without pages rather than not at all, and the next time tries again; tests and checks stop.
run cluster: OR_GO_ON = || echo "The pages could not be built. The API runs all the same; start it again to try again." >&2

run: $(RUNTIME) $(PAGES) ## Start Parley on port 8000 with its own database in .parley/ (Ctrl-C stops it)
	@exec $(PY) -m api serve $(ARGS)

cluster: $(DEV) $(PAGES) ## Start PostgreSQL, Valkey and four workers on port 8000 (BUS=postgresql does without Valkey)
	@exec $(PY) -m tests.cluster --bus $(BUS) $(ARGS)

demo: $(DEV) ## Let two WebRTC peers meet through a running server, told line by line
	@exec $(PY) -m tests.acceptance.demo $(ARGS)

# One process more than two cores: about a third of the time a test waits for a clock or for another program. With four it took longer.
test: $(DEV) $(PAGES) ## Run the tests (ARGS="-k pool" picks some)
	@$(PY) -m pytest -n 3 --dist loadfile $(ARGS)

soak: $(DEV) ## See that memory stays where it was while 200,000 events, 20,000 connections and what nobody should send pass (30 minutes)
	@$(PY) -m tests.soak $(ARGS)
	@PARLEY_FUZZ_TIMES=10 $(PY) -m pytest -n 2 --dist loadfile -o faulthandler_timeout=0 tests/fuzz
	@$(PY) -m tests.fuzz.stalls

chaos: $(DEV) ## Let everything fail for ten minutes while 200 people talk (ARGS="--seconds 60 --bus redis")
	@exec $(PY) -m tests.chaos $(ARGS)

pictures: $(DEV) $(PAGES) ## Take the pictures of the README anew, with Chromium
	@$(PY) -m tests.browser.pictures

check: $(DEV) $(WEB) ## Format, lint, types, layers, and that migrations and schema.graphql are current
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m mypy
	$(PY) $(VENV)/bin/lint-imports --no-logo --cache-dir build/import_linter
	$(PY) -m api migrate --check
	$(PY) -m api schema --check
	$(if $(HAS_NODE),npm --prefix web run --silent check,@echo "Not checked: web/, which needs Node 20.19 or newer with npm.")

format: $(DEV) $(WEB) ## Format, and mend what ruff and Biome can mend by themselves
	$(PY) -m ruff format
	$(PY) -m ruff check --fix
	$(if $(HAS_NODE),npm --prefix web run --silent format)

bench: $(DEV) $(PEERS) ## Measure it, beside other servers too (ARGS=peers: only these)
	@exec $(PY) -m bench $(ARGS)

schema: $(RUNTIME) ## Write the public schema to schema.graphql
	@mkdir -p build
	@$(PY) -m api schema > build/schema.graphql && mv build/schema.graphql schema.graphql

lock: $(DEV) ## Pin what pyproject.toml asks for (ARGS=--upgrade takes newer releases)
	$(COMPILE) --group embedded pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --group embedded --group dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt
	$(COMPILE) -c requirements/runtime.txt pyproject.toml -o requirements/server.txt

clean: ## Remove .venv, build/, the pages and caches; accounts in .parley/ stay
	rm -rf $(VENV) build web/dist web/*/generated.ts .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name .git -prune -o -name .parley -prune -o -type d \( -name node_modules -o -name __pycache__ \) -prune -exec rm -rf {} +

$(RUNTIME): requirements/runtime.txt
	@$(PYTHON_IS_NEW_ENOUGH)
	@$(VENV_WORKS)
	@echo "Installing $< into $(VENV) ..."
	@$(INSTALL) $<
	@touch $@

$(DEV): requirements/dev.txt
	@$(PYTHON_IS_NEW_ENOUGH)
	@$(VENV_WORKS)
	@echo "Installing $< into $(VENV) ..."
	@$(INSTALL) $<
	@touch $(RUNTIME) $@ # it holds the runtime list too

# Its summary is no news; its errors are. An installation that was broken off is begun anew.
$(WEB): web/package-lock.json
ifdef HAS_NODE
	@echo "Installing $< ..."
	@rm -f $@; { npm ci --loglevel error --no-fund --no-audit --prefix web >/dev/null && touch $@; } $(OR_GO_ON)
endif

$(PAGES): $(WEB) schema.graphql $(shell find web \( -name node_modules -o -name dist -o -path web/test -o -path web/example \) -prune \
		-o -name generated.ts -prune -o -type f -print)
ifdef HAS_NODE
	@if [ -e $(WEB) ]; then echo "Building the pages in web/ ..."; { npm --prefix web run --silent build && touch $@; } $(OR_GO_ON); fi
else
	@echo "The pages in web/ were not built: that needs Node 20.19 or newer with npm. All else works without them."
endif

# Where Node is missing, `make bench` leaves its servers out and says so.
$(PEERS): bench/peers/node/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-fund --no-audit --prefix $(<D) && touch $@; fi

define PYTHON_IS_NEW_ENOUGH
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "Parley needs Python 3.11 or newer; say where it is with PYTHON=/path/to/python3.11." >&2; exit 2; }
endef

# A half-made venv, or one whose Python went away, is made anew; a good one is kept.
define VENV_WORKS
$(PY) -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
endef
