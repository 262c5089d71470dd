//! Bodies of every framing, to HTTP/1.1 and HTTP/1.0 clients, whole and cut.

use crate::stand::{before, before_with, blob, get};
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Closing, End, Framing, Response, Server, noise};

fn chunked_with_everything() -> Answer {
    Answer::raw(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5;name=value\r\nhello\r\n001;q=\"a;b\"\r\n \r\nA\r\n0123456789\r\n0;last\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    )
}

fn piecewise(answer: &Answer) -> Answer {
    answer
        .bytes()
        .iter()
        .fold(Answer::default(), |pieces, byte| pieces.send([*byte]))
}

#[test]
fn chunks_are_framed_anew_without_extensions_and_trailers() {
    for answer in [
        chunked_with_everything(),
        piecewise(&chunked_with_everything()),
    ] {
        let registry = Server::start(move |_| answer.clone());
        let docxy = before(&registry);
        let mut client = Client::connect(docxy.addr());
        for _ in 0..2 {
            let response = client.ask(&Ask::get(&blob())).complete();
            assert_eq!(
                (response.framing, response.text().as_str()),
                (Framing::Chunked, "hello 0123456789")
            );
            assert!(
                !response.head.has("trailer") && !response.head.has("x-sum"),
                "{:?}",
                response.head
            );
        }
        assert_eq!(
            registry.connections(),
            1,
            "a chunked answer leaves its connection reusable"
        );
    }
}

#[test]
fn a_body_until_close_is_chunked_for_http11() {
    let body = noise(200_000);
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let answer = Answer::raw(format!("{version} 200 OK\r\nContent-Type: x/y\r\n\r\n"))
            .send(&body)
            .close();
        let registry = Server::start(move |_| answer.clone());
        let docxy = before(&registry);
        let mut client = Client::connect(docxy.addr());
        for _ in 0..2 {
            let response = client.ask(&Ask::get(&blob())).complete();
            assert_eq!(response.framing, Framing::Chunked);
            assert!(response.body == body);
        }
        assert_eq!(registry.connections(), 2);
    }
}

#[test]
fn large_bodies_are_exact_in_every_framing() {
    // So much that it is read in the largest pieces at last.
    let body = noise(12_000_000);
    let pieces: Vec<&[u8]> = body.chunks(32_768 + 1).collect();
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    let answers = [
        Answer::ok(&body),
        Answer::chunked(&[], &pieces),
        Answer::head("200 OK", &[]).send(&body).close(),
    ];
    for answer in answers {
        let over_tls = answer.clone();
        let plain = Server::start(move |_| answer.clone());
        let tls = Server::start_tls(identity.server(), move |_| over_tls.clone());
        for registry in [plain, tls] {
            let docxy = before_with(&registry, &["--upstream-ca", roots.to_str().unwrap()]);
            assert!(get(&docxy, &blob()).body == body);
            let old = Client::connect(docxy.addr())
                .ask(&Ask::get(&blob()).http10())
                .complete();
            assert!(old.body == body);
        }
    }
}

/// What clients of both versions get from an upstream that answers so.
fn through(registry: &Server, args: &[&str]) -> [Response; 2] {
    let docxy = before_with(registry, args);
    let responses = [Ask::get(&blob()), Ask::get(&blob()).http10()]
        .map(|ask| Client::connect(docxy.addr()).ask(&ask));
    assert_eq!(get(&docxy, "/health").status(), 200);
    responses
}

/// The message was aborted visibly: an HTTP/1.0 body without length by RST, because FIN would complete it.
fn assert_aborted(responses: &[Response; 2], case: &str) {
    for response in responses {
        if response.status() >= 500 {
            continue;
        }
        assert!(
            matches!(response.end, End::Cut(_)),
            "{case}: {:?} passed as whole",
            response.head
        );
        if response.framing == Framing::UntilClose {
            assert_eq!(response.end, End::Cut(Closing::Reset), "{case}");
        }
    }
}

#[test]
fn a_body_cut_by_the_upstream_is_never_completed() {
    let length = Answer::ok(noise(3000));
    let chunked = Answer::raw(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
    );
    for (name, answer, from_the_end) in [
        ("length", length, vec![1, 2, 1500, 2999, 3000]),
        ("chunked", chunked, (1..=36).collect()),
    ] {
        let size = answer.bytes().len();
        for back in from_the_end {
            for how in [Act::Close, Act::Reset] {
                let case = format!("{name}, {back} bytes missing");
                let cut = answer.clone().cut(size - back, how);
                let registry = Server::start(move |_| cut.clone());
                assert_aborted(&through(&registry, &["--log", "off"]), &case);
            }
        }
    }
}

#[test]
fn a_large_body_cut_after_many_buffers_is_never_completed() {
    let whole = Answer::ok(noise(2_000_000));
    let cut = whole.cut(1_500_000, Act::Close);
    let registry = Server::start(move |_| cut.clone());
    let responses = through(&registry, &[]);
    assert_aborted(&responses, "1.5 of 2 MB");
    let expected = noise(2_000_000);
    assert!(
        responses
            .iter()
            .all(|response| expected.starts_with(&response.body))
    );
}

#[test]
fn a_tls_end_without_close_notify_is_an_early_end() {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    for how in [Act::Drop, Act::Reset] {
        let answer = Answer::head("200 OK", &[]).send(noise(100_000)).then(how);
        let registry = Server::start_tls(identity.server(), move |_| answer.clone());
        let responses = through(&registry, &["--upstream-ca", roots.to_str().unwrap()]);
        assert_aborted(&responses, "no close_notify");
    }
}
