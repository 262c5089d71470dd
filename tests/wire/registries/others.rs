//! Registries that docxy knows nothing of: each is a name, a URL, and at most the host of its realm.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use percent_encoding::percent_decode_str;

use super::{
    configured, configured_in, entry, guarded, layers_at, paths, pull, store, token_server,
};
use crate::stand::{ask, get};
use crate::wire::{Answer, Ask, Request, Server};

const SIGNED: &str = "/bucket/layer?X-Goog-Signature=ab%2F&x=1";

#[test]
fn artifact_registry() {
    let registry = Server::start(|request| match request.head.target() {
        "/v2/token?scope=repository:project/repo/image:pull&service=us-docker.pkg.dev" => {
            super::token()
        }
        "/artifacts-downloads/namespaces/project/repositories/repo/downloads/AKB=" => {
            Answer::ok("layer")
        }
        _ if !request.head.has("authorization") => {
            let host = request.head.one("host").unwrap();
            let realm =
                format!("Bearer realm=\"http://{host}/v2/token\",service=\"us-docker.pkg.dev\"");
            Answer::challenge(&[&realm])
        }
        target if target.contains("/blobs/") => Answer::redirect(
            "302 Found",
            "/artifacts-downloads/namespaces/project/repositories/repo/downloads/AKB=",
        ),
        target => Answer::ok(target),
    });
    let docxy = configured(&entry("us-docker.pkg.dev", &registry, None)).docxy;
    pull(&docxy, "us-docker.pkg.dev", "project/repo/image");
}

#[test]
fn gitlab() {
    let store = store(SIGNED);
    let auth = token_server(
        "/jwt/auth?scope=repository:group/project/image:pull&service=container_registry",
    );
    let realm = format!(
        "Bearer realm=\"{}/jwt/auth\",service=\"container_registry\"",
        auth.url()
    );
    let registry = guarded(realm, layers_at(format!("{}{SIGNED}", store.url())));
    let upstream = entry("registry.gitlab.com", &registry, Some(&auth));
    pull(
        &configured(&upstream).docxy,
        "registry.gitlab.com",
        "group/project/image",
    );
}

#[test]
fn harbor() {
    let registry = Server::start(|request| match request.head.target() {
        "/service/token?scope=repository:library/image:pull&service=harbor-registry" => {
            super::token()
        }
        target if target.contains("/blobs/") && request.head.has("authorization") => {
            Answer::ok("layer")
        }
        target if request.head.has("authorization") => Answer::ok(target),
        _ => {
            let host = request.head.one("host").unwrap();
            let realm =
                format!("Bearer realm=\"http://{host}/service/token\",service=\"harbor-registry\"");
            Answer::challenge(&[&realm])
        }
    });
    let docxy = configured(&entry("harbor.example.org", &registry, None)).docxy;
    pull(&docxy, "harbor.example.org", "library/image");
}

/// Its store has an empty path segment.
#[test]
fn azure() {
    let signed = "/0123456789abcdef-fe//docker/registry/v2/blobs/sha256/fe/feb5/data?se=2026&sig=a%2Fb%3D&sp=r";
    let store = store(signed);
    let location = format!("{}{signed}", store.url());
    let registry = Server::start(move |request| match request.head.target() {
        "/oauth2/token?scope=repository:image:pull&service=acr.azurecr.io" => super::token(),
        _ if !request.head.has("authorization") => {
            let host = request.head.one("host").unwrap();
            let realm =
                format!("Bearer realm=\"http://{host}/oauth2/token\",service=\"acr.azurecr.io\"");
            Answer::challenge(&[&realm])
        }
        _ => layers_at(location.clone())(request),
    });
    let docxy = configured(&entry("acr.azurecr.io", &registry, None)).docxy;
    pull(&docxy, "acr.azurecr.io", "image");
}

