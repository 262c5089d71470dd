//! The recorded registry and token server, scripted: each request must be one that was recorded and not yet asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::changes::{Places, same_parameters};
use crate::recording::{Connection, Event, Peer, What};
use crate::wire::answer::Act;
use crate::wire::{Answer, Head, Request, noise};

/// A recorded request with its answer.
pub struct Exchange {
    /// The connection on which it was recorded.
    pub on: Connection,
    /// Its head.
    pub request: Head,
    /// Its form.
    pub form: Vec<u8>,
    /// The answer's head.
    pub response: Head,
    /// The answer's body, as long as it was announced.
    pub body: Arc<Vec<u8>>,
    /// The upstream's connection that asked for it in this run.
    pub asked: Option<usize>,
}

/// Every exchange of the recording but TLS tries.
pub fn exchanges(events: &[Event]) -> Vec<Exchange> {
    let requests = events
        .iter()
        .enumerate()
        .filter_map(|(at, event)| match &event.what {
            What::Request(head) => Some((at, event.on, head)),
            _ => None,
        });
    requests
        .map(|(at, on, head)| exchange(&events[at + 1..], on, head))
        .collect()
}

fn exchange(later: &[Event], on: Connection, request: &Head) -> Exchange {
    let next = |events: &[Event]| -> Vec<What> {
        let same = events
            .iter()
            .filter(|event| event.on == on)
            .map(|event| event.what.clone());
        same.take_while(|what| !matches!(what, What::Request(_)))
            .collect()
    };
    let mut form = Vec::new();
    let mut response = None;
    let mut shown = String::new();
    for what in next(later) {
        match what {
            What::RequestBody(body) => form = body,
            What::Response(head) => response = Some(head),
            What::ResponseBody(body) => shown = body.shown,
            _ => {}
        }
    }
    let response = response.unwrap_or_else(|| panic!("no answer to {}", request.start));
    let length = response
        .one("content-length")
        .map_or(0, |length| length.parse().expect("a length"));
    let body = if request.method() == "HEAD" {
        Arc::default()
    } else {
        made_up(&shown, length)
    };
    Exchange {
        on,
        request: request.clone(),
        form,
        response,
        body,
        asked: None,
    }
}

/// A body of this length that begins as the recording shows it. Large ones are shared, they have nothing to show.
fn made_up(shown: &str, length: usize) -> Arc<Vec<u8>> {
    static LARGE: OnceLock<Mutex<HashMap<usize, Arc<Vec<u8>>>>> = OnceLock::new();
    if shown.is_empty() {
        let mut large = LARGE.get_or_init(Mutex::default).lock().unwrap();
        return Arc::clone(
            large
                .entry(length)
                .or_insert_with(|| Arc::new(noise(length))),
        );
    }
    let mut body = shown.as_bytes()[..shown.len().min(length)].to_vec();
    body.resize(length, b' ');
    Arc::new(body)
}

/// The exchanges of a run, shared by the two servers and the client side.
pub type Script = Arc<Mutex<Vec<Exchange>>>;

/// The recorded answer to this request, which is then used up.
pub fn answer(script: &Script, places: &Places, peer: Peer, request: &Request) -> Answer {
    let mut exchanges = script.lock().unwrap();
    let open = exchanges
        .iter_mut()
        .filter(|exchange| exchange.on.peer == peer && exchange.asked.is_none());
    let mut close_calls = Vec::new();
    for exchange in open {
        match difference(exchange, places, peer, request) {
            None => {
                exchange.asked = Some(request.connection);
                return recorded_answer(exchange, places);
            }
            Some(difference) => close_calls.push(difference),
        }
    }
    let fields = [(
        "X-Difference",
        close_calls.first().map_or("", String::as_str),
    )];
    Answer::new("599 Not recorded", &fields, "")
}

/// How a request differs from a recorded one.
fn difference(
    exchange: &Exchange,
    places: &Places,
    peer: Peer,
    request: &Request,
) -> Option<String> {
    let expected = places.fields_upstream(peer, &exchange.request);
    let seen = places.seen_upstream(&request.head);
    if request.head.method() != exchange.request.method() {
        return Some("another method".to_owned());
    }
    if !same_target(places, peer, &request.head, &exchange.request) {
        return Some(format!(
            "{} is not {}",
            request.head.target(),
            exchange.request.target()
        ));
    }
    let (form, recorded) = (
        String::from_utf8_lossy(&request.body),
        String::from_utf8_lossy(&exchange.form),
    );
    if !same_parameters(&form, &recorded) {
        return Some(format!("form {form} is not {recorded}"));
    }
    (seen != expected).then(|| format!("{seen:?} is not {expected:?}"))
}

fn same_target(places: &Places, peer: Peer, seen: &Head, recorded: &Head) -> bool {
    let split = |target: &str| {
        target
            .split_once('?')
            .map_or((target.to_owned(), String::new()), |(a, b)| {
                (a.to_owned(), b.to_owned())
            })
    };
    let expected = places.target_upstream(recorded);
    if peer == Peer::Registry {
        return seen.target() == expected;
    }
    let ((path, query), (expected_path, expected_query)) = (split(seen.target()), split(&expected));
    path == expected_path && same_parameters(&query, &expected_query)
}

fn recorded_answer(exchange: &Exchange, places: &Places) -> Answer {
    let head = Answer::raw(places.answer_head(&exchange.response));
    let whole = if exchange.body.is_empty() {
        head
    } else {
        head.then(Act::Repeat(Arc::clone(&exchange.body), 1))
    };
    if exchange.response.one("connection") == Some("close") {
        whole.close()
    } else {
        whole
    }
}
