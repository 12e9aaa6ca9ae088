# Every target makes the environment first; the second time that costs nothing.
PYTHON ?= python3
# make run EXTRA=gpu | EXTRA=jax takes the lock of that extra.
EXTRA ?=
LOCK := requirements$(if $(EXTRA),-$(EXTRA)).lock
READY := .venv/.ready$(if $(EXTRA),-$(EXTRA))
# The stages of dvc.yaml and the tools call `python` and each other by name.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: setup run serve cluster test test-slow test-docs docs check bench bench-train bench-verdict bench-compare bench-monitor bench-serve bench-load bench-trial bench-hosts lock lock-newest

setup: $(READY)

run: $(READY)
	@espalier run

serve: $(READY)
	@espalier serve

# PostgreSQL, S3, all servers and three hosts on one Debian machine, as root, until Ctrl-C.
cluster: $(READY)
	@python -m deploy.cluster

# Ratios from paired runs in one session; see benchmarks/README.md.
bench: $(READY)
	@python -m benchmarks.inference

bench-train: $(READY)
	@python -m benchmarks.training

bench-verdict: $(READY)
	@python -m benchmarks.verdict
	@python -m benchmarks.nights

bench-compare: $(READY)
	@python -m benchmarks.compare

bench-monitor: $(READY)
	@python -m benchmarks.monitor
	@python -m benchmarks.live_score
	@python -m benchmarks.drift

bench-serve: $(READY)
	@python -m benchmarks.serve

bench-load: $(READY)
	@python -m benchmarks.load

bench-trial: $(READY)
	@python -m benchmarks.trial

bench-hosts: $(READY)
	@python -m benchmarks.hosts queue 200
	@python -m benchmarks.hosts rate
	@python -m benchmarks.hosts kill

# A file of tests stays with one process: its tests share what its fixtures made.
PYTEST := pytest --numprocesses logical --maxprocesses 4 --dist loadfile

test: $(READY)
	@$(PYTEST) -m "not slow and not docs"

# Slow tests wait a fifth of their time, for servers and for one another: one process more.
# The order is that of tests/conftest.py, longest first.
test-slow: $(READY)
	@$(PYTEST) --no-loadscope-reorder -m slow \
		--numprocesses $$(python -c 'import os; print(os.cpu_count() + 1)')

# Every command of README.md and docs/, typed into a fresh clone: half an hour.
test-docs: $(READY)
	@pytest -m docs tests/docs

# The site: docs/ and what is generated from the code. It opens from disk and needs no network.
SITE ?= build
docs: $(READY)
	@sphinx-build -q -W --keep-going -E -d $(SITE)/doctrees docs $(SITE)/docs
	@echo "$(SITE)/docs/index.html"

check: $(READY)
	@ruff check .
	@ruff format --check .
	@lint-imports
	@mypy

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; sys.exit(None if (3, 11, 4) <= v < (3, 14) else f"Espalier needs Python 3.11.4 to 3.13, since older ones write other bytes of the same data; {sys.executable} is {v[0]}.{v[1]}.{v[2]}. Name another: make PYTHON=python3.12")'
	@echo "Setting up .venv from $(LOCK): about 3.5 GB, half a minute to a few minutes, once."
	@rm -f .venv/.ready*
	@echo "  1/3  uv, the installer"
	@test -x .venv/bin/uv || { rm -rf .venv && $(PYTHON) -m venv .venv && .venv/bin/pip install --quiet uv; }
	@echo "  2/3  the packages of the lock, each checked against its hash and compiled once"
	@.venv/bin/uv pip sync --quiet --require-hashes --compile-bytecode $(LOCK)
	@echo "  3/3  the espalier command"
	@.venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# After a change of pyproject.toml: the locks again, with hashes and without any address.
lock: $(READY)
	uv pip compile --quiet pyproject.toml --group dev --extra s3 --universal --python-version 3.11.4 --generate-hashes -o requirements.lock
	uv pip compile --quiet pyproject.toml --group dev --extra s3 --extra gpu --universal --python-version 3.11.4 --generate-hashes -o requirements-gpu.lock
	uv pip compile --quiet pyproject.toml --group dev --extra s3 --extra jax --universal --python-version 3.11.4 --generate-hashes -o requirements-jax.lock

# The newest versions that the bounds of pyproject.toml allow, tried in a clone of what is committed
# with an environment of its own: the lock and the environment here stay as they are.
NEWEST ?= build/newest
lock-newest: $(READY)
	@rm -rf $(NEWEST)
	@git clone --quiet . $(NEWEST)
	@cd $(NEWEST) && uv pip compile --quiet --upgrade pyproject.toml --group dev --extra s3 --universal --python-version 3.11.4 --generate-hashes -o requirements.lock
	@echo "Moved: - as installed here, + as resolved"
	@uv pip sync --dry-run --require-hashes $(NEWEST)/requirements.lock > $(NEWEST)/moved 2>&1
	@grep '^ [-+]' $(NEWEST)/moved | grep -v '^ - espalier==' || echo " nothing"
	@cd $(NEWEST) && make setup
	@echo "Newer, and held back by a bound of pyproject.toml or of another package:"
	@cd $(NEWEST) && uv pip list --outdated --exclude-editable
	@cd $(NEWEST) && make test
