//! The proxies that are compared, and how each is started.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread::available_parallelism;

use crate::client;
use crate::origin::{Origin, free_address};
use crate::process::Process;
use crate::route::{Route, Scheme};
use crate::site::Site;

/// One of the proxies under test.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// As in the table.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a proxy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// docxy, at this path.
    Docxy(PathBuf),
    /// nginx, by `nginx.conf`.
    Nginx,
    /// HAProxy, by `haproxy.cfg`.
    Haproxy,
    /// The bare relay of [`crate::relay`].
    Relay,
}

/// A proxy that answers; stopped when dropped.
pub(crate) struct Running {
    /// Where clients reach it.
    pub(crate) address: SocketAddr,
    /// What it speaks with them.
    pub(crate) scheme: Scheme,
    process: Process,
}

impl Running {
    /// Its process, whose children belong to it.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

impl Proxy {
    /// Starts it and waits until it answers with the right manifest.
    pub(crate) fn start(
        &self,
        site: &Site,
        origin: &Origin,
        route: Route,
    ) -> Result<Running, String> {
        let (address, mut command) = self.command(site, origin, route)?;
        self.run(site, address, &mut command, route)
    }

    /// Starts docxy with a configuration file in which everything is set, as [`Proxy::start`] does.
    pub(crate) fn start_whole(
        &self,
        site: &Site,
        origin: &Origin,
        route: Route,
    ) -> Result<Running, String> {
        let Kind::Docxy(path) = &self.kind else {
            return Err(format!("{} reads no such file", self.name));
        };
        let at = free_address()?;
        let mut command = Command::new(path);
        command
            .arg("--config")
            .arg(whole_file(site, at, origin.address(route.upstream), route)?);
        self.run(site, at, &mut command, route)
    }

    /// The second half of [`Proxy::start`].
    pub(crate) fn run(
        &self,
        site: &Site,
        address: SocketAddr,
        command: &mut Command,
        route: Route,
    ) -> Result<Running, String> {
        let log = site.file(&format!("{}-{}.out", self.name, address.port()));
        let mut process = Process::start(command, log)?;
        client::wait_for_manifest(site, address, route.client, &mut process)?;
        Ok(Running {
            address,
            scheme: route.client,
            process,
        })
    }

    /// How it is started, and where it will listen.
    pub(crate) fn command(
        &self,
        site: &Site,
        origin: &Origin,
        route: Route,
    ) -> Result<(SocketAddr, Command), String> {
        let at = free_address()?;
        let origin = origin.address(route.upstream);
        let command = match &self.kind {
            Kind::Docxy(path) => docxy(Command::new(path), site, at, origin, route),
            Kind::Nginx => nginx(site, at, origin, route)?,
            Kind::Haproxy => haproxy(site, at, origin, route)?,
            Kind::Relay => relay(site, at, origin, route)?,
        };
        Ok((at, command))
    }
}

impl Proxy {
    /// Size of its executable file in bytes; what libraries it loads is beside that.
    pub(crate) fn executable_size(&self) -> Result<f64, String> {
        let name = match &self.kind {
            Kind::Docxy(path) => path.clone(),
            Kind::Nginx => in_path("nginx"),
            Kind::Haproxy => in_path("haproxy"),
            Kind::Relay => std::env::current_exe().map_err(|error| error.to_string())?,
        };
        let file = fs::metadata(&name).map_err(|error| format!("{}: {error}", name.display()))?;
        Ok(file.len() as f64)
    }
}

fn in_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|dir| dir.join(program));
    files
        .find(|file| file.is_file())
        .unwrap_or_else(|| program.into())
}

fn docxy(
    mut command: Command,
    site: &Site,
    at: SocketAddr,
    origin: SocketAddr,
    route: Route,
) -> Command {
    let [client, upstream] = [route.client.name(), route.upstream.scheme().name()];
    command
        .args(["--log", "off", "--drain", "0s"])
        .arg(format!("--listen={client}://{at}"))
        .arg(format!("--upstream=docker.io={upstream}://{origin}"))
        .args(["--upstream-ca".into(), site.file("cert.pem")])
        .args(["--state-dir".into(), site.file("state")]);
    if route.client == Scheme::Tls {
        command
            .args(["--tls-cert".into(), site.file("cert.pem")])
            .args(["--tls-key".into(), site.file("key.pem")]);
    }
    command
}

/// `docxy.toml`, with a password that nobody asks for.
fn whole_file(
    site: &Site,
    at: SocketAddr,
    origin: SocketAddr,
    route: Route,
) -> Result<PathBuf, String> {
    let password = site.file("password");
    fs::write(&password, "password").map_err(|error| error.to_string())?;
    let words = [
        ("SCHEME", route.client.name()),
        ("LISTEN", &*at.to_string()),
        ("ORIGIN", &*origin.to_string()),
        ("PASSWORD", &*password.to_string_lossy()),
    ];
    configure(site, "docxy.toml", at, &words)
}

fn nginx(site: &Site, at: SocketAddr, origin: SocketAddr, route: Route) -> Result<Command, String> {
    let listen = match route.client {
        Scheme::Plain => at.to_string(),
        Scheme::Tls => format!("{at} ssl"),
    };
    let words = [
        ("SCHEME", route.upstream.scheme().name()),
        ("LISTEN", &listen),
        ("ORIGIN", &origin.to_string()),
    ];
    let path = configure(site, "nginx.conf", at, &words)?;
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c"]).arg(path);
    Ok(command)
}

fn haproxy(
    site: &Site,
    at: SocketAddr,
    origin: SocketAddr,
    route: Route,
) -> Result<Command, String> {
    let scratch = site.dir().display();
    let listen = match route.client {
        Scheme::Plain => at.to_string(),
        Scheme::Tls => format!("{at} ssl crt {scratch}/both.pem"),
    };
    let server = match route.upstream.scheme() {
        Scheme::Plain => origin.to_string(),
        Scheme::Tls => format!("{origin} ssl verify required ca-file {scratch}/cert.pem"),
    };
    let words = [("LISTEN", &*listen), ("ORIGIN", &*server)];
    let path = configure(site, "haproxy.cfg", at, &words)?;
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(path);
    Ok(command)
}

/// This program itself, as [`crate::relay`].
fn relay(site: &Site, at: SocketAddr, origin: SocketAddr, route: Route) -> Result<Command, String> {
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(itself);
    command
        .arg("relay")
        .args([at.to_string(), origin.to_string()])
        .args([route.client.name(), route.upstream.scheme().name()])
        .arg(site.dir());
    Ok(command)
}

fn configure(
    site: &Site,
    template: &str,
    at: SocketAddr,
    words: &[(&str, &str)],
) -> Result<PathBuf, String> {
    let (port, cores) = (at.port().to_string(), cores().to_string());
    let words = [words, &[("PORT", &port), ("CORES", &cores)]].concat();
    site.configure(template, &format!("{port}-{template}"), &words)
}

/// How many cores there are for everything: origin, load and proxy.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}
