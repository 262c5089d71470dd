//! Field lines of a head: kept in order and with their repeats, looked up without case (RFC 9110 §5).

use bytes::Bytes;

use super::names::{Names, bit};

/// The field lines of one head. Borrows nothing: the bytes of the head are here.
#[derive(Clone, Debug)]
pub struct Fields {
    bytes: Bytes,
    lines: Vec<Spans>,
    /// A [`bit`] for each length that a name here has: most names that are looked up are told to be missing by theirs alone.
    lengths: u64,
}

/// Where one field line lies in the bytes of its head, whose limits keep every offset within 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    name: Span,
    value: Span,
}

impl Spans {
    /// The places of what `httparse` found in `head`.
    pub(super) fn all(parsed: &[httparse::Header<'_>], head: &[u8]) -> Vec<Spans> {
        let place = |field: &httparse::Header<'_>| Spans {
            name: Span::of(field.name.as_bytes(), head),
            value: Span::of(field.value, head),
        };
        parsed.iter().map(place).collect()
    }

    fn whole(self) -> Span {
        Span {
            start: self.name.start,
            end: self.value.end.max(self.name.end),
        }
    }
}

/// One field line of a head that has been parsed: neither part holds a CR, an LF or a NUL.
#[derive(Clone, Copy, Debug)]
pub struct FieldLine<'a> {
    /// The name as it was written.
    pub name: &'a [u8],
    /// The value without the blanks around it.
    pub value: &'a [u8],
    /// Both, and what stands between them.
    line: &'a [u8],
    _parsed: Parsed,
}

impl<'a> FieldLine<'a> {
    /// Both parts as they came, if nothing but a colon and one blank stands between them: as fields are written.
    pub fn as_written(&self) -> Option<&'a [u8]> {
        let between = self.line.get(self.name.len()..)?.strip_suffix(self.value)?;
        (between == b": ").then_some(self.line)
    }
}

/// Nothing outside this file can say so of a line.
#[derive(Clone, Copy, Debug)]
struct Parsed;

/// A part of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The place of `part` in `whole`, of which it is a slice.
    pub(super) fn of(part: &[u8], whole: &[u8]) -> Span {
        let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        let clamp = |offset: usize| u32::try_from(offset.min(whole.len())).unwrap_or(u32::MAX);
        Span {
            start: clamp(start),
            end: clamp(start + part.len()),
        }
    }

    fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub(super) fn within(self, whole: &[u8]) -> &[u8] {
        &whole[self.start as usize..self.end as usize]
    }
}

