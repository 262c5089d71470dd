//! Heads of requests and answers: found within limits, parsed by `httparse`, kept as bytes and offsets (RFC 9112 §2–§5).
//!
//! Stricter than the parser below it: every line ends in CRLF, nothing is folded, and no CR, LF or NUL stands anywhere else.

use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use httparse::{Header, Status};
use memchr::memchr3;
use memchr::memmem::Finder;

use super::fields::{Fields, Span, Spans};

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

/// HTTP/1.0 or HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// No persistent connections, no chunked bodies.
    Http10,
    /// RFC 9112.
    Http11,
}

/// Why a head is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// A line feed without a carriage return before it.
    BareLf,
    /// A carriage return without a line feed after it.
    BareCr,
    /// A NUL.
    Nul,
    /// A field line that goes on in the next (RFC 9112 §5.2).
    Fold,
    /// More bytes than the limit, before its first line has ended.
    FirstLineTooLong,
    /// More bytes than the limit.
    TooLong,
    /// More fields than the limit.
    TooManyFields,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A status below 100 or above 599.
    StatusCode,
    /// A first line that is none.
    FirstLine,
    /// A field name or value with a byte that may not be there, or white space before the colon.
    Field,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeadError::BareLf => "a line ends in LF without CR",
            HeadError::BareCr => "a CR stands without LF",
            HeadError::Nul => "a NUL stands in the head",
            HeadError::Fold => "a field line is folded",
            HeadError::FirstLineTooLong => "the first line is too long",
            HeadError::TooLong => "the head is too long",
            HeadError::TooManyFields => "the head has too many fields",
            HeadError::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
            HeadError::StatusCode => "the status code is not from 100 to 599",
            HeadError::FirstLine => "the first line is malformed",
            HeadError::Field => "a field line is malformed",
        })
    }
}

impl std::error::Error for HeadError {}

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

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Its fields.
    pub fields: Fields,
    /// Its version.
    pub version: Version,
    method: Span,
    target: Span,
}

impl RequestHead {
    /// Parses a whole head, as [`HeadScanner`] has found it.
    pub fn parse(bytes: Bytes) -> Result<RequestHead, HeadError> {
        let mut room = [const { MaybeUninit::uninit() }; REQUEST_LIMITS.fields];
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed
            .parse_with_uninit_headers(&bytes, &mut room)
            .map_err(|error| in_request(error, &bytes))?;
        let (Status::Complete(_), Some(method), Some(target), Some(version)) =
            (status, parsed.method, parsed.path, parsed.version)
        else {
            return Err(HeadError::FirstLine);
        };
        // Without an early end, as in `has_control`.
        if !target.bytes().fold(true, |is, b| is & b.is_ascii_graphic()) {
            return Err(HeadError::FirstLine);
        }
        check_values(parsed.headers, &bytes)?;
        let (method, target) = (
            Span::of(method.as_bytes(), &bytes),
            Span::of(target.as_bytes(), &bytes),
        );
        let lines = Spans::all(parsed.headers, &bytes);
        Ok(RequestHead {
            version: from_minor(version),
            method,
            target,
            fields: Fields::new(bytes, lines),
        })
    }

    /// Whether what has come of a head so far can still become one.
    pub fn check_partial(bytes: &[u8]) -> Result<(), HeadError> {
        let mut room = [const { MaybeUninit::uninit() }; REQUEST_LIMITS.fields];
        httparse::Request::new(&mut [])
            .parse_with_uninit_headers(bytes, &mut room)
            .map(drop)
            .map_err(|error| in_request(error, bytes))
    }

    /// The method, as written: methods have case.
    pub fn method(&self) -> &[u8] {
        self.method.within(self.fields.head())
    }

    /// The request target, as written; printable ASCII without blanks.
    pub fn target(&self) -> &str {
        str::from_utf8(self.target.within(self.fields.head())).unwrap_or_default()
    }

    /// Whether the client will use the connection again (RFC 9112 §9.3).
    pub fn wants_keep_alive(&self) -> bool {
        keep_alive(self.version, &self.fields)
    }
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// Its fields.
    pub fields: Fields,
    /// Its version.
    pub version: Version,
    /// Its status, 100 to 599.
    pub status: u16,
    reason: Span,
}

