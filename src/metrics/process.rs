//! What the system knows of this process, looked up when somebody asks. The names are those that all Prometheus clients use.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::families::{Families, Type};

/// Adds what can be found out.
pub(super) fn report(families: &mut Families) {
    let cpu = families.family(
        "process_cpu_seconds_total",
        Type::Counter,
        "CPU time that docxy has used, in seconds.",
    );
    cpu.decimal(cpu_time().as_secs_f64());
    let mut gauge = |name, help, value: Option<u64>| {
        let family = families.family(name, Type::Gauge, help);
        if let Some(value) = value {
            family.integer(value);
        }
    };
    gauge(
        "process_resident_memory_bytes",
        "Memory of docxy that is resident.",
        resident_memory(),
    );
    gauge(
        "process_open_fds",
        "Descriptors that docxy has open.",
        open_descriptors(),
    );
    gauge(
        "process_max_fds",
        "Descriptors that docxy may have open.",
        getrlimit(Resource::Nofile).current,
    );
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}

fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_descriptors() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?;
    // One of them is the directory that is read.
    (entries.count() as u64).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells() {
        assert!(cpu_time() > Duration::ZERO);
        assert!(resident_memory().unwrap() > 1 << 20);
        assert!(open_descriptors().unwrap() >= 3);
    }
}
