//! A blob that is served whole and in ranges, and breaks off where the test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::wire::answer::Act;
use crate::wire::{Answer, Request};

/// A blob and how its answers break off.
#[derive(Clone)]
pub struct Blob {
    bytes: Arc<Vec<u8>>,
    asked: Arc<AtomicUsize>,
    /// For each answer in turn: after how many bytes of its body it ends, and how. Later ones are whole.
    breaks: Arc<Vec<(usize, Act)>>,
}

impl Blob {
    /// A blob whose answers break off in turn.
    pub fn new(bytes: &[u8], breaks: Vec<(usize, Act)>) -> Blob {
        Blob {
            bytes: Arc::new(bytes.to_vec()),
            asked: Arc::default(),
            breaks: Arc::new(breaks),
        }
    }

    /// The answer to a request for it, by its `Range`.
    pub fn answer(&self, request: &Request) -> Answer {
        self.answer_with(request, &[])
    }

    /// The same with these fields.
    pub fn answer_with(&self, request: &Request, fields: &[(&str, &str)]) -> Answer {
        let total = self.bytes.len();
        let fields = [&[("Content-Type", "application/octet-stream")], fields].concat();
        let answer = match request.head.one("range").map(|range| span(range, total)) {
            None => Answer::new("200 OK", &fields, &*self.bytes),
            Some((first, last)) => {
                let range = format!("bytes {first}-{last}/{total}");
                let fields = [&[("Content-Range", range.as_str())], &*fields].concat();
                Answer::new("206 Partial Content", &fields, &self.bytes[first..=last])
            }
        };
        self.break_off(answer)
    }

    /// The whole, whatever `Range` says.
    pub fn whole(&self) -> Answer {
        self.break_off(Answer::ok(&*self.bytes))
    }

    fn break_off(&self, answer: Answer) -> Answer {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.breaks.get(turn) {
            None => answer,
            Some((at, how)) => {
                let bytes = answer.bytes();
                let body = bytes
                    .windows(4)
                    .position(|four| four == b"\r\n\r\n")
                    .expect("a head")
                    + 4;
                answer.cut(body + at, how.clone())
            }
        }
    }
}

/// First and last byte of `bytes=A-` or `bytes=A-B`.
fn span(range: &str, total: usize) -> (usize, usize) {
    let (first, last) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .expect("one range");
    let last = if last.is_empty() {
        total - 1
    } else {
        last.parse().expect("a number")
    };
    (first.parse().expect("a number"), last)
}
