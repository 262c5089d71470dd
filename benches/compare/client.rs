//! A client of our own: to see that answers are right, to wait for a start, to sit idle.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::process::Process;
use crate::route::Scheme;
use crate::site::{BLOB_SIZE, MANIFEST, Site, hex};

/// How long a proxy may take until its first answer, and any answer until its next byte.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a proxy that starts is asked.
const POLL: Duration = Duration::from_micros(200);

/// One connection.
pub(crate) struct Client {
    stream: BufReader<Stream>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// How the body of an answer is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

impl Client {
    /// Connects, and shakes hands with the first request.
    pub(crate) fn connect(site: &Site, address: SocketAddr, scheme: Scheme) -> io::Result<Client> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let stream = match scheme {
            Scheme::Plain => Stream::Plain(tcp),
            Scheme::Tls => Stream::Tls(Box::new(secure(site, tcp)?)),
        };
        Ok(Client {
            stream: BufReader::with_capacity(64 * 1024, stream),
        })
    }

    /// Sends a request and does not wait for an answer.
    pub(crate) fn ask(&mut self, path: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes())?;
        stream.flush()
    }

    /// Sends a request and gives the body of its answer to `sink`, piece by piece.
    pub(crate) fn get(&mut self, path: &str, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        self.ask(path)?;
        match self.read_head()? {
            Framing::Length(length) => self.read_exactly(length, &mut sink),
            Framing::Chunked => self.read_chunks(&mut sink),
        }
    }

    fn read_head(&mut self) -> io::Result<Framing> {
        let status = self.read_line()?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(format!("status line {status:?}")));
        }
        let mut framing = None;
        loop {
            let line = self.read_line()?.to_ascii_lowercase();
            if line.is_empty() {
                return framing.ok_or_else(|| io::Error::other("a body without an end"));
            }
            if let Some(length) = line.strip_prefix("content-length:") {
                framing = Some(Framing::Length(number(length, 10)?));
            } else if line == "transfer-encoding: chunked" {
                framing = Some(Framing::Chunked);
            }
        }
    }

    fn read_chunks(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let size = number(&self.read_line()?, 16)?;
            self.read_exactly(size, sink)?;
            self.read_line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn read_exactly(&mut self, mut left: u64, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            let read = self.stream.fill_buf()?;
            if read.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = read.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&read[..count]);
            self.stream.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// Polls until the manifest comes, byte for byte.
///
/// # Errors
/// If the process has ended before, or after [`PATIENCE`].
pub(crate) fn wait_for_manifest(
    site: &Site,
    address: SocketAddr,
    scheme: Scheme,
    process: &mut Process,
) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Err(error) = check_manifest(site, address, scheme) else {
            return Ok(());
        };
        if process.has_ended() || Instant::now() > deadline {
            return Err(format!("no right manifest: {error}\n{}", process.log()));
        }
        sleep(POLL);
    }
}

/// Asks for the manifest and compares it.
pub(crate) fn check_manifest(site: &Site, address: SocketAddr, scheme: Scheme) -> io::Result<()> {
    let mut manifest = Vec::new();
    Client::connect(site, address, scheme)?
        .get(MANIFEST, |piece| manifest.extend_from_slice(piece))?;
    if manifest != site.manifest {
        return Err(io::Error::other("the manifest is not that of the origin"));
    }
    Ok(())
}

/// Asks for the blob and compares size and digest.
pub(crate) fn check_blob(site: &Site, address: SocketAddr, scheme: Scheme) -> io::Result<()> {
    let (mut context, mut size) = (Context::new(&SHA256), 0);
    Client::connect(site, address, scheme)?.get(&site.blob(), |piece| {
        context.update(piece);
        size += piece.len() as u64;
    })?;
    let digest = hex(context.finish().as_ref());
    if size != BLOB_SIZE || digest != site.blob_digest {
        return Err(io::Error::other("the blob is not that of the origin"));
    }
    Ok(())
}

fn secure(site: &Site, tcp: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let cert = CertificateDer::from_pem_file(site.file("cert.pem")).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(cert).map_err(io::Error::other)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, tcp))
}

fn number(text: &str, radix: u32) -> io::Result<u64> {
    u64::from_str_radix(text.trim(), radix).map_err(io::Error::other)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
