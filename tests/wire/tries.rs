//! What fails before the first byte is tried again: a few times, where that is safe, and the log says how often.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::docxy::Docxy;
use crate::doorway::Doorway;
use crate::stand::{MANIFEST, ask, before, blob, get, own_error, start};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Request, Server};

/// What the access log says of the last request but the one of `get`.
fn retries(docxy: &Docxy) -> String {
    let line = docxy.wait_for_line(" target=/");
    let (_, rest) = line
        .split_once(" retries=")
        .expect("the log says how often");
    rest.split(' ').next().unwrap().to_owned()
}

#[test]
fn an_upstream_that_comes_back_between_two_tries_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let docxy = start(&[
        "--upstream",
        &format!("reg.test=http://{addr}"),
        "--log",
        "debug",
    ]);
    let (docxy, ask_it) = (std::sync::Arc::new(docxy), Ask::get(MANIFEST));
    let asking = std::thread::spawn({
        let docxy = std::sync::Arc::clone(&docxy);
        move || ask(&docxy, &ask_it)
    });
    docxy.wait_for_line("Connection refused (os error 111); another try in ");
    let listener = TcpListener::bind(addr).unwrap();
    let registry = Server::on(listener, |_| Answer::ok("hello"));
    assert_eq!(asking.join().unwrap().text(), "hello");
    assert_eq!(registry.lines().len(), 1);
    assert!(["1", "2"].contains(&retries(&docxy).as_str()));
}

#[test]
fn an_upstream_that_refuses_is_tried_three_times() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("reg.test=http://{}", listener.local_addr().unwrap());
    drop(listener);
    let docxy = start(&["--upstream", &upstream, "--log", "debug"]);
    let response = get(&docxy, MANIFEST);
    own_error(&response, 503);
    assert!(response.head.has("retry-after"));
    assert_eq!(docxy.wait_for_lines("another try in ", 2).len(), 2);
    assert_eq!(retries(&docxy), "2");
}

#[test]
fn a_name_that_does_not_resolve_is_looked_up_three_times() {
    let docxy = start(&[
        "--upstream",
        "reg.test=http://registry.invalid",
        "--log",
        "debug",
    ]);
    own_error(&get(&docxy, MANIFEST), 503);
    for line in docxy.wait_for_lines("another try in ", 2) {
        assert!(!line.contains("ago"), "a lookup of its own: {line}");
    }
}

fn behind_a_door(
    directory: &Path,
    refusals: usize,
    answer: &'static str,
) -> (Server, Doorway, String) {
    let identity = Identity::new();
    let (roots, _) = identity.write(directory);
    let server = Server::start_tls(identity.server(), move |_| Answer::ok(answer));
    let door = Doorway::before(server.addr(), refusals);
    (server, door, roots.to_str().unwrap().to_owned())
}

#[test]
fn a_tls_handshake_that_fails_is_tried_again() {
    for (refusals, status, tried) in [(1, 200, "1"), (2, 200, "2"), (3, 502, "2")] {
        let directory = tempfile::tempdir().unwrap();
        let (registry, door, roots) = behind_a_door(directory.path(), refusals, "hello");
        let upstream = format!("reg.test={}", door.url());
        let docxy = start(&["--upstream", &upstream, "--upstream-ca", &roots]);
        assert_eq!(get(&docxy, MANIFEST).status(), status, "{refusals}");
        assert_eq!(retries(&docxy), tried);
        assert_eq!(registry.lines().len(), usize::from(status == 200));
    }
}

#[test]
fn a_form_is_sent_once_however_often_a_connection_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let (auth, door, roots) = behind_a_door(directory.path(), 2, "{}");
    let challenge = format!("Bearer realm=\"{}/token\"", door.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let upstream = format!("reg.test={}", registry.url());
    let docxy = start(&["--upstream", &upstream, "--upstream-ca", &roots]);
    let form = Ask::form("/auth/reg.test/token", "scope=repository:a/b:pull");
    assert_eq!(ask(&docxy, &form).text(), "{}");
    assert_eq!((door.knocks(), auth.lines().len()), (3, 1));
}

/// A registry that redirects to a CDN which answers as it is told, in turn.
struct Stand {
    cdn: Server,
    registry: Server,
    docxy: Docxy,
}

