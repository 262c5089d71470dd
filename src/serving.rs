//! By what the workers serve: made of a configuration, and of another one while they run.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Accounts;
use crate::behind::TrustedProxies;
use crate::config::Config;
use crate::egress::Egresses;
use crate::limits::admission::Admission;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::proxy::current::Current;
use crate::proxy::quota::Quotas;
use crate::proxy::realm::Realms;
use crate::proxy::{Proxy, Shared};
use crate::tls;
use crate::tls::handshakes::Handshakes;
use crate::upstream::Client;

/// By what each worker serves. A clone is another hold on the same.
#[derive(Clone, Debug)]
pub struct Serving {
    workers: Arc<[Arc<Current>]>,
}

/// What no configuration changes.
pub struct Lasting {
    accounts: Accounts,
    egresses: Egresses,
    quotas: Quotas,
    realms: Realms,
    ca: Option<String>,
    via: String,
    admission: Arc<Admission>,
    handshakes: Arc<Handshakes>,
    log: Log,
    metrics: Metrics,
}

impl Lasting {
    /// As a process begins, by this name in `Via`: the passwords of the accounts are read, nothing has been learned yet, and
    /// nothing is counted.
    pub fn begin(
        config: &Config,
        egresses: Egresses,
        via: String,
        admission: &Arc<Admission>,
        log: Log,
    ) -> Result<Lasting, String> {
        let upstreams = config.table.ids().count();
        Ok(Lasting {
            accounts: Accounts::open(&config.accounts, &config.table, None)?,
            egresses,
            quotas: Quotas::new(upstreams),
            realms: Realms::new(upstreams),
            ca: None,
            via,
            admission: Arc::clone(admission),
            handshakes: Arc::new(Handshakes::new()),
            log,
            metrics: Metrics::off(),
        })
    }
}

impl Serving {
    /// As `config` says, with the passwords of its accounts. `ca` is that of a self-made certificate, in PEM.
    pub fn new(
        config: &Config,
        ca: Option<String>,
        admission: &Arc<Admission>,
        log: Log,
        metrics: Metrics,
    ) -> Result<Serving, Box<dyn Error>> {
        let name = u64::from_ne_bytes(tls::random()?);
        let via = format!("docxy-{name:016x}");
        let reaching = &config.reaching;
        let egresses = Egresses::open(&reaching.of, &reaching.others, None)?;
        let lasting = Lasting {
            ca,
            metrics,
            ..Lasting::begin(config, egresses, via, admission, log)?
        };
        let shared = Arc::new(shared(config, lasting));
        let current = |client| Arc::new(Current::new(proxy(&shared, client)));
        let clients = Client::for_workers(config.workers.get(), config.timeouts, log, metrics);
        Ok(Serving {
            workers: clients.into_iter().map(current).collect(),
        })
    }

    /// What each worker takes for its requests.
    pub fn workers(&self) -> impl Iterator<Item = &Arc<Current>> {
        self.workers.iter()
    }

    /// The files with passwords, of accounts and for proxies.
    pub fn password_files(&self) -> Vec<PathBuf> {
        let proxies = self.egresses().map(|egresses| egresses.files());
        let mut files = self.accounts().files();
        files.extend(proxies.unwrap_or_default());
        files
    }

    /// Reads all passwords anew. Those that cannot be read stay as they were, and the reasons are returned.
    pub fn read_passwords_anew(&self) -> Vec<String> {
        let proxies = self.egresses().map(|egresses| egresses.read_anew());
        let mut faults = self.accounts().read_anew();
        faults.extend(proxies.unwrap_or_default());
        faults
    }

    /// What the operator should know of the files with passwords.
    pub fn warnings(&self) -> Vec<String> {
        let proxies = self.egresses().map(|egresses| egresses.warnings());
        let mut warnings = self.accounts().warnings();
        warnings.extend(proxies.unwrap_or_default());
        warnings
    }

    /// How long a stop waits, as things are now.
    pub fn drain(&self) -> Duration {
        let first = self.workers.first();
        first.map_or(Duration::ZERO, |worker| worker.get().shared.drain)
    }

    /// The accounts that are in use.
    fn accounts(&self) -> Accounts {
        let first = self.workers.first();
        first.map_or_else(Accounts::default, |worker| {
            worker.get().shared.accounts.clone()
        })
    }

    /// The ways to upstreams that are in use.
    pub fn egresses(&self) -> Option<Egresses> {
        let first = self.workers.first();
        first.map(|worker| worker.get().shared.egresses.clone())
    }

    /// The accounts of `config`, with their passwords; those that stay keep the tokens that they have got.
    pub fn accounts_of(&self, config: &Config) -> Result<Accounts, String> {
        let before = self.workers.first().map(|worker| worker.get());
        let before = before.as_ref().map(|proxy| &proxy.shared);
        let before = before.map(|shared| (&shared.accounts, &shared.table));
        Accounts::open(&config.accounts, &config.table, before)
    }

    /// The ways to the upstreams of `config`, with the files that they need; what stays as it was keeps its connections.
    pub fn egresses_of(&self, config: &Config) -> Result<Egresses, Box<dyn Error>> {
        let reaching = &config.reaching;
        Egresses::open(&reaching.of, &reaching.others, self.egresses().as_ref())
    }

    /// Serves as `config` says from the next request on. Connections to upstreams stay, unless they are reached by another way.
    pub fn change(&mut self, config: &Config, accounts: Accounts, egresses: Egresses) {
        let Some(before) = self.workers.first().map(|worker| worker.get()) else {
            return;
        };
        let before = &before.shared;
        let lasting = Lasting {
            accounts,
            egresses,
            quotas: before.quotas.carried_over(&before.table, &config.table),
            realms: before.realms.carried_over(&before.table, &config.table),
            ca: before.ca.clone(),
            via: before.via.clone(),
            admission: Arc::clone(&before.admission),
            handshakes: Arc::clone(&before.handshakes),
            log: before.log,
            metrics: before.metrics,
        };
        let shared = Arc::new(shared(config, lasting));
        for worker in self.workers.iter() {
            let client = worker.get().client.with(config.timeouts);
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

/// What all workers share.
pub fn shared(config: &Config, lasting: Lasting) -> Shared {
    Shared {
        table: config.table.clone(),
        access: config.access.clone(),
        allow_client: config.allow_client.clone(),
        deny_client: config.deny_client.clone(),
        trusted_proxies: TrustedProxies::new(config.trusted_proxy.clone()),
        public_url: config.public_url.clone(),
        ca: lasting.ca,
        via: lasting.via,
        accounts: lasting.accounts,
        egresses: lasting.egresses,
        quotas: lasting.quotas,
        realms: lasting.realms,
        timeouts: config.timeouts,
        drain: config.drain,
        admission: lasting.admission,
        handshakes: lasting.handshakes,
        log: lasting.log,
        metrics: lasting.metrics,
        counted: lasting.metrics.upstreams(&config.table),
    }
}
