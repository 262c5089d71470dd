# What a developer types. `make test` is the whole of it on a fresh machine.

.PHONY: test setup lint deny fuzz release soak static test-static demo bench

# Debian packages that the end-to-end tests use; where they cannot be installed, those tests say so.
PACKAGES = docker-registry skopeo podman crun containerd runc docker.io apache2-utils curl openssl testssl.sh iproute2 python3 \
	ca-certificates systemd shellcheck buildah qemu-user-static util-linux nginx haproxy caddy pebble iptables tinyproxy microsocks

test: setup
	cargo test --locked
	cargo test --locked --release --test footprint

setup:
	@tests/setup $(PACKAGES)

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	@! grep -rnE 'tokio|std::(io|net|time::Instant)|async fn|\.await' src/http src/registry \
		|| { echo 'src/http and src/registry are pure: no sockets, clock or async there'; exit 1; }

# What `deny.toml` says of the dependencies. Advisories come from a database in the net: out of its reach they are not checked.
deny:
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --locked check licenses bans sources
	@if cargo deny --locked fetch db >/dev/null 2>&1; then cargo deny --locked check --disable-fetch advisories; \
		else echo 'NOT CHECKED: advisories, since the database (github.com/RustSec/advisory-db) is out of reach'; fi

# Each target for SECONDS over its seeds, several at a time.
SECONDS = 60
fuzz:
	@fuzz/run $(SECONDS)

release:
	cargo build --locked --release

# Pulls for so many minutes from a registry with every fault that registries have: make soak MINUTES=60
MINUTES = 10
soak: setup release
	MINUTES=$(MINUTES) DOCXY_SOAKED=$(BUILT)/release/docxy cargo test --locked --test soak

static:
	@deploy/build-static x86_64
	@deploy/build-static aarch64

# Of what `make static` has built, the binary for this machine and the one for aarch64.
BUILT = $(or $(CARGO_TARGET_DIR),target)
NATIVE = $(shell uname -m)-unknown-linux
test-static: setup
	DOCXY_STATIC=$(firstword $(wildcard $(BUILT)/$(NATIVE)-musl/release/docxy $(BUILT)/$(NATIVE)-gnu/release/docxy)) \
	DOCXY_STATIC_AARCH64=$(BUILT)/aarch64-unknown-linux-musl/release/docxy \
	cargo test --locked --test static -- --show-output

demo:
	cargo run --locked --release --example demo

# The whole of it takes about half an hour on a quiet machine and writes benches/results and the README's table. A part of it:
# make bench ARGS='--quick --case blob --docxy before=/tmp/docxy --docxy after=target/release/docxy'
ARGS ?= --save
bench:
	@tests/setup nginx haproxy wrk
	cargo bench --locked --bench compare -- $(ARGS)
