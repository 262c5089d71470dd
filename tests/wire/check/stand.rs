//! A registry that is well, with an image, its token server and its CDN.

use crate::wire::{Answer, Request, Server, digest};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const TOKEN: &str = "t0ken-that-does-not-show";

/// An image of one platform among two, with two layers, the first of them at a CDN.
pub struct Image {
    pub index: String,
    pub manifest: String,
    pub config: &'static str,
    pub layers: [Vec<u8>; 2],
}

pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Image {
    pub fn new() -> Image {
        let layers = [vec![1; 70_000], vec![2; 10]];
        let config = r#"{"rootfs":{}}"#;
        let descriptor = |bytes: &[u8]| {
            let (digest, size) = (digest(bytes), bytes.len());
            format!(r#""digest":"{digest}","size":{size}"#)
        };
        let (one, two) = (descriptor(&layers[0]), descriptor(&layers[1]));
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{{}}},"layers":[{{{one}}},{{{two}}}]}}"#,
            descriptor(config.as_bytes())
        );
        let (own, other) = (descriptor(manifest.as_bytes()), descriptor(b"other"));
        let index = format!(
            r#"{{"manifests":[{{{other},"platform":{{"os":"plan9","architecture":"mips"}}}},
                {{{own},"platform":{{"os":"linux","architecture":"{}"}}}},
                {{{other},"platform":{{"os":"unknown","architecture":"unknown"}}}}]}}"#,
            architecture()
        );
        Image {
            index,
            manifest,
            config,
            layers,
        }
    }

    /// The answer to a request with a token.
    pub fn answer(&self, request: &Request, cdn: &str) -> Answer {
        let manifest = |kind: &str, body: &str| {
            let fields = [
                ("Content-Type", kind),
                ("Docker-Content-Digest", &digest(body.as_bytes())),
                ("RateLimit-Limit", "100;w=21600"),
                ("RateLimit-Remaining", "98;w=21600"),
            ];
            let whole = Answer::new("200 OK", &fields, body);
            match request.head.method() {
                "HEAD" => Answer::raw(without_body(&whole.bytes())),
                _ => whole,
            }
        };
        let path = request
            .head
            .target()
            .strip_prefix("/v2/a/b/")
            .unwrap_or("-");
        let is = |kind: &str, bytes: &[u8]| path == format!("{kind}/{}", digest(bytes));
        if path == "manifests/latest" || is("manifests", self.index.as_bytes()) {
            manifest(INDEX, &self.index)
        } else if is("manifests", self.manifest.as_bytes()) {
            manifest(MANIFEST, &self.manifest)
        } else if is("blobs", self.config.as_bytes()) {
            Answer::ok(self.config)
        } else if is("blobs", &self.layers[0]) {
            Answer::redirect(
                "307 Temporary Redirect",
                &format!("{cdn}/signed?key=s3cret"),
            )
        } else if is("blobs", &self.layers[1]) {
            Answer::ok(&self.layers[1])
        } else {
            let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            Answer::new(
                "404 Not Found",
                &[("Content-Type", "application/json")],
                body,
            )
        }
    }
}

fn without_body(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    &answer[..end.unwrap() + 4]
}

/// A registry with the image, its token server and its CDN.
pub struct Stand {
    pub auth: Server,
    pub cdn: Server,
    pub registry: Server,
}

pub fn stand() -> Stand {
    let auth = Server::start(|request| {
        let login = request.head.one("authorization");
        match (request.head.target().split('?').next(), login) {
            (Some("/token"), None) => Answer::ok(format!(r#"{{"token":"{TOKEN}"}}"#)),
            _ => Answer::new("401 Unauthorized", &[], "{}"),
        }
    });
    let cdn = Server::start(|_| {
        let fields = [("Content-Range", "bytes 0-1023/70000")];
        Answer::new("206 Partial Content", &fields, vec![1; 1024])
    });
    let (realm, cdn_url) = (format!("{}/token", auth.url()), cdn.url());
    let image = Image::new();
    let registry = Server::start(move |request| {
        let bearer = format!("Bearer {TOKEN}");
        if request.head.one("authorization") != Some(&bearer) {
            let challenge = format!("Bearer realm=\"{realm}\",service=\"reg\"");
            return Answer::challenge(&[&challenge]);
        }
        image.answer(request, &cdn_url)
    });
    Stand {
        auth,
        cdn,
        registry,
    }
}
