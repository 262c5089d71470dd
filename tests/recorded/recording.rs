//! The recordings' format: `reg#n` and `auth#n` are connections, `>>` is the client, `<<` the server, bodies are
//! shortened.

use crate::wire::Head;

/// Which server a connection was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The registry.
    Registry,
    /// The token server.
    Auth,
}

/// A connection of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// To whom.
    pub peer: Peer,
    /// Its number.
    pub number: usize,
}

/// Something that happened on a connection.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where.
    pub on: Connection,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// The client connected.
    Connect,
    /// The client tried TLS on the plain port.
    ClientHello,
    /// A request's head.
    Request(Head),
    /// A request's body.
    RequestBody(Vec<u8>),
    /// An answer's head.
    Response(Head),
    /// An answer's body.
    ResponseBody(Body),
    /// The client closed its side.
    ClientFin,
}

/// An answer's body: how long it was, what is shown of it, and whether the client left in the middle.
#[derive(Clone, Debug)]
pub struct Body {
    /// Bytes, before the cut if there was one.
    pub length: usize,
    /// The beginning.
    pub shown: String,
    /// The client left before the end.
    pub dropped: bool,
}

/// Width of `reg#1    ` before the direction.
const LABEL: usize = 9;

/// Takes a recording apart.
///
/// # Panics
/// At a line that it does not understand.
pub fn parse(text: &str) -> Vec<Event> {
    let mut lines = text
        .lines()
        .filter(|line| line.contains('#'))
        .skip(1)
        .peekable();
    let mut events = Vec::new();
    while let Some(line) = lines.next() {
        let (on, rest) = labelled(line);
        let more = |next: &&str| labelled(next).0 == on && !is_marked(labelled(next).1);
        let mut following = Vec::new();
        while let Some(next) = lines.next_if(more) {
            following.push(labelled(next).1.get(3..).unwrap_or(""));
        }
        if let Some(what) = event(rest, &following) {
            events.push(Event { on, what });
        }
    }
    events
}

fn labelled(line: &str) -> (Connection, &str) {
    let (label, rest) = line.split_at(line.len().min(LABEL));
    let (peer, number) = label
        .trim()
        .split_once('#')
        .unwrap_or_else(|| panic!("no label in {line:?}"));
    let peer = match peer {
        "reg" => Peer::Registry,
        "auth" => Peer::Auth,
        other => panic!("a connection to {other}"),
    };
    (
        Connection {
            peer,
            number: number.parse().expect("a number"),
        },
        rest,
    )
}

fn is_marked(rest: &str) -> bool {
    ["-- ", ">> ", "<< "]
        .iter()
        .any(|mark| rest.starts_with(mark))
}

/// `following` are the lines that belong to the marked one: the fields of a head, or a body's beginning.
fn event(marked: &str, following: &[&str]) -> Option<What> {
    match marked {
        "-- connect" => Some(What::Connect),
        ">> [TLS ClientHello on the plain port]" => Some(What::ClientHello),
        ">> [FIN]" => Some(What::ClientFin),
        "<< [FIN]" | "-- closed" => None,
        _ if marked.contains(" !! ") => None,
        _ => match (&marked[..3], marked[3..].strip_prefix("[body ")) {
            (">> ", Some(body)) => Some(What::RequestBody(
                body_of(body, following).shown.into_bytes(),
            )),
            ("<< ", Some(body)) => Some(What::ResponseBody(body_of(body, following))),
            (">> ", None) => Some(What::Request(head_of(&marked[3..], following))),
            ("<< ", None) => Some(What::Response(head_of(&marked[3..], following))),
            _ => panic!("what is {marked:?}?"),
        },
    }
}

fn head_of(start: &str, following: &[&str]) -> Head {
    let fields = following.iter().take_while(|line| !line.is_empty());
    let lines: String = fields.map(|field| format!("{field}\r\n")).collect();
    Head::parse(format!("{start}\r\n{lines}\r\n").as_bytes())
}

fn body_of(described: &str, following: &[&str]) -> Body {
    let (length, how) = described
        .split_once(" bytes via ")
        .expect("a length and a framing");
    Body {
        length: length.parse().expect("a length"),
        shown: following.join("\n"),
        dropped: how.starts_with("!!CUT"),
    }
}

#[test]
fn a_recording_is_understood() {
    let text = "# name\n\nreg#1    -- connect\nreg#1    >> HEAD /v2/ HTTP/1.1\nreg#1       Host: x\nreg#1\n\
                auth#2   -- connect\nreg#1    << HTTP/1.1 200 OK\nreg#1       Content-Length: 2\nreg#1\n\
                reg#1    << [body 2 bytes via content-length in 0.000s]\nreg#1       {}\nreg#1    << [FIN]\n\
                reg#1    >> [FIN]\nreg#1    -- closed\n";
    let events = parse(text);
    let shown: Vec<String> = events
        .iter()
        .map(|event| format!("{:?}", event.what))
        .collect();
    assert_eq!(events.len(), 6, "{shown:#?}");
    assert_eq!(
        events[2].on,
        Connection {
            peer: Peer::Auth,
            number: 2
        }
    );
    let What::Request(head) = &events[1].what else {
        panic!("{shown:#?}")
    };
    assert_eq!(head.one("host"), Some("x"));
    let What::ResponseBody(body) = &events[4].what else {
        panic!("{shown:#?}")
    };
    assert_eq!(
        (body.length, body.shown.as_str(), body.dropped),
        (2, "{}", false)
    );
}
