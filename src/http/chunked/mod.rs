//! Chunked bodies (RFC 9112 §7.1).
//!
//! Nothing is copied: the scanner says where data lies in what was read, and the sender frames the same bytes anew.

mod framing;
mod scanner;
#[cfg(test)]
mod tests;

pub use framing::{CHUNK_END, CHUNK_END_AND_LAST_CHUNK, ChunkHead, LAST_CHUNK, chunk_head};
pub use scanner::{ChunkError, ChunkScanner, Scanned};
