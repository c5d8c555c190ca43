# Two commands matter to a newcomer: `make up` and `make test`.
# PYTHON chooses the interpreter (3.11 or newer) that .venv is made from.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check --quiet

# Where bench-metrics keeps its filled ledgers, and of how many attempts; ten million take 4 GB.
BENCH_DIR   ?= /var/tmp/saveguard-bench
BENCH_SIZES ?= 1000000 10000000

.PHONY: help up test lint audit format bench bench-metrics bench-viewers bench-answer bench-soak bench-alerts lock clean

help:                    ## list these commands
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1	/p' Makefile | expand -t 16

# exec: a shell in between would die of Ctrl-C, which make takes for an error.
up: $(VENV)/.runtime     ## install, then serve dashboard and API on 127.0.0.1:8501
	@exec "$(BIN)/saveguard" up

test: $(VENV)/.dev       ## install, then run every test against a real PostgreSQL
	"$(BIN)/python" -m tests

lint: $(VENV)/.dev       ## formatting, lint, types, import contracts, spelling
	"$(BIN)/ruff" format --check .
	"$(BIN)/ruff" check .
	"$(BIN)/mypy"
	"$(BIN)/lint-imports" --no-cache
	"$(BIN)/codespell"

audit: $(VENV)/.dev      ## known vulnerabilities among the locked dependencies
	"$(BIN)/python" -m tests.dependencies

format: $(VENV)/.dev     ## rewrite the sources in the project's format
	"$(BIN)/ruff" format .
	"$(BIN)/ruff" check --fix-only .

bench: $(VENV)/.dev      ## how fast saves are, beside others (about 15 minutes)
	"$(BIN)/python" -m bench.save

bench-metrics: $(VENV)/.dev ## what pages ask, at BENCH_SIZES attempts in BENCH_DIR (25 minutes)
	"$(BIN)/python" -m bench.metrics --directory "$(BENCH_DIR)" --sizes $(BENCH_SIZES)

bench-viewers: $(VENV)/.dev ## 1, 20 and 100 viewers of the overview (about 15 minutes)
	"$(BIN)/python" -m bench.viewers

bench-answer: $(VENV)/.dev ## from Enter to the answer of a look-up, in a browser (2 minutes)
	"$(BIN)/python" -m bench.answer

bench-soak: $(VENV)/.dev ## a page left open for half an hour, with traffic
	"$(BIN)/python" -m bench.soak

bench-alerts: $(VENV)/.dev ## 10,000 alerts under faults, and saves beside them (20 minutes)
	"$(BIN)/python" -m bench.alert_delivery
	"$(BIN)/python" -m bench.alert_saves

lock: $(VENV)/.dev       ## resolve the dependencies anew, with hashes
	"$(BIN)/python" -m pip install --quiet uv
	"$(BIN)/uv" pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	    --upgrade --extra build pyproject.toml -o locks/runtime.txt
	"$(BIN)/uv" pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	    --constraint locks/runtime.txt pyproject.toml --extra build --extra dev -o locks/dev.txt

clean:                   ## remove what the commands above made here
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp, so that a second `make up` starts without asking any registry.
# The project is put on the path by a .pth file: it needs no build step, hence no network.
$(VENV)/.runtime: locks/runtime.txt pyproject.toml
	@echo "Installing into $(VENV) what Saveguard needs: a minute or two, once."
	test -x "$(BIN)/python" || "$(PYTHON)" -m venv $(VENV)
	"$(BIN)/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r locks/runtime.txt
	"$(BIN)/python" -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	touch "$@"

$(VENV)/.dev: locks/dev.txt $(VENV)/.runtime
	@echo "Installing into $(VENV) what its tests need: a minute, once."
	"$(BIN)/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r locks/dev.txt
	touch "$@"
