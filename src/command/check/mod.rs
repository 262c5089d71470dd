//! `docxy check`: whether the upstreams answer, step by step, and with an image whether it can be pulled. Upstreams are asked
//! on the way that requests of clients take, by the same code; nothing is bound or written.
//!
//! With `--via` a docxy that runs is asked instead, as its clients ask it.

mod advice;
mod connection;
mod door;
mod image;
mod passage;
mod report;
mod upstream;
mod via;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::Value;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::advice::{Side, Trouble};
use self::connection::watcher;
use self::door::Docxy;
use self::report::{Checked, Ended, Failure, Notes};
use super::not_printed;
use crate::config::Config;
use crate::egress::{Egress, EgressSettings};
use crate::http::uri::Origin;
use crate::limits::admission::{Admission, Limits};
use crate::limits::shortage;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::proxy::Proxy;
use crate::registry::reference::Reference;
use crate::registry::route::RouteError;
use crate::registry::table::UpstreamId;
use crate::serving::Serving;
use crate::upstream::Client;

/// How long one upstream may take, with an image.
const LIMIT: Duration = Duration::from_secs(90);

/// What is checked, and how it is told.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// An image to ask for as well, as for docker pull: manifest, config and the first bytes of each layer. At Docker Hub
    /// that counts as one pull
    #[arg(value_name = "IMAGE")]
    image: Option<Reference>,

    /// Ask the docxy at this URL, as a client of it, instead of the upstreams
    #[arg(long, env = "DOCXY_VIA", value_name = "URL", value_parser = Origin::parse)]
    via: Option<Origin>,

    /// PEM roots to trust for --via, beside the built-in ones; `docxy ca` prints the one of a self-made certificate
    #[arg(long, env = "DOCXY_VIA_CA", value_name = "FILE", requires = "via")]
    via_ca: Option<PathBuf>,

    /// Say the same as one JSON document
    #[arg(long, env = "DOCXY_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// So many steps have failed.
#[derive(Debug)]
struct Failed(usize);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("one step has failed; what to do is in its line"),
            failed => write!(
                f,
                "{failed} steps have failed; what to do is in their lines"
            ),
        }
    }
}

impl Error for Failed {}

/// Checks, and prints what it finds. An error says that something is not well.
pub fn run(check: &Check, config: &Config) -> Result<(), Box<dyn Error>> {
    shortage::check_command("docxy check")?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let failed = runtime.block_on(async {
        let mut running = JoinSet::new();
        let checks = match &check.via {
            Some(origin) => vec![start_via(check, origin, config, &mut running)?],
            None => start_upstreams(check, config, &mut running)?,
        };
        let failed = match check.json {
            true => report::print_json(checks).await,
            false => report::print(checks).await,
        };
        let failed = failed.map_err(|error| not_printed(&error))?;
        while let Some(ended) = running.join_next().await {
            ended?;
        }
        Ok::<_, Box<dyn Error>>(failed)
    })?;
    match failed {
        0 => Ok(()),
        failed => Err(Failed(failed).into()),
    }
}

/// Begins with all upstreams at a time, and with nothing else if the image is of none of them.
fn start_upstreams(
    check: &Check,
    config: &Config,
    running: &mut JoinSet<()>,
) -> Result<Vec<Checked>, Box<dyn Error>> {
    let log = Log::new(config.log, config.log_format);
    let serving = serving(config, log)?;
    for warning in serving.warnings() {
        log.warning(format_args!("{warning}"));
    }
    let Some(proxy) = serving.workers().next().map(|worker| worker.get()) else {
        return Ok(Vec::new());
    };
    let table = &proxy.shared.table;
    let image = check.image.as_ref();
    let of_image = image.map(|image| image.upstream(table));
    let mut checks: Vec<Checked> = table
        .ids()
        .map(|id| {
            let image = image.filter(|_| of_image == Some(Some(id)));
            start_upstream(&proxy, id, image.cloned(), running)
        })
        .collect();
    if let (Some(image), Some(None)) = (image, of_image) {
        checks.push(of_nobody(image));
    }
    Ok(checks)
}

/// What serves requests, as the configuration says; nobody listens in front of it.
fn serving(config: &Config, log: Log) -> Result<Serving, Box<dyn Error>> {
    let limits = Limits {
        connections: 0,
        of_one_client: None,
    };
    let admission = Arc::new(Admission::new(limits));
    Serving::new(config, None, &admission, log, Metrics::off())
}

fn start_upstream(
    proxy: &Proxy,
    id: UpstreamId,
    image: Option<Reference>,
    running: &mut JoinSet<()>,
) -> Checked {
    let upstream = proxy.shared.table.get(id);
    let url = Some(upstream.origin.to_string());
    let (checked, notes) = Checked::new(upstream.name.clone(), url);
    let notes = Arc::new(notes);
    let watcher = watcher(&notes, upstream.origin.clone());
    let proxy = Proxy {
        shared: Arc::clone(&proxy.shared),
        client: Arc::new(proxy.client.watched(watcher)),
    };
    running.spawn(async move {
        let check = upstream::check(&proxy, id, image.as_ref(), &notes);
        within_limit(check, &notes).await;
    });
    checked
}

fn start_via(
    check: &Check,
    origin: &Origin,
    config: &Config,
    running: &mut JoinSet<()>,
) -> Result<Checked, Box<dyn Error>> {
    let roots = check.via_ca.clone().map(|path| ("via-ca", path));
    let egress = Egress::open(&EgressSettings {
        ca: roots.into_iter().collect(),
        ..EgressSettings::default()
    })?;
    let (checked, notes) = Checked::new("docxy".to_owned(), Some(origin.to_string()));
    let notes = Arc::new(notes);
    let client = Client::new(config.timeouts, Log::new(config.log, config.log_format));
    let client = Arc::new(client.watched(watcher(&notes, origin.clone())));
    let (origin, image) = (origin.clone(), check.image.clone());
    running.spawn(async move {
        let docxy = Docxy {
            origin,
            egress,
            client,
        };
        let check = via::check(&docxy, image.as_ref(), &notes);
        within_limit(check, &notes).await;
    });
    Ok(checked)
}

/// The check of an image that no upstream has.
fn of_nobody(image: &Reference) -> Checked {
    let (checked, notes) = Checked::new(image.to_string(), None);
    let host = image.host.clone().unwrap_or_default();
    let failure = Trouble::Route(RouteError::UnknownName(host)).failure(Side::Docxy);
    notes.failed("access", failure, Value::Null);
    checked
}

async fn within_limit(check: impl Future<Output = Result<(), Ended>>, notes: &Notes) {
    if timeout(LIMIT, check).await.is_err() {
        let what = format!("it took more than {}", humantime::format_duration(LIMIT));
        let advice = "something answers, but far too slowly; check again".to_owned();
        notes.failed("time", Failure { what, advice }, Value::Null);
    }
}
