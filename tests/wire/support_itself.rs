//! The support code against itself: what it says about a connection is what happened on it.

use crate::wire::answer::Act;
use crate::wire::client::ask;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Closing, End, Framing, Gate, Server, noise};

#[test]
fn requests_and_answers_keep_their_bytes_and_order() {
    let body = noise(100_000);
    let answer = Answer::new("200 OK", &[("X-A", "1"), ("X-B", "2"), ("x-a", "3")], &body);
    let server = Server::table([
        ("GET /a", answer),
        ("POST /b", Answer::chunked(&[], &[b"ab", b"c"])),
    ]);
    let mut client = Client::connect(server.addr());
    let first = client
        .ask(&Ask::get("/a").field("Accept", "x").field("Accept", "y"))
        .complete();
    assert_eq!(first.head.all("x-a"), ["1", "3"]);
    assert!(first.body == body);
    let second = client.ask(&Ask::form("/b", "k=v")).complete();
    assert_eq!(
        (second.framing, second.text().as_str()),
        (Framing::Chunked, "abc")
    );
    assert_eq!(client.ask(&Ask::get("/c")).status(), 599);

    let requests = server.wait_for_requests(3);
    assert_eq!(requests[0].head.all("accept"), ["x", "y"]);
    assert_eq!(requests[1].body, b"k=v");
    assert_eq!(server.connections(), 1);
    drop(client);
    assert_eq!(server.wait_for_leaving(0), Closing::Fin);
}

#[test]
fn each_way_to_leave_is_told_apart() {
    let whole = Answer::ok("0123456789");
    let at = whole.bytes().len() - 4;
    let cut = |how: Act| {
        let answer = whole.clone().cut(at, how);
        let server = Server::start(move |_| answer.clone());
        let response = Client::connect(server.addr()).ask(&Ask::get("/"));
        (response.text(), response.end)
    };
    assert_eq!(
        cut(Act::Close),
        ("012345".to_owned(), End::Cut(Closing::Fin))
    );
    assert_eq!(
        cut(Act::Drop),
        ("012345".to_owned(), End::Cut(Closing::Fin))
    );
    let (_, end) = cut(Act::Reset);
    assert_eq!(end, End::Cut(Closing::Reset));
}

#[test]
fn a_body_until_close_is_whole_only_with_close_notify() {
    let identity = Identity::new();
    let head = Answer::head("200 OK", &[("Connection", "close")]).send("bytes");
    for (act, end) in [
        (Act::Close, End::Complete),
        (Act::Drop, End::Cut(Closing::Unclean)),
    ] {
        let answer = head.clone().then(act);
        let server = Server::start_tls(identity.server(), move |_| answer.clone());
        let mut client = Client::connect_tls(server.addr(), identity.client(&[]));
        let response = client.ask(&Ask::get("/"));
        assert_eq!((response.text().as_str(), response.end), ("bytes", end));
    }
}

#[test]
fn a_gate_holds_the_rest_of_an_answer_back() {
    let gate = Gate::new();
    let answer = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        .then(Act::Wait(gate.clone()))
        .send("cd");
    let server = Server::start(move |_| answer.clone());
    let mut client = Client::connect(server.addr());
    client.send_bytewise(&Ask::get("/").bytes());
    let (head, _) = client.receive_head();
    assert_eq!(head.one("content-length"), Some("4"));
    assert_eq!(client.take(2).unwrap(), b"ab");
    gate.open();
    assert_eq!(client.take(2).unwrap(), b"cd");
}

#[test]
#[should_panic(expected = "field name")]
fn a_blank_before_the_colon_is_not_overlooked() {
    let server = Server::start(|_| Answer::raw("HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"));
    ask(server.addr(), &Ask::get("/"));
}

#[test]
#[should_panic(expected = "chunk size line")]
fn a_chunk_extension_is_not_overlooked() {
    let server = Server::start(|_| {
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0;x\r\n\r\n")
    });
    ask(server.addr(), &Ask::get("/"));
}
