//! `pebble`, an ACME server for tests, with a DNS of its own that leads every name to 127.0.0.1.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificates::Authority;
use super::programs::{Running, run};
use super::registry::free_addr;

/// The programs of Debian's package.
pub(crate) const PROGRAMS: [&str; 2] = ["pebble", "pebble-challtestsrv"];

/// Between finding a free port and listening on it another process may take it.
const ATTEMPTS: usize = 5;

/// A running server.
pub(crate) struct Pebble {
    directory: SocketAddr,
    management: SocketAddr,
    dns: SocketAddr,
    authority: Authority,
    server: Option<Running>,
    names: Running,
    dir: tempfile::TempDir,
}

impl Pebble {
    /// Starts a server that proves names at this port of docxy's, and whose certificates live for so many seconds.
    ///
    /// # Panics
    /// If it does not come up.
    pub(crate) fn start(port: u16, lifetime: u64) -> Pebble {
        let found = (0..ATTEMPTS).find_map(|_| Pebble::try_start(port, lifetime));
        found.expect("pebble starts")
    }

    fn try_start(port: u16, lifetime: u64) -> Option<Pebble> {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path(), "pebble-ca");
        let [directory, management, dns] = [(); 3].map(|()| free_addr());
        configure(
            dir.path(),
            &authority,
            [directory, management],
            (port, lifetime),
        );
        let mut names = names(dir.path(), dns);
        if !names.wait_until(|names| names.log().contains("Starting management server")) {
            return None;
        }
        let mut pebble = Pebble {
            directory,
            management,
            dns,
            authority,
            server: None,
            names,
            dir,
        };
        let is_up = pebble.resume();
        // Without its port it stays, and answers nobody.
        let has_names = !pebble.names.log().contains("address already in use");
        (is_up && has_names).then_some(pebble)
    }

    /// Starts it again at the same addresses. It has forgotten everything, as pebble does.
    pub(crate) fn resume(&mut self) -> bool {
        let mut command = Command::new("pebble");
        command.env("PEBBLE_VA_NOSLEEP", "1");
        command.env("PEBBLE_WFE_NONCEREJECT", "0");
        // Every order proves its names anew.
        command.env("PEBBLE_AUTHZREUSE", "0");
        command
            .arg("-config")
            .arg(self.dir.path().join("pebble.json"));
        command.args(["-dnsserver", &self.dns.to_string()]);
        let mut server = Running::start(self.dir.path(), "pebble", &mut command);
        // It says that it is there before it listens, and ends if another process has the port.
        let is_up = server.wait_until(|_| run(self.curl().arg(self.url())).is_ok());
        self.server = Some(server);
        is_up
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// How many orders there have been.
    pub(crate) fn orders(&self) -> usize {
        let log = self.server.as_ref().map(Running::log).unwrap_or_default();
        log.matches("Added order").count()
    }

    /// The URL of its directory.
    pub(crate) fn url(&self) -> String {
        format!("https://{}/dir", self.directory)
    }

    /// The root by which the server itself is trusted.
    pub(crate) fn server_root(&self) -> PathBuf {
        self.authority.root()
    }

    /// A directory with the root of what it issues, in `ca.crt`.
    pub(crate) fn issued_root(&self) -> PathBuf {
        let dir = self.dir.path().join("issued");
        fs::create_dir_all(&dir).unwrap();
        let mut curl = self.curl();
        curl.arg("--output").arg(dir.join("ca.crt"));
        run(curl.arg(format!("https://{}/roots/0", self.management))).unwrap();
        dir
    }

    /// Asks the server, and nobody else who may listen there.
    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "10",
            "--cacert",
        ]);
        curl.arg(self.server_root());
        curl
    }
}

fn configure(
    dir: &Path,
    authority: &Authority,
    [directory, management]: [SocketAddr; 2],
    (port, lifetime): (u16, u64),
) {
    let leaf = authority.issue(dir, "pebble");
    let json = format!(
        r#"{{"pebble": {{"listenAddress": "{directory}", "managementListenAddress": "{management}",
        "certificate": {:?}, "privateKey": {:?},
        "httpPort": 9, "tlsPort": {port}, "certificateValidityPeriod": {lifetime}}}}}"#,
        leaf.cert, leaf.key
    );
    fs::write(dir.join("pebble.json"), json).unwrap();
}

fn names(dir: &Path, dns: SocketAddr) -> Running {
    let mut command = Command::new("pebble-challtestsrv");
    command.args([
        "-http01",
        "",
        "-https01",
        "",
        "-tlsalpn01",
        "",
        "-defaultIPv6",
        "",
    ]);
    command.args(["-dns01", &dns.to_string()]);
    command.args(["-management", &free_addr().to_string()]);
    Running::start(dir, "names", &mut command)
}
