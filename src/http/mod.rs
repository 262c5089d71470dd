//! HTTP/1.1 as bytes: no sockets, no clock, no registry (RFC 9110, RFC 9112).
//!
//! In reading order: [`head`] finds and parses message heads, [`fields`] looks into them for single [`names`] or sets of
//! them, [`grammar`] names their bytes, [`uri`] holds authorities, origins and targets, [`request`] says what a request asks
//! of whom, [`framing`] how long a body is, [`chunked`] where the data of a chunked one lies, [`mod@write`] writes heads anew.
//! [`retry_after`] reads how long a server wants to be left alone. What proxies in front say of a client is read by
//! [`forwarded`] from its requests and by [`proxy_protocol`] from what comes before its connection's first byte.

pub mod chunked;
pub mod fields;
pub mod forwarded;
pub mod framing;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod grammar;
pub mod head;
pub mod names;
pub mod proxy_protocol;
pub mod request;
pub mod retry_after;
pub mod uri;
pub mod write;
