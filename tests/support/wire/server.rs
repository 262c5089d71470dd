//! A server that answers by script and records what it was asked: registry, token server and CDN of the tests.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::PATIENCE;
use super::answer::{Act, Answer};
use super::message::{Framing, Head, read_body};
use super::stream::{Closing, Stream, Wire};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The connection on which it came, from 0 in order of acceptance.
    pub connection: usize,
    /// Its head.
    pub head: Head,
    /// Its body, de-chunked.
    pub body: Vec<u8>,
}

impl Request {
    /// Method and target, as in a script's table.
    pub fn line(&self) -> String {
        format!("{} {}", self.head.method(), self.head.target())
    }
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

/// A running server. It stops when dropped.
pub struct Server {
    addr: SocketAddr,
    scheme: &'static str,
    record: Arc<Record>,
    stopping: Arc<AtomicBool>,
}

#[derive(Default)]
struct Record {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    connections: Vec<Connection>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Connection {
    sent: usize,
    left: Option<Closing>,
}

impl Server {
    /// Listens on a free port of loopback.
    pub fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        Server::run(None, Arc::new(script))
    }

    /// The same with TLS.
    pub fn start_tls(
        config: Arc<ServerConfig>,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::run(Some(config), Arc::new(script))
    }

    /// Answers by `METHOD target`, and 599 to what is not in the table.
    pub fn table<const N: usize>(rows: [(&str, Answer); N]) -> Server {
        let rows: Vec<(String, Answer)> = rows
            .into_iter()
            .map(|(line, answer)| (line.to_owned(), answer))
            .collect();
        Server::start(move |request| {
            let row = rows.iter().find(|(line, _)| *line == request.line());
            row.map_or_else(Answer::unscripted, |(_, answer)| answer.clone())
        })
    }

    /// On a listener of the test's own.
    pub fn on(
        listener: TcpListener,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::run_on(listener, None, Arc::new(script))
    }

    fn run(tls: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Server::run_on(listener, tls, script)
    }

    fn run_on(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        script: Arc<Script>,
    ) -> Server {
        let addr = listener.local_addr().expect("an address");
        let (record, stopping) = (
            Arc::new(Record::default()),
            Arc::new(AtomicBool::new(false)),
        );
        let server = Server {
            addr,
            scheme: if tls.is_some() { "https" } else { "http" },
            record: Arc::clone(&record),
            stopping: Arc::clone(&stopping),
        };
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let number = record.connected();
                let (tls, script, record) = (tls.clone(), Arc::clone(&script), Arc::clone(&record));
                std::thread::spawn(move || serve(&record, number, open(tcp, tls), &*script));
            }
        });
        server
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> String {
        self.addr.to_string()
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    pub fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.addr.port()),
            scheme => format!("{scheme}://{}", self.addr),
        }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.record.lock().requests.clone()
    }

    /// Method and target of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.record
            .lock()
            .requests
            .iter()
            .map(Request::line)
            .collect()
    }

    /// The only request so far.
    ///
    /// # Panics
    /// If there is none or more than one.
    pub fn only_request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "requests: {:?}", self.lines());
        requests.remove(0)
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.record.lock().connections.len()
    }

    /// Waits until so many requests have come.
    pub fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        self.wait("requests", |state| {
            (state.requests.len() >= count).then(|| state.requests.clone())
        })
    }

    /// Waits until the peer has left this connection.
    pub fn wait_for_leaving(&self, connection: usize) -> Closing {
        self.wait(&format!("the end of connection {connection}"), |state| {
            state.connections.get(connection)?.left
        })
    }

    /// How many connections the peer has left.
    pub fn leavings(&self) -> usize {
        let state = self.record.lock();
        state
            .connections
            .iter()
            .filter(|connection| connection.left.is_some())
            .count()
    }

    /// Waits until the peer has left so many connections.
    pub fn wait_for_leavings(&self, count: usize) {
        self.wait("leavings", |state| {
            let left = state
                .connections
                .iter()
                .filter(|connection| connection.left.is_some());
            (left.count() >= count).then_some(())
        });
    }

    /// Waits until the kernel has taken so many bytes for this connection.
    pub fn wait_for_sent(&self, connection: usize, bytes: usize) {
        self.wait("bytes sent", |state| {
            (state.connections.get(connection)?.sent >= bytes).then_some(())
        });
    }

    /// How many bytes the kernel has taken for this connection.
    pub fn sent(&self, connection: usize) -> usize {
        self.record.lock().connections[connection].sent
    }

    fn wait<T>(&self, what: &str, mut ready: impl FnMut(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.record.lock();
        loop {
            if let Some(found) = ready(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let connections = state.connections.clone();
                let seen: Vec<_> = state
                    .requests
                    .iter()
                    .map(|one| (one.connection, one.line()))
                    .collect();
                // The connections' threads go on recording.
                drop(state);
                panic!(
                    "waited in vain for {what}; {} saw {seen:#?} on {connections:#?}",
                    self.addr
                );
            }
            state = self
                .record
                .grown
                .wait_timeout(state, left)
                .expect("the record")
                .0;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
    }
}

impl Answer {
    /// What a table says to a request that it does not hold.
    pub fn unscripted() -> Answer {
        Answer::new(
            "599 Unscripted",
            &[],
            "the test's table has no such request",
        )
    }
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the record")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.grown.notify_all();
        changed
    }

    fn connected(&self) -> usize {
        self.change(|state| {
            state.connections.push(Connection::default());
            state.connections.len() - 1
        })
    }

    fn sent(&self, connection: usize, bytes: usize) {
        self.change(|state| state.connections[connection].sent += bytes);
    }

    fn left(&self, connection: usize, how: Closing) {
        self.change(|state| {
            state.connections[connection]
                .left
                .get_or_insert(how)
                .to_owned()
        });
    }
}

