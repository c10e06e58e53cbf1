# Every command a checkout offers. `make` alone prints this page as a guide.
# Each installs what it needs first (scripts/setup), so each works on a bare Debian 12 machine.

SHELL := /bin/bash
BIN := .venv/bin
# FLAVOUR=offload: another image than the stable one, in directories of its own (image/flavour.py).
FLAVOUR ?= stable
IMAGE = $(lastword $(sort $(wildcard dist/$(patsubst %,%/,$(filter-out stable,$(FLAVOUR)))causeway-*.qcow2)))
BENCHES := tunnel lines heal growth agent rules forward takeover controller heartbeats deploy
# Debian keeps ip, nft, openvpn and haproxy there, off the path of ordinary users.
export PATH := $(if $(PATH),$(PATH):)/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
SHELL_FILES = $(shell grep -rlIE '^\#!/(usr/)?bin/(env |busybox )?(ba)?sh' scripts .ci image packaging tests)
YAML_FILES = $(shell find . \( -name .venv -o -path ./build \) -prune -o \( -name '*.yaml' -o -name '*.yml' \) -print)

.DEFAULT_GOAL := help
.PHONY: help setup lock demo bare test unit contract kernel crash-matrix model simulate fuzz lint format openapi rooms clean \
	image power-cuts image-boot image-boots image-reproducible image-sizes image-test image-ungated pair booted \
	conformance e2e vsphere release hardening hardening-check deb deb-check monitoring-check \
	agent-packages host-packages bench bench-image bench-offload $(BENCHES:%=bench-%)

