//! `docker-registry` over a storage directory: plain, with TLS, with tokens, with a CDN.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use super::cdn::Cdn;
use super::certificates::Authority;
use super::door::Door;
use super::programs::Running;
use super::tokens::{ISSUER, SERVICE, TokenServer};

/// Between finding a free port and listening on it another process may take it.
const ATTEMPTS: usize = 5;

/// How a registry is to be set up; all of it may be combined.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setup<'a> {
    pub(crate) tls: Option<&'a Authority>,
    pub(crate) tokens: Option<&'a TokenServer>,
    /// A file of `htpasswd`, for a registry that wants passwords themselves.
    pub(crate) users: Option<&'a Path>,
    pub(crate) cdn: Option<&'a Cdn>,
}

/// A running registry.
pub(crate) struct Registry {
    addr: SocketAddr,
    /// Whose root a client of this registry needs.
    ca: Option<std::path::PathBuf>,
    _server: Running,
    _dir: tempfile::TempDir,
}

impl<'a> Setup<'a> {
    /// HTTP, and tokens of that server.
    pub(crate) fn with_tokens(tokens: &'a TokenServer) -> Setup<'a> {
        Setup {
            tokens: Some(tokens),
            ..Setup::default()
        }
    }

    /// Starts a registry that serves `storage`.
    ///
    /// # Panics
    /// With its log, if it does not come up.
    pub(crate) fn start(&self, storage: &Path) -> Registry {
        let dir = tempfile::tempdir().unwrap();
        let mut log = String::new();
        for _ in 0..ATTEMPTS {
            let addr = free_addr();
            let file = dir.path().join("registry.yml");
            std::fs::write(&file, self.configuration(dir.path(), storage, addr)).unwrap();
            let mut command = Command::new("docker-registry");
            let mut server =
                Running::start(dir.path(), "registry", command.arg("serve").arg(&file));
            let listening = format!("listening on {addr}");
            if server.wait_until(|server| server.log().contains(&listening)) {
                let ca = self.tls.map(|authority| authority.dir().to_owned());
                return Registry {
                    addr,
                    ca,
                    _server: server,
                    _dir: dir,
                };
            }
            log = server.log();
        }
        panic!("docker-registry does not start:\n{log}");
    }

    fn configuration(&self, dir: &Path, storage: &Path, addr: SocketAddr) -> String {
        let mut yaml = format!(
            "version: 0.1\nlog: {{level: info}}\nhttp:\n  addr: {addr}\n  secret: of-the-tests\n"
        );
        if let Some(authority) = self.tls {
            let leaf = authority.issue(dir, "registry");
            let (cert, key) = (leaf.cert.display(), leaf.key.display());
            yaml.push_str(&format!("  tls: {{certificate: {cert}, key: {key}}}\n"));
        }
        yaml.push_str(&format!(
            "storage: {{filesystem: {{rootdirectory: {}}}}}\n",
            storage.display()
        ));
        if let Some(tokens) = self.tokens {
            let (realm, root) = (tokens.realm(), tokens.certificate().display());
            yaml.push_str(&format!(
                "auth: {{token: {{realm: '{realm}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {root}}}}}\n"
            ));
        }
        if let Some(users) = self.users {
            let users = users.display();
            yaml.push_str(&format!(
                "auth: {{htpasswd: {{realm: registry.test, path: {users}}}}}\n"
            ));
        }
        if let Some(cdn) = self.cdn {
            yaml.push_str(&format!(
                "middleware: {{storage: [{{name: redirect, options: {{baseurl: '{}'}}}}]}}\n",
                cdn.base_url()
            ));
        }
        yaml
    }
}

impl Registry {
    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL for `--upstream`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// The way to it without docxy between.
    pub(crate) fn door(&self) -> Door {
        Door {
            authority: self.addr.to_string(),
            ca: self.ca.clone(),
        }
    }
}

/// An address of loopback on which nothing listens now.
pub(crate) fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
