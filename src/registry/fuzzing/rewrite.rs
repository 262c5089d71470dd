use bytes::Bytes;

use super::super::rewrite::{
    Credentials, FIRST_BYTE, Part, Request, Source, View, request_head, response_fields,
};
use super::super::route::Place;
use super::{parts, shared_table, target};
use crate::http::fields::Fields;
use crate::http::framing::{self, BodyFraming};
use crate::http::head::{RequestHead, ResponseHead, Version};
use crate::http::uri::Target;
use crate::http::write::HeadWriter;

/// Fields that belong to one connection.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields of a client that no upstream gets.
const NEVER_SENT: [&str; 7] = [
    "cookie",
    "expect",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "max-forwards",
];

/// Fields of an upstream that no client gets.
const NEVER_PASSED: [&str; 3] = ["set-cookie", "alt-svc", "strict-transport-security"];

/// Fields of an upstream by which a cache would keep what is private.
const FOR_CACHES: [&[u8]; 2] = [b"surrogate-control", b"x-accel-expires"];

/// docxy's realm.
const REALM: &str = "http://docxy.test/auth/x/token";

/// The head of a request and that of its answer: what is written of them parses again, is framed in one way, and has no
/// field of one connection and no line that was not there.
pub fn rewrite(data: &[u8]) {
    let [request, answer] = parts(data);
    if let Ok(head) = RequestHead::parse(Bytes::copy_from_slice(request)) {
        for (credentials, part, body) in [
            (Credentials::Sent, Part::AsAsked, None),
            (Credentials::Withheld, Part::AsAsked, Some(17)),
            (Credentials::Token("token"), FIRST_BYTE, None),
            (Credentials::Basic("QTpC"), Part::AsAsked, None),
        ] {
            check_request(&head, credentials, part, body);
        }
    }
    if let Ok(head) = ResponseHead::parse(Bytes::copy_from_slice(answer)) {
        let asked = Target::parse(b"https://asked.test/v2/c/tags/list").expect("an URL");
        let elsewhere = Source::Elsewhere(&asked);
        for source in [Source::Upstream, Source::Redirected, elsewhere] {
            for (length, by_account) in [(None, false), (Some(4711), false), (None, true)] {
                check_answer(&head, source, by_account, length);
            }
        }
    }
}

fn check_request(
    sent: &RequestHead,
    credentials: Credentials<'_>,
    part: Part<'_>,
    body: Option<usize>,
) {
    let table = shared_table();
    let target = target(&table, table.default_upstream(), "/v2/a/b/tags/list?n=1");
    let written = request_head(&Request {
        method: sent.method(),
        target: &target,
        fields: &sent.fields,
        credentials,
        part,
        version: sent.version,
        via: "docxy-fuzzing",
        body,
    });
    let lines = written.windows(2).filter(|pair| pair == b"\r\n").count();
    // What no client may send in one head may come out of one: its fields and docxy's own.
    let Ok(head) = RequestHead::parse(Bytes::from(written)) else {
        assert!(sent.fields.iter().count() > 120, "what is written parses");
        return;
    };
    assert_eq!(lines, head.fields.iter().count() + 2);
    assert_eq!(
        (head.method(), head.target()),
        (sent.method(), "/v2/a/b/tags/list?n=1")
    );
    assert_eq!(
        head.fields.only("host"),
        Ok(Some(&b"registry-1.docker.io"[..]))
    );
    let length = body.unwrap_or(0) as u64;
    assert_eq!(framing::of_request(&head), Ok(BodyFraming::Length(length)));
    assert_eq!(head.fields.contains("content-length"), body.is_some());
    check_credentials(&head.fields, credentials);
    if let Part::Only(range) = part {
        assert_eq!(head.fields.only("range"), Ok(Some(range.as_bytes())));
        assert!(!head.fields.contains("if-range") && !head.fields.contains("if-none-match"));
    }
    check_sent(&head.fields, sent);
}

/// What goes along as `Authorization` is what is to go along, and nothing beside it.
fn check_credentials(fields: &Fields, credentials: Credentials<'_>) {
    let authorizations: Vec<&[u8]> = fields.all("authorization").collect();
    match credentials {
        Credentials::Sent => {}
        Credentials::Withheld => assert!(authorizations.is_empty()),
        Credentials::Token(token) => {
            assert_eq!(authorizations, [format!("Bearer {token}").as_bytes()]);
        }
        Credentials::Basic(login) => {
            assert_eq!(authorizations, [format!("Basic {login}").as_bytes()]);
        }
    }
}

