use std::collections::HashSet;

use bytes::Bytes;

use super::super::reach::Reach;
use super::super::redirect::{MAX_HOPS, Trail};
use super::super::rewrite::{Credentials, Part, Request, request_head};
use super::assert_word;
use crate::http::head::RequestHead;
use crate::http::uri::{Authority, Host, Scheme, Target};

/// A target and the `Location`s that follow, one on each line after a letter for the class of address that gave it: what
/// is checked is where the request goes, and the trust in it never grows.
pub fn redirect(data: &[u8]) {
    let mut lines = data.split(|&b| b == b'\n');
    let Ok(first) = Target::parse(lines.next().unwrap_or_default()) else {
        return;
    };
    check_target(&first);
    let mut trail = Trail::new(first, None);
    for line in lines {
        let Some((class, location)) = line.split_first() else {
            continue;
        };
        let from = match class {
            b'p' => Reach::Private,
            b'l' => Reach::LinkLocal,
            _ => Reach::Global,
        };
        let before = trail.clone();
        match trail.follow(location, from) {
            Ok(()) => check_step(&before, &trail, from),
            Err(_) => {
                assert_eq!(
                    (trail.target(), trail.reach()),
                    (before.target(), before.reach())
                );
                assert_eq!(
                    (trail.hops(), trail.has_left()),
                    (before.hops(), before.has_left())
                );
            }
        }
    }
}

fn check_step(before: &Trail, after: &Trail, from: Reach) {
    check_target(after.target());
    assert!(after.hops() == before.hops() + 1 && after.hops() <= MAX_HOPS);
    assert_eq!(after.first(), before.first());
    let reach = after
        .reach()
        .expect("only the first target is the operator's choice");
    assert!(reach <= from && before.reach().is_none_or(|before| reach <= before));
    let is_other = after.target().origin != after.first().origin;
    assert_eq!(after.has_left(), before.has_left() || is_other);
    let schemes = [before, after].map(|trail| trail.target().origin.scheme());
    assert!(schemes != [Scheme::Https, Scheme::Http] || reach > Reach::Global);
    let seen = HashSet::from([before.target().to_string(), before.first().to_string()]);
    assert!(!seen.contains(&after.target().to_string()));
}

/// What is dialled, what is sent as Host and what a reader of the URL sees are one.
fn check_target(target: &Target) {
    assert_word(&target.path_and_query);
    let written = target.to_string();
    assert_eq!(
        Target::parse(written.as_bytes()).as_ref(),
        Ok(target),
        "{written}"
    );
    let authority = written.split('/').nth(2).expect("an authority");
    assert!(!authority.contains(['@', '?', '#', '\\', '%']), "{written}");
    if let Host::Name(name) = target.origin.host() {
        assert!(!name.ends_with('.') && *name.to_ascii_lowercase() == **name);
        let last = name.rsplit('.').next().unwrap_or_default();
        assert!(
            last.parse::<u64>().is_err(),
            "{name} is no short form of an address"
        );
    }
    let nothing =
        RequestHead::parse(Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n")).expect("a head");
    let head = request_head(&Request {
        method: b"GET",
        target,
        fields: &nothing.fields,
        credentials: Credentials::Withheld,
        part: Part::AsAsked,
        version: nothing.version,
        via: "docxy",
        body: None,
    });
    let head = RequestHead::parse(Bytes::from(head)).expect("what is written parses");
    assert_eq!(head.target(), target.path_and_query);
    let host = head.fields.only("host").expect("one Host").expect("a Host");
    assert_eq!(Authority::parse(host), Ok(target.origin.authority()));
}
