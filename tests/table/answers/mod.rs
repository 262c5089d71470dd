//! Answers of an upstream, by the section of RFC 9112 or RFC 9110 that they try. A row is a line, however long it is.

#[rustfmt::skip]
pub mod bodyless;
#[rustfmt::skip]
pub mod chunks;
#[rustfmt::skip]
pub mod content_length;
#[rustfmt::skip]
pub mod endings;
#[rustfmt::skip]
pub mod field_lines;
#[rustfmt::skip]
pub mod hop_by_hop;
#[rustfmt::skip]
pub mod interim;
#[rustfmt::skip]
pub mod limits;
#[rustfmt::skip]
pub mod status_line;
#[rustfmt::skip]
pub mod transfer_encoding;

use crate::case::Answer;

/// All of them.
pub fn all() -> Vec<Answer> {
    [
        status_line::cases(),
        field_lines::cases(),
        hop_by_hop::cases(),
        content_length::cases(),
        transfer_encoding::cases(),
        chunks::cases(),
        bodyless::cases(),
        interim::cases(),
        endings::cases(),
        limits::cases(),
    ]
    .concat()
}
