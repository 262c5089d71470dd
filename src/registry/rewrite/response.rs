//! What comes back to the client.

use crate::http::head::ResponseHead;
use crate::http::names::Names;
use crate::http::uri::Target;
use crate::http::write::HeadWriter;
use crate::registry::challenge::{self, Bearer, ChallengeError};
use crate::registry::links;
use crate::registry::route::Place;
use crate::registry::route::mounted::MountView;

/// Fields of an answer that speak of the upstream's relation to its client, which is docxy (RFC 6265, RFC 6797, RFC 7838).
const NOT_PASSED: Names<6> = Names::new([
    "docker-ratelimit-source",
    "set-cookie",
    "set-cookie2",
    "alt-svc",
    "strict-transport-security",
    "oci-namespace",
]);

/// Fields of an answer that speak to caches; some heed the others before `Cache-Control` (Edge Architecture Specification,
/// nginx).
const FOR_CACHES: Names<3> = Names::new(["cache-control", "surrogate-control", "x-accel-expires"]);

/// How those fields end that speak to some caches only, which heed them before `Cache-Control` too (RFC 9213 §2.2).
const TARGETED: &[u8] = b"-cache-control";

/// How the client sees an answer.
#[derive(Debug)]
pub struct View<'a> {
    /// The request that was answered.
    pub target: &'a Target,
    /// How the client addresses the upstream.
    pub place: &'a Place,
    /// What else docxy leads to, where the client came by a mount.
    pub mounts: Option<MountView<'a>>,
    /// Whether the answer is the upstream's own or that of another origin to which it pointed.
    pub source: Source<'a>,
    /// Whether it was given to an account of docxy's.
    pub by_account: bool,
    /// The status that the client is told.
    pub status: u16,
    /// The length that the client is told, if any.
    pub length: Option<u64>,
}

impl View<'_> {
    /// Whether what an answer refers to may be had from docxy.
    fn leads_to_docxy(&self) -> bool {
        !self.source.is_elsewhere() || self.mounts.is_some()
    }

    /// Whether no shared cache may keep it (RFC 9111 §3.5).
    fn is_private(&self) -> bool {
        self.source != Source::Upstream || self.by_account
    }

    fn location(&self, value: &[u8]) -> Option<String> {
        match &self.mounts {
            Some(mounts) => mounted(value, self.target, mounts),
            None => links::location(value, self.target, self.place),
        }
    }

    /// `None` if it would lead the client astray.
    fn link(&self, value: &[u8]) -> Option<Vec<u8>> {
        let (target, place) = (self.target, self.place);
        let Some(mounts) = &self.mounts else {
            return match self.source {
                Source::Elsewhere(asked) => links::link_from(value, target, asked, place),
                Source::Upstream | Source::Redirected => Some(links::link(value, target, place)),
            };
        };
        // Path-absolute, as on an upstream.
        let mounts = MountView {
            base: "",
            ..*mounts
        };
        let written = links::link_with(value, |reference| mounted(reference, target, &mounts));
        Some(written)
    }
}

fn mounted(reference: &[u8], asked: &Target, mounts: &MountView<'_>) -> Option<String> {
    let target = asked.resolve(reference).ok()?;
    mounts.reference(&target).map(|(_, reference)| reference)
}

/// Who gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The upstream itself, asked directly.
    Upstream,
    /// The upstream itself, after a redirect to itself.
    Redirected,
    /// Another origin, to which redirects of this request have led: its challenges are not the upstream's, and of its links
    /// those alone to other pages of what it has answered.
    Elsewhere(&'a Target),
}

impl Source<'_> {
    /// Whether it is not the upstream.
    pub fn is_elsewhere(self) -> bool {
        matches!(self, Source::Elsewhere(_))
    }
}

