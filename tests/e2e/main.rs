//! End to end with the real programs: `docker-registry` behind, skopeo, podman, containerd and dockerd in front.
//!
//! Everything runs on loopback in temporary directories. A test whose programs are missing says `SKIPPED`;
//! with `CI=true` or `DOCXY_E2E=require` it fails instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/docxy.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with other tests, which use other parts of it"
)]
mod docxy;

// What stands around docxy.
mod cdn;
mod certificates;
mod door;
mod engines;
mod forwarder;
mod fronts;
mod http;
mod image;
mod namespace;
mod origin;
mod pebble;
mod programs;
mod registry;
mod store;
mod three;
mod tokens;

// The tests.
mod accounts;
mod acme;
mod addresses;
mod allow;
mod check;
mod credentials;
mod direct;
mod distrust;
mod drain;
mod firewall;
mod hardening;
mod hub;
mod mutual_tls;
mod outbound;
mod pulls;
mod recipes;
mod reload;
mod replicas;
mod schema2;
mod selfmade;
mod several;
mod together;
mod words;
