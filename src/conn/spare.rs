//! Buffers for what is read. A connection has one only while there is something in it, so that a worker needs few of them,
//! however many heads and bodies wait for an upstream or a client.

use std::cell::RefCell;

use bytes::BytesMut;

use crate::conn::records::RECORD;

/// The least room that a buffer has: it holds nearly every head, and a small body with it.
pub const SMALL: usize = 4 * 1024;

/// How many small ones a worker keeps: requests that are read at the same moment are few.
const KEPT_SMALL: usize = 4;

/// How many large ones: one for what TLS has been given, one for what it has made of it.
const KEPT_LARGE: usize = 2;

#[derive(Debug)]
struct Spare {
    small: Vec<BytesMut>,
    /// With room for a record of TLS at least.
    large: Vec<BytesMut>,
}

thread_local! {
    static SPARE: RefCell<Spare> = const {
        RefCell::new(Spare { small: Vec::new(), large: Vec::new() })
    };
}

/// An empty buffer with room for so many bytes.
pub fn lend(room: usize) -> BytesMut {
    let kept = SPARE.with_borrow_mut(|spare| match room {
        ..RECORD => spare.small.pop(),
        _ => spare.large.pop(),
    });
    let mut buffer = kept.unwrap_or_default();
    buffer.reserve(room.max(SMALL));
    buffer
}

/// Takes a buffer whose contents are not needed any more, and keeps it if it is large enough to be of use.
pub fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if buffer.try_reclaim(RECORD) {
            keep(&mut spare.large, KEPT_LARGE, buffer);
        } else if buffer.try_reclaim(SMALL) {
            keep(&mut spare.small, KEPT_SMALL, buffer);
        }
    });
}

fn keep(kept: &mut Vec<BytesMut>, most: usize, buffer: BytesMut) {
    if kept.len() < most {
        kept.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    #[test]
    fn a_buffer_is_lent_again_and_few_are_kept() {
        let mut first = lend(RECORD);
        first.extend_from_slice(&[7; RECORD]);
        let place = first.as_ptr();
        first.advance(RECORD);
        give_back(first);
        let again = lend(RECORD);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        for buffer in [
            BytesMut::with_capacity(10),
            again,
            lend(RECORD),
            lend(RECORD),
        ] {
            give_back(buffer);
        }
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.large.len(), KEPT_LARGE);
            assert!(spare.large.iter().all(|one| one.capacity() >= RECORD));
            assert!(spare.small.is_empty());
        });
    }

    #[test]
    fn small_ones_are_not_mixed_with_large_ones() {
        for buffer in [lend(1), lend(SMALL), lend(RECORD - 1), lend(RECORD)] {
            give_back(buffer);
        }
        SPARE.with_borrow(|spare| {
            assert_eq!((spare.small.len(), spare.large.len()), (3, 1));
            assert!(spare.small.iter().all(|one| one.capacity() >= SMALL));
        });
    }
}