/// Its realm is ghcr.io's, and so is the store: no token goes there.
#[test]
fn lscr() {
    let store = store(SIGNED);
    let ghcr = token_server("/token?scope=repository:linuxserver/image:pull&service=ghcr.io");
    let realm = format!(
        "Bearer realm=\"{}/token\",service=\"ghcr.io\",scope=\"repository:user/image:pull\"",
        ghcr.url()
    );
    let registry = guarded(realm, layers_at(format!("{}{SIGNED}", store.url())));
    let upstream = entry("lscr.io", &registry, Some(&ghcr));
    pull(&configured(&upstream).docxy, "lscr.io", "linuxserver/image");
    assert_eq!(store.lines().len(), 1);
}

/// What it sends on to ghcr.io needs a token of that one there, and docxy takes none along. Under its own name, but with
/// the URL of ghcr.io, its images are pulled like any.
#[test]
fn lscr_by_the_url_of_ghcr() {
    let store = store(SIGNED);
    let auth = token_server("/token?scope=repository:linuxserver/image:pull&service=ghcr.io");
    let realm = format!("Bearer realm=\"{}/token\",service=\"ghcr.io\"", auth.url());
    let ghcr = guarded(realm, layers_at(format!("{}{SIGNED}", store.url())));
    let there = ghcr.url();
    let lscr = guarded("Bearer realm=\"http://{HOST}/token\"", move |request| {
        let location = format!("{there}{}", request.head.target());
        Answer::redirect("307 Temporary Redirect", &location)
    });
    let (manifest, _) = paths("linuxserver/image");
    let bearer = Ask::get(&manifest).field("Authorization", &format!("Bearer {}", super::TOKEN));
    let refused = ask(&configured(&entry("lscr.io", &lscr, None)).docxy, &bearer);
    assert_eq!(refused.status(), 401);
    assert!(!refused.head.has("www-authenticate"));
    assert!(!ghcr.only_request().head.has("authorization"));

    let docxy = configured(&entry("lscr.io", &ghcr, None)).docxy;
    pull(&docxy, "lscr.io", "linuxserver/image");
}

/// The password of AWS, which has more than two thousand characters.
fn long_password() -> String {
    "eyJwYXlsb2FkIjoi".repeat(170)
}

fn basic(password: &str) -> String {
    use base64::Engine as _;
    let login = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{password}"));
    format!("Basic {login}")
}

/// It wants the login itself with each request, and its store would refuse a request that brings one.
fn ecr(store: &Server) -> Server {
    let location = format!("{}{SIGNED}", store.url());
    let login = basic(&long_password());
    Server::start(
        move |request: &Request| match request.head.one("authorization") {
            Some(value) if value == login => layers_at(location.clone())(request),
            _ => {
                let realm = "Basic realm=\"https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/\",service=\"ecr.amazonaws.com\"";
                Answer::challenge(&[realm])
            }
        },
    )
}

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

#[test]
fn private_ecr_with_the_clients_login() {
    let store = store(SIGNED);
    let registry = ecr(&store);
    let docxy = configured(&entry(ECR, &registry, None)).docxy;
    let (manifest, blob) = paths("team/image");
    let challenged = get(&docxy, &manifest);
    let challenge = challenged.head.one("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Basic realm=\"https://1234") && challenged.status() == 401,
        "{challenge}"
    );
    let login = |target: &str| {
        ask(
            &docxy,
            &Ask::get(target).field("Authorization", &basic(&long_password())),
        )
    };
    assert_eq!(login("/v2/").status(), 200);
    assert_eq!(login(&manifest).text(), manifest);
    assert_eq!(login(&blob).text(), "layer");
}

#[test]
fn private_ecr_with_an_account() {
    let store = store(SIGNED);
    let registry = ecr(&store);
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("password");
    fs::write(&secret, format!("{}\n", long_password())).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let account = format!("username = 'AWS'\npassword_file = '{}'", secret.display());
    let upstream = format!("{}{account}", entry(ECR, &registry, None));
    let configured = configured_in(directory, &upstream);
    let (manifest, blob) = paths("team/image");
    assert_eq!(get(&configured.docxy, &manifest).text(), manifest);
    assert_eq!(get(&configured.docxy, &blob).text(), "layer");
    let log = configured.docxy.log().join("\n");
    let seen = percent_decode_str(&log).decode_utf8_lossy().into_owned();
    assert!(!seen.contains("eyJwYXls"), "{log}");
    assert!(configured.directory.path().exists());
}
