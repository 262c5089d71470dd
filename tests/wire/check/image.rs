//! An image, part by part: its manifest, platform, configuration and layers.

use serde_json::Value;

use super::stand::{INDEX, Image, TOKEN, architecture, stand};
use super::{check_one, run};
use crate::stand::{NAME, named};
use crate::wire::{Answer, Request, Server, digest};

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
fn what_keeps_an_image_from_being_pulled_is_told() {
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let said = check_one(&upstream, &["--deny", "reg.test/a/*"], &["a/b"]);
    said.assert_failed("access", "a/b", "--allow or --deny");
    let said = check_one(&upstream, &["--allow", "reg.test/c/*"], &["reg.test/a/b"]);
    said.assert_failed("access", "a/b", "--allow or --deny");
    let open = Server::start(|_| Answer::ok("{}"));
    let said = check_one(&named(NAME, &open), &["--deny", "reg.test/a/*"], &["a/b"]);
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
