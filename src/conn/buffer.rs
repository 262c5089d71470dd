//! Buffers for what is read. A connection has room only while there is something in it, so that a worker needs few buffers,
//! however many heads and bodies wait for an upstream or a client.

use std::cell::RefCell;
use std::mem;
use std::ops::{Deref, DerefMut};

use bytes::{Buf, BytesMut};

use crate::conn::records::RECORD;

/// The least room that a buffer has: it holds nearly every head, and a small body with it.
pub const SMALL: usize = 4 * 1024;

/// What one read of a body takes as a rule; also what a slow client makes docxy hold at most.
pub const BODY: usize = 64 * 1024;

/// What one read takes of a body that moves fast.
pub const WIDE: usize = 512 * 1024;

/// What TLS has around as much of a body as that.
const AROUND: usize = 1024;

/// From this on a buffer is more than a large one.
const IS_LARGER: usize = 2 * BODY;

/// From this on a buffer is a wide one.
const IS_WIDE: usize = WIDE / 2;

/// How many small ones a worker keeps: requests that are read at the same moment are few.
const KEPT_SMALL: usize = 4;

/// How many large ones: one for what TLS has been given, one for what it has made of it.
const KEPT_LARGE: usize = 2;

/// How many wide ones: what TLS makes of one comes in smaller pieces.
const KEPT_WIDE: usize = 1;

/// How many wide ones the connections of a worker have at a time. One at work has one for a moment; clients that stall keep theirs.
const MOST_WIDE: usize = 4;

/// What is lent again.
#[derive(Debug)]
struct Spare {
    small: Vec<BytesMut>,
    /// With room for a record of TLS at least.
    large: Vec<BytesMut>,
    wide: Vec<BytesMut>,
    /// How many wide ones are lent.
    wide_lent: usize,
    /// Whether one was asked for since the spare ones were looked at.
    wide_wanted: bool,
}

thread_local! {
    static SPARE: RefCell<Spare> = const {
        RefCell::new(Spare {
            small: Vec::new(),
            large: Vec::new(),
            wide: Vec::new(),
            wide_lent: 0,
            wide_wanted: false,
        })
    };
}

/// What has been read and not been used.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: BytesMut,
    /// Whether there is room: one that is used up to its very end looks like none.
    is_lent: bool,
    wide: Option<Wide>,
}

impl Buffer {
    /// Makes room behind what there is, and says for how many bytes: `room`, or [`BODY`] where that is more and wide ones are
    /// all in use.
    pub fn make_room(&mut self, room: usize) -> usize {
        let room = self.allowed(room);
        if !self.is_lent || !self.bytes.try_reclaim(room) {
            let mut larger = lend(self.bytes.len() + room);
            larger.extend_from_slice(&self.bytes);
            self.replace(larger, true);
        }
        room
    }

    fn allowed(&mut self, room: usize) -> usize {
        if room < IS_WIDE {
            return room;
        }
        self.wide = self.wide.take().or_else(Wide::lend);
        match self.wide {
            Some(_) => room,
            None => BODY,
        }
    }

    /// Drops the first `count` bytes, and the room with the last.
    pub fn consume(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.len()));
        self.give_back();
    }

    /// Parts with the room if there is nothing in it.
    pub fn give_back(&mut self) {
        if self.bytes.is_empty() && self.is_lent {
            self.replace(BytesMut::new(), false);
            self.wide = None;
        }
    }

    /// Keeps no more room than for what there is. One in which there is more than in a large one stays one of the wide ones.
    pub fn shrink(&mut self) {
        let rest = BytesMut::from(&self.bytes[..]);
        let is_lent = !rest.is_empty();
        if rest.len() <= BODY + AROUND {
            self.wide = None;
        }
        self.replace(rest, is_lent);
    }

    /// Leaves a wide one to others, who may have more use for it.
    pub fn shrink_wide(&mut self) {
        if self.wide.is_some() {
            self.shrink();
        }
    }

    fn replace(&mut self, by: BytesMut, is_lent: bool) {
        if mem::replace(&mut self.is_lent, is_lent) {
            take_back(mem::replace(&mut self.bytes, by));
        } else {
            self.bytes = by;
        }
    }
}

impl Deref for Buffer {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }
}

/// A wide buffer's share of all.
#[derive(Debug)]
struct Wide;

impl Wide {
    fn lend() -> Option<Wide> {
        SPARE.with_borrow_mut(|spare| {
            spare.wide_wanted = true;
            (spare.wide_lent < MOST_WIDE).then(|| {
                spare.wide_lent += 1;
                Wide
            })
        })
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        // A connection may end with its worker.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().wide_lent -= 1);
    }
}

/// An empty buffer with room for so many bytes.
fn lend(room: usize) -> BytesMut {
    let (kept, usual) = SPARE.with_borrow_mut(|spare| match room {
        ..RECORD => (spare.small.pop(), SMALL),
        RECORD..BODY => (spare.large.pop(), room),
        BODY..IS_WIDE => (spare.large.pop(), BODY + AROUND),
        IS_WIDE.. => (spare.wide.pop(), WIDE + AROUND),
    });
    // To grow, one would take twice the room that it had.
    let fitting = kept.and_then(|mut kept| kept.try_reclaim(room).then_some(kept));
    fitting.unwrap_or_else(|| BytesMut::with_capacity(room.max(usual)))
}

