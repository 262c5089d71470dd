//! Finds the data in a chunked body, whatever the pieces in which it comes.

use core::fmt;

use crate::http::grammar::{is_control, is_token_byte};

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
    /// An extension with a control byte or an open quote, or too many of them.
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
    Quoted,
    Escaped,
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
            State::Extension | State::Quoted | State::Escaped => self.step_extension(byte)?,
            State::SizeLf => expect(byte, b'\n', self.begin_chunk())?,
            State::DataCr => expect(byte, b'\r', State::DataLf)?,
            State::DataLf => expect(byte, b'\n', State::Size)?,
            State::TrailerStart | State::TrailerName | State::TrailerValue => {
                self.step_trailer(byte)?
            }
            State::TrailerLf => expect(byte, b'\n', State::TrailerStart)?,
            State::EndLf => expect(byte, b'\n', State::End)?,
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

    /// Nothing of an extension counts but where it ends. Whoever heeds quotes would read on past the end of a line within
    /// them (RFC 9112 §7.1.1), so that there may be none.
    fn step_extension(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::Extension, b'\r') => return Ok(State::SizeLf),
            (_, b'\n') => return Err(ChunkError::LineEnd),
            _ if is_control(byte) => return Err(ChunkError::Extension),
            _ => {}
        }
        self.extension += 1;
        self.extensions += 1;
        if self.extension > MAX_EXTENSION || self.extensions > MAX_EXTENSIONS {
            return Err(ChunkError::Extension);
        }
        Ok(match (self.state, byte) {
            (State::Extension, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::Extension,
            (State::Quoted, b'\\') => State::Escaped,
            (State::Escaped, _) => State::Quoted,
            (state, _) => state,
        })
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

/// The next state, if this is the byte that leads to it.
fn expect(byte: u8, expected: u8, next: State) -> Result<State, ChunkError> {
    if byte == expected {
        Ok(next)
    } else {
        Err(ChunkError::LineEnd)
    }
}
