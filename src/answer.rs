//! What docxy answers itself: health, challenges, tokens for those who need none, and errors as OCI JSON.

use std::fmt;
use std::time::SystemTime;

use serde_json::json;

use crate::http::write::HeadWriter;
use crate::metrics::families;
use crate::registry::route::RouteError;
use crate::registry::token::{PLACEHOLDER, SERVICE, TokenError};
use crate::upstream::fault::UpstreamError;

/// How long a client should wait before it asks again for what could not be had, in seconds.
const RETRY_AFTER: u32 = 5;

/// How long a placeholder token may be used, in seconds. The upstream may come to want real ones.
pub const PLACEHOLDER_LIFE: u32 = 300;

/// An answer of docxy's own.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What the log says of it beyond the status; empty for what is no error.
    pub why: String,
    fields: Vec<(&'static str, String)>,
    content_type: &'static str,
    body: Vec<u8>,
    end: End,
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It stays, if the client wants it to.
    Stays,
    /// It is closed, because what follows on it cannot be told apart.
    Closes,
}

impl Answer {
    /// A plain answer.
    pub fn text(status: u16, text: &'static str) -> Answer {
        Answer {
            status,
            why: String::new(),
            fields: Vec::new(),
            content_type: "text/plain; charset=utf-8",
            body: text.as_bytes().to_vec(),
            end: End::Stays,
        }
    }

    /// An answer in JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Answer {
        Answer {
            status,
            why: String::new(),
            fields: Vec::new(),
            content_type: "application/json",
            body: body.to_string().into_bytes(),
            end: End::Stays,
        }
    }

    /// A CA in PEM; the type is the one by which browsers and phones know it.
    pub fn ca(pem: &str) -> Answer {
        Answer {
            content_type: "application/x-x509-ca-cert",
            body: pem.as_bytes().to_vec(),
            ..Answer::text(200, "")
        }
    }

    /// What has been counted, as Prometheus reads it.
    pub fn metrics(text: String) -> Answer {
        Answer {
            content_type: families::CONTENT_TYPE,
            body: text.into_bytes(),
            ..Answer::text(200, "")
        }
    }

    /// An error in the form that every client shows (OCI distribution specification, "Error Codes").
    pub fn error(status: u16, code: &str, why: impl fmt::Display) -> Answer {
        let why = why.to_string();
        let body = json!({ "errors": [{ "code": code, "message": format!("docxy: {why}"), "detail": null }] });
        Answer {
            why,
            ..Answer::json(status, &body)
        }
    }

    /// An error after which the connection is closed, since it is not known where the next request begins.
    pub fn fatal(status: u16, code: &str, why: impl fmt::Display) -> Answer {
        Answer {
            end: End::Closes,
            ..Answer::error(status, code, why)
        }
    }

    /// An error for want of somebody else; after 503 it is worth a try soon.
    pub fn unavailable(status: u16, why: impl fmt::Display) -> Answer {
        let answer = Answer::error(status, "UNAVAILABLE", why);
        if status == 503 {
            answer.with("Retry-After", RETRY_AFTER.to_string())
        } else {
            answer
        }
    }

    /// 503 for a client for whom there is no room, after which its connection is closed.
    pub fn full(why: impl fmt::Display) -> Answer {
        Answer::fatal(503, "UNAVAILABLE", why).with("Retry-After", RETRY_AFTER.to_string())
    }

    /// The token for an upstream that needs none; docxy never sends it on.
    pub fn placeholder_token() -> Answer {
        Answer::json(
            200,
            &json!({ "token": PLACEHOLDER, "access_token": PLACEHOLDER, "expires_in": PLACEHOLDER_LIFE }),
        )
    }

    /// The challenge for clients that read none but that of `/v2/`, which several upstreams share.
    pub fn shared_challenge(realm: &str) -> Answer {
        Answer::error(401, "UNAUTHORIZED", "authentication required")
            .with(
                "WWW-Authenticate",
                format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\""),
            )
            .with("Docker-Distribution-Api-Version", "registry/2.0")
    }

    /// `/v2/` for a client that needs no more tokens.
    pub fn shared_ping() -> Answer {
        Answer::json(200, &json!({})).with("Docker-Distribution-Api-Version", "registry/2.0")
    }

    /// Adds a field.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.fields.push((name, value.into()));
        self
    }

    /// Says how long to wait, as whoever has to be waited for has said it.
    pub fn after(self, retry_after: Option<String>) -> Answer {
        match retry_after {
            Some(value) => self.with("Retry-After", value),
            None => self,
        }
    }

    /// Whether the connection has to be closed after it.
    pub fn closes(&self) -> bool {
        self.end == End::Closes
    }

    /// The head, with the fields that `finish` adds, and the body, which is empty where the request was a HEAD.
    pub fn write(self, method: &[u8], finish: impl FnOnce(&mut HeadWriter)) -> (Vec<u8>, Vec<u8>) {
        let mut head = HeadWriter::answer(self.status, reason(self.status).as_bytes());
        head.field("Content-Type", self.content_type);
        head.number("Content-Length", self.body.len() as u64);
        head.field("X-Content-Type-Options", "nosniff");
        head.field_of("Date", httpdate::HttpDate::from(SystemTime::now()));
        for (name, value) in &self.fields {
            head.field(name, value);
        }
        finish(&mut head);
        (
            head.finish(),
            if method == b"HEAD" {
                Vec::new()
            } else {
                self.body
            },
        )
    }
}

