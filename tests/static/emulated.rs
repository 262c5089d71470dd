//! The binary for aarch64, run by qemu: it serves and asks TLS, whose cryptography is assembly of that architecture.

use std::process::Command;

use super::built;
use super::docxy::Docxy;
use super::programs::begin;
use super::wire::tls::Identity;
use super::wire::{Answer, Ask, Client, Server};

const QEMU: &str = "qemu-aarch64-static";

#[test]
fn it_pulls_over_tls_on_both_sides() {
    let Some(binary) = built::aarch64() else {
        return;
    };
    let Some(_turn) = begin(&[QEMU]) else { return };
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    let mut emulated = Command::new(QEMU);
    emulated
        .arg(&binary)
        .args(["--listen", "https://127.0.0.1:0"]);
    emulated.args(["--upstream", &format!("reg.test={}", registry.url())]);
    emulated.arg("--upstream-ca").arg(&cert);
    emulated
        .arg("--tls-cert")
        .arg(&cert)
        .arg("--tls-key")
        .arg(&key);
    let docxy = Docxy::start_with(&mut emulated);
    let mut client = Client::connect_tls(docxy.addr(), identity.client(&[]));
    let answer = client.ask(&Ask::get("/v2/a/b/manifests/latest"));
    assert_eq!(answer.text(), "secure");
    let mut health = Command::new(QEMU);
    health.arg(&binary).arg("health");
    let asked = health.arg(format!("https://{}", docxy.addr())).status();
    assert!(asked.unwrap().success());
}
