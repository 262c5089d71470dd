//! Workers: threads that each have a runtime and a pool of upstream connections of their own, so that a connection and the
//! one that serves it never wake another thread.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at, timeout};

use crate::answer::NOT_PLAIN;
use crate::behind;
use crate::conn::Conn;
use crate::conn::stream::Stream;
use crate::http::proxy_protocol::Ends;
use crate::http::uri::Scheme;
use crate::limits::admission::{Admission, Full, Place};
use crate::limits::turns::Turn;
use crate::panics::outlive;
use crate::proxy::current::Current;
use crate::proxy::{Entrance, Peer, Proxy, Shared};
use crate::server::ahead;
use crate::server::beat::Beat;
#[cfg(debug_assertions)]
use crate::server::provoked;
use crate::server::session::{self, Session, TLS_HANDSHAKE_RECORD};
use crate::stop::Stop;
use crate::timeouts;
use crate::tls::accept::TlsAcceptor;

/// How often idle connections to upstreams are looked through.
const SWEEP: Duration = Duration::from_secs(10);

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

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    queue: mpsc::UnboundedSender<(Accepted, Ticket)>,
    questions: mpsc::UnboundedSender<oneshot::Sender<()>>,
    load: Arc<AtomicUsize>,
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
struct Ticket {
    load: Arc<AtomicUsize>,
    /// Whoever waits for the other end learns that all work is done when the last of these is gone.
    _running: mpsc::Sender<()>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// Starts a worker. It ends with the process, or when nothing can hand it a connection any more.
    pub fn start(name: &str, current: Arc<Current>, stop: Stop) -> io::Result<Worker> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (queue, mut accepted) = mpsc::unbounded_channel();
        let (questions, mut asked) = mpsc::unbounded_channel();
        let beat = Arc::new(Beat::of(timeouts::CLIENT_SOON_BACK));
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // The connections are in the runtime, and go on when this begins again.
                outlive(|| {
                    runtime.block_on(work(&current, &beat, &mut accepted, &mut asked, &stop));
                });
            })?;
        Ok(Worker {
            queue,
            questions,
            load: Arc::default(),
        })
    }

    /// How many connections it serves.
    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Waits until it has done something that was asked just now; false if it is gone.
    pub async fn answers(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.questions.send(answer).is_ok() && answered.await.is_ok()
    }

    /// Hands it a connection. `running` is held until the connection has ended.
    pub fn serve(&self, accepted: Accepted, running: mpsc::Sender<()>) {
        self.load.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket {
            load: Arc::clone(&self.load),
            _running: running,
        };
        // A worker that is gone drops the connection, which is all that could be done with it.
        let _ = self.queue.send((accepted, ticket));
    }
}

#[cfg(test)]
impl Worker {
    /// One that answers nothing for as long as the other value is held.
    pub fn stuck() -> (Worker, impl Sized) {
        let (queue, accepted) = mpsc::unbounded_channel();
        let (questions, asked) = mpsc::unbounded_channel();
        let worker = Worker {
            queue,
            questions,
            load: Arc::default(),
        };
        (worker, (accepted, asked))
    }
}

async fn work(
    current: &Arc<Current>,
    beat: &Arc<Beat>,
    accepted: &mut mpsc::UnboundedReceiver<(Accepted, Ticket)>,
    asked: &mut mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    stop: &Stop,
) {
    // Not at once: what panics in it is begun again.
    let mut sweep = interval_at(Instant::now() + SWEEP, SWEEP);
    let mut beating = pin!(beat.run(async || is_pressed(current, stop).await));
    loop {
        #[cfg(debug_assertions)]
        provoked::in_worker();
        tokio::select! {
            next = accepted.recv() => {
                let Some((accepted, ticket)) = next else { return };
                // Apart until it may ask, so that a connection that is idle keeps no room for how it began.
                let arrival = Box::new(Arrival {
                    accepted,
                    current: Arc::clone(current),
                    beat: Arc::clone(beat),
                    stop: stop.clone(),
                });
                tokio::spawn(async move {
                    // Gone before the first request: there is nobody to tell.
                    let _ = serve(arrival).await;
                    drop(ticket);
                });
            }
            Some(question) = asked.recv() => {
                // Whoever no longer waits for the answer does not need it.
                let _ = question.send(());
            }
            _ = sweep.tick() => current.get().client.sweep(),
            () = &mut beating => {}
        }
    }
}

/// Waits until connections that were busy a moment ago are needed or are to end.
async fn is_pressed(current: &Current, stop: &Stop) {
    let admission = Arc::clone(&current.get().shared.admission);
    tokio::select! {
        () = stop.requested() => {}
        () = admission.idle.missed() => {}
    }
}

