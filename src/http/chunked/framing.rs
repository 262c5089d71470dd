//! What stands around the data of a chunked body.

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
