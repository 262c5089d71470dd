//! Tells every task that docxy is to stop.

use tokio::sync::watch;

/// Can be asked, and waited for.
#[derive(Clone, Debug)]
pub struct Stop {
    stopping: watch::Receiver<bool>,
}

/// Says it.
#[derive(Debug)]
pub struct Stopper {
    stopping: watch::Sender<bool>,
}

/// The two ends.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper { stopping: sender }, Stop { stopping: receiver })
}

impl Stopper {
    /// Says that docxy is to stop; what runs may finish.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

impl Stop {
    /// Waits until docxy is to stop.
    pub async fn requested(&mut self) {
        // An error means that whoever could say so is gone, which is a stop as well.
        let _ = self.stopping.wait_for(|&stopping| stopping).await;
    }

    /// Whether docxy is to stop.
    pub fn is_requested(&self) -> bool {
        *self.stopping.borrow()
    }
}
