//! A raw HTTP/1.1 client: what it is told to send, it sends; what comes back, it reads strictly and keeps.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use super::message::{End, Framing, Head, read_body};
use super::stream::{Closing, Stream, Wire};

/// A request to be written. Its Host is `docxy.test` unless it is given.
#[derive(Clone, Debug)]
pub struct Ask {
    method: String,
    target: String,
    version: &'static str,
    host: Option<String>,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// Any method without a body.
    pub fn new(method: &str, target: &str) -> Ask {
        Ask {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            host: Some("docxy.test".to_owned()),
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET`.
    pub fn get(target: &str) -> Ask {
        Ask::new("GET", target)
    }

    /// `HEAD`.
    pub fn head(target: &str) -> Ask {
        Ask::new("HEAD", target)
    }

    /// `POST` of a form, with its length.
    pub fn form(target: &str, form: &str) -> Ask {
        Ask::posted(target, "application/x-www-form-urlencoded", form)
    }

    /// A POST of a body of this media type.
    pub fn posted(target: &str, kind: &str, body: &str) -> Ask {
        let mut ask = Ask::new("POST", target)
            .field("Content-Type", kind)
            .field("Content-Length", &body.len().to_string());
        ask.body = body.as_bytes().to_vec();
        ask
    }

    /// Adds a field.
    pub fn field(mut self, name: &str, value: &str) -> Ask {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces the Host.
    pub fn host(mut self, host: &str) -> Ask {
        self.host = Some(host.to_owned());
        self
    }

    /// Makes it HTTP/1.0 without Host.
    pub fn http10(mut self) -> Ask {
        self.version = "HTTP/1.0";
        self.host = None;
        self
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} {}\r\n", self.method, self.target, self.version);
        let host = self.host.iter().map(|host| ("Host", host.as_str()));
        for (name, value) in host.chain(
            self.fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        ) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        [text.as_bytes(), &self.body].concat()
    }
}

/// A response as it came.
#[derive(Clone, Debug)]
pub struct Response {
    /// The final head.
    pub head: Head,
    /// 1xx heads before it.
    pub interim: Vec<Head>,
    /// The body's bytes, de-chunked.
    pub body: Vec<u8>,
    /// How the body's end was marked.
    pub framing: Framing,
    /// How it ended.
    pub end: End,
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The response itself if its body is complete.
    ///
    /// # Panics
    /// If it was cut.
    pub fn complete(self) -> Response {
        assert_eq!(self.end, End::Complete, "body of {:?}", self.head);
        self
    }
}

/// A connection to docxy.
pub struct Client {
    wire: Wire<Stream>,
}

impl Client {
    /// Connects.
    pub fn connect(addr: SocketAddr) -> Client {
        Client::over(TcpStream::connect_timeout(&addr, PATIENCE).expect("docxy accepts"))
    }

    /// Connects with so little room in the kernel, in bytes, that docxy feels at once that nobody reads.
    pub fn narrow(addr: SocketAddr, room: usize) -> Client {
        Client::over(narrow(addr, room))
    }

    /// Over a TCP connection that the test has prepared.
    pub fn over(tcp: TcpStream) -> Client {
        prepare(&tcp);
        Client {
            wire: Wire::new(Stream::Plain(tcp)),
        }
    }

    /// Connects with TLS as `localhost` and shakes hands.
    pub fn connect_tls(addr: SocketAddr, config: Arc<ClientConfig>) -> Client {
        Client::connect_tls_to(addr, "localhost", config).expect("a TLS handshake")
    }

    /// Connects with TLS as any name or address.
    ///
    /// # Errors
    /// What failed in the handshake, as far as the client sees it.
    pub fn connect_tls_to(
        addr: SocketAddr,
        name: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<Client> {
        let tcp = TcpStream::connect_timeout(&addr, PATIENCE).expect("docxy accepts");
        Client::shake_hands(tcp, name, config)
    }

    /// Shakes hands as `localhost` over a TCP connection that the test has prepared.
    pub fn over_tls(tcp: TcpStream, config: Arc<ClientConfig>) -> Client {
        Client::shake_hands(tcp, "localhost", config).expect("a TLS handshake")
    }

    fn shake_hands(
        mut tcp: TcpStream,
        name: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<Client> {
        prepare(&tcp);
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut tls = ClientConnection::new(config, name).expect("a TLS client");
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Client {
            wire: Wire::new(Stream::TlsClient(Box::new(StreamOwned::new(tls, tcp)))),
        })
    }

    /// The TLS below.
    ///
    /// # Panics
    /// If there is none.
    pub fn tls(&self) -> &ClientConnection {
        match &self.wire.stream {
            Stream::TlsClient(tls) => &tls.conn,
            _ => panic!("no TLS"),
        }
    }

    /// The certificate that the server has shown.
    ///
    /// # Panics
    /// If it has shown none.
    pub fn shown(&self) -> Vec<u8> {
        self.tls().peer_certificates().expect("a certificate")[0].to_vec()
    }

    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        self.wire.stream.tcp()
    }

    /// Changes how long a read may take.
    pub fn wait_at_most(&self, patience: Duration) {
        self.wire
            .stream
            .tcp()
            .set_read_timeout(Some(patience))
            .expect("a read time-out");
    }

    /// The protocol chosen by ALPN.
    pub fn alpn(&self) -> Option<Vec<u8>> {
        match &self.wire.stream {
            Stream::TlsClient(tls) => tls.conn.alpn_protocol().map(<[u8]>::to_vec),
            _ => None,
        }
    }

    /// The certificate that docxy showed.
    pub fn peer_certificate(&self) -> Vec<u8> {
        let chain = match &self.wire.stream {
            Stream::TlsClient(tls) => tls.conn.peer_certificates(),
            _ => None,
        };
        chain.expect("a certificate")[0].to_vec()
    }

    /// Sends these bytes. The peer may have left: what it answered is told by reading.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self
            .wire
            .stream
            .write_all(bytes.as_ref())
            .and_then(|()| self.wire.stream.flush());
    }

    /// Sends these bytes one at a time, each in a segment of its own.
    pub fn send_bytewise(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.send([*byte]));
    }

    /// Goes on with new keys under TLS 1.3, and asks docxy to do the same.
    pub fn rekey(&mut self) {
        self.wire.stream.rekey();
        let _ = self.wire.stream.flush();
    }

    /// Says that nothing more will be sent.
    pub fn finish_writing(&mut self) {
        self.wire.stream.finish_writing();
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, ask: &Ask) -> Response {
        self.send(ask.bytes());
        self.receive(&ask.method)
    }

    /// Reads the answer to a request of this method.
    ///
    /// # Panics
    /// If the connection ends before a whole head.
    pub fn receive(&mut self, method: &str) -> Response {
        let (head, interim) = self.receive_head();
        let framing = Framing::of_response(method, &head);
        let (body, end) = read_body(&mut self.wire, framing);
        Response {
            head,
            interim,
            body,
            framing,
            end,
        }
    }

    /// Reads a final head only, with the 1xx heads before it.
    pub fn receive_head(&mut self) -> (Head, Vec<Head>) {
        let mut interim = Vec::new();
        loop {
            let raw = self
                .wire
                .head()
                .unwrap_or_else(|closing| panic!("{closing:?} before an answer's head"));
            let head = Head::parse(&raw);
            if head.status() >= 200 {
                return (head, interim);
            }
            interim.push(head);
        }
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// How the connection ended before them.
    pub fn take(&mut self, count: usize) -> Result<Vec<u8>, Closing> {
        let mut bytes = Vec::new();
        self.wire.take(count, &mut bytes).map(|()| bytes)
    }

    /// Reads everything until the connection ends.
    pub fn drain(&mut self) -> (Vec<u8>, Closing) {
        let mut bytes = Vec::new();
        match self.wire.take(usize::MAX, &mut bytes) {
            Err(closing) => (bytes, closing),
            Ok(()) => unreachable!("no such number of bytes"),
        }
    }

    /// Waits for the other end to leave; unasked bytes are a panic.
    pub fn closing(&mut self) -> Closing {
        self.wire.closing()
    }

    /// The connection itself, for those who read it on their own terms.
    pub fn into_wire(self) -> Wire<Stream> {
        self.wire
    }

    /// Leaves with RST.
    pub fn reset(self) {
        self.wire.stream.reset();
    }
}

/// One request on a connection of its own, with a whole answer.
pub fn ask(addr: SocketAddr, ask: &Ask) -> Response {
    Client::connect(addr).ask(ask).complete()
}

fn prepare(tcp: &TcpStream) {
    tcp.set_nodelay(true).expect("no delay");
    tcp.set_read_timeout(Some(PATIENCE))
        .expect("a read time-out");
    tcp.set_write_timeout(Some(PATIENCE))
        .expect("a write time-out");
}

/// A connection for which the kernel of this side takes no more than so many bytes, or what it takes at least.
pub fn narrow(addr: SocketAddr, room: usize) -> TcpStream {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(room).expect("little room");
    socket.connect(&addr.into()).expect("docxy accepts");
    socket.into()
}
