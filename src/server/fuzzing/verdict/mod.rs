//! Whether what went over the connections is what may have gone over them.

mod clients;
mod mounted;
mod upstreams;

use std::net::IpAddr;

use ipnet::IpNet;
use memchr::memmem;

use self::mounted::Mounted;
use super::introduction;
use super::script::{MARK_LENGTH, MARK_START, Script, Shared};
use super::strict::{Message, State};
use super::{GUARDED, INTRODUCED, SERVED, TRUSTED_PROXIES};
use crate::http::uri::Origin;

/// docxy's name in `Via`.
pub(super) const VIA: &str = "docxy-fuzzing";

/// Fields that end at a connection, but for those with which docxy frames its own messages.
const HOP_BY_HOP: [&str; 7] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
];

/// A client: what it says, and what it was told.
pub(super) struct Client {
    pub(super) script: Script,
    pub(super) record: Shared,
    /// Where its own bytes begin.
    start: usize,
    requests: Vec<Request>,
    standing: Standing,
}

/// Whether a client is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// As everybody.
    Served,
    /// It is told that it is not.
    Denied,
    /// Nobody has introduced it where that has to be, so that there is nobody to answer.
    Nobody,
}

/// A request as a strict reader finds it in what a client sends.
struct Request {
    start: usize,
    end: usize,
    method: String,
    target: String,
    mounted: Option<Mounted>,
    is_old: bool,
}

/// A connection to an upstream.
#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) origin: Origin,
    pub(super) address: IpAddr,
    pub(super) record: Shared,
}

/// A request of a client: its connection and its place there.
type Owner = (usize, usize);

/// A request to an upstream, and what it answered.
struct Exchange {
    owner: Option<Owner>,
    answer: Option<Answered>,
}

/// An upstream's answer, and where it lies in what the upstream sent.
struct Answered {
    start: usize,
    end: usize,
    message: Message,
    is_whole: bool,
}

impl Client {
    pub(super) fn new(script: Script, options: &[u8]) -> Client {
        let (start, standing) = begin(&script.bytes, options);
        let requests = match standing {
            Standing::Nobody => Vec::new(),
            Standing::Served | Standing::Denied => requests(&script.bytes, start, options),
        };
        Client {
            script,
            record: Shared::default(),
            start,
            requests,
            standing,
        }
    }

    /// The method of what is no request, as far as it has one.
    fn last_method(&self) -> &'static str {
        let end = self
            .requests
            .last()
            .map_or(self.start, |request| request.end);
        let rest = &self.script.bytes[end..];
        if rest
            .strip_prefix(b"\r\n")
            .unwrap_or(rest)
            .starts_with(b"HEAD ")
        {
            "HEAD"
        } else {
            "GET"
        }
    }

    /// What it asks for under mounts.
    fn mounted(&self) -> impl Iterator<Item = &Mounted> {
        self.requests
            .iter()
            .filter_map(|request| request.mounted.as_ref())
    }
}

/// Where a client's own bytes begin, and whether it is served.
fn begin(bytes: &[u8], options: &[u8]) -> (usize, Standing) {
    if !options.contains(&INTRODUCED) {
        return (0, Standing::Served);
    }
    let Some(introduction) = introduction::read(bytes) else {
        return (0, Standing::Nobody);
    };
    // What a trusted proxy's fields say of a client counts for more than the header.
    let is_guarded = options.contains(&GUARDED) && !options.contains(&TRUSTED_PROXIES);
    let served: IpNet = SERVED.parse().expect("a network");
    let is_denied = |source: IpAddr| !served.contains(&source.to_canonical());
    let standing = match introduction.source {
        Some(source) if is_guarded && is_denied(source) => Standing::Denied,
        _ => Standing::Served,
    };
    (introduction.length, standing)
}

/// Panics if a byte that docxy has written is not explained by what it has read.
pub(super) fn check(clients: &[Client], scripts: &[Script], upstreams: &[Upstream]) {
    let exchanges = upstreams::check(clients, scripts, upstreams);
    clients::check(clients, scripts, exchanges);
}

/// The requests from there on, as far as they can be told apart.
fn requests(bytes: &[u8], mut at: usize, options: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    loop {
        let start = at;
        if bytes[at..].starts_with(b"\r\n") {
            at += 2;
        }
        let Ok(Some(message)) = Message::request(&bytes[at..]) else {
            return requests;
        };
        let (method, target) = message.head.request().expect("it has been read");
        at += message.length;
        requests.push(Request {
            start,
            end: at,
            method: method.to_owned(),
            target: target.to_owned(),
            mounted: Mounted::of(target, options),
            is_old: message.head.line.ends_with("HTTP/1.0"),
        });
        if message.state != State::Whole {
            return requests;
        }
    }
}

/// The client's request whose marks are in there; all of one.
fn owner_of(bytes: &[u8], clients: &[Client]) -> Option<Owner> {
    let mut owners = marks(bytes, b'c').map(|mark| {
        let client = usize::from(mark[3] - b'0');
        let found = memmem::find(&clients[client].script.bytes, mark).expect("it was sent");
        let is_in = |request: &Request| (request.start..request.end).contains(&found);
        let place = clients[client].requests.iter().position(is_in);
        (
            client,
            place.expect("what is no part of a request goes nowhere"),
        )
    });
    let owner = owners.next()?;
    assert!(owners.all(|other| other == owner), "two requests in one");
    Some(owner)
}

/// The marks of clients or upstreams.
fn marks(bytes: &[u8], whose: u8) -> impl Iterator<Item = &[u8]> {
    memmem::find_iter(bytes, MARK_START).filter_map(move |at| {
        let mark = bytes.get(at..at + MARK_LENGTH)?;
        let is_whole =
            mark[2] == whose && mark[3..7].iter().all(u8::is_ascii_digit) && mark[7] == b'q';
        is_whole.then_some(mark)
    })
}
