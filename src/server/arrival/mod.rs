//! A connection's way from its acceptance to its first request: whose it is, whether there is room for it, and TLS.

mod opening;

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use self::opening::Opening;
use crate::conn::Conn;
use crate::limits::admission::{Admission, Full, Place};
use crate::limits::turns::Turn;
use crate::proxy::current::Current;
use crate::proxy::{Entrance, Peer, Shared};
use crate::server::ahead;
use crate::server::beat::Beat;
use crate::server::session::{self, Session};
use crate::stop::Stop;
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
    _share: Option<Box<Turn<IpAddr>>>,
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
        let opening = Opening {
            shared: &proxy.shared,
            stop: &stop,
        };
        let peer = opening.peer(&mut tcp, accepted.proxy_protocol, accepted.entrance);
        let mut peer = peer.await?;
        let metrics = proxy.metrics(peer.entrance);
        metrics.accepted();
        let share = share(admission, &peer, &proxy.shared);
        let mut place = accepted.place;
        if share.is_err() && !admission.step_aside(&mut place) {
            metrics.over_share();
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let stream = opening.stream(tcp, accepted.tls, &mut peer).await?;
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
fn share(
    admission: &Admission,
    peer: &Peer,
    shared: &Shared,
) -> Result<Option<Box<Turn<IpAddr>>>, Full> {
    // A proxy's connections are those of many clients.
    if peer.is_unnamed || shared.trusted_proxies.contains(peer.address) {
        return Ok(None);
    }
    // Apart, since it is there only where the limit is set.
    admission.share(peer.address).map(|turn| turn.map(Box::new))
}
