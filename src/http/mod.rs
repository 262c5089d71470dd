//! HTTP/1.1 as bytes: no sockets, no clock, no registry (RFC 9110, RFC 9112).
//!
//! In reading order: [`head`] parses and limits message heads, [`fields`] looks into them, [`framing`] says how long a
//! body is, [`chunked`] finds the data in a chunked one, [`uri`] holds authorities, origins and targets.

pub mod chunked;
pub mod fields;
pub mod framing;
pub mod head;
pub mod uri;
