//! The document's client: its variables, and its five steps, over HTTP and over HTTPS.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{MANIFEST, SIGNED, mount, registry};
use crate::docxy::Docxy;
use crate::stand::{DIGEST, query, values};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Response, Server};

/// A client that knows one host, and on it what its three variables say.
struct Puller {
    docxy: Docxy,
    host: String,
    /// Set where it speaks TLS.
    trust: Option<Arc<ClientConfig>>,
}

impl Puller {
    fn scheme(&self) -> &'static str {
        if self.trust.is_some() {
            "https"
        } else {
            "http"
        }
    }

    /// Gets an URL, which must be on that host.
    fn get(&self, url: &str, fields: &[(&str, &str)]) -> Response {
        let origin = format!("{}://{}", self.scheme(), self.host);
        let target = url
            .strip_prefix(&origin)
            .unwrap_or_else(|| panic!("{url} is elsewhere"));
        let mut client = match &self.trust {
            None => Client::connect(self.docxy.addr()),
            Some(trust) => Client::connect_tls(self.docxy.addr(), Arc::clone(trust)),
        };
        let ask = fields
            .iter()
            .fold(Ask::get(target).host(&self.host), |ask, (name, value)| {
                ask.field(name, value)
            });
        client.ask(&ask).complete()
    }

    fn pull(&self, registry: &Server, auth: &Server, store: &Server) {
        let variable = |path: &str| format!("{}://{}{path}", self.scheme(), self.host);
        let (of_registry, of_auth, of_store) = (
            variable("/docker-registry"),
            variable("/docker-auth/token"),
            variable("/docker-blob"),
        );

        // 1, 2: `ubuntu:latest` is library/ubuntu; its manifest is challenged, and the token is had at the token server.
        let manifest = format!("{of_registry}{MANIFEST}");
        let challenged = self.get(&manifest, &[]);
        assert_eq!(challenged.status(), 401);
        let challenge = challenged.head.one("www-authenticate").unwrap().to_owned();
        let parameter = |name: &str| {
            let (_, after) = challenge.split_once(&format!("{name}=\"")).unwrap();
            after.split('"').next().unwrap().to_owned()
        };
        assert_eq!(parameter("realm"), of_auth);
        let asked = format!(
            "service={}&scope={}",
            parameter("service"),
            parameter("scope")
        );
        let token = self.get(&format!("{of_auth}?{asked}"), &[]);
        assert_eq!(token.text(), r#"{"token":"t0ken"}"#);
        let seen = auth.only_request();
        assert_eq!(seen.line(), format!("GET /token?{asked}"));
        assert_eq!(seen.head.one("host"), host_of(auth));
        assert_eq!(
            values(&query(&seen), "scope"),
            ["repository:library/ubuntu:pull"]
        );

        // 3: the manifest with the token and one media type.
        let accept = (
            "Accept",
            "application/vnd.docker.distribution.manifest.v2+json",
        );
        let bearer = ("Authorization", "Bearer t0ken");
        assert_eq!(self.get(&manifest, &[bearer, accept]).text(), MANIFEST);
        let seen = registry.requests().pop().unwrap();
        assert_eq!(seen.line(), format!("GET {MANIFEST}"));
        assert_eq!(seen.head.one("host"), host_of(registry));
        for (name, value) in [bearer, accept] {
            assert_eq!(seen.head.one(name), Some(value));
        }

        // 4: a layer lies at the store. As most clients do, this one takes its token along on one host.
        let blob = format!("/v2/library/ubuntu/blobs/{DIGEST}");
        let redirected = self.get(&format!("{of_registry}{blob}"), &[bearer]);
        assert_eq!(redirected.status(), 307);
        let location = redirected.head.one("location").unwrap();
        assert_eq!(location, format!("{of_store}{SIGNED}"));
        assert_eq!(
            registry.requests().pop().unwrap().line(),
            format!("GET {blob}")
        );
        assert_eq!(self.get(location, &[bearer]).text(), "layer");
        let seen = store.only_request();
        assert_eq!(seen.line(), format!("GET {SIGNED}"));
        assert_eq!(seen.head.one("host"), host_of(store));
        assert!(!seen.head.has("authorization"));
    }
}

fn host_of(server: &Server) -> Option<&'static str> {
    let url = server.url();
    let (_, host) = url.split_once("://").unwrap();
    Some(Box::leak(host.to_owned().into_boxed_str()))
}

#[test]
fn over_http() {
    let auth = Server::start(|_| Answer::ok(r#"{"token":"t0ken"}"#));
    let store = Server::start(|_| Answer::ok("layer"));
    let registry = Server::start(registry(&auth.url(), &store.url()));
    let docxy = Docxy::start(&arguments("127.0.0.1:0", [&registry, &auth, &store], &[]));
    let host = docxy.addr().to_string();
    let puller = Puller {
        docxy,
        host,
        trust: None,
    };
    puller.pull(&registry, &auth, &store);
}

#[test]
fn over_https() {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = identity.write(directory.path());
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let auth = Server::start_tls(identity.server(), |_| Answer::ok(r#"{"token":"t0ken"}"#));
    let store = Server::start_tls(identity.server(), |_| Answer::ok("layer"));
    let registry = Server::start_tls(identity.server(), registry(&auth.url(), &store.url()));
    let tls = ["--tls-cert", cert, "--tls-key", key, "--upstream-ca", cert];
    let servers = [&registry, &auth, &store];
    let docxy = Docxy::start(&arguments("https://127.0.0.1:0", servers, &tls));
    let host = format!("localhost:{}", docxy.addr().port());
    let puller = Puller {
        docxy,
        host,
        trust: Some(identity.client(&[])),
    };
    puller.pull(&registry, &auth, &store);
}

fn arguments<'a>(listen: &'a str, servers: [&Server; 3], more: &[&'a str]) -> Vec<&'a str> {
    let prefixes = ["/docker-registry", "/docker-auth", "/docker-blob"];
    let mounts = prefixes
        .iter()
        .zip(servers)
        .flat_map(|(prefix, server)| mount(prefix, server));
    let mounts = mounts.map(|argument| &*Box::leak(argument.into_boxed_str()));
    ["--listen", listen]
        .into_iter()
        .chain(mounts)
        .chain(more.iter().copied())
        .collect()
}
