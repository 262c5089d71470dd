//! Where the records of TLS end in a stream of bytes (RFC 8446 §5.1): by the lengths in their heads, whatever they hold.

/// The most that is in one record.
pub const RECORD: usize = 16 * 1024;

/// What a record has before its data: a type, a version and a length.
const HEAD: usize = 5;

/// The longest data that is no error: RFC 5246 §6.2.3 allows more around what is in a record than RFC 8446 does.
const LONGEST_DATA: usize = RECORD + 2048;

/// The longest record.
pub const LONGEST: usize = HEAD + LONGEST_DATA;

/// How far a stream has come within a record.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Bytes of the head that have gone by.
    head: usize,
    /// The last two of them.
    length: u16,
    /// Bytes that follow the head and are still to come.
    left: usize,
}

impl Records {
    /// Lets `bytes` go by, and says how many of them belong to records that end within them. What can be no record counts as
    /// one: it is for TLS to judge.
    pub fn pass(&mut self, bytes: &[u8]) -> usize {
        let (mut at, mut whole) = (0, 0);
        while at < bytes.len() {
            if self.left > 0 {
                let step = self.left.min(bytes.len() - at);
                self.left -= step;
                at += step;
            } else {
                self.head += 1;
                self.length = self.length << 8 | u16::from(bytes[at]);
                at += 1;
                if self.head == HEAD {
                    self.head = 0;
                    self.left = usize::from(self.length);
                }
            }
            if self.left > LONGEST_DATA {
                whole = bytes.len();
            } else if self.head == 0 && self.left == 0 {
                whole = whole.max(at);
            }
        }
        whole
    }
}

/// A record of so many bytes.
#[cfg(test)]
pub fn record(length: u16) -> Vec<u8> {
    let mut record = vec![23, 3, 3];
    record.extend(length.to_be_bytes());
    record.resize(HEAD + usize::from(length), 0xff);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_records_are_told_from_a_part_wherever_the_stream_is_cut() {
        let lengths = [0, 1, 5, 300, 16_401, 0, 7];
        let (mut stream, mut ends) = (Vec::new(), vec![0]);
        for length in lengths {
            stream.extend(record(length));
            ends.push(stream.len());
        }
        let cuts: Vec<usize> = (0..340).chain(stream.len() - 20..=stream.len()).collect();
        for &gone in &cuts {
            let mut records = Records::default();
            records.pass(&stream[..gone]);
            for &come in cuts.iter().filter(|&&come| come >= gone) {
                let end = ends.iter().rev().find(|&&end| end <= come).unwrap();
                let expected = end.saturating_sub(gone);
                assert_eq!(
                    records.clone().pass(&stream[gone..come]),
                    expected,
                    "{gone}..{come}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_record_is_not_waited_for() {
        for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &record(u16::MAX)[..9]] {
            assert_eq!(Records::default().pass(bytes), bytes.len());
        }
        let longest = record(u16::try_from(LONGEST_DATA).unwrap());
        assert_eq!(Records::default().pass(&longest[..100]), 0);
        assert_eq!(Records::default().pass(&longest), longest.len());
    }
}
