//! Fields that `Connection` names are removed, but it cannot be used to remove what the message or docxy stands on
//! (design §6; RFC 9110 §7.6.1).

use crate::stand::{MANIFEST, ask, before, own_error};
use crate::wire::{Answer, Ask, Client, Server};

#[test]
fn connection_cannot_remove_the_framing_of_an_answer() {
    for named in [
        "Content-Length",
        "Transfer-Encoding, Content-Length",
        "content-length, close",
    ] {
        let answer = Answer::new("200 OK", &[("Connection", named)], "hello");
        let registry = Server::start(move |_| answer.clone());
        let docxy = before(&registry);
        let mut client = Client::connect(docxy.addr());
        for _ in 0..2 {
            assert_eq!(
                client.ask(&Ask::get(MANIFEST)).complete().text(),
                "hello",
                "{named}"
            );
        }
    }
}

#[test]
fn connection_cannot_hide_a_loop() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before(&registry);
    ask(&docxy, &Ask::get(MANIFEST));
    let own = registry.only_request().head.one("via").unwrap().to_owned();
    let request = Ask::get(MANIFEST)
        .field("Via", &own)
        .field("Connection", "Via");
    own_error(&ask(&docxy, &request), 508);
}

#[test]
fn connection_cannot_remove_the_host_or_the_body() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    let smuggled = b"GET /v2/evil/manifests/t HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = Ask::get(MANIFEST)
        .field("Connection", "Host, Content-Length")
        .field("Content-Length", &smuggled.len().to_string());
    client.send([request.bytes(), smuggled.to_vec()].concat());
    assert_eq!(client.receive("GET").complete().text(), "x");
    assert_eq!(client.ask(&Ask::get(MANIFEST)).complete().text(), "x");
    for seen in registry.requests() {
        assert_eq!(seen.head.target(), MANIFEST);
        assert_eq!(seen.head.one("host"), Some(registry.authority().as_str()));
    }
}
