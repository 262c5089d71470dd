//! Finds the data in a chunked body, whatever the pieces in which it comes (RFC 9112 §7.1).
//!
//! Nothing is copied: the scanner says where data lies in what was read, and the sender frames the same bytes anew.

use core::fmt;

/// More digits name no size that a body can have.
const MAX_SIZE_DIGITS: u8 = 16;

/// No body is this long; a size beyond it is an attempt at an overflow.
const MAX_SIZE: u64 = (1 << 60) - 1;

/// Extensions of one chunk, in bytes. No registry sends any.
const MAX_EXTENSION: u32 = 256;

/// Extensions of a whole body, in bytes: a chunk of one byte may not cost three hundred for ever.
const MAX_EXTENSIONS: u32 = 4 * 1024;

/// Trailers, in bytes.
const MAX_TRAILERS: u32 = 8 * 1024;

/// What is wrong with a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// A size that is no hexadecimal number, is followed by a blank or is too large.
    Size,
    /// An extension with a control byte, or too many of them.
    Extension,
    /// A line or a chunk that does not end in CRLF.
    LineEnd,
    /// A trailer that is no field line, or too many of them.
    Trailer,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChunkError::Size => "a malformed chunk size",
            ChunkError::Extension => "a malformed or too long chunk extension",
            ChunkError::LineEnd => "a chunk that does not end in CRLF",
            ChunkError::Trailer => "a malformed or too long trailer",
        })
    }
}

impl std::error::Error for ChunkError {}

/// What stands at the beginning of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// So many bytes of framing, to be dropped,
    pub framing: usize,
    /// then so many bytes of data.
    pub data: usize,
    /// The body ended with the framing; what follows is another message.
    pub end: bool,
}

/// The state between two pieces of a chunked body.
#[derive(Clone, Debug)]
pub struct ChunkScanner {
    state: State,
    size: u64,
    digits: u8,
    extension: u32,
    extensions: u32,
    trailers: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

impl Default for ChunkScanner {
    fn default() -> Self {
        ChunkScanner::new()
    }
}

impl ChunkScanner {
    /// A scanner at the first byte of a body.
    pub fn new() -> ChunkScanner {
        ChunkScanner {
            state: State::Size,
            size: 0,
            digits: 0,
            extension: 0,
            extensions: 0,
            trailers: 0,
        }
    }

    /// Finds the next data in `input`, all of which up to its end counts as consumed.
    ///
    /// Call again with what follows `framing + data`, until `end`. After an error or the end the scanner is spent.
    pub fn scan(&mut self, input: &[u8]) -> Result<Scanned, ChunkError> {
        let mut framing = 0;
        while framing < input.len() && !matches!(self.state, State::Data | State::End) {
            self.step(input[framing])?;
            framing += 1;
        }
        let mut data = 0;
        if self.state == State::Data {
            data = usize::try_from(self.size)
                .unwrap_or(usize::MAX)
                .min(input.len() - framing);
            self.size -= data as u64;
            if self.size == 0 {
                self.state = State::DataCr;
            }
        }
        Ok(Scanned {
            framing,
            data,
            end: self.state == State::End,
        })
    }

    fn step(&mut self, byte: u8) -> Result<(), ChunkError> {
        self.state = match self.state {
            State::Size => self.step_size(byte)?,
            State::Extension => self.step_extension(byte)?,
            State::SizeLf => {
                expect(byte, b'\n')?;
                self.begin_chunk()
            }
            State::DataCr => {
                expect(byte, b'\r')?;
                State::DataLf
            }
            State::DataLf => {
                expect(byte, b'\n')?;
                State::Size
            }
            State::TrailerStart | State::TrailerName | State::TrailerValue => {
                self.step_trailer(byte)?
            }
            State::TrailerLf => {
                expect(byte, b'\n')?;
                State::TrailerStart
            }
            State::EndLf => {
                expect(byte, b'\n')?;
                State::End
            }
            State::Data | State::End => self.state,
        };
        Ok(())
    }

