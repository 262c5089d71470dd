//! The recorded pull of hello-world (`tests/data/hello-world/README.md`), step by step through docxy, with the token
//! and the CDN of the pull's time scripted. The layer's bytes were not recorded: a made-up layer has a manifest of
//! its own.

use std::sync::Arc;

use crate::docxy::Docxy;
use crate::stand::{fields, passed, query, start, values};
use crate::wire::{Answer, Ask, Client, Closing, Request, Response, Server, digest, noise};

const INDEX: &[u8] = include_bytes!("../data/hello-world/index.json");
const MANIFEST: &[u8] = include_bytes!("../data/hello-world/manifest-linux-amd64.json");
const CONFIG: &[u8] = include_bytes!("../data/hello-world/config.json");
const TOKEN: &str = r#"{"token":"t0k3n","expires_in":300}"#;
const SIGNED: &str = "data?verify=1643115417-fSfYak%2BkTuLboNjQHqbYXKJkeys%3D";

struct Pull {
    registry: Server,
    auth: Server,
    cdn: Server,
    docxy: Docxy,
    layer: Vec<u8>,
}

/// Registry, token server and CDN on three origins, and docxy before them.
fn pull() -> Pull {
    let layer = noise(2479);
    let auth =
        Server::start(|_| Answer::new("200 OK", &[("Content-Type", "application/json")], TOKEN));
    let blobs: Arc<Vec<Vec<u8>>> = Arc::new(vec![CONFIG.to_vec(), layer.clone()]);
    let stored = Arc::clone(&blobs);
    let cdn = Server::start(move |request| cdn_answer(&stored, request));
    let (realm, origin) = (format!("{}/token", auth.url()), cdn.url());
    let made_up = manifest_of(&layer);
    let registry =
        Server::start(move |request| registry_answer(request, &realm, &origin, &made_up));
    let docxy = start(&["--upstream", &format!("docker.io={}", registry.url())]);
    Pull {
        registry,
        auth,
        cdn,
        docxy,
        layer,
    }
}

fn manifest_of(layer: &[u8]) -> String {
    let recorded = String::from_utf8(MANIFEST.to_vec()).unwrap();
    recorded.replace(
        "sha256:2db29710123e3e53a794f2694094b9b4338aa9ee5c40b930cb8063a1be392c54",
        &digest(layer),
    )
}

fn registry_answer(request: &Request, realm: &str, cdn: &str, made_up: &str) -> Answer {
    if request.head.target() == "/v2/" || !request.head.has("authorization") {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"registry.docker.io\"");
        let fields = [
            ("www-authenticate", challenge.as_str()),
            ("connection", "close"),
        ];
        return Answer::new("401 Unauthorized", &fields, "{}").close();
    }
    let path = request
        .head
        .target()
        .strip_prefix("/v2/library/hello-world/")
        .unwrap();
    if let Some(digest) = path.strip_prefix("blobs/") {
        return redirect_to_cdn(cdn, digest);
    }
    let reference = path.strip_prefix("manifests/").unwrap();
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let single = "application/vnd.docker.distribution.manifest.v2+json";
    let known = [
        (INDEX, list),
        (MANIFEST, single),
        (made_up.as_bytes(), single),
    ];
    let (body, media_type) = match reference {
        "latest" => known[0],
        by_digest => *known
            .iter()
            .find(|(body, _)| digest(body) == by_digest)
            .unwrap(),
    };
    manifest_answer(request, body, media_type)
}

fn manifest_answer(request: &Request, body: &[u8], media_type: &str) -> Answer {
    let digest = digest(body);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncontent-type: {media_type}\r\ndocker-content-digest: {digest}\r\n\
         docker-distribution-api-version: registry/2.0\r\netag: \"{digest}\"\r\n\
         date: Tue, 25 Jan 2022 12:06:56 GMT\r\nstrict-transport-security: max-age=31536000\r\n\
         docker-ratelimit-source: fa8b5f22-74c0-11e4-bea4-0242ac11001b\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let body = if request.head.method() == "HEAD" {
        &b""[..]
    } else {
        body
    };
    Answer::raw(head).send(body).close()
}

fn redirect_to_cdn(cdn: &str, digest: &str) -> Answer {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let location = format!(
        "{cdn}/registry-v2/docker/registry/v2/blobs/sha256/{}/{hex}/{SIGNED}",
        &hex[..2]
    );
    let fields = [
        ("content-type", "application/octet-stream"),
        ("docker-distribution-api-version", "registry/2.0"),
        ("location", &location),
        ("date", "Tue, 25 Jan 2022 12:06:57 GMT"),
        ("strict-transport-security", "max-age=31536000"),
        ("connection", "close"),
    ];
    Answer::new("307 Temporary Redirect", &fields, "").close()
}

fn cdn_answer(blobs: &[Vec<u8>], request: &Request) -> Answer {
    let hex = request.head.target().split('/').nth_back(1).unwrap();
    let blob = blobs
        .iter()
        .find(|blob| digest(blob).ends_with(hex))
        .unwrap();
    let fields = [
        ("Content-Type", "application/octet-stream"),
        ("Connection", "close"),
    ];
    Answer::new("200 OK", &fields, blob).close()
}

/// As docker does it: a connection per request.
fn step(pull: &Pull, request: &Ask) -> Response {
    let mut client = Client::connect(pull.docxy.addr());
    let response = client
        .ask(&request.clone().field("Connection", "close"))
        .complete();
    assert_eq!(client.closing(), Closing::Fin);
    response
}

