//! `docxy check`: what a registry that is well looks like, and for each thing that can be wrong the step, the reason and what
//! to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rcgen::{KeyPair, date_time_ymd};
use serde_json::Value;
use tempfile::TempDir;

use crate::stand::{NAME, named, start};
use crate::wire::authority::Authority;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Gate, Request, Server, digest};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const TOKEN: &str = "t0ken-that-does-not-show";

/// What `docxy ARGS` with `--json` at its end has said.
struct Said {
    code: Option<i32>,
    document: Value,
    stderr: String,
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let output = command.args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn check(args: &[&str]) -> Said {
    let (code, stdout, stderr) = run(&[args, &["--json"]].concat());
    let document = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    Said {
        code,
        document,
        stderr,
    }
}

/// Checks one upstream.
fn check_one(upstream: &str, flags: &[&str], image: &[&str]) -> Said {
    check(&[&["--upstream", upstream], flags, &["check"], image].concat())
}

impl Said {
    fn steps(&self) -> &[Value] {
        self.document["checked"][0]["steps"].as_array().unwrap()
    }

    fn names(&self) -> Vec<&str> {
        let steps = self.steps().iter();
        steps.map(|step| step["step"].as_str().unwrap()).collect()
    }

    fn step(&self, name: &str) -> &Value {
        let step = self.steps().iter().find(|step| step["step"] == name);
        step.unwrap_or_else(|| panic!("no {name} in {}", self.document))
    }

