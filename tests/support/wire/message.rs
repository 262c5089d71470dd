//! HTTP/1.1 messages, taken apart without mercy: what a careful peer would refuse is a panic here.

use std::fmt;
use std::io::{Read, Write};

use super::stream::{Closing, Wire};

/// A head as it stood on the wire.
#[derive(Clone)]
pub struct Head {
    /// Every byte, the empty line included.
    pub raw: Vec<u8>,
    /// The request line or status line.
    pub start: String,
    /// Names and values in order, repeats kept.
    pub fields: Vec<(String, String)>,
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.raw))
    }
}

impl Head {
    /// Takes a complete head apart.
    ///
    /// # Panics
    /// If it is not exactly what RFC 9112 lets a sender generate.
    pub fn parse(raw: &[u8]) -> Head {
        let text = String::from_utf8_lossy(raw);
        let inner = text
            .strip_suffix("\r\n\r\n")
            .expect("an empty line after a head");
        let mut lines = inner.split("\r\n");
        let start = lines.next().expect("a start line").to_owned();
        let fields = lines.map(|line| field(line, &text)).collect();
        assert!(
            !inner.replace("\r\n", "").contains(['\r', '\n', '\0']),
            "bare CR, LF or NUL in {text:?}"
        );
        Head {
            raw: raw.to_vec(),
            start,
            fields,
        }
    }

    /// The value of a field that occurs at most once.
    ///
    /// # Panics
    /// If it is repeated.
    pub fn one(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} is repeated: {values:?}");
        values.first().copied()
    }

    /// Every value of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a field occurs.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The request's method.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().expect("a method")
    }

    /// The request's target.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).expect("a target")
    }

    /// The response's status.
    pub fn status(&self) -> u16 {
        let (version, rest) = self.start.split_once(' ').expect("a status line");
        assert!(
            version == "HTTP/1.1" || version == "HTTP/1.0",
            "status line {:?}",
            self.start
        );
        let (code, _reason) = rest.split_once(' ').expect("a blank before the reason");
        assert!(code.len() == 3, "status line {:?}", self.start);
        code.parse().expect("a status of three digits")
    }
}

fn field(line: &str, head: &str) -> (String, String) {
    let (name, value) = line
        .split_once(':')
        .unwrap_or_else(|| panic!("no colon in {line:?} of {head:?}"));
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(
        !name.is_empty() && name.bytes().all(token),
        "field name {name:?} in {head:?}"
    );
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// Content-Length.
    Length(usize),
    /// Chunked.
    Chunked,
    /// The connection's end.
    UntilClose,
}

impl Framing {
    /// The framing of an answer to `method` (RFC 9112 §6.3).
    pub fn of_response(method: &str, head: &Head) -> Framing {
        let declared = Framing::declared(head);
        let status = head.status();
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Framing::None;
        }
        declared.unwrap_or(Framing::UntilClose)
    }

    /// The framing of a request.
    pub fn of_request(head: &Head) -> Framing {
        Framing::declared(head).unwrap_or(Framing::None)
    }

    fn declared(head: &Head) -> Option<Framing> {
        let (length, coding) = (head.one("Content-Length"), head.one("Transfer-Encoding"));
        assert!(
            length.is_none() || coding.is_none(),
            "both lengths in {head:?}"
        );
        if let Some(coding) = coding {
            assert_eq!(coding, "chunked", "Transfer-Encoding");
            return Some(Framing::Chunked);
        }
        length.map(|digits| {
            assert!(
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
                "{digits:?}"
            );
            Framing::Length(digits.parse().expect("a length"))
        })
    }
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing says.
    Complete,
    /// The connection ended before that.
    Cut(Closing),
}

/// Reads one body and says how it ended.
pub fn read_body<S: Read + Write>(wire: &mut Wire<S>, framing: Framing) -> (Vec<u8>, End) {
    let mut body = Vec::new();
    let read = match framing {
        Framing::None => Ok(()),
        Framing::Length(length) => wire.take(length, &mut body),
        Framing::Chunked => read_chunks(wire, &mut body),
        Framing::UntilClose => match wire.take(usize::MAX, &mut body) {
            Err(Closing::Fin) => Ok(()),
            other => other,
        },
    };
    (body, read.map_or_else(End::Cut, |()| End::Complete))
}

/// Neither extensions nor trailers: docxy drops them, and nothing in these tests sends them to the server.
fn read_chunks<S: Read + Write>(wire: &mut Wire<S>, body: &mut Vec<u8>) -> Result<(), Closing> {
    loop {
        let line = wire.line()?;
        assert!(
            (1..=16).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "chunk size line {line:?}"
        );
        let size = usize::from_str_radix(&line, 16).expect("hex digits");
        wire.take(size, body)?;
        let end = wire.line()?;
        assert_eq!(end, "", "after a chunk of {size} bytes");
        if size == 0 {
            return Ok(());
        }
    }
}
