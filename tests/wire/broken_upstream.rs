//! Upstreams that refuse, vanish, stay silent or talk nonsense: a clear status, their connection closed, docxy well.

use std::net::TcpListener;
use std::time::Instant;

use docxy::timeouts::{CLIENT_HEAD, RESPONSE_HEAD, TLS_HANDSHAKE};

use crate::stand::{MANIFEST, before, get, own_error, start};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Closing, PATIENCE, Server};

#[test]
fn an_upstream_that_refuses_is_503_with_retry_after() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("reg.test=http://{}", listener.local_addr().unwrap());
    drop(listener);
    let docxy = start(&["--upstream", &upstream]);
    let response = get(&docxy, MANIFEST);
    own_error(&response, 503);
    assert!(
        response
            .head
            .one("retry-after")
            .unwrap()
            .parse::<u32>()
            .is_ok()
    );
}

#[test]
fn a_name_that_does_not_resolve_is_503() {
    let docxy = start(&["--upstream", "reg.test=http://registry.invalid"]);
    let response = get(&docxy, MANIFEST);
    assert!(
        [503, 504].contains(&response.status()),
        "{}",
        response.status()
    );
}

#[test]
fn an_upstream_that_hangs_up_at_once_is_an_error_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("reg.test=http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let docxy = start(&["--upstream", &upstream]);
    let response = get(&docxy, MANIFEST);
    assert!(
        [502, 503].contains(&response.status()),
        "{}",
        response.status()
    );
    assert!(response.head.has("date"));
}

#[test]
fn a_tls_handshake_that_never_comes_is_an_upstream_too_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("reg.test=https://{}", listener.local_addr().unwrap());
    let docxy = start(&["--upstream", &upstream]);
    let begun = Instant::now();
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(MANIFEST).bytes());
    client.wait_at_most(RESPONSE_HEAD + PATIENCE);
    own_error(&client.receive("GET"), 504);
    // Where it begins soon enough after the first, there is a second.
    assert!(begun.elapsed() >= TLS_HANDSHAKE, "{:?}", begun.elapsed());
}

/// The fixed time-outs that no flag shortens, side by side because they are long.
#[test]
fn silence_before_a_head_is_504_upstream_and_a_close_downstream() {
    let registry = Server::start(|_| Answer::default().then(Act::Stall));
    let docxy = before(&registry);
    let addr = docxy.addr();
    let half_a_head = std::thread::spawn(move || {
        let mut client = Client::connect(addr);
        client.wait_at_most(CLIENT_HEAD + PATIENCE);
        let begun = Instant::now();
        client.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n");
        let (_, closing) = client.drain();
        assert_ne!(closing, Closing::Silence);
        begun.elapsed()
    });
    let mut client = Client::connect(addr);
    let begun = Instant::now();
    client.send(Ask::get(MANIFEST).bytes());
    client.wait_at_most(RESPONSE_HEAD + PATIENCE);
    let response = client.receive("GET");
    own_error(&response, 504);
    let elapsed = begun.elapsed();
    assert!(elapsed >= RESPONSE_HEAD, "{elapsed:?}");
    registry.wait_for_leaving(0);
    let elapsed = half_a_head.join().unwrap();
    assert!(elapsed >= CLIENT_HEAD, "{elapsed:?}");
}