    /// Asserts that this step, the last one, has failed for this reason with this advice.
    fn assert_failed(&self, name: &str, reason: &str, advice: &str) {
        let last = self.steps().last().unwrap();
        assert_eq!(last["step"], name, "{}", self.document);
        assert_eq!(last["ok"], false, "{last}");
        let says = |key: &str, part: &str| {
            let text = last[key].as_str().unwrap();
            assert!(text.contains(part) && !text.contains('\n'), "{key}: {text}");
        };
        says("text", reason);
        says("advice", advice);
        assert_eq!((self.code, &self.document["ok"]), (Some(1), &false.into()));
        assert!(!self.stderr.is_empty());
    }
}

/// An image of one platform among two, with two layers, the first of them at a CDN.
struct Image {
    index: String,
    manifest: String,
    config: &'static str,
    layers: [Vec<u8>; 2],
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Image {
    fn new() -> Image {
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
    fn answer(&self, request: &Request, cdn: &str) -> Answer {
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
struct Stand {
    auth: Server,
    cdn: Server,
    registry: Server,
}

fn stand() -> Stand {
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

#[test]
fn an_image_that_is_well_is_looked_at_part_by_part() {
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let said = check_one(&upstream, &[], &[&format!("{NAME}/a/b")]);
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (Some(0), ""),
        "{}",
        said.document
    );
    let expected = [
        "dns", "connect", "v2", "token", "manifest", "quota", "platform", "image", "config",
        "layer", "layer",
    ];
    assert_eq!(said.names(), expected);
    let authority = stand.registry.authority();
    for (step, fact, expected) in [
        ("dns", "addresses", Value::from(vec!["127.0.0.1"])),
        ("connect", "address", authority.into()),
        ("connect", "family", "IPv4".into()),
        ("v2", "status", 401.into()),
        ("token", "realm", stand.auth.url().into()),
        ("token", "identity", "anonymous".into()),
        ("manifest", "media_type", INDEX.into()),
        ("quota", "remaining", 98.into()),
        ("quota", "limit", 100.into()),
        ("quota", "window_s", 21600.into()),
        (
            "platform",
            "platform",
            format!("linux/{}", architecture()).into(),
        ),
        ("platform", "of", 2.into()),
        ("image", "layers", 2.into()),
        ("layer", "size", 70_000.into()),
        ("layer", "from", stand.cdn.url().into()),
    ] {
        assert_eq!(said.step(step)["facts"][fact], expected, "{step}: {fact}");
    }
    let lines = stand.registry.lines();
    let heads = lines.iter().filter(|line| line.starts_with("HEAD"));
    assert_eq!(heads.count(), 1, "{lines:?}");
    let gets = lines
        .iter()
        .filter(|line| line.starts_with("GET /v2/a/b/manifests/sha256:"));
    assert_eq!(gets.count(), 2, "{lines:?}");
    let at_cdn = stand.cdn.only_request();
    assert_eq!(at_cdn.head.one("range"), Some("bytes=0-1023"));
    assert_eq!(at_cdn.head.one("authorization"), None);
    let text = said.document.to_string();
    assert!(!text.contains(TOKEN) && !text.contains("s3cret"), "{text}");
}

#[test]
fn the_document_has_the_same_keys_always() {
    let nobody = format!("{NAME}=http://127.0.0.1:1");
    let stand = stand();
    let well = check_one(&named(NAME, &stand.registry), &[], &[]);
    for said in [well, check_one(&nobody, &[], &[])] {
        let keys = |value: &Value| {
            let object = value.as_object().unwrap();
            object.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&said.document), ["checked", "ok"]);
        assert_eq!(
            keys(&said.document["checked"][0]),
            ["name", "ok", "steps", "url"]
        );
        assert_eq!(said.document["checked"][0]["name"], NAME);
        for step in said.steps() {
            assert_eq!(keys(step), ["advice", "facts", "ms", "ok", "step", "text"]);
            assert_eq!(step["advice"].is_null(), step["ok"] == true, "{step}");
            assert!(step["ms"].is_u64() && step["text"].is_string(), "{step}");
        }
    }
}

#[test]
fn the_same_is_told_in_lines() {
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let (code, stdout, stderr) = run(&["--upstream", &upstream, "check", "a/b:gone"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        stderr,
        "docxy: one step has failed; what to do is in its line\n"
    );
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], format!("{NAME} at {}", stand.registry.url()));
    assert!(lines[1].starts_with("  dns       ok "), "{stdout}");
    let last = lines.last().unwrap();
    assert!(last.starts_with("  manifest  FAILED "), "{stdout}");
    assert!(
        last.contains("a/b:gone: 404, \"manifest unknown\"; reg.test has no such thing"),
        "{stdout}"
    );
}

#[test]
fn bad_usage_is_2() {
    for args in [
        &["check", "A B"][..],
        &["check", "--via", "nonsense"],
        &["check", "--via-ca", "/x"],
        &["check", "a", "b"],
    ] {
        assert_eq!(run(args).0, Some(2), "{args:?}");
    }
}

#[test]
fn what_keeps_a_connection_from_coming_about_is_told() {
    let closed = format!("{NAME}=http://127.0.0.1:1");
    let said = check_one(&closed, &[], &[]);
    said.assert_failed("connect", "Connection refused", "nothing listens there");
    let said = check_one(&format!("{NAME}=https://nobody.invalid"), &[], &[]);
    said.assert_failed("dns", "could not be looked up", "/etc/resolv.conf");
    assert_eq!(said.names(), ["dns"]);
    // As other servers do, docxy answers TLS in plain HTTP where it speaks that.
    let plain = start(&[]);
    let tls = format!("{NAME}=https://{}", plain.addr());
    check_one(&tls, &[], &[]).assert_failed(
        "tls",
        "InvalidContentType",
        "write http:// in its URL",
    );
}

#[test]
fn a_certificate_that_is_refused_is_told_apart_by_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let root = directory.path().join("root.pem");
    fs::write(&root, authority.pem()).unwrap();
    let years = |from: i32, until: i32| {
        let issued = authority.leaf_with(&["localhost"], KeyPair::generate().unwrap(), |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
        });
        Server::start_tls(issued.server(), |_| Answer::ok("{}"))
    };
    let foreign = Server::start_tls(authority.leaf(&["other.test"]).server(), |_| {
        Answer::ok("{}")
    });
    let ca = ["--upstream-ca", root.to_str().unwrap()];
    let (good, old, early) = (years(2020, 2090), years(2020, 2021), years(2089, 2090));
    for (server, flags, reason, advice) in [
        (
            &good,
            &[][..],
            "issued by \"tests\", whom docxy does not trust",
            "--upstream-ca",
        ),
        (
            &old,
            &ca[..],
            "has expired on 2021-01-01",
            "by this machine's clock",
        ),
        (
            &early,
            &ca[..],
            "not valid before 2089-01-01",
            "by this machine's clock",
        ),
        (
            &foreign,
            &ca[..],
            "for other names: \"other.test\"",
            "--upstream reg.test=URL",
        ),
    ] {
        let said = check_one(&named(NAME, server), flags, &[]);
        said.assert_failed("tls", reason, advice);
        assert!(server.requests().is_empty());
    }
    let said = check_one(&named(NAME, &good), &ca, &[]);
    assert_eq!(said.code, Some(0), "{}", said.document);
    let facts = &said.step("tls")["facts"];
    assert_eq!(facts["version"], "TLS 1.3");
    assert_eq!(facts["issuer"], "\"tests\"");
    assert_eq!(facts["expires"], "2090-01-01T00:00:00Z");
}

#[test]
fn an_answer_that_is_no_registrys_is_told() {
    for (answer, reason, advice) in [
        (
            Answer::new("404 Not Found", &[], "<html>"),
            "404",
            "there is no registry at this URL",
        ),
        (
            Answer::new("403 Forbidden", &[], ""),
            "403",
            "whether it lets in this address",
        ),
        (Answer::new("500 Oops", &[], ""), "500", "check again later"),
        (Answer::challenge(&["Negotiate"]), "401", "is no registry's"),
        (
            Answer::new("429 Slow Down", &[("Retry-After", "90")], ""),
            "429",
            "try again in 1m 30s",
        ),
        (
            Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n"),
            "malformed",
            "is no registry",
        ),
    ] {
        let server = Server::start(move |_| answer.clone());
        let said = check_one(&named(NAME, &server), &[], &[]);
        said.assert_failed("v2", reason, advice);
    }
}

#[test]
fn what_keeps_a_token_from_being_had_is_told() {
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let elsewhere = ["--realm-host", "reg.test=auth.test"];
    let said = check_one(&upstream, &elsewhere, &[]);
    said.assert_failed(
        "token",
        "not the host that --realm-host names",
        "--realm-host reg.test=HOST",
    );
    let realm = |url: &str| {
        let challenge = format!("Bearer realm=\"{url}\",service=\"reg\"");
        let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
        let said = check_one(&named(NAME, &registry), &[], &[]);
        (registry, said)
    };
    // A registry on loopback may point to private addresses, but to nobody's metadata.
    let (_registry, said) = realm("http://169.254.169.254/token");
    said.assert_failed(
        "token",
        "169.254.169.254 is not one",
        "--realm-host reg.test=HOST",
    );
    let (_registry, said) = realm("http://127.0.0.1:1/token");
    said.assert_failed("token", "Connection refused", "nothing listens there");
    let odd = Server::start(|_| Answer::ok("<html>"));
    let (_registry, said) = realm(&format!("{}/token", odd.url()));
    said.assert_failed("token", "holds no token", "token server");
}

#[test]
fn a_token_that_nobody_gets_without_a_repository_is_no_fault() {
    let auth = Server::start(|request| match request.head.target().contains("scope=") {
        true => Answer::ok(format!(r#"{{"token":"{TOKEN}"}}"#)),
        false => Answer::new("403 Forbidden", &[], ""),
    });
    let challenge = format!("Bearer realm=\"{}/token\",service=\"reg\"", auth.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let upstream = named(NAME, &registry);
    assert_eq!(check_one(&upstream, &[], &[]).code, Some(0));
    let said = check_one(&upstream, &[], &["a/b"]);
    said.assert_failed("manifest", "401", "give reg.test an account");
}

/// A configuration with an account of the upstream's.
fn with_account(registry: &Server, directory: &TempDir, mode: u32) -> String {
    let secret = directory.path().join("secret");
    fs::write(&secret, "s3cret\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
    let text = format!(
        "[[upstream]]\nname = '{NAME}'\nurl = '{}'\nusername = 'robot'\npassword_file = '{}'\n",
        registry.url(),
        secret.display()
    );
    let path = directory.path().join("docxy.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_account_is_asked_for_and_a_refused_one_is_told() {
    let directory = tempfile::tempdir().unwrap();
    // Its token server takes no login at all.
    let stand = stand();
    let config = with_account(&stand.registry, &directory, 0o644);
    let said = check(&["--config", &config, "check"]);
    said.assert_failed(
        "token",
        "the account of reg.test is refused",
        "password_file",
    );
    assert!(
        said.stderr.contains("everyone on this machine can read"),
        "{}",
        said.stderr
    );
    let basic = Server::start(|request| match request.head.one("authorization") {
        Some("Basic cm9ib3Q6czNjcmV0") => Answer::ok("{}"),
        _ => Answer::challenge(&["Basic realm=\"x\""]),
    });
    let config = with_account(&basic, &directory, 0o600);
    let said = check(&["--config", &config, "check"]);
    assert_eq!(said.code, Some(0), "{}", said.document);
    assert_eq!(said.step("token")["facts"]["identity"], "account");
    assert!(!said.document.to_string().contains("s3cret"));
}

#[test]
fn what_keeps_an_image_from_being_pulled_is_told() {
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let said = check_one(&upstream, &["--deny", "reg.test/a/*"], &["a/b"]);
    said.assert_failed("access", "a/b", "--allow or --deny");
    let said = check_one(&upstream, &["--allow", "reg.test/c/*"], &["reg.test/a/b"]);
    said.assert_failed("access", "a/b", "--allow or --deny");
    let said = check_one(&upstream, &[], &["a/b:gone"]);
    said.assert_failed("manifest", "404, \"manifest unknown\"", "tag");
    let (code, stdout, _) = run(&["--upstream", &upstream, "check", "quay.io/a/b"]);
    assert_eq!(code, Some(1));
    assert!(
        stdout.contains("no upstream is named 'quay.io'; add it with --upstream"),
        "{stdout}"
    );
    for (status, fields, reason, advice) in [
        ("401 Unauthorized", &[][..], "401", "or it is private"),
        ("403 Forbidden", &[], "403", "or it is private"),
        (
            "429 Too Many Requests",
            &[("Retry-After", "3600")],
            "429",
            "try again in 1h",
        ),
        ("503 Service Unavailable", &[], "503", "trouble"),
    ] {
        let registry = Server::start(move |request| match request.head.target() {
            "/v2/" => Answer::ok("{}"),
            _ => Answer::new(status, fields, ""),
        });
        let said = check_one(&named(NAME, &registry), &[], &["a/b"]);
        said.assert_failed("manifest", reason, advice);
    }
}

/// A registry without tokens whose image is answered so where `other` has no answer of its own.
fn open(cdn: &str, other: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Server {
    let (image, cdn) = (Image::new(), cdn.to_owned());
    Server::start(move |request| match request.head.target() {
        "/v2/" => Answer::ok("{}"),
        _ => other(request).unwrap_or_else(|| image.answer(request, &cdn)),
    })
}

#[test]
fn bytes_that_are_not_what_they_should_be_are_told() {
    let long = Server::start(|_| {
        let fields = [("Content-Range", "bytes 0-0/70001")];
        Answer::new("206 Partial Content", &fields, "1")
    });
    let registry = open(&long.url(), |_| None);
    let said = check_one(&named(NAME, &registry), &[], &["a/b"]);
    assert_eq!(said.code, Some(1));
    let layers: Vec<&Value> = said
        .steps()
        .iter()
        .filter(|step| step["step"] == "layer")
        .collect();
    assert_eq!(
        (&layers[0]["ok"], &layers[1]["ok"]),
        (&false.into(), &true.into())
    );
    assert!(
        layers[0]["text"]
            .as_str()
            .unwrap()
            .contains("not as long as")
    );
    let swapped = open(&long.url(), |request| {
        let is_config = request
            .head
            .target()
            .ends_with(&digest(Image::new().config.as_bytes()));
        is_config.then(|| Answer::ok("something else"))
    });
    let said = check_one(&named(NAME, &swapped), &[], &["a/b"]);
    said.assert_failed("config", "is not sha256:", "something between changes it");
    let metadata = open("http://169.254.169.254", |_| None);
    let said = check_one(&named(NAME, &metadata), &[], &["a/b"]);
    let layer = said.step("layer");
    assert!(
        layer["text"]
            .as_str()
            .unwrap()
            .contains("169.254.169.254 is not one"),
        "{layer}"
    );
    assert!(layer["advice"].as_str().unwrap().contains("DNS"), "{layer}");
}

#[test]
fn without_a_challenge_on_v2_that_of_the_manifest_counts() {
    let stand = stand();
    let (challenge, image) = (
        format!(
            "Bearer realm=\"{}/token\",service=\"reg\"",
            stand.auth.url()
        ),
        Image::new(),
    );
    let cdn = stand.cdn.url();
    let registry = Server::start(move |request| {
        let bearer = format!("Bearer {TOKEN}");
        match (request.head.target(), request.head.one("authorization")) {
            ("/v2/", _) => Answer::ok("{}"),
            (_, Some(sent)) if sent == bearer => image.answer(request, &cdn),
            _ => Answer::challenge(&[&challenge]),
        }
    });
    let said = check_one(&named(NAME, &registry), &[], &["a/b"]);
    assert_eq!(said.code, Some(0), "{}", said.document);
}

#[test]
fn upstreams_are_asked_side_by_side_and_told_in_order() {
    let gate = Gate::new();
    let opens = gate.clone();
    let slow = Server::start(move |_| {
        gate.wait();
        Answer::ok("{}")
    });
    let quick = Server::start(move |_| {
        opens.open();
        Answer::ok("{}")
    });
    let (one, two) = (named("one.test", &slow), named("two.test", &quick));
    let said = check(&["--upstream", &one, "--upstream", &two, "check"]);
    let names = said.document["checked"].as_array().unwrap().iter();
    let names: Vec<&Value> = names.map(|checked| &checked["name"]).collect();
    assert_eq!(
        (said.code, names),
        (Some(0), vec![&"one.test".into(), &"two.test".into()])
    );
}

#[test]
fn nothing_is_bound_or_written() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let registry = Server::start(|_| Answer::ok("{}"));
    let docxy = start(&["--upstream", &named(NAME, &registry)]);
    let (listen, state_dir) = (format!("https://{}", docxy.addr()), state.to_str().unwrap());
    let flags = ["--listen", &listen, "--state-dir", state_dir];
    let said = check_one(&named(NAME, &registry), &flags, &[]);
    assert_eq!(said.code, Some(0), "{}", said.document);
    assert!(!Path::new(&state).exists());
}

#[test]
fn a_docxy_that_runs_is_well_from_a_clients_side() {
    let stand = stand();
    let docxy = start(&["--upstream", &named(NAME, &stand.registry)]);
    let url = docxy.url();
    for image in [
        "a/b".to_owned(),
        format!("{NAME}/a/b"),
        format!("{}/{NAME}/a/b:latest", docxy.addr()),
    ] {
        let said = check(&["check", "--via", &url, &image]);
        assert_eq!(said.code, Some(0), "{image}: {}", said.document);
        let expected = [
            "dns",
            "connect",
            "ready",
            "v2",
            "challenge",
            "token",
            "manifest",
            "quota",
            "platform",
            "image",
            "config",
            "layer",
            "layer",
        ];
        assert_eq!(said.names(), expected, "{image}");
        assert_eq!(said.step("token")["facts"]["realm"], url);
    }
    let said = check(&["check", "--via", &url, "a/b:gone"]);
    said.assert_failed(
        "manifest",
        "404, \"manifest unknown\"",
        "no such thing behind this docxy",
    );
}

#[test]
fn what_is_wrong_with_a_docxy_is_told() {
    let registry = stand().registry;
    let upstream = named(NAME, &registry);
    let said = check(&["check", "--via", "http://127.0.0.1:1"]);
    said.assert_failed("connect", "Connection refused", "start docxy");
    let other = Server::start(|_| Answer::new("404 Not Found", &[], ""));
    let said = check(&["check", "--via", &other.url()]);
    said.assert_failed("ready", "404", "no docxy");
    let closed = start(&["--upstream", &upstream, "--deny-client", "127.0.0.1"]);
    let said = check(&["check", "--via", &closed.url()]);
    said.assert_failed("ready", "403", "--allow-client");
    // A realm that clients cannot reach, and one that is nobody's of docxy.
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let lost = [
        "--upstream",
        &upstream,
        "--public-url",
        "http://127.0.0.1:1",
    ];
    let said = check(&["check", "--via", &start(&lost).url()]);
    said.assert_failed("token", "Connection refused", "--public-url");
    let (past, said) = past_docxy();
    said.assert_failed("challenge", "which is no docxy's", "past docxy");
    drop(past);
    let gone = start(&["--upstream", &format!("{NAME}=http://127.0.0.1:1")]);
    let said = check(&["check", "--via", &gone.url(), "a/b"]);
    said.assert_failed(
        "v2",
        "no connection: Connection refused",
        "run docxy check on its machine",
    );
}

/// A registry that is taken for a docxy, since something in front answers `/ready`.
fn past_docxy() -> (Server, Said) {
    let server = Server::start(|request| match request.head.target() {
        "/ready" => Answer::ok("ready\n"),
        _ => Answer::challenge(&["Bearer realm=\"https://auth.test/oauth\",service=\"x\""]),
    });
    let said = check(&["check", "--via", &server.url()]);
    (server, said)
}

#[test]
fn the_certificate_of_a_docxy_is_told_and_how_to_trust_it() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = Identity::new().write(directory.path());
    let [cert, key] = [&cert, &key].map(|path| path.to_str().unwrap());
    let registry = Server::start(|_| Answer::ok("{}"));
    let listen = [
        "--listen",
        "https://127.0.0.1:0",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
    ];
    let upstream = named(NAME, &registry);
    let docxy = crate::docxy::Docxy::start(&[&listen[..], &["--upstream", &upstream]].concat());
    let url = format!("https://localhost:{}", docxy.addr().port());
    let said = check(&["check", "--via", &url]);
    said.assert_failed("tls", "whom docxy does not trust", "--via-ca FILE");
    let said = check(&["check", "--via", &url, "--via-ca", cert]);
    assert_eq!(said.code, Some(0), "{}", said.document);
    assert_eq!(said.names(), ["dns", "connect", "tls", "ready", "v2"]);
    let plain = format!("http://{}", docxy.addr());
    let said = check(&["check", "--via", &plain]);
    said.assert_failed("ready", "400", "https://");
}
