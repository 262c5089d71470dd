//! https without a certificate: docxy makes its own, keeps it, hands out its CA, and loses nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, named};
use crate::wire::{Answer, Ask, Client, Server, tls};

const BINARY: &str = env!("CARGO_BIN_EXE_docxy");

/// One https listener, and nothing that is asked of the world.
const HTTPS: [&str; 4] = [
    "--listen",
    "https://127.0.0.1:0",
    "--upstream",
    "reg.test=http://127.0.0.1:9",
];

/// docxy with its state in `dir`.
fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(HTTPS).args(args).arg("--state-dir").arg(dir);
    command
}

fn start(dir: &Path, args: &[&str]) -> Docxy {
    Docxy::start_with(&mut command(dir, args))
}

/// `docxy ca` of the state in `dir`.
fn ca(dir: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["ca", "--state-dir"]).arg(dir);
    command
}

fn trusting(pem: &[u8]) -> Arc<ClientConfig> {
    Arc::new(tls::trusting(CertificateDer::from_pem_slice(pem).unwrap()))
}

/// The certificate that docxy shows to a client that trusts the CA in `dir`.
fn shown(docxy: &Docxy, dir: &Path) -> Vec<u8> {
    let ca = fs::read(dir.join("ca.crt")).unwrap();
    Client::connect_tls(docxy.addr(), trusting(&ca)).peer_certificate()
}

