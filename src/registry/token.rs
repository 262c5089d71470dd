//! A token request's query or form (application/x-www-form-urlencoded), read and written anew for the upstream's realm.
//!
//! What docxy does not need to change keeps its bytes and its order.

use core::fmt;
use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use super::access::Identity;
use super::access::{Access, Refusal};
use super::name;
use super::route::error::Quoted;
use super::route::place::{repository_of, split_upstream};
use super::table::{Table, UpstreamId};

/// The token that clients get for an upstream that needs none; it is never forwarded.
pub const PLACEHOLDER: &str = "docxy-anonymous";

/// The service that docxy names where it answers `/v2/` itself; it means nothing to an upstream.
pub const SERVICE: &str = "docxy";

/// Parameters that let their reader act for someone (RFC 6749, RFC 7521, RFC 8693).
const SECRETS: [&str; 11] = [
    "password",
    "refresh_token",
    "client_secret",
    "assertion",
    "client_assertion",
    "access_token",
    "identity_token",
    "subject_token",
    "actor_token",
    "code",
    "code_verifier",
];

/// Parameters that say who is asking, or ask for a token to keep.
const PERSONAL: [&str; 6] = [
    "username",
    "account",
    "grant_type",
    "access_type",
    "offline_token",
    "client_assertion_type",
];

/// What stands unencoded in a value that docxy writes (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The parameters of a token request. They may hold secrets, so there is no `Debug`.
pub struct Parameters<'a> {
    /// As they stand between the `&`s, empty ones too.
    pieces: Vec<Piece<'a>>,
}

struct Piece<'a> {
    raw: &'a str,
    name: Cow<'a, str>,
    /// Still encoded.
    value: &'a str,
}

