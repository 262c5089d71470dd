//! What clients have been told: by whom, to which of their requests, and how far.

use memchr::memmem;

use super::super::script::{End, Script, with};
use super::super::strict::{Framing, Message, State};
use super::{Answered, Client, Exchange, HOP_BY_HOP, Owner, Request, Standing, marks, owner_of};
use crate::answer::NOT_TLS;

/// All that is known when the clients' sides are judged.
struct Judge<'a> {
    clients: &'a [Client],
    scripts: &'a [Script],
    /// By connection.
    exchanges: Vec<Vec<Exchange>>,
}

/// Panics if a client has been told what is not explained by what was asked of upstreams, and answered.
pub(super) fn check(clients: &[Client], scripts: &[Script], exchanges: Vec<Vec<Exchange>>) {
    let judge = Judge {
        clients,
        scripts,
        exchanges,
    };
    for number in 0..clients.len() {
        judge.check_client(number);
    }
}

impl Judge<'_> {
    fn check_client(&self, number: usize) {
        let client = &self.clients[number];
        let (output, end) = with(&client.record, |record| {
            (record.received.clone(), record.end)
        });
        self.check_standing(number, &output);
        let (mut at, mut place) = (0, 0);
        while at < output.len() {
            let rest = &output[at..];
            if rest.starts_with(b"HTTP/1.0 ") {
                let is_cut = end == End::Reset && NOT_TLS.starts_with(rest);
                assert!(
                    rest == NOT_TLS || is_cut,
                    "the only answer of that version, and the last"
                );
                return;
            }
            let request = client.requests.get(place);
            let method = request.map_or(client.last_method(), |request| &request.method);
            let read = |method| Message::answer(rest, method).expect("an answer by the letter");
            let Some(mut answer) = read(method) else {
                assert_eq!(end, End::Reset, "a whole head, if the client hears it");
                return;
            };
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
            assert!(client.standing == Standing::Served || (status >= 400 && is_own(&answer)));
            self.check_marks(bytes, (number, place), request);
            self.check_body(&answer, (number, place), method);
            place += 1;
        }
    }

    /// Nobody is told anything whom nobody has introduced, and nothing is asked in the name of whoever is not served.
    fn check_standing(&self, number: usize, output: &[u8]) {
        let standing = self.clients[number].standing;
        assert!(standing != Standing::Nobody || output.is_empty());
        let owners = self
            .exchanges
            .iter()
            .flatten()
            .map(|exchange| exchange.owner);
        let mut asked = owners.flatten().filter(|(client, _)| *client == number);
        assert!(standing == Standing::Served || asked.next().is_none());
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
        if method == "HEAD" || is_own(answer) {
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

/// Whether a body is docxy's own, or as much of one as a client took before it was gone.
fn is_own(answer: &Message) -> bool {
    const ERROR: &[u8] = b"{\"errors\":[{\"code\":\"";
    const TOKEN: &[u8] = b"{\"access_token\":\"docxy-anonymous\"";
    let body = &answer.body[..];
    let texts = [&b"ok\n"[..], b"ready\n", b"stopping\n", b"{}"];
    if answer.state != State::Whole {
        let begins = |own: &[u8]| own.starts_with(body) || body.starts_with(own);
        return [ERROR, TOKEN].into_iter().chain(texts).any(begins);
    }
    let is_error = body.starts_with(ERROR) && memmem::find(body, b"docxy: ").is_some();
    is_error || body.starts_with(TOKEN) || body.is_empty() || texts.contains(&body)
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
