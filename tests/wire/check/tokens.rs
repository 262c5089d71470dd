//! Challenges, tokens, and accounts that are refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::stand::{Image, TOKEN, stand};
use super::{check, check_one};
use crate::stand::{NAME, named};
use crate::wire::{Answer, Server};

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
