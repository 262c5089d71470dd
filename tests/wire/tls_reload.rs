//! New certificates while docxy runs: at SIGHUP and by themselves, with nothing dropped, and never a broken one.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::KeyPair;

use crate::docxy::Docxy;
use crate::stand::{blob, named};
use crate::tls_keys::start_with;
use crate::wire::answer::Act;
use crate::wire::authority::{Authority, Leaf, VERSIONS};
use crate::wire::{Answer, Ask, Client, Server, noise};

const RELOADS: usize = 100;
const BLOCK: usize = 1024 * 1024;

/// The certificate that a new client of `name` is shown, after an answer on that connection.
fn shown(docxy: &Docxy, authority: &Authority, name: &str) -> Vec<u8> {
    let config = Arc::new(authority.client(&VERSIONS));
    let mut client = Client::connect_tls_to(docxy.addr(), name, config).expect("a handshake");
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    client.shown()
}

fn der(leaf: &Leaf) -> Vec<u8> {
    leaf.certificate.der().to_vec()
}

/// Connects again and again until it is told to stop, and a few times in any case.
fn keep_coming(docxy: &Docxy, authority: &Authority, enough: &AtomicBool) {
    let mut count = 0;
    while count < RELOADS / 10 || !enough.load(Ordering::SeqCst) {
        shown(docxy, authority, "localhost");
        count += 1;
    }
}

#[test]
fn a_hundred_reloads_under_a_pull_and_new_connections() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let block = Arc::new(noise(BLOCK));
    let length = (RELOADS * BLOCK).to_string();
    let answer = Answer::head("200 OK", &[("Content-Length", length.as_str())])
        .then(Act::Repeat(Arc::clone(&block), RELOADS));
    let registry = Server::start(move |_| answer.clone());
    let first = authority.leaf(&["localhost"]);
    let pair = first.write(directory.path(), "docxy");
    let docxy = start_with(&[pair], &["--upstream", &named("reg.test", &registry)]);
    let config = Arc::new(authority.client(&VERSIONS));
    let mut idle = Client::connect_tls(docxy.addr(), Arc::clone(&config));
    let mut pull = Client::connect_tls(docxy.addr(), config);
    pull.send(Ask::get(&blob()).bytes());
    assert_eq!(pull.receive_head().0.status(), 200);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let crowd = scope.spawn(|| keep_coming(&docxy, &authority, &enough));
        for reload in 1..=RELOADS {
            let new = authority.leaf(&["localhost"]);
            new.write(directory.path(), "docxy");
            docxy.signal("HUP");
            docxy.wait_for_lines("reloaded, as asked", reload);
            assert_eq!(
                shown(&docxy, &authority, "localhost"),
                der(&new),
                "{reload}"
            );
            assert_eq!(idle.ask(&Ask::get("/health")).status(), 200, "{reload}");
            assert!(pull.take(BLOCK).unwrap() == *block, "block {reload}");
        }
        enough.store(true, Ordering::SeqCst);
        crowd.join().unwrap();
    });
    assert_eq!(
        pull.ask(&Ask::get("/health")).status(),
        200,
        "the pull's connection goes on"
    );
    assert_eq!(idle.shown(), der(&first));
    assert_eq!(registry.connections(), 1);
    let log = docxy.log();
    assert!(
        !log.iter().any(|line| line.contains("stays in use")),
        "{log:?}"
    );
}

