//! Requests, by the section of RFC 9112 or RFC 9110 that they try. A row is a line, however long it is.

#[rustfmt::skip]
pub mod chunks;
#[rustfmt::skip]
pub mod connection;
#[rustfmt::skip]
pub mod content_length;
#[rustfmt::skip]
pub mod expect;
#[rustfmt::skip]
pub mod field_lines;
#[rustfmt::skip]
pub mod host;
#[rustfmt::skip]
pub mod limits;
#[rustfmt::skip]
pub mod line_ends;
#[rustfmt::skip]
pub mod pipelines;
#[rustfmt::skip]
pub mod request_line;
#[rustfmt::skip]
pub mod target;
#[rustfmt::skip]
pub mod transfer_encoding;

use crate::case::Request;

/// All of them.
pub fn all() -> Vec<Request> {
    [
        line_ends::cases(),
        request_line::cases(),
        target::cases(),
        host::cases(),
        field_lines::cases(),
        content_length::cases(),
        transfer_encoding::cases(),
        chunks::cases(),
        connection::cases(),
        pipelines::cases(),
        expect::cases(),
        limits::cases(),
    ]
    .concat()
}