/// The whole answer to a TLS handshake on a plain port. Clients that try TLS first go on in plain only after words that
/// are HTTP beyond doubt.
pub const NOT_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\r\nClient sent an HTTPS request to an HTTP server.\n";

impl From<RouteError> for Answer {
    fn from(error: RouteError) -> Answer {
        let answer = Answer::error(error.status(), error.code(), &error);
        match error.allow_methods() {
            Some(methods) => answer.with("Allow", methods),
            None => answer,
        }
    }
}

impl From<TokenError> for Answer {
    fn from(error: TokenError) -> Answer {
        Answer::error(error.status(), error.code(), &error)
    }
}

impl From<UpstreamError> for Answer {
    fn from(error: UpstreamError) -> Answer {
        Answer::unavailable(error.status(), &error)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::ResponseHead;

    #[test]
    fn errors_are_oci_json() {
        let answer =
            Answer::error(404, "NAME_UNKNOWN", "no \"such\" thing\n").with("Retry-After", "1");
        let (head, body) = answer.write(b"GET", |head| head.field("Connection", "close"));
        let head = ResponseHead::parse(head.into()).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((head.status, head.reason()), (404, &b"Not Found"[..]));
        assert_eq!(body["errors"][0]["code"], "NAME_UNKNOWN");
        assert_eq!(body["errors"][0]["message"], "docxy: no \"such\" thing\n");
        assert!(head.fields.contains("date") && head.fields.contains("retry-after"));
        assert_eq!(head.fields.first("connection"), Some(&b"close"[..]));
        assert_eq!(
            head.fields.first("content-type"),
            Some(&b"application/json"[..])
        );
    }

    #[test]
    fn a_head_has_the_length_of_the_body_that_it_does_not_have() {
        let (head, body) = Answer::text(200, "ok\n").write(b"HEAD", |_| ());
        let head = ResponseHead::parse(head.into()).unwrap();
        assert_eq!(
            (head.fields.first("content-length"), body.len()),
            (Some(&b"3"[..]), 0)
        );
    }

    #[test]
    fn every_status_that_docxy_gives_has_a_reason() {
        for status in [
            200, 400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 421, 429, 431, 501, 502, 503,
            504, 505, 508,
        ] {
            assert!(!reason(status).is_empty(), "{status}");
        }
    }
}
