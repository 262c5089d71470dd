//! A door before a server that is shut in the face of whoever knocks, until it is opened: a TLS server that is down.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A running door.
pub struct Doorway {
    addr: SocketAddr,
    knocks: Arc<AtomicUsize>,
    shut: Arc<AtomicUsize>,
}

impl Doorway {
    /// A door to `server` that closes on the first so many connections.
    pub fn before(server: SocketAddr, refusals: usize) -> Doorway {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let doorway = Doorway {
            addr: listener.local_addr().expect("an address"),
            knocks: Arc::default(),
            shut: Arc::new(AtomicUsize::new(refusals)),
        };
        let (knocks, shut) = (Arc::clone(&doorway.knocks), Arc::clone(&doorway.shut));
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                if knocks.fetch_add(1, Ordering::SeqCst) >= shut.load(Ordering::SeqCst) {
                    let server = TcpStream::connect(server).expect("the server");
                    join(&tcp, &server);
                    join(&server, &tcp);
                }
            }
        });
        doorway
    }

    /// `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    /// How often somebody connected.
    pub fn knocks(&self) -> usize {
        self.knocks.load(Ordering::SeqCst)
    }

    /// Lets everyone pass from now on.
    pub fn open(&self) {
        self.shut.store(0, Ordering::SeqCst);
    }
}

/// Carries what one says to the other.
fn join(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (
        from.try_clone().expect("a socket"),
        to.try_clone().expect("a socket"),
    );
    thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
