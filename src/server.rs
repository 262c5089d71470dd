//! Listeners: connections are accepted, put under TLS, served each in a task of its own, and let finish at a stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::answer::NOT_PLAIN;
use crate::conn::Conn;
use crate::http::uri::Scheme;
use crate::proxy::{Peer, Proxy};
use crate::session::{self, TLS_HANDSHAKE_RECORD};
use crate::stop::{self, Stop};
use crate::stream::Stream;
use crate::timeouts;

/// How long no connection is accepted after the system refused one, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often idle connections to upstreams are looked through.
const SWEEP: Duration = Duration::from_secs(10);

/// A bound socket and what is spoken on it.
pub struct Listener {
    /// The socket.
    pub tcp: TcpListener,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsAcceptor>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All transfers were finished.
    Drained,
    /// Some still ran when the time was up, or when a second signal came.
    CutShort,
}

/// Serves until the first `signal`, then waits for what runs: as long as `drain`, or until the second signal.
pub async fn run(
    listeners: Vec<Listener>,
    proxy: Arc<Proxy>,
    drain: Duration,
    mut signal: impl AsyncFnMut(),
) -> Ended {
    let (stopper, stop) = stop::channel();
    // Every task holds a sender; when all are gone, so is all work.
    let (running, mut all_done) = mpsc::channel::<()>(1);
    for listener in listeners {
        let (proxy, stop, running) = (Arc::clone(&proxy), stop.clone(), running.clone());
        tokio::spawn(accept(listener, proxy, stop, running));
    }
    tokio::spawn(sweep(Arc::clone(&proxy), stop));
    drop(running);
    signal().await;
    stopper.stop();
    tokio::select! {
        _ = all_done.recv() => Ended::Drained,
        () = sleep(drain) => Ended::CutShort,
        () = signal() => Ended::CutShort,
    }
}

async fn accept(listener: Listener, proxy: Arc<Proxy>, mut stop: Stop, running: mpsc::Sender<()>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.tcp.accept() => accepted,
            () = stop.requested() => return,
        };
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(error) if is_of_the_peer(&error) => continue,
            Err(error) => {
                proxy
                    .log
                    .error(format_args!("no connection can be accepted: {error}"));
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (proxy, tls, stop, running) = (
            Arc::clone(&proxy),
            listener.tls.clone(),
            stop.clone(),
            running.clone(),
        );
        tokio::spawn(async move {
            // Gone before the first byte: there is nobody to tell.
            let _ = serve(tcp, tls, &proxy, stop).await;
            drop(running);
        });
    }
}

/// Faults of a connection that was not accepted yet; the next one may be sound (accept(2)).
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

async fn serve(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    proxy: &Proxy,
    stop: Stop,
) -> io::Result<()> {
    // A head and its body go out in one write; waiting to merge it with another only delays it.
    tcp.set_nodelay(true)?;
    let (address, local) = (tcp.peer_addr()?.ip().to_canonical(), tcp.local_addr()?);
    let scheme = if tls.is_some() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let stream = match tls {
        None => Stream::Tcp(tcp),
        Some(acceptor) => match timeout(timeouts::TLS_HANDSHAKE, start_tls(tcp, &acceptor)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                proxy
                    .log
                    .debug(format_args!("no TLS with {address}: {error}"));
                return Err(error);
            }
            Err(elapsed) => return Err(elapsed.into()),
        },
    };
    session::serve(
        proxy,
        Conn::new(stream),
        Peer {
            address,
            local,
            scheme,
        },
        stop,
    )
    .await;
    Ok(())
}

async fn start_tls(tcp: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Stream> {
    let mut first = [0];
    tcp.peek(&mut first).await?;
    if first[0] != TLS_HANDSHAKE_RECORD && first[0].is_ascii_alphabetic() {
        let mut plain = Conn::new(Stream::Tcp(tcp));
        plain
            .write_all([NOT_PLAIN], timeouts::TLS_HANDSHAKE)
            .await?;
        plain.linger().await;
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it speaks plain HTTP",
        ));
    }
    let tls = acceptor.accept(tcp).await?;
    Ok(Stream::Tls(Box::new(tls.into())))
}

async fn sweep(proxy: Arc<Proxy>, mut stop: Stop) {
    loop {
        tokio::select! {
            () = sleep(SWEEP) => proxy.client.sweep(),
            () = stop.requested() => return,
        }
    }
}
