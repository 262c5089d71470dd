//! The syntax of `Forwarded` (RFC 7239 §4).

use std::borrow::Cow;

use crate::http::grammar::is_token_byte;

/// A `forwarded-element` (RFC 7239 §4); `by` and extensions are not kept.
#[derive(Debug, Default)]
pub(super) struct Element<'a> {
    pub(super) node: Option<Cow<'a, str>>,
    pub(super) proto: Option<Cow<'a, str>>,
    pub(super) host: Option<Cow<'a, str>>,
    is_empty: bool,
}

/// The elements of one field line, empty ones left out; nothing if it is malformed.
///
/// Blanks around the separators and values that should have been quoted (`for=[::1]`) pass: programs write both.
pub(super) fn split(line: &str) -> Option<Vec<Element<'_>>> {
    let (mut elements, mut element) = (Vec::new(), Element::new());
    let mut rest = trim(line);
    loop {
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            let (name, after) = rest.split_once('=')?;
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return None;
            }
            let (value, after) = value(after)?;
            element.set(name, value)?;
            rest = trim(after);
        }
        let separator = rest.bytes().next();
        if matches!(separator, None | Some(b',')) && !element.is_empty {
            elements.push(std::mem::replace(&mut element, Element::new()));
        }
        match separator {
            None => return Some(elements),
            Some(b',' | b';') => rest = trim(&rest[1..]),
            Some(_) => return None,
        }
    }
}

impl<'a> Element<'a> {
    fn new() -> Element<'a> {
        Element {
            is_empty: true,
            ..Element::default()
        }
    }

    /// Takes one pair; a parameter may stand once.
    fn set(&mut self, name: &str, value: Cow<'a, str>) -> Option<()> {
        self.is_empty = false;
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => &mut self.node,
            "proto" => &mut self.proto,
            "host" => &mut self.host,
            _ => return Some(()),
        };
        match place.replace(value) {
            None => Some(()),
            Some(_) => None,
        }
    }
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        let is_sound =
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        return is_sound.then_some((Cow::Borrowed(value), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((Cow::Owned(value), &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(char),
        }
    }
    None
}

fn trim(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}