impl<'a> Parameters<'a> {
    /// Reads a query (without `?`) or a form.
    ///
    /// A byte that no URI may hold, or a `%` without two hexadecimal digits, is an error.
    pub fn parse(text: &'a str) -> Result<Parameters<'a>, TokenError> {
        let is_escape = |after: &str| matches!(after.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        let sound = text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !sound || !text.split('%').skip(1).all(is_escape) {
            return Err(TokenError::Encoding);
        }
        let pieces = if text.is_empty() {
            None
        } else {
            Some(text.split('&'))
        };
        let pieces = pieces.into_iter().flatten().map(Piece::read).collect();
        Ok(Parameters { pieces })
    }

    /// The first value of a parameter, decoded.
    pub fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        self.pieces
            .iter()
            .find(|piece| piece.name == name)
            .map(|piece| decode(piece.value))
    }

    /// Whether a password, a refresh token or the like is among them.
    pub fn carries_secret(&self) -> bool {
        self.pieces.iter().any(|piece| piece.is_one_of(&SECRETS))
    }

    /// The upstream that the scopes name by their first component; `None` if no scope names one.
    ///
    /// A repository without an upstream's name is the default upstream's; scopes of two upstreams are an error.
    pub fn upstream(&self, table: &Table) -> Result<Option<UpstreamId>, TokenError> {
        let mut chosen = None;
        let mut names_one = false;
        for scope in self.scopes() {
            let Scope::Repository { name, .. } = Scope::parse(&scope)? else {
                continue;
            };
            let named = split_upstream(name, table).map(|(upstream, ..)| upstream);
            names_one |= named.is_some();
            let upstream = named.unwrap_or(table.default_upstream());
            match chosen {
                Some(other) if other != upstream => {
                    let name = |id| table.get(id).name.clone();
                    return Err(TokenError::TwoUpstreams(name(other), name(upstream)));
                }
                _ => chosen = Some(upstream),
            }
        }
        Ok(chosen.filter(|_| names_one))
    }

    /// The repositories of the scopes, as the upstream names them; malformed ones are left out.
    pub fn repositories(&self, table: &Table, upstream: UpstreamId) -> Vec<String> {
        let scopes: Vec<String> = self.scopes().collect();
        let parsed = scopes.iter().filter_map(|scope| Scope::parse(scope).ok());
        let repositories = parsed.filter_map(|scope| {
            let repository = scope.repository(table, upstream);
            repository.map(Cow::into_owned)
        });
        repositories
            .filter(|repository| name::is_repository(repository))
            .collect()
    }

    /// Whether all scopes are well formed and allowed.
    ///
    /// Where not all of an upstream may pass, a scope of another type than `repository` is denied (`registry:catalog:*`
    /// covers more than any rule); one without type and colon (`aws`) passes for an upstream of which something is allowed.
    pub fn check(
        &self,
        table: &Table,
        upstream: UpstreamId,
        access: &Access,
    ) -> Result<(), TokenError> {
        for text in self.scopes() {
            let scope = Scope::parse(&text)?;
            let checked = match scope.repository(table, upstream) {
                Some(repository) if !name::is_repository(&repository) => {
                    return Err(TokenError::Scope(text));
                }
                Some(repository) => access.check(upstream, &repository),
                None if text.contains(':') => access.check_all(upstream),
                None => access.check_any(upstream),
            };
            if let Err(refusal) = checked {
                let refusal = refusal.clone();
                return Err(TokenError::Denied(text, refusal));
            }
        }
        Ok(())
    }

    /// The parameters written anew for the realm of `upstream`.
    ///
    /// Repository scopes lose the upstream's own name and get `library/` for Docker Hub. `service` replaces the client's or
    /// is added. Parameters of the realm's own query that are not here come first. [`Identity::Anonymous`] leaves out all
    /// that says who asks. Everything else keeps its bytes and its order.
    pub fn rewrite(
        &self,
        table: &Table,
        upstream: UpstreamId,
        service: Option<&str>,
        realm_query: Option<&str>,
        identity: Identity,
    ) -> String {
        let mut own = self.own_pieces(table, upstream, service, identity);
        if let Some(service) =
            service.filter(|_| own.iter().all(|(name, _)| !is_named(name, "service")))
        {
            own.push((
                "service",
                Cow::Owned(format!("service={}", encode(service))),
            ));
        }
        let realm = realm_query.filter(|query| !query.is_empty()).into_iter();
        let realm = realm.flat_map(|query| query.split('&')).map(Piece::read);
        let is_own = |name: &str| own.iter().any(|(own, _)| is_named(own, name));
        let missing = realm
            .filter(|piece| !is_own(&piece.name))
            .map(|piece| Cow::Borrowed(piece.raw));
        let mut written: Vec<Cow<'_, str>> = missing.collect();
        written.extend(own.into_iter().map(|(_, piece)| piece));
        written.join("&")
    }

    /// What is kept of the request, by name and as it is written.
    fn own_pieces(
        &self,
        table: &Table,
        upstream: UpstreamId,
        service: Option<&str>,
        identity: Identity,
    ) -> Vec<(&str, Cow<'a, str>)> {
        let mut own: Vec<(&str, Cow<'a, str>)> = Vec::new();
        for piece in &self.pieces {
            let written = if identity == Identity::Anonymous && piece.is_personal() {
                None
            } else if is_named(&piece.name, "scope") {
                Some(piece.with_scopes_for(table, upstream))
            } else if !is_named(&piece.name, "service") {
                Some(Cow::Borrowed(piece.raw))
            } else if own.iter().any(|(name, _)| is_named(name, "service")) {
                None
            } else {
                piece.with_service(service)
            };
            own.extend(written.map(|written| (&*piece.name, written)));
        }
        own
    }

    /// All scopes, decoded: a parameter may hold several between spaces.
    fn scopes(&self) -> impl Iterator<Item = String> {
        let values = self
            .pieces
            .iter()
            .filter(|piece| is_named(&piece.name, "scope"))
            .map(|piece| decode(piece.value));
        values.flat_map(|value| {
            value
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    }
}

/// What is wrong with a token request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not application/x-www-form-urlencoded.
    Encoding,
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
            TokenError::Encoding | TokenError::Scope(_) | TokenError::TwoUpstreams(..) => 400,
            TokenError::Denied(_, refusal) => refusal.refuse_as.status(),
        }
    }

    /// The code in the answer's body (OCI distribution specification, "Error Codes").
    pub fn code(&self) -> &'static str {
        match self {
            TokenError::Encoding | TokenError::TwoUpstreams(..) => "UNSUPPORTED",
            TokenError::Scope(_) => "NAME_INVALID",
            TokenError::Denied(_, refusal) => refusal.refuse_as.code(),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Encoding => f.write_str("the token request is not form-urlencoded"),
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

impl<'a> Piece<'a> {
    fn read(raw: &'a str) -> Piece<'a> {
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        Piece {
            raw,
            name: decode(name),
            value,
        }
    }

    /// A server may read names without case, so secrets are found without it.
    fn is_one_of(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name))
    }

    fn is_personal(&self) -> bool {
        self.is_one_of(&SECRETS) || self.is_one_of(&PERSONAL)
    }

    /// `None` if the service is docxy's own and there is no other to put in its place.
    fn with_service(&self, service: Option<&str>) -> Option<Cow<'a, str>> {
        let asked = decode(self.value);
        match service {
            // One who reads names by the letter has to find it.
            Some(service) if service != asked || self.name != "service" => {
                Some(Cow::Owned(format!("service={}", encode(service))))
            }
            None if asked == SERVICE => None,
            _ => Some(Cow::Borrowed(self.raw)),
        }
    }

    fn with_scopes_for(&self, table: &Table, upstream: UpstreamId) -> Cow<'a, str> {
        let value = decode(self.value);
        let scopes: Vec<Cow<'_, str>> = value
            .split_ascii_whitespace()
            .map(|text| {
                Scope::parse(text).map_or(Cow::Borrowed(text), |scope| {
                    scope.written_for(text, table, upstream)
                })
            })
            .collect();
        if scopes.iter().all(|scope| matches!(scope, Cow::Borrowed(_))) {
            return Cow::Borrowed(self.raw);
        }
        Cow::Owned(format!("scope={}", encode(&scopes.join(" "))))
    }
}