/// Writes the end-to-end fields of an answer as the client is to see them, and says whether a `Date` is among them. Challenges
/// get the realm that `realm` names.
///
/// Fails if a challenge of the upstream cannot be read, and so cannot be kept from sending the client elsewhere.
pub fn response_fields(
    out: &mut HeadWriter,
    head: &ResponseHead,
    view: &View<'_>,
    mut realm: impl FnMut(&Bearer) -> String,
) -> Result<bool, ChallengeError> {
    let (mut length, mut is_dated) = (view.length, false);
    let is_private = view.is_private();
    for line in head.fields.end_to_end() {
        let (name, value) = (line.name, line.value);
        match Treatment::of(name) {
            Treatment::Length => {
                if let Some(length) = length.take() {
                    out.number("Content-Length", length);
                }
            }
            Treatment::Challenge if view.source.is_elsewhere() => {}
            Treatment::Challenge => out.field(name, challenge::rewrite(value, &mut realm)?),
            Treatment::Link => {
                if let Some(link) = view.link(value) {
                    out.field(name, link);
                }
            }
            Treatment::Location if view.leads_to_docxy() => match view.location(value) {
                Some(location) => out.field(name, location),
                None => out.copy(line),
            },
            // A part that docxy asked for to learn the size of the whole is not what the client gets.
            Treatment::Range if view.status != head.status => {}
            Treatment::Caching if is_private => {}
            Treatment::Drop => {}
            Treatment::Date => {
                is_dated = true;
                out.copy(line);
            }
            Treatment::Pass | Treatment::Location | Treatment::Range | Treatment::Caching => {
                out.copy(line);
            }
        }
    }
    if is_private {
        out.field("Cache-Control", "private");
    }
    if let Some(length) = length {
        out.number("Content-Length", length);
    }
    if let Some(ns) = view.place.namespace() {
        out.field("OCI-Namespace", ns);
    }
    Ok(is_dated)
}

/// What becomes of a field of an answer.
enum Treatment {
    Pass,
    Drop,
    Length,
    Challenge,
    Link,
    Location,
    Caching,
    Range,
    Date,
}

impl Treatment {
    fn of(name: &[u8]) -> Treatment {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"date") => Treatment::Date,
            4 if name.eq_ignore_ascii_case(b"link") => Treatment::Link,
            8 if name.eq_ignore_ascii_case(b"location") => Treatment::Location,
            13 if name.eq_ignore_ascii_case(b"content-range") => Treatment::Range,
            14 if name.eq_ignore_ascii_case(b"content-length") => Treatment::Length,
            16 if name.eq_ignore_ascii_case(b"www-authenticate") => Treatment::Challenge,
            _ if NOT_PASSED.has(name) => Treatment::Drop,
            _ if FOR_CACHES.has(name) || is_targeted(name) => Treatment::Caching,
            _ => Treatment::Pass,
        }
    }
}

