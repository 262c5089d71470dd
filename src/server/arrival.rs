//! A connection's way from its acceptance to its first request: whose it is, whether there is room for it, and TLS.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::time::{sleep, timeout};

use crate::answer::Answer;
use crate::behind;
use crate::conn::Conn;
use crate::conn::stream::{self, Stream};
use crate::http::proxy_protocol::Ends;
use crate::http::uri::Scheme;
use crate::limits::admission::{Admission, Full, Place};
use crate::limits::crowd::Crowd;
use crate::limits::turns::Turn;
use crate::proxy::current::Current;
use crate::proxy::{Entrance, Peer, Proxy, Shared};
use crate::server::ahead;
use crate::server::beat::Beat;
use crate::server::request::TLS_HANDSHAKE_RECORD;
use crate::server::session::{self, Session};
use crate::stop::Stop;
use crate::timeouts;
use crate::tls::accept::TlsAcceptor;

/// A connection that has been accepted and is to be served.
pub struct Accepted {
    /// The connection, which does not block.
    pub tcp: TcpStream,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsAcceptor>,
    /// Whether a PROXY header comes before the client's first byte.
    pub proxy_protocol: bool,
    /// Its place among all connections that come in this way.
    pub place: Place,
    /// How many of them there may be.
    pub admission: Arc<Admission>,
    /// By which way it came in.
    pub entrance: Entrance,
}

/// A connection that has come, and what it takes to serve it.
pub(super) struct Arrival {
    pub(super) accepted: Accepted,
    pub(super) current: Arc<Current>,
    pub(super) beat: Arc<Beat>,
    pub(super) stop: Stop,
}

/// A connection that has been let in, and what it holds of the limits until it has ended.
struct LetIn<'a> {
    session: Session<'a>,
    _place: Place,
    _share: Option<Box<Turn<'a, IpAddr>>>,
}

impl Arrival {
    /// Serves it until it has ended.
    pub(super) async fn serve(self: Box<Self>) -> io::Result<()> {
        let admission = &Arc::clone(&self.accepted.admission);
        // Apart, so that a connection that is idle keeps no room for how it began.
        let Some(mut let_in) = Box::pin(self.begin(admission)).await? else {
            return Ok(());
        };
        let next = let_in.session.run().await;
        Box::pin(let_in.session.end(next)).await;
        Ok(())
    }

    /// Everything up to the first request; `None` if there is no room for it.
    async fn begin(self: Box<Self>, admission: &Admission) -> io::Result<Option<LetIn<'_>>> {
        let Arrival {
            accepted,
            current,
            beat,
            stop,
        } = *self;
        let proxy = current.get();
        let mut tcp = tokio::net::TcpStream::from_std(accepted.tcp)?;
        // A head and its body go out in one write; waiting to merge it with another only delays it.
        tcp.set_nodelay(true)?;
        let mut peer = peer(
            &mut tcp,
            accepted.proxy_protocol,
            accepted.entrance,
            &proxy,
            &stop,
        )
        .await?;
        let metrics = proxy.metrics(peer.entrance);
        metrics.accepted();
        let share = share(admission, &peer, &proxy.shared);
        let mut place = accepted.place;
        if share.is_err() && !admission.step_aside(&mut place) {
            metrics.over_share();
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let stream = match accepted.tls {
            None => Stream::Tcp(tcp),
            Some(acceptor) => {
                peer.scheme = Scheme::Https;
                Box::pin(start_tls(
                    tcp,
                    peer.address,
                    &acceptor,
                    &proxy.shared,
                    &stop,
                ))
                .await?
            }
        };
        ahead::bound(&stream);
        let mut client = Conn::new(stream);
        let share = match (share, &place) {
            (share, Place::Ordinary(_)) | (share @ Err(_), _) => share,
            (Ok(share), Place::Spare(..)) => {
                let settled = session::settle(admission, &mut place, &mut client);
                settled.await?.map(|()| share)
            }
        };
        match share {
            Ok(share) => Ok(Some(LetIn {
                session: Session {
                    current,
                    admission,
                    beat,
                    stop,
                    client,
                    peer,
                },
                _place: place,
                _share: share,
            })),
            Err(full) => {
                let heads = &admission.heads;
                let turned = session::turn_away(&proxy, heads, client, &peer, full, &stop);
                Box::pin(turned).await;
                Ok(None)
            }
        }
    }
}

