//! Both ends of docxy's wire, for tests: a raw HTTP/1.1 client and a server that answers by script.
//!
//! Neither shares code with docxy: they parse strictly, keep every byte, and give up after [`PATIENCE`] instead of
//! hanging.

pub mod answer;
pub mod authority;
pub mod client;
pub mod dice;
pub mod message;
pub mod server;
pub mod stream;
pub mod tls;
#[allow(dead_code, reason = "each test binary uses its part")]
pub mod tunnel;

#[allow(unused_imports, reason = "each test binary uses its part")]
pub use answer::{Answer, Gate};
#[allow(unused_imports, reason = "each test binary uses its part")]
pub use client::{Ask, Client, Response};
#[allow(unused_imports, reason = "each test binary uses its part")]
pub use message::{End, Framing, Head};
#[allow(unused_imports, reason = "each test binary uses its part")]
pub use server::{Request, Server};
#[allow(unused_imports, reason = "each test binary uses its part")]
pub use stream::Closing;

use std::time::Duration;

/// How long either end waits for something that takes a healthy docxy milliseconds, on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The digest of these bytes as a registry writes it.
pub fn digest(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// `length` bytes that do not repeat within any buffer's size, so that a shifted or doubled piece shows.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
