//! What a process has cost: CPU time and memory of all its threads and children, from `/proc`.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A process counts as quiet when it has used less than a hundredth of a core for so long.
const QUIET: Duration = Duration::from_millis(60);
/// How long is waited for that.
const PATIENCE: Duration = Duration::from_secs(30);

/// CPU time of a process, its threads and children since they began.
#[derive(Clone)]
pub(crate) struct CpuTime {
    /// By thread id.
    threads: Vec<(u32, Duration)>,
}

impl CpuTime {
    /// User and system time of all threads since `earlier`.
    pub(crate) fn since(&self, earlier: &CpuTime) -> Duration {
        self.by_thread(earlier).sum()
    }

    /// The busiest thread's share of that, 1 if it has done all.
    pub(crate) fn busiest_share(&self, earlier: &CpuTime) -> f64 {
        let busiest = self.by_thread(earlier).max().unwrap_or_default();
        busiest.as_secs_f64() / self.since(earlier).as_secs_f64()
    }

    fn by_thread(&self, earlier: &CpuTime) -> impl Iterator<Item = Duration> {
        self.threads.iter().map(|&(id, spent)| {
            let before = earlier.threads.iter().find(|&&(other, _)| other == id);
            spent.saturating_sub(before.map_or(Duration::ZERO, |&(_, spent)| spent))
        })
    }
}

/// CPU time so far, in the kernel's nanoseconds (`schedstat`).
pub(crate) fn cpu_time(pid: u32) -> CpuTime {
    let threads = tree(pid).into_iter().flat_map(|pid| {
        let of = |task: u32| (task, on_cpu(pid, task));
        tasks(pid).into_iter().map(of).collect::<Vec<_>>()
    });
    CpuTime {
        threads: threads.collect(),
    }
}

/// Proportional set size of a process and its children, in bytes.
pub(crate) fn pss(pid: u32) -> u64 {
    let of = |pid: u32| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:");
    tree(pid).into_iter().map(of).sum()
}

/// Sets what [`peak`] answers back to what is used now.
pub(crate) fn reset_peak(pid: u32) {
    for pid in tree(pid) {
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak can be set back");
    }
}

/// The most resident memory since [`reset_peak`], the sum over a process and its children, in bytes.
pub(crate) fn peak(pid: u32) -> u64 {
    let of = |pid: u32| field(&format!("/proc/{pid}/status"), "VmHWM:");
    tree(pid).into_iter().map(of).sum()
}

/// Waits until a process does nothing: what came before is done with.
pub(crate) fn wait_until_quiet(pid: u32) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = cpu_time(pid);
    while Instant::now() < deadline {
        sleep(QUIET);
        let now = cpu_time(pid);
        if now.since(&before) < QUIET / 100 {
            return Ok(());
        }
        before = now;
    }
    Err(format!("process {pid} is still busy after {PATIENCE:?}"))
}

/// A process and all its descendants.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    for task in tasks(pid) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{task}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().flat_map(str::parse);
        found.extend(children.flat_map(tree));
    }
    found
}

fn tasks(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .flat_map(|name| name.to_string_lossy().parse())
        .collect()
}

fn on_cpu(pid: u32, task: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{task}/schedstat"));
    let text = text.unwrap_or_default();
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// A line of kB in a file of `/proc`, in bytes.
fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}