/// A turn among the connections of one client, where these are limited.
fn share<'a>(
    admission: &'a Admission,
    peer: &Peer,
    shared: &Shared,
) -> Result<Option<Box<Turn<'a, IpAddr>>>, Full> {
    // A proxy's connections are those of many clients.
    if peer.is_unnamed || shared.trusted_proxies.contains(peer.address) {
        return Ok(None);
    }
    // Apart, since it is there only where the limit is set.
    admission.share(peer.address).map(|turn| turn.map(Box::new))
}

/// Who is at the other end of a connection that is plain so far.
async fn peer(
    tcp: &mut tokio::net::TcpStream,
    proxy_protocol: bool,
    entrance: Entrance,
    proxy: &Proxy,
    stop: &Stop,
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
        match Box::pin(introduced(tcp, peer.address, proxy, stop)).await? {
            Some(ends) => (peer.address, peer.local) = (ends.source.ip(), ends.destination),
            None => peer.is_unnamed = true,
        }
    }
    Ok(peer)
}

/// Whose connection it is, as its PROXY header says. Without a valid one there is nothing to serve.
async fn introduced(
    tcp: &mut tokio::net::TcpStream,
    from: IpAddr,
    proxy: &Proxy,
    stop: &Stop,
) -> io::Result<Option<Ends>> {
    let log = proxy.shared.log;
    if !proxy.shared.trusted_proxies.may_introduce(from) {
        log.error(format_args!(
            "a connection from {from} is refused: PROXY headers are taken from --trusted-proxy only"
        ));
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let admission = &proxy.shared.admission;
    let header = async {
        first_word(tcp.readable(), &admission.idle, stop).await?;
        tokio::select! {
            biased;
            header = behind::take_proxy_header(tcp) => header,
            () = admission.heads.pushed_out() => Err(io::ErrorKind::ConnectionAborted.into()),
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
            "a connection from {from} is closed: {error}; this listener requires a PROXY header before each"
        )),
    }
    header
}

/// What comes first of a connection, and with it whatever `wait` gives. Until then it is idle: it goes when its place is needed,
/// or soon after a stop.
async fn first_word<T>(
    wait: impl Future<Output = io::Result<T>>,
    idle: &Crowd,
    stop: &Stop,
) -> io::Result<T> {
    let stopped = async {
        stop.requested().await;
        sleep(timeouts::FIRST_REQUEST).await;
    };
    tokio::select! {
        biased;
        come = wait => return come,
        () = idle.pushed_out() => {}
        () = stopped => {}
    }
    Err(io::ErrorKind::ConnectionAborted.into())
}

async fn start_tls(
    tcp: tokio::net::TcpStream,
    address: IpAddr,
    acceptor: &TlsAcceptor,
    shared: &Shared,
    stop: &Stop,
) -> io::Result<Stream> {
    let shaken = shake_hands(tcp, address, acceptor, shared, stop);
    let shaken = timeout(timeouts::TLS_HANDSHAKE, shaken).await?;
    if let Err(error) = &shaken {
        shared
            .log
            .debug(format_args!("no TLS with {address}: {error}"));
    }
    shaken
}

async fn shake_hands(
    tcp: tokio::net::TcpStream,
    address: IpAddr,
    acceptor: &TlsAcceptor,
    shared: &Shared,
    stop: &Stop,
) -> io::Result<Stream> {
    let mut first = *b"     ";
    first_word(tcp.peek(&mut first), &shared.admission.idle, stop).await?;
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
    let tls = acceptor
        .accept(tcp, address, &shared.handshakes, &shared.admission.heads)
        .await?;
    Ok(Stream::Tls(Box::new(tls.into())))
}
