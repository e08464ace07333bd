# The only place where steps are chained. `make` alone lists the targets.

.DEFAULT_GOAL := help
BIN := .venv/bin
ACCEPTABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# all that the book is made with; other backends are for `make backends`
EXTRAS := $(foreach extra,book chapters dev lowrank sweep test,--extra $(extra))

# Whatever the user's locale, paths and files are UTF-8.
export LC_ALL := C.UTF-8
# uv trusts whom this machine trusts, as pip does
export UV_SYSTEM_CERTS := 1
SHELL := bash
# the longest first, so that no processor waits for another's last
TESTS := $(wildcard notebooks/*.ipynb) tests/book tests/notebooks tests/matrix tests/press tests lib

.PHONY: help book pdf test matrix bench lint floors colab backends audit lock clean

help:
	@echo "make book    execute every chapter that changed, build the site in _build/html"
	@echo "make pdf     print the whole book in _build/book.pdf; needs Chromium"
	@echo "make test    run every test, and every chapter"
	@echo "make matrix  run every chapter with each parameter at its extremes; takes hours"
	@echo "make bench   measure the book's speeds, for the page How fast it is"
	@echo "make lint    check style, the floors of the library, what is typed, spelling and grammar"
	@echo "make floors  test the library and chapters with the lowest versions allowed; also: make colab, make backends"
	@echo "make audit   ask the package index for known weaknesses of what is installed"
	@echo "make lock    pin the newest versions that pyproject.toml allows"
	@echo "make clean   remove the environment and all that was built"

book: .venv/ready
	@$(BIN)/gradbook execute
	@$(BIN)/gradbook build
	@$(BIN)/gradbook compare

pdf: .venv/ready
	@$(BIN)/gradbook build --pdf

test: .venv/ready
	@$(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder \
	    --nbval-lax --nbval-current-env --nbval-cell-timeout 900 $(TESTS)

matrix: .venv/ready
	@GRADBOOK_MATRIX=all $(BIN)/python -m pytest -n auto tests/matrix

bench: .venv/ready
	@$(BIN)/python -m benchmarks

lint: .venv/ready
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/mypy
	@$(BIN)/typos
	@$(BIN)/gradbook prose

# Environments that readers have, made from nothing in _build; see environments/README.md.
floors: ELSEWHERE := --resolution lowest-direct --editable ".[book,chapters,lowrank,sweep,test]"
colab: ELSEWHERE := --constraint environments/colab.txt --editable ".[chapters,lowrank,sweep,test]" papermill
floors colab: .venv/ready
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python _build/$@
	@$(BIN)/uv pip install --quiet --python _build/$@ $(ELSEWHERE)
	@_build/$@/bin/python -m pytest -q tests/auxiliary tests/claims tests/data tests/experiments tests/gradnets \
	    tests/lowrank tests/studies tests/synthetic tests/test_light.py -W default
	@cd _build && for chapter in ../notebooks/*.ipynb; do \
	    $@/bin/python -m papermill $$chapter $@/$$(basename $$chapter) --no-progress-bar || exit 1; done

backends: .venv/ready
	@for backend in jax torch; do \
	    $(BIN)/uv venv --quiet --clear _build/$$backend && \
	    $(BIN)/uv pip install --quiet --python _build/$$backend --editable ".[$$backend]" pytest hypothesis && \
	    KERAS_BACKEND=$$backend _build/$$backend/bin/python -m pytest -q -c environments/pytest.ini --rootdir . \
	        -rs tests/test_backends.py tests/auxiliary/test_frameworks.py tests/auxiliary/test_model.py \
	        tests/gradnets/test_conversion.py tests/lowrank/test_compression.py tests/lowrank/test_distilled.py || exit 1; done

audit: .venv/ready
	@$(BIN)/uvx pip-audit --requirement requirements.lock --no-deps --disable-pip

lock: .venv/ready
	@$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 $(EXTRAS) --upgrade \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock

clean:
	rm -rf .venv _build

# Exactly what the lock names, checked by hash; PYTHON=… chooses the interpreter. uv takes a tenth of the time of pip, which
# stands in where uv does not find the index that pip is set up for.
.venv/ready: requirements.lock pyproject.toml
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    "$$python" -c '$(ACCEPTABLE)' 2>/dev/null && break; python=; done; \
	test -n "$$python" || { echo "No Python 3.11, 3.12 or 3.13 found; install one, or say make PYTHON=/path/to/python."; exit 1; }; \
	echo "Setting up .venv with $$("$$python" --version); this takes seconds, or as long as the downloads do …"; \
	"$$python" -m venv --clear .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@set -o pipefail; \
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock 2>&1 | grep -v '^ [-+~] ' || \
	    $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
