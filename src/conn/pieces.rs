//! Where the data of a body lies in a buffer: in one piece, or in one of each chunk with framing in between.

use std::ops::Range;

/// The most that go out in one write: what a read brings has two or three, from servers in Go.
pub const MOST: usize = 6;

/// Pieces of data in the order in which they lie in a buffer.
#[derive(Clone, Debug)]
pub struct Pieces {
    places: [Range<usize>; MOST],
    count: usize,
    ends: bool,
}

impl Pieces {
    /// The first `length` bytes, which may be none.
    pub fn front(length: usize) -> Pieces {
        let mut pieces = Pieces {
            places: [const { 0..0 }; MOST],
            count: 0,
            ends: false,
        };
        pieces.add(0..length);
        pieces
    }

    /// Adds what lies behind the others, if there is any; nothing may be added to so [many](Pieces::is_full).
    pub fn add(&mut self, place: Range<usize>) {
        if let (false, Some(free)) = (place.is_empty(), self.places.get_mut(self.count)) {
            *free = place;
            self.count += 1;
        }
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.count == MOST
    }

    /// The body ends behind them, as is known already.
    pub fn end(&mut self) {
        self.ends = true;
    }

    /// Whether the body is known to end behind them.
    pub fn are_last(&self) -> bool {
        self.ends
    }

    /// The data, in the buffer where it lies; empty slices for pieces that there are not.
    pub fn within<'b>(&self, buffer: &'b [u8]) -> [&'b [u8]; MOST] {
        self.places
            .each_ref()
            .map(|place| buffer.get(place.clone()).unwrap_or_default())
    }

    /// How long each is.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.places[..self.count].iter().map(Range::len)
    }

    /// How long they are together.
    pub fn total(&self) -> usize {
        self.lengths().sum()
    }

    /// Whether there is one at most.
    pub fn is_one(&self) -> bool {
        self.count <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_again_in_their_buffer() {
        let mut pieces = Pieces::front(3);
        assert!(pieces.is_one() && !pieces.is_full() && !pieces.are_last());
        pieces.add(5..5);
        assert!(pieces.is_one(), "an empty one is none");
        pieces.add(5..7);
        pieces.end();
        assert_eq!(pieces.within(b"abc--de--")[..3], [&b"abc"[..], b"de", b""]);
        assert_eq!(pieces.lengths().collect::<Vec<_>>(), [3, 2]);
        assert!(pieces.total() == 5 && !pieces.is_one() && pieces.are_last());
    }

    #[test]
    fn there_are_so_many_at_most() {
        let mut pieces = Pieces::front(0);
        assert_eq!((pieces.total(), pieces.is_one()), (0, true));
        for at in 0..=MOST {
            assert_eq!(pieces.is_full(), at == MOST);
            pieces.add(at..at + 1);
        }
        assert_eq!(pieces.total(), MOST);
    }
}