/// What a run that must end by itself printed, without warnings.
fn refused(command: &mut Command) -> String {
    let (status, lines) = Docxy::spawn(command).wait();
    assert_eq!(status.code(), Some(1), "{lines:?}");
    let lines: Vec<_> = lines
        .into_iter()
        .filter(|line| !line.contains("warning"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.concat()
}

fn warnings(docxy: &Docxy) -> Vec<String> {
    let lines = docxy.log().into_iter();
    lines.filter(|line| line.contains("warning")).collect()
}

#[test]
fn every_listener_hands_out_the_ca_that_its_certificate_is_under() {
    let registry = Server::start(|_| Answer::ok("manifest"));
    let dir = tempfile::tempdir().unwrap();
    let upstream = named("reg.test", &registry);
    let listen = ["--listen", "http://127.0.0.1:0", "--upstream", &upstream];
    let mut command = Command::new(BINARY);
    command.args(&HTTPS[..2]).args(listen);
    let docxy = Docxy::start_with(command.arg("--state-dir").arg(dir.path()));
    docxy.wait_for_lines("listening on ", 2);
    let [https, http] = docxy.listeners()[..] else {
        panic!("two listeners")
    };

    let plain = crate::wire::client::ask(http, &Ask::get("/ca.crt"));
    assert_eq!(plain.status(), 200);
    assert_eq!(
        plain.head.one("content-type"),
        Some("application/x-x509-ca-cert")
    );
    assert_eq!(plain.body, fs::read(dir.path().join("ca.crt")).unwrap());
    let mut client = Client::connect_tls(https, trusting(&plain.body));
    assert_eq!(client.ask(&Ask::get("/ca.crt")).body, plain.body);
    let head = client.ask(&Ask::head("/ca.crt"));
    assert_eq!(
        head.head.one("content-length"),
        Some(plain.body.len().to_string().as_str())
    );
    assert_eq!(client.ask(&Ask::get(MANIFEST)).text(), "manifest");
    assert_eq!(client.ask(&Ask::new("POST", "/ca.crt")).status(), 405);

    let mut printed = Command::new(BINARY);
    let printed = printed.arg("ca").env("DOCXY_STATE_DIR", dir.path());
    let printed = printed.output().unwrap();
    assert!(printed.status.success() && printed.stdout == plain.body);
}

#[test]
fn without_a_self_made_certificate_there_is_no_ca() {
    let docxy = crate::stand::start(&["--upstream", "reg.test=http://127.0.0.1:9"]);
    let response = crate::stand::get(&docxy, "/ca.crt");
    assert_eq!(response.status(), 404);
    let dir = tempfile::tempdir().unwrap();
    for dir in [dir.path(), Path::new("/nowhere")] {
        let line = refused(&mut ca(dir));
        assert!(
            line.contains(dir.to_str().unwrap()) && line.contains("--state-dir"),
            "{line}"
        );
    }
}

#[test]
fn a_restart_keeps_ca_and_certificate_and_new_names_change_the_certificate_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("made/for/it");
    let first = start(&state, &["--tls-name", "pull.example"]);
    let (certificate, ca) = (
        shown(&first, &state),
        fs::read(state.join("ca.crt")).unwrap(),
    );
    drop(first);

    let again = start(&state, &["--tls-name", "pull.example"]);
    assert!(shown(&again, &state) == certificate);
    drop(again);

    let renamed = start(
        &state,
        &["--tls-name", "pull.example", "--tls-name", "192.0.2.7"],
    );
    assert!(shown(&renamed, &state) != certificate);
    assert_eq!(fs::read(state.join("ca.crt")).unwrap(), ca);
    renamed.wait_for_line("names or addresses of docxy have changed");
    renamed.wait_for_line("for pull.example, 192.0.2.7, 127.0.0.1");
    for name in ["ca.key", "leaf.pem"] {
        let mode = fs::metadata(state.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_start_says_where_the_ca_goes() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--public-url", "https://pull.example:8443"];
    let docxy = start(dir.path(), &args);
    for part in [
        &format!("its CA is {}/ca.crt, SHA-256 ", dir.path().display()),
        "curl -k -o docxy-ca.crt https://pull.example:8443/ca.crt",
        "openssl x509 -in docxy-ca.crt -noout -fingerprint -sha256",
        "/etc/docker/certs.d/pull.example:8443/ca.crt",
        "/etc/containers/certs.d/pull.example:8443/ca.crt",
        "hosts.toml",
        "registries.yaml",
        "--tls-name",
    ] {
        docxy.wait_for_line(part);
    }
    assert_eq!(warnings(&docxy), [""; 0]);
}

#[test]
fn nowhere_to_write_is_memory_and_a_warning() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for dir in [Path::new("/proc/nowhere"), file.path()] {
        let docxy = start(dir, &["--listen", "http://127.0.0.1:0"]);
        docxy.wait_for_lines("listening on ", 2);
        let said = warnings(&docxy);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("--state-dir") && said[0].contains(dir.to_str().unwrap()),
            "{said:?}"
        );
        let ca = crate::wire::client::ask(docxy.listeners()[1], &Ask::get("/ca.crt"));
        let mut client = Client::connect_tls(docxy.addr(), trusting(&ca.body));
        assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    }
    // No directory at all: neither flag nor home.
    let mut command = Command::new(BINARY);
    command.args(HTTPS).env_remove("DOCXY_STATE_DIR");
    for name in ["STATE_DIRECTORY", "XDG_STATE_HOME"] {
        command.env(name, "/proc/nowhere");
    }
    assert_eq!(warnings(&Docxy::start_with(&mut command)).len(), 1);
}

#[test]
fn what_is_damaged_is_named_and_left_as_it_is() {
    for (name, bytes, named) in [
        ("ca.key", &b"not a key"[..], "ca.key"),
        ("ca.crt", b"not a certificate", "ca.crt"),
        ("ca.crt", b"", "ca.crt"),
        ("version", b"2\n", "--state-dir"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        drop(start(dir.path(), &[]));
        fs::write(dir.path().join(name), bytes).unwrap();
        let line = refused(&mut command(dir.path(), &[]));
        assert!(
            line.contains(named) && line.contains(dir.path().to_str().unwrap()),
            "{line}"
        );
        assert_eq!(line, refused(&mut ca(dir.path())));
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), bytes);
    }
}

#[test]
fn no_other_file_is_printed_as_the_ca() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&dir, &other] {
        drop(start(dir.path(), &[]));
    }
    let (key, certificate) = (dir.path().join("ca.key"), dir.path().join("ca.crt"));
    for foreign in [&other.path().join("ca.crt"), &key] {
        fs::copy(foreign, &certificate).unwrap();
        let line = refused(&mut ca(dir.path()));
        assert!(
            line.contains("ca.crt is not what docxy made for ca.key"),
            "{line}"
        );
        assert_eq!(line, refused(&mut command(dir.path(), &[])));
    }
    fs::remove_file(&key).unwrap();
    let line = refused(&mut ca(dir.path()));
    assert!(line.contains("ca.key is missing"), "{line}");
    fs::remove_file(&certificate).unwrap();
    fs::remove_dir_all(other.path()).unwrap();
    fs::write(other.path(), "").unwrap();
    for (dir, why) in [(&dir, "there is no CA in"), (&other, "--state-dir")] {
        let line = refused(&mut ca(dir.path()));
        assert!(
            line.contains(why) && line.contains(dir.path().to_str().unwrap()),
            "{line}"
        );
    }
    assert!(!key.exists(), "nothing is made");
    fs::remove_file(other.path()).unwrap();
}

