use bytes::Bytes;

use super::super::range::{Continuation, MAX_SKIP, Span, total_of_content_range};
use super::parts;
use crate::http::framing::{self, BodyFraming};
use crate::http::head::ResponseHead;

/// The answer with a body that broke off, that of what is to go on with it, and how far the first had come: nothing goes
/// on but with the very next byte.
pub fn range(data: &[u8]) {
    let [passed, first, second] = parts(data);
    let passed = str::from_utf8(passed)
        .ok()
        .and_then(|digits| digits.parse::<u64>().ok());
    let (Some(passed), Some((first, length))) = (passed, answer(first)) else {
        return;
    };
    let Some(span) = Span::of(&first, length) else {
        return;
    };
    assert_eq!(span.last - span.first, length - 1);
    let total = first
        .fields
        .first("content-range")
        .and_then(total_of_content_range);
    assert!(first.status != 206 || span.total == total);
    assert!(span.total.is_none_or(|total| span.last < total));
    let asked = span.rest(passed);
    assert_eq!(asked.is_some(), passed < length);
    if let Some(asked) = asked {
        let asked = asked.strip_prefix("bytes=").expect("a range of bytes");
        let (from, to) = asked.split_once('-').expect("one range");
        assert_eq!(from.parse(), Ok(span.first + passed));
        assert!(
            to == span.last.to_string() || (to.is_empty() && span.total == Some(span.last + 1))
        );
    }
    let Some((second, more)) = answer(second) else {
        return;
    };
    check_continuation(&span, passed, &second, more);
}

fn check_continuation(span: &Span, passed: u64, head: &ResponseHead, length: u64) {
    let Ok(continuation) = span.continues(passed, head, length) else {
        return;
    };
    let found = Span::of(head, length).expect("it is a part or the whole");
    let skipped = match continuation {
        Continuation::Here => 0,
        Continuation::After(skipped) => skipped,
    };
    assert!(skipped <= MAX_SKIP);
    assert_eq!(
        found.first + skipped,
        span.first + passed,
        "the very next byte"
    );
    assert_eq!(found.last, span.last, "and the same last one");
    assert!(span.total.is_none() || found.total.is_none() || span.total == found.total);
}

/// An answer whose body has a length.
fn answer(bytes: &[u8]) -> Option<(ResponseHead, u64)> {
    let head = ResponseHead::parse(Bytes::copy_from_slice(bytes)).ok()?;
    match framing::of_response(&head, b"GET").ok()? {
        BodyFraming::Length(length) => Some((head, length)),
        _ => None,
    }
}
