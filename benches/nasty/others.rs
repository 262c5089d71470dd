//! The others: clients that ask for manifests at a steady rate, most on a connection that they keep, some on a new one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::origin::MANIFEST;

/// Clients, each on a thread.
const CLIENTS: usize = 4;

/// Between two requests of one: far from what docxy can do, so that what is measured is no queue of its own making.
const PAUSE: Duration = Duration::from_millis(10);

/// Each connection carries so many requests; the first of them counts its connect.
const PER_CONNECTION: usize = 8;

const REQUEST: &[u8] = b"GET /v2/a/manifests/latest HTTP/1.1\r\nHost: docxy.test\r\n\r\n";

/// How long requests took.
#[derive(Clone, Copy)]
pub struct Latency {
    /// How many there were.
    pub requests: usize,
    /// The median, in microseconds.
    pub median: f64,
    /// The 99th percentile, in microseconds.
    pub p99: f64,
}

/// Asks for so long.
///
/// # Panics
/// If an answer is not what it should be.
pub fn measure(docxy: SocketAddr, duration: Duration) -> Latency {
    let end = Instant::now() + duration;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| thread::spawn(move || client(docxy, end)))
        .collect();
    let mut times: Vec<f64> = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap())
        .collect();
    times.sort_by(f64::total_cmp);
    Latency {
        requests: times.len(),
        median: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
    }
}

fn client(docxy: SocketAddr, end: Instant) -> Vec<f64> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let mut begun = Instant::now();
        let mut tcp = TcpStream::connect(docxy).unwrap();
        tcp.set_nodelay(true).unwrap();
        for _ in 0..PER_CONNECTION {
            ask(&mut tcp);
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            thread::sleep(PAUSE);
            begun = Instant::now();
        }
    }
    times
}

fn ask(tcp: &mut TcpStream) {
    tcp.write_all(REQUEST).unwrap();
    let mut answer = Vec::with_capacity(MANIFEST + 1024);
    let mut piece = [0; 4096];
    loop {
        let count = tcp.read(&mut piece).unwrap();
        assert!(
            count > 0,
            "the connection ended: {}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend_from_slice(&piece[..count]);
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
        if head.is_some_and(|end| answer.len() == end + 4 + MANIFEST) {
            break;
        }
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}
