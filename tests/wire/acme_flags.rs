//! ACME that cannot begin: the end at once, with one line that says why.

use std::process::Command;

use crate::docxy::Docxy;

const ACME: [&str; 5] = [
    "--listen",
    "https://127.0.0.1:0",
    "--acme-domain",
    "docxy.test",
    "--acme-agree-tos",
];

fn ended(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let (status, lines) = Docxy::spawn(command.args(args)).wait();
    assert_eq!(lines.len(), 1, "{lines:?}");
    (status.code(), lines.concat())
}

#[test]
fn nobody_agrees_by_accident() {
    let (code, said) = ended(&ACME[..4]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("--acme-agree-tos") && said.contains("terms of service"),
        "{said}"
    );
}

#[test]
fn one_source_of_certificates() {
    let pair = ["--tls-cert", "c.pem", "--tls-key", "k.pem"];
    let (code, said) = ended(&[&ACME[..], &pair].concat());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--tls-cert is given too"), "{said}");
}

#[test]
fn what_is_got_has_to_be_kept() {
    let (code, said) = ended(&[&ACME[..], &["--state-dir", "/dev/null/docxy"]].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("--state-dir: /dev/null/docxy cannot be made"),
        "{said}"
    );
}

#[test]
fn roots_that_are_not_there_are_named() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().to_str().unwrap();
    let flags = ["--state-dir", path, "--acme-ca", "/nowhere/ca.pem"];
    let (code, said) = ended(&[&ACME[..], &flags].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--acme-ca: /nowhere/ca.pem"), "{said}");
}
