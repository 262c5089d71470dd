//! One case: all proxies in alternating rounds, so that what changes on the machine meanwhile meets all of them alike.
//!
//! A proxy is started for each of its rounds: by where its memory comes to lie, two starts of one program differ as much as
//! two hours do, and a median is to be one of starts, too.

use std::time::Duration;

use crate::cases::{Case, Work};
use crate::load::{self, Target};
use crate::memory;
use crate::origin::Origin;
use crate::proxies::{Kind, Proxy, Running};
use crate::site::Site;
use crate::{client, startup, whole};

/// What all cases need.
pub(crate) struct Bench {
    /// What is served.
    pub(crate) site: Site,
    /// By whom.
    pub(crate) origin: Origin,
    /// Who is compared.
    pub(crate) proxies: Vec<Proxy>,
    /// How often.
    pub(crate) rounds: usize,
    /// How long wrk runs in each round.
    pub(crate) duration: Duration,
}

/// What a proxy has shown in a case: the figures of each round, in the order of the case's quantities, or why it has none.
pub(crate) type Outcome = Result<Vec<Vec<f64>>, String>;

/// Runs a case; outcomes are in the order of the proxies, `None` for those that it is not for.
pub(crate) fn run(bench: &Bench, case: &Case) -> Vec<Option<Outcome>> {
    let mut outcomes: Vec<_> = bench
        .proxies
        .iter()
        .map(|proxy| is_for(case, proxy).then(|| Ok(Vec::new())))
        .collect();
    for round in 0..bench.rounds {
        for turn in 0..bench.proxies.len() {
            // Who is first changes, too.
            let index = (turn + round) % bench.proxies.len();
            let Some(outcome) = &mut outcomes[index] else {
                continue;
            };
            let Ok(figures) = outcome else {
                continue;
            };
            match measure(bench, case, &bench.proxies[index], round) {
                Ok(round) => figures.push(round),
                Err(error) => *outcome = Err(error),
            }
        }
    }
    outcomes
}

/// The relay is a yardstick for CPU time, and needs no memory worth a figure. Nobody else reads docxy's configuration file.
fn is_for(case: &Case, proxy: &Proxy) -> bool {
    match case.work {
        Work::Load(..) => true,
        Work::Whole(_) => matches!(proxy.kind, Kind::Docxy(_)),
        _ => proxy.kind != Kind::Relay,
    }
}

fn measure(bench: &Bench, case: &Case, proxy: &Proxy, round: usize) -> Result<Vec<f64>, String> {
    let (site, origin) = (&bench.site, &bench.origin);
    match case.work {
        Work::Start => {
            let took = startup::measure(proxy, site, origin, case.route)?;
            return Ok(vec![took]);
        }
        Work::Whole(connections) => {
            return whole::measure(bench, proxy, case.route, connections);
        }
        _ => (),
    }
    let running = proxy.start(site, origin, case.route)?;
    if let (0, Work::Load(Target::Blob, _)) = (round, case.work) {
        client::check_blob(site, running.address, running.scheme)
            .map_err(|error| format!("{}: {error}", proxy.name))?;
    }
    work(bench, case, proxy, &running)
}

fn work(bench: &Bench, case: &Case, proxy: &Proxy, running: &Running) -> Result<Vec<f64>, String> {
    let site = &bench.site;
    match case.work {
        Work::Load(target, connections) => {
            let sample = load::run(site, running, target, connections, bench.duration)?;
            Ok(case
                .quantities
                .iter()
                .map(|quantity| sample.figure(quantity.figure))
                .collect())
        }
        Work::Clients(clients, count) => {
            Ok(vec![memory::per_client(site, running, clients, count)?])
        }
        Work::Peak(size) => Ok(vec![memory::peak(site, running, size)?]),
        Work::Rest => Ok(vec![
            memory::at_rest(running)?,
            proxy.executable_size()? / 1e6,
        ]),
        Work::Start | Work::Whole(_) => unreachable!("measured without a running proxy"),
    }
}
