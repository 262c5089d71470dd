//! Certificates and keys of the listeners: which are shown to whom, which keys are taken, and what is said of those that
//! cannot be.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rcgen::{KeyPair, SanType};

use crate::docxy::Docxy;
use crate::wire::authority::{Authority, Leaf, VERSIONS};
use crate::wire::{Ask, Client};

/// A key in the tests' data.
fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/keys/{name}.pem"))
}

/// A copy of it that nobody else can write, whatever the checkout is like.
fn private(directory: &Path, name: &str) -> PathBuf {
    let copy = directory.join(format!("{name}.pem"));
    std::fs::copy(key_file(name), &copy).unwrap();
    set_mode(&copy, 0o600);
    copy
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn key_of(name: &str) -> KeyPair {
    KeyPair::from_pem(&std::fs::read_to_string(key_file(name)).unwrap()).unwrap()
}

/// The arguments of a docxy with one https listener and these pairs.
fn arguments(pairs: &[(PathBuf, PathBuf)]) -> Vec<String> {
    let mut args = vec!["--listen".to_owned(), "https://127.0.0.1:0".to_owned()];
    for (cert, key) in pairs {
        for (flag, path) in [("--tls-cert", cert), ("--tls-key", key)] {
            args.extend([flag.to_owned(), path.to_str().unwrap().to_owned()]);
        }
    }
    args
}

pub fn start_with(pairs: &[(PathBuf, PathBuf)], more: &[&str]) -> Docxy {
    let args = arguments(pairs);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Docxy::start(&[&args, more].concat())
}

fn for_localhost(authority: &Authority, key: KeyPair) -> Leaf {
    authority.leaf_with(&["localhost"], key, |_| {})
}

#[test]
fn each_kind_of_key_is_taken_in_each_of_its_forms() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let forms = [
        ("rsa-pkcs8", &["rsa-pkcs1", "rsa-pkcs8"][..]),
        ("p256-pkcs8", &["p256-sec1", "p256-pkcs8"]),
        ("p384-pkcs8", &["p384-sec1", "p384-pkcs8"]),
        ("ed25519-pkcs8", &["ed25519-pkcs8"]),
    ];
    for (key, files) in forms {
        let leaf = for_localhost(&authority, key_of(key));
        let (cert, _) = leaf.write(directory.path(), key);
        for file in files {
            let docxy = start_with(&[(cert.clone(), private(directory.path(), file))], &[]);
            for version in VERSIONS {
                let client = Arc::new(authority.client(&[version]));
                let mut client = Client::connect_tls(docxy.addr(), client);
                assert_eq!(client.shown(), leaf.certificate.der().to_vec(), "{file}");
                assert_eq!(client.tls().protocol_version(), Some(version.version));
                let suite = client.tls().negotiated_cipher_suite().unwrap().suite();
                let suite = format!("{suite:?}");
                assert!(
                    suite.starts_with("TLS13_") || suite.starts_with("TLS_ECDHE_"),
                    "{suite}"
                );
                assert_eq!(client.ask(&Ask::get("/health")).status(), 200, "{file}");
            }
        }
    }
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let names: [&[&str]; 3] = [
        &["first.test", "*.shared.test"],
        &["second.test", "own.shared.test"],
        &["*.third.test"],
    ];
    let leaves = names.map(|names| {
        authority.leaf_with(names, KeyPair::generate().unwrap(), |params| {
            let address = SanType::IpAddress("127.0.0.1".parse().unwrap());
            params.subject_alt_names.push(address);
        })
    });
    let pairs: Vec<_> = leaves
        .iter()
        .enumerate()
        .map(|(at, leaf)| leaf.write(directory.path(), &at.to_string()))
        .collect();
    let docxy = start_with(&pairs, &[]);
    let cases = [
        ("first.test", 0),
        ("FIRST.test", 0),
        ("any.shared.test", 0),
        ("own.shared.test", 1),
        ("second.test", 1),
        ("a.third.test", 2),
        ("127.0.0.1", 0),
    ];
    for version in VERSIONS {
        for (name, shown) in cases {
            let config = Arc::new(authority.client(&[version]));
            let client = Client::connect_tls_to(docxy.addr(), name, config).unwrap();
            assert_eq!(
                client.shown(),
                leaves[shown].certificate.der().to_vec(),
                "{name}"
            );
        }
        for stranger in ["stranger.test", "third.test", "b.a.third.test"] {
            let config = Arc::new(authority.client(&[version]));
            let refused = Client::connect_tls_to(docxy.addr(), stranger, config);
            assert!(
                refused
                    .err()
                    .unwrap()
                    .to_string()
                    .contains("not valid for name"),
                "the first is shown, which is not {stranger}'s"
            );
        }
    }
}

