//! ACME while docxy runs, before a scripted server: what it says, and how it is reached.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::docxy::Docxy;
use crate::wire::tls::Identity;
use crate::wire::tunnel::{Proxy, Then};
use crate::wire::{Answer, Request, Server};

/// docxy's words when it has no certificate to show for an attempt.
const FAILED: &str = "ACME: no new certificate for docxy.test from ";

/// An ACME server (RFC 8555 §7) whose orders are pending, and whose clients are to ask again after so many seconds.
fn pending(request: &Request, retry_after: &str) -> Answer {
    let base = format!("https://{}", request.head.one("host").unwrap());
    let order = format!(
        r#"{{"status":"pending","identifiers":[],"authorizations":[],"finalize":"{base}/finalize"}}"#
    );
    let (status, path, body) = match request.head.target() {
        "/directory" => {
            let urls = ["newNonce", "newAccount", "newOrder"]
                .map(|name| format!(r#""{name}":"{base}/{name}""#));
            ("200 OK", "", format!("{{{}}}", urls.join(",")))
        }
        "/newAccount" => ("201 Created", "/account", r#"{"status":"valid"}"#.into()),
        "/newOrder" => ("201 Created", "/order", order),
        "/order" => ("200 OK", "", order),
        _ => ("200 OK", "", String::new()),
    };
    let fields = [
        ("Replay-Nonce", "bm9uY2U"),
        ("Location", &format!("{base}{path}")),
        ("Retry-After", retry_after),
    ];
    Answer::new(status, &fields, body)
}

/// The flags of a docxy that keeps its account in this directory.
fn docxy(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    command.args(["--listen", "https://127.0.0.1:0", "--acme-agree-tos"]);
    command.args(["--acme-domain", "docxy.test", "--state-dir"]);
    command.arg(directory);
    command
}

#[test]
fn a_wait_without_end_is_no_more_than_a_failure() {
    let (directory, identity) = (tempfile::tempdir().unwrap(), Identity::new());
    let (root, _) = identity.write(directory.path());
    let server = Server::start_tls(identity.server(), |request| {
        pending(request, "18446744073709551615")
    });
    let mut command = docxy(directory.path());
    command.arg("--acme-ca").arg(root);
    command.args(["--acme-directory", &format!("{}/directory", server.url())]);
    let docxy = Docxy::start_with(&mut command);
    let said = docxy.wait_for_line(FAILED);
    assert!(
        said.contains("timed out") && said.contains("; next try in "),
        "{said}"
    );
    let asked = server.requests();
    assert_eq!(asked.last().unwrap().line(), "POST /order");
}

/// An attempt that has panicked is followed by another one, as one that has failed for any other reason.
#[test]
fn a_panic_is_no_more_than_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = docxy(directory.path());
    let docxy = Docxy::start_with(command.env("DOCXY_PROVOKE_PANICS", "1"));
    docxy.wait_for_line("a fault in docxy at src/acme/provoked.rs");
    let said = docxy.wait_for_line(FAILED);
    assert!(
        said.contains("a fault in docxy has ended the attempt; ")
            && said.contains("; next try in "),
        "{said}"
    );
}

#[test]
fn a_reload_changes_the_way_to_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    let [old, new] = [(); 2].map(|()| Proxy::connect(|_| (Vec::new(), Then::Close)));
    let write = |proxy: &Proxy| {
        let text = format!("upstream_proxy = '{}'\n", proxy.url());
        fs::write(&path, text).unwrap();
    };
    write(&old);
    let mut command = docxy(&directory.path().join("state"));
    command.args(["--acme-directory", "https://acme.invalid/directory"]);
    let docxy = Docxy::start_with(command.arg("--config").arg(&path));
    assert!(docxy.wait_for_line(FAILED).contains(&old.url()));
    docxy.signal("HUP");
    docxy.wait_for_lines("reloaded, as asked", 1);
    write(&new);
    docxy.signal("HUP");
    let said = docxy.wait_for_lines(FAILED, 2);
    assert!(said[1].contains(&new.url()), "{said:?}");
    assert!(!old.heads().is_empty() && !new.heads().is_empty());
}
