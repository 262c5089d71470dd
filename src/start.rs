//! From a configuration to what runs: sockets bound, certificates loaded, the shared state put together.

use std::error::Error;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::acme::renewal::Acme;
use crate::config::Config;
use crate::http::uri::Scheme;
use crate::limits::admission::{Admission, Limits};
use crate::limits::capacity;
use crate::limits::memory;
use crate::limits::shortage::{self, Shortage};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::proxy::current::Current;
use crate::selfmade::keeper::Keeper;
use crate::server::admin::Admin;
use crate::server::started::{Bound, Running};
use crate::server::worker::Worker;
use crate::serving::Serving;
use crate::state::StateDir;
use crate::stop;
use crate::systemd::activation::Passed;
use crate::tls::accept::TlsAcceptor;
use crate::tls::files::TlsFiles;

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

/// The sockets that systemd passed for the listeners of `config`, and warnings of those that are for none.
pub fn passed(config: &Config) -> (Passed, Vec<String>) {
    let (mut passed, mut warnings) = Passed::from_environment();
    let all = || config.listen.iter().chain(&config.admin);
    let is_wanted = |address| all().any(|listen| listen.is_at(address));
    for address in passed.close_unless(is_wanted) {
        warnings.push(format!(
            "the socket {address} that was passed is not used; add --listen {address}, or take it out of the socket unit"
        ));
    }
    (passed, warnings)
}

/// What the https listeners show, and where it comes from.
pub struct Shown {
    /// TLS with the certificates, for those who may connect; `None` if no listener speaks https.
    pub acceptor: Option<TlsAcceptor>,
    /// The files of the operator's, to be read anew.
    pub files: TlsFiles,
    /// Who looks after a self-made certificate.
    pub keeper: Option<Keeper>,
    /// Who looks after one by ACME.
    pub acme: Option<Acme>,
}

/// Loads the certificates that are given, or has one made if a listener needs it.
pub fn certificates(config: &Config) -> Result<Shown, Box<dyn Error>> {
    let files = TlsFiles::open(&config.pairs, config.client_ca.clone())?;
    let needed = config.needs_self_made();
    let keeper = || Keeper::start(config.certificate_names(), config.state_dir.as_deref());
    let keeper = needed.then(keeper).transpose()?;
    let acme = match config.acme.clone() {
        Some(settings) => Some(Acme::prepare(
            settings,
            state_for_acme(config)?,
            config.way_to_acme(),
        )?),
        None => None,
    };
    let made = || keeper.as_ref().map(Keeper::store);
    let ordered = || acme.as_ref().map(Acme::store);
    let store = files.store().or_else(made).or_else(ordered);
    let acceptor = store.map(|store| TlsAcceptor::showing(&store, files.clients()));
    Ok(Shown {
        acceptor: acceptor.transpose()?,
        files,
        keeper,
        acme,
    })
}

/// What is got by ACME has to be kept: servers limit how often they give it.
fn state_for_acme(config: &Config) -> Result<StateDir, Box<dyn Error>> {
    let path = config.state_dir.as_deref();
    let path = path.ok_or("ACME keeps its account and certificate; say where with --state-dir")?;
    let opened = StateDir::open(path)
        .map_err(|error| format!("--state-dir: {error}; name a directory that docxy may write to"));
    Ok(opened?)
}

/// Binds all listeners that were not `passed`; those of https accept by `acceptor`.
pub fn bind(
    config: &Config,
    acceptor: Option<&TlsAcceptor>,
    passed: &mut Passed,
) -> Result<Vec<Bound>, Box<dyn Error>> {
    let mut bound = Vec::new();
    for listen in &config.listen {
        let scheme = config.scheme(listen);
        let tls = acceptor.filter(|_| scheme == Scheme::Https);
        for tcp in listen.bind(&config.listen, passed)? {
            bound.push(Bound {
                tcp,
                tls: tls.cloned(),
                scheme,
                proxy_protocol: listen.proxy_protocol,
            });
        }
    }
    Ok(bound)
}

/// Binds the operator's own listener, if there is to be one and it was not `passed`.
pub fn bind_admin(
    config: &Config,
    passed: &mut Passed,
) -> Result<Vec<TcpListener>, Box<dyn Error>> {
    let Some(admin) = &config.admin else {
        return Ok(Vec::new());
    };
    let bound = admin.bind(&config.listen, passed);
    Ok(bound.map_err(|error| error.of("--admin"))?)
}

/// The limits on connections, and warnings if the system has no room for as many as are wanted.
fn limits(config: &Config) -> (Limits, [Option<String>; 2]) {
    let memory = memory::room(config.workers.get());
    let fitting = capacity::connections(memory.bytes);
    let limits = |connections| Limits {
        connections,
        of_one_client: config.max_connections_per_ip,
    };
    let Some(connections) = config.max_connections.map(NonZeroUsize::get) else {
        return (limits(fitting), [None, None]);
    };
    let too_few = capacity::too_few_descriptors(connections).map(|limit| {
        format!(
            "--max-connections: {connections} connections may need more than the {limit} descriptors that docxy may have; \
             raise that limit (LimitNOFILE= of systemd, ulimit -n) or have fewer"
        )
    });
    let too_little = capacity::is_too_little(memory.bytes, connections).then(|| {
        let (megabytes, by) = (memory.bytes >> 20, memory.by);
        format!(
            "--max-connections: {connections} connections may need more than the {megabytes} MB of memory that {by}; \
             where that is gone docxy is ended, so have {fitting}, as without this flag"
        )
    });
    (limits(connections), [too_few, too_little])
}

/// What is counted: all if there is a listener where it can be read, else nothing.
pub fn metrics(config: &Config, acceptor: Option<&TlsAcceptor>) -> Metrics {
    match config.admin {
        Some(_) => Metrics::on(acceptor.map(TlsAcceptor::store)),
        None => Metrics::off(),
    }
}

/// Puts together what all workers share and starts them. `ca` is that of a self-made certificate, in PEM; `admin` are the
/// sockets of the operator's own listener.
pub fn workers(
    config: &Config,
    ca: Option<String>,
    log: Log,
    metrics: Metrics,
    admin: Vec<TcpListener>,
) -> Result<Running, Box<dyn Error>> {
    let (stopper, stop) = stop::channel();
    let (limits, warnings) = limits(config);
    for warning in warnings.into_iter().flatten() {
        log.warning(format_args!("{warning}"));
    }
    let admission = Arc::new(Admission::new(limits));
    let serving = Serving::new(config, ca, &admission, log, metrics)?;
    let count = config.workers;
    shortage::check_workers(count.get())?;
    let start = |(number, current): (usize, &Arc<Current>)| {
        let started = Worker::start("docxy-worker", Arc::clone(current), stop.clone());
        started.map_err(|error| Shortage::of(format!("worker {number} of {count}"), error))
    };
    let workers = (1..).zip(serving.workers()).map(start);
    let workers = workers.collect::<Result<_, _>>()?;
    let first = serving.workers().next().filter(|_| !admin.is_empty());
    let admin = first.map(|current| {
        let started = Admin::start(admin, current, stop.clone());
        started.map_err(|error| Shortage::of("the worker of --admin", error))
    });
    Ok(Running {
        admin: admin.transpose()?,
        workers,
        serving,
        stopper,
        stop,
        admission,
        log,
    })
}