#[test]
fn pairs_come_from_variables_too() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let leaves = [authority.leaf(&["a.test"]), authority.leaf(&["b.test"])];
    leaves[0].write(directory.path(), "a");
    leaves[1].write(directory.path(), "b");
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    command
        .current_dir(directory.path())
        .args(["--listen", "https://127.0.0.1:0"])
        .env("DOCXY_TLS_CERT", "a.crt, b.crt")
        .env("DOCXY_TLS_KEY", "a.key,b.key");
    let docxy = Docxy::start_with(&mut command);
    for (name, leaf) in [("a.test", &leaves[0]), ("b.test", &leaves[1])] {
        let config = Arc::new(authority.client(&VERSIONS));
        let client = Client::connect_tls_to(docxy.addr(), name, config).unwrap();
        assert_eq!(client.shown(), leaf.certificate.der().to_vec());
    }
}

/// The one line of a docxy that does not start with this pair.
fn refusal(cert: &Path, key: &Path) -> String {
    let args = arguments(&[(cert.to_owned(), key.to_owned())]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let (status, lines) = Docxy::spawn(command.args(args)).wait();
    assert_eq!(status.code(), Some(1), "{lines:?}");
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

#[test]
fn each_unusable_file_gets_a_line_of_its_own() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let leaf = for_localhost(&authority, key_of("p256-pkcs8"));
    let (cert, key) = leaf.write(directory.path(), "sound");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let text = std::fs::read_to_string(&cert).unwrap();
    let half = write("half.crt", &text[..text.len() / 2]);
    let garbled = write("garbled.crt", &text.replace("MII", "M!I"));
    let indented = write("indented.crt", &format!("{text}\n {text}"));
    let no_x509 = write(
        "other.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let empty = write("empty.pem", "");
    let large = write("large.pem", &" ".repeat(1 << 21));
    let nowhere = directory.path().join("nowhere.pem");
    let cases = [
        (
            &cert,
            &private(directory.path(), "rsa-pkcs8"),
            "--tls-key: ",
            "is not the key of the first certificate in ",
        ),
        (
            &cert,
            &private(directory.path(), "encrypted-pkcs8"),
            "--tls-key: ",
            "is encrypted, and nobody is there to ask for its passphrase; decrypt it: openssl pkey -in ",
        ),
        (
            &cert,
            &private(directory.path(), "encrypted-pkcs1"),
            "--tls-key: ",
            "is encrypted, ",
        ),
        (
            &cert,
            &private(directory.path(), "p521"),
            "--tls-key: ",
            "is of a kind that docxy does not take; make it ",
        ),
        (
            &cert,
            &private(directory.path(), "rsa-1024"),
            "--tls-key: ",
            "is of a kind that docxy does not take; make it ",
        ),
        (&cert, &empty, "--tls-key: ", "holds no private key; "),
        (&cert, &cert, "--tls-key: ", "holds no private key; "),
        (
            &cert,
            &nowhere,
            "--tls-key: ",
            "cannot be read: No such file",
        ),
        (&cert, &large, "--tls-key: ", "is larger than 1 MiB; "),
        (&key, &key, "--tls-cert: ", "holds no certificate; "),
        (&empty, &key, "--tls-cert: ", "holds no certificate; "),
        (
            &nowhere,
            &key,
            "--tls-cert: ",
            "cannot be read: No such file",
        ),
        (
            &directory.path().to_owned(),
            &key,
            "--tls-cert: ",
            "cannot be read: Is a directory",
        ),
        (
            &half,
            &key,
            "--tls-cert: ",
            "is damaged PEM: a section in it has no end; ",
        ),
        (
            &garbled,
            &key,
            "--tls-cert: ",
            "is damaged PEM: a section in it is not base64; ",
        ),
        (
            &indented,
            &key,
            "--tls-cert: ",
            "is damaged PEM: something stands before -----BEGIN CERTIFICATE----- in its line; ",
        ),
        (
            &no_x509,
            &key,
            "--tls-cert: ",
            "holds a certificate that cannot be used: ",
        ),
    ];
    for (cert, key, flag, message) in cases {
        let line = refusal(cert, key);
        let named = if flag == "--tls-cert: " { cert } else { key };
        let expected = format!("docxy: {flag}{} {message}", named.display());
        assert!(
            line.starts_with(&expected),
            "{line:?} instead of {expected:?}"
        );
    }
}

#[test]
fn a_byte_order_mark_hides_nothing() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let leaf = for_localhost(&authority, key_of("p256-pkcs8"));
    let (cert, key) = leaf.write(directory.path(), "marked");
    for path in [&cert, &key] {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, format!("\u{feff}{text}")).unwrap();
    }
    let docxy = start_with(&[(cert, key)], &[]);
    let mut client = Client::connect_tls(docxy.addr(), Arc::new(authority.client(&VERSIONS)));
    assert_eq!(client.shown(), leaf.certificate.der().to_vec());
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
}

