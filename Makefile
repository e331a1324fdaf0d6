# The commands of this project. A fresh clone needs Python >= 3.11, a C compiler and make; the rest comes
# from PyPI into .venv. Every step leaves a stamp in .venv, so a second run starts at once.
#
#   make demo     a real S3 server, thousands of real files through it, every byte checked
#   make test     all tests, on the installed package        (ARGS="-k get" goes to pytest)
#   make lint     formatting, lint, types, stubs
#   make bench    the measurements of the README              (ARGS go to the harness)
#   make format   let the formatters have their way
#   make clean    remove .venv and everything built

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
ARGS ?=
SETTINGS ?=

# Python must find the installed package, never this folder, whose compiled modules are missing.
export PYTHONSAFEPATH := 1
# cython-lint calls pycodestyle by name.
export PATH := $(abspath $(BIN)):$(PATH)

SOURCES := pyproject.toml CMakeLists.txt README.md $(shell find obstore_c src -name __pycache__ -prune -o -print)
C_SOURCES = $(shell find src tests -name '*.[ch]')
CYTHON_SOURCES = $(shell find src -name '*.pyx' -o -name '*.pxd')

.PHONY: demo test test-sanitized sanitized-run lint bench bench-run servers format clean help

help:
	@sed -n '4,9s/^# *//p' Makefile

test: $(VENV)/package $(VENV)/group-test servers
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

# The tests of the compiled modules, built with AddressSanitizer and UBSan; libasan must be there before Python is.
# Python itself leaks by design.
test-sanitized:
	$(MAKE) VENV=.venv-sanitized SETTINGS='--config-settings cmake.define.OC_SANITIZE=address,undefined' sanitized-run

sanitized-run: $(VENV)/package $(VENV)/group-test
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	$(BIN)/python -m pytest tests/engine --deselect tests/engine/test_native.py \
		$(addprefix tests/unit/test_,$(addsuffix .py,bytes columns lanes listxml quote sigv4)) $(ARGS)

demo: $(VENV)/package $(VENV)/group-demo
	$(BIN)/python examples/demo.py $(ARGS)

# The peers of the comparison live in an environment of their own.
bench: servers
	$(MAKE) VENV=.venv-bench bench-run

bench-run: $(VENV)/package $(VENV)/peers
	$(BIN)/python -m benchmarks $(ARGS)

# Servers that do not come from PyPI. Without the right to install them, tests that need them say so.
servers:
	@sh .ci/install-servers

lint: $(VENV)/package $(VENV)/group-test $(VENV)/group-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/cython-lint $(CYTHON_SOURCES)
	$(BIN)/clang-format --dry-run -Werror $(C_SOURCES)
	$(BIN)/mypy
	$(BIN)/stubtest obstore_c._lib --mypy-config-file pyproject.toml

format: $(VENV)/group-lint
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(C_SOURCES)

clean:
	rm -rf $(VENV) .venv-bench .venv-sanitized build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/created:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 with venv found; set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	@# This folder comes last in sys.path: `benchmarks` is found here, `obstore_c` as installed.
	$(BIN)/python -c 'import os, pathlib, sysconfig; \
		pathlib.Path(sysconfig.get_path("purelib"), "checkout.pth").write_text(os.getcwd())'
	@touch $@

$(VENV)/peers: benchmarks/requirements.txt | $(VENV)/created
	$(PIP) install -r benchmarks/requirements.txt
	@touch $@

$(VENV)/group-%: pyproject.toml | $(VENV)/created
	$(PIP) install --group $*
	@touch $@

# Installed as users have it, not editable; only the objects are kept, in build/, for a quick rebuild.
$(VENV)/package: $(SOURCES) | $(VENV)/created $(VENV)/group-build
	$(PIP) install --no-build-isolation --config-settings build-dir=build/$(VENV) $(SETTINGS) .
	@touch $@
