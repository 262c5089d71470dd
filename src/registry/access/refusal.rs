//! What is answered for a repository that may not pass.

use core::fmt;

use serde::{Deserialize, Serialize};

/// What is answered for a repository that may not pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Under which error.
    pub refuse_as: RefuseAs,
    /// In the operator's words, if there are any.
    pub message: Option<String>,
}

/// The error code under which a repository is refused (OCI distribution specification, "Error Codes").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RefuseAs {
    /// `DENIED`, 403.
    #[default]
    Denied,
    /// `NAME_UNKNOWN`, 404: as if it did not exist.
    Unknown,
}

impl RefuseAs {
    /// The status for the client.
    pub fn status(self) -> u16 {
        match self {
            RefuseAs::Denied => 403,
            RefuseAs::Unknown => 404,
        }
    }

    /// The error code for the client.
    pub fn code(self) -> &'static str {
        match self {
            RefuseAs::Denied => "DENIED",
            RefuseAs::Unknown => "NAME_UNKNOWN",
        }
    }
}

impl Refusal {
    /// Says of `what` that it may not pass.
    pub(in crate::registry) fn describe(
        &self,
        what: impl fmt::Display,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match (&self.message, self.refuse_as) {
            (Some(message), _) => f.write_str(message),
            (None, RefuseAs::Denied) => write!(f, "'{what}' is not allowed here"),
            (None, RefuseAs::Unknown) => write!(f, "'{what}' is not known here"),
        }
    }
}
