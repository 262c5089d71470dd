//! A small HTTP/1.1 server for what stands beside a registry: it answers from a function and keeps every
//! request that it saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates::Identity;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// An answer: status, fields, body. The length is added.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// After so much of the body the connection ends.
    pub(crate) breaks_after: usize,
}

/// A server on a free port of loopback; stops when dropped.
pub(crate) struct HttpServer {
    addr: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Request {
    /// The value of a field, by its name in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What comes after the `?`.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

impl Answer {
    /// An answer without fields.
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            fields: Vec::new(),
            body: body.into(),
            breaks_after: usize::MAX,
        }
    }

    /// The same answer with one more field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.fields.push((name.to_owned(), value.into()));
        self
    }
}

impl HttpServer {
    /// Starts to answer with `handler`, over TLS if there is an identity.
    pub(crate) fn start(
        tls: Option<&Identity>,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = HttpServer {
            addr: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            seen: Arc::default(),
            stop: Arc::default(),
        };
        let (seen, stop, handler) = (server.seen.clone(), server.stop.clone(), Arc::new(handler));
        let tls = tls.map(|identity| Arc::new(tls_config(identity)));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Head and body are two writes; the second is not to wait for the first's acknowledgement.
                stream.set_nodelay(true).unwrap();
                let (seen, handler, tls) = (seen.clone(), handler.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => converse(stream, &seen, &*handler),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        converse(StreamOwned::new(connection, stream), &seen, &*handler);
                    }
                });
            }
        });
        server
    }

    /// Where it listens, as a URL without a path.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then ends and closes the port.
        let _ = TcpStream::connect(self.addr);
    }
}

fn tls_config(identity: &Identity) -> ServerConfig {
    let chain = CertificateDer::pem_file_iter(&identity.cert).unwrap();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap()
}

fn converse(
    stream: impl Read + Write,
    seen: &Mutex<Vec<Request>>,
    handler: &dyn Fn(&Request) -> Answer,
) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        seen.lock().unwrap().push(request.clone());
        let answer = handler(&request);
        if write_answer(reader.get_mut(), &request, &answer).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let line = read_line(reader)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request {
        method,
        target,
        fields: Vec::new(),
        body: String::new(),
    };
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        request
            .fields
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request
        .field("content-length")
        .map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

fn write_answer(
    stream: &mut impl Write,
    request: &Request,
    answer: &Answer,
) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} Answer\r\nContent-Length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        let sent = answer.body.len().min(answer.breaks_after);
        stream.write_all(&answer.body[..sent])?;
        stream.flush()?;
        if sent < answer.body.len() {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
    }
    stream.flush()
}
