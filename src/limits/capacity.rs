//! How many connections this process can serve: by its descriptors and its memory.

use rustix::process::{Resource, getrlimit};

/// Descriptors that are for no connection: listeners, files, and what each worker waits with.
const APART: u64 = 128;

/// Descriptors of a connection that pulls: its own, the upstream's, and the two of a pipe between them.
const DESCRIPTORS: u64 = 4;

/// The most that one connection and its upstream's were made to hold, in bytes: TLS on both sides, heads of 30 KB and 120 KB,
/// a part of a next request, and a body that nobody takes (504 KiB). What a client can do alone is half of that (267 KiB),
/// and a pull that merely stalls a quarter (119 KiB). A process that gets no memory is ended, so it is the most that counts.
const MEMORY: u64 = 512 * 1024;

/// However little there is, a pull needs a few connections.
const LEAST: u64 = 8;

/// As many connections as there are descriptors for, and so many bytes of memory.
pub fn connections(memory: u64) -> usize {
    fitting(descriptors(), memory)
}

/// The limit on descriptors, if there are too few for so many connections.
pub fn too_few_descriptors(connections: usize) -> Option<u64> {
    let of_connections = (connections as u64).saturating_mul(DESCRIPTORS);
    let needed = of_connections.saturating_add(APART);
    descriptors().filter(|&limit| limit < needed)
}

/// Whether so many bytes of memory are too little for so many connections.
pub fn is_too_little(memory: u64, connections: usize) -> bool {
    memory < (connections as u64).saturating_mul(MEMORY)
}

fn fitting(descriptors: Option<u64>, memory: u64) -> usize {
    let by_descriptors = descriptors.map(|limit| limit.saturating_sub(APART) / DESCRIPTORS);
    let by_memory = memory / MEMORY;
    let both = by_descriptors.map_or(by_memory, |number| number.min(by_memory));
    let most = u64::from(u32::MAX);
    usize::try_from(both.clamp(LEAST, most)).unwrap_or(usize::MAX)
}

fn descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_can_be_asked_for() {
        for number in [usize::MAX / 4, usize::MAX / 4 - 30, usize::MAX] {
            assert_eq!(too_few_descriptors(number), descriptors());
            assert!(is_too_little(u64::MAX - 1, number));
        }
    }

    #[test]
    fn the_scarcer_counts() {
        const MB: u64 = 1 << 20;
        let cases = [
            (Some(1024), 65_536 * MB, 224),
            (Some(524_288), 1024 * MB, 2048),
            (Some(524_288), 1 << 60, 131_040),
            (None, 64 * MB, 128),
            (None, u64::MAX, u32::MAX as usize),
            (Some(20), 1024 * MB, 8),
            (Some(1024), 0, 8),
        ];
        for (descriptors, memory, expected) in cases {
            let found = fitting(descriptors, memory);
            assert_eq!(found, expected, "{descriptors:?} {memory}");
        }
    }
}
