//! Tells the service manager that docxy is well, for as long as every worker answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::supervisor::Supervisor;
use crate::worker::Worker;

/// Reports twice in each `period`, until the runtime ends; a report is left out while a worker does not answer.
pub async fn run(supervisor: Supervisor, period: Duration, workers: Arc<[Worker]>) {
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