fn open(tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> Stream {
    tcp.set_nodelay(true).expect("no delay");
    tcp.set_read_timeout(Some(3 * PATIENCE))
        .expect("a read time-out");
    tcp.set_write_timeout(Some(3 * PATIENCE))
        .expect("a write time-out");
    match tls {
        None => Stream::Plain(tcp),
        Some(config) => {
            let connection = ServerConnection::new(config).expect("a TLS server");
            Stream::TlsServer(Box::new(StreamOwned::new(connection, tcp)))
        }
    }
}

/// Requests and answers in turn until one of the two leaves.
fn serve(record: &Record, connection: usize, stream: Stream, script: &Script) {
    let mut wire = Wire::new(stream);
    loop {
        let head = match wire.head() {
            Ok(raw) => Head::parse(&raw),
            Err(closing) => return record.left(connection, closing),
        };
        let (body, _) = read_body(&mut wire, Framing::of_request(&head));
        let request = Request {
            connection,
            head,
            body,
        };
        let answer = script(&request);
        record.change(|state| state.requests.push(request));
        for act in answer.acts {
            match perform(record, connection, &mut wire, act) {
                Then::GoOn => {}
                Then::Leave => return,
                Then::Reset => return wire.stream.reset(),
            }
        }
    }
}

enum Then {
    GoOn,
    Leave,
    Reset,
}

fn perform(record: &Record, connection: usize, wire: &mut Wire<Stream>, act: Act) -> Then {
    match act {
        Act::Send(bytes) => send(record, connection, wire, &bytes),
        Act::Repeat(block, count) => {
            let sent =
                (0..count).all(|_| matches!(send(record, connection, wire, &block), Then::GoOn));
            if sent { Then::GoOn } else { Then::Leave }
        }
        Act::Wait(gate) => {
            gate.wait();
            Then::GoOn
        }
        Act::Rekey => {
            wire.stream.rekey();
            Then::GoOn
        }
        Act::Stall => {
            record.left(connection, wire.closing());
            Then::Leave
        }
        Act::Deafen => {
            wire.stream.deafen();
            Then::GoOn
        }
        Act::Close => {
            wire.stream.finish_writing();
            record.left(connection, wire.closing());
            Then::Leave
        }
        Act::Drop => Then::Leave,
        Act::Reset => Then::Reset,
    }
}

fn send(record: &Record, connection: usize, wire: &mut Wire<Stream>, bytes: &[u8]) -> Then {
    match wire
        .stream
        .write_all(bytes)
        .and_then(|()| wire.stream.flush())
    {
        Ok(()) => {
            record.sent(connection, bytes.len());
            Then::GoOn
        }
        Err(_) => {
            record.left(connection, Closing::Reset);
            Then::Leave
        }
    }
}
