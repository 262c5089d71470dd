//! What the README says of how long docxy waits is how long it waits.

use std::time::Duration;

use docxy::limits::admission::SPARE;
use docxy::timeouts;

use super::text;

const WAITS: [(&str, Duration); 11] = [
    ("a client's request head", timeouts::CLIENT_HEAD),
    (
        "the body of a request, where it is read",
        timeouts::CLIENT_HEAD,
    ),
    (
        "the body of a request that is refused anyway",
        timeouts::DISCARD,
    ),
    ("a client's idle connection", timeouts::CLIENT_IDLE),
    (
        "the first request of a connection that came just before a stop",
        timeouts::FIRST_REQUEST,
    ),
    ("TLS handshake, either side", timeouts::TLS_HANDSHAKE),
    ("name lookup", timeouts::LOOKUP),
    ("connection to an upstream", timeouts::CONNECT),
    ("connection to an upstream", timeouts::NEXT_ADDRESS),
    (
        "a request on an idle upstream connection",
        timeouts::UNACKNOWLEDGED,
    ),
    (
        "connections beyond `--max-connections`",
        timeouts::SPARE_PLACE,
    ),
];

fn written(wait: Duration) -> String {
    match wait.subsec_millis() {
        0 => format!(" {} s", wait.as_secs()),
        millis => format!(" {millis} ms"),
    }
}

#[test]
fn the_readme_says_how_long_docxy_waits() {
    let readme = text("README.md");
    for (what, wait) in WAITS {
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| {what} |")));
        let row = row.unwrap_or_else(|| panic!("the README does not speak of {what}"));
        let wait = written(wait);
        assert!(row.contains(&wait), "{row} has no{wait}");
    }
}

#[test]
fn the_readme_says_how_many_are_let_in_beyond_the_limit() {
    let readme = text("README.md");
    let row = format!("| connections beyond `--max-connections` | {SPARE}, ");
    assert!(readme.contains(&row), "{row}");
    let text = format!("{SPARE} connections more are let in");
    assert!(readme.contains(&text), "{text}");
}

#[test]
fn the_readme_says_how_long_an_upstreams_head_may_take() {
    let wait = written(timeouts::RESPONSE_HEAD);
    let row = format!("| answer head of an upstream |{wait} (504) |");
    assert!(text("README.md").contains(&row), "{row}");
}
