//! Settings that make no sense: which one, and what to do.

use std::fmt;

/// A setting, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name, as in the configuration file; those of `[acme]` begin with `acme_`.
    pub name: &'static str,
    /// Which entry of a list it is, from 0.
    pub item: Option<usize>,
    /// Which part of that entry.
    pub field: Option<&'static str>,
}

impl Key {
    /// A setting as a whole.
    pub fn of(name: &'static str) -> Key {
        Key {
            name,
            item: None,
            field: None,
        }
    }

    /// An entry of a list.
    pub fn item(name: &'static str, at: usize) -> Key {
        Key {
            item: Some(at),
            ..Key::of(name)
        }
    }

    /// A part of this entry.
    pub fn field(self, field: &'static str) -> Key {
        Key {
            field: Some(field),
            ..self
        }
    }

    /// What is wrong with it.
    pub fn fault(self, why: &dyn fmt::Display) -> Fault {
        Fault {
            key: self,
            why: why.to_string(),
        }
    }
}

/// A setting that makes no sense, and what to do; shown by the name of its flag.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The setting.
    pub key: Key,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}: {}", self.key.name.replace('_', "-"), self.why)
    }
}

impl std::error::Error for Fault {}
