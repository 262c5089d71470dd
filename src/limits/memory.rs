//! How much memory docxy may have: what the machine has, what its control groups may use, what limits on the process leave.

use std::fmt;
use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};
use rustix::system::sysinfo;

/// Address space of a worker's threads, in bytes: its own stack, and those of the lookups that it may have running.
const OF_WORKER: u64 = 10 * 1024 * 1024;

/// Memory that there may be, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How much, in bytes.
    pub bytes: u64,
    /// What says so.
    pub by: Bound,
}

/// What bounds memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// What the machine has. What is free of it at the moment changes with the moment, and at boot the others are not there yet.
    Machine,
    /// A control group, which pays for what the kernel holds too.
    Group,
    /// The limit on data (getrlimit(2)), less what was in use at the start and what threads need.
    Data,
    /// The same of the limit on address space.
    AddressSpace,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::Machine => "the machine has",
            Bound::Group => "its control group may use (MemoryMax= and MemoryHigh= of systemd)",
            Bound::Data => "the limit on data leaves (LimitDATA= of systemd, ulimit -d)",
            Bound::AddressSpace => {
                "the limit on address space leaves (LimitAS= of systemd, ulimit -v)"
            }
        })
    }
}

/// The least that any of them says.
pub fn room(workers: usize) -> Room {
    let threads = OF_WORKER.saturating_mul(workers as u64);
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let left = |limit, used| {
        let limit = getrlimit(limit).current?;
        Some(limit.saturating_sub(in_use(&status, used) + threads))
    };
    let others = [
        (of_groups(Path::new("/sys/fs/cgroup"), &own), Bound::Group),
        (left(Resource::Data, "VmData:"), Bound::Data),
        (left(Resource::As, "VmSize:"), Bound::AddressSpace),
    ];
    let machine = Room {
        bytes: machine(),
        by: Bound::Machine,
    };
    others.into_iter().fold(machine, |least, (bytes, by)| {
        let tighter = bytes.filter(|&bytes| bytes < least.bytes);
        tighter.map_or(least, |bytes| Room { bytes, by })
    })
}

/// Not from /proc/meminfo, which a unit may be kept from (`ProcSubset=pid`).
fn machine() -> u64 {
    let info = sysinfo();
    #[allow(clippy::useless_conversion, reason = "its type is the machine's")]
    u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit))
}

/// What a field of /proc/self/status says, in bytes; nothing if it is not there.
fn in_use(status: &str, field: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = value.and_then(|value| value.trim().strip_suffix(" kB"));
    kilobytes.map_or(0, |number| number.parse().unwrap_or(0) * 1024)
}

/// The least that a group of this process or one that it is in may use, by what /proc/self/cgroup says (cgroups(7)).
fn of_groups(root: &Path, own: &str) -> Option<u64> {
    let of_line = |line: &str| {
        let (controllers, group) = line.split_once(':')?.1.split_once(":/")?;
        match controllers {
            "" => tightest(root, group, &["memory.max", "memory.high"]),
            _ if controllers.split(',').any(|name| name == "memory") => {
                tightest(&root.join("memory"), group, &["memory.limit_in_bytes"])
            }
            _ => None,
        }
    };
    own.lines().filter_map(of_line).min()
}

