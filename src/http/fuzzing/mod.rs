//! What must hold for any bytes of a peer's, for a fuzzer to try: each function here panics where it does not.
//!
//! The targets in `fuzz/` call them, and `cargo test` does with the seeds that are kept there.

mod chunks;
mod forwarded;
mod proxy_protocol;
mod request;
mod response;

pub use chunks::chunks;
pub use forwarded::forwarded;
pub use proxy_protocol::proxy_protocol;
pub use request::request_head;
pub use response::response_head;

use core::ops::Range;

use memchr::{memchr3, memmem};

use super::fields::Fields;
use super::head::{Found, HeadError, HeadScanner, Limits};

/// Places at which an input is cut in two; more would make long inputs slow and find little.
const CUTS: usize = 64;

/// Ways in which so many bytes may arrive, as the ends of the pieces: at once, one by one, and in two.
fn arrivals(length: usize) -> impl Iterator<Item = Vec<usize>> {
    let at_once = vec![length];
    let one_by_one = (1..=length).collect();
    let in_two = (1..length).step_by(length.div_ceil(CUTS).max(1));
    [at_once, one_by_one]
        .into_iter()
        .chain(in_two.map(move |cut| vec![cut, length]))
}

/// Where a head lies that arrives in pieces with these ends; nothing if there is none (yet).
///
/// `check` is asked whenever a line has ended, as a connection does.
fn find_head(
    data: &[u8],
    ends: &[usize],
    limits: Limits,
    check: fn(&[u8]) -> Result<(), HeadError>,
) -> Option<Range<usize>> {
    let mut scanner = HeadScanner::new(limits);
    for &end in ends {
        let arrived = &data[..end];
        match scanner.find(arrived).ok()? {
            Found::Head(range) => return Some(range),
            Found::Partial { new_lines: true } => check(&arrived[scanner.start()..]).ok()?,
            Found::Partial { new_lines: false } => {}
        }
    }
    None
}

/// The lines of a head without their ends: each ends in CRLF, and nothing else in it is part of a line end.
fn lines(head: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut start) = (Vec::new(), 0);
    for end in memmem::find_iter(head, b"\r\n") {
        lines.push(&head[start..end]);
        start = end + 2;
    }
    assert_eq!((start, lines.pop()), (head.len(), Some(&[][..])));
    for line in &lines {
        assert!(!line.is_empty(), "a head ends at its first empty line");
        assert!(memchr3(b'\r', b'\n', 0, line).is_none());
    }
    lines
}

/// Fields are what the lines say, neither more nor less of them.
fn check_fields(fields: &Fields, lines: &[&[u8]]) {
    assert_eq!(fields.iter().count(), lines.len());
    for ((name, value), line) in fields.iter().zip(lines) {
        let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        assert!(!name.is_empty() && name.iter().all(is_token));
        assert!(
            value
                .iter()
                .all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f))
        );
        let ends = [value.first(), value.last()];
        assert!(!ends.into_iter().flatten().any(is_blank));
        let rest = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b":"));
        let rest = rest.expect("a line begins with its name and a colon");
        let blanks = rest.iter().take_while(|b| is_blank(b)).count();
        let rest = &rest[blanks..];
        assert!(rest.starts_with(value));
        assert!(rest[value.len()..].iter().all(is_blank));
    }
}