/// A connection that has come, and what it takes to serve it.
struct Arrival {
    accepted: Accepted,
    current: Arc<Current>,
    beat: Arc<Beat>,
    stop: Stop,
}

/// A connection that has been let in, and what it holds of the limits until it has ended.
struct LetIn<'a> {
    session: Session<'a>,
    _place: Place,
    _share: Option<Box<Turn<'a, IpAddr>>>,
}

async fn serve(arrival: Box<Arrival>) -> io::Result<()> {
    let admission = &Arc::clone(&arrival.accepted.admission);
    let Some(mut let_in) = Box::pin(begin(arrival, admission)).await? else {
        return Ok(());
    };
    let next = let_in.session.run().await;
    Box::pin(let_in.session.end(next)).await;
    Ok(())
}

/// Everything up to the first request; `None` if there is no room for it.
async fn begin(arrival: Box<Arrival>, admission: &Admission) -> io::Result<Option<LetIn<'_>>> {
    let Arrival {
        accepted,
        current,
        beat,
        stop,
    } = *arrival;
    let proxy = current.get();
    let mut tcp = tokio::net::TcpStream::from_std(accepted.tcp)?;
    // A head and its body go out in one write; waiting to merge it with another only delays it.
    tcp.set_nodelay(true)?;
    let (mut address, mut local) = (tcp.peer_addr()?.ip().to_canonical(), tcp.local_addr()?);
    let mut is_unnamed = false;
    if accepted.proxy_protocol {
        // Apart, so that connections without it need no room for it.
        match Box::pin(introduced(&mut tcp, address, &proxy)).await? {
            Some(ends) => (address, local) = (ends.source.ip(), ends.destination),
            None => is_unnamed = true,
        }
    }
    let entrance = accepted.entrance;
    let metrics = proxy.metrics(entrance);
    metrics.accepted();
    // A proxy's connections are those of many clients.
    let is_of_many = is_unnamed || proxy.shared.trusted_proxies.contains(address);
    let share = match is_of_many {
        true => Ok(None),
        // Apart, since it is there only where the limit is set.
        false => admission.share(address).map(|turn| turn.map(Box::new)),
    };
    let mut place = accepted.place;
    if share.is_err() && !admission.step_aside(&mut place) {
        metrics.over_share();
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let (stream, scheme) = match accepted.tls {
        None => (Stream::Tcp(tcp), Scheme::Http),
        Some(acceptor) => {
            let tls = Box::pin(start_tls(tcp, address, &acceptor, &proxy.shared));
            (tls.await?, Scheme::Https)
        }
    };
    let peer = Peer {
        address,
        is_unnamed,
        local,
        scheme,
        entrance,
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
            match full {
                Full::InAll => metrics.over_limit(),
                Full::OfClient => metrics.over_share(),
            }
            let heads = &admission.heads;
            let turned = session::turn_away(&proxy, heads, client, &peer, full, &stop);
            Box::pin(turned).await;
            Ok(None)
        }
    }
}

/// Whose connection it is, as its PROXY header says. Without a valid one there is nothing to serve.
async fn introduced(
    tcp: &mut tokio::net::TcpStream,
    from: IpAddr,
    proxy: &Proxy,
) -> io::Result<Option<Ends>> {
    let log = proxy.shared.log;
    if !proxy.shared.trusted_proxies.may_introduce(from) {
        log.error(format_args!(
            "a connection from {from} is refused: PROXY headers are taken from --trusted-proxy only"
        ));
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let header = tokio::select! {
        biased;
        header = behind::take_proxy_header(tcp) => header,
        () = proxy.shared.admission.heads.pushed_out() => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    match &header {
        // Health checks of balancers end like this.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => log.error(format_args!(
            "a connection from {from} is closed: {error}; this listener requires a PROXY header before each"
        )),
    }
    header
}

async fn start_tls(
    tcp: tokio::net::TcpStream,
    address: IpAddr,
    acceptor: &TlsAcceptor,
    shared: &Shared,
) -> io::Result<Stream> {
    let shaken = shake_hands(tcp, address, acceptor, shared);
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
) -> io::Result<Stream> {
    let mut first = [0];
    tokio::select! {
        biased;
        seen = tcp.peek(&mut first) => seen?,
        () = shared.admission.idle.pushed_out() => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
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
    let tls = acceptor
        .accept(tcp, address, &shared.handshakes, &shared.admission.heads)
        .await?;
    Ok(Stream::Tls(Box::new(tls.into())))
}
