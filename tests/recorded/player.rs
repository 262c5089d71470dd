//! The client's side of a recording: the recorded requests on as many connections and in the recorded order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::changes::{NAME, Places};
use crate::docxy::Docxy;
use crate::recording::{Body, Connection, Event, Peer, What, parse};
use crate::upstream::{Exchange, Script, answer, exchanges};
use crate::wire::{Client, Closing, Framing, Head, Server};

/// The first bytes of a TLS 1.3 ClientHello.
const CLIENT_HELLO: [u8; 16] = [
    0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x5a, 0x17, 0x00, 0x0a, 0x0d,
];

/// What containerd 2 reads of an open range before it drops it.
const READ_OF_A_RANGE: usize = 8 * 1024 * 1024;

/// What the kernel may have taken for a client that reads no more: then the answer is complete for docxy.
const IN_FLIGHT: usize = 16 * 1024 * 1024;

struct Stage {
    places: Arc<Places>,
    registry: Server,
    auth: Server,
    docxy: Docxy,
    script: Script,
}

/// Plays a recording through a docxy of its own.
pub fn play(text: &str) {
    let events = parse(text);
    let stage = Stage::set(exchanges(&events));
    let mut player = Player {
        stage: &stage,
        lines: HashMap::new(),
    };
    events.iter().for_each(|event| player.act(event));
    let left: Vec<String> = stage
        .script
        .lock()
        .unwrap()
        .iter()
        .filter(|one| one.asked.is_none())
        .map(|one| one.request.start.clone())
        .collect();
    assert!(
        left.is_empty(),
        "recorded, but never asked upstream: {left:#?}"
    );
    let asked = stage.registry.requests().len() + stage.auth.requests().len();
    assert_eq!(
        asked,
        stage.script.lock().unwrap().len(),
        "requests upstream"
    );
}

impl Stage {
    fn set(exchanges: Vec<Exchange>) -> Stage {
        let script: Script = Arc::new(Mutex::new(exchanges));
        let places: Arc<OnceLock<Arc<Places>>> = Arc::default();
        let server = |peer: Peer| {
            let (script, places) = (Arc::clone(&script), Arc::clone(&places));
            Server::start(move |request| {
                answer(&script, places.get().expect("places"), peer, request)
            })
        };
        let (registry, auth) = (server(Peer::Registry), server(Peer::Auth));
        let upstream = format!("{NAME}={}", registry.url());
        let docxy = Docxy::start(&["--listen", "127.0.0.1:0", "--upstream", &upstream]);
        let known = Arc::new(Places {
            docxy: docxy.addr().to_string(),
            registry: registry.authority(),
            auth: auth.authority(),
        });
        assert!(places.set(Arc::clone(&known)).is_ok());
        Stage {
            places: known,
            registry,
            auth,
            docxy,
            script,
        }
    }
}

/// A connection to docxy and what was last asked on it.
struct Line {
    client: Client,
    asked: Option<Head>,
}

struct Player<'a> {
    stage: &'a Stage,
    lines: HashMap<(bool, usize), Line>,
}

fn key(on: Connection) -> (bool, usize) {
    (on.peer == Peer::Auth, on.number)
}

impl Player<'_> {
    fn act(&mut self, event: &Event) {
        let on = event.on;
        match &event.what {
            What::Connect => {
                let client = Client::connect(self.stage.docxy.addr());
                self.lines.insert(
                    key(on),
                    Line {
                        client,
                        asked: None,
                    },
                );
            }
            What::ClientHello => self.line(on).client.send(CLIENT_HELLO),
            What::Request(head) => {
                let bytes = self.stage.places.to_docxy(on.peer, head);
                let line = self.line(on);
                line.client.send(bytes);
                line.asked = Some(head.clone());
            }
            What::RequestBody(form) => self.line(on).client.send(form),
            What::Response(head) => self.response(on, head),
            What::ResponseBody(body) => self.body(on, body),
            What::ClientFin => drop(self.lines.remove(&key(on))),
        }
    }

    fn line(&mut self, on: Connection) -> &mut Line {
        self.lines
            .get_mut(&key(on))
            .unwrap_or_else(|| panic!("{on:?} is not open"))
    }

    fn response(&mut self, on: Connection, recorded: &Head) {
        let places = Arc::clone(&self.stage.places);
        let line = self.line(on);
        let Some(asked) = line.asked.clone() else {
            return refusal_of_tls(line);
        };
        let (head, interim) = line.client.receive_head();
        assert!(interim.is_empty(), "{interim:?}");
        assert_eq!(
            head.status(),
            recorded.status(),
            "{}: {head:?}",
            asked.start
        );
        assert_eq!(
            head.one("content-length"),
            recorded.one("content-length"),
            "{}",
            asked.start
        );
        assert_eq!(
            places.seen_by_client(&head),
            places.fields_to_client(&asked, recorded),
            "{}",
            asked.start
        );
        let length = recorded
            .one("content-length")
            .map(|length| length.parse().expect("a length"));
        let expected = match asked.method() {
            "HEAD" => Framing::None,
            _ => length.map_or(Framing::None, Framing::Length),
        };
        assert_eq!(
            Framing::of_response(asked.method(), &head),
            expected,
            "{}",
            asked.start
        );
        if asked.one("connection") == Some("close") {
            assert_eq!(head.one("connection"), Some("close"), "{}", asked.start);
        }
    }

    fn body(&mut self, on: Connection, recorded: &Body) {
        let Some(asked) = self.line(on).asked.clone() else {
            return;
        };
        let (body, upstream) = self.answered(on, &asked);
        let count = if recorded.dropped {
            READ_OF_A_RANGE
        } else {
            recorded.length
        };
        let got = self
            .line(on)
            .client
            .take(count)
            .unwrap_or_else(|closing| panic!("{closing:?} in {}", asked.start));
        assert!(got[..] == body[..count], "bytes of {}", asked.start);
        if recorded.dropped {
            let line = self.lines.remove(&key(on)).expect("an open connection");
            line.client.reset();
            if body.len() - count > IN_FLIGHT {
                self.stage.registry.wait_for_leaving(upstream);
            }
        } else if asked.one("connection") == Some("close") {
            assert_eq!(
                self.line(on).client.closing(),
                Closing::Fin,
                "{}",
                asked.start
            );
        }
    }

    /// The body that the upstream gave for this request, and on which of its connections.
    fn answered(&self, on: Connection, asked: &Head) -> (Arc<Vec<u8>>, usize) {
        let script = self.stage.script.lock().unwrap();
        let mine = |one: &&Exchange| one.on == on && one.request.raw == asked.raw;
        let exchange = script.iter().filter(mine).find(|one| one.asked.is_some());
        let exchange = exchange.unwrap_or_else(|| panic!("{} was not asked upstream", asked.start));
        (Arc::clone(&exchange.body), exchange.asked.expect("asked"))
    }
}

/// A TLS ClientHello on a plain port gets a real `HTTP/1.0 400` answer, after which clients go on.
fn refusal_of_tls(line: &mut Line) {
    let response = line.client.receive("GET").complete();
    assert_eq!(response.status(), 400);
    line.client.closing();
}