/// A field that may stand once stood more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl Fields {
    /// The fields of a head that lie at these places in it.
    pub(super) fn new(bytes: Bytes, lines: Vec<Spans>) -> Fields {
        let lengths = lines.iter().fold(0, |all, line| all | bit(line.name.len()));
        Fields {
            bytes,
            lines,
            lengths,
        }
    }

    /// The head to which they belong.
    pub(super) fn head(&self) -> &[u8] {
        &self.bytes
    }

    /// All fields in order: names as written, values without the blanks around them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| {
            (
                line.name.within(&self.bytes),
                line.value.within(&self.bytes),
            )
        })
    }

    /// The values of every field of this name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let is_it = move |line: &&Spans| {
            // Most names are told apart by their length, without a look at the head.
            line.name.len() == name.len()
                && line
                    .name
                    .within(&self.bytes)
                    .eq_ignore_ascii_case(name.as_bytes())
        };
        let candidates = match self.lengths & bit(name.len()) {
            0 => &[],
            _ => &self.lines[..],
        };
        let lines = candidates.iter().filter(is_it);
        lines.map(|line| line.value.within(&self.bytes))
    }

    /// The value of the first field of this name.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The value of a field that may stand once.
    pub fn only(&self, name: &str) -> Result<Option<&[u8]>, Repeated> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            Err(Repeated)
        } else {
            Ok(value)
        }
    }

    /// The value of the first field of this name, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.first(name)?).ok()
    }

    /// Whether a field of this name stands there.
    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The elements of a comma-separated list over all fields of this name, empty ones left out (RFC 9110 §5.6.1).
    pub fn elements(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.all(name)
            .flat_map(|value| value.split(|&b| b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|e| !e.is_empty())
    }

    /// Whether a list field has this element, without case.
    pub fn has_element(&self, name: &str, element: &str) -> bool {
        self.elements(name)
            .any(|other| other.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// The end-to-end fields: without those that belong to one connection, by their nature or because `Connection`
    /// names them (RFC 9110 §7.6.1).
    pub fn end_to_end(&self) -> impl Iterator<Item = FieldLine<'_>> {
        let names_more = self
            .elements("connection")
            .any(|option| !is_usual_option(option));
        let is_named = move |name: &[u8]| {
            names_more
                && self
                    .elements("connection")
                    .any(|option| option.eq_ignore_ascii_case(name))
        };
        let lines = self.lines.iter().map(|line| FieldLine {
            name: line.name.within(&self.bytes),
            value: line.value.within(&self.bytes),
            line: line.whole().within(&self.bytes),
            _parsed: Parsed,
        });
        lines.filter(move |line| !HOP_BY_HOP.has(line.name) && !is_named(line.name))
    }
}

/// The options that nearly every `Connection` field has, none of which names a field that [`HOP_BY_HOP`] does not.
fn is_usual_option(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive")
}

/// Fields that never pass a proxy, whether or not `Connection` names them (RFC 9110 §7.6.1, RFC 9112 §6.1).
const HOP_BY_HOP: Names<9> = Names::new([
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
]);

#[cfg(test)]
mod tests {
    use super::super::head::RequestHead;
    use super::*;

    fn fields(lines: &str) -> Fields {
        let head = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        RequestHead::parse(Bytes::from(head)).unwrap().fields
    }

    fn names(fields: &Fields) -> Vec<String> {
        fields
            .end_to_end()
            .map(|line| String::from_utf8_lossy(line.name).into_owned())
            .collect()
    }

    #[test]
    fn lookups_ignore_case_and_keep_order() {
        let fields = fields("Accept: a\r\nHOST: x\r\naccept:  b \r\nACCEPT:\r\n");
        assert_eq!(
            fields.all("accept").collect::<Vec<_>>(),
            [&b"a"[..], b"b", b""]
        );
        assert_eq!(fields.first("Accept"), Some(&b"a"[..]));
        assert_eq!(fields.only("accept"), Err(Repeated));
        assert_eq!(fields.only("host"), Ok(Some(&b"x"[..])));
        assert_eq!(fields.only("range"), Ok(None));
        assert!(fields.contains("hOsT") && !fields.contains("hos"));
    }

    #[test]
    fn lists_span_fields() {
        let fields = fields("Connection: close, ,X-A\r\nconnection: ,\tx-b \r\n");
        assert_eq!(
            fields.elements("connection").collect::<Vec<_>>(),
            [&b"close"[..], b"X-A", b"x-b"]
        );
        assert!(fields.has_element("connection", "CLOSE"));
        assert!(!fields.has_element("connection", "x"));
    }

    #[test]
    fn what_belongs_to_one_connection_stays_there() {
        let all = fields(
            "Host: a\r\nConnection: keep-alive, X-Secret\r\nx-secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: X\r\n\
             Upgrade: h2c\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\nProxy-Connection: x\r\nTransfer-Encoding: chunked\r\nX-Kept: 2\r\n",
        );
        assert_eq!(names(&all), ["Host", "X-Kept"]);
        assert_eq!(
            names(&fields("A: 1\r\nConnection: close\r\nB: 2\r\n")),
            ["A", "B"]
        );
        assert_eq!(
            names(&fields(
                "A: 1\r\nConnection: b\r\nConnection: a\r\nB: 2\r\nC: 3\r\n"
            )),
            ["C"]
        );
    }
}