/// The least number in these files of a group and of those above it, as far as they are to be seen: a container sees its own
/// as the root, which may be mounted where the path of the host does not lead.
fn tightest(root: &Path, group: &str, files: &[&str]) -> Option<u64> {
    // What is mounted is then another group's.
    if group.split('/').any(|part| part == "..") {
        return None;
    }
    let limits = |group: &Path| {
        let limit = |file: &&str| {
            let text = fs::read_to_string(root.join(group).join(file)).ok()?;
            text.trim().parse().ok()
        };
        files.iter().filter_map(limit).min()
    };
    Path::new(group).ancestors().filter_map(limits).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: &str = "memory.max";
    const HIGH: &str = "memory.high";
    const V1: &str = "memory.limit_in_bytes";

    /// Group, file and what is in it.
    type Files<'a> = &'a [(&'a str, &'a str, &'a str)];

    #[test]
    fn the_tightest_group_counts() {
        // What /proc/self/cgroup says, the files that there are, and what docxy may have.
        let cases: [(&str, Files<'_>, Option<u64>); 22] = [
            ("0::/a/b\n", &[], None),
            ("0::/a/b\n", &[("a/b", MAX, "max\n")], None),
            ("0::/a/b\n", &[("a/b", MAX, "4096\n")], Some(4096)),
            (
                "0::/a/b\n",
                &[("a/b", MAX, "max\n"), ("a/b", HIGH, "9\n")],
                Some(9),
            ),
            (
                "0::/a/b\n",
                &[("a/b", MAX, "8\n"), ("a/b", HIGH, "max\n")],
                Some(8),
            ),
            (
                "0::/a/b\n",
                &[("a/b", MAX, "8\n"), ("a", MAX, "7\n")],
                Some(7),
            ),
            (
                "0::/a/b\n",
                &[("a/b", MAX, "6\n"), ("a", MAX, "7\n")],
                Some(6),
            ),
            (
                "0::/a/b\n",
                &[("a", HIGH, "7\n"), ("other", MAX, "1\n")],
                Some(7),
            ),
            // In a namespace, or where the group is mounted as the root.
            ("0::/\n", &[("", MAX, "5\n")], Some(5)),
            ("0::/a/b\n", &[("", MAX, "5\n")], Some(5)),
            ("0::/\n", &[], None),
            ("0::/../b\n", &[("", MAX, "5\n"), ("b", MAX, "5\n")], None),
            // Colons and blanks in a name, and a group that is gone.
            ("0::/a:b c\n", &[("a:b c", MAX, "5\n")], Some(5)),
            ("0::/a/b (deleted)\n", &[("a", MAX, "5\n")], Some(5)),
            // Version 1, alone and beside version 2.
            ("4:memory:/a\n", &[("memory/a", V1, "5\n")], Some(5)),
            ("4:cpu,memory:/a\n0::/\n", &[("memory", V1, "5\n")], Some(5)),
            (
                "4:memory:/a\n0::/a\n",
                &[("memory/a", V1, "5\n"), ("a", MAX, "4\n")],
                Some(4),
            ),
            ("4:memoryless:/a\n", &[("memory/a", V1, "5\n")], None),
            (
                "1:name=systemd:/a\n",
                &[("a", MAX, "5\n"), ("memory/a", V1, "5\n")],
                None,
            ),
            // What no kernel writes.
            ("0::/a\n", &[("a", MAX, ""), ("a", HIGH, "-1\n")], None),
            ("0::/a\n", &[("a", MAX, "99999999999999999999\n")], None),
            (
                "nothing\n0\n0:\n0::\n0::a\n",
                &[("", MAX, "5\n"), ("a", MAX, "5\n")],
                None,
            ),
        ];
        for (own, files, expected) in cases {
            let root = tempfile::tempdir().unwrap();
            for (group, file, text) in files {
                fs::create_dir_all(root.path().join(group)).unwrap();
                fs::write(root.path().join(group).join(file), text).unwrap();
            }
            let found = of_groups(root.path(), own);
            assert_eq!(found, expected, "{own:?} {files:?}");
        }
        assert_eq!(of_groups(Path::new("/nowhere"), "0::/a\n"), None);
        assert_eq!(of_groups(Path::new("/nowhere"), ""), None);
    }

    #[test]
    fn what_is_in_use_is_read_from_the_status() {
        let status = "Name:\tVmData: 9 kB\nVmPeak:\t  90 kB\nVmSize:\t   12345 kB\nVmData:\t 7 kB\nVmLck:\t-\n";
        let cases = [
            ("VmSize:", 12345 * 1024),
            ("VmData:", 7 * 1024),
            ("VmLck:", 0),
            ("VmStk:", 0),
        ];
        for (field, expected) in cases {
            assert_eq!(in_use(status, field), expected, "{field}");
        }
    }

    #[test]
    fn the_machine_is_the_outermost_bound() {
        assert!(machine() > 1 << 20);
        let room = room(1);
        assert!(room.bytes <= machine(), "{room:?}");
    }
}
