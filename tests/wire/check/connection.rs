//! What can be wrong before anything is asked for: name, address, certificate, and who answers there.

use std::fs;

use rcgen::{BasicConstraints, IsCa, KeyPair, date_time_ymd};

use super::check_one;
use crate::stand::{NAME, named, start};
use crate::wire::authority::Authority;
use crate::wire::{Answer, Server};

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
    // What `openssl req -x509` makes, if it is not told otherwise.
    let own = authority.leaf_with(&["localhost"], KeyPair::generate().unwrap(), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let own = Server::start_tls(own.server(), |_| Answer::ok("{}"));
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
        (
            &own,
            &ca[..],
            "an authority's own (CA:TRUE), which is no server's",
            "have that authority issue one for the server (CA:FALSE)",
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