/// An upstream gets the client's fields, but for those that are not for it, and docxy's own.
fn check_sent(written: &Fields, sent: &RequestHead) {
    let (version, sent) = (sent.version, &sent.fields);
    let own: &[&str] = &["host", "via", "content-length", "range", "authorization"];
    check_hop_by_hop(written, sent, own);
    assert!(!NEVER_SENT.iter().any(|name| written.contains(name)));
    let via: &[u8] = match version {
        Version::Http10 => b"1.0 docxy-fuzzing",
        Version::Http11 => b"1.1 docxy-fuzzing",
    };
    assert_eq!(written.all("via").last(), Some(via));
    assert_in_order(written, sent, own);
}

fn check_answer(sent: &ResponseHead, source: Source<'_>, by_account: bool, length: Option<u64>) {
    let table = shared_table();
    let target = target(&table, table.default_upstream(), "/v2/a/b/tags/list?n=1");
    let place = Place {
        prefix: Some("docker.io".to_owned()),
        ns: Some("docker%2Eio".to_owned()),
        ..Place::default()
    };
    let view = View {
        target: &target,
        place: &place,
        mounts: None,
        source,
        by_account,
        status: sent.status,
        length,
    };
    let mut out = HeadWriter::answer(sent.status, sent.reason());
    let Ok(is_dated) = response_fields(&mut out, sent, &view, |_| REALM.to_owned()) else {
        assert!(sent.fields.contains("www-authenticate") && !source.is_elsewhere());
        return;
    };
    let written = out.finish();
    let lines = written.windows(2).filter(|pair| pair == b"\r\n").count();
    let Ok(head) = ResponseHead::parse(Bytes::from(written)) else {
        assert!(sent.fields.iter().count() > 250, "what is written parses");
        return;
    };
    assert_eq!(lines, head.fields.iter().count() + 2);
    assert_eq!(head.fields.contains("date"), is_dated);
    check_told(&head, sent, &view);
}

/// What a client is told of an answer is that answer in its own view.
fn check_told(head: &ResponseHead, sent: &ResponseHead, view: &View<'_>) {
    let source = view.source;
    assert_eq!((head.status, head.reason()), (sent.status, sent.reason()));
    let said = head
        .fields
        .only("content-length")
        .map(|value| value.map(<[u8]>::to_vec));
    assert_eq!(
        said,
        Ok(view.length.map(|length| length.to_string().into_bytes()))
    );
    check_hop_by_hop(
        &head.fields,
        &sent.fields,
        &["content-length", "cache-control", "oci-namespace"],
    );
    assert!(!NEVER_PASSED.iter().any(|name| head.fields.contains(name)));
    assert_eq!(
        head.fields.only("oci-namespace"),
        Ok(Some(&b"docker.io"[..]))
    );
    assert!(!source.is_elsewhere() || !head.fields.contains("www-authenticate"));
    if source.is_elsewhere() {
        let own = b"</v2/docker.io/c/tags/list?";
        let mut links = head.fields.all("link");
        assert!(links.all(|link| link.trim_ascii_start().starts_with(own)));
    }
    if source != Source::Upstream || view.by_account {
        check_private(&head.fields);
    }
    let changed: &[&str] = &[
        "content-length",
        "cache-control",
        "oci-namespace",
        "www-authenticate",
        "link",
        "location",
    ];
    assert_in_order(&head.fields, &sent.fields, changed);
}

/// No shared cache may keep it, whatever it goes by.
fn check_private(written: &Fields) {
    assert_eq!(written.only("cache-control"), Ok(Some(&b"private"[..])));
    let is_for_caches = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        FOR_CACHES.contains(&&*name) || name.ends_with(b"-cache-control")
    };
    assert!(!written.iter().any(|(name, _)| is_for_caches(name)));
}

/// No field is of one connection, by its name or because `Connection` names it, but those that docxy writes itself.
fn check_hop_by_hop(written: &Fields, sent: &Fields, own: &[&str]) {
    assert!(!HOP_BY_HOP.iter().any(|name| written.contains(name)));
    for named in sent.elements("connection") {
        let named = String::from_utf8_lossy(named).to_ascii_lowercase();
        assert!(
            own.contains(&&*named) || !written.contains(&named),
            "{named}"
        );
    }
}

/// What is written has been sent, byte for byte and in that order, but for the fields that docxy writes itself.
fn assert_in_order(written: &Fields, sent: &Fields, own: &[&str]) {
    let is_own = |name: &[u8]| {
        own.iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    };
    let mut left = sent.iter();
    for field in written.iter().filter(|(name, _)| !is_own(name)) {
        assert!(
            left.any(|other| other == field),
            "{:?}",
            field.0.escape_ascii().to_string()
        );
    }
}
