//! The three servers that a pull from Docker Hub meets: the registry, its token server and its CDN.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::http::{Answer, Request, serve};
use crate::image::Store;

/// The name by which the token server knows the registry.
pub const SERVICE: &str = "registry.docker.io";

/// The only token that is good.
pub const TOKEN: &str = "a-token-for-hello-world";

const SCOPE: &str = "repository:library/hello-world:pull";
const REPOSITORY: &str = "/v2/library/hello-world/";

/// Where they listen.
pub struct Origins {
    pub registry: SocketAddr,
    pub auth: SocketAddr,
    pub cdn: SocketAddr,
}

/// A request that one of them has seen, and its answer.
#[derive(Clone)]
pub struct Event {
    pub origin: &'static str,
    pub method: String,
    pub target: String,
    pub authorized: bool,
    pub status: u16,
    /// The field that matters in the answer: where to go for a token or for a blob.
    pub pointer: Option<String>,
}

/// What they have seen, in order.
#[derive(Default)]
pub struct Journal {
    events: Mutex<Vec<Event>>,
}

impl Journal {
    fn write(&self, origin: &'static str, request: &Request, answer: &Answer) {
        let pointers = ["www-authenticate", "location"].iter();
        let pointer = pointers
            .filter_map(|&name| Some(format!("{name}: {}", answer.field(name)?)))
            .next();
        self.lock().push(Event {
            origin,
            method: request.method.clone(),
            target: request.target.clone(),
            authorized: request.field("authorization").is_some(),
            status: answer.status,
            pointer,
        });
    }

    /// What has been seen after the first `known` requests.
    pub fn since(&self, known: usize) -> Vec<Event> {
        self.lock().iter().skip(known).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origins {
    /// Starts all three on ports of their own, so that each is an origin of its own.
    pub fn start(store: &Arc<Store>, journal: &Arc<Journal>) -> io::Result<Origins> {
        let (blobs, notes) = (Arc::clone(store), Arc::clone(journal));
        let cdn = serve(noted("cdn", notes, move |request| cdn(&blobs, request)))?;
        let auth = serve(noted("auth", Arc::clone(journal), token))?;
        let (manifests, notes) = (Arc::clone(store), Arc::clone(journal));
        let registry = serve(noted("registry", notes, move |request| {
            registry(&manifests, auth, cdn, request)
        }))?;
        Ok(Origins {
            registry,
            auth,
            cdn,
        })
    }
}

fn noted(
    origin: &'static str,
    journal: Arc<Journal>,
    answer: impl Fn(&Request) -> Answer,
) -> impl Fn(&Request) -> Answer {
    move |request| {
        let answer = answer(request);
        journal.write(origin, request, &answer);
        answer
    }
}

fn registry(store: &Store, auth: SocketAddr, cdn: SocketAddr, request: &Request) -> Answer {
    let version = |answer: Answer| answer.with("docker-distribution-api-version", "registry/2.0");
    if request.field("authorization") != Some(&format!("Bearer {TOKEN}")) {
        let challenge = format!("Bearer realm=\"http://{auth}/token\",service=\"{SERVICE}\"");
        return version(refusal(401, "UNAUTHORIZED").with("www-authenticate", challenge));
    }
    let Some(rest) = request.target.strip_prefix(REPOSITORY) else {
        return version(refusal(404, "NAME_UNKNOWN"));
    };
    version(match rest.split_once('/') {
        Some(("manifests", reference)) => manifest(store, reference),
        Some(("blobs", digest)) if store.blobs.contains_key(digest) => redirect(cdn, digest),
        _ => refusal(404, "BLOB_UNKNOWN"),
    })
}

fn manifest(store: &Store, reference: &str) -> Answer {
    let digest = store.tags.get(reference).map_or(reference, String::as_str);
    match store.manifests.get(digest) {
        Some(manifest) => Answer::new(200, manifest.media_type, &manifest.bytes)
            .with("docker-content-digest", digest)
            .with("etag", format!("\"{digest}\"")),
        None => refusal(404, "MANIFEST_UNKNOWN"),
    }
}

/// To an URL like those of Docker Hub's CDN.
fn redirect(cdn: SocketAddr, digest: &str) -> Answer {
    let hex = digest.trim_start_matches("sha256:");
    let path = format!(
        "registry-v2/docker/registry/v2/blobs/sha256/{}/{hex}/data",
        &hex[..2]
    );
    let location = format!("http://{cdn}/{path}?verify=signed");
    Answer::new(307, "application/octet-stream", b"").with("location", location)
}

fn token(request: &Request) -> Answer {
    let (path, query) = request.target.split_once('?').unwrap_or_default();
    let query = query.replace("%3A", ":").replace("%2F", "/");
    let has = |wanted: String| query.split('&').any(|pair| pair == wanted);
    if path == "/token" && has(format!("service={SERVICE}")) && has(format!("scope={SCOPE}")) {
        let body = json!({ "token": TOKEN, "expires_in": 300 });
        return Answer::new(200, "application/json", body.to_string().as_bytes());
    }
    refusal(400, "UNSUPPORTED")
}

/// Like S3 it refuses who shows a signature and a token at once.
fn cdn(store: &Store, request: &Request) -> Answer {
    let path = request.target.strip_suffix("/data?verify=signed");
    let digest = path.and_then(|path| path.rsplit('/').next());
    let blob = digest.and_then(|hex| store.blobs.get(&format!("sha256:{hex}")));
    match (blob, request.field("authorization")) {
        (Some(blob), None) => Answer::new(200, "application/octet-stream", blob),
        (Some(_), Some(_)) => refusal(400, "two ways to authenticate"),
        (None, _) => refusal(403, "not signed"),
    }
}

fn refusal(status: u16, code: &str) -> Answer {
    let body = json!({ "errors": [{ "code": code, "message": code }] });
    Answer::new(status, "application/json", body.to_string().as_bytes())
}
