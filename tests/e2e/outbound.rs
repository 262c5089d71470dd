//! Pulls through proxies of Debian's: tinyproxy by CONNECT and microsocks by SOCKS5, from a registry with tokens and a CDN, all
//! under TLS.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::docxy::Docxy;
use super::door::Door;
use super::engines::{Pull, skopeo};
use super::origin::{Kind, Origin};
use super::programs::{Running, begin};
use super::registry::free_addr;
use super::store::large;

/// Between finding a free port and listening on it another process may take it.
const ATTEMPTS: usize = 5;

const USER: &str = "docxy";
const PASSWORD: &str = "s3cret";

/// A proxy that wants a login, and the URL at which it listens.
struct Proxy {
    server: Running,
    scheme: &'static str,
    addr: SocketAddr,
}

impl Proxy {
    fn start(
        dir: &Path,
        scheme: &'static str,
        command: impl Fn(&Path, SocketAddr) -> Command,
    ) -> Proxy {
        for _ in 0..ATTEMPTS {
            let addr = free_addr();
            let mut server = Running::start(dir, "proxy", &mut command(dir, addr));
            if server.wait_until(|_| TcpStream::connect(addr).is_ok()) {
                return Proxy {
                    server,
                    scheme,
                    addr,
                };
            }
        }
        panic!("the proxy does not start");
    }

    /// docxy before the registry, with this login at the proxy, as a variable has it.
    fn docxy(&self, origin: &Origin, login: &str) -> (Docxy, Door) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        command.args(["--listen", "127.0.0.1:0"]);
        command.args(origin.docxy_args());
        let url = format!("{}://{login}{}", self.scheme, self.addr);
        let docxy = Docxy::start_with(command.env("DOCXY_UPSTREAM_PROXY", url));
        let door = Door {
            authority: docxy.addr().to_string(),
            ca: None,
        };
        (docxy, door)
    }
}

fn tinyproxy(dir: &Path, addr: SocketAddr) -> Command {
    let file = dir.join("tinyproxy.conf");
    let text = format!(
        "Listen 127.0.0.1\nPort {}\nTimeout 60\nAllow 127.0.0.1\nLogLevel Connect\nBasicAuth {USER} {PASSWORD}\n",
        addr.port()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(file);
    command
}

fn microsocks(_: &Path, addr: SocketAddr) -> Command {
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-p", &addr.port().to_string()]);
    command.args(["-u", USER, "-P", PASSWORD]);
    command
}

/// Pulls everything, all of it through the proxy; without a login, or with a wrong one, nothing comes.
fn pull_through(proxy: &Proxy) {
    let origin = Origin::start(Kind::World);
    let login = format!("{USER}:{PASSWORD}@");
    let (docxy, door) = proxy.docxy(&origin, &login);
    skopeo::pull(Pull::new(&door, "lib/multi", &large().image)).unwrap();
    origin.assert_cdn_saw_no_credentials();
    let said = proxy.server.log();
    let cdn = origin.cdn.as_ref().unwrap().base_url();
    let cdn = cdn.trim_start_matches("https://").trim_end_matches('/');
    for host in [&origin.registry.addr().to_string(), cdn] {
        let port = host.rsplit(':').next().unwrap();
        assert!(
            said.contains(port),
            "the proxy was not asked for {host}:\n{said}"
        );
    }
    assert!(!docxy.log().join("\n").contains("s3cret"));
    for login in ["", "docxy:wrong@"] {
        let (docxy, door) = proxy.docxy(&origin, login);
        skopeo::pull(Pull::new(&door, "lib/multi", &large().image)).unwrap_err();
        docxy.wait_for_line(if login.is_empty() {
            "wants credentials"
        } else {
            "does not take docxy's credentials"
        });
    }
}

#[test]
fn a_pull_through_tinyproxy() {
    let programs = ["docker-registry", "openssl", "skopeo", "tinyproxy"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(dir.path(), "http", tinyproxy);
    pull_through(&proxy);
}

#[test]
fn a_pull_through_microsocks() {
    let programs = ["docker-registry", "openssl", "skopeo", "microsocks"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(dir.path(), "socks5", microsocks);
    pull_through(&proxy);
}
