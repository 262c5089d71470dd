//! Outbound proxies that answer by script, CONNECT and SOCKS5, and record every byte that they were asked by.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::PATIENCE;

/// What a proxy does after its answer.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// Carries bytes to there and back.
    Tunnel(SocketAddr),
    /// Closes.
    Close,
    /// Says nothing more until the other end leaves.
    Stall,
}

/// What a CONNECT proxy says and does.
pub type ConnectScript = dyn Fn(&str) -> (Vec<u8>, Then) + Send + Sync;

/// What a SOCKS5 proxy says, message by message, and does.
#[derive(Clone, Debug)]
pub struct Socks {
    /// To the methods that are offered.
    pub method: Vec<u8>,
    /// To user and password.
    pub login: Vec<u8>,
    /// To the wish.
    pub reply: Vec<u8>,
    /// Afterwards.
    pub then: Then,
}

impl Socks {
    /// Asks for no login, and tunnels to there.
    pub fn to(addr: SocketAddr) -> Socks {
        Socks {
            method: vec![5, 0],
            login: vec![1, 0],
            reply: vec![5, 0, 0, 1, 127, 0, 0, 1, 0, 9],
            then: Then::Tunnel(addr),
        }
    }
}

/// A running proxy. It stops when dropped.
pub struct Proxy {
    addr: SocketAddr,
    /// What each connection sent before its tunnel stood.
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Proxy {
    /// An HTTP proxy; the script sees each head.
    pub fn connect(script: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Proxy {
        let script: Arc<ConnectScript> = Arc::new(script);
        Proxy::run(move |tcp, heard| {
            let head = read_head(tcp, heard)?;
            let (answer, then) = script(&head);
            tcp.write_all(&answer).ok()?;
            Some(then)
        })
    }

    /// One that tunnels everything to there.
    pub fn to(addr: SocketAddr) -> Proxy {
        Proxy::connect(move |_| (OK.to_vec(), Then::Tunnel(addr)))
    }

    /// A SOCKS5 proxy.
    pub fn socks(script: Socks) -> Proxy {
        Proxy::run(move |tcp, heard| {
            let methods = take(tcp, heard, 2)?[1];
            take(tcp, heard, methods.into())?;
            tcp.write_all(&script.method).ok()?;
            if script.method.get(1) == Some(&2) {
                let user = take(tcp, heard, 2)?[1];
                let rest = take(tcp, heard, usize::from(user) + 1)?;
                take(tcp, heard, (*rest.last()?).into())?;
                tcp.write_all(&script.login).ok()?;
            }
            let kind = take(tcp, heard, 4)?[3];
            let length = match kind {
                1 => 4,
                4 => 16,
                _ => take(tcp, heard, 1)?[0].into(),
            };
            take(tcp, heard, length + 2)?;
            tcp.write_all(&script.reply).ok()?;
            Some(script.then)
        })
    }

    fn run(
        script: impl Fn(&mut TcpStream, &mut Vec<u8>) -> Option<Then> + Send + Sync + 'static,
    ) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (asked, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let record: Arc<Mutex<Vec<Vec<u8>>>> = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut tcp in listener.incoming().map_while(Result::ok) {
                let (script, record) = (Arc::clone(&script), Arc::clone(&record));
                std::thread::spawn(move || {
                    tcp.set_read_timeout(Some(3 * PATIENCE))
                        .expect("a time-out");
                    let mut heard = Vec::new();
                    let then = script(&mut tcp, &mut heard);
                    // Before a byte is carried, so that whoever has an answer finds what was asked.
                    record.lock().expect("the record").push(heard);
                    match then {
                        Some(Then::Tunnel(to)) => carry(tcp, to),
                        Some(Then::Stall) => drop(tcp.read(&mut [0; 1])),
                        Some(Then::Close) | None => {}
                    }
                });
            }
        });
        Proxy { addr, asked }
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> String {
        self.addr.to_string()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `socks5://127.0.0.1:PORT`.
    pub fn socks_url(&self) -> String {
        format!("socks5://{}", self.addr)
    }

    /// What each connection has sent before its tunnel, in the order in which that ended.
    pub fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().expect("the record").clone()
    }

    /// The same as text.
    pub fn heads(&self) -> Vec<String> {
        let asked = self.asked();
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        asked.iter().map(text).collect()
    }
}

/// How a tunnel begins.
pub const OK: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

fn take(tcp: &mut TcpStream, heard: &mut Vec<u8>, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    tcp.read_exact(&mut bytes).ok()?;
    heard.extend_from_slice(&bytes);
    Some(bytes)
}

fn read_head(tcp: &mut TcpStream, heard: &mut Vec<u8>) -> Option<String> {
    while !heard.ends_with(b"\r\n\r\n") {
        take(tcp, heard, 1)?;
    }
    Some(String::from_utf8_lossy(heard).into_owned())
}

fn carry(near: TcpStream, to: SocketAddr) {
    let far = TcpStream::connect(to).expect("the server behind the proxy");
    let pairs = [
        (
            near.try_clone().expect("a socket"),
            far.try_clone().expect("a socket"),
        ),
        (far, near),
    ];
    for (mut from, mut to) in pairs {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
