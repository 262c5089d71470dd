//! Heads written anew from parsed parts (RFC 9112 §2.1): nothing of a received head is copied as a whole.

use core::fmt::{self, Write};

use memchr::memchr3;

use super::fields::FieldLine;

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
        for part in [
            b"HTTP/1.1 ",
            Digits::of(status.into()).as_ref(),
            b" ",
            reason,
            b"\r\n",
        ] {
            head.bytes.extend_from_slice(part);
        }
        head
    }

    /// Adds a field as it was received.
    pub fn copy(&mut self, line: FieldLine<'_>) {
        if let Some(whole) = line.as_written() {
            self.bytes.extend_from_slice(whole);
        } else {
            for part in [line.name, b": ", line.value] {
                self.bytes.extend_from_slice(part);
            }
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Adds a field. One whose name or value could end a line is left out: better a field less than a head more.
    pub fn field(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.joined(name, &[value]);
    }

    /// Adds a field whose value stands in several parts, with the same care.
    pub fn joined(&mut self, name: impl AsRef<[u8]>, value: &[impl AsRef<[u8]>]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.as_ref());
        self.bytes.extend_from_slice(b": ");
        for part in value {
            self.bytes.extend_from_slice(part.as_ref());
        }
        self.end_field(start);
    }

    /// Adds a field whose value is a number.
    pub fn number(&mut self, name: &str, value: u64) {
        self.field(name, Digits::of(value));
    }

    /// Adds a field whose value is to be formatted, with the same care.
    pub fn field_of(&mut self, name: &str, value: impl fmt::Display) {
        let start = self.bytes.len();
        self.text(format_args!("{name}: {value}"));
        self.end_field(start);
    }

    /// Ends the head.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes
    }

    /// Ends the field that begins at `start`, or takes it back.
    fn end_field(&mut self, start: usize) {
        if memchr3(b'\r', b'\n', 0, &self.bytes[start..]).is_some() {
            self.bytes.truncate(start);
        } else {
            self.bytes.extend_from_slice(b"\r\n");
        }
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

/// A number in decimal, without the formatter's detours.
struct Digits {
    /// The digits are at the end.
    digits: [u8; 20],
    start: usize,
}

impl Digits {
    fn of(mut number: u64) -> Digits {
        let (mut digits, mut start) = ([b'0'; 20], 20);
        while number > 0 || start == digits.len() {
            start -= 1;
            digits[start] += u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
        Digits { digits, start }
    }
}

impl AsRef<[u8]> for Digits {
    fn as_ref(&self) -> &[u8] {
        &self.digits[self.start..]
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
        head.number("Content-Length", 17);
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
    fn a_field_is_copied_with_one_blank_whatever_stood_around_its_value() {
        let sent = "GET / HTTP/1.1\r\nA: 1\r\nB:2\r\nC:  3\r\nD:\t4\r\nE: 5, 6 \r\nF:\r\nG: \r\nH:  \r\n\r\n";
        let sent = RequestHead::parse(sent.into()).unwrap();
        let mut head = HeadWriter::answer(200, b"OK");
        let mut as_written = Vec::new();
        for line in sent.fields.end_to_end() {
            as_written.extend(line.as_written());
            head.copy(line);
        }
        assert_eq!(as_written, [&b"A: 1"[..], b"E: 5, 6", b"G: "]);
        let copied = "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5, 6\r\nF: \r\nG: \r\nH: \r\n";
        let whole = format!("HTTP/1.1 200 OK\r\n{copied}\r\n");
        assert_eq!(String::from_utf8(head.finish()), Ok(whole));
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

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 206, u64::MAX - 1, u64::MAX] {
            assert_eq!(Digits::of(number).as_ref(), number.to_string().as_bytes());
        }
    }
}
