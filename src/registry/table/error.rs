//! What is wrong with the table that an operator wants.

use core::fmt;

use crate::http::uri::UriError;

/// What is wrong with the upstreams, their names or the flags about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// No upstream at all.
    Empty,
    /// A NAME with other characters than those of a host and port.
    Name(String),
    /// A URL that is malformed or has more than scheme, host and port.
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        error: UriError,
    },
    /// A host, with or without port, that is malformed.
    Host {
        /// As it was given.
        host: String,
        /// What is wrong with it.
        error: UriError,
    },
    /// A name that two upstreams claim.
    Claimed {
        /// The name.
        name: String,
        /// Who has it.
        first: String,
        /// Who claims it too.
        second: String,
    },
    /// A name that no upstream has.
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::Empty => f.write_str("no upstream is given; name one, such as docker.io"),
            TableError::Name(name) => write!(
                f,
                "{name:?} cannot name an upstream; use letters, digits, '.', '_', '-' and ':', such as ghcr.io"
            ),
            TableError::Url { url, error } => write!(
                f,
                "{url:?} is no upstream, {error}; give scheme, host and port without a path, such as https://ghcr.io"
            ),
            TableError::Host { host, error } => {
                write!(
                    f,
                    "{host:?} is no host, {error}; give host or host:port, such as ghcr.io"
                )
            }
            TableError::Claimed {
                name,
                first,
                second,
            } => {
                write!(
                    f,
                    "{name:?} would name both {first} and {second}; give one of them another NAME"
                )
            }
            TableError::Unknown { name, known } => {
                write!(f, "no upstream is named {name:?}; there are {known}")
            }
        }
    }
}

impl std::error::Error for TableError {}