fn is_targeted(name: &[u8]) -> bool {
    let end = name.len().checked_sub(TARGETED.len());
    end.and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(TARGETED))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url.as_bytes()).unwrap()
    }

    fn asked() -> Target {
        target("https://r.test/v2/x/tags/list?n=1")
    }

    fn seen(
        lines: &str,
        place: &Place,
        source: Source<'_>,
        length: Option<u64>,
    ) -> Result<String, ChallengeError> {
        seen_as(200, lines, place, source, length)
    }

    fn seen_as(
        status: u16,
        lines: &str,
        place: &Place,
        source: Source<'_>,
        length: Option<u64>,
    ) -> Result<String, ChallengeError> {
        let head =
            ResponseHead::parse(Bytes::from(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"))).unwrap();
        let target = target("https://r.test/v2/a/tags/list?n=1");
        let mut out = HeadWriter::answer(status, b"OK");
        let view = View {
            target: &target,
            place,
            mounts: None,
            source,
            by_account: false,
            status,
            length,
        };
        response_fields(&mut out, &head, &view, |_| {
            "https://docxy.test/auth/r.test/token".to_owned()
        })?;
        Ok(String::from_utf8(out.finish()).unwrap())
    }

    const ANSWERED: &str = "Content-Type: t\r\nContent-Length: 5\r\nSet-Cookie: a\r\nX-A: 1\r\nX-A: 2\r\nAlt-Svc: h3\r\n\
        Strict-Transport-Security: x\r\nDocker-RateLimit-Source: 1.2.3.4\r\nRateLimit-Remaining: 9\r\nCache-Control: public\r\n\
        WWW-Authenticate: Bearer realm=\"https://auth.test/t\",service=\"s\"\r\nConnection: close\r\nKeep-Alive: 1\r\n\
        Location: https://r.test/v2/a/x\r\n";

    #[test]
    fn an_answer_keeps_what_is_the_clients() {
        let place = Place::default();
        assert_eq!(
            seen(ANSWERED, &place, Source::Upstream, Some(5)).unwrap(),
            "HTTP/1.1 200 OK\r\nContent-Type: t\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\nRateLimit-Remaining: 9\r\n\
             Cache-Control: public\r\nWWW-Authenticate: Bearer realm=\"https://docxy.test/auth/r.test/token\",service=\"s\"\r\n\
             Location: /v2/a/x\r\n\r\n"
        );
    }

    #[test]
    fn another_origin_teaches_the_client_nothing() {
        let place = Place {
            ns: Some("r.test".to_owned()),
            ..Place::default()
        };
        assert_eq!(
            seen(ANSWERED, &place, Source::Elsewhere(&asked()), None).unwrap(),
            "HTTP/1.1 200 OK\r\nContent-Type: t\r\nX-A: 1\r\nX-A: 2\r\nRateLimit-Remaining: 9\r\n\
             Location: https://r.test/v2/a/x\r\nCache-Control: private\r\nOCI-Namespace: r.test\r\n\r\n"
        );
    }

    #[test]
    fn a_link_from_elsewhere_leads_to_the_next_page_or_nowhere() {
        let link = "Link: </v2/a/tags/list?n=1&last=b>; rel=\"next\"\r\n";
        let other = "Link: </docs>; rel=\"help\"\r\nA: b\r\n";
        let place = Place {
            prefix: Some("r.test".to_owned()),
            ..Place::default()
        };
        let lines = format!("{link}{other}");
        assert_eq!(
            seen(&lines, &place, Source::Elsewhere(&asked()), None).unwrap(),
            "HTTP/1.1 200 OK\r\nLink: </v2/r.test/x/tags/list?n=1&last=b>; rel=\"next\"\r\nA: b\r\n\
             Cache-Control: private\r\n\r\n"
        );
    }

    #[test]
    fn what_is_private_is_so_for_every_cache() {
        let lines = "Cache-Control: public\r\nExpires: 0\r\nCDN-Cache-Control: max-age=9\r\nX-cdn-cache-CONTROL: max-age=9\r\n\
            Surrogate-Control: max-age=9\r\nX-Accel-Expires: 9\r\nX-Cache-Controls: 9\r\n";
        let head =
            ResponseHead::parse(Bytes::from(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"))).unwrap();
        let (target, place) = (target("https://r.test/v2/a/tags/list"), Place::default());
        let private = "Expires: 0\r\nX-Cache-Controls: 9\r\nCache-Control: private\r\n";
        for (source, by_account, expected) in [
            (Source::Upstream, false, lines),
            (Source::Upstream, true, private),
            (Source::Redirected, false, private),
            (Source::Elsewhere(&asked()), true, private),
        ] {
            let view = View {
                target: &target,
                place: &place,
                mounts: None,
                source,
                by_account,
                status: 200,
                length: None,
            };
            let mut out = HeadWriter::answer(200, b"OK");
            response_fields(&mut out, &head, &view, |_| String::new()).unwrap();
            let written = String::from_utf8(out.finish()).unwrap();
            assert_eq!(written, format!("HTTP/1.1 200 OK\r\n{expected}\r\n"));
        }
    }

    #[test]
    fn a_length_that_the_answer_lacks_is_added() {
        let place = Place::default();
        assert_eq!(
            seen("A: b\r\n", &place, Source::Redirected, Some(7)).unwrap(),
            "HTTP/1.1 200 OK\r\nA: b\r\nCache-Control: private\r\nContent-Length: 7\r\n\r\n"
        );
    }

    #[test]
    fn a_part_that_only_docxy_asked_for_leaves_no_trace() {
        let (place, part) = (
            Place::default(),
            "Content-Range: bytes 0-0/7\r\nContent-Length: 1\r\n",
        );
        let passed = seen_as(200, part, &place, Source::Upstream, Some(1)).unwrap();
        assert_eq!(
            passed,
            "HTTP/1.1 200 OK\r\nContent-Range: bytes 0-0/7\r\nContent-Length: 1\r\n\r\n"
        );
        let whole = seen_as(206, part, &place, Source::Elsewhere(&asked()), Some(7)).unwrap();
        assert_eq!(
            whole,
            "HTTP/1.1 206 OK\r\nContent-Length: 7\r\nCache-Control: private\r\n\r\n"
        );
    }
}
