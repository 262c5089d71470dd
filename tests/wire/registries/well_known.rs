//! The well-known ones, but for where they are: their names stand in the configuration, their URLs lead to the scripts.

use super::{configured, entry, guarded, layers_at, paths, pull, store, token_server};
use crate::stand::{get, head};
use crate::wire::{Answer, Server};

/// The path and query of a layer as clouds sign them.
const SIGNED: &str = "/sha256/fe/feb5?Expires=17&Signature=a~b-_&Key-Pair-Id=K%2B&x=|{}";

#[test]
fn ghcr_redirects_layers_to_another_host() {
    let store = store(SIGNED);
    let auth = token_server("/token?scope=repository:org/image:pull&service=ghcr.io");
    let realm = format!(
        "Bearer realm=\"{}/token\",service=\"ghcr.io\",scope=\"repository:user/image:pull\"",
        auth.url()
    );
    let registry = guarded(realm, layers_at(format!("{}{SIGNED}", store.url())));
    pull(
        &configured(&entry("ghcr.io", &registry, None)).docxy,
        "ghcr.io",
        "org/image",
    );
}

#[test]
fn quay_has_its_realm_under_v2() {
    let store = store(SIGNED);
    let location = format!("{}{SIGNED}", store.url());
    let registry = Server::start(move |request| match request.head.target() {
        "/v2/auth?scope=repository:org/image:pull&service=quay.io" => super::token(),
        target if !request.head.has("authorization") => {
            assert!(!target.starts_with("/v2/auth"), "{target}");
            let host = request.head.one("host").unwrap();
            Answer::challenge(&[&format!(
                "Bearer realm=\"http://{host}/v2/auth\",service=\"quay.io\""
            )])
        }
        _ => layers_at(location.clone())(request),
    });
    let docxy = configured(&entry("quay.io", &registry, None)).docxy;
    pull(&docxy, "quay.io", "org/image");
}

#[test]
fn gcr_has_its_realm_under_v2_and_redirects_relatively() {
    let registry = Server::start(|request| match request.head.target() {
        "/v2/token?scope=repository:project/image:pull&service=gcr.io" => super::token(),
        "/artifacts-downloads/x/downloads/AF%3D%3D" => Answer::ok("layer"),
        _ if !request.head.has("authorization") => {
            let host = request.head.one("host").unwrap();
            Answer::challenge(&[&format!(
                "Bearer realm=\"http://{host}/v2/token\",service=\"gcr.io\""
            )])
        }
        target if target.contains("/blobs/") => {
            Answer::redirect("302 Found", "/artifacts-downloads/x/downloads/AF%3D%3D")
        }
        target => Answer::ok(target),
    });
    let docxy = configured(&entry("gcr.io", &registry, None)).docxy;
    pull(&docxy, "gcr.io", "project/image");
}

/// Manifests too are elsewhere, at a registry of another host; nobody wants a token.
#[test]
fn registry_k8s_io_redirects_manifests_to_another_host() {
    let store = store(SIGNED);
    let location = format!("{}{SIGNED}", store.url());
    let backend = Server::start(move |request| match request.head.target() {
        target if target.contains("/blobs/") => Answer::redirect("302 Found", &location),
        target => Answer::new("200 OK", &[("Docker-Content-Digest", "sha256:d")], target),
    });
    let there = backend.url();
    let registry = Server::start(move |request| match request.head.target() {
        "/v2/" => Answer::ok("{}"),
        target => {
            let image = target.strip_prefix("/v2/").unwrap();
            let location = format!("{there}/v2/k8s-artifacts-prod/images/{image}");
            Answer::redirect("307 Temporary Redirect", &location)
        }
    });
    let docxy = configured(&entry("registry.k8s.io", &registry, None)).docxy;
    let (manifest, blob) = paths("coredns/coredns");
    let there = manifest.replace("/v2/", "/v2/k8s-artifacts-prod/images/");
    assert_eq!(get(&docxy, "/v2/").status(), 200);
    let asked = head(&docxy, &manifest);
    assert_eq!(
        (asked.status(), asked.head.one("docker-content-digest")),
        (200, Some("sha256:d"))
    );
    assert_eq!(
        asked.head.one("content-length"),
        Some(&*there.len().to_string())
    );
    assert_eq!(get(&docxy, &manifest).text(), there);
    assert_eq!(get(&docxy, &blob).text(), "layer");
    assert!(
        backend.lines()[0].starts_with("HEAD "),
        "a HEAD stays one: {:?}",
        backend.lines()
    );
}

