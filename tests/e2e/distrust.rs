//! What does not trust what: each time the engine gets an error, and docxy goes on.

use super::certificates::Authority;
use super::door::{Door, TwoDoors, one_door, two_doors};
use super::engines::{Login, Pull, skopeo};
use super::origin::{Kind, NAME, Origin};
use super::programs::begin;
use super::registry::Setup;
use super::store::large;
use super::tokens::{PASSWORD, TokenServer, USER};

#[test]
fn an_upstream_of_an_unknown_authority() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    let origin = Origin::start(Kind::Tls);
    // Without `--upstream-ca`.
    let (docxy, door) = one_door(&["--upstream", &format!("{NAME}={}", origin.registry.url())]);
    let said = skopeo::pull(Pull::new(&door, "lib/multi", &large().image)).unwrap_err();
    docxy.wait_for_line("target=/v2/ ");
    let log = docxy.log();
    let answered = |line: &String| line.contains(" status=502 ") || line.contains(" status=503 ");
    assert!(log.iter().any(answered), "{said}\n{log:#?}");
}

/// A login for an https upstream must not go over the net in the clear.
#[test]
fn a_plain_realm_of_a_tls_upstream() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (authority, tokens) = (
        Authority::new(dir.path(), "ca"),
        TokenServer::start(dir.path(), None),
    );
    let setup = Setup {
        tls: Some(&authority),
        ..Setup::with_tokens(&tokens)
    };
    let registry = setup.start(&large().root);
    let root = authority.root().display().to_string();
    let (docxy, door) = one_door(&["--upstream", &registry.url(), "--upstream-ca", &root]);
    let alice = Login {
        user: USER,
        password: PASSWORD,
    };
    let pull = Pull::new(&door, "private/multi", &large().image).with_login(alice);
    let said = skopeo::pull(pull).unwrap_err();
    assert!(tokens.seen().is_empty(), "nobody asked that server");
    assert!(
        docxy.log().iter().any(|line| line.contains(" status=502 ")),
        "{said}\n{:#?}",
        docxy.log()
    );
}

#[test]
fn an_engine_that_does_not_know_the_authority_of_docxy() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    let origin = Origin::start(Kind::Plain);
    let TwoDoors { tls, .. } = &two_doors(&origin.docxy_args());
    let dir = tempfile::tempdir().unwrap();
    let other = Authority::new(dir.path(), "other");
    let distrusting = Door {
        ca: Some(other.dir().to_owned()),
        ..tls.clone()
    };
    skopeo::pull(Pull::new(&distrusting, "lib/multi", &large().image)).unwrap_err();
    skopeo::pull(Pull::new(tls, "lib/multi", &large().image)).unwrap();
}
