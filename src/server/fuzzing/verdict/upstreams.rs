//! What has gone to upstreams: to whom, over which connections, and in whose name.

use std::net::IpAddr;

use memchr::memmem;

use super::super::script::{End, Record, Script, with};
use super::super::strict::{Framing, Message, State};
use super::mounted::Mounted;
use super::{Answered, Client, Exchange, HOP_BY_HOP, Request, Upstream, VIA, owner_of};
use crate::http::uri::{Host, Origin};

/// The upstream that may point to private addresses, since it has one.
const INSIDER: &str = "http://10.0.0.5:5000";

/// Panics if a connection or a request to an upstream is not explained. Returns what has been asked over each, and answered.
pub(super) fn check(
    clients: &[Client],
    scripts: &[Script],
    upstreams: &[Upstream],
) -> Vec<Vec<Exchange>> {
    let both = upstreams.iter().zip(scripts);
    both.map(|(upstream, script)| {
        check_dial(upstream, upstreams, scripts, clients);
        let record = with(&upstream.record, |record| record.clone());
        exchanges(upstream, script, &record, clients, scripts)
    })
    .collect()
}

/// Only the operator and upstreams say who is dialled, and nobody that is further inside than those who say so.
fn check_dial(upstream: &Upstream, all: &[Upstream], scripts: &[Script], clients: &[Client]) {
    let origin = &upstream.origin;
    if let Host::Name(name) = origin.host() {
        let leads_there = |mounted: &Mounted| mounted.origin == origin.to_string();
        let mut mounted = clients.iter().flat_map(Client::mounted);
        assert!(
            is_in_table(origin) || is_said(origin, scripts) || mounted.any(leads_there),
            "{name} is named by no upstream"
        );
    }
    if let IpAddr::V4(address) = upstream.address {
        assert!(!address.is_link_local(), "{address} is dialled");
        let is_inside = address.is_private() || address.is_loopback() || address.is_unspecified();
        let insider = |other: &Upstream| other.origin.to_string() == INSIDER;
        assert!(
            !is_inside || all.iter().any(insider),
            "{address} is dialled"
        );
    }
}

/// Whether any upstream has said this name, be it with quoted pairs (RFC 9110 §5.6.4).
fn is_said(origin: &Origin, scripts: &[Script]) -> bool {
    let Host::Name(name) = origin.host() else {
        return true;
    };
    scripts.iter().any(|script| {
        let mut said = script.bytes.to_ascii_lowercase();
        said.retain(|&byte| byte != b'\\');
        memmem::find(&said, name.as_bytes()).is_some()
    })
}

fn is_in_table(origin: &Origin) -> bool {
    let table = ["http://registry.test", "http://hub.test", INSIDER];
    table.contains(&origin.to_string().as_str())
}

/// Reads both sides of a connection to an upstream.
fn exchanges(
    upstream: &Upstream,
    script: &Script,
    record: &Record,
    clients: &[Client],
    scripts: &[Script],
) -> Vec<Exchange> {
    let sent = &script.bytes[..record.sent];
    let (mut at, mut answered) = (0, Some(0));
    let mut exchanges: Vec<Exchange> = Vec::new();
    while at < record.received.len() {
        let request = Message::request(&record.received[at..]).expect("a request by the letter");
        let Some(request) = request.filter(|request| request.state == State::Whole) else {
            assert_ne!(
                record.end,
                End::Open,
                "a request that is not sent to its end"
            );
            break;
        };
        if let Some(last) = exchanges.last() {
            check_reuse(record, at, last.answer.as_ref());
        }
        let owner = owner_of(&record.received[at..at + request.length], clients);
        let asked = owner.map(|(client, place)| &clients[client].requests[place]);
        check_request(&request, upstream, asked);
        if let Some(asked) = asked.filter(|_| !is_said(&upstream.origin, scripts)) {
            check_mount(&request, upstream, asked, scripts);
        }
        let (method, _) = request.head.request().expect("it has been read");
        let answer = answered.and_then(|at| answer(sent, at, method, record.end));
        answered = answer
            .as_ref()
            .filter(|answer| answer.is_whole)
            .map(|answer| answer.end);
        exchanges.push(Exchange { owner, answer });
        at += request.length;
    }
    exchanges
}