#[test]
fn mcr_wants_no_token() {
    let signed = "/0123456789abcdef-fe//docker/registry/v2/blobs/sha256/fe/feb5/data?se=2026&sig=a%2Fb%3D&sp=r";
    let store = store(signed);
    let location = format!("{}{signed}", store.url());
    let registry = Server::start(layers_at(location));
    let docxy = configured(&entry("mcr.microsoft.com", &registry, None)).docxy;
    let (manifest, blob) = paths("dotnet/runtime");
    assert_eq!(get(&docxy, &manifest).text(), manifest);
    assert_eq!(get(&docxy, &blob).text(), "layer");
    let token = get(
        &docxy,
        "/auth/mcr.microsoft.com/token?scope=repository:dotnet/runtime:pull",
    );
    assert_eq!(
        token.status(),
        200,
        "who asks for a token all the same gets a placeholder"
    );
}

#[test]
fn nvcr_has_a_realm_with_a_query_and_no_service() {
    let store = store(SIGNED);
    let realm_query = "account=%24oauthtoken";
    let auth = token_server(&format!(
        "/proxy_auth?{realm_query}&scope=repository:nvidia/cuda:pull"
    ));
    let realm = format!("Bearer realm=\"{}/proxy_auth?{realm_query}\"", auth.url());
    let registry = guarded(realm, layers_at(format!("{}{SIGNED}", store.url())));
    let docxy = configured(&entry("nvcr.io", &registry, None)).docxy;
    let challenge = pull(&docxy, "nvcr.io", "nvidia/cuda");
    assert!(
        challenge.realm.ends_with(&format!("?{realm_query}")),
        "{}",
        challenge.realm
    );
    assert_eq!(challenge.service, None);
    // As the first request after a restart, without the query that the client has not seen.
    let docxy = configured(&entry("nvcr.io", &registry, None)).docxy;
    let token = get(
        &docxy,
        "/auth/nvcr.io/token?scope=repository:nvidia/cuda:pull",
    );
    assert!(token.text().contains(super::TOKEN), "{}", token.text());
}

/// Its scope is one word, and a signed URL has 16 KiB.
#[test]
fn public_ecr_has_a_scope_of_its_own_and_long_signed_urls() {
    let signed = format!(
        "/layer?X-Amz-Security-Token={}&X-Amz-Signature=f",
        "s".repeat(16 * 1024)
    );
    let store = store(&signed);
    let auth = token_server("/token/?scope=aws&service=public.ecr.aws");
    let realm = format!(
        "Bearer realm=\"{}/token/\",service=\"public.ecr.aws\",scope=\"aws\"",
        auth.url()
    );
    let registry = guarded(realm, layers_at(format!("{}{signed}", store.url())));
    let docxy = configured(&entry("public.ecr.aws", &registry, None)).docxy;
    let (_, blob) = paths("nginx/nginx");
    super::challenged(&docxy, "public.ecr.aws", "/v2/");
    let token = get(
        &docxy,
        "/auth/public.ecr.aws/token?scope=aws&service=public.ecr.aws",
    );
    assert!(token.text().contains(super::TOKEN), "{}", token.text());
    let bearer = format!("Bearer {}", super::TOKEN);
    let request = crate::wire::Ask::get(&blob).field("Authorization", &bearer);
    assert_eq!(crate::stand::ask(&docxy, &request).text(), "layer");
    assert_eq!(store.only_request().head.target().len(), signed.len());
}