/// The same command without the right to pass over permissions, which root has.
fn powerless(command: &Command) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--bounding-set=-all", "--inh-caps=-all"]);
    setpriv.arg(command.get_program()).args(command.get_args());
    setpriv
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn permissions_that_are_wrong_are_named() {
    let dir = tempfile::tempdir().unwrap();
    drop(start(dir.path(), &[]));
    let (key, ca) = (dir.path().join("ca.key"), dir.path().join("ca.crt"));
    let certificate = fs::read(&ca).unwrap();

    set_mode(&key, 0o644);
    let open = start(dir.path(), &[]);
    let said = warnings(&open).concat();
    assert!(
        said.contains("chmod 600") && said.contains("ca.key"),
        "{said}"
    );
    drop(open);

    set_mode(&key, 0o000);
    let line = refused(&mut powerless(&command(dir.path(), &[])));
    assert!(
        line.contains("ca.key") && line.contains("--state-dir"),
        "{line}"
    );
    set_mode(&key, 0o600);

    // Closed to writing: what is there is used, what is new is not kept.
    set_mode(dir.path(), 0o500);
    let kept = Docxy::start_with(&mut powerless(&command(dir.path(), &[])));
    assert_eq!(warnings(&kept), [""; 0]);
    let renamed = powerless(&command(dir.path(), &["--tls-name", "other.example"]));
    let renamed = Docxy::start_with(&mut { renamed });
    assert_eq!(warnings(&renamed).len(), 1);
    assert!(shown(&kept, dir.path()) != shown(&renamed, dir.path()));
    set_mode(dir.path(), 0o700);
    assert_eq!(fs::read(&ca).unwrap(), certificate);

    // Closed altogether: another CA, and the one that is there stays.
    set_mode(dir.path(), 0o000);
    let closed = Docxy::start_with(&mut powerless(&command(dir.path(), &[])));
    let said = warnings(&closed).concat();
    assert!(
        said.contains("memory") && said.contains("--state-dir"),
        "{said}"
    );
    set_mode(dir.path(), 0o700);
    assert_eq!(fs::read(&ca).unwrap(), certificate);
}

/// Runs docxy where `dir` is a file system of two blocks, after a script in it. Nothing of it is left behind.
fn on_a_small_disk(dir: &Path, script: &str, args: &[&str]) -> Docxy {
    let inner = command(dir, args);
    let script = format!(
        "set -e; cp -r \"$DIR\" \"$COPY\"; mount -t tmpfs -o size=64k,mode=700 none \"$DIR\"; {script}; exec \"$@\""
    );
    let mut unshare = Command::new("unshare");
    let whole = ["--mount", "--map-root-user", "sh", "-c", &script, "sh"];
    unshare.args(whole).env("DIR", dir);
    unshare.env("COPY", dir.with_extension("copy"));
    unshare.arg(inner.get_program()).args(inner.get_args());
    Docxy::start_with(&mut unshare)
}

/// Whether a file system can be mounted where nobody else sees it.
///
/// # Panics
/// If not, with `CI=true`: a skipped test would hide something.
fn can_mount() -> bool {
    let probe = [
        "--mount",
        "--map-root-user",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/mnt",
    ];
    let can = Command::new("unshare").args(probe).status();
    let can = can.is_ok_and(|status| status.success());
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(can || !required, "unshare --mount is not permitted");
    can
}

#[test]
fn a_full_disk_loses_nothing() {
    if !can_mount() {
        eprintln!("SKIPPED: unshare --mount is not permitted");
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let fill = "dd if=/dev/zero of=\"$DIR/full\" bs=4k 2>/dev/null || true";

    // Full from the start: in memory.
    let dir = parent.path().join("new");
    fs::create_dir(&dir).unwrap();
    let docxy = on_a_small_disk(&dir, fill, &[]);
    let said = warnings(&docxy).concat();
    assert!(
        said.contains("memory") && said.contains("No space left") && said.contains("--state-dir"),
        "{said}"
    );
    drop(docxy);

    // Full later: the CA is used, and a new leaf is not kept.
    let dir = parent.path().join("old");
    drop(start(&dir, &[]));
    let restore = format!("cp -p \"$COPY\"/* \"$DIR\"; {fill}");
    let docxy = on_a_small_disk(&dir, &restore, &["--tls-name", "other.example"]);
    let said = warnings(&docxy).concat();
    assert!(
        said.contains("in memory only") && !said.contains("the CA is"),
        "{said}"
    );
    shown(&docxy, &dir);
}
