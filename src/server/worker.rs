//! Workers: threads that each have a runtime and a pool of upstream connections of their own, so that a connection and the
//! one that serves it never wake another thread.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at};

use crate::conn::buffer;
use crate::panics::outlive;
use crate::proxy::current::Current;
use crate::server::arrival::{Accepted, Arrival};
use crate::server::beat::Beat;
#[cfg(debug_assertions)]
use crate::server::provoked;
use crate::stop::Stop;
use crate::timeouts;

/// How often idle connections to upstreams are looked through, and buffers that nobody needs are given up.
const SWEEP: Duration = Duration::from_secs(10);

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
                let arrival = Box::new(Arrival {
                    accepted,
                    current: Arc::clone(current),
                    beat: Arc::clone(beat),
                    stop: stop.clone(),
                });
                tokio::spawn(async move {
                    // Gone before the first request: there is nobody to tell.
                    let _ = arrival.serve().await;
                    drop(ticket);
                });
            }
            Some(question) = asked.recv() => {
                // Whoever no longer waits for the answer does not need it.
                let _ = question.send(());
            }
            _ = sweep.tick() => {
                current.get().client.sweep();
                buffer::sweep();
            }
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
