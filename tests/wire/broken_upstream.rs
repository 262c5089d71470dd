//! Upstreams that refuse, vanish, stay silent or talk nonsense: a clear status, their connection closed, docxy well
//! (design §6, §7).

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, before, get, own_error, start};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Closing, Server};

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

/// What the client gets if the upstream answers these bytes and then waits.
fn answered(bytes: &[u8]) -> (Docxy, Server, u16) {
    let answer = Answer::raw(bytes).then(Act::Stall);
    let registry = Server::start(move |_| answer.clone());
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    let status = client.ask(&Ask::get(MANIFEST)).status();
    (docxy, registry, status)
}

#[test]
fn malformed_answers_are_502_and_their_connection_is_closed() {
    let table: [&[u8]; 29] = [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"<html>\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 0\r\n\r\n",
    ];
    for bytes in table {
        let (docxy, registry, status) = answered(bytes);
        assert_eq!(status, 502, "{:?}", String::from_utf8_lossy(bytes));
        registry.wait_for_leaving(0);
        assert_eq!(get(&docxy, "/health").status(), 200);
    }
}

#[test]
fn interim_answers_are_skipped() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let final_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let registry = Server::start(move |_| Answer::raw(format!("{interim}{final_answer}")));
    let response = get(&before(&registry), MANIFEST);
    assert_eq!((response.status(), response.text().as_str()), (200, "ok"));
    assert!(response.interim.is_empty(), "{:?}", response.interim);
    assert!(!response.head.has("link"));
}

fn head_of(length: usize) -> Vec<u8> {
    let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
    let mut left = length - head.len() - 2;
    while left > 0 {
        let line = if left > 9000 { 8000 } else { left };
        head.extend_from_slice(format!("X-Pad: {}\r\n", "p".repeat(line - 9)).as_bytes());
        left -= line;
    }
    head.extend_from_slice(b"\r\n");
    assert_eq!(head.len(), length);
    head
}

fn head_with(fields: usize) -> Vec<u8> {
    let pad: String = (1..fields).map(|n| format!("X-{n}: {n}\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{pad}\r\n").into_bytes()
}

#[test]
fn response_heads_at_the_limits() {
    let table = [
        ("128 KiB", head_of(128 * 1024), 200),
        ("128 KiB and one byte", head_of(128 * 1024 + 1), 502),
        ("256 fields", head_with(256), 200),
        ("257 fields", head_with(257), 502),
    ];
    for (case, bytes, status) in table {
        assert_eq!(answered(&bytes).2, status, "{case}");
    }
}

#[test]
fn an_endless_head_is_cut_off() {
    let line = std::sync::Arc::new(b"X-Pad: pppppppppppppppppppppppppppppppp\r\n".to_vec());
    let answer = Answer::raw("HTTP/1.1 200 OK\r\n").then(Act::Repeat(line, 1_000_000));
    let registry = Server::start(move |_| answer.clone());
    let docxy = before(&registry);
    assert_eq!(get(&docxy, MANIFEST).status(), 502);
    registry.wait_for_leaving(0);
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
    client.wait_at_most(Duration::from_secs(40));
    own_error(&client.receive("GET"), 504);
    let elapsed = begun.elapsed().as_secs();
    assert!(
        (19..=23).contains(&elapsed),
        "two TLS handshakes have 20 s, not {elapsed}"
    );
}

/// The fixed time-outs that no flag shortens, side by side because they are long.
#[test]
fn silence_before_a_head_is_504_upstream_and_a_close_downstream() {
    let registry = Server::start(|_| Answer::default().then(Act::Stall));
    let docxy = before(&registry);
    let addr = docxy.addr();
    let half_a_head = std::thread::spawn(move || {
        let mut client = Client::connect(addr);
        let begun = Instant::now();
        client.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n");
        let (_, closing) = client.drain();
        assert_ne!(closing, Closing::Silence);
        begun.elapsed()
    });
    let mut client = Client::connect(addr);
    let begun = Instant::now();
    client.send(Ask::get(MANIFEST).bytes());
    client.wait_at_most(Duration::from_secs(40));
    let response = client.receive("GET");
    own_error(&response, 504);
    let elapsed = begun.elapsed().as_secs();
    assert!(
        (29..=33).contains(&elapsed),
        "a response head has 30 s, not {elapsed}"
    );
    registry.wait_for_leaving(0);
    let elapsed = half_a_head.join().unwrap().as_secs();
    assert!(
        (9..=13).contains(&elapsed),
        "a request head has 10 s, not {elapsed}"
    );
}

#[test]
fn endless_interim_answers_are_cut_off() {
    let interim = std::sync::Arc::new(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100));
    let answer = Answer::default().then(Act::Repeat(interim, 1_000_000));
    let registry = Server::start(move |_| answer.clone());
    let docxy = before(&registry);
    assert_eq!(get(&docxy, MANIFEST).status(), 502);
    registry.wait_for_leaving(0);
}

#[test]
fn a_reason_may_be_empty() {
    let (_docxy, _registry, status) = answered(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status, 200);
}