#[test]
fn a_certificate_out_of_its_time_is_shown_with_a_warning() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let dates = [
        (
            (2020, 1, 1),
            (2021, 6, 30),
            "has expired on 2021-06-30T00:00:00Z; clients will refuse it until there is a new one, ",
        ),
        (
            (4000, 1, 1),
            (4001, 1, 1),
            "is not valid before 4000-01-01T00:00:00Z",
        ),
    ];
    for (from, until, warning) in dates {
        let leaf = authority.leaf_with(&["localhost"], KeyPair::generate().unwrap(), |params| {
            params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        });
        let pair = leaf.write(directory.path(), "late");
        let docxy = start_with(std::slice::from_ref(&pair), &[]);
        let line = docxy.wait_for_line("docxy: warning: --tls-cert: ");
        assert!(
            line.contains(&format!("{} {warning}", pair.0.display())),
            "{line}"
        );
        let config = Arc::new(authority.client(&VERSIONS));
        assert!(Client::connect_tls_to(docxy.addr(), "localhost", config).is_err());
    }
}

#[test]
fn a_certificate_that_nobody_can_ask_for_is_pointed_out() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let pairs: Vec<_> = [&["a.test"][..], &["b.test"], &["a.test", "B.test"], &[]]
        .iter()
        .enumerate()
        .map(|(at, names)| {
            authority
                .leaf(names)
                .write(directory.path(), &at.to_string())
        })
        .collect();
    let docxy = start_with(&pairs, &[]);
    let warnings = docxy.wait_for_lines("is never shown: ", 2);
    assert!(
        warnings[0].contains("2.crt") && warnings[1].contains("3.crt"),
        "{warnings:?}"
    );
    assert_eq!(
        docxy
            .log()
            .iter()
            .filter(|line| line.contains("warning"))
            .count(),
        2
    );
}

#[test]
fn a_key_that_others_can_write_is_refused_and_one_that_everyone_can_read_is_warned_about() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (cert, key) = authority
        .leaf(&["localhost"])
        .write(directory.path(), "own");
    for mode in [0o620, 0o602] {
        set_mode(&key, mode);
        let line = refusal(&cert, &key);
        let named = format!(
            "docxy: --tls-key: {} is one that others can write",
            key.display()
        );
        assert!(
            line.starts_with(&named) && line.contains("chmod go-w"),
            "{line}"
        );
    }
    set_mode(&key, 0o640);
    let pair = [(cert, key.clone())];
    let docxy = start_with(&pair, &[]);
    assert!(
        !docxy.log().iter().any(|line| line.contains("warning")),
        "{:?}",
        docxy.log()
    );
    // What comes to be so while docxy runs leaves in use what was read before.
    set_mode(&key, 0o660);
    docxy.signal("HUP");
    docxy.wait_for_line("what was read before stays in use");
    let config = Arc::new(authority.client(&VERSIONS));
    assert!(Client::connect_tls_to(docxy.addr(), "localhost", config).is_ok());
    set_mode(&key, 0o644);
    let line =
        start_with(&pair, &[]).wait_for_line("docxy: warning: everyone on this machine can read ");
    assert!(line.contains(key.to_str().unwrap()), "{line}");
}
