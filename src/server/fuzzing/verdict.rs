//! Whether what went over the connections is what may have gone over them.

use std::net::IpAddr;

use memchr::memmem;

use super::script::{MARK_LENGTH, MARK_START, Record, Script, Shared, with};
use super::strict::{Framing, Message, State};
use crate::answer::NOT_TLS;
use crate::http::uri::{Host, Origin};

/// docxy's name in `Via`.
pub(super) const VIA: &str = "docxy-fuzzing";

/// The upstream that may point to private addresses, since it has one.
const INSIDER: &str = "http://10.0.0.5:5000";

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
    requests: Vec<Request>,
}

/// A request as a strict reader finds it in what a client sends.
struct Request {
    start: usize,
    end: usize,
    method: String,
    target: String,
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
    pub(super) fn new(script: Script) -> Client {
        let mut requests = Vec::new();
        let mut at = 0;
        loop {
            let start = at;
            if script.bytes[at..].starts_with(b"\r\n") {
                at += 2;
            }
            let Ok(Some(message)) = Message::request(&script.bytes[at..]) else {
                break;
            };
            let (method, target) = message.head.request().expect("it has been read");
            at += message.length;
            requests.push(Request {
                start,
                end: at,
                method: method.to_owned(),
                target: target.to_owned(),
                is_old: message.head.line.ends_with("HTTP/1.0"),
            });
            if message.state != State::Whole {
                break;
            }
        }
        Client {
            script,
            record: Shared::default(),
            requests,
        }
    }
}

/// Panics if a byte that docxy has written is not explained by what it has read.
pub(super) fn check(clients: &[Client], scripts: &[Script], upstreams: &[Upstream]) {
    let exchanges: Vec<Vec<Exchange>> = upstreams
        .iter()
        .zip(scripts)
        .map(|(upstream, script)| {
            check_dial(upstream, upstreams, scripts);
            let record = with(&upstream.record, |record| record.clone());
            exchanges(upstream, script, &record, clients)
        })
        .collect();
    let judge = Judge {
        clients,
        scripts,
        exchanges,
    };
    for number in 0..clients.len() {
        judge.check_client(number);
    }
}