/// A connection carries another request only after a whole answer, and with nothing behind that.
fn check_reuse(record: &Record, start: usize, last: Option<&Answered>) {
    let last = last
        .filter(|answer| answer.is_whole)
        .expect("a reused connection is in order");
    assert!(last.message.framing != Framing::UntilClose && !last.message.head.closes());
    let arrival = record
        .arrivals
        .iter()
        .find(|arrival| arrival.received > start);
    let arrival = arrival.expect("what was received has arrived");
    assert!(
        arrival.sent >= last.end,
        "a request before the end of the last answer"
    );
    assert!(
        arrival.settled <= last.end,
        "a request behind bytes that nobody asked for"
    );
}

fn check_request(request: &Message, upstream: &Upstream, asked: Option<&Request>) {
    let head = &request.head;
    let (method, target) = head.request().expect("it has been read");
    assert!(matches!(method, "GET" | "HEAD" | "POST"), "{method}");
    let is_in = |b: u8| b.is_ascii_graphic() && b != b'#';
    assert!(
        target.starts_with('/') && target.bytes().all(is_in),
        "{target}"
    );
    assert_eq!(
        head.all("host"),
        [upstream.origin.authority().to_string().as_bytes()]
    );
    let via = |version| format!("{version} {VIA}").into_bytes();
    let (of_old, of_new) = (via("1.0"), via("1.1"));
    let fitting: &[&[u8]] = match asked.map(|asked| asked.is_old) {
        Some(true) => &[&of_old],
        Some(false) => &[&of_new],
        None => &[&of_old, &of_new],
    };
    assert!(
        head.all("via")
            .last()
            .is_some_and(|via| fitting.contains(via))
    );
    let is_form = method == "POST";
    assert_eq!(head.all("content-length").len(), usize::from(is_form));
    for name in ["connection", "transfer-encoding", "cookie", "expect"]
        .iter()
        .chain(&HOP_BY_HOP)
    {
        assert!(head.all(name).is_empty(), "{name} is sent");
    }
    assert!(
        !head
            .fields()
            .any(|(name, _)| name.starts_with("x-forwarded-"))
    );
    let mounted = asked.and_then(|asked| asked.mounted.as_ref());
    let is_withheld = mounted.is_some_and(|mounted| !mounted.may_have_login());
    assert!(
        !is_withheld || head.all("authorization").is_empty(),
        "a login goes to a store"
    );
    let is_token = asked.is_none_or(|asked| asked.target.contains("token"));
    assert!(is_token || method == asked.map_or(method, |asked| &asked.method) || method == "GET");
    let is_home = is_in_table(&upstream.origin)
        || mounted.is_some_and(|mounted| mounted.origin == upstream.origin.to_string());
    if !is_token && !is_home {
        assert!(
            head.all("authorization").is_empty(),
            "a login goes elsewhere"
        );
    }
}

/// Whether any upstream leads on, if only to another path of its own.
fn is_any_redirected(scripts: &[Script]) -> bool {
    let leads_on = |script: &Script| {
        let said = script.bytes.to_ascii_lowercase();
        memmem::find(&said, b"location").is_some()
    };
    scripts.iter().any(leads_on)
}

/// Where no upstream leads elsewhere, what is asked for under a mount is asked for there, as it is unless that leads on, and
/// nothing else is.
fn check_mount(request: &Message, upstream: &Upstream, asked: &Request, scripts: &[Script]) {
    let origin = upstream.origin.to_string();
    match &asked.mounted {
        Some(mounted) => {
            let (_, target) = request.head.request().expect("it has been read");
            assert_eq!(origin, mounted.origin, "{} leads elsewhere", asked.target);
            assert!(
                target == mounted.path_and_query || is_any_redirected(scripts),
                "{target} instead of {}",
                asked.target
            );
        }
        None => assert!(is_in_table(&upstream.origin), "{origin} is only mounted"),
    }
}

/// The answer that begins at `start`, the interim ones before it among it.
fn answer(sent: &[u8], start: usize, method: &str, end: End) -> Option<Answered> {
    let mut at = start;
    loop {
        let message = Message::answer(&sent[at..], method).ok()??;
        at += message.length;
        if (100..200).contains(&message.head.status().ok()?) {
            continue;
        }
        let is_ended = message.framing == Framing::UntilClose && end == End::Closed;
        return Some(Answered {
            start,
            end: at,
            is_whole: message.state == State::Whole || is_ended,
            message,
        });
    }
}