help: ## this guide
	@printf 'Causeway: network extension appliances for disaster recovery.\n\nSee it work, then check it:\n'
	@printf '  make demo         both sites in private namespaces; a VM fails over and back, every claim checked\n'
	@printf '  make test         all tests: unit, contract, and kernel with real packets\n'
	@printf '  make demo LINE="--delay 40ms --jitter 20ms --loss 1%% --mtu 1400 --no-icmp"   the same over such lines\n'
	@printf '\nThe rest:\n'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / && $$1 !~ /^(demo|test|help)$$/ {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@printf '  make %-12s %s\n' $(foreach name,$(BENCHES),bench-$(name) "only this benchmark")
	@printf '\nREADME.md says what you will see, ARCHITECTURE.md how it is made, CONTRIBUTING.md how to change it.\n'

setup: ## install what is missing: Debian packages, then .venv
	@scripts/setup

lock: ## take the newest allowed Python packages and record them in constraints.txt
	@scripts/setup lock

demo: setup
	@$(BIN)/causeway lab demo $(if $(LINE),--line "$(LINE)")

bare: ## both README commands inside a fresh Debian 12 tree (as root; some minutes)
	@scripts/bare

test: setup
	@$(BIN)/python scripts/run_tests.py

unit: setup ## tests of single rooms, with fakes
	@$(BIN)/python scripts/run_tests.py unit

contract: setup ## tests that every implementation of an interface passes, fakes included
	@$(BIN)/python scripts/run_tests.py contract

kernel: setup ## tests with real packets in private network namespaces
	@$(BIN)/python scripts/run_tests.py kernel

crash-matrix: setup ## kill controllers at every boundary of every workflow, an agent 1,000 times (ARGS="--kills 50 --seed 7")
	@$(BIN)/python -m tests.controller_crash
	@$(BIN)/python -m causeway_lab.sandbox -- $(BIN)/python -m tests.crash_matrix $(ARGS)

model: setup ## every state of the protocol of a partial failover, and that each of its laws is needed (ARGS="--controllers 3")
	@$(BIN)/python -m tests.model $(ARGS)

simulate: setup ## 1,000 seeded histories of real agents and controllers in virtual time (ARGS="--seed 17 --trace" or "--mutants --seeds 100")
	@$(BIN)/python -m tests.simulation $(ARGS)

fuzz: setup ## hostile requests over TLS, and a search for expensive documents; about 15 minutes
	@$(BIN)/python -m tests.expensive_documents --seconds $${CAUSEWAY_SEARCH:-120}
	@CAUSEWAY_FUZZ=$${CAUSEWAY_FUZZ:-20} $(BIN)/python -m pytest -q tests/contract/test_hostile_documents.py

lint: setup ## format, types, import contracts, shell, YAML, OpenAPI drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@scripts/moving 'lint: mypy' $(BIN)/mypy
	$(BIN)/mypy noxfile.py scripts packaging
	$(BIN)/lint-imports
	$(BIN)/python scripts/rooms.py --check ARCHITECTURE.md
	shellcheck $(SHELL_FILES)
	$(BIN)/yamllint --strict $(YAML_FILES)
	$(BIN)/python -m causeway_wire.openapi --check docs/reference/openapi.json
	$(BIN)/python -m causeway_controller.contract.openapi --check docs/reference/controller-openapi.json
	$(BIN)/python -m causeway_controller.contract.tenant_openapi --check docs/reference/tenant-openapi.json
	@if command -v packer >/dev/null; then packer validate -syntax-only packer/appliance.pkr.hcl >/dev/null; \
	else echo 'lint: there is no packer here, so its template was not read: scripts/setup image installs it'; fi
	@echo 'lint: clean'

format: setup ## rewrite the Python files in the one format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

openapi: setup ## write docs/reference/*openapi.json anew from the route tables
	$(BIN)/python -m causeway_wire.openapi docs/reference/openapi.json
	$(BIN)/python -m causeway_controller.contract.openapi docs/reference/controller-openapi.json
	$(BIN)/python -m causeway_controller.contract.tenant_openapi docs/reference/tenant-openapi.json

image: ## the appliance's disk: built, booted, tested, then OVA, VHDX, qcow2 in dist (as root; some minutes; FLAVOUR=offload)
	@scripts/setup image
	@$(BIN)/python -m image --flavour $(FLAVOUR) build

image-ungated: ## the same without booting and testing it: for work on the image, never for a release (as root)
	@scripts/setup image
	@$(BIN)/python -m image --flavour $(FLAVOUR) build-ungated

image-test: ## boot a copy of what is in dist with Packer and run tests/image against it (as root)
	@scripts/setup image
	@$(BIN)/python -m image --flavour $(FLAVOUR) test

image-boot: ## boot what `make image` made until the agent and SSH answer
	@scripts/setup image
	@$(BIN)/python -m image --flavour $(FLAVOUR) boot

image-boots: ## the same on hardware like each hypervisor's, one after another; some minutes, a table at the end
	@scripts/setup image
	@$(BIN)/python -m image --flavour $(FLAVOUR) boots

image-reproducible: ## build the disk twice from the same inputs and compare every byte (as root)
	@scripts/setup image
	@$(BIN)/python -m image --flavour $(FLAVOUR) reproducible

image-sizes: ## what weighs what in the last build
	@$(BIN)/python -m image --flavour $(FLAVOUR) sizes

hardening: ## have lynis and systemd-analyze judge what was built, into docs/reference/hardening.md (as root)
	@scripts/setup image
	@$(BIN)/python -m image hardening

hardening-check: ## the same, and only say whether it got worse
	@scripts/setup image
	@$(BIN)/python -m image --flavour $(FLAVOUR) hardening-check

power-cuts: ## cut the power during updates of the image in dist; does it boot, can it be updated (ARGS="--cuts 400 --seed 7" MACHINES=1)
	@scripts/setup image
	@$(BIN)/python -m tests.power_cuts $(if $(MACHINES),--machines $(MACHINES)) $(ARGS)

pair: ## boot the image as two appliances and a gateway; a VM fails over between them, every claim checked
	@scripts/setup image
	@test -n "$(IMAGE)" || { echo 'pair: there is no image yet: make image' >&2; exit 1; }
	@$(BIN)/causeway lab demo --image "$(IMAGE)"

booted: ## tests that boot the image in QEMU: first boot, refused seeds, updates, the pair (long without KVM; FLAVOUR=offload)
	@scripts/setup image
	@test -n "$(IMAGE)" || $(MAKE) --no-print-directory image
	@$(if $(filter-out stable,$(FLAVOUR)),CAUSEWAY_IMAGE="$$(ls dist/$(FLAVOUR)/causeway-*.qcow2 | tail -n 1)") $(BIN)/python scripts/run_tests.py booted

vsphere: ## import the OVA into a simulated vCenter and compare its octets (builds the simulator: Go from Debian)
	@scripts/setup vsphere
	@$(BIN)/python scripts/run_tests.py vsphere

conformance: host-packages ## every kind of host through every verb and fault: a real libvirtd, counterparts of vCenter and Hyper-V; a table at the end (as root; some minutes)
	@$(BIN)/python scripts/run_tests.py conformance

e2e: ## a controller deploys the image onto a libvirt host, fails a site over; both sites with ARGS=--whole (as root)
	@scripts/setup image
	@scripts/setup libvirt
	@test -n "$(IMAGE)" || { echo 'e2e: there is no image yet: make image' >&2; exit 1; }
	@$(BIN)/python -m causeway_lab.sandbox -- $(BIN)/python -m tests.e2e $(ARGS) "$(IMAGE)"

deb: setup ## the controller as a Debian package in dist, for apt install
	@packaging/build_deb dist

deb-check: deb ## install it in a fresh Debian 12 tree, as its how-to says; upgrade, remove, purge (as root; some minutes)
	@scripts/setup deb
	@packaging/check_deb "$$(ls -t dist/causeway-controller_*.deb | head -n 1)"

oci: deb ## the controller as an OCI image archive in dist, made without a container engine (as root)
	@scripts/setup deb
	@packaging/build_oci "$$(ls -t dist/causeway-controller_*.deb | head -n 1)" dist

oci-check: oci ## have skopeo read it, then set up, start, ask and stop the controller in it (as root)
	@packaging/check_oci "$$(ls -t dist/causeway-controller_*.oci.tar | head -n 1)"

monitoring-check: ## have promtool judge the examples for Prometheus, try every alert, and read /metrics
	@scripts/setup monitoring
	@cd docs/examples/monitoring && ../../../$(BIN)/promtool check rules alerts.yml && ../../../$(BIN)/promtool test rules alerts.test.yml && \
	../../../$(BIN)/promtool check config --syntax-only prometheus.yml
	@$(BIN)/python -c 'import sys; from causeway_controller.api.metrics import Metrics; sys.stdout.buffer.write(Metrics().text())' | \
	$(BIN)/promtool check metrics
	@echo 'monitoring-check: held'

release: setup ## tag VERSION and fill dist, signed by CAUSEWAY_RELEASE_KEY (make release VERSION=1.4.0 ARGS=--dry-run)
	@test -n "$(VERSION)" || { echo 'release: of what? make release VERSION=1.4.0' >&2; exit 1; }
	@$(BIN)/python -m release "$(VERSION)" $(ARGS)

bench: $(BENCHES:%=bench-%) $(if $(IMAGE),bench-image) ## all benchmarks; tables here, figures in benchmarks/out
	@test -n "$(IMAGE)" || echo 'bench: not the image, there is none yet: make image bench-image'
	@echo 'bench: see benchmarks/out'

$(BENCHES:%=bench-%): bench-%: setup
	@$(BIN)/python -m causeway_lab.sandbox -- $(BIN)/python -m benchmarks.$*

bench-agent: agent-packages

bench-deploy: host-packages

agent-packages: setup
	@scripts/setup agent

host-packages: setup
	@scripts/setup libvirt
	@scripts/setup vsphere
	@scripts/setup hyperv

bench-image: ## size and boot of the image in dist, and the chart of it in docs/reference
	@scripts/setup image
	@$(BIN)/python -m benchmarks.image

bench-offload: ## what a packet costs in a tunnel by its process and by the kernel, in the booted image of FLAVOUR=offload
	@scripts/setup image
	@$(BIN)/python -m benchmarks.offload $(ARGS)

rooms: setup ## write the tables of rooms in ARCHITECTURE.md anew from the import contracts
	@$(BIN)/python scripts/rooms.py ARCHITECTURE.md

clean: ## remove everything that can be made again
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .nox build dist benchmarks/out
	find . -name __pycache__ -prune -exec rm -rf {} +
