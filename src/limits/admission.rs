//! Who is let in: so many connections at a time, so many of one client, and a few more that are told to come back.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::limits::crowd::Crowd;
use crate::limits::turns::{Turn, Turns, client};

/// Connections beyond the limit that are let in to be answered: health checks, and 503 for all others. What comes when
/// these are taken too waits in the system's queue.
pub const SPARE: usize = 32;

/// How long a connection beyond the limit waits for the idle one that is being closed for it.
const FOR_IDLE: Duration = Duration::from_secs(1);

/// How long it waits if none is idle, in which time one may become so.
const FOR_BUSY: Duration = Duration::from_millis(50);

/// Connections that have sent a part of a head, or of a TLS ClientHello: these at most, and no more than a quarter of all.
/// A head comes in one piece or two, so that it is those who stall on purpose who are pushed out.
const MAX_HEADS: usize = 1024;

/// The operator's limits on connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub connections: usize,
    /// Of one client; `None` for as many as there are in all.
    pub of_one_client: Option<NonZero<usize>>,
}

/// Lets connections in.
#[derive(Debug)]
pub struct Admission {
    limit: usize,
    places: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    of_clients: Option<Turns<IpAddr>>,
    /// Connections that wait for a request. They are closed when their place is needed.
    pub idle: Crowd,
    /// Connections that have begun to say something and not finished.
    pub heads: Crowd,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Open.
    pub open: usize,
    /// Those of them that wait for a request.
    pub idle: usize,
    /// How many may be open, but for the few beyond that.
    pub limit: usize,
}

/// A connection's place, which it has until this is dropped.
#[derive(Debug)]
pub enum Place {
    /// One of those that the limit allows.
    Ordinary(Permit),
    /// One of the few beyond it, and how long an ordinary one is worth waiting for.
    Spare(Permit, Duration),
}

/// `None` only of a semaphore that is closed, and none is here.
type Permit = Option<OwnedSemaphorePermit>;

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// That of all connections.
    InAll,
    /// That of one client's.
    OfClient,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Full::InAll => "all connections are in use (--max-connections); try again soon",
            Full::OfClient => {
                "your address has too many connections (--max-connections-per-ip); close some"
            }
        })
    }
}

impl Admission {
    /// With room for as many as the limits say.
    pub fn new(limits: Limits) -> Admission {
        let all = limits.connections.min(Semaphore::MAX_PERMITS);
        let turns = |limit: NonZero<usize>| Turns::new(limit.get());
        Admission {
            limit: all,
            places: Arc::new(Semaphore::new(all)),
            spare: Arc::new(Semaphore::new(SPARE)),
            of_clients: limits.of_one_client.map(turns),
            idle: Crowd::new(usize::MAX),
            heads: Crowd::new((all / 4).clamp(1, MAX_HEADS)),
        }
    }

    /// How things stand.
    pub fn standing(&self) -> Standing {
        let taken = |all: usize, left: &Semaphore| all.saturating_sub(left.available_permits());
        Standing {
            open: taken(self.limit, &self.places) + taken(SPARE, &self.spare),
            idle: self.idle.len(),
            limit: self.limit,
        }
    }

    /// A place for a connection, at once if there is any. Without an ordinary one, the connection that has been idle
    /// longest is closed, or the first that becomes so.
    pub async fn place(&self) -> Place {
        let is_full = self.places.available_permits() == 0;
        let is_room_coming = is_full && self.idle.push_out();
        let patience = if is_room_coming { FOR_IDLE } else { FOR_BUSY };
        tokio::select! {
            biased;
            permit = Arc::clone(&self.places).acquire_owned() => Place::Ordinary(permit.ok()),
            permit = Arc::clone(&self.spare).acquire_owned() => Place::Spare(permit.ok(), patience),
            never = self.keep_making_room(is_room_coming) => match never {},
        }
    }

    /// Closes idle connections one by one. What each leaves may be taken by another that has waited longer.
    async fn keep_making_room(&self, is_room_coming: bool) -> Infallible {
        if is_room_coming {
            sleep(FOR_BUSY).await;
        }
        loop {
            self.idle.push_out_soon().await;
            sleep(FOR_BUSY).await;
        }
    }

    /// What one of a client's connections counts for, until it is dropped.
    pub fn share(&self, address: IpAddr) -> Result<Option<Turn<IpAddr>>, Full> {
        let Some(turns) = &self.of_clients else {
            return Ok(None);
        };
        let turn = turns.try_turn(client(address));
        turn.map(Some).ok_or(Full::OfClient)
    }

