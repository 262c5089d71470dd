//! A request on its way: who is asked with what, where redirects have led, and why it may come to no answer.

use std::fmt;
use std::ops::Range;

use crate::answer::Answer;
use crate::http::uri::{Origin, Target};
use crate::proxy::Request;
use crate::proxy::on_behalf::Grant;
use crate::proxy::unfinished::Unfinished;
use crate::registry::redirect::{RedirectError, Trail};
use crate::registry::rewrite::{self, Credentials, Part, Source};
use crate::registry::route::{Kind, Place};
use crate::registry::table::UpstreamId;
use crate::upstream::Over;
use crate::upstream::dial::DialError;
use crate::upstream::fault::{Fault, UpstreamError};
use crate::upstream::reply::Reply;
use crate::upstream::tries::Tries;

/// Why a request did not come to an answer.
#[derive(Debug)]
pub(crate) enum Mishap {
    /// Somebody on the way could not be asked.
    Upstream(UpstreamError),
    /// It was sent where it may not go.
    Redirect(Origin, RedirectError),
    /// It has a form, which goes to one place only.
    Form(Origin),
}

impl Mishap {
    /// The status for the client.
    pub(super) fn status(&self) -> u16 {
        match self {
            Mishap::Upstream(error) => error.status(),
            Mishap::Redirect(..) | Mishap::Form(_) => 502,
        }
    }

    /// Whether its first target lies where whoever named it may not point.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        matches!(self, Mishap::Upstream(error) if matches!(error.fault, Fault::Unreachable(DialError::Forbidden(_))))
    }
}

impl From<UpstreamError> for Mishap {
    fn from(error: UpstreamError) -> Mishap {
        Mishap::Upstream(error)
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mishap::Upstream(error) => write!(f, "{error}"),
            Mishap::Redirect(asked, error) => write!(f, "{asked}: {error}"),
            Mishap::Form(asked) => {
                write!(f, "{asked}: it redirects a form, which is sent to it alone")
            }
        }
    }
}

impl From<Mishap> for Answer {
    fn from(mishap: Mishap) -> Answer {
        match mishap {
            Mishap::Upstream(error) => error.into(),
            other => Answer::error(502, "UNAVAILABLE", other),
        }
    }
}

/// A request on its way to an upstream, and over redirects to wherever they lead.
pub(crate) struct Journey<'a> {
    pub(crate) request: &'a Request<'a>,
    /// Whose; `None` where it goes to an origin that is no upstream's.
    pub(crate) upstream: Option<UpstreamId>,
    /// How the client addresses the upstream.
    pub(crate) place: &'a Place,
    /// Where the first target's path has the repository, named as the upstream names it; `None` if it has none.
    pub(crate) repository: Option<Range<usize>>,
    pub(crate) method: &'a [u8],
    /// A form.
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) credentials: Credentials<'a>,
    /// What the upstream's account goes by, in the place of these credentials.
    pub(crate) grant: Option<Grant>,
    pub(crate) part: Part<'a>,
    pub(crate) over: Over,
    pub(crate) trail: Trail,
    pub(crate) tries: Tries,
}

impl<'a> Journey<'a> {
    /// The client's own request, for `target`.
    pub(crate) fn new(
        request: &'a Request<'a>,
        upstream: impl Into<Option<UpstreamId>>,
        place: &'a Place,
        target: Target,
    ) -> Journey<'a> {
        Journey {
            request,
            upstream: upstream.into(),
            place,
            repository: None,
            method: request.head.method(),
            body: None,
            credentials: request.credentials(place.identity),
            grant: None,
            part: Part::AsAsked,
            over: Over::Any,
            trail: Trail::new(target, None),
            tries: Tries::new(),
        }
    }

    /// What it takes to go on with the body of an answer, if it is a blob and asked for with what can be sent again.
    pub(super) fn unfinished(&self, reply: &Reply, kind: Option<Kind>) -> Option<Unfinished> {
        let credentials = match self.credentials {
            Credentials::Sent => Credentials::Sent,
            Credentials::Withheld => Credentials::Withheld,
            Credentials::Token(_) | Credentials::Basic(_) => return None,
        };
        if kind != Some(Kind::Blob) || self.method != b"GET" {
            return None;
        }
        let grant = self.grant.clone();
        Unfinished::new(
            self.upstream?,
            self.place,
            (credentials, grant),
            &self.trail,
            reply,
        )
    }

    /// The repository that is asked for, named as the upstream names it.
    pub(super) fn repository(&self) -> Option<&str> {
        let path = &self.trail.first().path_and_query;
        path.get(self.repository.clone()?)
    }

    /// Whose the answer is.
    pub(super) fn source(&self) -> Source<'_> {
        match (self.trail.hops(), self.trail.has_left()) {
            (_, true) => Source::Elsewhere(self.trail.first()),
            (0, _) => Source::Upstream,
            _ => Source::Redirected,
        }
    }

    pub(super) fn head(&self, via: &str) -> Vec<u8> {
        let has_left = self.trail.has_left();
        rewrite::request_head(&rewrite::Request {
            method: self.method,
            target: self.trail.target(),
            fields: &self.request.head.fields,
            credentials: match &self.grant {
                _ if has_left => Credentials::Withheld,
                Some(grant) => grant.credentials(),
                None => self.credentials,
            },
            part: self.part,
            version: self.request.head.version,
            via,
            body: self.body.map(<[u8]>::len),
        })
    }
}
