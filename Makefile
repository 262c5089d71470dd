# What a developer types. `make test` is the whole of it on a fresh machine.

.PHONY: test setup lint release static demo

# Debian packages that the end-to-end tests use; where they cannot be installed, those tests say so.
PACKAGES = docker-registry skopeo podman crun containerd runc docker.io apache2-utils curl openssl iproute2 python3 ca-certificates nginx haproxy caddy pebble

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

release:
	cargo build --locked --release

static:
	@deploy/build-static

demo:
	cargo run --locked --release --example demo
