//! What most tests set up: docxy in front of scripted servers, one request through it, and a look at its answer.

use crate::docxy::Docxy;
use crate::wire::{Ask, Client, Head, Request, Response, Server, client};

/// The name of an upstream that is not Docker Hub.
pub const NAME: &str = "reg.test";

/// The digest of nothing in particular.
pub const DIGEST: &str = "sha256:feb5d9fea6a5e9606aa995e879d862b825965ba48de054caab5ef356dc6b3412";

/// A manifest's path at the upstream.
pub const MANIFEST: &str = "/v2/a/b/manifests/latest";

/// A blob's path at the upstream.
pub fn blob() -> String {
    format!("/v2/a/b/blobs/{DIGEST}")
}

/// docxy on a free port with these further arguments.
pub fn start(args: &[&str]) -> Docxy {
    Docxy::start(&[&["--listen", "127.0.0.1:0"], args].concat())
}

/// docxy before one upstream named [`NAME`].
pub fn before(upstream: &Server) -> Docxy {
    before_with(upstream, &[])
}

/// The same with further arguments.
pub fn before_with(upstream: &Server, args: &[&str]) -> Docxy {
    start(&[&["--upstream", &named(NAME, upstream)], args].concat())
}

/// [`before_with`], with one worker: each keeps a pool of its own, and which of them serves a client is chance.
pub fn with_one_worker(upstream: &Server, args: &[&str]) -> Docxy {
    before_with(upstream, &[&["--workers", "1"], args].concat())
}

/// `NAME=URL`.
pub fn named(name: &str, upstream: &Server) -> String {
    format!("{name}={}", upstream.url())
}

/// One request on a connection of its own, answered completely.
pub fn ask(docxy: &Docxy, ask: &Ask) -> Response {
    client::ask(docxy.addr(), ask)
}

/// Like [`ask`], and docxy is done with it: a second request on the same connection has been answered, so the upstream's
/// connection is back in the pool.
pub fn settled(docxy: &Docxy, ask: &Ask) -> Response {
    let mut client = Client::connect(docxy.addr());
    let response = client.ask(ask).complete();
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    response
}

/// Over which connection each request came to a server, by their numbers.
pub fn connections(server: &Server) -> Vec<usize> {
    let requests = server.requests();
    requests.iter().map(|request| request.connection).collect()
}

/// One GET.
pub fn get(docxy: &Docxy, target: &str) -> Response {
    ask(docxy, &Ask::get(target))
}

/// One HEAD.
pub fn head(docxy: &Docxy, target: &str) -> Response {
    ask(docxy, &Ask::head(target))
}

/// Raw bytes on a connection of their own, one answer, then docxy must close.
pub fn refused(docxy: &Docxy, request: &[u8]) -> Response {
    let mut client = Client::connect(docxy.addr());
    client.send(request);
    let response = client.receive("GET").complete();
    assert_eq!(
        response.head.one("connection"),
        Some("close"),
        "{:?} to {:?}",
        response.head,
        String::from_utf8_lossy(request)
    );
    client.closing();
    response
}

/// The code in an answer of docxy's own: an OCI error body, and a Date.
pub fn own_error(response: &Response, status: u16) -> String {
    assert_eq!(
        response.status(),
        status,
        "{} {}",
        response.head.start,
        response.text()
    );
    assert!(response.head.has("date"), "no Date in {:?}", response.head);
    let content_type = response.head.one("content-type").unwrap_or_default();
    assert!(
        content_type.starts_with("application/json"),
        "{:?}",
        response.head
    );
    let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    body["errors"][0]["code"]
        .as_str()
        .expect("a code")
        .to_owned()
}

/// The fields of an answer in order, without those that frame it or belong to the hop.
pub fn passed(head: &Head) -> Vec<(String, String)> {
    let own = [
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
    ];
    let kept = head
        .fields
        .iter()
        .filter(|(name, _)| !own.contains(&name.to_lowercase().as_str()));
    kept.map(|(name, value)| (name.to_lowercase(), value.clone()))
        .collect()
}

/// Expected fields in the form of [`passed`].
pub fn fields(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| (name.to_lowercase(), (*value).to_owned()))
        .collect()
}

/// The decoded parameters of a query or form.
pub fn parameters(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8()
            .expect("UTF-8")
            .into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

/// The decoded query of a request.
pub fn query(request: &Request) -> Vec<(String, String)> {
    parameters(
        request
            .head
            .target()
            .split_once('?')
            .map_or("", |(_, query)| query),
    )
}

/// Every value of a parameter, in order.
pub fn values<'a>(parameters: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    parameters
        .iter()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .collect()
}
