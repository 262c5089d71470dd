//! What the kernel holds of a blob for a client that does not read, and for one that has read and may do so again.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::docxy::Docxy;
use crate::stand::{NAME, before, blob, named};
use crate::tls_keys::start_with;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, PATIENCE, Server};

const MIB: usize = 1024 * 1024;

/// The bound is 128 KiB, and the system lets go beyond it by what it is just putting together.
const BOUNDED: u64 = 384 * 1024;

/// A registry with one blob of so many bytes.
fn registry(length: usize) -> Server {
    let blob = vec![7; length];
    Server::start(move |_| Answer::ok(&*blob))
}

/// A client that has little room, so that what docxy's side has to hold is not with it.
fn narrow(mut client: Client) -> Client {
    let tcp = SockRef::from(client.tcp());
    tcp.set_recv_buffer_size(64 * 1024).unwrap();
    client.send(Ask::get(&blob()).bytes());
    client
}

/// How much docxy's ends of its clients' connections have not got rid of, in bytes: what /proc/net/tcp calls `tx_queue`.
fn waiting(docxy: &Docxy) -> u64 {
    let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", docxy.pid())).unwrap();
    let near = in_hex(docxy.addr());
    let queue = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let is_ours = fields.next()? == near;
        let queues = fields.nth(2).filter(|_| is_ours)?;
        u64::from_str_radix(queues.split(':').next()?, 16).ok()
    };
    // That of a listener is empty.
    sockets.lines().filter_map(queue).sum()
}

fn in_hex(addr: SocketAddr) -> String {
    let SocketAddr::V4(addr) = addr else {
        panic!("{addr}")
    };
    let ip = u32::from_ne_bytes(addr.ip().octets());
    format!("{ip:08X}:{:04X}", addr.port())
}

/// How much of it there is when it has stayed the same for a second.
fn at_rest(docxy: &Docxy) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    let (mut last, mut times) = (0, 0);
    while times < 100 {
        assert!(Instant::now() < deadline, "it does not come to rest");
        thread::sleep(Duration::from_millis(10));
        let now = waiting(docxy);
        (last, times) = (now, if now == last && now > 0 { times + 1 } else { 0 });
    }
    last
}

#[test]
fn a_client_that_reads_nothing_makes_the_kernel_hold_little() {
    let registry = registry(24 * MIB);
    let docxy = before(&registry);
    let _client = narrow(Client::connect(docxy.addr()));
    let held = at_rest(&docxy);
    assert!(held < BOUNDED, "{held}");
}

#[test]
fn nor_does_it_under_tls() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let pair = identity.write(directory.path());
    let registry = registry(24 * MIB);
    let docxy = start_with(&[pair], &["--upstream", &named(NAME, &registry)]);
    let client = Client::connect_tls(docxy.addr(), identity.client(&["http/1.1"]));
    let _client = narrow(client);
    let held = at_rest(&docxy);
    assert!(held < BOUNDED, "{held}");
}

#[test]
fn for_a_client_that_reads_the_kernel_finds_the_measure_until_the_next_blob() {
    let registry = registry(24 * MIB);
    let docxy = before(&registry);
    let mut client = narrow(Client::connect(docxy.addr()));
    client.receive_head();
    client.take(6 * MIB).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while waiting(&docxy) < 2 * BOUNDED {
        assert!(Instant::now() < deadline, "{}", waiting(&docxy));
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.take(18 * MIB).unwrap().len(), 18 * MIB);
    let _client = narrow(client);
    let held = at_rest(&docxy);
    assert!(held < BOUNDED, "{held}");
}
