//! TLS handshakes in number: sessions are resumed on any worker, and a crowd of half-open handshakes keeps nobody out for long.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use docxy::timeouts::TLS_HANDSHAKE;
use docxy::tls::handshakes::{AT_ONCE, OF_ONE_CLIENT};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, HandshakeKind};
use socket2::{Domain, Socket, Type};

use crate::docxy::{Docxy, PATIENCE};
use crate::tls_keys::start_with;
use crate::wire::authority::{Authority, VERSIONS};
use crate::wire::{Ask, Client};

/// Where most clients of the tests are.
const HERE: [u8; 4] = [127, 0, 0, 1];

fn start(authority: &Authority) -> (Docxy, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let pair = authority
        .leaf(&["localhost"])
        .write(directory.path(), "docxy");
    (start_with(&[pair], &[]), directory)
}

#[test]
fn sessions_are_resumed_on_every_worker_and_after_a_reload() {
    let authority = Authority::new();
    let (docxy, _directory) = start(&authority);
    for version in VERSIONS {
        let config = Arc::new(authority.client(&[version]));
        let mut open = Vec::new();
        // All stay open, so each goes to the worker that has the fewest: in turn to all of them.
        let connections = 2 * std::thread::available_parallelism().unwrap().get() + 1;
        for number in 0..connections {
            let mut client = Client::connect_tls(docxy.addr(), Arc::clone(&config));
            let expected = if number == 0 {
                HandshakeKind::Full
            } else {
                HandshakeKind::Resumed
            };
            assert_eq!(client.tls().handshake_kind(), Some(expected), "{number}");
            assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
            open.push(client);
        }
    }
    let config = Arc::new(authority.client(&VERSIONS));
    for (count, kind) in [(1, HandshakeKind::Full), (2, HandshakeKind::Resumed)] {
        let mut client = Client::connect_tls(docxy.addr(), Arc::clone(&config));
        assert_eq!(client.tls().handshake_kind(), Some(kind));
        assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
        docxy.signal("HUP");
        docxy.wait_for_lines("reloaded, as asked", count);
    }
}

/// The first bytes that a client sends, a whole ClientHello.
fn client_hello(authority: &Authority) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let config = Arc::new(authority.client(&VERSIONS));
    let mut hello = Vec::new();
    let mut tls = ClientConnection::new(config, name).unwrap();
    while tls.wants_write() {
        tls.write_tls(&mut hello).unwrap();
    }
    hello
}

/// Connections from this address on which so much has been sent and nothing more will be.
fn stalled(addr: SocketAddr, from: [u8; 4], sent: &[u8], count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&addr.into()).unwrap();
        let mut tcp = TcpStream::from(socket);
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.write_all(sent).unwrap();
        tcp
    };
    (0..count).map(open).collect()
}

/// Does what has to be done before the time of the first handshake is up. On a machine that is too busy for that the
/// handshakes end by themselves, which shows nothing, so that it is tried again.
///
/// # Panics
/// If it takes that long each time.
fn in_time<T>(act: impl Fn() -> T) -> (Instant, T) {
    for _ in 0..6 {
        let begun = Instant::now();
        let done = act();
        if begun.elapsed() < TLS_HANDSHAKE {
            return (begun, done);
        }
    }
    panic!("nobody is served before the time of those who stall is up");
}

#[test]
fn clients_that_say_nothing_or_half_take_no_turn() {
    let authority = Authority::new();
    let hello = client_hello(&authority);
    in_time(|| {
        let (docxy, _directory) = start(&authority);
        let _silent = stalled(docxy.addr(), HERE, b"", AT_ONCE + 50);
        let _half = stalled(docxy.addr(), HERE, &hello[..hello.len() / 2], AT_ONCE + 50);
        let mut client = Client::connect_tls(docxy.addr(), Arc::new(authority.client(&VERSIONS)));
        assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    });
}

/// As many as one client may have, each answered: it has its turn, and keeps it.
fn with_their_turns(addr: SocketAddr, from: [u8; 4], hello: &[u8]) -> Vec<TcpStream> {
    let mut holding = stalled(addr, from, hello, OF_ONE_CLIENT);
    for tcp in &mut holding {
        tcp.read_exact(&mut [0]).unwrap();
    }
    holding
}

#[test]
fn a_client_that_stalls_keeps_itself_waiting_and_nobody_else() {
    let authority = Authority::new();
    let (hello, elsewhere) = (client_hello(&authority), [127, 0, 1, 1]);
    in_time(|| {
        let (docxy, _directory) = start(&authority);
        let _holding = with_their_turns(docxy.addr(), elsewhere, &hello);
        let _crowd = stalled(docxy.addr(), elsewhere, &hello, AT_ONCE);
        let mut client = Client::connect_tls(docxy.addr(), Arc::new(authority.client(&VERSIONS)));
        assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    });
}

/// All turns are taken, and one more client waits until one of them leaves.
struct Crowded {
    docxy: Docxy,
    established: Client,
    /// What the client that waits has read before that.
    early: std::io::Result<usize>,
    _turns: Vec<TcpStream>,
    _directory: tempfile::TempDir,
}

fn crowded(authority: &Authority) -> Crowded {
    let (docxy, _directory) = start(authority);
    let mut established = Client::connect_tls(docxy.addr(), Arc::new(authority.client(&VERSIONS)));
    let hello = client_hello(authority);
    let mut turns = Vec::new();
    for client in 0..AT_ONCE / OF_ONE_CLIENT {
        let from = [127, 0, 1, u8::try_from(client).unwrap()];
        turns.extend(with_their_turns(docxy.addr(), from, &hello));
    }
    let mut waiting = stalled(docxy.addr(), HERE, &hello, 1).remove(0);
    for _ in 0..100 {
        assert_eq!(established.ask(&Ask::get("/health")).status(), 200);
    }
    waiting.set_nonblocking(true).unwrap();
    let early = waiting.read(&mut [0]);
    waiting.set_nonblocking(false).unwrap();
    drop(turns.pop());
    waiting.read_exact(&mut [0]).unwrap();
    turns.push(waiting);
    Crowded {
        docxy,
        established,
        early,
        _turns: turns,
        _directory,
    }
}

#[test]
fn only_so_many_handshakes_run_at_a_time_and_the_others_wait() {
    let authority = Authority::new();
    let (begun, mut crowded) = in_time(|| crowded(&authority));
    let early = crowded.early.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock, "all turns are taken");
    // And again. Whoever comes next waits until the time of the first is up, and is served then.
    let config = Arc::new(authority.client(&VERSIONS));
    let mut next = Client::connect_tls(crowded.docxy.addr(), config);
    assert_eq!(next.ask(&Ask::get("/health")).status(), 200);
    let waited = begun.elapsed();
    assert!(waited > TLS_HANDSHAKE, "{waited:?}");
    assert_eq!(crowded.established.ask(&Ask::get("/health")).status(), 200);
}
