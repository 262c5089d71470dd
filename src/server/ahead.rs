//! How far ahead of a client the kernel may get. By itself it takes megabytes for one that reads nothing, and as much again
//! of its upstream; some dozens of these use up what all sockets of the machine may have, and then nobody's blobs move.

use socket2::SockRef;

use crate::conn::stream::Stream;

/// What may wait to be sent to a client that has not shown yet that it reads.
const UNPROVED: u32 = 128 * 1024;

/// A client that has taken so much of a body may be one that is fast and far away. For it the kernel finds the measure:
/// a bound costs wake-ups.
pub const PROOF: u64 = 4 * 1024 * 1024;

/// As the kernel is set.
const UNBOUND: u32 = 0;

/// Bounds what waits for a client: a new one, or one whose next body is another matter.
pub fn bound(client: &Stream) {
    set(client, UNPROVED);
}

/// Leaves it to the kernel.
pub fn lift(client: &Stream) {
    set(client, UNBOUND);
}

fn set(client: &Stream, bound: u32) {
    #[cfg(any(test, fuzzing))]
    if let Stream::Memory(_) = client {
        return;
    }
    // Where there is no such option it is as it would be without.
    let _ = SockRef::from(client.tcp()).set_tcp_notsent_lowat(bound);
}
