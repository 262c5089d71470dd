//! docxy, a pull proxy for container registries: engines reach docxy, docxy reaches the registries. It stores nothing.
//!
//! It begins with [`args`], which [`config`] checks; a [`command`] does its work and ends. To serve, [`start`] binds
//! what [`listen`] reads, or takes it from systemd ([`activation`]), with certificates of the operator's, one by [`acme`]
//! or a [`selfmade`] one, and starts the workers; [`supervisor`] and [`watchdog`] report to systemd, and [`reload`] reads
//! anew what may change. From there the path of a pull:
//!
//! 1. [`server`] accepts a connection and hands it to the [`worker`] that has the fewest, which puts it under TLS if that
//!    is spoken there, and gives it a task of its own. [`behind`] tells the client from a balancer or proxy in front.
//! 2. [`session`] reads one request after another from it; [`exchange`] answers each, after [`intake`] took its body.
//! 3. [`proxy`] checks what all requests must pass and finds the [route](registry::route); [`dispatch`] hands over.
//! 4. [`forward`] asks the upstream, follows redirects to the CDN and begins the client's answer;
//!    [`token`] does the same for tokens, at the [`realm`] that the upstream announced or that [`discover`] finds.
//! 5. [`upstream`] takes a connection from the [`pool`] or [dials](dial) one, sends, and reads the head of the answer.
//! 6. [`relay`] moves the body from the one connection to the other, one buffer at a time. A blob that breaks off is
//!    [resumed](resume), so that the client sees one body.
//!
//! Imports point downward in this list. Below all of it are [`conn`], a connection and its read buffer, and [`body`], a
//! body by its framing. The two pure layers know no sockets, no clock and no async: [`registry`] is what docxy knows of
//! registries, [`http`] is HTTP/1.1 as bytes. Both can be tested and fuzzed without a network.

pub mod acme;
pub mod activation;
pub mod args;
pub mod command;
pub mod config;
pub mod listen;
pub mod reload;
pub mod selfmade;
pub mod start;
pub mod state;

pub mod server;
pub mod supervisor;
pub mod watchdog;
pub mod worker;

pub mod behind;
pub mod exchange;
pub mod intake;
pub mod session;

pub mod discover;
pub mod dispatch;
pub mod forward;
pub mod proxy;
pub mod realm;
pub mod resume;
pub mod token;

pub mod answer;
pub mod log;
pub mod stop;

pub mod relay;
pub mod upstream;

pub mod dial;
pub mod pool;
pub mod resolve;
pub mod tls;

pub mod body;
pub mod conn;
pub mod stream;
pub mod timeouts;

pub mod http;
pub mod registry;
