//! Mounts (`reference/002`): clients made for a plain reverse proxy, which name the registry, the token server and the store
//! by path prefixes of one host.

mod credentials;
mod leading;
mod limits;
mod step_by_step;

use crate::docxy::Docxy;
use crate::stand::start;
use crate::wire::{Answer, Server};

/// The path and query of a layer at the store, as signed as they get.
const SIGNED: &str =
    "/registry-v2/docker/registry/v2/blobs/sha256/fe/data//x%20y?verify=17-a%2Fb%2Bc%3D&X-Amz=|{}";

/// A manifest's path at the registry.
const MANIFEST: &str = "/v2/library/ubuntu/manifests/latest";

/// A registry with its token server and its store, and docxy with a mount for each.
struct Stand {
    registry: Server,
    auth: Server,
    store: Server,
    docxy: Docxy,
}

/// A registry that wants a token of `auth` and keeps its layers at `store`.
fn registry(
    auth: &str,
    store: &str,
) -> impl Fn(&crate::wire::Request) -> Answer + Send + Sync + 'static {
    let challenge = format!(
        "Bearer realm=\"{auth}/token\",service=\"registry.docker.io\",scope=\"repository:library/ubuntu:pull\""
    );
    let location = format!("{store}{SIGNED}");
    move |request| match request.head.target() {
        _ if !request.head.has("authorization") => Answer::challenge(&[&challenge]),
        target if target.contains("/blobs/") => {
            Answer::redirect("307 Temporary Redirect", &location)
        }
        target => Answer::ok(target),
    }
}

/// `--mount PREFIX=URL`, as two arguments.
fn mount(prefix: &str, server: &Server) -> [String; 2] {
    ["--mount".to_owned(), format!("{prefix}={}", server.url())]
}

/// All three mounts over plain HTTP, and further arguments.
fn stand(args: &[&str]) -> Stand {
    let auth = Server::start(|_| Answer::ok(r#"{"token":"t0ken"}"#));
    let store = Server::start(|_| Answer::ok("layer"));
    let registry = Server::start(registry(&auth.url(), &store.url()));
    let mounts = [
        mount("/docker-registry", &registry),
        mount("/docker-auth", &auth),
        mount("/docker-blob", &store),
    ]
    .concat();
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    let docxy = start(&[&mounts[..], args].concat());
    Stand {
        registry,
        auth,
        store,
        docxy,
    }
}

impl Stand {
    /// How many requests have reached anybody.
    fn asked(&self) -> usize {
        let servers = [&self.registry, &self.auth, &self.store];
        servers.iter().map(|server| server.lines().len()).sum()
    }
}