fn redirecting(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Stand {
    let turn = AtomicUsize::new(0);
    let cdn = Server::start(move |request| answer(request, turn.fetch_add(1, Ordering::SeqCst)));
    let (base, signed) = (cdn.url(), AtomicUsize::new(0));
    let registry = Server::start(move |_| {
        let location = format!("{base}/{}", signed.fetch_add(1, Ordering::SeqCst));
        Answer::redirect("307 Temporary Redirect", &location)
    });
    let docxy = before(&registry);
    Stand {
        cdn,
        registry,
        docxy,
    }
}

impl Stand {
    /// How often the CDN and the registry were asked, and what the log says of it.
    fn efforts(&self) -> (usize, usize, String) {
        let lines = (self.cdn.lines().len(), self.registry.lines().len());
        (lines.0, lines.1, retries(&self.docxy))
    }
}

fn refusal(status: &str, retry_after: &str) -> Answer {
    let fields = [("Retry-After", retry_after)];
    let fields = if retry_after.is_empty() {
        &fields[..0]
    } else {
        &fields[..]
    };
    Answer::new(status, fields, "not now")
}

#[test]
fn a_cdn_that_has_a_bad_moment_is_asked_once_more() {
    let table = [
        ("502 Bad Gateway", "", true),
        ("503 Service Unavailable", "", true),
        ("504 Gateway Timeout", "", true),
        ("503 Service Unavailable", "1", true),
        ("429 Too Many Requests", "1", true),
        (
            "429 Too Many Requests",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            true,
        ),
        ("429 Too Many Requests", "", false),
        ("429 Too Many Requests", "6", false),
        ("429 Too Many Requests", "soon", false),
        ("503 Service Unavailable", "120", false),
        ("500 Internal Server Error", "", false),
        ("404 Not Found", "1", false),
    ];
    for (status, retry_after, again) in table {
        let stand = redirecting(move |_, turn| match turn {
            0 => refusal(status, retry_after),
            _ => Answer::ok("blob"),
        });
        let response = get(&stand.docxy, &blob());
        let case = format!("{status} {retry_after:?}");
        let (text, expected) = if again {
            ("blob", (2, 1, "1"))
        } else {
            ("not now", (1, 1, "0"))
        };
        assert_eq!(response.text(), text, "{case}");
        let (cdn, registry, retries) = stand.efforts();
        assert_eq!((cdn, registry, retries.as_str()), expected, "{case}");
    }
}

#[test]
fn the_second_try_of_a_cdn_has_a_connection_of_its_own() {
    let stand = redirecting(|_, turn| match turn {
        0 => refusal("503 Service Unavailable", ""),
        _ => Answer::ok("blob"),
    });
    assert_eq!(get(&stand.docxy, &blob()).text(), "blob");
    let asked = stand.cdn.requests();
    assert_eq!(asked[0].line(), asked[1].line());
    assert_ne!(asked[0].connection, asked[1].connection);
}

#[test]
fn a_cdn_that_hangs_up_is_asked_once_more() {
    let stand = redirecting(|_, turn| match turn {
        0 => Answer::default().close(),
        _ => Answer::ok("blob"),
    });
    assert_eq!(get(&stand.docxy, &blob()).text(), "blob");
    assert_eq!(stand.efforts(), (2, 1, "1".to_owned()));
}

#[test]
fn what_a_cdn_says_twice_passes() {
    let stand = redirecting(|_, _| refusal("503 Service Unavailable", "1"));
    let response = get(&stand.docxy, &blob());
    assert_eq!(
        (response.status(), response.head.one("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(stand.efforts(), (2, 1, "1".to_owned()));
}

#[test]
fn a_request_has_three_tries_whatever_they_are_for() {
    let stand = redirecting(|_, turn| match turn {
        0 => refusal("503 Service Unavailable", ""),
        1 => refusal("403 Forbidden", ""),
        _ => refusal("503 Service Unavailable", ""),
    });
    assert_eq!(get(&stand.docxy, &blob()).status(), 503);
    assert_eq!(stand.efforts(), (3, 2, "2".to_owned()));
    let stand = redirecting(|_, turn| match turn {
        0 => refusal("403 Forbidden", ""),
        1 => refusal("503 Service Unavailable", ""),
        _ => Answer::ok("blob"),
    });
    assert_eq!(get(&stand.docxy, &blob()).text(), "blob");
    assert_eq!(stand.efforts(), (3, 2, "2".to_owned()));
}

#[test]
fn other_requests_are_not_tried_again() {
    let stand = redirecting(|_, _| refusal("503 Service Unavailable", ""));
    assert_eq!(ask(&stand.docxy, &Ask::head(&blob())).status(), 503);
    assert_eq!(stand.efforts(), (1, 1, "0".to_owned()));
    let registry = Server::start(|_| refusal("503 Service Unavailable", "1"));
    let docxy = before(&registry);
    for target in [blob().as_str(), MANIFEST] {
        assert_eq!(get(&docxy, target).status(), 503);
    }
    assert_eq!(registry.lines().len(), 2, "the registry itself says it");
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    let stand = redirecting(|_, _| Answer::raw("HTTP/1.1 503 Service").close());
    assert_eq!(get(&stand.docxy, &blob()).status(), 502);
    assert_eq!(stand.efforts(), (1, 1, "0".to_owned()));
}
