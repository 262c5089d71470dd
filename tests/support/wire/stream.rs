//! A connection of either end, plain or TLS, with a read buffer and a name for each way in which it can end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection, StreamOwned};

/// How the other end left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// In order: FIN, and close_notify before it under TLS.
    Fin,
    /// RST.
    Reset,
    /// A TLS connection without close_notify.
    Unclean,
    /// A fatal TLS alert.
    Alert,
    /// It did not: nothing came within the patience.
    Silence,
}

/// A connection.
pub enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// The client's end of TLS.
    TlsClient(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// The server's end of TLS.
    TlsServer(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    /// The socket below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::TlsClient(tls) => &tls.sock,
            Stream::TlsServer(tls) => &tls.sock,
        }
    }

    /// Goes on with new keys, and asks the other end to do the same.
    ///
    /// # Panics
    /// If it is not under TLS 1.3.
    pub fn rekey(&mut self) {
        let rekeyed = match self {
            Stream::Plain(_) => panic!("no TLS"),
            Stream::TlsClient(tls) => tls.conn.refresh_traffic_keys(),
            Stream::TlsServer(tls) => tls.conn.refresh_traffic_keys(),
        };
        rekeyed.expect("TLS 1.3");
    }

    /// Ends it with RST instead of FIN.
    pub fn reset(self) {
        let _ = socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
    }

    /// Has the kernel drop every segment that comes from now on, before it acknowledges it.
    pub fn deafen(&self) {
        const RETURN_NOTHING: socket2::SockFilter = socket2::SockFilter::new(0x06, 0, 0, 0);
        socket2::SockRef::from(self.tcp())
            .attach_filter(&[RETURN_NOTHING])
            .expect("a socket filter");
    }

    /// Says that nothing more will be written: close_notify under TLS, then FIN.
    pub fn finish_writing(&mut self) {
        match self {
            Stream::Plain(_) => {}
            Stream::TlsClient(tls) => tls.conn.send_close_notify(),
            Stream::TlsServer(tls) => tls.conn.send_close_notify(),
        }
        let _ = self.flush();
        let _ = self.tcp().shutdown(std::net::Shutdown::Write);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::TlsClient(tls) => tls.read(buffer),
            Stream::TlsServer(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::TlsClient(tls) => tls.write(bytes),
            Stream::TlsServer(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::TlsClient(tls) => tls.flush(),
            Stream::TlsServer(tls) => tls.flush(),
        }
    }
}

/// A stream and what was read from it beyond the message at hand.
pub struct Wire<S> {
    /// The stream.
    pub stream: S,
    ahead: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    /// Nothing read yet.
    pub fn new(stream: S) -> Wire<S> {
        Wire {
            stream,
            ahead: Vec::new(),
        }
    }

    /// Bytes up to and including the first empty line.
    ///
    /// # Errors
    /// How the connection ended before it. Bytes of a head that was begun stay readable by [`Wire::take`].
    pub fn head(&mut self) -> Result<Vec<u8>, Closing> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.ahead[from..], b"\r\n\r\n") {
                return Ok(self.ahead.drain(..from + at + 4).collect());
            }
            from = self.ahead.len().saturating_sub(3);
            self.more()?;
        }
    }

    /// One line without its CRLF.
    ///
    /// # Errors
    /// How the connection ended before it.
    pub fn line(&mut self) -> Result<String, Closing> {
        loop {
            if let Some(at) = find(&self.ahead, b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.more()?;
        }
    }

    /// Moves exactly `count` bytes to `into`.
    ///
    /// # Errors
    /// How the connection ended before them; what came until then is in `into`.
    pub fn take(&mut self, count: usize, into: &mut Vec<u8>) -> Result<(), Closing> {
        let mut left = count;
        loop {
            let now = left.min(self.ahead.len());
            into.extend_from_slice(&self.ahead[..now]);
            self.ahead.drain(..now);
            left -= now;
            if left == 0 {
                return Ok(());
            }
            self.more()?;
        }
    }

    /// Reads until something has come.
    fn more(&mut self) -> Result<(), Closing> {
        let mut buffer = [0; 64 * 1024];
        let got = read(&mut self.stream, &mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..got]);
        Ok(())
    }

    /// Waits for the other end to leave.
    ///
    /// # Panics
    /// If it sends something first.
    pub fn closing(&mut self) -> Closing {
        let surplus = String::from_utf8_lossy(&self.ahead).into_owned();
        assert!(surplus.is_empty(), "unasked bytes: {surplus:?}");
        match self.more() {
            Err(closing) => closing,
            Ok(()) => panic!("unasked bytes: {:?}", String::from_utf8_lossy(&self.ahead)),
        }
    }
}

/// One read, at least one byte.
fn read(stream: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Closing> {
    loop {
        return match stream.read(buffer) {
            Ok(0) => Err(Closing::Fin),
            Ok(got) => Ok(got),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => continue,
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(Closing::Silence),
                ErrorKind::InvalidData => Err(Closing::Alert),
                ErrorKind::UnexpectedEof => Err(Closing::Unclean),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Err(Closing::Reset),
                other => panic!("reading: {other:?} {error}"),
            },
        };
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