impl ResponseHead {
    /// Parses a whole head, as [`HeadScanner`] has found it.
    pub fn parse(bytes: Bytes) -> Result<ResponseHead, HeadError> {
        let mut room = [const { MaybeUninit::uninit() }; RESPONSE_LIMITS.fields];
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, &bytes, &mut room)
            .map_err(from_httparse)?;
        let (Status::Complete(_), Some(code), Some(version)) =
            (status, parsed.code, parsed.version)
        else {
            return Err(HeadError::FirstLine);
        };
        if !(100..600).contains(&code) {
            return Err(HeadError::StatusCode);
        }
        check_values(parsed.headers, &bytes)?;
        let reason = Span::of(parsed.reason.unwrap_or_default().as_bytes(), &bytes);
        let lines = Spans::all(parsed.headers, &bytes);
        Ok(ResponseHead {
            version: from_minor(version),
            status: code,
            reason,
            fields: Fields::new(bytes, lines),
        })
    }

    /// The reason phrase, as written; may be empty.
    pub fn reason(&self) -> &[u8] {
        self.reason.within(self.fields.head())
    }

    /// Whether the server leaves the connection open (RFC 9112 §9.3).
    pub fn allows_keep_alive(&self) -> bool {
        keep_alive(self.version, &self.fields)
    }
}

fn keep_alive(version: Version, fields: &Fields) -> bool {
    !fields.has_element("connection", "close")
        && (version == Version::Http11 || fields.has_element("connection", "keep-alive"))
}

fn from_minor(minor: u8) -> Version {
    if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    }
}

