//! A connection for a request: one that is idle, or else a new one, or one that another request gives back before that stands.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::{self, sleep};

use crate::conn::Conn;
use crate::upstream::dial::{DialError, Shunned};
use crate::upstream::fault::Fault;
use crate::upstream::outage::Standing;
use crate::upstream::pool::Pooled;
use crate::upstream::queue::Leave;
use crate::upstream::tries::Tries;
use crate::upstream::{Client, Key, Over, unattended};

/// A connection that is being made, which is so even where the request has another by now.
#[derive(Default)]
struct Attempt {
    leave: Option<Leave<Key>>,
    dialling: Option<Dialling>,
}

type Dialling = Pin<Box<dyn Future<Output = (Result<Pooled<Conn>, DialError>, Shunned)> + Send>>;

impl Client {
    /// A connection, new where it may not have served.
    pub(super) async fn connection(
        &self,
        key: &Key,
        may_have_served: bool,
        over: Over,
        tries: &mut Tries,
    ) -> Result<Pooled<Conn>, Fault> {
        if may_have_served && let Some(idle) = self.take(key) {
            return Ok(idle);
        }
        // Apart, so that a request on a connection that stands keeps no room for making one.
        Box::pin(self.connect(key, may_have_served, over, tries)).await
    }

    /// A new connection, unless one could not be made just now. Where it `may_have_served`, one will do that is given back
    /// meanwhile; the new one is for others then.
    async fn connect(
        &self,
        key: &Key,
        may_have_served: bool,
        over: Over,
        tries: &mut Tries,
    ) -> Result<Pooled<Conn>, Fault> {
        let mut given_back = may_have_served.then(|| self.pool().wait(key.clone()));
        let mut attempt = Attempt::default();
        let made = tokio::select! {
            biased;
            // First, so that whoever may dial does: where requests outnumber connections, these grow more.
            made = self.make(key, over, tries, &mut attempt) => made,
            Some(pooled) = received(&mut given_back) => {
                self.finish(key.clone(), attempt);
                return Ok(pooled);
            }
        };
        if let Some(pooled) = given_back.and_then(|mut given_back| given_back.try_recv().ok()) {
            // Both at once.
            if let Ok(made) = made {
                self.give_back(key.clone(), made, Instant::now());
            }
            return Ok(pooled);
        }
        if may_have_served {
            self.metrics.pool_miss();
        }
        made
    }

    async fn make(
        &self,
        key: &Key,
        over: Over,
        tries: &mut Tries,
        attempt: &mut Attempt,
    ) -> Result<Pooled<Conn>, Fault> {
        attempt.leave = Some(self.queue.leave(key).await.ok_or(Fault::Crowded)?);
        let (mut shunned, mut deadline) = (Shunned::new(), None);
        loop {
            let standing = self.standing(key, over);
            if let Standing::Down(why) = standing {
                return Err(Fault::Down(why));
            }
            let dialling = self.dial(key, shunned, deadline);
            let dialled;
            (dialled, shunned) = attempt.dialling.insert(dialling).await;
            attempt.dialling = None;
            let error = match dialled {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            if error.is_ours() {
                // Whatever it was that ran out, idle connections have some of it.
                self.pool().clear();
            }
            // One that finds out for all says so at once.
            let may_pass = standing == Standing::Good && error.is_passing();
            let Some(pause) = may_pass.then(|| tries.again()).flatten() else {
                self.give_up(key, over, &error);
                return Err(Fault::Unreachable(error));
            };
            let (origin, in_ms) = (&key.origin, pause.as_millis());
            self.log
                .debug(format_args!("{origin}: {error}; another try in {in_ms} ms"));
            sleep(pause).await;
            deadline = Some(tries.deadline());
        }
    }

    fn dial(&self, key: &Key, mut shunned: Shunned, deadline: Option<time::Instant>) -> Dialling {
        let (dialler, outages) = (Arc::clone(&self.dialler), Arc::clone(&self.outages));
        let key = key.clone();
        Box::pin(async move {
            let dialled = dialler.dial(&key, &mut shunned, deadline).await;
            let made = dialled.map(|stream| {
                outages.reached(&key);
                Pooled::new(Conn::new(stream), Instant::now())
            });
            (made, shunned)
        })
    }

    /// Leaves a connection that has been begun to those who come next. To break it off would cost its server as much, and
    /// the next request the same again.
    fn finish(&self, key: Key, attempt: Attempt) {
        let Some(dialling) = attempt.dialling else {
            return;
        };
        let client = self.with(self.timeouts);
        unattended(Box::pin(async move {
            let _leave = attempt.leave;
            let (made, _) = dialling.await;
            let origin = &key.origin;
            match made {
                Ok(made) => {
                    client.log.debug(format_args!(
                        "{origin}: a connection stands for which nobody waits any more: it is kept"
                    ));
                    client.give_back(key, made, Instant::now());
                }
                Err(error) => client.log.debug(format_args!(
                    "{origin}: {error}; nobody waits for it any more"
                )),
            }
        }));
    }

    fn standing(&self, key: &Key, over: Over) -> Standing {
        match over {
            Over::Any => self.outages.standing(key, Instant::now()),
            Over::Fresh => Standing::Good,
        }
    }

    /// Remembers for others that there is no connection.
    fn give_up(&self, key: &Key, over: Over, error: &DialError) {
        if over == Over::Any && error.is_the_origins() {
            let why = error.to_string();
            self.outages.failed(key.clone(), &why, Instant::now());
        }
    }
}

/// What comes, if anything may.
async fn received<T>(from: &mut Option<oneshot::Receiver<T>>) -> Option<T> {
    from.as_mut()?.await.ok()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;
    use crate::conn::stream::Stream;
    use crate::conn::{at_once, memory};
    use crate::egress::{Egress, EgressSettings};
    use crate::http::uri::Origin;
    use crate::log::{Format, Level, Log};
    use crate::timeouts::Timeouts;
    use crate::upstream::scripted::{self, Network};

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A client whose connections stand at once, and to whom they lead.
    fn client() -> (Client, Key) {
        scripted::set(Some(Network {
            lookup: |_| vec![ADDRESS],
            connect: Box::new(|_, _| Ok(memory::pair(1, ADDRESS).0)),
        }));
        let patience = Duration::from_secs(1);
        let timeouts = Timeouts {
            body: patience,
            client: patience,
        };
        let key = Key {
            origin: Origin::parse("http://registry.test").unwrap(),
            egress: Egress::open(&EgressSettings::default()).unwrap(),
            reach: None,
        };
        (
            Client::new(timeouts, Log::new(Level::Off, Format::Text)),
            key,
        )
    }

    #[tokio::test]
    async fn whoever_may_dial_does_even_where_another_is_given_back() {
        let (client, key) = client();
        let mut turns = Vec::new();
        while let Poll::Ready(turn) = at_once(pin!(client.queue.leave(&key))).await {
            turns.push(turn.expect("a turn"));
        }
        let mut tries = Tries::new();
        let mut waiting = pin!(client.connect(&key, true, Over::Any, &mut tries));
        assert!(at_once(waiting.as_mut()).await.is_pending());
        let (used, now) = (memory::pair(1, ADDRESS).0, Instant::now());
        let used = Pooled::new(Conn::new(Stream::Memory(used)), now);
        client.give_back(key.clone(), used, now);
        turns.pop();
        assert!(waiting.await.unwrap().is_reused());
        assert_eq!(client.pool().len(), 1, "that was made");
    }
}
