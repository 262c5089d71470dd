//! Tells the service manager that docxy is well, for as long as every worker answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::server::worker::Worker;
use crate::systemd::supervisor::Supervisor;

/// Reports twice in each `period`, until the runtime ends; a report is left out while a worker does not answer.
pub(super) async fn run(supervisor: Supervisor, period: Duration, workers: Arc<[Worker]>) {
    let mut rounds = interval(period / 2);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if timeout(period, all_answer(&workers)).await == Ok(true) {
            supervisor.alive();
        }
    }
}

async fn all_answer(workers: &[Worker]) -> bool {
    for worker in workers {
        if !worker.answers().await {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_hangs_or_is_gone_is_not_well() {
        let (worker, thread) = Worker::stuck();
        let period = Duration::from_secs(30);
        let workers = [worker];
        assert!(timeout(period, all_answer(&workers)).await.is_err());
        drop(thread);
        assert_eq!(timeout(period, all_answer(&workers)).await, Ok(false));
        assert_eq!(timeout(period, all_answer(&[])).await, Ok(true));
    }
}
