//! One client's connection: requests are read, answered and logged, one after another, until one of them ends it.

use std::io;
use std::sync::Arc;

use tokio::time::timeout;

use crate::conn::Conn;
use crate::limits::admission::{Admission, Full, Place};
use crate::limits::crowd::Crowd;
use crate::proxy::current::Current;
use crate::proxy::{Peer, Proxy};
use crate::server::beat::Beat;
use crate::server::exchange::{Exchange, Next};
#[cfg(debug_assertions)]
use crate::server::provoked;
use crate::server::request::read_request;
use crate::stop::Stop;
use crate::timeouts;

/// So many connections of a worker keep the room for their requests in a pause. Were it that of a crowd, it would all be given
/// up at once, and leave memory in pieces too small for the system to have back.
const KEEPING: usize = 4;

/// Why no more is served for now.
enum Served {
    /// So many wait for a request that this one does it without the room for it.
    Crowded,
    /// The client has made a pause.
    Paused,
    /// It was the last.
    Last(Next),
}

/// A connection that may ask, and all that it has while it is idle.
#[derive(Debug)]
pub struct Session<'a> {
    /// What its requests take.
    pub current: Arc<Current>,
    /// Whose idle connections are counted.
    pub admission: &'a Admission,
    /// By what it is known that a moment has passed.
    pub beat: Arc<Beat>,
    /// Whether docxy is to stop.
    pub stop: Stop,
    /// The connection.
    pub client: Conn,
    /// Who is there.
    pub peer: Peer,
}

impl Session<'_> {
    /// Serves the connection until its end, and says how that is to be.
    pub async fn run(&mut self) -> Next {
        let mut is_first = true;
        // Apart is what an idle connection needs no room for.
        while self.request().await || is_first && Box::pin(self.is_on_the_way()).await {
            is_first = false;
            loop {
                // Made in its place: one that is moved there takes all the room along that it will ever need.
                let serving = Box::write(Box::new_uninit(), self.serve());
                match Box::into_pin(serving).await {
                    Served::Crowded if self.request_soon().await => {}
                    Served::Crowded | Served::Paused => break,
                    Served::Last(end) => return end,
                }
            }
        }
        Next::Again
    }

    /// Ends the connection. What could go on is closed in order.
    pub async fn end(self, next: Next) {
        match next {
            Next::Again => self.client.close().await,
            Next::Close => self.client.linger().await,
            Next::Drop => {}
            Next::Reset => self.client.reset(),
        }
    }

    /// A connection that was let in before a stop has its request on the way; whoever took over the listener cannot answer it.
    async fn is_on_the_way(&mut self) -> bool {
        let on_the_way = timeout(timeouts::FIRST_REQUEST, self.client.idle());
        self.stop.is_requested() && matches!(on_the_way.await, Ok(Ok(())))
    }

    /// Only here, where nothing is under way, does a stop end a connection, or another that needs its place.
    async fn request(&mut self) -> bool {
        if self.client.has_begun() {
            return true;
        }
        tokio::select! {
            biased;
            readable = timeout(timeouts::CLIENT_IDLE, self.client.idle()) => matches!(readable, Ok(Ok(()))),
            () = self.stop.requested() => false,
            // A request may have come of which the runtime does not know yet.
            () = self.admission.idle.pushed_out() => !self.client.is_silent(),
        }
    }

    /// Whether the next request comes soon, as it does in the middle of a pull: to wait for a stop as well costs more than
    /// it is worth then.
    async fn request_soon(&mut self) -> bool {
        tokio::select! {
            biased;
            readable = self.client.idle() => readable.is_ok(),
            () = self.beat.moment() => false,
        }
    }

    /// Serves what comes without much of a pause. The room for it is made once for all of that, unless there are many who
    /// pause.
    async fn serve(&mut self) -> Served {
        loop {
            match self.serve_one().await {
                Next::Again if self.beat.waiting() >= KEEPING => return Served::Crowded,
                Next::Again if self.request_soon().await => {}
                Next::Again => return Served::Paused,
                end => return Served::Last(end),
            }
        }
    }

    async fn serve_one(&mut self) -> Next {
        let (client, peer) = (&mut self.client, &self.peer);
        let read = read_request(client, &self.admission.heads).await;
        let proxy = &self.current.get();
        match read {
            // Where it is: moved, it would be kept twice.
            Ok(ref head) => {
                #[cfg(debug_assertions)]
                provoked::in_task(head);
                let mut exchange = Exchange::new(proxy, client, peer, head);
                exchange.run(&self.stop).await
            }
            Err(none) => none.answer(proxy, client, peer).await,
        }
    }
}

/// Finds an ordinary place for a connection that has a spare one, once it has something to say.
pub async fn settle(
    admission: &Admission,
    place: &mut Place,
    client: &mut Conn,
) -> io::Result<Result<(), Full>> {
    timeout(timeouts::SPARE_PLACE, client.idle()).await??;
    Ok(admission.settle(place).await)
}

/// Answers one request of a connection for which there is no room: health checks as ever, all else with 503.
pub async fn turn_away(
    proxy: &Proxy,
    heads: &Crowd,
    mut client: Conn,
    peer: &Peer,
    full: Full,
    stop: &Stop,
) {
    let metrics = proxy.metrics(peer.entrance);
    match full {
        Full::InAll => metrics.over_limit(),
        Full::OfClient => metrics.over_share(),
    }
    let request = read_request(&mut client, heads);
    let Ok(Ok(head)) = timeout(timeouts::SPARE_PLACE, request).await else {
        return;
    };
    let next = Exchange::new(proxy, &mut client, peer, &head)
        .without_room(full)
        .run(stop)
        .await;
    if next == Next::Close {
        client.linger().await;
    }
}
