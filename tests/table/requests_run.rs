//! Runs the table of requests: statuses, what becomes of the connection, and what reached the upstream byte for byte.

use memchr::memmem;

use crate::case::{After, Forwarded, Request};
use crate::stand::{Stand, Way, expect_closing, receive, report, send, side_by_side, tag, tagged};
use crate::wire::message::Head;
use crate::wire::stream::{Stream, Wire};
use crate::wire::{Answer, Server};

/// What the upstream answers: its challenge to a ping, and to all else the path that it was asked for.
fn script(request: &crate::wire::Request) -> Answer {
    let scheme = if request
        .head
        .one("host")
        .is_some_and(|host| host.starts_with("localhost"))
    {
        "https"
    } else {
        "http"
    };
    let host = request.head.one("host").unwrap();
    match (request.head.method(), request.head.target()) {
        (_, "/v2/") => Answer::challenge(&[&format!(
            "Bearer realm=\"{scheme}://{host}/realm\",service=\"s\""
        )]),
        ("HEAD", _) => Answer::head("200 OK", &[]),
        (_, target) => Answer::new("200 OK", &[], target),
    }
}

/// # Panics
/// With every row that went wrong.
pub fn run(way: Way) {
    let rows = crate::requests::all();
    let stand = Stand::start(way, script);
    stand.ask_cleanly_anew("first").unwrap();
    side_by_side(&rows, title, |number, row| {
        run_one(&stand, way, &tag(number), row)
    });
    check_forwarded(&stand, &rows);
}

fn title(row: &Request) -> String {
    let shown = &row.bytes[..row.bytes.len().min(160)];
    format!("{} ({})", row.name, shown.escape_ascii())
}

fn run_one(stand: &Stand, way: Way, tag: &str, row: &Request) -> Result<(), String> {
    let mut wire = stand.connect();
    send(&mut wire, &tagged(&row.bytes, tag), way);
    if row.after == After::Unfinished {
        wire.stream.finish_writing();
    }
    let bytes = &tagged(&row.bytes, tag);
    let method = if bytes.starts_with(b"HEAD ") {
        "HEAD"
    } else {
        "GET"
    };
    let mut targets = row.forwarded.iter().map(|forwarded| forwarded.target(tag));
    let mut last = None;
    for &status in &row.statuses {
        let target = if status == 200 { targets.next() } else { None };
        last = Some(receive_one(
            &mut wire,
            method,
            status,
            target.filter(|_| method == "GET"),
        )?);
    }
    let says_close = last.is_some_and(|head| head.one("connection") == Some("close"));
    match row.after {
        After::Open => stand.ask_cleanly(&mut wire, tag)?,
        After::Closed if says_close => expect_closing(&mut wire)?,
        After::Closed => return Err("its last answer does not say that it closes".to_owned()),
        After::Unfinished => expect_end(&mut wire)?,
    }
    stand.ask_cleanly_anew(tag)
}

fn receive_one(
    wire: &mut Wire<Stream>,
    method: &str,
    status: u16,
    body: Option<String>,
) -> Result<Head, String> {
    let (head, got) = receive(wire, method)?;
    if head.status() != status {
        return Err(format!(
            "{} instead of {status}: {}",
            head.status(),
            got.escape_ascii()
        ));
    }
    match body {
        Some(body) if body.as_bytes() != got => {
            Err(format!("{} instead of {body}", got.escape_ascii()))
        }
        _ if status >= 200 && head.all("date").len() != 1 => Err(format!("not one Date: {head:?}")),
        _ => Ok(head),
    }
}

/// A connection that was cut within a message may end in any way, but without an answer.
fn expect_end(wire: &mut Wire<Stream>) -> Result<(), String> {
    match wire.closing() {
        crate::wire::Closing::Silence => Err("the connection stays open".to_owned()),
        _ => Ok(()),
    }
}

impl Forwarded {
    fn target(&self, tag: &str) -> String {
        let target = self.line.split(' ').nth(1).unwrap();
        String::from_utf8(tagged(target.as_bytes(), tag)).unwrap()
    }

    /// The bytes that have to reach `upstream`.
    fn bytes(&self, upstream: &Server, via: &str, tag: &str) -> Vec<u8> {
        let authority = upstream.url().split_once("://").unwrap().1.to_owned();
        let end = if self.rest.is_empty() {
            b"\r\n"
        } else {
            &self.rest[..]
        };
        let parts = [
            tagged(self.line.as_bytes(), tag),
            format!(" HTTP/1.1\r\nHost: {authority}\r\n").into_bytes(),
            self.fields.clone(),
            format!("Via: {via}\r\n").into_bytes(),
            tagged(end, tag),
        ];
        parts.concat()
    }
}

fn check_forwarded(stand: &Stand, rows: &[Request]) {
    let tags: Vec<String> = (0..rows.len()).map(tag).collect();
    let recorded = stand.recorded();
    let requests = stand.upstream.requests();
    let via = requests[0].head.one("via").unwrap();
    let docxy = via.strip_prefix("1.1 ").expect("a request in HTTP/1.1");
    let mut wrong = Vec::new();
    for (row, tag) in rows.iter().zip(&tags) {
        let is_old = memmem::find(&row.bytes, b" HTTP/1.0\r\n").is_some();
        let via = format!("{} {docxy}", if is_old { "1.0" } else { "1.1" });
        let expected: Vec<_> = row
            .forwarded
            .iter()
            .map(|one| one.bytes(&stand.upstream, &via, tag))
            .collect();
        let got: Vec<_> = recorded
            .get(tag)
            .into_iter()
            .flatten()
            .map(|one| [&one.head.raw[..], &one.body].concat())
            .collect();
        if expected != got {
            let shown = |all: &[Vec<u8>]| {
                all.iter()
                    .map(|one| one.escape_ascii().to_string())
                    .collect::<Vec<_>>()
            };
            wrong.push(format!(
                "{}: forwarded\n  {:#?}\n  instead of\n  {:#?}",
                title(row),
                shown(&got),
                shown(&expected)
            ));
        }
    }
    let untagged = recorded.get("").into_iter().flatten();
    wrong.extend(
        untagged
            .filter(|one| one.head.target() != "/v2/")
            .map(|one| format!("nobody's request: {:?}", one.head)),
    );
    report(&wrong, rows.len());
}
