//! Finds the end of a head, and that its lines are whole.

use core::ops::Range;
use std::sync::LazyLock;

use memchr::memchr3;
use memchr::memmem::Finder;

use super::HeadError;

/// What one side's heads may measure.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a head, its last empty line included.
    pub bytes: usize,
    /// Field lines of a head.
    pub fields: usize,
    /// Empty lines before the first line that are passed over.
    pub empty_lines: usize,
}

/// For requests: four times what the largest recorded client sends. Old clients send an empty line after a form
/// (RFC 9112 §2.2).
pub const REQUEST_LIMITS: Limits = Limits {
    bytes: 32 * 1024,
    fields: 128,
    empty_lines: 1,
};

/// For answers: signed CDN URLs in `Location` have been seen with 16 KiB. What comes before the status line belongs to
/// another answer.
pub const RESPONSE_LIMITS: Limits = Limits {
    bytes: 128 * 1024,
    fields: 256,
    empty_lines: 0,
};

/// Finds the end of a head in a growing buffer, looking at each byte once.
#[derive(Debug)]
pub struct HeadScanner {
    limits: Limits,
    start: usize,
    line: usize,
    seen: usize,
    lines: usize,
}

/// What a [`HeadScanner`] has found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The whole head. What is before the range is an empty line to be dropped.
    Head(Range<usize>),
    /// No end yet; `new_lines` tells whether lines have ended since the last look, so that a parse may fail early.
    Partial {
        /// Whether one more line is whole.
        new_lines: bool,
    },
}

impl HeadScanner {
    /// A scanner for one head.
    pub fn new(limits: Limits) -> HeadScanner {
        HeadScanner {
            limits,
            start: 0,
            line: 0,
            seen: 0,
            lines: 0,
        }
    }

    /// Looks at `input`, which begins where it began at the last call and may have grown.
    pub fn find(&mut self, input: &[u8]) -> Result<Found, HeadError> {
        if let (0, Some(end)) = (self.seen, end_of_plain(input))
            && end <= self.limits.bytes
        {
            return Ok(Found::Head(0..end));
        }
        let lines_before = self.lines;
        while let Some(offset) = memchr3(b'\r', b'\n', 0, &input[self.seen..]) {
            let at = self.seen + offset;
            match (input[at], input.get(at + 1)) {
                (b'\n', _) => return Err(HeadError::BareLf),
                (0, _) => return Err(HeadError::Nul),
                (_, None) => {
                    self.seen = at;
                    return self.partial(input, lines_before);
                }
                (_, Some(b'\n')) => {
                    if let Some(head) = self.end_line(input, at)? {
                        return Ok(Found::Head(head));
                    }
                }
                _ => return Err(HeadError::BareCr),
            }
        }
        self.seen = input.len();
        self.partial(input, lines_before)
    }

    /// Where the head begins: after an empty line that was passed over.
    pub fn start(&self) -> usize {
        self.start
    }

    fn end_line(&mut self, input: &[u8], at: usize) -> Result<Option<Range<usize>>, HeadError> {
        let (first, line) = (self.lines == 0, &input[self.line..at]);
        self.seen = at + 2;
        self.line = at + 2;
        if self.line - self.start > self.limits.bytes {
            return Err(self.too_long());
        }
        match line.first() {
            None if !first => return Ok(Some(self.start..self.line)),
            None if self.start / 2 >= self.limits.empty_lines => return Err(HeadError::FirstLine),
            None => self.start = self.line,
            Some(b' ' | b'\t') if !first => return Err(HeadError::Fold),
            Some(_) => self.lines += 1,
        }
        Ok(None)
    }

    fn too_long(&self) -> HeadError {
        if self.lines == 0 {
            HeadError::FirstLineTooLong
        } else {
            HeadError::TooLong
        }
    }

    fn partial(&self, input: &[u8], lines_before: usize) -> Result<Found, HeadError> {
        if input.len() - self.start > self.limits.bytes {
            return Err(self.too_long());
        }
        if self.lines > self.limits.fields + 1 {
            return Err(HeadError::TooManyFields);
        }
        Ok(Found::Partial {
            new_lines: self.lines > lines_before,
        })
    }
}