    /// Leaves an ordinary place for a spare one; false if there is none.
    pub fn step_aside(&self, place: &mut Place) -> bool {
        if let Place::Ordinary(_) = place {
            match Arc::clone(&self.spare).try_acquire_owned() {
                Ok(permit) => *place = Place::Spare(Some(permit), Duration::ZERO),
                Err(_) => return false,
            }
        }
        true
    }

    /// Takes an ordinary place instead of a spare one, if one is there soon: what was idle is being closed.
    pub async fn settle(&self, place: &mut Place) -> Result<(), Full> {
        if let Place::Spare(_, patience) = place {
            let mut ordinary = pin!(Arc::clone(&self.places).acquire_owned());
            let permit = match timeout(*patience, &mut ordinary).await {
                // Who was busy then may be idle now.
                Err(_) if self.idle.push_out() => timeout(FOR_IDLE, ordinary).await,
                permit => permit,
            };
            *place = Place::Ordinary(permit.map_err(|_| Full::InAll)?.ok());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Waker};

    fn admission(connections: usize, of_one_client: usize) -> Admission {
        Admission::new(Limits {
            connections,
            of_one_client: NonZero::new(of_one_client),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_limit_a_few_are_let_in_and_then_none() {
        let admission = admission(2, 0);
        let mut ordinary = Vec::new();
        for _ in 0..2 {
            ordinary.push(admission.place().await);
        }
        assert!(
            ordinary
                .iter()
                .all(|place| matches!(place, Place::Ordinary(_)))
        );
        let mut spare = Vec::new();
        for _ in 0..SPARE {
            spare.push(admission.place().await);
        }
        assert!(spare.iter().all(|place| matches!(place, Place::Spare(..))));
        let more = timeout(Duration::from_secs(60), admission.place()).await;
        assert!(more.is_err(), "nobody else is let in");

        let mut one = spare.remove(0);
        assert_eq!(admission.settle(&mut one).await, Err(Full::InAll));
        ordinary.pop();
        assert_eq!(admission.settle(&mut one).await, Ok(()));
        assert!(matches!(one, Place::Ordinary(_)));
        assert!(matches!(admission.place().await, Place::Spare(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_makes_room() {
        let admission = admission(1, 0);
        let held = admission.place().await;
        let idle = async {
            admission.idle.pushed_out().await;
            drop(held);
        };
        let new = async {
            let mut place = admission.place().await;
            admission.settle(&mut place).await
        };
        let ((), settled) = tokio::join!(idle, new);
        assert_eq!(settled, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn while_no_place_is_left_the_first_to_be_idle_makes_room() {
        let admission = admission(1, 0);
        let busy = admission.place().await;
        let mut spare = Vec::new();
        for _ in 0..SPARE {
            spare.push(admission.place().await);
        }
        let work = async {
            sleep(Duration::from_secs(60)).await;
            admission.idle.pushed_out().await;
            drop(busy);
        };
        let both = async { tokio::join!(work, admission.place()) };
        let both = timeout(Duration::from_secs(61), both).await;
        assert!(matches!(both, Ok(((), Place::Ordinary(_)))));
    }

    #[test]
    fn unfinished_heads_are_a_quarter_of_all_and_1024_at_most() {
        let mut cx = Context::from_waker(Waker::noop());
        for (connections, most) in [(1, 1), (40, 10), (100_000, 1024)] {
            let admission = admission(connections, 0);
            let mut heads: Vec<_> = (0..most)
                .map(|_| Box::pin(admission.heads.pushed_out()))
                .collect();
            for head in &mut heads {
                assert!(head.as_mut().poll(&mut cx).is_pending());
            }
            assert!(heads[0].as_mut().poll(&mut cx).is_pending(), "{most}");
            let mut more = pin!(admission.heads.pushed_out());
            assert!(more.as_mut().poll(&mut cx).is_pending());
            assert!(heads[0].as_mut().poll(&mut cx).is_ready(), "{most}");
        }
    }

    #[tokio::test]
    async fn a_client_has_its_share() {
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let all = admission(10, 0);
        assert!(all.share(one).unwrap().is_none(), "not counted");
        let admission = admission(10, 1);
        let held = admission.share(one).unwrap();
        assert_eq!(admission.share(one).unwrap_err(), Full::OfClient);
        assert!(admission.share(other).is_ok());
        drop(held);
        assert!(admission.share(one).is_ok());
    }

    #[tokio::test]
    async fn whoever_has_too_many_leaves_its_place_to_others() {
        let admission = admission(1, 1);
        let mut places = Vec::new();
        for _ in 0..SPARE {
            let mut place = admission.place().await;
            assert!(matches!(place, Place::Ordinary(_)));
            assert!(admission.step_aside(&mut place));
            places.push(place);
        }
        let mut last = admission.place().await;
        assert!(!admission.step_aside(&mut last), "no spare place is left");
    }
}
