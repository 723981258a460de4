# One command each; CONTRIBUTING.md says when to use which.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/albatross
export CARGO_TARGET_DIR ?= $(CACHE)/target

LISTEN ?= 127.0.0.1:8080
DATA ?= ./data
DEMO ?=
FOR ?= 60
UI := runtime/ui
# Servers that are built for one machine and for an image alike: static, so that a scratch image can hold them.
TARGET := x86_64-unknown-linux-gnu
RELEASE := $(CARGO_TARGET_DIR)/$(TARGET)/release
# Others' programs, which only benches compile.
PEERS := $(CARGO_TARGET_DIR)/peers
STATIC := RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --target $(TARGET)

.PHONY: help run ui build image check fmt test soak fuzz bench bench-operator cluster cluster-down generate

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ui ## Build everything and start two airlines; DEMO=1 fills them, LISTEN=127.0.0.1:8080 and DATA=./data say where
	$(STATIC) -p albatross
	$(RELEASE)/albatross up -f examples/ --listen $(LISTEN) --data $(DATA) $(if $(DEMO),--demo)

ui: $(UI)/dist/index.html ## Build the web page that the binary embeds

# Only when something of it has changed: the binary is built again whenever the page is.
$(UI)/dist/index.html: $(shell find $(UI)/src $(UI)/public -type f) $(addprefix $(UI)/,index.html package.json pnpm-lock.yaml tsconfig.json vite.config.ts)
	tests/prepare ui
	cd $(UI) && pnpm build

build: ui ## Build both binaries, static, as the images hold them
	$(STATIC) -p albatross -p albatross-operator

image: build ## The runtime's image, for compose.yaml; needs buildah and Docker
	tests/cluster/image --archive $(CACHE)/albatross.tar localhost/albatross:dev $(RELEASE)/albatross
	docker load --input $(CACHE)/albatross.tar

check: ## Format, lint, unit and architecture tests: the inner loop
	tests/check

fmt: ## Format every source
	cargo fmt --all
	cd runtime/ui && pnpm format

test: ## Everything, against real servers and a real cluster; installs what it needs
	tests/run

soak: ## A thousand simulated storms, a thousand kills under load, outages of minutes, every fault at every call of the operator; prints what it saw
	tests/soak

fuzz: ## Feed the decoders of events, exports and tracks what a fuzzer thinks of, for FOR seconds each; takes a nightly compiler
	command -v cargo-fuzz > /dev/null || cargo install --locked cargo-fuzz
	for target in event archive track; do \
		cargo +nightly fuzz run --fuzz-dir tests/fuzz --sanitizer none $$target -- -max_total_time=$(FOR) || exit; done

bench: ## Measure what is promised beside what it is compared with; CLUSTER=1 asks the cluster of KUBECONFIG too
	tests/prepare
	cargo build --release --locked --manifest-path tests/bench/Cargo.toml --target-dir $(PEERS)
	ALBATROSS_PEERS=$(PEERS)/release/albatross-peers RUSTFLAGS='-C target-feature=+crt-static' \
		cargo bench --locked --target $(TARGET) -p albatross-tests --bench figures

# Servers of its own: thousands of vhosts would make those of the tests slow to start.
bench-operator: ## Measure what the operator promises at scale, beside Capsule; TENANTS=100,300,1000 says how many there are
	tests/prepare rust
	tests/cluster/install-packages servers cluster
	tests/capsule/build $(PEERS)/capsule
	work=$$(mktemp --directory); chmod 711 $$work; export ALBATROSS_SERVERS_DIR=$$work/servers; trap 'tests/cluster/servers down' EXIT; \
		ALBATROSS_CAPSULE=$(PEERS)/capsule RUSTFLAGS='-C target-feature=+crt-static' \
		cargo bench --locked --target $(TARGET) -p albatross-tests --bench operator

generate: ## Write generated files anew: manifests, OpenAPI document, its client
	tests/generate

cluster: ## A local Kubernetes with PostgreSQL, RabbitMQ, Redis and the chart installed
	tests/cluster/make-cluster

cluster-down: ## Remove that cluster and all that belongs to it
	tests/cluster/make-cluster down
