//! No allocation per piece of a body: the heap is counted while the middle of a blob passes.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use clap::Parser;
use docxy::args::Args;
use docxy::config::Config;
use docxy::log::Log;
use docxy::metrics::Metrics;
use docxy::systemd::activation::Passed;
use docxy::{server, start};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Pieces of a chunked body; each is read and written at least once.
const PIECE: usize = 16 * 1024;
const PIECES: usize = 8 * 1024;

/// Allocations that may happen by the way (a timer's slot, a page of the log) in the middle half of the body.
const BY_THE_WAY: u64 = 8;

/// Starts docxy in this process, with threads that end with it.
fn start_docxy(upstream: SocketAddr) -> SocketAddr {
    let upstream = format!("docker.io=http://{upstream}");
    let args = Args::parse_from([
        "docxy",
        "--listen",
        "127.0.0.1:0",
        "--log",
        "off",
        "--upstream",
        &upstream,
    ]);
    let config = Config::from_args(args).unwrap();
    let bound = start::bind(&config, None, &mut Passed::default()).unwrap();
    let address = bound[0].tcp.local_addr().unwrap();
    let log = Log::new(config.log, config.log_format);
    let running = start::workers(&config, None, log, Metrics::off(), Vec::new()).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(server::run(
            bound,
            running,
            || Duration::ZERO,
            async || {
                std::future::pending::<()>().await;
            },
        ))
    });
    address
}

/// Answers each connection's one request with a body in the given framing.
fn serve(listener: &TcpListener, head: &[u8], piece: &[u8], end: &[u8]) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).unwrap() > 0);
    stream.write_all(head).unwrap();
    for _ in 0..PIECES {
        stream.write_all(piece).unwrap();
    }
    stream.write_all(end).unwrap();
}

/// Allocations while the middle half of a body passes.
fn allocations(head: &str, piece: Vec<u8>, end: &'static [u8]) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let docxy = start_docxy(listener.local_addr().unwrap());
    let head = head.as_bytes().to_vec();
    let registry = thread::spawn(move || serve(&listener, &head, &piece, end));
    let mut client = TcpStream::connect(docxy).unwrap();
    let digest = "0".repeat(64);
    write!(
        client,
        "GET /v2/library/a/blobs/sha256:{digest} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let (mut buffer, mut received) = (vec![0; 64 * 1024], 0);
    let mut read_until = |limit: usize| {
        while received < limit {
            let count = client.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            received += count;
        }
        received
    };
    read_until(PIECE * PIECES / 4);
    let before = dhat::HeapStats::get().total_blocks;
    read_until(PIECE * PIECES * 3 / 4);
    let after = dhat::HeapStats::get().total_blocks;
    assert!(
        read_until(usize::MAX) > PIECE * PIECES,
        "the whole body came"
    );
    registry.join().unwrap();
    after - before
}

#[test]
fn bodies_pass_without_allocations() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let length = PIECE * PIECES;
    let by_length = allocations(
        &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
        vec![0; PIECE],
        b"",
    );

    let mut chunk = format!("{PIECE:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + PIECE, 0);
    chunk.extend_from_slice(b"\r\n");
    let chunked = allocations(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        chunk,
        b"0\r\n\r\n",
    );

    println!(
        "allocations over {} MB: {by_length} by length, {chunked} in chunks",
        length / 2_000_000
    );
    assert!(
        by_length <= BY_THE_WAY,
        "{by_length} allocations with Content-Length"
    );
    assert!(chunked <= BY_THE_WAY, "{chunked} allocations in chunks");
}