    fn step_size(&mut self, byte: u8) -> Result<State, ChunkError> {
        if let Some(digit) = (byte as char).to_digit(16) {
            self.digits += 1;
            if self.digits > MAX_SIZE_DIGITS {
                return Err(ChunkError::Size);
            }
            self.size = (self.size << 4) | u64::from(digit);
            return Ok(State::Size);
        }
        if self.digits == 0 || self.size > MAX_SIZE {
            return Err(ChunkError::Size);
        }
        match byte {
            b'\r' => Ok(State::SizeLf),
            b';' => {
                self.extension = 0;
                Ok(State::Extension)
            }
            b'\n' => Err(ChunkError::LineEnd),
            _ => Err(ChunkError::Size),
        }
    }

    fn step_extension(&mut self, byte: u8) -> Result<State, ChunkError> {
        match byte {
            b'\r' => Ok(State::SizeLf),
            b'\n' => Err(ChunkError::LineEnd),
            _ => {
                self.extension += 1;
                self.extensions += 1;
                let too_long = self.extension > MAX_EXTENSION || self.extensions > MAX_EXTENSIONS;
                if too_long || is_control(byte) {
                    Err(ChunkError::Extension)
                } else {
                    Ok(State::Extension)
                }
            }
        }
    }

    fn begin_chunk(&mut self) -> State {
        self.digits = 0;
        if self.size == 0 {
            State::TrailerStart
        } else {
            State::Data
        }
    }

    fn step_trailer(&mut self, byte: u8) -> Result<State, ChunkError> {
        if byte == b'\n' {
            return Err(ChunkError::LineEnd);
        }
        if self.state == State::TrailerStart && byte == b'\r' {
            return Ok(State::EndLf);
        }
        self.trailers += 1;
        let next = match self.state {
            State::TrailerValue if byte == b'\r' => State::TrailerLf,
            State::TrailerValue if !is_control(byte) => State::TrailerValue,
            State::TrailerName if byte == b':' => State::TrailerValue,
            State::TrailerStart | State::TrailerName if is_token_byte(byte) => State::TrailerName,
            _ => return Err(ChunkError::Trailer),
        };
        if self.trailers > MAX_TRAILERS {
            Err(ChunkError::Trailer)
        } else {
            Ok(next)
        }
    }
}

/// The line before a chunk of `length` bytes.
pub fn chunk_head(length: usize) -> ChunkHead {
    let mut head = ChunkHead {
        bytes: [0; 18],
        start: 16,
    };
    head.bytes[16..].copy_from_slice(b"\r\n");
    let mut rest = length;
    loop {
        head.start -= 1;
        head.bytes[head.start] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
        if rest == 0 {
            return head;
        }
    }
}

/// A chunk size and its CRLF; no allocation.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; 18],
    start: usize,
}

