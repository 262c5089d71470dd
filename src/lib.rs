//! docxy, a pull proxy for container registries: engines reach docxy, docxy reaches the registries. It stores nothing.
//!
//! It begins with [`args`], which [`config`] lays over the configuration file and checks; a [`command`] does its work and
//! ends. To serve, [`start`] binds what [`listen`] reads, or takes it from [`systemd`], with certificates of the operator's,
//! one by [`acme`] or a [`selfmade`] one, and starts the workers, which are [`serving`] as the configuration says;
//! [`reload`] reads anew what may change. From there the path of a pull:
//!
//! 1. [`server`] accepts a connection, finds it a [place](limits::admission), and hands it to the
//!    [`worker`](server::worker) that has the fewest, which gives it a task of its own. On its
//!    [`arrival`](server::arrival) it is put under TLS, if that is spoken there, and [`behind`] tells the client from a
//!    balancer or proxy in front.
//! 2. A [`session`](server::session) reads one request after another from it; an [`exchange`](server::exchange) answers
//!    each, after [`intake`](server::intake) took its body.
//! 3. [`proxy`] checks what all requests must pass and finds the [route](registry::route);
//!    [`dispatch`](proxy::dispatch) hands over.
//! 4. [`forward`](proxy::forward) asks the upstream, follows redirects to the CDN and begins the client's answer;
//!    [`token`](proxy::token) does the same for tokens, at the [`realm`](proxy::realm) that the upstream announced or that
//!    [`discover`](proxy::discover) finds. What is [mounted](registry::table::mounts) goes to its origin as it is.
//! 5. [`upstream`] takes a connection from the [`pool`](upstream::pool) or [dials](upstream::dial) one, whichever it has
//!    first, sends, and reads the head of the answer, by the way that its [`egress`] says. It [tries](upstream::tries) again
//!    where that is safe, unless there is an [`outage`](upstream::outage).
//! 6. [`relay`](server::relay) moves the body from the one connection to the other, one buffer at a time or through a
//!    [pipe](conn::splice). A blob that breaks off is [resumed](proxy::resume), so that the client sees one body.
//!
//! What happens on the way is [counted](metrics) and [said](log); [`admin`](server::admin) serves the counts to the operator.
//!
//! Imports point downward in this list. [`account`] is in whose name docxy asks, [`answer`] what it says itself, [`limits`] how
//! much there may be of anything; [`tls`] is on both sides. Below all of it is [`conn`]: a connection, its read buffer, and a
//! body by its framing. The two pure layers know no sockets, no clock and no async: [`registry`] is what docxy knows of registries,
//! [`http`] is HTTP/1.1 as bytes. Both can be tested and fuzzed without a network.

pub mod args;
pub mod config;
pub mod listen;
pub mod reload;
pub mod serving;
pub mod start;
pub mod state;

pub mod acme;
pub mod command;
pub mod selfmade;
pub mod systemd;

pub mod server;

pub mod proxy;

pub mod account;

pub mod upstream;

pub mod egress;

pub mod answer;
pub mod behind;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod panics;
pub mod permissions;
pub mod stop;
pub mod timeouts;

pub mod conn;
pub mod tls;

pub mod http;
pub mod registry;

#[cfg(test)]
mod fuzzing;
