//! The configuration file as text: TOML, read without looking at anything else.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{self, MapDeserializer};
use toml::de::{DeTable, DeValue};

use super::fault::Key;
use super::settings::Settings;
use super::upstreams::UpstreamSettings;
use crate::log::on_one_line;

/// How alike two keys have to be for one to be taken for the other, from 0 to 1.
const ALIKE: f64 = 0.7;

/// What stands in the file's table `[acme]`, and as a flag by itself.
const ACME: &str = "acme";

/// Text that is no configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.why)
    }
}

impl std::error::Error for SyntaxError {}

/// Reads a configuration file. What its values mean is not checked.
pub fn parse(bytes: &[u8]) -> Result<Settings, SyntaxError> {
    let text = str::from_utf8(bytes).map_err(|error| SyntaxError {
        line: line_at(bytes, error.valid_up_to()),
        why: "it is not UTF-8; write it anew as plain text".to_owned(),
    })?;
    toml::from_str(text).map_err(|error| SyntaxError {
        line: line_at(bytes, error.span().map_or(0, |span| span.start)),
        why: explain(error.message()),
    })
}

/// The line in which a file sets `key`, from 1, if it does.
pub fn line_of(text: &str, key: Key) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let (table, name) = match (key.name.split_once('_'), document.get_ref().get(ACME)) {
        (Some((ACME, name)), Some(acme)) => (acme.get_ref().as_table()?, name),
        _ => (document.get_ref(), key.name),
    };
    let (name, value) = table.get_key_value(name)?;
    let mut at = name.span().start;
    if let (Some(item), Some(list)) = (key.item, value.get_ref().as_array()) {
        let entry = list.get(item)?;
        at = entry.span().start;
        if let (Some(field), DeValue::Table(entry)) = (key.field, entry.get_ref()) {
            at = entry.get_key_value(field)?.0.span().start;
        }
    }
    Some(line_at(text.as_bytes(), at))
}

fn line_at(bytes: &[u8], at: usize) -> usize {
    let before = bytes.iter().take(at);
    1 + before.filter(|&&byte| byte == b'\n').count()
}

/// The words of the parser, and for a key that there is not the one that may have been meant.
fn explain(message: &str) -> String {
    let shown = on_one_line(message).replace("expected a sequence", "expected a list in [ ]");
    let unknown = shown.strip_prefix("unknown field `");
    let Some((key, known)) = unknown.and_then(|rest| rest.split_once("`, expected ")) else {
        return shown;
    };
    if let Some(here) = key_of_entry(&key.replace('-', "_")) {
        return format!(
            "there is no key {key:?} here; write {here:?} into the entry of its registry, [[upstream]]"
        );
    }
    if let Some((ACME, rest)) = key.split_once(['_', '-']) {
        let inner = rest.replace('-', "_");
        return format!("there is no key {key:?} here; write {inner:?} into the table [acme]");
    }
    let likeness = |known: &&str| strsim::jaro(&key.replace('-', "_"), known);
    let known = known.split('`').skip(1).step_by(2);
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|nearest| likeness(nearest) > ALIKE) {
        Some(nearest) => format!("there is no key {key:?}; did you mean {nearest:?}?"),
        None => {
            format!("there is no key {key:?} here; see docxy --help: keys are flags with _ for -")
        }
    }
}

/// What is to be said of one registry in its entry, by the key there.
fn key_of_entry(key: &str) -> Option<&str> {
    let key = match key {
        "upstream_alias" => "aliases",
        key => key,
    };
    // Reading an entry that has nothing else tells whether it is one.
    let entry = MapDeserializer::<_, value::Error>::new([(key, ())].into_iter());
    let is_unknown = |error: value::Error| error.to_string().starts_with("unknown field");
    let is_known = !UpstreamSettings::deserialize(entry).is_err_and(is_unknown);
    is_known.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_configuration_says_where_and_why() {
        let cases: [(&str, usize, &str); 21] = [
            (
                "lisen = []",
                1,
                "there is no key \"lisen\"; did you mean \"listen\"?",
            ),
            ("\n\nallow-client = []", 3, "did you mean \"allow_client\"?"),
            ("zzz = 1", 1, "see docxy --help"),
            (
                "acme_domain = []",
                1,
                "write \"domain\" into the table [acme]",
            ),
            ("acme-agree-tos = true", 1, "write \"agree_tos\" into"),
            (
                "[acme]\nacme_domain = []",
                2,
                "there is no key \"acme_domain\" here; write \"domain\" into",
            ),
            (
                "allow = []",
                1,
                "write \"allow\" into the entry of its registry, [[upstream]]",
            ),
            ("realm-host = 'a'", 1, "write \"realm_host\" into the entry"),
            ("upstream_alias = []", 1, "write \"aliases\" into the entry"),
            (
                "[[upstream]]\nupstream_alias = []",
                2,
                "write \"aliases\" into the entry",
            ),
            ("allow_clients = []", 1, "did you mean \"allow_client\"?"),
            ("[acme]\n\ndomains = []", 3, "did you mean \"domain\"?"),
            (
                "[[upstream]]\nname = \"a\"\nalow = []",
                3,
                "did you mean \"allow\"?",
            ),
            (
                "upstream = [\n\"a\",\n{ nam = 1 }]",
                3,
                "did you mean \"name\"?",
            ),
            (
                "upstream = [1]",
                1,
                "expected an upstream: a string, or a table",
            ),
            ("listen = \":443\"", 1, "expected a list in [ ]"),
            ("\nlisten = [", 2, "unclosed array"),
            ("drain = 5", 1, "expected a duration such as \"30s\""),
            ("drain = \"5\"", 1, "it is no duration such as"),
            ("log = \"loud\"", 1, "expected one of `off`"),
            ("listen = []\nlisten = []", 2, "duplicate key"),
        ];
        for (text, line, why) in cases {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.why.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn no_bytes_break_a_line_of_a_message() {
        let whole = b"\"a\\nb\\u001b\" = [\n{ 'x' = \"\\t\" }]\n\xff";
        for end in 0..=whole.len() {
            if let Err(error) = parse(&whole[..end]) {
                assert!(!error.why.contains(char::is_control), "{end}: {error:?}");
            }
        }
        assert_eq!(parse(b"\n\xff").unwrap_err().line, 2);
    }

    #[test]
    fn keys_are_found_in_their_lines() {
        let text = "# one\nlisten = [\n  ':1',\n  ':2',\n]\nacme.domain = ['a.test']\n\
            [[upstream]]\nname = 'a'\n[[upstream]]\nname = 'b'\nallow = []\n";
        let cases = [
            (Key::of("listen"), Some(2)),
            (Key::item("listen", 1), Some(4)),
            (Key::item("listen", 2), None),
            (Key::of("acme_domain"), Some(6)),
            (Key::of("acme_email"), None),
            (Key::item("upstream", 0), Some(7)),
            (Key::item("upstream", 1).field("allow"), Some(11)),
            (Key::item("upstream", 1).field("deny"), None),
            (Key::of("drain"), None),
        ];
        for (key, line) in cases {
            assert_eq!(line_of(text, key), line, "{key:?}");
        }
    }
}
