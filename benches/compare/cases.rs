//! The cases, and the goals in each.

use crate::figure::{Figure, Goal, Quantity};
use crate::load::Target;
use crate::memory::Clients;
use crate::route::{Route, Scheme, Upstream};

/// One situation in which all proxies are measured.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// As in the table; `--case` looks for parts of it.
    pub(crate) name: String,
    /// What is spoken.
    pub(crate) route: Route,
    /// What is done.
    pub(crate) work: Work,
    /// What is measured, in the order in which the work returns it.
    pub(crate) quantities: Vec<Quantity>,
}

/// What is done with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// wrk, with so many connections.
    Load(Target, usize),
    /// The same for the manifest, with a whole configuration file and without.
    Whole(usize),
    /// So many clients that do nothing.
    Clients(Clients, usize),
    /// One blob of so many bytes.
    Peak(u64),
    /// A start.
    Start,
    /// Nothing: the process at rest, and its file.
    Rest,
}

const PLAIN: Route = route(Scheme::Plain, Upstream::Plain);
const TLS: Route = route(Scheme::Tls, Upstream::Tls);

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = small();
    cases.push(whole());
    cases.extend(blobs());
    cases.extend(spread());
    cases.extend(memory());
    cases.extend(process());
    cases
}

fn small() -> Vec<Case> {
    let case = |route: Route, connections, quantities| {
        let name = format!("manifest, {route}, {connections} connections");
        Case::new(
            name,
            route,
            Work::Load(Target::Manifest, connections),
            quantities,
        )
    };
    let all = |cpu| {
        let goals = [
            Some(cpu),
            Some(Goal::OverNginx(1.1)),
            Some(Goal::OfNginx(1.0)),
        ];
        quantities(
            [Figure::CpuPerRequest, Figure::Requests, Figure::P99],
            goals,
        )
    };
    vec![
        case(PLAIN, 64, all(Goal::OfNginx(0.75))),
        case(TLS, 64, all(Goal::OfNginx(0.7))),
        case(
            PLAIN,
            1,
            quantities(
                [Figure::CpuPerRequest, Figure::P99],
                [Some(Goal::OfNginx(1.0)), None],
            ),
        ),
        case(
            PLAIN,
            2000,
            quantities(
                [Figure::CpuPerRequest, Figure::P99],
                [
                    Some(Goal::OfCase(
                        1.2,
                        "manifest, plain to plain, 64 connections",
                    )),
                    None,
                ],
            ),
        ),
    ]
}

/// Everything that can be set, in use, and what happens counted.
fn whole() -> Case {
    let quantities = quantities(
        [Figure::CpuPerRequest, Figure::OfBare],
        [None, Some(Goal::AtMost(1.05))],
    );
    let name = "manifest, whole configuration file, 64 connections".to_owned();
    Case::new(name, PLAIN, Work::Whole(64), quantities)
}

fn blobs() -> Vec<Case> {
    let case = |route: Route, goal| {
        let work = Work::Load(Target::Blob, 4);
        let quantities = quantities([Figure::CpuPerGb, Figure::Throughput], [Some(goal), None]);
        Case::new(format!("blob, {route}"), route, work, quantities)
    };
    vec![
        case(PLAIN, Goal::OfNginx(0.7)),
        case(route(Scheme::Plain, Upstream::Tls), Goal::OfNginx(0.6)),
        case(route(Scheme::Tls, Upstream::Plain), Goal::OfNginx(0.7)),
        case(TLS, Goal::OfNginx(0.5)),
        case(
            route(Scheme::Plain, Upstream::Chunked),
            Goal::OfCase(1.1, "blob, plain to plain"),
        ),
    ]
}

/// A pull has 3 to 10 connections, all of them busy: what counts is how they are spread over the cores.
fn spread() -> Vec<Case> {
    let case = |connections| {
        let name = format!("spread, blob, {TLS}, {connections} connections");
        let work = Work::Load(Target::Blob, connections);
        Case::new(
            name,
            TLS,
            work,
            quantities(
                [Figure::CpuPerGb, Figure::Throughput, Figure::Share],
                [None, None, None],
            ),
        )
    };
    [2, 4, 16, 256].map(case).into()
}

fn memory() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, clients, count, goals) in [
        ("idle client", Clients::Idle, 500, [1.5, 16.0]),
        ("stalled blob client", Clients::Stalled, 200, [16.0, 64.0]),
    ] {
        for (route, goal) in [PLAIN, TLS].into_iter().zip(goals) {
            let quantities = quantities([Figure::PerClient], [Some(Goal::AtMost(goal))]);
            let work = Work::Clients(clients, count);
            cases.push(Case::new(
                format!("memory, {name}, {route}"),
                route,
                work,
                quantities,
            ));
        }
    }
    for (size, name) in [(1 << 20, "1 MB"), (1 << 28, "256 MB"), (8 << 30, "8 GB")] {
        let goal = Goal::Flat(1.2, "memory, blob of 1 MB");
        let quantities = quantities([Figure::Peak], [(size > 1 << 20).then_some(goal)]);
        cases.push(Case::new(
            format!("memory, blob of {name}"),
            PLAIN,
            Work::Peak(size),
            quantities,
        ));
    }
    cases
}

fn process() -> Vec<Case> {
    let start = quantities([Figure::FirstAnswer], [Some(Goal::AtMost(10.0))]);
    let rest = quantities(
        [Figure::Idle, Figure::Executable],
        [Some(Goal::AtMost(3.0)), Some(Goal::AtMost(5.0))],
    );
    vec![
        Case::new("process, start".to_owned(), PLAIN, Work::Start, start),
        Case::new("process, at rest".to_owned(), PLAIN, Work::Rest, rest),
    ]
}

impl Case {
    fn new(name: String, route: Route, work: Work, quantities: Vec<Quantity>) -> Case {
        Case {
            name,
            route,
            work,
            quantities,
        }
    }
}

fn quantities<const N: usize>(figures: [Figure; N], goals: [Option<Goal>; N]) -> Vec<Quantity> {
    let pairs = figures.into_iter().zip(goals);
    pairs
        .map(|(figure, goal)| Quantity { figure, goal })
        .collect()
}

const fn route(client: Scheme, upstream: Upstream) -> Route {
    Route { client, upstream }
}
