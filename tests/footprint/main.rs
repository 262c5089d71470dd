//! What docxy costs in memory: idle, for clients that do nothing or read nothing, and while a blob passes that is far larger
//! than the memory it may take.
//!
//! Built in release, as `make test` does.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod crowd;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/docxy.rs"]
mod docxy;
mod idle;
mod stalled;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/wire/mod.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use docxy::Docxy;

/// What an idle docxy has to itself, in kB. How much of the system's libraries is mapped beside it is the system's matter; the
/// whole of the static binary is judged in `tests/static`.
#[cfg(not(debug_assertions))]
const OWN_LIMIT: u64 = 1_000;

/// What one transfer may add, in kB: two connections, one buffer, and the pages of code that it touches.
const TRANSFER_LIMIT: u64 = 1_500;

/// What the rest of a blob may add once its beginning has passed, in kB.
const GROWTH_LIMIT: u64 = 128;

const BLOB: u64 = 4_000_000_000;

#[test]
#[cfg(not(debug_assertions))]
fn an_idle_docxy_has_less_than_a_megabyte_to_itself() {
    let docxy = Docxy::start(&["--listen", "127.0.0.1:0", "--upstream", "all"]);
    let (own, resident) = (docxy.memory("RssAnon"), docxy.memory("VmRSS"));
    println!(
        "idle: {own} kB of its own, {resident} kB with the pages of files that it has touched"
    );
    assert!(own < OWN_LIMIT, "{own} kB");
}

/// Answers one request with a blob of zeros.
fn serve_zeros(listener: &TcpListener, length: u64) {
    let (mut stream, _) = listener.accept().expect("docxy connects");
    let mut head = [0; 4096];
    let count = stream.read(&mut head).expect("docxy asks");
    assert!(head[..count].starts_with(b"GET /v2/library/zero/blobs/sha256:"));
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
    )
    .expect("docxy reads");
    let zeros = vec![0; 256 * 1024];
    let mut left = length;
    while left > 0 {
        let count = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.write_all(&zeros[..count]).expect("docxy reads");
        left -= count as u64;
    }
}

#[test]
fn a_blob_of_four_gigabytes_leaves_no_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("docker.io=http://{}", listener.local_addr().unwrap());
    let registry = thread::spawn(move || serve_zeros(&listener, BLOB));
    let docxy = Docxy::start(&["--listen", "127.0.0.1:0", "--upstream", &upstream]);
    let idle = docxy.memory("VmRSS");

    let mut client = TcpStream::connect(docxy.addr()).unwrap();
    let digest = "0".repeat(64);
    write!(client, "GET /v2/library/zero/blobs/sha256:{digest} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut buffer = vec![0; 256 * 1024];
    let (mut received, mut early) = (0, None);
    loop {
        let count = client.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        received += count as u64;
        if early.is_none() && received > BLOB / 100 {
            early = Some(docxy.memory("VmHWM"));
        }
    }
    registry.join().unwrap();
    docxy.wait_for_line(&format!("status=200 bytes={BLOB} "));
    assert!(received > BLOB, "the head and {BLOB} bytes, not {received}");

    let (early, peak) = (
        early.expect("the blob has a beginning"),
        docxy.memory("VmHWM"),
    );
    println!("idle {idle} kB, after 1 % {early} kB, peak over {BLOB} bytes {peak} kB");
    assert!(
        early - idle <= TRANSFER_LIMIT,
        "{idle} kB idle, {early} kB in the transfer"
    );
    assert!(
        peak - early <= GROWTH_LIMIT,
        "{early} kB at 1 %, {peak} kB at the end"
    );
}
