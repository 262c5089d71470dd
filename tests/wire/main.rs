//! docxy over sockets: a real process between a raw client and scripted servers, with the bytes of both sides asserted.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/docxy.rs"]
mod docxy;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/wire/mod.rs"]
mod wire;

mod absolute_target;
mod access_log;
mod accounts;
mod acme_flags;
mod activation;
mod admin;
mod blob_server;
mod broken_upstream;
mod challenges;
mod check;
mod command_line;
mod config_file;
mod config_reload;
mod crowd;
mod doorway;
mod exhaustion;
mod fields;
mod flow;
mod forwarded;
mod framing;
mod from_file;
mod health;
mod hello_world;
mod limits;
mod metrics;
mod mounts;
mod mutual_tls;
mod nasty;
mod no_dial;
mod opensafely;
mod outage;
mod pages;
mod panics;
mod pool;
mod pool_races;
mod proxy_protocol;
mod random_closes;
mod realms;
mod redirect_targets;
mod redirects;
mod registries;
mod replicas;
mod request_stream;
mod resume;
mod resume_refused;
mod routing;
mod scrape;
mod selfmade;
mod shared_host;
mod signed_head;
mod splice;
mod splitting;
mod stand;
mod stop;
mod supervisor;
mod support_itself;
mod tls_bodies;
mod tls_keys;
mod tls_listener;
mod tls_reload;
mod tls_renegotiation;
mod tls_sessions;
mod tls_upstream;
mod tokens;
mod tries;
