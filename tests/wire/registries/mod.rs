//! Registries as they are: where each gives out tokens and keeps its layers, and that `NAME = URL`, and at most a realm host,
//! is all that docxy has to be told.

mod others;
mod posting;
mod well_known;

use tempfile::TempDir;

use crate::docxy::Docxy;
use crate::stand::{DIGEST, ask, get};
use crate::wire::{Answer, Ask, Request, Server};

const TOKEN: &str = "t0k3n";

/// docxy with one `[[upstream]]` of this text.
struct Configured {
    docxy: Docxy,
    directory: TempDir,
}

fn configured(upstream: &str) -> Configured {
    let directory = tempfile::tempdir().unwrap();
    configured_in(directory, upstream)
}

fn configured_in(directory: TempDir, upstream: &str) -> Configured {
    let path = directory.path().join("docxy.toml");
    let text = format!("listen = ['127.0.0.1:0']\n[[upstream]]\n{upstream}\n");
    std::fs::write(&path, text).unwrap();
    let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
    Configured { docxy, directory }
}

/// `name` and `url`, and the realm's host if it has to be said.
fn entry(name: &str, registry: &Server, realm_host: Option<&Server>) -> String {
    let realm = realm_host.map(|auth| format!("realm_host = '{}'\n", auth.authority()));
    format!(
        "name = '{name}'\nurl = '{}'\n{}",
        registry.url(),
        realm.unwrap_or_default()
    )
}

/// A token server that gives its token to a GET for this path and query, and nothing else to anybody.
fn token_server(expected: &str) -> Server {
    let expected = expected.to_owned();
    Server::start(move |request| match request.head.target() == expected {
        true => token(),
        false => Answer::new("404 Not Found", &[], request.line()),
    })
}

fn token() -> Answer {
    Answer::new(
        "200 OK",
        &[("Content-Type", "application/json")],
        format!("{{\"token\":\"{TOKEN}\",\"expires_in\":300}}"),
    )
}

/// What a registry says to whoever has its token; `challenge` to all others, with `{HOST}` for its own host.
fn guarded(
    challenge: impl Into<String>,
    script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> Server {
    let challenge = challenge.into();
    Server::start(move |request| match request.head.one("authorization") {
        Some(value) if value == format!("Bearer {TOKEN}") => script(request),
        _ => {
            let host = request.head.one("host").unwrap();
            Answer::challenge(&[&challenge.replace("{HOST}", host)])
        }
    })
}

/// Manifests in place, layers elsewhere.
fn layers_at(location: impl Into<String>) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    let location = location.into();
    move |request| match request.head.target() {
        target if target.contains("/blobs/") => {
            Answer::redirect("307 Temporary Redirect", &location)
        }
        target => Answer::ok(target),
    }
}

/// A store that has the layer at one path and query, and must not see a token.
fn store(path_and_query: &str) -> Server {
    let expected = path_and_query.to_owned();
    Server::start(move |request| {
        let is_it = request.head.target() == expected && !request.head.has("authorization");
        if is_it {
            Answer::ok("layer")
        } else {
            Answer::new("400 Bad Request", &[], request.line())
        }
    })
}

/// What a client is told by a challenge: the realm, which has to be docxy's, and what to ask there.
struct Challenge {
    realm: String,
    service: Option<String>,
}

fn challenged(docxy: &Docxy, name: &str, target: &str) -> Challenge {
    let answer = get(docxy, target);
    assert_eq!(answer.status(), 401, "{target}");
    let value = answer.head.one("www-authenticate").unwrap().to_owned();
    let parameter = |name: &str| {
        let (_, after) = value.split_once(&format!("{name}=\""))?;
        Some(after.split('"').next().unwrap().to_owned())
    };
    let realm = parameter("realm").unwrap();
    let own = format!("http://docxy.test/auth/{name}/token");
    assert!(realm.starts_with(&own), "{value}");
    Challenge {
        realm: realm.strip_prefix("http://docxy.test").unwrap().to_owned(),
        service: parameter("service"),
    }
}

/// Pulls as engines do that go by the challenge of what they want; the layer has to come from the store.
fn pull(docxy: &Docxy, name: &str, repository: &str) -> Challenge {
    let (manifest, blob) = paths(repository);
    let challenge = challenged(docxy, name, &manifest);
    let service = challenge
        .service
        .as_ref()
        .map(|name| format!("&service={name}"));
    let separator = if challenge.realm.contains('?') {
        '&'
    } else {
        '?'
    };
    let asked = format!(
        "{}{separator}scope=repository:{repository}:pull{}",
        challenge.realm,
        service.unwrap_or_default()
    );
    let got = get(docxy, &asked);
    assert!(got.text().contains(TOKEN), "{asked}: {}", got.text());
    let bearer = |target: &str| {
        let request = Ask::get(target).field("Authorization", &format!("Bearer {TOKEN}"));
        ask(docxy, &request)
    };
    assert_eq!(bearer(&manifest).text(), manifest);
    let layer = bearer(&blob);
    assert_eq!((layer.status(), layer.text().as_str()), (200, "layer"));
    challenge
}

fn paths(repository: &str) -> (String, String) {
    (
        format!("/v2/{repository}/manifests/v1"),
        format!("/v2/{repository}/blobs/{DIGEST}"),
    )
}
