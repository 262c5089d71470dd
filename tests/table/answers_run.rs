//! Runs the table of answers: what reached the client byte for byte, and that nothing of it reaches anybody else.

use std::collections::HashMap;

use crate::case::{Answer as Row, Arrives, Asked, Then};
use crate::stand::{
    Stand, Way, expect_closing, receive_any, report, send, side_by_side, tag, tagged,
};
use crate::wire::answer::Act;
use crate::wire::message::Head;
use crate::wire::{Answer, Closing, End, Request};

/// # Panics
/// With every row that went wrong.
pub fn run(way: Way) {
    let rows = crate::answers::all();
    let scripts: HashMap<String, Answer> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| (format!("/v2/a/manifests/{}", tag(number)), row.script(way)))
        .collect();
    let stand = Stand::start(way, move |request| {
        let clean = || Answer::new("200 OK", &[], request.head.target());
        scripts
            .get(request.head.target())
            .cloned()
            .unwrap_or_else(clean)
    });
    side_by_side(&rows, title, |number, row| {
        run_one(&stand, &tag(number), row)
    });
    check_connections(&stand, &rows);
}

fn title(row: &Row) -> String {
    let shown = &row.bytes[..row.bytes.len().min(160)];
    format!("{} ({})", row.name, shown.escape_ascii())
}

impl Row {
    fn script(&self, way: Way) -> Answer {
        let piece = if way == Way::Bytewise {
            1
        } else {
            self.bytes.len().max(1)
        };
        let answer = self
            .bytes
            .chunks(piece)
            .fold(Answer::default(), |answer, piece| answer.send(piece));
        match self.then {
            Then::Waits => answer,
            Then::Closes => answer.close(),
            Then::Resets => answer.then(Act::Reset),
        }
    }

    fn request(&self, tag: &str) -> Vec<u8> {
        let (method, version) = match self.asked {
            Asked::Get => ("GET", "HTTP/1.1\r\nHost: h"),
            Asked::Head => ("HEAD", "HTTP/1.1\r\nHost: h"),
            Asked::Get10 => ("GET", "HTTP/1.0"),
        };
        tagged(
            format!("{method} /v2/a/manifests/CASE {version}\r\n\r\n").as_bytes(),
            tag,
        )
    }
}

fn run_one(stand: &Stand, tag: &str, row: &Row) -> Result<(), String> {
    let mut wire = stand.connect();
    send(&mut wire, &row.request(tag), Way::Whole);
    let method = if row.asked == Asked::Head {
        "HEAD"
    } else {
        "GET"
    };
    let (head, body, end) = receive_any(&mut wire, method)?;
    check_arrival(row, &head, &body, &end)?;
    let is_last = end != End::Complete || row.asked == Asked::Get10;
    match end {
        End::Complete if is_last || head.has("connection") => expect_closing(&mut wire)?,
        End::Complete => stand.ask_cleanly(&mut wire, tag)?,
        End::Cut(Closing::Silence) => return Err("the connection stays open".to_owned()),
        End::Cut(_) => {}
    }
    stand.ask_cleanly_anew(tag)
}

fn check_arrival(row: &Row, head: &Head, body: &[u8], end: &End) -> Result<(), String> {
    let got = || format!("{head:?} {} {end:?}", body.escape_ascii());
    let is_json = row.asked == Asked::Head || body.starts_with(b"{\"errors\":[{");
    let is_own = head.status() == 502 && is_json && *end == End::Complete;
    let is_right = match &row.arrives {
        Arrives::Whole(expected, expected_body) => {
            *end == End::Complete && without_date(row, head) == *expected && body == expected_body
        }
        Arrives::BadGateway => is_own,
        Arrives::Broken(begun) => {
            is_own
                || (matches!(end, End::Cut(_)) && begun.starts_with(body) && is_visible(row, end))
        }
    };
    if is_right { Ok(()) } else { Err(got()) }
}

/// HTTP/1.0 has no other sign for a cut than a reset.
fn is_visible(row: &Row, end: &End) -> bool {
    row.asked != Asked::Get10 || has_length(row) || *end == End::Cut(Closing::Reset)
}

fn has_length(row: &Row) -> bool {
    row.bytes
        .windows(15)
        .any(|bytes| bytes == b"Content-Length:")
}

/// What docxy adds to an answer that has none (RFC 9110 §6.6.1).
fn without_date(row: &Row, head: &Head) -> Vec<u8> {
    assert_eq!(head.all("date").len(), 1, "one Date of {}", row.name);
    let lines = head.raw.split_inclusive(|&byte| byte == b'\n');
    lines
        .filter(|line| !line.starts_with(b"Date: "))
        .collect::<Vec<_>>()
        .concat()
}

/// A connection that may not carry another request has carried none, and docxy has left it.
fn check_connections(stand: &Stand, rows: &[Row]) {
    let tags: Vec<String> = (0..rows.len()).map(tag).collect();
    let recorded = stand.recorded();
    let requests = stand.upstream.requests();
    let mut wrong = Vec::new();
    for (row, tag) in rows.iter().zip(&tags).filter(|(row, _)| !row.reusable) {
        for asked in &recorded[tag] {
            let last = requests
                .iter()
                .rfind(|other| other.connection == asked.connection);
            if !last.is_some_and(|last| is_same(last, asked)) {
                wrong.push(format!(
                    "{}: its connection carried {last:?} afterwards",
                    title(row)
                ));
            }
            if row.then != Then::Resets {
                stand.upstream.wait_for_leaving(asked.connection);
            }
        }
    }
    report(&wrong, rows.len());
}

fn is_same(one: &Request, other: &Request) -> bool {
    one.head.raw == other.head.raw
}