#[test]
fn a_broken_new_file_leaves_the_old_one_and_the_log_says_why() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (old, other) = (
        authority.leaf(&["localhost"]),
        authority.leaf(&["other.test"]),
    );
    let pair = old.write(directory.path(), "docxy");
    let docxy = start_with(&[pair.clone(), other.write(directory.path(), "other")], &[]);
    let new = authority.leaf(&["localhost"]);
    let expired = authority.leaf_with(&["localhost"], KeyPair::generate().unwrap(), |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let (sound_cert, sound_key) = (new.certificate.pem(), new.key.serialize_pem());
    let cases = [
        (
            sound_cert[..300].to_owned(),
            sound_key.clone(),
            "a section in it has no end",
        ),
        (String::new(), sound_key.clone(), "holds no certificate"),
        (
            sound_cert.clone(),
            sound_key[..60].to_owned(),
            "a section in it has no end",
        ),
        (
            sound_cert.clone(),
            old.key.serialize_pem(),
            "is not the key of the first certificate",
        ),
        (
            old.certificate.pem(),
            sound_key.clone(),
            "is not the key of the first certificate",
        ),
        (
            expired.certificate.pem(),
            expired.key.serialize_pem(),
            "has expired on 2020-01-01",
        ),
    ];
    let mut reloads = 0;
    let mut reload = |cert: &str, key: &str| {
        std::fs::write(&pair.0, cert).unwrap();
        std::fs::write(&pair.1, key).unwrap();
        // The watch may come first; then the signal finds the same once more.
        docxy.signal("HUP");
        reloads += 1;
        docxy.wait_for_lines("reloaded, as asked", reloads);
    };
    for (cert, key, why) in cases {
        reload(&cert, &key);
        let line = docxy.wait_for_line(why);
        assert!(
            line.contains("error=\"--tls-") && line.contains("; what was read before stays in use"),
            "{line}"
        );
        assert_eq!(shown(&docxy, &authority, "localhost"), der(&old), "{why}");
    }
    std::fs::remove_file(&pair.0).unwrap();
    let other = authority.leaf(&["other.test"]);
    other.write(directory.path(), "other");
    docxy.signal("HUP");
    docxy.wait_for_line("cannot be read: No such file");
    docxy.wait_for_lines("reloaded, as asked, 1 kept as before", 7);
    assert_eq!(
        shown(&docxy, &authority, "other.test"),
        der(&other),
        "one's fault is not the other's"
    );
    assert_eq!(shown(&docxy, &authority, "localhost"), der(&old));
    std::fs::write(&pair.0, sound_cert).unwrap();
    std::fs::write(&pair.1, sound_key).unwrap();
    docxy.wait_for_line("reloaded, files have changed");
    assert_eq!(shown(&docxy, &authority, "localhost"), der(&new));
}

/// Its time, which comes while the test runs.
const SOON: Duration = Duration::from_secs(12);

#[test]
fn a_certificate_of_the_future_is_shown_when_its_time_has_come() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let old = authority.leaf(&["localhost"]);
    let docxy = start_with(&[old.write(directory.path(), "docxy")], &[]);
    let from = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + SOON;
    let new = authority.leaf_with(&["localhost"], KeyPair::generate().unwrap(), |params| {
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + from;
    });
    new.write(directory.path(), "docxy");
    docxy.wait_for_line("is not valid before");
    docxy.wait_for_line("reloaded, files have changed, 1 kept as before");
    assert_eq!(shown(&docxy, &authority, "localhost"), der(&old));
    let said = docxy.wait_for_line("reloaded, at another try");
    assert!(!said.contains("kept"), "{said}");
    assert_eq!(shown(&docxy, &authority, "localhost"), der(&new));
    let log = docxy.log();
    let count = |part: &str| log.iter().filter(|line| line.contains(part)).count();
    let counts = (count("error="), count("reloaded, "));
    assert_eq!(counts, (1, 2), "once, however often it looks: {log:?}");
}

/// What Kubernetes does with a Secret: a new directory, and a link that is renamed over the old one.
fn publish(directory: &Path, version: &str, leaf: &Leaf) {
    let (new, link) = (directory.join(version), directory.join("..data"));
    std::fs::create_dir(&new).unwrap();
    leaf.write(&new, "tls");
    let next = directory.join("..next");
    symlink(version, &next).unwrap();
    std::fs::rename(next, link).unwrap();
}

#[test]
fn files_that_change_are_noticed_without_a_signal() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let directory = directory.path();
    let [first, second] = [(); 2].map(|()| authority.leaf(&["localhost"]));
    publish(directory, "..v1", &first);
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), directory.join(name)).unwrap();
    }
    let docxy = start_with(
        &[(directory.join("tls.crt"), directory.join("tls.key"))],
        &[],
    );
    assert_eq!(shown(&docxy, &authority, "localhost"), der(&first));
    publish(directory, "..v2", &second);
    docxy.wait_for_line("reloaded, files have changed");
    assert_eq!(shown(&docxy, &authority, "localhost"), der(&second));
    let log = docxy.log();
    assert!(!log.iter().any(|line| line.contains("error=")), "{log:?}");
}

#[test]
fn a_hangup_without_certificates_ends_nothing() {
    let docxy = crate::stand::start(&["--upstream", "reg.test=http://127.0.0.1:9"]);
    docxy.signal("HUP");
    docxy.wait_for_line("reloaded, as asked");
    assert_eq!(crate::stand::get(&docxy, "/health").status(), 200);
}
