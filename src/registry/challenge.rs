//! `WWW-Authenticate` (RFC 9110 §11.6.1): finding the Bearer challenges of a field value and giving them another realm.

use core::fmt;
use core::ops::Range;

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
pub fn bearers(value: &[u8]) -> Result<Vec<Bearer>, ChallengeError> {
    let challenges = parse(value)?;
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

/// Writes a field value anew with `realm(&bearer)` as the realm of each Bearer challenge; all else stays byte for byte.
pub fn rewrite(
    value: &[u8],
    mut realm: impl FnMut(&Bearer) -> String,
) -> Result<Vec<u8>, ChallengeError> {
    let mut written = Vec::with_capacity(value.len());
    let mut copied = 0;
    for challenge in parse(value)?
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

struct Challenge<'v> {
    scheme: &'v [u8],
    parameters: Vec<Parameter>,
}

/// Where a parameter lies in the field value.
struct Parameter {
    name: Range<usize>,
    /// With its quotes, if it has any.
    value: Range<usize>,
}

impl Challenge<'_> {
    fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"bearer")
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

impl Parameter {
    fn is(&self, field: &[u8], name: &str) -> bool {
        field[self.name.clone()].eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value without quotes and escapes.
    fn text(&self, field: &[u8]) -> Result<String, ChallengeError> {
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

/// Writes a quoted-string (RFC 9110 §5.6.4).
fn quote(text: &str) -> Result<Vec<u8>, ChallengeError> {
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

/// `#challenge`, with `challenge = auth-scheme [ 1*SP ( token68 / #auth-param ) ]`.
///
/// The commas between challenges are those between parameters as well: what follows one is a parameter if a `=` comes after
/// its first token, and a scheme if not.
fn parse(field: &[u8]) -> Result<Vec<Challenge<'_>>, ChallengeError> {
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
            match reader.parameter()? {
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
                Some(b) if b == b'\t' || !b.is_ascii_control() => self.at += 1,
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

/// `tchar` of RFC 9110 §5.6.2.
fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// A token, and more: some registries write a URL or a scope without quotes.
fn is_unquoted_byte(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;

    fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Bearer {
        Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        }
    }

    fn rewritten(value: &str) -> Result<String, ChallengeError> {
        rewrite(value.as_bytes(), |_| "http://d/t".to_owned())
            .map(|written| String::from_utf8(written).unwrap())
    }

    const VALUES: [&str; 22] = [
        HUB,
        r#"bearer REALM="r", Service=s"#,
        r#"Bearer realm="r""#,
        r#"Bearer realm = "r" , service = "s""#,
        r#"Bearer   realm="r",,service="s","#,
        r#", ,Bearer realm="r""#,
        r#"Basic realm="x", Bearer realm="r",service="s""#,
        r#"Bearer realm="r",service="s", Basic realm="x""#,
        r#"Basic realm="x, Bearer realm=\"evil\"", Bearer realm="r""#,
        r#"Bearer service="a\"b, Bearer realm=\"evil\"",realm="r""#,
        r#"Negotiate, Bearer realm="r""#,
        r#"Negotiate abc==, Bearer realm="r""#,
        r#"Negotiate abc=, Bearer realm="r""#,
        r#"Negotiate a/b+c, Bearer realm="r""#,
        r#"Bearer realm="r",scope="a:b:pull c:d:pull",scope="e:f:pull""#,
        r#"Bearer realm="r1",service="s1", bearer realm="r2",service="s2""#,
        r#"Bearer realm=https://auth.test/token,service=registry.test"#,
        r#"Bearer realm="r",error="invalid_token",error_description="nö""#,
        r#"Bearer realm="\r\"\\",service="s""#,
        r#"Bearer realm="",service="s""#,
        r#"Digest realm="d", qop="auth, auth-int", nonce="n", Bearer realm="r""#,
        r#"Bearer service="s",realm="r",realm="second""#,
    ];

    #[test]
    fn bearers_are_found() {
        let r = |service, scopes: &[&str]| bearer("r", service, scopes);
        let expected: [Vec<Bearer>; 22] = [
            vec![bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                &["repository:library/alpine:pull"],
            )],
            vec![r(Some("s"), &[])],
            vec![r(None, &[])],
            vec![r(Some("s"), &[])],
            vec![r(Some("s"), &[])],
            vec![r(None, &[])],
            vec![r(Some("s"), &[])],
            vec![r(Some("s"), &[])],
            vec![r(None, &[])],
            vec![r(Some(r#"a"b, Bearer realm="evil""#), &[])],
            vec![r(None, &[])],
            vec![r(None, &[])],
            vec![r(None, &[])],
            vec![r(None, &[])],
            vec![r(None, &["a:b:pull", "c:d:pull", "e:f:pull"])],
            vec![bearer("r1", Some("s1"), &[]), bearer("r2", Some("s2"), &[])],
            vec![bearer(
                "https://auth.test/token",
                Some("registry.test"),
                &[],
            )],
            vec![r(None, &[])],
            vec![bearer(r#"r"\"#, Some("s"), &[])],
            vec![bearer("", Some("s"), &[])],
            vec![r(None, &[])],
            vec![r(Some("s"), &[])],
        ];
        for (value, expected) in VALUES.iter().zip(expected) {
            assert_eq!(bearers(value.as_bytes()), Ok(expected), "{value}");
        }
    }

    #[test]
    fn only_the_realms_of_bearers_change() {
        let expected = [
            r#"Bearer realm="http://d/t",service="registry.docker.io",scope="repository:library/alpine:pull""#,
            r#"bearer REALM="http://d/t", Service=s"#,
            r#"Bearer realm="http://d/t""#,
            r#"Bearer realm = "http://d/t" , service = "s""#,
            r#"Bearer   realm="http://d/t",,service="s","#,
            r#", ,Bearer realm="http://d/t""#,
            r#"Basic realm="x", Bearer realm="http://d/t",service="s""#,
            r#"Bearer realm="http://d/t",service="s", Basic realm="x""#,
            r#"Basic realm="x, Bearer realm=\"evil\"", Bearer realm="http://d/t""#,
            r#"Bearer service="a\"b, Bearer realm=\"evil\"",realm="http://d/t""#,
            r#"Negotiate, Bearer realm="http://d/t""#,
            r#"Negotiate abc==, Bearer realm="http://d/t""#,
            r#"Negotiate abc=, Bearer realm="http://d/t""#,
            r#"Negotiate a/b+c, Bearer realm="http://d/t""#,
            r#"Bearer realm="http://d/t",scope="a:b:pull c:d:pull",scope="e:f:pull""#,
            r#"Bearer realm="http://d/t",service="s1", bearer realm="http://d/t",service="s2""#,
            r#"Bearer realm="http://d/t",service=registry.test"#,
            r#"Bearer realm="http://d/t",error="invalid_token",error_description="nö""#,
            r#"Bearer realm="http://d/t",service="s""#,
            r#"Bearer realm="http://d/t",service="s""#,
            r#"Digest realm="d", qop="auth, auth-int", nonce="n", Bearer realm="http://d/t""#,
            r#"Bearer service="s",realm="http://d/t",realm="http://d/t""#,
        ];
        for (value, expected) in VALUES.iter().zip(expected) {
            assert_eq!(rewritten(value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_has_no_bearer_passes() {
        let values = [
            "",
            ", ,",
            "Basic realm=\"x\"",
            "Negotiate",
            "Basic dXNlcjpwYXNz",
            "Bearer",
            "Bearer error=\"invalid_token\"",
            "Bearer abc==",
        ];
        for value in values {
            assert_eq!(bearers(value.as_bytes()), Ok(vec![]), "{value}");
            assert_eq!(rewritten(value).as_deref(), Ok(value), "{value}");
        }
    }

    #[test]
    fn malformed_values_are_errors() {
        let cases = [
            ("Bearer realm=\"x", ChallengeError::Quoted),
            ("Bearer realm=\"x\\", ChallengeError::Quoted),
            ("Bearer realm=\"x\\\"", ChallengeError::Quoted),
            ("Bearer realm=\"x\ny\"", ChallengeError::Quoted),
            ("Bearer realm=\"x\"y", ChallengeError::Parameter),
            (
                "Bearer realm=\"x\" service=\"y\"",
                ChallengeError::Parameter,
            ),
            ("Bearer realm=x\"y\"", ChallengeError::Parameter),
            ("Bearer a b", ChallengeError::Parameter),
            ("Bearer \"x\"", ChallengeError::Parameter),
            ("Bearer ==", ChallengeError::Parameter),
            ("Bearer realm=\u{7f}", ChallengeError::Parameter),
            ("=x", ChallengeError::Scheme),
            ("\"Bearer\"", ChallengeError::Scheme),
            ("Basic realm=\"x\", =y", ChallengeError::Scheme),
            ("Bearer/x", ChallengeError::Parameter),
            ("Bearer realm=\"ü\"", ChallengeError::Text),
            ("Bearer realm=\"r\",service=\"ü\"", ChallengeError::Text),
            ("Bearer realm=\"a\tb\"", ChallengeError::Text),
        ];
        for (value, error) in cases {
            assert_eq!(bearers(value.as_bytes()), Err(error), "{value:?}");
            assert_eq!(rewritten(value), Err(error), "{value:?}");
        }
    }

    #[test]
    fn a_new_realm_stays_inside_its_quotes() {
        let hostile = r#"http://d/t",realm="http://evil/\"#;
        let written = rewrite(HUB.as_bytes(), |_| hostile.to_owned()).unwrap();
        let read = bearers(&written).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].realm, hostile);
        assert_eq!(read[0].service.as_deref(), Some("registry.docker.io"));
        for realm in ["a\r\nb", "a\0", "a\tb", "ü", "\u{7f}"] {
            assert_eq!(
                rewrite(HUB.as_bytes(), |_| realm.to_owned()),
                Err(ChallengeError::Text),
                "{realm:?}"
            );
        }
    }

    #[test]
    fn each_realm_is_asked_for_with_its_own_challenge() {
        let value = r#"Bearer realm="r1",service="s1", Bearer realm="r2",service="s2""#;
        let written = rewrite(value.as_bytes(), |bearer| format!("x{}", bearer.realm)).unwrap();
        assert_eq!(
            written,
            br#"Bearer realm="xr1",service="s1", Bearer realm="xr2",service="s2""#
        );
    }

    #[test]
    fn what_is_written_reads_as_before_but_for_the_realm() {
        for value in VALUES {
            let mut expected = bearers(value.as_bytes()).unwrap();
            for bearer in &mut expected {
                bearer.realm = "http://d/t".to_owned();
            }
            let written = rewritten(value).unwrap();
            assert_eq!(bearers(written.as_bytes()), Ok(expected), "{value}");
            assert_eq!(rewritten(&written), Ok(written.clone()), "{value}");
        }
    }

    #[test]
    fn any_cut_and_any_changed_byte_is_survived() {
        for value in VALUES {
            for at in 0..value.len() {
                let _ = bearers(&value.as_bytes()[..at]);
                let _ = bearers(&value.as_bytes()[at..]);
                for b in [b'"', b'\\', b',', b'=', b' ', b'\0', b'\n', 0xff] {
                    let mut changed = value.as_bytes().to_vec();
                    changed[at] = b;
                    let Ok(written) = rewrite(&changed, |_| "http://d/t".to_owned()) else {
                        continue;
                    };
                    let read = bearers(&written).unwrap();
                    assert!(
                        read.iter().all(|bearer| bearer.realm == "http://d/t"),
                        "{}",
                        changed.escape_ascii()
                    );
                }
            }
        }
    }
}