/// A scope of the distribution token specification, "Token Scope Documentation".
enum Scope<'a> {
    /// `repository:name:actions`, or `repository(class):name:actions`.
    Repository {
        kind: &'a str,
        name: &'a str,
        actions: &'a str,
    },
    /// Any other.
    Other,
}

impl<'a> Scope<'a> {
    /// The name may hold a port, so the actions begin after the last colon.
    fn parse(text: &'a str) -> Result<Scope<'a>, TokenError> {
        let malformed = || TokenError::Scope(text.to_owned());
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed());
        }
        let Some((kind, rest)) = text.split_once(':') else {
            return Ok(Scope::Other);
        };
        if kind != "repository" && !kind.starts_with("repository(") {
            return Ok(Scope::Other);
        }
        let (name, actions) = rest.rsplit_once(':').ok_or_else(malformed)?;
        if name.is_empty() {
            return Err(malformed());
        }
        Ok(Scope::Repository {
            kind,
            name,
            actions,
        })
    }

    /// The repository as the upstream names it; its name in front is stripped, another upstream's is part of the name.
    fn repository(&self, table: &Table, upstream: UpstreamId) -> Option<Cow<'_, str>> {
        let Scope::Repository { name, .. } = self else {
            return None;
        };
        let stripped = match split_upstream(name, table) {
            Some((named, _, rest)) if named == upstream => rest,
            _ => name,
        };
        Some(repository_of(stripped, upstream, table))
    }

    /// Borrowed if nothing changes.
    fn written_for<'t>(&self, text: &'t str, table: &Table, upstream: UpstreamId) -> Cow<'t, str> {
        match (self, self.repository(table, upstream)) {
            (
                Scope::Repository {
                    kind,
                    name,
                    actions,
                },
                Some(repository),
            ) if repository != *name => Cow::Owned(format!("{kind}:{repository}:{actions}")),
            _ => Cow::Borrowed(text),
        }
    }
}

