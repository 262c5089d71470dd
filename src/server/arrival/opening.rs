//! What comes of a connection before its first request: a PROXY header, and a TLS handshake.

use std::io;
use std::net::IpAddr;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::answer::Answer;
use crate::behind;
use crate::conn::Conn;
use crate::conn::stream::{self, Stream};
use crate::http::proxy_protocol::Ends;
use crate::http::uri::Scheme;
use crate::proxy::{Entrance, Peer, Shared};
use crate::server::request::TLS_HANDSHAKE_RECORD;
use crate::stop::Stop;
use crate::timeouts;
use crate::tls::accept::TlsAcceptor;

/// What it takes to open a connection.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub(super) shared: &'a Shared,
    pub(super) stop: &'a Stop,
}

impl Opening<'_> {
    /// Who is at the other end of a connection that is plain so far.
    pub(super) async fn peer(
        &self,
        tcp: &mut TcpStream,
        proxy_protocol: bool,
        entrance: Entrance,
    ) -> io::Result<Peer> {
        let mut peer = Peer {
            address: tcp.peer_addr()?.ip().to_canonical(),
            is_unnamed: false,
            local: tcp.local_addr()?,
            scheme: Scheme::Http,
            entrance,
        };
        if proxy_protocol {
            // Apart, so that connections without it need no room for it.
            match Box::pin(self.introduced(tcp, peer.address)).await? {
                Some(ends) => (peer.address, peer.local) = (ends.source.ip(), ends.destination),
                None => peer.is_unnamed = true,
            }
        }
        Ok(peer)
    }

    /// Whose connection it is, as its PROXY header says. Without a valid one there is nothing to serve.
    async fn introduced(&self, tcp: &mut TcpStream, from: IpAddr) -> io::Result<Option<Ends>> {
        let shared = self.shared;
        let log = shared.log;
        if !shared.trusted_proxies.may_introduce(from) {
            log.error(format_args!(
                "a connection from {from} is refused: PROXY headers are taken from \
                 --trusted-proxy only"
            ));
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let heads = &shared.admission.heads;
        let header = async {
            self.first_word(tcp.readable()).await?;
            tokio::select! {
                biased;
                header = behind::take_proxy_header(tcp) => header,
                () = heads.pushed_out() => Err(io::ErrorKind::ConnectionAborted.into()),
            }
        };
        let header = timeout(timeouts::CLIENT_HEAD, header).await;
        let header = header.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if header.is_ok() {
            // Where nothing has come behind it, the runtime is to know, so that the connection is idle and not taken for readable.
            let _ = tcp.try_io(Interest::READABLE, || stream::peek(tcp));
        }
        match &header {
            Ok(_) => {}
            // Health checks of balancers end like this.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            // It had to go, and not for what it has said.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => log.error(format_args!(
                "a connection from {from} is closed: {error}; this listener requires a PROXY \
                 header before each"
            )),
        }
        header
    }

    /// What comes first of a connection, and with it whatever `wait` gives. Until then it is idle: it goes when its place is needed,
    /// or soon after a stop.
    async fn first_word<T>(&self, wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let stopped = async {
            self.stop.requested().await;
            sleep(timeouts::FIRST_REQUEST).await;
        };
        tokio::select! {
            biased;
            come = wait => return come,
            () = self.shared.admission.idle.pushed_out() => {}
            () = stopped => {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// The connection of `peer`, under TLS if that is spoken there.
    pub(super) async fn stream(
        &self,
        tcp: TcpStream,
        tls: Option<TlsAcceptor>,
        peer: &mut Peer,
    ) -> io::Result<Stream> {
        let Some(acceptor) = tls else {
            return Ok(Stream::Tcp(tcp));
        };
        peer.scheme = Scheme::Https;
        Box::pin(self.start_tls(tcp, peer.address, &acceptor)).await
    }

    async fn start_tls(
        &self,
        tcp: TcpStream,
        address: IpAddr,
        acceptor: &TlsAcceptor,
    ) -> io::Result<Stream> {
        let shaken = self.shake_hands(tcp, address, acceptor);
        let shaken = timeout(timeouts::TLS_HANDSHAKE, shaken).await?;
        if let Err(error) = &shaken {
            self.shared
                .log
                .debug(format_args!("no TLS with {address}: {error}"));
        }
        shaken
    }

    async fn shake_hands(
        &self,
        tcp: TcpStream,
        address: IpAddr,
        acceptor: &TlsAcceptor,
    ) -> io::Result<Stream> {
        let mut first = *b"     ";
        self.first_word(tcp.peek(&mut first)).await?;
        if first[0] != TLS_HANDSHAKE_RECORD && first[0].is_ascii_alphabetic() {
            let mut plain = Conn::new(Stream::Tcp(tcp));
            let why = "this port speaks HTTPS, and the request is in plain HTTP";
            let answer = Answer::fatal(400, "UNSUPPORTED", why);
            let (head, body) = answer.write(&first[..4], |head| head.field("Connection", "close"));
            plain
                .write_all([&head, &body], timeouts::TLS_HANDSHAKE)
                .await?;
            plain.linger().await;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it speaks plain HTTP",
            ));
        }
        let shared = self.shared;
        let tls = acceptor
            .accept(tcp, address, &shared.handshakes, &shared.admission.heads)
            .await?;
        Ok(Stream::Tls(Box::new(tls.into())))
    }
}
