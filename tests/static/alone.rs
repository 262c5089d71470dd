//! In a root directory with nothing else in it: it starts, pulls, and believes the roots that are built in.

use super::programs::begin;
use super::root::Root;
use super::wire::tls::Identity;
use super::wire::{Answer, Ask, Client, Server};

const MANIFEST: &str = "/v2/a/b/manifests/latest";

#[test]
fn it_starts_where_nothing_else_is() {
    let Some(_turn) = begin(&["chroot"]) else {
        return;
    };
    let Some(root) = Root::new() else { return };
    let registry = Server::start(|_| Answer::ok("manifest"));
    let upstream = format!("reg.test={}", registry.url());
    let docxy = root.start(&["--listen", "127.0.0.1:0", "--upstream", &upstream]);
    let mut client = Client::connect(docxy.addr());
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    assert_eq!(client.ask(&Ask::get(MANIFEST)).text(), "manifest");
    docxy.signal("TERM");
    let (status, lines) = docxy.wait();
    assert_eq!(status.code(), Some(0), "{lines:?}");
}

#[test]
fn it_verifies_upstreams_without_any_file() {
    let Some(_turn) = begin(&["chroot"]) else {
        return;
    };
    let Some(root) = Root::new() else { return };
    let identity = Identity::new();
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    // By its address: an empty root knows no localhost either.
    let upstream = format!("reg.test=https://{}", registry.addr());
    let args = ["--listen", "127.0.0.1:0", "--upstream", &upstream];

    let docxy = root.start(&args);
    let answer = Client::connect(docxy.addr()).ask(&Ask::get(MANIFEST));
    assert_eq!(answer.status(), 502, "{}", answer.text());
    let line = docxy.wait_for_line("error=");
    assert!(line.contains("certificate"), "{line}");
    assert!(registry.requests().is_empty());

    let (roots, _) = identity.write(root.path());
    let roots = format!("/{}", roots.file_name().unwrap().display());
    let trusting = root.start(&[&args[..], &["--upstream-ca", &roots]].concat());
    let answer = Client::connect(trusting.addr()).ask(&Ask::get(MANIFEST));
    assert_eq!(answer.text(), "secure");
}
