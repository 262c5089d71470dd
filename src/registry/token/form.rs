//! application/x-www-form-urlencoded: names and values, decoded to be looked at and encoded to be written.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands unencoded in a value that docxy writes (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) struct Piece<'a> {
    pub(super) raw: &'a str,
    pub(super) name: Cow<'a, str>,
    /// Still encoded.
    pub(super) value: &'a str,
}

impl<'a> Piece<'a> {
    pub(super) fn read(raw: &'a str) -> Piece<'a> {
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        Piece {
            raw,
            name: decode(name),
            value,
        }
    }

    /// A server may read names without case, so secrets are found without it.
    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name))
    }

    /// Whether some would read its name as one of these: they leave out what stands around a name, and what makes a list of
    /// it.
    pub(super) fn is_almost_one_of(&self, names: &[&str]) -> bool {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let from = self.name.trim_start_matches(|c| !is_word(c));
        let word = from.split(|c| !is_word(c)).next().unwrap_or_default();
        word.len() < self.name.len() && names.iter().any(|name| is_named(word, name))
    }
}

/// Some servers read names without case: no scope and no secret may hide from docxy in capitals.
pub(super) fn is_named(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// Decodes `%XX` and `+`; what is not UTF-8 becomes U+FFFD.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