/// The end of a head that is there as a whole and in which no line is remarkable. Most are so, and are looked at many bytes
/// at once; any other is for [`HeadScanner`] to look at line by line.
fn end_of_plain(input: &[u8]) -> Option<usize> {
    static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
    let end = END.find(input)? + 4;
    let head = &input[..end];
    let pairs = head.iter().zip(&head[1..]);
    let is_plain = pairs.fold(head[0] > b' ', |plain, (&this, &next)| {
        let is_whole_line = (this == b'\r') == (next == b'\n');
        let is_folded = (this == b'\n') & ((next == b' ') | (next == b'\t'));
        plain & is_whole_line & !is_folded & (this != 0)
    });
    is_plain.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` whole, then byte by byte, and asserts that both ways find the same.
    fn scan(input: &[u8], limits: Limits) -> Result<Found, HeadError> {
        let whole = HeadScanner::new(limits).find(input);
        let mut scanner = HeadScanner::new(limits);
        let mut last = Ok(Found::Partial { new_lines: false });
        for end in 0..=input.len() {
            last = scanner.find(&input[..end]);
            if !matches!(last, Ok(Found::Partial { .. })) {
                break;
            }
        }
        match (&whole, &last) {
            (Ok(Found::Partial { .. }), Ok(Found::Partial { .. })) => {}
            _ => assert_eq!(whole, last, "{}", input.escape_ascii()),
        }
        whole
    }

    #[test]
    fn heads_end_at_the_first_empty_line() {
        let cases: [(&[u8], Range<usize>); 4] = [
            (b"GET / HTTP/1.1\r\n\r\n", 0..18),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest\n", 0..24),
            (b"\r\nGET / HTTP/1.1\r\n\r\n", 2..20),
            (b"GET / HTTP/1.1\r\n\r\n\r\n\r\n", 0..18),
        ];
        for (input, range) in cases {
            assert_eq!(
                scan(input, REQUEST_LIMITS),
                Ok(Found::Head(range)),
                "{}",
                input.escape_ascii()
            );
        }
        for cut in 0..24 {
            let part = &b"GET / HTTP/1.1\r\nA: b\r\n\r\n"[..cut];
            assert!(
                matches!(scan(part, REQUEST_LIMITS), Ok(Found::Partial { .. })),
                "{cut}"
            );
        }
    }

    #[test]
    fn only_requests_may_follow_an_empty_line() {
        let answer = b"\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(scan(answer, REQUEST_LIMITS), Ok(Found::Head(2..21)));
        assert_eq!(scan(answer, RESPONSE_LIMITS), Err(HeadError::FirstLine));
    }

    #[test]
    fn line_ends_are_strict() {
        let cases: [(&[u8], HeadError); 9] = [
            (b"GET / HTTP/1.1\nHost: a\r\n\r\n", HeadError::BareLf),
            (b"GET / HTTP/1.1\r\nHost: a\n\r\n", HeadError::BareLf),
            (b"\nGET / HTTP/1.1\r\n\r\n", HeadError::BareLf),
            (b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", HeadError::BareCr),
            (b"GET / HTTP/1.1\r\r\n\r\n", HeadError::BareCr),
            (b"GET / HTTP/1.1\r\nA: \0\r\n\r\n", HeadError::Nul),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", HeadError::Fold),
            (b"GET / HTTP/1.1\r\n\tA: b\r\n\r\n", HeadError::Fold),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ];
        for (input, error) in cases {
            assert_eq!(
                scan(input, REQUEST_LIMITS),
                Err(error),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn limits_are_exact() {
        let limits = Limits {
            bytes: 40,
            fields: 2,
            empty_lines: 1,
        };
        let head = |value: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(value));
        assert_eq!(head(17).len(), 40);
        assert_eq!(scan(head(17).as_bytes(), limits), Ok(Found::Head(0..40)));
        assert_eq!(scan(head(18).as_bytes(), limits), Err(HeadError::TooLong));
        assert_eq!(
            scan(format!("\r\n{}", head(17)).as_bytes(), limits),
            Ok(Found::Head(2..42))
        );
        assert_eq!(
            scan("x".repeat(41).as_bytes(), limits),
            Err(HeadError::FirstLineTooLong)
        );
        assert!(matches!(
            scan(b"a\r\nb\r\nc\r\n", limits),
            Ok(Found::Partial { .. })
        ));
        assert_eq!(
            HeadScanner::new(limits).find(b"a\r\nb\r\nc\r\nd\r\n"),
            Err(HeadError::TooManyFields)
        );
    }
}
