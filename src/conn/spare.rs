//! Buffers for bodies. A connection has one only while there is something in it, so that a worker needs few of them,
//! however many bodies wait for an upstream or a client.

use std::cell::RefCell;

use bytes::BytesMut;

use crate::conn::read_ahead::RECORD;

/// How many a worker keeps: one for what TLS has been given, one for what it has made of it.
const KEPT: usize = 2;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for so many bytes.
pub fn lend(room: usize) -> BytesMut {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.reserve(room);
    buffer
}

/// Takes a buffer whose contents are not needed any more, and keeps it if it is large enough to be of use.
pub fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < KEPT && buffer.try_reclaim(RECORD) {
            spare.push(buffer);
        }
    });
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
        assert_eq!(SPARE.with_borrow(Vec::len), KEPT);
        assert!(SPARE.with_borrow(|spare| spare.iter().all(|one| one.capacity() >= RECORD)));
    }
}
