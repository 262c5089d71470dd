//! By what the workers serve: made of a configuration, and of another one while they run.

use std::fs;
use std::iter::zip;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::behind::TrustedProxies;
use crate::config::Config;
use crate::limits::admission::Admission;
use crate::log::Log;
use crate::proxy::current::Current;
use crate::proxy::realm::Realms;
use crate::proxy::{Proxy, Shared};
use crate::tls::handshakes::Handshakes;
use crate::tls::{self, PemFile, TlsError};
use crate::upstream::Client;

/// By what each worker serves. A clone is another hold on the same.
#[derive(Clone, Debug)]
pub struct Serving {
    workers: Arc<[Arc<Current>]>,
    roots: Roots,
}

/// By what upstreams are verified, and what was read for it.
#[derive(Clone, Debug)]
pub struct Roots {
    file: Option<(PathBuf, Vec<u8>)>,
    tls: Arc<ClientConfig>,
}

/// What no configuration changes.
struct Lasting {
    realms: Realms,
    ca: Option<String>,
    via: String,
    admission: Arc<Admission>,
    handshakes: Arc<Handshakes>,
    log: Log,
}

impl Roots {
    /// Reads the file of roots that `config` names.
    pub fn of(config: &Config) -> Result<Roots, TlsError> {
        let path = config.upstream_ca.as_ref();
        // Read twice; a file that changes in between is noticed at the next reload.
        let file = path.map(|path| (path.clone(), fs::read(path).unwrap_or_default()));
        let extra = path.map(|path| PemFile {
            flag: "upstream-ca",
            path,
        });
        let tls = tls::towards_upstreams(extra)?;
        Ok(Roots { file, tls })
    }

    fn clients(&self, workers: usize, config: &Config, log: Log) -> Vec<Client> {
        Client::for_workers(workers, &self.tls, config.timeouts, log)
    }
}

impl Serving {
    /// As `config` says. `ca` is that of a self-made certificate, in PEM.
    pub fn new(
        config: &Config,
        ca: Option<String>,
        admission: &Arc<Admission>,
        log: Log,
    ) -> Result<Serving, TlsError> {
        let roots = Roots::of(config)?;
        let name = u64::from_ne_bytes(tls::random()?);
        let lasting = Lasting {
            realms: Realms::new(config.table.ids().count()),
            ca,
            via: format!("docxy-{name:016x}"),
            admission: Arc::clone(admission),
            handshakes: Arc::new(Handshakes::new()),
            log,
        };
        let shared = Arc::new(shared(config, lasting));
        let current = |client| Arc::new(Current::new(proxy(&shared, client)));
        let clients = roots.clients(config.workers.get(), config, log);
        Ok(Serving {
            workers: clients.into_iter().map(current).collect(),
            roots,
        })
    }

    /// What each worker takes for its requests.
    pub fn workers(&self) -> impl Iterator<Item = &Arc<Current>> {
        self.workers.iter()
    }

    /// How long a stop waits, as things are now.
    pub fn drain(&self) -> Duration {
        let first = self.workers.first();
        first.map_or(Duration::ZERO, |worker| worker.get().shared.drain)
    }

    /// Serves as `config` says from the next request on. Connections to upstreams stay, unless they were verified by other
    /// roots.
    pub fn change(&mut self, config: &Config, roots: Roots) {
        let Some(before) = self.workers.first().map(|worker| worker.get()) else {
            return;
        };
        let before = &before.shared;
        let lasting = Lasting {
            realms: before.realms.carried_over(&before.table, &config.table),
            ca: before.ca.clone(),
            via: before.via.clone(),
            admission: Arc::clone(&before.admission),
            handshakes: Arc::clone(&before.handshakes),
            log: before.log,
        };
        let shared = Arc::new(shared(config, lasting));
        let clients: Vec<Client> = if roots.file == self.roots.file {
            let workers = self.workers.iter();
            workers
                .map(|worker| worker.get().client.with(config.timeouts))
                .collect()
        } else {
            roots.clients(self.workers.len(), config, before.log)
        };
        self.roots = roots;
        for (worker, client) in zip(self.workers.iter(), clients) {
            worker.replace(proxy(&shared, client));
        }
    }
}

fn proxy(shared: &Arc<Shared>, client: Client) -> Proxy {
    Proxy {
        shared: Arc::clone(shared),
        client: Arc::new(client),
    }
}

fn shared(config: &Config, lasting: Lasting) -> Shared {
    Shared {
        table: config.table.clone(),
        access: config.access.clone(),
        allow_client: config.allow_client.clone(),
        deny_client: config.deny_client.clone(),
        trusted_proxies: TrustedProxies::new(config.trusted_proxy.clone()),
        public_url: config.public_url.clone(),
        ca: lasting.ca,
        via: lasting.via,
        realms: lasting.realms,
        timeouts: config.timeouts,
        drain: config.drain,
        admission: lasting.admission,
        handshakes: lasting.handshakes,
        log: lasting.log,
    }
}
