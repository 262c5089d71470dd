//! A TCP forwarder that changes no byte: it keeps what went towards the registry, and can slow down what comes back.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Small enough that a slowed transfer moves evenly.
const BUFFER: usize = 64 * 1024;

/// A forwarder on a free port of loopback; accepts nothing more when dropped.
pub(crate) struct Forwarder {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    sent: Mutex<Vec<u8>>,
    received: AtomicU64,
    stop: AtomicBool,
    pause: Duration,
}

impl Forwarder {
    /// Forwards to `to` as fast as it goes.
    pub(crate) fn start(to: SocketAddr) -> Forwarder {
        Forwarder::from_address(Ipv4Addr::LOCALHOST.into(), to)
    }

    /// Forwards to `to` from another address of loopback.
    pub(crate) fn from_address(source: IpAddr, to: SocketAddr) -> Forwarder {
        Forwarder::with(source, to, Duration::ZERO)
    }

    /// Forwards to `to`; each connection brings back about this many bytes in a second.
    pub(crate) fn throttled(to: SocketAddr, bytes_per_second: usize) -> Forwarder {
        let per_buffer = BUFFER as f64 / bytes_per_second as f64;
        let pause = Duration::from_secs_f64(per_buffer);
        Forwarder::with(Ipv4Addr::LOCALHOST.into(), to, pause)
    }

    fn with(source: IpAddr, to: SocketAddr, pause: Duration) -> Forwarder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            pause,
            ..Shared::default()
        });
        let forwarder = Forwarder {
            addr,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.stop.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(server) = connect(source, to) else {
                    continue;
                };
                join(&client, &server, &shared);
            }
        });
        forwarder
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything that went towards the registry, as text.
    pub(crate) fn sent(&self) -> String {
        String::from_utf8_lossy(&self.shared.sent.lock().unwrap()).into_owned()
    }

    /// How many bytes came back from the registry.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then ends and closes the port.
        let _ = TcpStream::connect(self.addr);
    }
}

fn connect(source: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

/// Moves both directions of one connection, each in a thread of its own.
fn join(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) {
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (up, down) = (shared.clone(), shared.clone());
    thread::spawn(move || {
        copy(&mut from_client, &mut to_server, |bytes| {
            up.sent.lock().unwrap().extend_from_slice(bytes);
        });
    });
    thread::spawn(move || {
        copy(&mut from_server, &mut to_client, |bytes| {
            down.received
                .fetch_add(bytes.len() as u64, Ordering::Relaxed);
            // The rate of a slow link, not a wait for something.
            thread::sleep(down.pause);
        });
    });
}

fn copy(from: &mut TcpStream, to: &mut TcpStream, seen: impl Fn(&[u8])) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        seen(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            // Whoever sends has to learn that nobody takes it.
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