/// Only the operator and upstreams say who is dialled, and nobody that is further inside than those who say so.
fn check_dial(upstream: &Upstream, all: &[Upstream], scripts: &[Script]) {
    let is_in_table = is_in_table(&upstream.origin);
    if let Host::Name(name) = upstream.origin.host() {
        let is_said = |script: &Script| {
            let said = script.bytes.to_ascii_lowercase();
            memmem::find(&said, name.as_bytes()).is_some()
        };
        assert!(
            is_in_table || scripts.iter().any(is_said),
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
) -> Vec<Exchange> {
    let sent = &script.bytes[..record.sent];
    let (mut at, mut answered) = (0, Some(0));
    let mut exchanges: Vec<Exchange> = Vec::new();
    while at < record.received.len() {
        let request = Message::request(&record.received[at..]).expect("a request by the letter");
        let Some(request) = request.filter(|request| request.state == State::Whole) else {
            assert!(record.closed, "a request that is not sent to its end");
            break;
        };
        if let Some(last) = exchanges.last() {
            check_reuse(record, at, last.answer.as_ref());
        }
        let owner = owner_of(&record.received[at..at + request.length], clients);
        check_request(
            &request,
            upstream,
            owner.map(|(client, place)| &clients[client].requests[place]),
        );
        let (method, _) = request.head.request().expect("it has been read");
        let answer = answered.and_then(|at| answer(sent, at, method, record.closed));
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
    assert_eq!(
        head.all("via").last(),
        Some(&format!("1.1 {VIA}").as_bytes())
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
    let is_token = asked.is_none_or(|asked| asked.target.contains("token"));
    assert!(is_token || method == asked.map_or(method, |asked| &asked.method) || method == "GET");
    if !is_token && !is_in_table(&upstream.origin) {
        assert!(
            head.all("authorization").is_empty(),
            "a login goes elsewhere"
        );
    }
}

/// The answer that begins at `start`, the interim ones before it among it.
fn answer(sent: &[u8], start: usize, method: &str, closed: bool) -> Option<Answered> {
    let mut at = start;
    loop {
        let message = Message::answer(&sent[at..], method).ok()??;
        at += message.length;
        if (100..200).contains(&message.head.status().ok()?) {
            continue;
        }
        let is_ended = message.framing == Framing::UntilClose && closed;
        return Some(Answered {
            start,
            end: at,
            is_whole: message.state == State::Whole || is_ended,
            message,
        });
    }
}

/// All that is known when the clients' sides are judged.
struct Judge<'a> {
    clients: &'a [Client],
    scripts: &'a [Script],
    /// By connection.
    exchanges: Vec<Vec<Exchange>>,
}

impl Judge<'_> {
    fn check_client(&self, number: usize) {
        let client = &self.clients[number];
        let output = with(&client.record, |record| record.received.clone());
        let (mut at, mut place) = (0, 0);
        while at < output.len() {
            let rest = &output[at..];
            if rest.starts_with(b"HTTP/1.0 ") {
                assert_eq!(
                    rest, NOT_TLS,
                    "the only answer of that version, and the last"
                );
                return;
            }
            let request = client.requests.get(place);
            let method = request.map_or("GET", |request| &request.method);
            let read = |method| Message::answer(rest, method).expect("an answer by the letter");
            let mut answer = read(method).expect("a whole head");
            // What comes too late or is malformed is no request, and so no HEAD.
            if answer.head.closes() && answer.length < rest.len() {
                answer = read("GET").expect("a whole head");
            }
            let bytes = &rest[..answer.length];
            at += answer.length;
            let status = answer.head.status().expect("it has been read");
            if status == 100 {
                assert_eq!(answer.length, answer.head.length);
                continue;
            }
            let is_last = at == output.len();
            check_answer(&answer, status, request, is_last);
            self.check_marks(bytes, (number, place), request);
            self.check_body(&answer, (number, place), method);
            place += 1;
        }
    }

    /// What an upstream has answered to one request is in no other's answer.
    fn check_marks(&self, answer: &[u8], owner: Owner, asked: Option<&Request>) {
        assert!(owner_of(answer, self.clients).is_none_or(|other| other == owner));
        // What one has learned of where tokens are had, all may know.
        if asked.is_some_and(|asked| asked.target.contains("token")) {
            return;
        }
        for mark in marks(answer, b'u') {
            let connection = usize::from(mark[3] - b'0');
            let at = memmem::find(&self.scripts[connection].bytes, mark).expect("it was sent");
            let is_in = |exchange: &&Exchange| {
                let answer = exchange.answer.as_ref();
                answer.is_some_and(|answer| (answer.start..answer.end).contains(&at))
            };
            let found = self.exchanges[connection].iter().find(is_in);
            let found = found.expect("what is no part of an answer goes nowhere");
            assert!(
                found.owner.is_none_or(|other| other == owner),
                "another's answer"
            );
        }
    }

    /// A body is docxy's own, or an upstream's, or the parts in which upstreams sent it; and whole only if that is.
    fn check_body(&self, answer: &Message, owner: Owner, method: &str) {
        if method == "HEAD" || is_own(&answer.body) {
            return;
        }
        let is_its = |exchange: &&Exchange| exchange.owner.is_none_or(|other| other == owner);
        let exchanges = self.exchanges.iter().flatten().filter(is_its);
        let sources: Vec<&Answered> = exchanges
            .filter_map(|exchange| exchange.answer.as_ref())
            .collect();
        let has_to_be_whole = answer.state == State::Whole;
        assert!(
            is_made_of(&answer.body, &sources, has_to_be_whole, 0),
            "a body of nobody's: {}",
            answer.body.escape_ascii()
        );
    }
}

fn check_answer(answer: &Message, status: u16, request: Option<&Request>, is_last: bool) {
    assert!(status >= 200, "{status}");
    let head = &answer.head;
    for name in ["set-cookie", "alt-svc"].iter().chain(&HOP_BY_HOP) {
        assert!(head.all(name).is_empty(), "{name} is passed");
    }
    assert!(head.all("content-length").len() + head.all("transfer-encoding").len() <= 1);
    assert_ne!(answer.state, State::Broken);
    if answer.framing == Framing::UntilClose {
        assert!(request.is_some_and(|request| request.is_old) && head.closes());
    }
    if answer.state == State::Partial || head.closes() {
        assert!(is_last, "something follows the last answer");
    }
    assert!(
        request.is_some() || head.closes(),
        "what is no request ends the connection"
    );
}

fn is_own(body: &[u8]) -> bool {
    let texts = ["", "ok\n", "ready\n", "stopping\n", "{}"];
    let is_error = body.starts_with(b"{\"errors\":[") && memmem::find(body, b"docxy: ").is_some();
    let is_token = memmem::find(body, b"\"docxy-anonymous\"").is_some();
    is_error || is_token || texts.iter().any(|text| text.as_bytes() == body)
}

/// Whether a body is one of these, or begins with all that came of one and goes on with another.
fn is_made_of(body: &[u8], sources: &[&Answered], has_to_be_whole: bool, depth: usize) -> bool {
    let is_first = depth == 0;
    sources.iter().any(|source| {
        let data = &source.message.body;
        // A whole that is sent again is passed from where the last one broke off.
        let starts = if is_first { 0 } else { data.len() };
        (0..=starts).any(|start| {
            let data = &data[start..];
            if has_to_be_whole && data == body {
                return source.is_whole;
            }
            let is_part = !has_to_be_whole && data.starts_with(body);
            let goes_on = !data.is_empty() && !source.is_whole && depth < 8;
            is_part
                || (goes_on
                    && body.starts_with(data)
                    && is_made_of(&body[data.len()..], sources, has_to_be_whole, depth + 1))
        })
    })
}
