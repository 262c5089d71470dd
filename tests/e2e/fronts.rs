//! The programs that stand in front of docxy, each set up by its recipe in `deploy/recipes` with nothing changed but
//! addresses and files.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::certificates::{Authority, Identity};
use super::door::Door;
use super::forwarder::Forwarder;
use super::programs::Running;
use super::registry::free_addr;

/// The address from which all clients come: another one than that from which the programs speak to docxy.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Where the files of a test lie, and its authority.
pub(crate) struct Workshop {
    authority: Authority,
    leaf: Identity,
    dir: TempDir,
}

/// A running front.
pub(crate) struct Front {
    /// The way to it, from [`CLIENT`].
    pub(crate) door: Door,
    _clients: Forwarder,
    _server: Running,
}

impl Workshop {
    /// A directory with an authority and one certificate.
    pub(crate) fn new() -> Workshop {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path(), "front-ca");
        let leaf = authority.issue(dir.path(), "front");
        Workshop {
            authority,
            leaf,
            dir,
        }
    }

    /// The certificate and its key, as docxy's flags.
    pub(crate) fn tls_flags(&self) -> [&str; 4] {
        let [cert, key] = [&self.leaf.cert, &self.leaf.key].map(|path| path.to_str().unwrap());
        ["--tls-cert", cert, "--tls-key", key]
    }

    /// nginx before docxy at `docxy`.
    pub(crate) fn nginx(&self, docxy: SocketAddr) -> Front {
        let addr = free_addr();
        let at = self.dir.path().display();
        let [cert, key] = [&self.leaf.cert, &self.leaf.key].map(|path| path.display());
        let recipe = recipe(
            "nginx.conf",
            &[
                ("server 127.0.0.1:5000;", &format!("server {docxy};")),
                ("listen 443 ssl;", &format!("listen {addr} ssl;")),
                ("/etc/nginx/docxy.crt", &cert.to_string()),
                ("/etc/nginx/docxy.key", &key.to_string()),
            ],
        );
        self.write("docxy.conf", &recipe);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let main = format!(
            "user root;\ndaemon off;\npid {at}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}include {at}/docxy.conf;\n}}\n"
        );
        let main = self.write("nginx.conf", &main);
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", "stderr", "-c"]).arg(main);
        self.start(addr, "nginx", &mut nginx)
    }

    /// HAProxy by one of its recipes, with these further changes.
    pub(crate) fn haproxy(&self, name: &str, changes: &[(&str, &str)]) -> Front {
        let addr = free_addr();
        let pem = [&self.leaf.cert, &self.leaf.key].map(|path| std::fs::read(path).unwrap());
        let pem = self.write("docxy.pem", pem.concat());
        let bind = format!("bind {addr}");
        let text = recipe(name, &[&[("bind :443", &*bind)], changes].concat());
        let text = text.replace("/etc/haproxy/docxy.pem", pem.to_str().unwrap());
        let config = self.write("haproxy.cfg", text);
        let mut haproxy = Command::new("haproxy");
        haproxy.args(["-db", "-f"]).arg(config);
        self.start(addr, "haproxy", &mut haproxy)
    }

    /// Caddy before docxy at `docxy`, with a certificate of the test's instead of one from the world.
    pub(crate) fn caddy(&self, docxy: SocketAddr) -> Front {
        let addr = free_addr();
        let [cert, key] = [&self.leaf.cert, &self.leaf.key].map(|path| path.display());
        let site = format!("https://{addr} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}");
        let recipe = recipe(
            "Caddyfile",
            &[
                (
                    "reverse_proxy 127.0.0.1:5000",
                    &format!("reverse_proxy {docxy}"),
                ),
                ("docxy.example {", &site),
            ],
        );
        let global = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n";
        let config = self.write("Caddyfile", format!("{global}{recipe}"));
        let mut caddy = Command::new("caddy");
        caddy.env("HOME", self.dir.path());
        caddy
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(config);
        self.start(addr, "caddy", &mut caddy)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn start(&self, addr: SocketAddr, name: &str, command: &mut Command) -> Front {
        let mut server = Running::start(self.dir.path(), name, command);
        let up = server.wait_until(|_| TcpStream::connect(addr).is_ok());
        assert!(up, "{name} does not start:\n{}", server.log());
        let clients = Forwarder::from_address(CLIENT.into(), addr);
        let door = Door {
            authority: clients.addr().to_string(),
            ca: Some(self.authority.dir().to_owned()),
        };
        Front {
            door,
            _clients: clients,
            _server: server,
        }
    }
}

/// A recipe with these parts, each of which has to be in it, replaced.
fn recipe(name: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/recipes")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    // The head of a recipe is a comment, which names the same addresses.
    let start = text.find("\n\n").unwrap();
    changes
        .iter()
        .fold(text[start..].to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{name} has no {old:?}");
            text.replace(old, new)
        })
}