/// `httparse` takes a few control bytes in values that RFC 9110 §5.5 does not.
fn check_values(fields: &[Header<'_>], head: &[u8]) -> Result<(), HeadError> {
    // Hardly any head has one anywhere, which is soon seen of the whole.
    let is_sound = |field: &Header<'_>| !has_control(field.value, b"");
    if !has_control(head, b"\r\n") || fields.iter().all(is_sound) {
        Ok(())
    } else {
        Err(HeadError::Field)
    }
}

/// Whether a control byte stands there, other than a tab and `allowed`.
fn has_control(bytes: &[u8], allowed: &[u8]) -> bool {
    // Without an early end, so that the compiler can look at many bytes at once.
    bytes.iter().fold(false, |has, &b| {
        let is_allowed = allowed.iter().fold(b == b'\t', |is, &one| is | (b == one));
        has | (!is_allowed & ((b < b' ') | (b == 0x7f)))
    })
}

/// `httparse` misses a version in whatever a request line ends in; only what has the form of one can be one that is not
/// spoken here (RFC 9112 §2.3, RFC 9110 §15.6.6).
fn in_request(error: httparse::Error, head: &[u8]) -> HeadError {
    let line = head.split(|&b| b == b'\r').next().unwrap_or_default();
    let last = line.splitn(3, |&b| b == b' ').nth(2).unwrap_or_default();
    let is_version = matches!(last.strip_prefix(b"HTTP/"), Some([major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit());
    match from_httparse(error) {
        HeadError::Version if !is_version => HeadError::FirstLine,
        error => error,
    }
}

fn from_httparse(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::Version => HeadError::Version,
        httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => {
            HeadError::Field
        }
        httparse::Error::Status | httparse::Error::Token => HeadError::FirstLine,
    }
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

    #[test]
    fn the_field_limit_is_exact() {
        let request = |count: usize| {
            Bytes::from(format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(count)))
        };
        assert_eq!(
            RequestHead::parse(request(128))
                .unwrap()
                .fields
                .iter()
                .count(),
            128
        );
        assert_eq!(
            RequestHead::parse(request(129)).unwrap_err(),
            HeadError::TooManyFields
        );
        let answer = |count: usize| {
            Bytes::from(format!(
                "HTTP/1.1 200 OK\r\n{}\r\n",
                "a:b\r\n".repeat(count)
            ))
        };
        assert_eq!(
            ResponseHead::parse(answer(256))
                .unwrap()
                .fields
                .iter()
                .count(),
            256
        );
        assert_eq!(
            ResponseHead::parse(answer(257)).unwrap_err(),
            HeadError::TooManyFields
        );
    }

    #[test]
    fn requests_are_parsed() {
        let head = RequestHead::parse(Bytes::from_static(
            b"GET /v2/?ns=docker.io HTTP/1.1\r\nHost: a\r\nX-Obs: \xff\r\nEmpty:\r\n\r\n",
        ))
        .unwrap();
        assert_eq!(
            (head.method(), head.target(), head.version),
            (&b"GET"[..], "/v2/?ns=docker.io", Version::Http11)
        );
        assert_eq!(head.fields.first("x-obs"), Some(&b"\xff"[..]));
        assert_eq!(head.fields.first("empty"), Some(&b""[..]));
    }

    #[test]
    fn malformed_requests_are_refused() {
        let cases: [(&str, HeadError); 16] = [
            ("GET / HTTP/2.0\r\n\r\n", HeadError::Version),
            ("GET / HTTP/1.2\r\n\r\n", HeadError::Version),
            ("GET / http/1.1\r\n\r\n", HeadError::FirstLine),
            ("GET /  HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("GET / HTTP/1\r\n\r\n", HeadError::FirstLine),
            ("GET  / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("GET / HTTP/1.1 \r\n\r\n", HeadError::Field),
            ("GET /\r\n\r\n", HeadError::FirstLine),
            (" GET / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("G(T / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("GET /\u{fc} HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("GET /\t HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("GET / HTTP/1.1\r\nA : b\r\n\r\n", HeadError::Field),
            ("GET / HTTP/1.1\r\nA b\r\n\r\n", HeadError::Field),
            ("GET / HTTP/1.1\r\n: b\r\n\r\n", HeadError::Field),
            ("GET / HTTP/1.1\r\nA: \x0b\r\n\r\n", HeadError::Field),
        ];
        for (head, error) in cases {
            assert_eq!(
                RequestHead::parse(Bytes::from(head)).unwrap_err(),
                error,
                "{}",
                head.escape_debug()
            );
        }
    }

    #[test]
    fn a_broken_beginning_is_seen_early() {
        assert_eq!(
            RequestHead::check_partial(b"GET / HTTP/1.1\r\nHost: a\r\n"),
            Ok(())
        );
        assert_eq!(
            RequestHead::check_partial(b"GARBAGE\r\n"),
            Err(HeadError::FirstLine)
        );
        assert_eq!(
            RequestHead::check_partial(b"GET / HTTP/1.1\r\nA : b\r\n"),
            Err(HeadError::Field)
        );
    }

    #[test]
    fn answers_are_parsed() {
        let cases: [(&str, u16, &str, Version); 4] = [
            (
                "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
                200,
                "OK",
                Version::Http11,
            ),
            (
                "HTTP/1.0 404 Not Found\r\n\r\n",
                404,
                "Not Found",
                Version::Http10,
            ),
            ("HTTP/1.1 206\r\n\r\n", 206, "", Version::Http11),
            ("HTTP/1.1 599 \r\n\r\n", 599, "", Version::Http11),
        ];
        for (head, status, reason, version) in cases {
            let head = ResponseHead::parse(Bytes::from(head)).unwrap();
            assert_eq!(
                (head.status, head.reason(), head.version),
                (status, reason.as_bytes(), version)
            );
        }
        let bad = [
            ("HTTP/1.1 20 OK\r\n\r\n", HeadError::FirstLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", HeadError::FirstLine),
            ("HTTP/1.1 099 OK\r\n\r\n", HeadError::StatusCode),
            ("HTTP/1.1 600 OK\r\n\r\n", HeadError::StatusCode),
            ("HTTP/2 200 OK\r\n\r\n", HeadError::Version),
            ("SSH-2.0-OpenSSH\r\n\r\n", HeadError::Version),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HeadError::Field),
            ("HTTP/1.1 200 OK\r\nA\r\n\r\n", HeadError::Field),
        ];
        for (head, error) in bad {
            assert_eq!(
                ResponseHead::parse(Bytes::from(head)).unwrap_err(),
                error,
                "{}",
                head.escape_debug()
            );
        }
    }

    #[test]
    fn persistence_follows_version_and_options() {
        let cases = [
            ("HTTP/1.1", "", true),
            ("HTTP/1.1", "Connection: close\r\n", false),
            ("HTTP/1.1", "Connection: keep-alive, Close\r\n", false),
            ("HTTP/1.0", "", false),
            ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
            (
                "HTTP/1.0",
                "Connection: keep-alive\r\nConnection: close\r\n",
                false,
            ),
        ];
        for (version, field, kept) in cases {
            let request =
                RequestHead::parse(Bytes::from(format!("GET / {version}\r\n{field}\r\n"))).unwrap();
            assert_eq!(request.wants_keep_alive(), kept, "{version} {field}");
            let answer =
                ResponseHead::parse(Bytes::from(format!("{version} 200 OK\r\n{field}\r\n")))
                    .unwrap();
            assert_eq!(answer.allows_keep_alive(), kept, "{version} {field}");
        }
    }
}
