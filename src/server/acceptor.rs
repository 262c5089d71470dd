//! Accepts what comes to a listener, and hands it to the worker that has the fewest connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::limits::admission::{Admission, Place};
use crate::log::Log;
use crate::proxy::Entrance;
use crate::server::arrival::Accepted;
use crate::server::worker::Worker;
use crate::stop::Stop;
use crate::tls::accept::TlsAcceptor;

/// How long no connection is accepted after the system refused one, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is said that the system refuses connections.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Lets in what comes to one listener.
pub(super) struct Acceptor {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) proxy_protocol: bool,
    pub(super) entrance: Entrance,
    pub(super) workers: Arc<[Worker]>,
    pub(super) admission: Arc<Admission>,
    pub(super) log: Log,
    pub(super) working: mpsc::Sender<()>,
}

impl Acceptor {
    /// Accepts until a stop. Whoever has come by then is let in nevertheless: when the listener closes, the system resets
    /// what waits there, and a client cannot know that its request has reached nobody.
    pub(super) async fn run(self, listener: TcpListener, stop: Stop) {
        let without_a_place = self.accept_until(&listener, &stop).await;
        let waiting = queued(listener);
        for tcp in without_a_place.into_iter().chain(waiting) {
            let place = self.admission.place().await;
            self.hand_over(tcp, place);
        }
    }

    /// Returns the connection for which there was no place yet when the stop came.
    async fn accept_until(&self, listener: &TcpListener, stop: &Stop) -> Option<TcpStream> {
        let mut said = None;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.requested() => return None,
            };
            match accepted {
                Ok((tcp, _)) => tokio::select! {
                    biased;
                    place = self.admission.place() => self.hand_over(tcp, place),
                    () = stop.requested() => return Some(tcp),
                },
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    self.say(&error, &mut said);
                    self.admission.idle.push_out();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// What the system refuses it refuses many times a second.
    fn say(&self, error: &io::Error, said: &mut Option<Instant>) {
        if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            *said = Some(Instant::now());
            self.log
                .error(format_args!("no connection can be accepted: {error}"));
        }
    }

    /// A pull has few connections and they are heavy, so they are counted out rather than left to chance.
    fn hand_over(&self, tcp: TcpStream, place: Place) {
        let idlest = self.workers.iter().min_by_key(|worker| worker.load());
        if let (Some(worker), Ok(tcp)) = (idlest, tcp.into_std()) {
            worker.serve(
                Accepted {
                    tcp,
                    tls: self.tls.clone(),
                    proxy_protocol: self.proxy_protocol,
                    place,
                    admission: Arc::clone(&self.admission),
                    entrance: self.entrance,
                },
                self.working.clone(),
            );
        }
    }
}

/// The connections that have been made and not accepted. The system is asked, since the runtime learns of them only when it
/// waits.
fn queued(listener: TcpListener) -> Vec<TcpStream> {
    let Ok(listener) = listener.into_std() else {
        return Vec::new();
    };
    let accepted = std::iter::from_fn(|| match listener.accept() {
        Err(error) if is_of_the_peer(&error) => Some(None),
        accepted => accepted.ok().map(Some),
    });
    let streams = accepted.flatten().map(|(tcp, _)| {
        tcp.set_nonblocking(true)?;
        TcpStream::from_std(tcp)
    });
    streams.filter_map(Result::ok).collect()
}

/// Faults of a connection that was not accepted yet; the next one may be sound (accept(2)).
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
