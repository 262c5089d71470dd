//! `WWW-Authenticate` (RFC 9110 §11.6.1): finding the Bearer challenges of a field value and giving them another realm.

mod grammar;
#[cfg(test)]
mod tests;

use core::fmt;

use self::grammar::{Challenge, begins_with_scheme, parse, quote};

/// The scheme, which has no case.
const BEARER: &[u8] = b"bearer";

/// A Bearer challenge (RFC 6750 §3, distribution token specification).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Where tokens are had.
    pub realm: String,
    /// Who they are for.
    pub service: Option<String>,
    /// What they must cover; several in one parameter are listed one by one.
    pub scopes: Vec<String>,
}

/// Finds the Bearer challenges of one field value, in order; one without a realm tells nothing and is left out.
///
/// Registries write `Basic realm=My Registry`. A malformed value is an error only if a client might all the same find a
/// Bearer challenge in it.
pub fn bearers(value: &[u8]) -> Result<Vec<Bearer>, ChallengeError> {
    let challenges = read(value)?;
    let bearers = challenges.iter().filter(|challenge| challenge.is_bearer());
    bearers
        .filter_map(|challenge| challenge.bearer(value).transpose())
        .collect()
}

/// Whether a field value asks for a name and a password (RFC 7617).
pub fn is_basic(value: &[u8]) -> bool {
    let is_it = |challenge: &Challenge<'_>| challenge.scheme.eq_ignore_ascii_case(b"basic");
    parse(value).is_ok_and(|challenges| challenges.iter().any(is_it))
}

/// Writes a field value anew with `realm(&bearer)` as the realm of each Bearer challenge; all else stays byte for byte, as
/// does a malformed value in which there is none.
pub fn rewrite(
    value: &[u8],
    mut realm: impl FnMut(&Bearer) -> String,
) -> Result<Vec<u8>, ChallengeError> {
    let mut written = Vec::with_capacity(value.len());
    let mut copied = 0;
    for challenge in read(value)?
        .iter()
        .filter(|challenge| challenge.is_bearer())
    {
        let Some(bearer) = challenge.bearer(value)? else {
            continue;
        };
        let quoted = quote(&realm(&bearer))?;
        // A second realm is malformed, but some client may read that one: it is replaced as well.
        for parameter in challenge
            .parameters
            .iter()
            .filter(|parameter| parameter.is(value, "realm"))
        {
            written.extend_from_slice(&value[copied..parameter.value.start]);
            written.extend_from_slice(&quoted);
            copied = parameter.value.end;
        }
    }
    written.extend_from_slice(&value[copied..]);
    Ok(written)
}

/// The challenges of a field value; none of a malformed one of another scheme that nowhere speaks of Bearer.
///
/// One that does not begin with a scheme goes on with what stands before it for a client that joins the fields.
fn read(value: &[u8]) -> Result<Vec<Challenge<'_>>, ChallengeError> {
    let mut words = value.windows(BEARER.len());
    let speaks_of_bearer = words.any(|word| word.eq_ignore_ascii_case(BEARER));
    match parse(value) {
        Err(_) if !speaks_of_bearer && begins_with_scheme(value) => Ok(Vec::new()),
        read => read,
    }
}

/// What is wrong with a `WWW-Authenticate` field value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeError {
    /// No scheme where one must stand.
    Scheme,
    /// Something other than parameters or a token68 after a scheme.
    Parameter,
    /// A quoted string that does not end, or that holds a control byte.
    Quoted,
    /// A realm, service or scope that is not printable ASCII.
    Text,
}

impl fmt::Display for ChallengeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChallengeError::Scheme => "the challenge has no scheme",
            ChallengeError::Parameter => "the challenge has a malformed parameter",
            ChallengeError::Quoted => "the challenge has a malformed quoted string",
            ChallengeError::Text => {
                "the challenge has a realm, service or scope that is not printable"
            }
        })
    }
}

impl std::error::Error for ChallengeError {}

impl Challenge<'_> {
    fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(BEARER)
    }

    /// `None` without a realm.
    fn bearer(&self, field: &[u8]) -> Result<Option<Bearer>, ChallengeError> {
        let texts = |name| {
            let named = self
                .parameters
                .iter()
                .filter(move |parameter| parameter.is(field, name));
            named
                .map(|parameter| parameter.text(field))
                .collect::<Result<Vec<String>, _>>()
        };
        let Some(realm) = texts("realm")?.into_iter().next() else {
            return Ok(None);
        };
        let scopes = texts("scope")?;
        Ok(Some(Bearer {
            realm,
            service: texts("service")?.into_iter().next(),
            scopes: scopes
                .iter()
                .flat_map(|text| text.split_ascii_whitespace())
                .map(str::to_owned)
                .collect(),
        }))
    }
}
