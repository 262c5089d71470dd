//! TLS towards upstreams: whom docxy believes, and what it asks of whom it does not.

use std::path::PathBuf;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, ask, start};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Response, Server};

struct Stand {
    registry: Server,
    roots: PathBuf,
    _directory: tempfile::TempDir,
}

fn stand() -> Stand {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    Stand {
        registry,
        roots,
        _directory: directory,
    }
}

fn docxy_for(stand: &Stand, host: &str) -> Docxy {
    let upstream = format!("reg.test=https://{host}:{}", stand.registry.addr().port());
    start(&[
        "--upstream",
        &upstream,
        "--upstream-ca",
        stand.roots.to_str().unwrap(),
    ])
}

fn with_login(docxy: &Docxy) -> Response {
    ask(
        docxy,
        &Ask::get(MANIFEST).field("Authorization", "Basic eDp5"),
    )
}

#[test]
fn a_certificate_counts_for_names_and_addresses_that_it_has() {
    let stand = stand();
    for host in ["localhost", "LOCALHOST", "127.0.0.1"] {
        let docxy = docxy_for(&stand, host);
        assert_eq!(with_login(&docxy).text(), "secure", "{host}");
    }
}

#[test]
fn a_certificate_for_another_name_is_no_identity() {
    let stand = stand();
    let docxy = docxy_for(&stand, "127.0.0.2");
    let refused = start(&["--upstream", &format!("reg.test={}", stand.registry.url())]);
    for (docxy, why) in [
        (&docxy, "127.0.0.2"),
        (&refused, "its certificate is issued by "),
    ] {
        let response = with_login(docxy);
        assert!(response.text().contains(why), "{}", response.text());
        assert!(
            [502, 503].contains(&response.status()),
            "{}",
            response.status()
        );
    }
    assert!(stand.registry.requests().is_empty());
}

#[test]
fn plain_http_where_tls_should_be_is_an_error() {
    let plain = Server::start(|_| Answer::ok("plain"));
    let docxy = start(&[
        "--upstream",
        &format!("reg.test=https://{}", plain.authority()),
    ]);
    let response = with_login(&docxy);
    assert!(
        [502, 503, 504].contains(&response.status()),
        "{}",
        response.status()
    );
    assert!(plain.requests().is_empty());
}
