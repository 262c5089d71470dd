//! How many connections this process can serve: by its descriptors and its memory.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};
use rustix::system::sysinfo;

/// Descriptors that are for no connection: listeners, files, and what each worker waits with.
const APART: u64 = 128;

/// Descriptors of a connection that pulls: its own, the upstream's, and the two of a pipe between them.
const DESCRIPTORS: u64 = 4;

/// Memory of a connection that pulls, in bytes: buffers on both sides, TLS, and something of what the kernel holds for it.
const MEMORY: u64 = 256 * 1024;

/// However little there is, a pull needs a few connections.
const LEAST: u64 = 8;

/// As many connections as descriptors and memory are there for.
pub fn connections() -> usize {
    fitting(descriptors(), memory())
}

/// The limit on descriptors, if there are too few for so many connections.
pub fn too_few_descriptors(connections: usize) -> Option<u64> {
    let needed = (connections as u64).saturating_mul(DESCRIPTORS) + APART;
    descriptors().filter(|&limit| limit < needed)
}

fn fitting(descriptors: Option<u64>, memory: Option<u64>) -> usize {
    let by_descriptors = descriptors.map(|limit| limit.saturating_sub(APART) / DESCRIPTORS);
    let by_memory = memory.map(|bytes| bytes / MEMORY);
    let both = by_descriptors.into_iter().chain(by_memory).min();
    let most = u64::from(u32::MAX);
    usize::try_from(both.unwrap_or(most).clamp(LEAST, most)).unwrap_or(usize::MAX)
}

fn descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// What the machine has, or what its control group may use of it (cgroups(7), version 2).
fn memory() -> Option<u64> {
    let info = sysinfo();
    #[allow(clippy::useless_conversion, reason = "its type is the machine's")]
    let machine = u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let of_groups = group.and_then(|group| memory_of_groups(Path::new("/sys/fs/cgroup"), group));
    Some(machine).into_iter().chain(of_groups).min()
}

/// The least that a group, or one that it is in, may use. Those above a container's own are not to be seen.
fn memory_of_groups(root: &Path, group: &str) -> Option<u64> {
    let limit = |group: &Path| {
        let text = fs::read_to_string(root.join(group).join("memory.max")).ok()?;
        text.trim().parse().ok()
    };
    Path::new(group).ancestors().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_counts() {
        const GB: u64 = 1 << 30;
        let cases = [
            (Some(1024), Some(64 * GB), 224),
            (Some(524_288), Some(GB), 4096),
            (Some(524_288), None, 131_040),
            (None, Some(GB / 16), 256),
            (Some(20), Some(GB), 8),
            (Some(1024), Some(0), 8),
        ];
        for (descriptors, memory, expected) in cases {
            assert_eq!(
                fitting(descriptors, memory),
                expected,
                "{descriptors:?} {memory:?}"
            );
        }
        assert_eq!(fitting(None, None), u32::MAX as usize);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(memory_of_groups(root.path(), "a/b"), None);
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(memory_of_groups(root.path(), "a/b"), None);
        fs::write(root.path().join("a/memory.max"), "1048576\n").unwrap();
        assert_eq!(memory_of_groups(root.path(), "a/b"), Some(1_048_576));
        fs::write(inner.join("memory.max"), "4096\n").unwrap();
        assert_eq!(memory_of_groups(root.path(), "a/b"), Some(4096));
        assert_eq!(memory_of_groups(root.path(), ""), None);
    }
}
