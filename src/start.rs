//! From a configuration to what runs: sockets bound, certificates loaded, the shared state put together.

use std::env;
use std::error::Error;
use std::fmt;
use std::net::TcpListener;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::acme::renewal::Acme;
use crate::config::Config;
use crate::http::uri::Scheme;
use crate::log::Log;
use crate::proxy::{Proxy, Shared};
use crate::realm::Realms;
use crate::state::{self, StateDir};
use crate::stop::{self, Stop, Stopper};
use crate::tls::accept::TlsAcceptor;
use crate::tls::store::{CertSet, CertStore};
use crate::tls::{self, PemFile};
use crate::upstream::Client;
use crate::worker::Worker;

/// A listener that is bound but not served yet.
pub struct Bound {
    /// The socket, which does not block.
    pub tcp: TcpListener,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsAcceptor>,
    /// What is spoken there.
    pub scheme: Scheme,
}

/// An https listener without a certificate.
#[derive(Debug)]
struct NoCertificate {
    port: u16,
}

impl fmt::Display for NoCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        write!(
            f,
            "port {port} is to speak https without a certificate; give one with --tls-cert and --tls-key"
        )?;
        write!(f, ", or write --listen http://ADDR:{port} for plain HTTP")
    }
}

impl Error for NoCertificate {}

/// Lets docxy have as many descriptors as it may: each transfer takes two, and the usual soft limit is 1024.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where this fails the limit stays as it was, and connections wait when it is reached.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

/// Reads what ACME has kept, if it is to be used. What it gets has to be kept: servers limit how often they give it.
pub fn acme(config: &Config) -> Result<Option<Acme>, Box<dyn Error>> {
    let Some(settings) = config.acme.clone() else {
        return Ok(None);
    };
    let path = config
        .state_dir
        .clone()
        .or_else(|| state::default_path(|name| env::var(name).ok(), || geteuid().is_root()));
    let path = path.ok_or("ACME keeps its account and certificate; say where with --state-dir")?;
    let state = StateDir::open(&path).map_err(|error| {
        format!("--state-dir: {error}; name a directory that docxy may write to")
    })?;
    Acme::prepare(settings, state, config.timeouts).map(Some)
}

/// Loads the certificate and binds all listeners.
pub fn bind(config: &Config, acme: Option<&Acme>) -> Result<Vec<Bound>, Box<dyn Error>> {
    let acceptor = match &config.certificate {
        Some((cert, key)) => {
            let (cert, key) = (pem_file("tls-cert", cert), pem_file("tls-key", key));
            let set = CertSet::new(tls::certified_key(cert, key)?);
            Some(TlsAcceptor::from(tls::of_listeners(Arc::new(
                CertStore::new(set),
            ))?))
        }
        None => acme.map(Acme::acceptor).transpose()?,
    };
    let mut bound = Vec::new();
    for listen in &config.listen {
        let scheme = config.scheme(listen);
        let tls = match scheme {
            Scheme::Http => None,
            Scheme::Https => Some(
                acceptor
                    .clone()
                    .ok_or(NoCertificate { port: listen.port })?,
            ),
        };
        for tcp in listen.bind(&config.listen)? {
            bound.push(Bound {
                tcp,
                tls: tls.clone(),
                scheme,
            });
        }
    }
    Ok(bound)
}

/// Workers that run, and how to stop them.
#[derive(Debug)]
pub struct Running {
    /// The workers.
    pub workers: Vec<Worker>,
    /// Stops them.
    pub stopper: Stopper,
    /// Tells whether they are to stop.
    pub stop: Stop,
    /// Where things are said.
    pub log: Log,
}

/// Puts together what all workers share and starts one for each core.
pub fn workers(config: Config) -> Result<Running, Box<dyn Error>> {
    let roots = config.upstream_ca.as_deref();
    let tls = tls::towards_upstreams(roots.map(|path| pem_file("upstream-ca", path)))?;
    let name = u64::from_ne_bytes(tls::random()?);
    let timeouts = config.timeouts;
    let log = Log::new(config.log);
    let shared = Arc::new(Shared {
        realms: Realms::new(config.table.ids().count()),
        table: config.table,
        allow: config.allow,
        allow_client: config.allow_client,
        public_url: config.public_url,
        via: format!("docxy-{name:016x}"),
        timeouts,
        log,
    });
    let (stopper, stop) = stop::channel();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let start = |_| {
        let client = Arc::new(Client::new(Arc::clone(&tls), timeouts, cores));
        Worker::start(
            Proxy {
                shared: Arc::clone(&shared),
                client,
            },
            stop.clone(),
        )
    };
    let workers = (0..cores).map(start).collect::<Result<_, _>>()?;
    Ok(Running {
        workers,
        stopper,
        stop,
        log,
    })
}

fn pem_file<'a>(flag: &'static str, path: &'a Path) -> PemFile<'a> {
    PemFile { flag, path }
}
