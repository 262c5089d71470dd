//! A body on its way to a client, and what it takes to go on with it if it breaks off.

use std::time::Duration;

use crate::http::framing::BodyFraming;
use crate::http::head::ResponseHead;
use crate::registry::range::Span;
use crate::registry::redirect::Trail;
use crate::registry::rewrite::Credentials;
use crate::registry::route::Place;
use crate::registry::table::UpstreamId;
use crate::registry::validators::Validators;
use crate::upstream::reply::Reply;

use super::on_behalf::Grant;

/// The pauses before the attempts that may fail in a row; any progress begins them anew.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// A body that is to come.
#[derive(Debug)]
pub struct Flow {
    /// Where it comes from.
    pub reply: Box<Reply>,
    /// What it takes to go on with it; `None` where that cannot be.
    pub unfinished: Option<Box<Unfinished>>,
}

/// A blob on its way, and what it takes to go on with it.
#[derive(Debug)]
pub struct Unfinished {
    pub(super) upstream: UpstreamId,
    pub(super) place: Place,
    pub(super) credentials: Credentials<'static>,
    /// What the upstream's account went by, in the place of these credentials.
    pub(super) grant: Option<Grant>,
    pub(super) trail: Trail,
    pub(super) span: Span,
    pub(super) encoding: Option<Vec<u8>>,
    pub(super) validators: Validators,
    /// What has been done to go on with it.
    pub(super) attempts: Attempts,
}

/// Attempts to go on with a body.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Bytes that had passed when it broke off last.
    progress: u64,
    /// Attempts since then.
    count: usize,
}

impl Unfinished {
    /// What it takes to go on with the body of `reply`, if its length is known.
    pub(super) fn new(
        upstream: UpstreamId,
        place: &Place,
        (credentials, grant): (Credentials<'static>, Option<Grant>),
        trail: &Trail,
        reply: &Reply,
    ) -> Option<Unfinished> {
        let BodyFraming::Length(length) = reply.framing else {
            return None;
        };
        let mut validators = Validators::default();
        validators.keep(&reply.head, &trail.target().origin);
        Some(Unfinished {
            upstream,
            place: place.clone(),
            credentials,
            grant,
            trail: trail.clone(),
            span: Span::of(&reply.head, length)?,
            encoding: encoding(&reply.head),
            validators,
            attempts: Attempts::default(),
        })
    }
}

impl Attempts {
    /// The pause before the next attempt; `None` if there is none.
    pub(super) fn pause(&mut self, passed: u64) -> Option<Duration> {
        if passed > self.progress {
            (self.progress, self.count) = (passed, 0);
        }
        self.count += 1;
        PAUSES.get(self.count - 1).copied()
    }
}

/// How a coding would change what the bytes are of which a part is asked for (RFC 9110 §8.4).
pub(super) fn encoding(head: &ResponseHead) -> Option<Vec<u8>> {
    head.fields.first("content-encoding").map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_attempts_in_a_row_with_growing_pauses() {
        let mut attempts = Attempts::default();
        let mut pauses = |passed| {
            let pauses = [(); 4].map(|()| attempts.pause(passed));
            pauses.map(|pause| pause.map(|pause| pause.as_millis()))
        };
        assert_eq!(pauses(0), [Some(0), Some(500), Some(2000), None]);
        assert_eq!(pauses(0), [None; 4], "no more without progress");
        let anew = [Some(0), Some(500), Some(2000), None];
        assert_eq!(pauses(1), anew, "any progress begins anew");
    }
}
