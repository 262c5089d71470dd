//! Tells every task that docxy is to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Can be asked, and waited for.
#[derive(Clone, Debug)]
pub struct Stop {
    stopping: watch::Receiver<()>,
    /// Beside the channel, whose value cannot be read without writing to memory that all workers share.
    is_requested: Arc<AtomicBool>,
}

/// Says it.
#[derive(Debug)]
pub struct Stopper {
    stopping: watch::Sender<()>,
    is_requested: Arc<AtomicBool>,
}

/// The two ends.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(());
    let is_requested = Arc::new(AtomicBool::new(false));
    let stop = Stop {
        stopping: receiver,
        is_requested: Arc::clone(&is_requested),
    };
    let stopper = Stopper {
        stopping: sender,
        is_requested,
    };
    (stopper, stop)
}

impl Stopper {
    /// Says that docxy is to stop; what runs may finish.
    pub fn stop(&self) {
        self.is_requested.store(true, Ordering::Release);
        self.stopping.send_replace(());
    }
}

impl Stop {
    /// Waits until docxy is to stop.
    pub async fn requested(&mut self) {
        while !self.is_requested() {
            // An error means that whoever could say so is gone, which is a stop as well.
            if self.stopping.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether docxy is to stop.
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Acquire)
    }
}