/// Some servers read names without case: no scope and no secret may hide from docxy in capitals.
fn is_named(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// Decodes `%XX` and `+`; what is not UTF-8 becomes U+FFFD.
fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// A query that asks for these scopes.
pub fn scope_parameters(scopes: &[String]) -> String {
    let written: Vec<String> = scopes
        .iter()
        .map(|scope| format!("scope={}", encode(scope)))
        .collect();
    written.join("&")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::table::Upstream;
    use super::*;

    fn table() -> Table {
        let texts = [
            "docker.io",
            "ghcr.io",
            "http://127.0.0.1:5100",
            "corp=https://reg.corp.test",
        ];
        let upstreams = texts.iter().flat_map(|text| Upstream::parse(text).unwrap());
        Table::new(upstreams.collect()).unwrap()
    }

    fn id(name: &str) -> UpstreamId {
        table().find(name).unwrap()
    }

    fn parse(text: &str) -> Parameters<'_> {
        Parameters::parse(text).unwrap()
    }

    fn own(text: &str, upstream: &str) -> String {
        parse(text).rewrite(&table(), id(upstream), None, None, Identity::Own)
    }

    #[test]
    fn values_are_decoded_and_the_first_counts() {
        let parameters = parse(
            "service=registry.docker.io&scope=repository%3Aa%2Fb%3Apull+x%20y&a=1&a=2&%62=3&flag&c=&d=x=y",
        );
        let cases = [
            ("service", Some("registry.docker.io")),
            ("scope", Some("repository:a/b:pull x y")),
            ("a", Some("1")),
            ("b", Some("3")),
            ("flag", Some("")),
            ("c", Some("")),
            ("d", Some("x=y")),
            ("e", None),
            ("Service", None),
        ];
        for (name, value) in cases {
            assert_eq!(parameters.value(name).as_deref(), value, "{name}");
        }
        assert_eq!(parse("").value("").as_deref(), None);
    }

    #[test]
    fn what_is_not_urlencoded_is_an_error() {
        for text in [
            "a=%", "a=%2", "a=%zz", "%g0=1", "a=b c", "a=\r\n", "a=é", "a=\0", "a=b#c", "a=%1%41",
            "a=b&c=%",
        ] {
            assert_eq!(
                Parameters::parse(text).err(),
                Some(TokenError::Encoding),
                "{text:?}"
            );
        }
        for text in ["", "&", "=", "a", "a=%00", "a=%ff", "a=\"|{}"] {
            assert!(Parameters::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn secrets_are_seen() {
        let with = [
            "password=x",
            "a=b&refresh_token=x",
            "client_secret=x",
            "assertion=",
            "PASSWORD=x",
            "pass%77ord=x",
            "access_token=x",
        ];
        for text in with {
            assert!(parse(text).carries_secret(), "{text}");
        }
        for text in [
            "",
            "account=me&service=x",
            "scope=password",
            "xpassword=1",
            "grant_type=password&username=me",
        ] {
            assert!(!parse(text).carries_secret(), "{text}");
        }
    }

    #[test]
    fn scopes_choose_the_upstream() {
        let cases: [(&str, Option<&str>); 13] = [
            ("", None),
            ("service=docxy", None),
            ("scope=repository:alpine:pull", None),
            ("scope=repository%3Alibrary%2Falpine%3Apull", None),
            ("scope=repository:ghcr.io/a/b:pull", Some("ghcr.io")),
            ("scope=repository%3AGHCR.io%2Fa%2Fb%3Apull", Some("ghcr.io")),
            (
                "scope=repository:127.0.0.1:5100/lib/x:pull",
                Some("127.0.0.1:5100"),
            ),
            ("scope=repository(plugin):ghcr.io/a/b:pull", Some("ghcr.io")),
            (
                "scope=repository:ghcr.io/a/b:pull+repository:ghcr.io/c:pull,push",
                Some("ghcr.io"),
            ),
            (
                "scope=repository:docker.io/a:pull&scope=repository:b:pull",
                Some("docker.io"),
            ),
            (
                "scope=registry:catalog:*&scope=repository:ghcr.io/a/b:pull",
                Some("ghcr.io"),
            ),
            ("scope=repository:corp/a:pull", None),
            ("scope=repository:my.project/a:pull", None),
        ];
        for (text, expected) in cases {
            let found = parse(text).upstream(&table()).unwrap();
            assert_eq!(
                found.map(|id| table().get(id).name.clone()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn scopes_of_two_upstreams_are_refused() {
        let cases = [
            "scope=repository:alpine:pull&scope=repository:ghcr.io/a/b:pull",
            "scope=repository:ghcr.io/a/b:pull&scope=repository:alpine:pull",
            "scope=repository:ghcr.io/a/b:pull%20repository:127.0.0.1:5100/x:pull",
            "scope=repository:ghcr.io/a/b:pull+repository:docker.io/x:pull",
        ];
        for text in cases {
            let error = parse(text).upstream(&table()).unwrap_err();
            assert!(matches!(error, TokenError::TwoUpstreams(..)), "{text}");
            assert_eq!(error.status(), 400, "{text}");
        }
    }

    #[test]
    fn malformed_scopes_are_refused() {
        let texts = [
            "scope=repository:",
            "scope=repository:a",
            "scope=repository::pull",
            "scope=repository:a%00b:pull",
            "scope=repository:%ff:pull",
            "scope=a+repository:x",
        ];
        for text in texts {
            let error = parse(text).upstream(&table()).unwrap_err();
            assert!(matches!(error, TokenError::Scope(_)), "{text}");
            assert_eq!((error.status(), error.code()), (400, "NAME_INVALID"));
            assert!(
                parse(text)
                    .check(&table(), id("docker.io"), &Access::default())
                    .is_err(),
                "{text}"
            );
        }
        for text in [
            "scope=repository:A:pull",
            "scope=repository:a//b:pull",
            "scope=repository:../a:pull",
            "scope=repository:ghcr.io:pull",
        ] {
            let error = parse(text)
                .check(&table(), id("ghcr.io"), &Access::default())
                .err();
            assert!(matches!(error, Some(TokenError::Scope(_))), "{text}");
        }
    }

    #[test]
    fn repositories_are_named_as_the_upstream_has_them() {
        let cases: [(&str, &str, &[&str]); 9] = [
            (
                "scope=repository:alpine:pull",
                "docker.io",
                &["library/alpine"],
            ),
            (
                "scope=repository:docker.io/alpine:pull",
                "docker.io",
                &["library/alpine"],
            ),
            (
                "scope=repository:registry-1.docker.io/a/b:pull",
                "docker.io",
                &["a/b"],
            ),
            ("scope=repository:alpine:pull", "ghcr.io", &["alpine"]),
            (
                "scope=repository:a/b:pull+repository:c/d:pull&scope=repository(plugin):e/f:pull",
                "ghcr.io",
                &["a/b", "c/d", "e/f"],
            ),
            (
                "scope=repository:127.0.0.1:5100/lib/x:pull",
                "127.0.0.1:5100",
                &["lib/x"],
            ),
            (
                "scope=repository:ghcr.io/a/b:pull",
                "corp",
                &["ghcr.io/a/b"],
            ),
            ("scope=registry:catalog:*&scope=aws", "ghcr.io", &[]),
            (
                "scope=repository:A:pull&scope=repository:b&scope=repository:c:pull",
                "ghcr.io",
                &["c"],
            ),
        ];
        for (text, upstream, expected) in cases {
            assert_eq!(
                parse(text).repositories(&table(), id(upstream)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn only_allowed_scopes_pass() {
        let rules = ["ghcr.io/org/*".to_owned(), "docker.io/alpine".to_owned()];
        let allow = Access::parse(&rules, &table()).unwrap();
        let cases = [
            ("", "ghcr.io", true),
            ("scope=", "ghcr.io", true),
            ("scope=repository:org/a:pull", "ghcr.io", true),
            ("scope=repository:ghcr.io/org/a:pull", "ghcr.io", true),
            (
                "scope=repository:org/a:pull+repository:other/a:pull",
                "ghcr.io",
                false,
            ),
            (
                "scope=repository:org/a:pull&scope=repository:other/a:pull",
                "ghcr.io",
                false,
            ),
            ("%73cope=repository:other/a:pull", "ghcr.io", false),
            ("Scope=repository:other/a:pull", "ghcr.io", false),
            (
                "scope=repository:org/a:pull%0Arepository:other/a:pull",
                "ghcr.io",
                false,
            ),
            (
                "scope=repository%28plugin%29:other/a:pull",
                "ghcr.io",
                false,
            ),
            ("scope=repository:alpine:pull", "docker.io", true),
            ("scope=repository:docker.io/alpine:pull", "docker.io", true),
            ("scope=repository:alpine:pull", "ghcr.io", false),
            ("scope=registry:catalog:*", "ghcr.io", false),
            ("scope=aws", "ghcr.io", true),
            ("scope=aws", "corp", false),
            ("scope=repository:org/a:pull", "corp", false),
        ];
        for (text, upstream, passes) in cases {
            let checked = parse(text).check(&table(), id(upstream), &allow);
            assert_eq!(checked.is_ok(), passes, "{text}");
            if let Err(error) = checked {
                assert_eq!((error.status(), error.code()), (403, "DENIED"), "{text}");
            }
            assert!(
                parse(text)
                    .check(&table(), id(upstream), &Access::default())
                    .is_ok(),
                "{text}"
            );
        }
    }

    #[test]
    fn only_scopes_that_change_are_written_anew() {
        let cases = [
            ("", "docker.io", ""),
            (
                "scope=repository%3Alib%2Fmulti%3Apull&service=registry",
                "docker.io",
                "scope=repository%3Alib%2Fmulti%3Apull&service=registry",
            ),
            (
                "scope=repository:a/b:pull",
                "docker.io",
                "scope=repository:a/b:pull",
            ),
            (
                "scope=repository:alpine:pull",
                "docker.io",
                "scope=repository%3Alibrary%2Falpine%3Apull",
            ),
            (
                "scope=repository:alpine:pull",
                "ghcr.io",
                "scope=repository:alpine:pull",
            ),
            (
                "scope=repository%3Aghcr.io%2Fa%2Fb%3Apull%2Cpush&x=%7e",
                "ghcr.io",
                "scope=repository%3Aa%2Fb%3Apull%2Cpush&x=%7e",
            ),
            (
                "scope=repository:127.0.0.1:5100/lib/x:pull",
                "127.0.0.1:5100",
                "scope=repository%3Alib%2Fx%3Apull",
            ),
            (
                "scope=repository:alpine:pull+repository:a/b:pull&scope=registry:catalog:*",
                "docker.io",
                "scope=repository%3Alibrary%2Falpine%3Apull%20repository%3Aa%2Fb%3Apull&scope=registry:catalog:*",
            ),
            (
                "scope=repository(plugin):docker.io/sshfs:pull",
                "docker.io",
                "scope=repository%28plugin%29%3Alibrary%2Fsshfs%3Apull",
            ),
            (
                "scope=repository:ghcr.io/a:pull",
                "corp",
                "scope=repository:ghcr.io/a:pull",
            ),
            ("a=1&&b&=c&", "docker.io", "a=1&&b&=c&"),
            ("scope=aws", "docker.io", "scope=aws"),
            (
                "password=a%20b+c&username=me",
                "docker.io",
                "password=a%20b+c&username=me",
            ),
        ];
        for (text, upstream, expected) in cases {
            assert_eq!(own(text, upstream), expected, "{text}");
        }
    }

    #[test]
    fn the_upstreams_service_is_put_in() {
        let cases = [
            (
                "service=docxy&scope=aws",
                Some("registry.docker.io"),
                "service=registry.docker.io&scope=aws",
            ),
            (
                "scope=aws&service=registry%2Edocker.io",
                Some("registry.docker.io"),
                "scope=aws&service=registry%2Edocker.io",
            ),
            (
                "scope=aws",
                Some("a b&c=d"),
                "scope=aws&service=a%20b%26c%3Dd",
            ),
            ("", Some("x"), "service=x"),
            ("service=a&service=b", Some("x"), "service=x"),
            ("service=a&service=b", None, "service=a"),
            ("service=docxy&scope=aws", None, "scope=aws"),
            ("service=", Some("x"), "service=x"),
            ("SERVICE=docxy&a=1", Some("x"), "service=x&a=1"),
            ("Service=x", Some("x"), "service=x"),
        ];
        for (text, service, expected) in cases {
            let written =
                parse(text).rewrite(&table(), id("docker.io"), service, None, Identity::Own);
            assert_eq!(written, expected, "{text}");
        }
    }

    #[test]
    fn the_realms_own_query_comes_first() {
        let cases = [
            (
                "scope=a&service=s",
                None,
                Some("account=$oauthtoken"),
                "account=$oauthtoken&scope=a&service=s",
            ),
            (
                "scope=a",
                None,
                Some("scope=b&scope=c&x=1&x=2"),
                "x=1&x=2&scope=a",
            ),
            ("", None, Some("scope=b&scope=c"), "scope=b&scope=c"),
            ("", Some("s"), Some("service=t&x=%2f"), "x=%2f&service=s"),
            ("", None, Some("service=t"), "service=t"),
            ("a=1", None, Some(""), "a=1"),
            ("", None, Some("flag"), "flag"),
        ];
        for (text, service, realm_query, expected) in cases {
            let written = parse(text).rewrite(
                &table(),
                id("docker.io"),
                service,
                realm_query,
                Identity::Own,
            );
            assert_eq!(written, expected, "{text} {realm_query:?}");
        }
    }

    #[test]
    fn the_anonymous_leave_no_trace_of_themselves() {
        let text = "account=me&client_id=docker&grant_type=password&username=me&password=x&refresh_token=y&PassWord=z\
                    &access_type=offline&offline_token=true&pass%77ord=w&client_secret=v&service=docxy&scope=repository:a/b:pull";
        let written = parse(text).rewrite(
            &table(),
            id("ghcr.io"),
            Some("ghcr.io"),
            None,
            Identity::Anonymous,
        );
        assert_eq!(
            written,
            "client_id=docker&service=ghcr.io&scope=repository:a/b:pull"
        );
        assert!(!parse(&written).carries_secret());
    }

    #[test]
    fn what_is_written_can_be_read_and_stays() {
        let texts = [
            "scope=repository:docker.io/alpine:pull+repository:b:pull&service=docxy",
            "account=a%26b&scope=repository%3Aalpine%3Apull",
        ];
        for text in texts {
            let once = parse(text).rewrite(
                &table(),
                id("docker.io"),
                Some("s"),
                Some("x=1"),
                Identity::Own,
            );
            let twice = parse(&once).rewrite(
                &table(),
                id("docker.io"),
                Some("s"),
                Some("x=1"),
                Identity::Own,
            );
            assert_eq!(once, twice, "{text}");
        }
    }

    #[test]
    fn any_cut_and_any_byte_is_survived() {
        let text = "scope=repository%3Aghcr.io%2Fa%2Fb%3Apull+repository(plugin):x:pull&service=docxy&password=a%20b";
        for at in 0..=text.len() {
            for inserted in ["", "%", "&", "=", ":", "+", "%00", "%ff", "é"] {
                let changed = format!("{}{inserted}{}", &text[..at], &text[at..]);
                let Ok(parameters) = Parameters::parse(&changed) else {
                    continue;
                };
                let written = parameters.rewrite(
                    &table(),
                    id("ghcr.io"),
                    Some("s"),
                    Some("x=1"),
                    Identity::Anonymous,
                );
                assert!(written.bytes().all(|b| b.is_ascii_graphic()), "{changed}");
                let read = parse(&written);
                assert!(!read.carries_secret(), "{changed}");
                let _ = (
                    read.upstream(&table()),
                    read.check(&table(), id("ghcr.io"), &Access::default()),
                );
            }
        }
    }

    #[test]
    fn messages_hold_no_control_bytes() {
        let errors = [
            TokenError::Encoding,
            TokenError::Scope("a\r\n\"".to_owned()),
            TokenError::Denied("\0".repeat(500), Refusal::default()),
            TokenError::TwoUpstreams("a".to_owned(), "b".to_owned()),
        ];
        for error in errors {
            let message = error.to_string();
            assert!(
                message.len() < 200 && message.bytes().all(|b| b.is_ascii_graphic() || b == b' '),
                "{message}"
            );
        }
    }
}
