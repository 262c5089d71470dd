//! What a scripted server does after a request: bytes in pieces, pauses that the test ends, and every way to leave.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::PATIENCE;

/// One act of an answer.
#[derive(Clone)]
pub enum Act {
    /// Sends these bytes as one write.
    Send(Vec<u8>),
    /// Sends the same block so many times; for bodies that need not be held.
    Repeat(Arc<Vec<u8>>, usize),
    /// Waits until the test opens the gate, or the peer's patience is over.
    Wait(Gate),
    /// TLS 1.3: goes on with new keys, and asks the peer to do the same.
    Rekey,
    /// Sends nothing more until the peer leaves.
    Stall,
    /// Receives nothing more, and acknowledges nothing: as if a firewall on the way had forgotten the connection.
    Deafen,
    /// close_notify under TLS, then FIN.
    Close,
    /// FIN without close_notify.
    Drop,
    /// RST.
    Reset,
}

/// An answer: acts in order. If none of them ends the connection, the next request is read.
#[derive(Clone, Default)]
pub struct Answer {
    /// The acts.
    pub acts: Vec<Act>,
}

impl Answer {
    /// These bytes as they are.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Answer {
        Answer::default().send(bytes)
    }

    /// A status line (`200 OK`), these fields and a body with its Content-Length.
    pub fn new(status: &str, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let length = format!("Content-Length: {}\r\n", body.as_ref().len());
        let mut bytes = head(status, fields, &length).into_bytes();
        bytes.extend_from_slice(body.as_ref());
        Answer::raw(bytes)
    }

    /// A status line and these fields only.
    pub fn head(status: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::raw(head(status, fields, ""))
    }

    /// 200 with this body.
    pub fn ok(body: impl AsRef<[u8]>) -> Answer {
        Answer::new(
            "200 OK",
            &[("Content-Type", "application/octet-stream")],
            body,
        )
    }

    /// A redirect without body.
    pub fn redirect(status: &str, location: &str) -> Answer {
        Answer::new(status, &[("Location", location)], "")
    }

    /// 401 with these `WWW-Authenticate` fields; without body, so that it answers HEAD as well.
    pub fn challenge(values: &[&str]) -> Answer {
        let fields: Vec<_> = values
            .iter()
            .map(|value| ("WWW-Authenticate", *value))
            .collect();
        Answer::new("401 Unauthorized", &fields, "")
    }

    /// 200 with a body in chunks of the given contents.
    pub fn chunked(fields: &[(&str, &str)], chunks: &[&[u8]]) -> Answer {
        let mut bytes = head("200 OK", fields, "Transfer-Encoding: chunked\r\n").into_bytes();
        for chunk in chunks.iter().chain([&&b""[..]]) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        Answer::raw(bytes)
    }

    /// Then sends these bytes.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Answer {
        self.then(Act::Send(bytes.as_ref().to_vec()))
    }

    /// Then does this.
    pub fn then(mut self, act: Act) -> Answer {
        self.acts.push(act);
        self
    }

    /// Then closes in order.
    pub fn close(self) -> Answer {
        self.then(Act::Close)
    }

    /// The same bytes, but the connection is left by `how` after the first `at` of them.
    ///
    /// # Panics
    /// If the answer is not bytes alone, or has not that many.
    pub fn cut(self, at: usize, how: Act) -> Answer {
        let bytes = self.bytes();
        assert!(at <= bytes.len(), "a cut at {at} of {} bytes", bytes.len());
        Answer::raw(&bytes[..at]).then(how)
    }

    /// Every byte that it sends.
    ///
    /// # Panics
    /// If it does anything else.
    pub fn bytes(&self) -> Vec<u8> {
        let pieces = self.acts.iter().map(|act| match act {
            Act::Send(bytes) => bytes.as_slice(),
            _ => panic!("more than bytes in this answer"),
        });
        pieces.collect::<Vec<_>>().concat()
    }
}

fn head(status: &str, fields: &[(&str, &str)], last: &str) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("HTTP/1.1 {status}\r\n{fields}{last}\r\n")
}

/// Something that one thread waits for and another lets happen.
#[derive(Clone, Default)]
pub struct Gate {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    /// A closed one.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Lets everyone pass.
    pub fn open(&self) {
        *self.inner.0.lock().expect("a gate") = true;
        self.inner.1.notify_all();
    }

    /// Waits for [`Gate::open`], but not longer than twice the patience of the others, who then report the failure.
    pub fn wait(&self) {
        let limit: Duration = 2 * PATIENCE;
        let opened = self.inner.0.lock().expect("a gate");
        let _ = self
            .inner
            .1
            .wait_timeout_while(opened, limit, |opened| !*opened);
    }
}
