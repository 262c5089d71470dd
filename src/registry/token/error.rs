//! Why a token request is refused.

use core::fmt;

use crate::registry::access::Refusal;
use crate::registry::route::error::Quoted;

/// What is wrong with a token request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not application/x-www-form-urlencoded.
    Encoding,
    /// A body that says that it is no such form, or that is compressed.
    Kind,
    /// A name that some would read as that of a scope or a secret.
    Name(String),
    /// Not `type:name:actions`, or a name that no repository has.
    Scope(String),
    /// Scopes of two upstreams.
    TwoUpstreams(String, String),
    /// A scope that may not pass.
    Denied(String, Refusal),
}

impl TokenError {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            TokenError::Kind => 415,
            TokenError::Encoding
            | TokenError::Name(_)
            | TokenError::Scope(_)
            | TokenError::TwoUpstreams(..) => 400,
            TokenError::Denied(_, refusal) => refusal.refuse_as.status(),
        }
    }

    /// The code in the answer's body (OCI distribution specification, "Error Codes").
    pub fn code(&self) -> &'static str {
        match self {
            TokenError::Encoding
            | TokenError::Kind
            | TokenError::Name(_)
            | TokenError::TwoUpstreams(..) => "UNSUPPORTED",
            TokenError::Scope(_) => "NAME_INVALID",
            TokenError::Denied(_, refusal) => refusal.refuse_as.code(),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Encoding => f.write_str("the token request is not form-urlencoded"),
            TokenError::Kind => f.write_str(
                "the body of a token request has to be a form, application/x-www-form-urlencoded",
            ),
            TokenError::Name(name) => {
                let name = Quoted(name);
                write!(f, "'{name}' is no parameter of a token request")
            }
            TokenError::Scope(scope) => write!(f, "'{}' is not a scope", Quoted(scope)),
            TokenError::TwoUpstreams(first, second) => write!(
                f,
                "the scopes belong to both {} and {}; ask for a token of each",
                Quoted(first),
                Quoted(second)
            ),
            TokenError::Denied(scope, refusal) => refusal.describe(Quoted(scope), f),
        }
    }
}

impl std::error::Error for TokenError {}
