//! Heads written anew from parsed parts (RFC 9112 §2.1): nothing of a received head is copied as a whole.

use core::fmt::{self, Write};

use memchr::memchr3;

/// A head that is being written.
#[derive(Debug)]
pub struct HeadWriter {
    bytes: Vec<u8>,
}

/// Room for a usual head, so that writing one allocates once.
const USUAL_HEAD: usize = 1024;

impl HeadWriter {
    /// Begins a request. `method` and `target` come from parsed parts and hold no blank.
    pub fn request(method: &[u8], target: &str) -> HeadWriter {
        let mut head = HeadWriter {
            bytes: Vec::with_capacity(USUAL_HEAD),
        };
        for part in [method, b" ", target.as_bytes(), b" HTTP/1.1\r\n"] {
            head.bytes.extend_from_slice(part);
        }
        head
    }

    /// Begins an answer. An intermediary answers in its own version, whatever that of the request (RFC 9110 §2.5).
    pub fn answer(status: u16, reason: &[u8]) -> HeadWriter {
        let mut head = HeadWriter {
            bytes: Vec::with_capacity(USUAL_HEAD),
        };
        head.text(format_args!("HTTP/1.1 {status} "));
        head.bytes.extend_from_slice(reason);
        head.bytes.extend_from_slice(b"\r\n");
        head
    }

    /// Adds a field. One whose name or value could end a line is left out: better a field less than a head more.
    pub fn field(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        let splits = |part: &[u8]| memchr3(b'\r', b'\n', 0, part).is_some();
        if splits(value) || splits(name) {
            return;
        }
        for part in [name, b": ", value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
    }

    /// Adds a field whose value is to be formatted, with the same care.
    pub fn field_of(&mut self, name: &str, value: impl fmt::Display) {
        let start = self.bytes.len();
        self.text(format_args!("{name}: {value}"));
        if memchr3(b'\r', b'\n', 0, &self.bytes[start..]).is_some() {
            self.bytes.truncate(start);
            return;
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Ends the head.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes
    }

    fn text(&mut self, text: fmt::Arguments<'_>) {
        // Writing to memory cannot fail.
        let _ = self.write_fmt(text);
    }
}

impl fmt::Write for HeadWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::{RequestHead, ResponseHead};
    use super::*;

    #[test]
    fn what_is_written_parses_again() {
        let mut head = HeadWriter::request(b"GET", "/v2/?n=1");
        head.field("Host", "a.test");
        head.field(b"X-Obs", b"\xff\xfe");
        head.field_of("Content-Length", 17);
        let head = RequestHead::parse(head.finish().into()).unwrap();
        assert_eq!((head.method(), head.target()), (&b"GET"[..], "/v2/?n=1"));
        assert_eq!(
            head.fields.iter().collect::<Vec<_>>(),
            [
                (&b"Host"[..], &b"a.test"[..]),
                (b"X-Obs", b"\xff\xfe"),
                (b"Content-Length", b"17")
            ]
        );
        let head = ResponseHead::parse(HeadWriter::answer(206, b"Partial Content").finish().into())
            .unwrap();
        assert_eq!((head.status, head.reason()), (206, &b"Partial Content"[..]));
        let head = ResponseHead::parse(HeadWriter::answer(299, b"").finish().into()).unwrap();
        assert_eq!((head.status, head.reason()), (299, &b""[..]));
    }

    #[test]
    fn no_field_can_split_a_head() {
        for bad in ["a\r\nX: y", "a\nb", "a\rb", "a\0b"] {
            let mut head = HeadWriter::answer(200, b"OK");
            head.field("A", bad);
            head.field_of("B", bad);
            head.field(bad, "c");
            assert_eq!(
                head.finish(),
                b"HTTP/1.1 200 OK\r\n\r\n",
                "{}",
                bad.escape_debug()
            );
        }
    }
}