fn bearer(request: Ask) -> Ask {
    request.field("Authorization", "Bearer t0k3n")
}

#[test]
fn the_challenge_points_at_docxy_and_the_token_comes_from_the_realm() {
    let pull = pull();
    let challenge = step(&pull, &Ask::get("/v2/"));
    assert_eq!(challenge.status(), 401);
    assert_eq!(
        challenge.head.one("www-authenticate"),
        Some(
            r#"Bearer realm="http://docxy.test/auth/docker.io/token",service="registry.docker.io""#
        )
    );
    let asked = "service=registry.docker.io&scope=repository%3Alibrary%2Fhello-world%3Apull";
    let token = step(&pull, &Ask::get(&format!("/auth/docker.io/token?{asked}")));
    assert_eq!((token.status(), token.text().as_str()), (200, TOKEN));
    let seen = pull.auth.only_request();
    assert!(seen.line().starts_with("GET /token?"), "{}", seen.line());
    assert_eq!(
        values(&query(&seen), "scope"),
        ["repository:library/hello-world:pull"]
    );
    assert_eq!(values(&query(&seen), "service"), ["registry.docker.io"]);
    assert_eq!(seen.head.one("host"), Some(pull.auth.authority().as_str()));
    assert_eq!(pull.registry.lines(), ["GET /v2/"]);
}

#[test]
fn manifests_come_byte_for_byte() {
    let pull = pull();
    let index = digest(INDEX);
    let steps = [
        (
            Ask::head("/v2/library/hello-world/manifests/latest"),
            INDEX,
            &b""[..],
        ),
        (
            Ask::get(&format!("/v2/library/hello-world/manifests/{index}")),
            INDEX,
            INDEX,
        ),
        (
            Ask::get(&format!(
                "/v2/library/hello-world/manifests/{}",
                digest(MANIFEST)
            )),
            MANIFEST,
            MANIFEST,
        ),
    ];
    for (request, document, body) in steps {
        let response = step(&pull, &bearer(request));
        assert_eq!(response.status(), 200);
        assert!(response.body == body);
        assert_eq!(
            response.head.one("content-length"),
            Some(document.len().to_string().as_str())
        );
        assert_eq!(passed(&response.head), recorded_fields(document));
    }
    let lines = pull.registry.lines();
    assert_eq!(lines[0], "HEAD /v2/library/hello-world/manifests/latest");
    assert_eq!(
        lines[1],
        format!("GET /v2/library/hello-world/manifests/{index}")
    );
    assert_eq!(lines.len(), 3);
    for request in pull.registry.requests() {
        assert_eq!(request.head.one("authorization"), Some("Bearer t0k3n"));
        assert_eq!(
            request.head.one("host"),
            Some(pull.registry.authority().as_str())
        );
    }
}

/// What the recording shows, without `docker-ratelimit-source` and `strict-transport-security`.
fn recorded_fields(document: &[u8]) -> Vec<(String, String)> {
    let digest = digest(document);
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let media_type = if document == INDEX {
        list
    } else {
        "application/vnd.docker.distribution.manifest.v2+json"
    };
    fields(&[
        ("content-type", media_type),
        ("docker-content-digest", &digest),
        ("docker-distribution-api-version", "registry/2.0"),
        ("etag", &format!("\"{digest}\"")),
        ("date", "Tue, 25 Jan 2022 12:06:56 GMT"),
    ])
}

#[test]
fn blobs_come_from_the_cdn_without_the_registrys_credentials() {
    let pull = pull();
    for blob in [CONFIG, &pull.layer] {
        let name = digest(blob);
        let response = step(
            &pull,
            &bearer(Ask::get(&format!("/v2/library/hello-world/blobs/{name}"))),
        );
        assert_eq!(response.status(), 200);
        assert_eq!(digest(&response.body), name);
        assert!(!response.head.has("location"));
        let seen = pull.cdn.requests().pop().unwrap();
        let hex = name.strip_prefix("sha256:").unwrap();
        let target = format!(
            "/registry-v2/docker/registry/v2/blobs/sha256/{}/{hex}/{SIGNED}",
            &hex[..2]
        );
        assert_eq!(seen.head.target(), target);
        assert_eq!(seen.head.one("host"), Some(pull.cdn.authority().as_str()));
        assert!(!seen.head.has("authorization"), "{:?}", seen.head);
    }
    assert_eq!(pull.cdn.requests().len(), 2);
    assert!(
        pull.registry
            .requests()
            .iter()
            .all(|request| request.head.has("authorization"))
    );
}

#[test]
fn the_made_up_layer_has_a_manifest_that_names_it() {
    let pull = pull();
    let manifest = manifest_of(&pull.layer);
    let name = digest(manifest.as_bytes());
    let response = step(
        &pull,
        &bearer(Ask::get(&format!("/v2/hello-world/manifests/{name}"))),
    );
    assert_eq!(response.text(), manifest);
    let layers: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let layer = layers["layers"][0]["digest"].as_str().unwrap();
    let blob = step(
        &pull,
        &bearer(Ask::get(&format!("/v2/hello-world/blobs/{layer}"))),
    );
    assert_eq!(digest(&blob.body), layer);
    assert!(
        pull.registry
            .lines()
            .iter()
            .all(|line| line.contains("/v2/library/hello-world/"))
    );
}
