//! HTTP/1.1 read by the letter and on its own, to judge what docxy has made of the same bytes, and what it writes itself.

use memchr::memmem;

/// A head.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Its first line.
    pub(super) line: String,
    /// Its fields, the names in lower case.
    fields: Vec<(String, Vec<u8>)>,
    /// Its length.
    pub(super) length: usize,
}

/// How a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To its end.
    Whole,
    /// More may come.
    Partial,
    /// What comes next is malformed.
    Broken,
}

/// A message as far as it has come.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// Its body without framing.
    pub(super) body: Vec<u8>,
    /// How far the body has come.
    pub(super) state: State,
    /// Bytes from the start of the head to the end of what is known of it.
    pub(super) length: usize,
}

/// What is there is no message.
#[derive(Debug)]
pub(super) struct Malformed;

impl Head {
    /// Reads a head; `None` if its end is not there.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = &bytes[..end];
        let mut lines = Vec::new();
        let mut start = 0;
        for at in memmem::find_iter(text, b"\r\n") {
            lines.push(&text[start..at]);
            start = at + 2;
        }
        lines.push(&text[start..]);
        let is_plain = |line: &&[u8]| line.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f));
        if !lines.iter().all(is_plain) {
            return Err(Malformed);
        }
        let fields = lines[1..].iter().map(|line| field(line));
        Ok(Some(Head {
            line: String::from_utf8_lossy(lines[0]).into_owned(),
            fields: fields.collect::<Result<_, _>>()?,
            length: end + 4,
        }))
    }

    pub(super) fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.fields.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| &value[..]).collect()
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.fields.iter()
    }

    pub(super) fn closes(&self) -> bool {
        let values = self.all("connection").join(&b',').to_ascii_lowercase();
        values
            .split(|&b| b == b',')
            .any(|option| option.trim_ascii() == b"close")
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> Result<u16, Malformed> {
        let mut words = self.line.splitn(3, ' ');
        if !matches!(words.next(), Some("HTTP/1.1" | "HTTP/1.0")) {
            return Err(Malformed);
        }
        let code = words
            .next()
            .filter(|code| code.len() == 3)
            .ok_or(Malformed)?;
        let status = code.parse().map_err(|_| Malformed)?;
        if (100..600).contains(&status) {
            Ok(status)
        } else {
            Err(Malformed)
        }
    }

    /// Method and target of a request.
    pub(super) fn request(&self) -> Result<(&str, &str), Malformed> {
        let words: Vec<&str> = self.line.split(' ').collect();
        let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else {
            return Err(Malformed);
        };
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic());
        if is_word(method) && is_word(target) {
            Ok((method, target))
        } else {
            Err(Malformed)
        }
    }

    /// What the fields say of the body; `None` if nothing.
    fn declared(&self) -> Result<Option<Framing>, Malformed> {
        let (lengths, codings) = (self.all("content-length"), self.all("transfer-encoding"));
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(None),
            ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
                let length = String::from_utf8_lossy(length)
                    .parse::<u64>()
                    .map_err(|_| Malformed)?;
                Ok(Some(Framing::Length(
                    usize::try_from(length).map_err(|_| Malformed)?,
                )))
            }
            ([], codings) if self.line.contains("HTTP/1.1") => {
                let said = codings.join(&b',').to_ascii_lowercase();
                let mut said = said
                    .split(|&b| b == b',')
                    .map(<[u8]>::trim_ascii)
                    .filter(|c| !c.is_empty());
                match (said.next(), said.next()) {
                    (Some(b"chunked"), None) => Ok(Some(Framing::Chunked)),
                    _ => Err(Malformed),
                }
            }
            _ => Err(Malformed),
        }
    }
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), Malformed> {
    let colon = line.iter().position(|&b| b == b':').ok_or(Malformed)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(Malformed);
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok((name, value.trim_ascii().to_vec()))
}

impl Message {
    /// Reads a request; `None` if the end of its head is not there.
    pub(super) fn request(bytes: &[u8]) -> Result<Option<Message>, Malformed> {
        let Some(head) = Head::read(bytes)? else {
            return Ok(None);
        };
        head.request()?;
        let framing = head.declared()?.unwrap_or(Framing::Length(0));
        Ok(Some(Message::with_body(head, framing, bytes)))
    }

    /// Reads an answer to a request of this method, a 1xx too.
    pub(super) fn answer(bytes: &[u8], method: &str) -> Result<Option<Message>, Malformed> {
        let Some(head) = Head::read(bytes)? else {
            return Ok(None);
        };
        let status = head.status()?;
        let framing = match head.declared()? {
            _ if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) => Framing::Length(0),
            Some(framing) => framing,
            None => Framing::UntilClose,
        };
        Ok(Some(Message::with_body(head, framing, bytes)))
    }

    fn with_body(head: Head, framing: Framing, bytes: &[u8]) -> Message {
        let rest = &bytes[head.length..];
        let (body, used, state) = match framing {
            Framing::Length(length) if length <= rest.len() => {
                (rest[..length].to_vec(), length, State::Whole)
            }
            Framing::Length(_) | Framing::UntilClose => (rest.to_vec(), rest.len(), State::Partial),
            Framing::Chunked => chunks(rest),
        };
        Message {
            length: head.length + used,
            head,
            framing,
            body,
            state,
        }
    }
}

/// The data of chunks, how many bytes they took, and how far that is.
fn chunks(bytes: &[u8]) -> (Vec<u8>, usize, State) {
    let (mut data, mut at) = (Vec::new(), 0);
    let state = match walk(bytes, &mut data, &mut at) {
        Ok(true) => State::Whole,
        Ok(false) => State::Partial,
        Err(Malformed) => State::Broken,
    };
    (data, at, state)
}

/// Whether the last chunk is there.
fn walk(bytes: &[u8], data: &mut Vec<u8>, at: &mut usize) -> Result<bool, Malformed> {
    loop {
        let Some(line) = line(&bytes[*at..])? else {
            return Ok(false);
        };
        let size = chunk_size(line)?;
        *at += line.len() + 2;
        if size == 0 {
            break;
        }
        let there = size.min(bytes.len() - *at);
        data.extend_from_slice(&bytes[*at..*at + there]);
        *at += there;
        match bytes[*at..] {
            [b'\r', b'\n', ..] => *at += 2,
            [] | [b'\r'] => return Ok(false),
            _ => return Err(Malformed),
        }
    }
    while let Some(line) = line(&bytes[*at..])? {
        *at += line.len() + 2;
        if line.is_empty() {
            return Ok(true);
        }
        field(line)?;
    }
    Ok(false)
}

fn chunk_size(line: &[u8]) -> Result<usize, Malformed> {
    let digits = line.split(|&b| b == b';').next().unwrap_or_default();
    if !(1..=16).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    let digits = str::from_utf8(digits).map_err(|_| Malformed)?;
    usize::from_str_radix(digits, 16).map_err(|_| Malformed)
}

fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let Some(end) = memmem::find(bytes, b"\r\n") else {
        return Ok(None);
    };
    let line = &bytes[..end];
    if line.iter().any(|b| b"\r\n\0".contains(b)) {
        return Err(Malformed);
    }
    Ok(Some(line))
}
