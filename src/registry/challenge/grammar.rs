//! The grammar of a field value: challenges, parameters, and how their values are quoted.

use core::ops::Range;

use super::ChallengeError;
use crate::http::grammar::{is_control, is_token_byte};

/// A challenge as it stands in the field value.
pub(super) struct Challenge<'v> {
    pub(super) scheme: &'v [u8],
    pub(super) parameters: Vec<Parameter>,
}

/// Where a parameter lies in the field value.
pub(super) struct Parameter {
    name: Range<usize>,
    /// With its quotes, if it has any.
    pub(super) value: Range<usize>,
}

impl Parameter {
    pub(super) fn is(&self, field: &[u8], name: &str) -> bool {
        field[self.name.clone()].eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value without quotes and escapes.
    pub(super) fn text(&self, field: &[u8]) -> Result<String, ChallengeError> {
        let raw = &field[self.value.clone()];
        let inner = raw
            .strip_prefix(b"\"")
            .and_then(|raw| raw.strip_suffix(b"\""));
        let mut bytes = inner.unwrap_or(raw).iter();
        let mut text = String::with_capacity(raw.len());
        while let Some(&b) = bytes.next() {
            let b = match b {
                b'\\' if inner.is_some() => *bytes.next().ok_or(ChallengeError::Quoted)?,
                b => b,
            };
            text.push(printable(b)?);
        }
        Ok(text)
    }
}

/// `#challenge`, with `challenge = auth-scheme [ 1*SP ( token68 / #auth-param ) ]`.
///
/// The commas between challenges are those between parameters as well: what follows one is a parameter if a `=` comes after
/// its first token, and a scheme if not. Behind a parameter the value of another may be missing, as some registries write it.
pub(super) fn parse(field: &[u8]) -> Result<Vec<Challenge<'_>>, ChallengeError> {
    let mut reader = Reader { field, at: 0 };
    let mut challenges = Vec::new();
    reader.skip_empty_elements();
    while !reader.is_at_end() {
        let scheme = reader.token().ok_or(ChallengeError::Scheme)?;
        let mut parameters = Vec::new();
        if reader.skip_blanks() && !reader.is_at_element_end() {
            match reader.parameter()? {
                Some(first) => parameters.push(first),
                None => reader.token68()?,
            }
        }
        reader.end_element()?;
        // A scheme without anything of its own has no parameters after a comma either.
        while !parameters.is_empty() && !reader.is_at_end() {
            let next = match reader.parameter()? {
                Some(next) => Some(next),
                None => reader.empty_parameter(),
            };
            match next {
                Some(next) => parameters.push(next),
                None => break,
            }
            reader.end_element()?;
        }
        challenges.push(Challenge {
            scheme: &field[scheme],
            parameters,
        });
    }
    Ok(challenges)
}

/// Whether a field value begins with a scheme and a blank, whatever comes then.
pub(super) fn begins_with_scheme(field: &[u8]) -> bool {
    let mut reader = Reader { field, at: 0 };
    reader.token().is_some() && reader.skip_blanks() && reader.peek() != Some(b'=')
}

struct Reader<'v> {
    field: &'v [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.field.get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.peek().is_none()
    }

    fn is_at_element_end(&self) -> bool {
        matches!(self.peek(), None | Some(b','))
    }

    /// Passes over what `is_in` holds for, and says where that was; `None` if it held for nothing.
    fn run(&mut self, is_in: impl Fn(u8) -> bool) -> Option<Range<usize>> {
        let start = self.at;
        while self.peek().is_some_and(&is_in) {
            self.at += 1;
        }
        (self.at > start).then_some(start..self.at)
    }

    fn skip_blanks(&mut self) -> bool {
        self.run(|b| matches!(b, b' ' | b'\t')).is_some()
    }

    fn skip_empty_elements(&mut self) {
        self.run(|b| matches!(b, b' ' | b'\t' | b','));
    }

    /// An element ends at a comma, at the end of the field, or nowhere.
    fn end_element(&mut self) -> Result<(), ChallengeError> {
        self.skip_blanks();
        if !self.is_at_element_end() {
            return Err(ChallengeError::Parameter);
        }
        self.skip_empty_elements();
        Ok(())
    }

    fn token(&mut self) -> Option<Range<usize>> {
        self.run(is_token_byte)
    }

    /// `token BWS "=" BWS ( token / quoted-string )`; `None`, and nothing is passed over, if no such thing begins here.
    fn parameter(&mut self) -> Result<Option<Parameter>, ChallengeError> {
        let start = self.at;
        let parameter = self.read_parameter()?;
        if parameter.is_none() {
            self.at = start;
        }
        Ok(parameter)
    }

    fn read_parameter(&mut self) -> Result<Option<Parameter>, ChallengeError> {
        let Some(name) = self.token() else {
            return Ok(None);
        };
        self.skip_blanks();
        if self.peek() != Some(b'=') {
            return Ok(None);
        }
        self.at += 1;
        self.skip_blanks();
        let value = match self.peek() {
            // The padding of a token68.
            Some(b'=' | b',') | None => return Ok(None),
            Some(b'"') => Some(self.quoted_string()?),
            Some(_) => self.run(is_unquoted_byte),
        };
        let value = value.ok_or(ChallengeError::Parameter)?;
        Ok(Some(Parameter { name, value }))
    }

    /// `token "="` and nothing more; without blanks before the `=`, since a scheme has them behind it.
    fn empty_parameter(&mut self) -> Option<Parameter> {
        let start = self.at;
        let name = self.token()?;
        if self.run(|b| b == b'=').is_some_and(|run| run.len() == 1) {
            let value = self.at..self.at;
            self.skip_blanks();
            if self.is_at_element_end() {
                return Some(Parameter { name, value });
            }
        }
        self.at = start;
        None
    }

    fn quoted_string(&mut self) -> Result<Range<usize>, ChallengeError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 1,
                _ => {}
            }
            match self.peek() {
                Some(b) if !is_control(b) => self.at += 1,
                _ => return Err(ChallengeError::Quoted),
            }
        }
        self.at += 1;
        Ok(start..self.at)
    }

    fn token68(&mut self) -> Result<(), ChallengeError> {
        let is_in = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
        self.run(is_in).ok_or(ChallengeError::Parameter)?;
        self.run(|b| b == b'=');
        Ok(())
    }
}

/// A token, and more: some registries write a URL or a scope without quotes.
fn is_unquoted_byte(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b'\\')
}

/// Writes a quoted-string (RFC 9110 §5.6.4).
pub(super) fn quote(text: &str) -> Result<Vec<u8>, ChallengeError> {
    let mut quoted = vec![b'"'];
    for b in text.bytes() {
        printable(b)?;
        if matches!(b, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(b);
    }
    quoted.push(b'"');
    Ok(quoted)
}

fn printable(b: u8) -> Result<char, ChallengeError> {
    match b {
        b' '..=b'~' => Ok(char::from(b)),
        _ => Err(ChallengeError::Text),
    }
}
