//! Certificates by ACME, from `pebble`: the first, after a restart, renewed during pulls, and when things go wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::docxy::Docxy;
use super::door::Door;
use super::engines::containerd::Containerd;
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::forwarder::Forwarder;
use super::pebble::{PROGRAMS, Pebble};
use super::programs::{Running, begin, run};
use super::registry::{Registry, Setup, free_addr};
use super::store::large;

/// Longer than any test.
const LONG: u64 = 24 * 3600;

/// Renewed every twelve seconds; six more are left for a busy machine.
const SHORT: u64 = 18;

/// The layer takes forty seconds at this rate, and so outlives the certificate with which its connection began.
const RATE: usize = 1_250_000;

const NEW: &str = "ACME: new certificate for localhost, docxy.test, valid until ";

/// A docxy that is to come, its ACME server, and where it keeps what it gets.
struct Stand {
    pebble: Pebble,
    port: u16,
    state: tempfile::TempDir,
}

impl Stand {
    fn new(lifetime: u64) -> Stand {
        let port = free_addr().port();
        Stand::proving_at(port, port, lifetime)
    }

    /// docxy listens at one port, and the server looks at another.
    fn proving_at(port: u16, proof: u16, lifetime: u64) -> Stand {
        Stand {
            pebble: Pebble::start(proof, lifetime),
            port,
            state: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, upstream: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        command.args(["--listen", &format!("https://127.0.0.1:{}", self.port)]);
        command.args(["--upstream", upstream, "--acme-agree-tos"]);
        command.args(["--acme-domain", "localhost", "--acme-domain", "docxy.test"]);
        command.args([
            "--acme-directory",
            &self.pebble.url(),
            "--acme-email",
            "admin@docxy.test",
        ]);
        command.arg("--acme-ca").arg(self.pebble.server_root());
        command.arg("--state-dir").arg(self.state.path());
        command
    }

    fn docxy(&self, upstream: &str) -> Docxy {
        Docxy::start_with(&mut self.command(upstream))
    }

    fn door(&self) -> Door {
        Door {
            authority: format!("localhost:{}", self.port),
            ca: Some(self.pebble.issued_root()),
        }
    }

    /// The file whose name ends so.
    fn kept(&self, end: &str) -> PathBuf {
        let files = fs::read_dir(self.state.path()).unwrap();
        let mut paths = files.map(|file| file.unwrap().path());
        let found = paths.find(|path| path.to_str().unwrap().ends_with(end));
        found.unwrap_or_else(|| panic!("no file *{end}"))
    }

    /// The certificate that is shown now: its serial number, if it verifies by this root.
    fn shown(&self, root: &Path) -> Result<String, String> {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--fail",
            "--verbose",
            "--write-out",
            "%{certs}",
        ]);
        curl.arg("--cacert").arg(root.join("ca.crt"));
        let said = run(curl.arg(format!("https://localhost:{}/health", self.port)))?;
        let pem = said.split_once("-----BEGIN CERTIFICATE-----");
        pem.and_then(|(_, rest)| rest.split_once("-----END"))
            .map(|(pem, _)| pem.to_owned())
            .ok_or(said)
    }
}

fn registry() -> Registry {
    Setup::default().start(&large().root)
}

fn programs() -> Vec<&'static str> {
    [&["docker-registry", "skopeo", "curl"][..], &PROGRAMS].concat()
}

const NOWHERE: &str = "reg.test=http://127.0.0.1:9";

#[test]
fn the_first_certificate_serves_pulls_and_a_restart_orders_none() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let (registry, stand) = (registry(), Stand::new(LONG));
    let upstream = format!("origin.test={}", registry.url());
    let docxy = stand.docxy(&upstream);
    docxy.wait_for_line("ACME: ordering the first certificate");
    docxy.wait_for_line(NEW);
    let door = stand.door();
    skopeo::pull(Pull::new(&door, "lib/multi", &large().image)).unwrap();
    let (first, orders) = (
        stand.shown(&stand.pebble.issued_root()),
        stand.pebble.orders(),
    );
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(orders, 1);
    for file in ["account.json", "certificate.pem"] {
        assert_private(&stand.kept(file));
    }
    drop(docxy);
    let docxy = stand.docxy(&upstream);
    docxy.wait_for_line("ACME: the certificate for localhost, docxy.test is valid until ");
    assert_eq!(stand.shown(&stand.pebble.issued_root()), first);
    assert_eq!(stand.pebble.orders(), 1);
}

/// Each engine with nothing but the server's root; dockerd believes any certificate of localhost.
#[test]
fn every_engine_pulls_over_a_certificate_by_acme() {
    let engines = ["podman", "containerd", "ctr", "dockerd", "docker"];
    let Some(_turn) = begin(&[&programs()[..], &engines].concat()) else {
        return;
    };
    let (registry, stand) = (registry(), Stand::new(LONG));
    let docxy = stand.docxy(&format!("origin.test={}", registry.url()));
    docxy.wait_for_line(NEW);
    let door = stand.door();
    let pull = Pull::new(&door, "lib/multi", &large().image);
    Podman::new().pull(pull).unwrap();
    Containerd::start().pull(pull).unwrap();
    Docker::start(&[&door]).pull(pull).unwrap();
}

/// The server has no certificate to show, and needs none; a client does.
#[test]
fn client_certificates_do_not_stand_in_the_way() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let stand = Stand::new(LONG);
    let mut command = stand.command(NOWHERE);
    command.arg("--client-ca").arg(stand.pebble.server_root());
    let docxy = Docxy::start_with(&mut command);
    docxy.wait_for_line(NEW);
    let refused = stand.shown(&stand.pebble.issued_root()).unwrap_err();
    assert!(refused.contains("certificate required"), "{refused}");
}

fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", path.display());
}

/// One pull runs through at least two renewals, others begin and end meanwhile, and none sees anything of it.
#[test]
fn renewals_do_not_disturb_pulls() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let (registry, stand) = (registry(), Stand::new(SHORT));
    let slow = Forwarder::throttled(registry.addr(), RATE);
    let (slow, fast) = (
        format!("slow.test=http://{}", slow.addr()),
        format!("fast.test={}", registry.url()),
    );
    let mut command = stand.command(&slow);
    let docxy = Docxy::start_with(command.args(["--upstream", &fast]));
    docxy.wait_for_line(NEW);
    let (door, dir) = (stand.door(), tempfile::tempdir().unwrap());
    let long = Pull::new(&door, "lib/multi", &large().image);
    let mut long = Running::start(
        dir.path(),
        "skopeo",
        &mut skopeo::store_command(long, dir.path()),
    );
    let mut shown = vec![stand.shown(&stand.pebble.issued_root()).unwrap()];
    let mut renewals = 0;
    let has_ended = !long.wait_until(|_| {
        skopeo::pull(Pull::new(&door, "fast.test/lib/multi", &large().image)).unwrap();
        shown.push(stand.shown(&stand.pebble.issued_root()).unwrap());
        let news = docxy.log().iter().filter(|line| line.contains(NEW)).count();
        renewals = news - 1;
        false
    });
    assert!(has_ended);
    long.finish().unwrap();
    shown.dedup();
    assert!(renewals >= 2 && shown.len() >= 3, "{renewals} renewals");
}

/// Without its server docxy keeps what it has and says so. One that comes back without the account is told of the remedy.
#[test]
fn a_directory_that_is_down_leaves_the_old_certificate() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let mut stand = Stand::new(SHORT);
    let docxy = stand.docxy(NOWHERE);
    docxy.wait_for_line(NEW);
    let root = stand.pebble.issued_root();
    let first = stand.shown(&root).unwrap();
    stand.pebble.stop();
    let said = docxy.wait_for_line("ACME: no new certificate for localhost, docxy.test from ");
    assert!(
        said.contains("no connection") && said.contains("the old one stays, valid until "),
        "{said}"
    );
    assert_eq!(stand.shown(&root), Ok(first));
    assert!(stand.pebble.resume());
    let account = stand.kept("account.json");
    let said = docxy.wait_for_line("does not know the account");
    assert!(said.contains(account.to_str().unwrap()), "{said}");
    drop(docxy);
    fs::remove_file(account).unwrap();
    let docxy = stand.docxy(NOWHERE);
    docxy.wait_for_line(NEW);
    stand.shown(&stand.pebble.issued_root()).unwrap();
}

/// What cannot be kept is used all the same, and kept as soon as it can be.
#[test]
fn a_state_directory_that_is_gone_costs_no_certificate() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let stand = Stand::new(SHORT);
    let docxy = stand.docxy(NOWHERE);
    docxy.wait_for_line(NEW);
    let root = stand.pebble.issued_root();
    let first = stand.shown(&root).unwrap();
    fs::remove_dir_all(stand.state.path()).unwrap();
    fs::write(stand.state.path(), "in the way").unwrap();
    let said = docxy.wait_for_line("ACME: the new certificate is in use but not kept");
    assert!(said.contains(" cannot be made: "), "{said}");
    docxy.wait_for_lines(NEW, 2);
    assert_ne!(stand.shown(&root).unwrap(), first);
    fs::remove_file(stand.state.path()).unwrap();
    docxy.wait_for_line("certificate.pem, which could not be written, is now");
    assert_private(&stand.kept("certificate.pem"));
}

#[test]
fn without_a_first_certificate_there_is_an_alert_and_a_reason() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let mut stand = Stand::new(LONG);
    let root = stand.pebble.issued_root();
    stand.pebble.stop();
    let docxy = stand.docxy(NOWHERE);
    let said = docxy.wait_for_line("ACME: no new certificate for localhost, docxy.test from ");
    assert!(
        said.contains("no connection") && said.contains("TLS handshakes fail; next try in "),
        "{said}"
    );
    let refused = stand.shown(&root).unwrap_err();
    assert!(refused.contains("alert"), "{refused}");
    docxy.signal("TERM");
    assert_eq!(docxy.wait().0.code(), Some(0));
}

#[test]
fn a_challenge_that_fails_is_said_with_its_name() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let stand = Stand::proving_at(free_addr().port(), 9, LONG);
    let docxy = stand.docxy(NOWHERE);
    let said = docxy.wait_for_line("ACME: no new certificate for localhost, docxy.test from ");
    assert!(
        said.contains("localhost was not proved: Failed to connect") && said.contains("next try"),
        "{said}"
    );
}

#[test]
fn a_corrupt_file_is_named_and_stays() {
    let Some(_turn) = begin(&programs()) else {
        return;
    };
    let stand = Stand::new(LONG);
    stand.docxy(NOWHERE).wait_for_line(NEW);
    for end in ["account.json", "certificate.pem"] {
        let path = stand.kept(end);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let (status, said) = Docxy::spawn(&mut stand.command(NOWHERE)).wait();
        assert_eq!(status.code(), Some(1), "{said:#?}");
        let expected = format!("docxy: {} cannot be used: ", path.display());
        assert!(
            said.len() == 1 && said[0].starts_with(&expected) && said[0].contains("remove it"),
            "{said:#?}"
        );
        assert_eq!(fs::read(&path).unwrap(), &whole[..whole.len() / 2]);
        fs::write(&path, &whole).unwrap();
    }
    stand.docxy(NOWHERE).wait_for_line("is valid until ");
    assert_eq!(stand.pebble.orders(), 1);
}