impl AsRef<[u8]> for ChunkHead {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// What ends a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// What ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What ends a chunk and with it such a body.
pub const CHUNK_END_AND_LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

fn expect(byte: u8, expected: u8) -> Result<(), ChunkError> {
    if byte == expected {
        Ok(())
    } else {
        Err(ChunkError::LineEnd)
    }
}

fn is_control(byte: u8) -> bool {
    byte != b'\t' && (byte < b' ' || byte == 0x7f)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a body that comes in the given pieces, and how many bytes of it were used.
    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), ChunkError> {
        let mut scanner = ChunkScanner::new();
        let (mut data, mut used) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let scanned = scanner.scan(rest)?;
                data.extend_from_slice(&rest[scanned.framing..scanned.framing + scanned.data]);
                used += scanned.framing + scanned.data;
                rest = &rest[scanned.framing + scanned.data..];
                if scanned.end {
                    return Ok((data, used, true));
                }
            }
        }
        Ok((data, used, false))
    }

    /// Whole, split in two at every byte, and byte by byte: always the same.
    fn decode_every_way(input: &[u8]) -> Result<(Vec<u8>, usize, bool), ChunkError> {
        let whole = decode(&[input]);
        for split in 0..=input.len() {
            assert_eq!(
                decode(&[&input[..split], &input[split..]]),
                whole,
                "{} at {split}",
                input.escape_ascii()
            );
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(decode(&bytes), whole, "{}", input.escape_ascii());
        whole
    }

    #[test]
    fn data_is_found_at_any_split() {
        let cases: [(&[u8], &[u8], usize); 8] = [
            (b"0\r\n\r\n", b"", 5),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello", 15),
            (
                b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET",
                b"hello world",
                26,
            ),
            (b"A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", 22),
            (b"0000000000000001\r\nx\r\n0\r\n\r\n", b"x", 26),
            (b"2;a=b;c=\"d e\"\r\n\r\n\r\n0;x\r\n\r\n", b"\r\n", 26),
            (b"1;\r\nx\r\n0\r\n\r\n", b"x", 12),
            (b"1\r\nx\r\n0\r\nA: b\r\nC:\t\r\n\r\nrest", b"x", 22),
        ];
        for (input, data, used) in cases {
            assert_eq!(
                decode_every_way(input),
                Ok((data.to_vec(), used, true)),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn an_unfinished_body_has_no_end() {
        let whole = b"5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
        for cut in 0..whole.len() {
            let (data, used, end) = decode(&[&whole[..cut]]).unwrap();
            assert!(
                !end && used == cut && b"hello".starts_with(&data[..]),
                "{cut}"
            );
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let cases: [(&[u8], ChunkError); 27] = [
            (b"\r\n", ChunkError::Size),
            (b"g\r\n", ChunkError::Size),
            (b"-1\r\n", ChunkError::Size),
            (b"+1\r\n", ChunkError::Size),
            (b"0x1\r\n", ChunkError::Size),
            (b" 1\r\n", ChunkError::Size),
            (b"1 \r\n", ChunkError::Size),
            (b"1 ;a\r\n", ChunkError::Size),
            (b"1\t\r\n", ChunkError::Size),
            (b"1_0\r\n", ChunkError::Size),
            (b";a\r\n", ChunkError::Size),
            (b"00000000000000001\r\n", ChunkError::Size),
            (b"ffffffffffffffff\r\n", ChunkError::Size),
            (b"1000000000000000\r\n", ChunkError::Size),
            (b"1\n", ChunkError::LineEnd),
            (b"1\rx", ChunkError::LineEnd),
            (b"1;a\n", ChunkError::LineEnd),
            (b"1;a\rb", ChunkError::LineEnd),
            (b"1;\0\r\n", ChunkError::Extension),
            (b"1\r\nxy", ChunkError::LineEnd),
            (b"1\r\nx\n", ChunkError::LineEnd),
            (b"1\r\nx\rY", ChunkError::LineEnd),
            (b"0\r\nx\r\n", ChunkError::Trailer),
            (b"0\r\n A: b\r\n", ChunkError::Trailer),
            (b"0\r\nA : b\r\n", ChunkError::Trailer),
            (b"0\r\nA: b\n", ChunkError::LineEnd),
            (b"0\r\n\rX", ChunkError::LineEnd),
        ];
        for (input, error) in cases {
            assert_eq!(
                decode_every_way(input),
                Err(error),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn limits_are_exact() {
        let extension =
            |length: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(length)).into_bytes();
        assert!(decode(&[&extension(256)]).is_ok());
        assert_eq!(decode(&[&extension(257)]), Err(ChunkError::Extension));

        let many = |count: usize| {
            format!(
                "{}0\r\n\r\n",
                format!("1;{}\r\nx\r\n", "e".repeat(256)).repeat(count)
            )
            .into_bytes()
        };
        assert_eq!(
            decode(&[&many(16)]).map(|(data, _, end)| (data.len(), end)),
            Ok((16, true))
        );
        assert_eq!(decode(&[&many(17)]), Err(ChunkError::Extension));

        let trailer = |length: usize| format!("0\r\na:{}\r\n\r\n", "t".repeat(length)).into_bytes();
        assert!(decode(&[&trailer(8 * 1024 - 3)]).is_ok());
        assert_eq!(decode(&[&trailer(8 * 1024 - 2)]), Err(ChunkError::Trailer));
        assert!(decode(&[b"0fffffffffffffff\r\n"]).is_ok());
    }

    #[test]
    fn chunk_heads_scan_back() {
        for length in [0, 1, 15, 16, 255, 256, 65_535, 65_536, usize::MAX >> 4] {
            assert_eq!(
                chunk_head(length).as_ref(),
                format!("{length:x}\r\n").as_bytes()
            );
        }
        let mut framed = chunk_head(3).as_ref().to_vec();
        framed.extend_from_slice(b"abc");
        for ends in [&[CHUNK_END, LAST_CHUNK][..], &[CHUNK_END_AND_LAST_CHUNK]] {
            let whole = [&framed, ends.concat().as_slice()].concat();
            assert_eq!(
                decode_every_way(&whole),
                Ok((b"abc".to_vec(), whole.len(), true))
            );
        }
    }
}
