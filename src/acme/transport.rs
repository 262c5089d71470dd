//! Requests to an ACME server over docxy's own upstream client: small ones, small answers, https only.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use ::http::request::Parts;
use ::http::{Method, Request, Response, header};
use bytes::Bytes;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::conn::body::BodyError;
use crate::egress::Egress;
use crate::http::uri::{Scheme, Target};
use crate::http::write::HeadWriter;
use crate::upstream::fault::UpstreamError;
use crate::upstream::reply::Reply;
use crate::upstream::tries::Tries;
use crate::upstream::{Client, Message, Over};

/// An answer with the longest chain has a few KB.
const MAX_BODY: usize = 256 * 1024;

/// The longest wait that a server can ask for, in seconds: far beyond any attempt. The crate adds whatever it reads to the
/// clock, and panics where that has no room for it.
const MAX_WAIT: u64 = 24 * 3600;

/// Who asks (RFC 8555 §6.1).
const USER_AGENT: &str = concat!("docxy/", env!("CARGO_PKG_VERSION"));

/// Carries requests to an ACME server.
#[derive(Debug)]
pub struct Transport {
    client: Arc<Client>,
    egress: Egress,
}

/// Why a request has no answer of use.
#[derive(Debug)]
enum TransportError {
    Url(String),
    Upstream(UpstreamError),
    Body(Target, BodyError),
    TooLong(Target),
    /// An error without the document that says why (RFC 8555 §6.7).
    Unexplained(Target, u16),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::Url(url) => write!(f, "{url:?} is no https URL"),
            TransportError::Upstream(error) => write!(f, "{error}"),
            TransportError::Body(target, error) => write!(f, "{target}: {error}"),
            TransportError::TooLong(target) => {
                write!(f, "{target}: its answer is longer than {MAX_BODY} bytes")
            }
            TransportError::Unexplained(target, status) => {
                write!(f, "{target}: it answered {status} and does not say why")
            }
        }
    }
}

impl std::error::Error for TransportError {}

impl Transport {
    /// A transport over this client, by this way.
    pub fn new(client: Client, egress: Egress) -> Transport {
        Transport {
            client: Arc::new(client),
            egress,
        }
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (client, egress) = (Arc::clone(&self.client), self.egress.clone());
        Box::pin(async move { exchange(&client, &egress, request).await })
    }
}

async fn exchange(
    client: &Client,
    egress: &Egress,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Error> {
    let (parts, body) = request.into_parts();
    // The crate gives out what is in such a body for answers only.
    let mut body = BytesResponse::from(Response::new(body)).body;
    let body = body.into_bytes().await.map_err(Error::Other)?;
    let url = parts.uri.to_string();
    let target = match Target::parse(url.as_bytes()) {
        Ok(target) if target.origin.scheme() == Scheme::Https => target,
        _ => return Err(other(TransportError::Url(url))),
    };
    let message = Message {
        method: parts.method.as_str().as_bytes(),
        head: &|| head(&parts, &target, body.len()),
        body: &body,
        over: Over::Any,
    };
    // The operator has named the server, wherever it is.
    let sent = client
        .send(&target.origin, egress, None, &message, &mut Tries::new())
        .await;
    answer(
        &target,
        sent.map_err(|error| other(TransportError::Upstream(error)))?,
    )
    .await
}

fn head(parts: &Parts, target: &Target, length: usize) -> Vec<u8> {
    let mut head = HeadWriter::request(parts.method.as_str().as_bytes(), &target.path_and_query);
    head.field("Host", target.origin.host_field());
    head.field("User-Agent", USER_AGENT);
    let others = parts
        .headers
        .iter()
        .filter(|(name, _)| *name != header::USER_AGENT);
    for (name, value) in others {
        head.field(name, value);
    }
    if parts.method == Method::POST {
        head.number("Content-Length", length as u64);
    }
    head.finish()
}

async fn answer(target: &Target, mut reply: Box<Reply>) -> Result<BytesResponse, Error> {
    let body = collect(target, &mut reply).await.map_err(other)?;
    let fields = &reply.head.fields;
    let is_problem = fields
        .first("content-type")
        .is_some_and(|kind| kind.starts_with(b"application/problem+json"));
    if reply.head.status >= 300 && !is_problem {
        return Err(other(TransportError::Unexplained(
            target.clone(),
            reply.head.status,
        )));
    }
    let mut answer = Response::builder().status(reply.head.status);
    for (name, value) in fields.iter() {
        answer = match asks_for_too_long(name, value) {
            true => answer.header(name, MAX_WAIT),
            false => answer.header(name, value),
        };
    }
    let (parts, ()) = answer.body(())?.into_parts();
    Ok(BytesResponse {
        parts,
        body: Box::new(body),
    })
}

/// Whether it is a `Retry-After` in seconds (RFC 9110 §10.2.3), and too many of them.
fn asks_for_too_long(name: &[u8], value: &[u8]) -> bool {
    let seconds = || str::from_utf8(value).ok()?.trim().parse::<u64>().ok();
    name.eq_ignore_ascii_case(header::RETRY_AFTER.as_str().as_bytes())
        && seconds().is_some_and(|seconds| seconds > MAX_WAIT)
}

async fn collect(target: &Target, reply: &mut Reply) -> Result<Bytes, TransportError> {
    let mut whole = Vec::new();
    loop {
        let next = reply.next().await;
        let count = next.map_err(|error| TransportError::Body(target.clone(), error))?;
        if count == 0 {
            return Ok(whole.into());
        }
        if whole.len() + count > MAX_BODY {
            return Err(TransportError::TooLong(target.clone()));
        }
        whole.extend_from_slice(reply.data(count));
        reply.consume(count);
    }
}

fn other(error: TransportError) -> Error {
    Error::Other(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_to_wait_for_longer_than_a_day() {
        let cases: [(&str, &str, bool); 8] = [
            ("Retry-After", "18446744073709551615", true),
            ("retry-after", " 86401 ", true),
            ("RETRY-AFTER", "+86401", true),
            ("Retry-After", "86400", false),
            ("Retry-After", "0", false),
            ("Retry-After", "18446744073709551616", false),
            ("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT", false),
            ("Content-Length", "86401", false),
        ];
        for (name, value, expected) in cases {
            let found = asks_for_too_long(name.as_bytes(), value.as_bytes());
            assert_eq!(found, expected, "{name}: {value}");
        }
    }
}
