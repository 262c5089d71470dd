//! What goes to an upstream.

use core::fmt;

use crate::http::fields::Fields;
use crate::http::head::Version;
use crate::http::names::Names;
use crate::http::uri::Target;
use crate::http::write::HeadWriter;

/// A request as it goes to one target.
#[derive(Debug)]
pub struct Request<'a> {
    /// The client's method, or docxy's.
    pub method: &'a [u8],
    /// Who is asked for what.
    pub target: &'a Target,
    /// The client's fields.
    pub fields: &'a Fields,
    /// Whether the client's `Authorization` may go there.
    pub credentials: Credentials<'a>,
    /// What part is asked for.
    pub part: Part<'a>,
    /// The version in which the client speaks, for `Via` (RFC 9110 §7.6.3).
    pub version: Version,
    /// docxy's name there.
    pub via: &'a str,
    /// The length of the body, if there is one.
    pub body: Option<usize>,
}

/// What goes along as `Authorization`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// What the client sent.
    Sent,
    /// Nothing.
    Withheld,
    /// A token that docxy has got itself.
    Token(&'a str),
    /// The name and password of an account of docxy's, encoded (RFC 7617).
    Basic(&'a str),
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Sent => "Sent",
            Credentials::Withheld => "Withheld",
            Credentials::Token(_) => "Token",
            Credentials::Basic(_) => "Basic",
        })
    }
}

/// What part of a representation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// What the client asked for, under its conditions.
    AsAsked,
    /// A part that docxy needs, unconditionally: the value of `Range`.
    Only(&'a str),
}

/// The first byte, by which the size of the whole is learned.
pub const FIRST_BYTE: Part<'_> = Part::Only("bytes=0-0");

/// Fields of a request that are docxy's own matter, or that would tell an upstream more than it should know.
const NOT_FORWARDED: Names<14> = Names::new([
    "host",
    "content-length",
    "expect",
    "cookie",
    "cookie2",
    "via",
    "forwarded",
    "x-real-ip",
    "http2-settings",
    "max-forwards",
    // Of a form, which is written anew.
    "content-md5",
    "content-digest",
    "repr-digest",
    "digest",
]);

/// Conditions and ranges, which make no sense when docxy asks for a size.
const PRECONDITIONS: Names<6> = Names::new([
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
]);

/// Writes the head of a request to an upstream.
pub fn request_head(request: &Request<'_>) -> Vec<u8> {
    let mut head = HeadWriter::request(request.method, &request.target.path_and_query);
    head.field("Host", request.target.origin.host_field());
    for line in request.fields.end_to_end() {
        if goes_along(line.name, request) {
            head.copy(line);
        }
    }
    if let Part::Only(range) = request.part {
        head.field("Range", range);
    }
    match request.credentials {
        Credentials::Token(token) => head.joined("Authorization", &["Bearer ", token]),
        Credentials::Basic(basic) => head.joined("Authorization", &["Basic ", basic]),
        Credentials::Sent | Credentials::Withheld => {}
    }
    for value in request.fields.all("via") {
        head.field("Via", value);
    }
    let received = match request.version {
        Version::Http10 => "1.0 ",
        Version::Http11 => "1.1 ",
    };
    head.joined("Via", &[received, request.via]);
    if let Some(length) = request.body {
        head.number("Content-Length", length as u64);
    }
    head.finish()
}

fn goes_along(name: &[u8], request: &Request<'_>) -> bool {
    let withheld =
        request.credentials != Credentials::Sent && name.eq_ignore_ascii_case(b"authorization");
    let conditional = request.part != Part::AsAsked && PRECONDITIONS.has(name);
    !withheld && !conditional && !NOT_FORWARDED.has(name) && !starts_with(name, b"x-forwarded-")
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::http::head::RequestHead;

    fn target(url: &str) -> Target {
        Target::parse(url.as_bytes()).unwrap()
    }

    fn fields(lines: &str) -> Fields {
        RequestHead::parse(Bytes::from(format!("GET / HTTP/1.1\r\n{lines}\r\n")))
            .unwrap()
            .fields
    }

    fn sent(lines: &str, credentials: Credentials<'_>, part: Part<'_>) -> String {
        let (target, fields) = (target("https://r.test/v2/a/manifests/b?n=1"), fields(lines));
        let via = "docxy-x";
        let request = Request {
            method: b"GET",
            target: &target,
            fields: &fields,
            credentials,
            part,
            version: Version::Http11,
            via,
            body: None,
        };
        String::from_utf8(request_head(&request)).unwrap()
    }

    const ASKED: &str = "Host: docxy.test:5000\r\nAccept: a\r\nAuthorization: Bearer t\r\nAccept: b\r\nCookie: c\r\n\
        X-Forwarded-For: 1\r\nX-FORWARDED-anything: 1\r\nForwarded: for=1\r\nConnection: X-Drop\r\nX-Drop: 1\r\n\
        Range: bytes=1-\r\nIf-None-Match: \"x\"\r\nVia: 1.0 other\r\nExpect: 100-continue\r\nContent-Length: 3\r\n";

    #[test]
    fn a_request_is_written_anew() {
        assert_eq!(
            sent(ASKED, Credentials::Sent, Part::AsAsked),
            "GET /v2/a/manifests/b?n=1 HTTP/1.1\r\nHost: r.test\r\nAccept: a\r\nAuthorization: Bearer t\r\nAccept: b\r\n\
             Range: bytes=1-\r\nIf-None-Match: \"x\"\r\nVia: 1.0 other\r\nVia: 1.1 docxy-x\r\n\r\n"
        );
        assert_eq!(
            sent(ASKED, Credentials::Withheld, FIRST_BYTE),
            "GET /v2/a/manifests/b?n=1 HTTP/1.1\r\nHost: r.test\r\nAccept: a\r\nAccept: b\r\nRange: bytes=0-0\r\n\
             Via: 1.0 other\r\nVia: 1.1 docxy-x\r\n\r\n"
        );
    }

    #[test]
    fn a_form_has_the_length_that_it_was_given() {
        let (target, fields) = (
            target("http://r.test:81/token"),
            fields("Host: a\r\nContent-Length: 9\r\nContent-MD5: x\r\nContent-Digest: y\r\n"),
        );
        let request = Request {
            method: b"POST",
            target: &target,
            fields: &fields,
            credentials: Credentials::Sent,
            part: Part::AsAsked,
            version: Version::Http10,
            via: "d",
            body: Some(4),
        };
        let head = String::from_utf8(request_head(&request)).unwrap();
        assert_eq!(
            head,
            "POST /token HTTP/1.1\r\nHost: r.test:81\r\nVia: 1.0 d\r\nContent-Length: 4\r\n\r\n"
        );
    }
}