/// Takes a buffer whose contents are not needed any more, and keeps it if it is large enough to be of use.
fn take_back(mut buffer: BytesMut) {
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if buffer.try_reclaim(WIDE) {
            keep(&mut spare.wide, KEPT_WIDE, buffer);
        } else if buffer.try_reclaim(IS_LARGER) {
            // What a wide one was shrunk to: of no use to anybody.
        } else if buffer.try_reclaim(RECORD) {
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

/// Gives up the spare ones that are wide, if none has been lent since the last time.
pub fn sweep() {
    SPARE.with_borrow_mut(|spare| {
        if !mem::take(&mut spare.wide_wanted) {
            spare.wide = Vec::new();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer with so many bytes in it.
    fn holding(count: usize) -> Buffer {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.make_room(count), count);
        buffer.extend_from_slice(&vec![7; count]);
        buffer
    }

    fn kept() -> [usize; 3] {
        SPARE.with_borrow(|spare| [spare.small.len(), spare.large.len(), spare.wide.len()])
    }

    #[test]
    fn room_is_lent_again_and_little_is_kept() {
        let mut first = holding(RECORD);
        let place = first.as_ptr();
        first.consume(1);
        assert_eq!((first.len(), kept()), (RECORD - 1, [0; 3]));
        first.consume(usize::MAX);
        assert_eq!((first.capacity(), kept()), (0, [0, 1, 0]));
        let again = holding(RECORD);
        assert_eq!((again.as_ptr(), kept()), (place, [0; 3]));
        drop(again);
        for room in [10, RECORD - 1, RECORD, BODY, WIDE] {
            let mut several: Vec<_> = (0..5).map(|_| holding(room.min(BODY))).collect();
            several.extend((0..MOST_WIDE).map(|_| holding(room)));
            for mut buffer in several {
                buffer.consume(room);
            }
        }
        assert_eq!(kept(), [KEPT_SMALL, KEPT_LARGE, KEPT_WIDE]);
        let _small = holding(1);
        assert_eq!(kept(), [KEPT_SMALL - 1, KEPT_LARGE, KEPT_WIDE]);
    }

    #[test]
    fn what_a_wide_one_was_shrunk_to_is_not_kept() {
        for (left, is_kept) in [(IS_LARGER, 0), (RECORD, 1)] {
            let mut buffer = holding(WIDE);
            buffer.consume(WIDE - left);
            buffer.shrink();
            assert_eq!(kept()[1..], [0, 1], "the wide one is");
            buffer.consume(left);
            assert_eq!(kept()[1..], [is_kept, 1], "{left}");
        }
    }

    #[test]
    fn of_one_that_was_used_in_part_all_is_lent_again() {
        let mut first = Buffer::default();
        first.make_room(BODY - 1);
        first.extend_from_slice(&[7; BODY * 5 / 8]);
        first.consume(BODY);
        let mut again = Buffer::default();
        again.make_room(BODY / 2);
        assert_eq!(again.capacity(), BODY - 1);
    }

    #[test]
    fn what_is_there_stays_where_room_is_made() {
        let mut buffer = Buffer::default();
        let mut expected = Vec::new();
        for (byte, room) in (1..).zip([1, SMALL, RECORD, BODY, WIDE, 1, SMALL]) {
            assert_eq!(buffer.make_room(room), room);
            let capacity = buffer.capacity();
            buffer.extend_from_slice(&vec![byte; room]);
            assert_eq!(buffer.capacity(), capacity, "there was room for {room}");
            expected.extend(vec![byte; room]);
            buffer.consume(room / 2);
            expected.drain(..room / 2);
            assert!(buffer[..] == expected, "{room}");
        }
        buffer.shrink();
        assert!(buffer[..] == expected);
        assert_eq!(buffer.capacity(), expected.len());
    }

    #[test]
    fn few_are_wide_at_a_time() {
        let mut wide: Vec<_> = (0..MOST_WIDE).map(|_| holding(WIDE)).collect();
        let mut next = Buffer::default();
        assert_eq!(next.make_room(WIDE), BODY);
        assert!(next.capacity() < IS_WIDE);
        assert_eq!(wide[0].make_room(WIDE), WIDE, "it is wide already");
        wide[0].shrink();
        assert_eq!(next.make_room(WIDE), BODY, "there is too much in it");
        wide[0].consume(WIDE - BODY);
        let ends: [fn(&mut Buffer); 4] = [
            Buffer::shrink,
            Buffer::shrink_wide,
            |one| one.consume(WIDE),
            |one| *one = Buffer::default(),
        ];
        for ended in ends {
            ended(&mut wide[0]);
            assert_eq!(next.make_room(WIDE), WIDE);
            assert_eq!(wide[0].make_room(WIDE), BODY);
            next = Buffer::default();
            assert_eq!(wide[0].make_room(WIDE), WIDE);
        }
        drop(wide);
        let mut more: Vec<_> = (0..=MOST_WIDE).map(|_| Buffer::default()).collect();
        let rooms: Vec<_> = more.iter_mut().map(|one| one.make_room(WIDE)).collect();
        assert_eq!(rooms, [&[WIDE; MOST_WIDE][..], &[BODY]].concat());
    }

    #[test]
    fn wide_ones_are_kept_while_they_are_wanted() {
        for room in [WIDE, BODY, 1] {
            holding(room).consume(room);
        }
        assert_eq!(kept(), [1, 1, 1]);
        sweep();
        assert_eq!(kept(), [1, 1, 1]);
        sweep();
        assert_eq!(kept(), [1, 1, 0]);
    }
}
