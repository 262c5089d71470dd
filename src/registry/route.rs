//! Where a request goes (design §3): the one way from a method, a target and a Host to an upstream and its own path.
//!
//! Everything in a target comes from a stranger. What passes here holds names, tags and digests of the distribution
//! grammar only, and a query without control bytes.

use core::fmt;
use core::ops::Range;
use std::borrow::Cow;

use memchr::{memchr, memrchr_iter};
use percent_encoding::percent_decode_str;

use super::access::{Access, Identity, Refusal};
use super::name;
use super::table::{Table, UpstreamId, is_name_byte};
use crate::http::uri::{Authority, split_query};

/// What a content or ping request may be.
const READING: &str = "GET, HEAD";

/// What a token request may be: engines with credentials send a form (design §3).
const ASKING_FOR_A_TOKEN: &str = "GET, HEAD, POST";

/// As much of a request as a message quotes.
const MAX_QUOTED: usize = 80;

/// Before the repository in an upstream's paths.
const V2: &str = "/v2/";

/// The keywords between a repository and what is asked of it.
const MANIFESTS: &str = "/manifests/";
const BLOBS: &str = "/blobs/";
const REFERRERS: &str = "/referrers/";
const TAGS: &str = "/tags/list";

/// The methods that docxy serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 9110 §9.3.1.
    Get,
    /// RFC 9110 §9.3.2.
    Head,
    /// RFC 9110 §9.3.3; for tokens only.
    Post,
}

impl Method {
    /// The method of a request line, which is told apart by case (RFC 9110 §9.1); `None` for all that docxy does not serve.
    pub fn parse(bytes: &[u8]) -> Option<Method> {
        match bytes {
            b"GET" => Some(Method::Get),
            b"HEAD" => Some(Method::Head),
            b"POST" => Some(Method::Post),
            _ => None,
        }
    }

    /// The method as a request line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
        }
    }
}

/// What decides where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method as it was sent.
    pub method: &'a [u8],
    /// Path and query as they were sent.
    pub target: &'a str,
    /// The Host, or the authority of an absolute target.
    pub host: Option<&'a Authority>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/health`
    Health,
    /// `/ready`
    Ready,
    /// `/ca.crt`
    Ca,
    /// `/v2/` of one upstream.
    Ping {
        /// Whose.
        upstream: UpstreamId,
        /// How it was named.
        place: Place,
    },
    /// `/v2/` of several upstreams, which docxy answers itself.
    SharedPing,
    /// A token endpoint.
    Token(TokenRoute),
    /// A manifest, a blob, tags or referrers.
    Content(Content),
}

/// A request for a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRoute {
    /// The upstream of `/auth/<name>/token`; `None` where the scopes choose it, else the Host, else it is the default one.
    pub upstream: Option<UpstreamId>,
    /// The upstream that the Host chooses, or that the Host chose where the client was challenged.
    pub by_host: Option<UpstreamId>,
    /// The query without its `?`, as it was sent. It may hold secrets.
    pub query: String,
    /// Whether there are several upstreams and the Host chooses none of them.
    pub shared: bool,
}

impl TokenRoute {
    /// Who the client is for the upstream that was chosen in the end.
    pub fn identity(&self, table: &Table, chosen: UpstreamId) -> Identity {
        Identity::of(table, self.by_host, chosen)
    }
}

impl fmt::Debug for TokenRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRoute")
            .field("upstream", &self.upstream)
            .field("by_host", &self.by_host)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// A request for a part of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Whose repository.
    pub upstream: UpstreamId,
    /// Which part.
    pub kind: Kind,
    /// Where the repository lies in the target.
    pub repository: Range<usize>,
    /// The target there: the upstream's name stripped, `library/` added, `ns` left out, the rest byte for byte.
    pub path_and_query: String,
    /// How the upstream was named.
    pub place: Place,
}

impl Content {
    /// The repository as the upstream names it.
    pub fn repository(&self) -> &str {
        &self.path_and_query[self.repository.clone()]
    }
}

/// The parts of a repository that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A manifest or an index, by tag or digest.
    Manifest,
    /// A blob, by digest.
    Blob,
    /// The list of tags.
    Tags,
    /// The manifests that refer to a digest.
    Referrers,
}

/// How a client named the upstream, for references in answers, and who it is there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The path component that named it, as it was written.
    pub prefix: Option<String>,
    /// The value of `ns`, as it was written; only characters of names, raw or percent-encoded.
    pub ns: Option<String>,
    /// Whether there are several upstreams and the Host chooses none of them.
    pub shared: bool,
    /// Whether the client's credentials may go to the upstream (design §4).
    pub identity: Identity,
}

impl Place {
    /// The value of `ns` decoded, for `OCI-Namespace`.
    pub fn namespace(&self) -> Option<String> {
        self.ns.as_deref().and_then(decode_name)
    }
}

/// Finds where a request goes.
///
/// Looks nothing up but `table`, and lets nothing pass that `access` does not.
pub fn route(asked: &Asked<'_>, table: &Table, access: &Access) -> Result<Route, RouteError> {
    let (path, query) = split_query(asked.target);
    check_method(asked.method, path)?;
    if !is_sound_path(path) || !is_sound_query(query) {
        return Err(RouteError::Malformed);
    }
    let by_host = asked.host.and_then(|host| table.find_host(&host.host));
    let token = |upstream, by_host: Option<UpstreamId>| {
        Ok(Route::Token(TokenRoute {
            upstream,
            by_host,
            query: query.strip_prefix('?').unwrap_or(query).to_owned(),
            shared: table.is_shared() && by_host.is_none(),
        }))
    };
    match path {
        "/health" => Ok(Route::Health),
        "/ready" => Ok(Route::Ready),
        "/ca.crt" => Ok(Route::Ca),
        "/token" | "/auth/token" => token(None, by_host),
        _ => match (path.strip_prefix("/v2"), token_owner(path)) {
            (Some(rest), _) if rest.is_empty() || rest.starts_with('/') => {
                Chosen::from(rest, query, by_host, table)?.route(table, access)
            }
            (_, Some(owner)) => {
                let upstream = find_encoded(owner, table)?;
                // A realm that is called by an alias was given on a Host of the upstream's own, and so was the login.
                token(Some(upstream), table.find_alias(owner).or(by_host))
            }
            _ => Err(RouteError::NotFound),
        },
    }
}

/// Why a request goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The target has a dot segment, an empty one, an encoded separator or a byte that none may have.
    Malformed,
    /// A method that is not served there.
    Method {
        /// Those that are, as an Allow field has them.
        allowed: &'static str,
    },
    /// Nothing is there.
    NotFound,
    /// No upstream has this name.
    UnknownName(String),
    /// Not a repository name.
    Name(String),
    /// Not a tag.
    Tag(String),
    /// Not a digest.
    Digest(String),
    /// A repository that may not pass.
    Denied(String, Refusal),
}

impl RouteError {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            RouteError::Malformed
            | RouteError::Name(_)
            | RouteError::Tag(_)
            | RouteError::Digest(_) => 400,
            RouteError::Denied(_, refusal) => refusal.refuse_as.status(),
            RouteError::NotFound | RouteError::UnknownName(_) => 404,
            RouteError::Method { .. } => 405,
        }
    }

    /// The code in the answer's body (OCI distribution specification, "Error Codes").
    pub fn code(&self) -> &'static str {
        match self {
            RouteError::Malformed | RouteError::Name(_) => "NAME_INVALID",
            RouteError::Tag(_) => "TAG_INVALID",
            RouteError::Digest(_) => "DIGEST_INVALID",
            RouteError::Denied(_, refusal) => refusal.refuse_as.code(),
            RouteError::NotFound => "NOT_FOUND",
            RouteError::UnknownName(_) => "NAME_UNKNOWN",
            RouteError::Method { .. } => "UNSUPPORTED",
        }
    }

    /// The value of the Allow field that a 405 must have (RFC 9110 §15.5.6).
    pub fn allow_methods(&self) -> Option<&'static str> {
        match self {
            RouteError::Method { allowed } => Some(allowed),
            _ => None,
        }
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::Malformed => f.write_str("the request target is malformed"),
            RouteError::Method { allowed } => write!(f, "only {allowed} are served here"),
            RouteError::NotFound => f.write_str("nothing is served at this path"),
            RouteError::UnknownName(name) => write!(f, "no upstream is named '{}'", Quoted(name)),
            RouteError::Name(name) => write!(f, "'{}' is not a repository name", Quoted(name)),
            RouteError::Tag(tag) => write!(f, "'{}' is not a tag", Quoted(tag)),
            RouteError::Digest(digest) => write!(f, "'{}' is not a digest", Quoted(digest)),
            RouteError::Denied(name, refusal) => refusal.describe(Quoted(name), f),
        }
    }
}

impl std::error::Error for RouteError {}

/// Text of a request in a message: printable ASCII without quotes, and not much of it.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(MAX_QUOTED) {
            let shown = c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '<' | '>');
            fmt::Write::write_char(f, if shown { c } else { '?' })?;
        }
        if self.0.chars().nth(MAX_QUOTED).is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
}

/// A repository name as the upstream has it: Docker Hub keeps its own images under `library/`.
pub(super) fn repository_of<'r>(
    repository: &'r str,
    upstream: UpstreamId,
    table: &Table,
) -> Cow<'r, str> {
    if table.get(upstream).is_docker_hub() && !repository.contains('/') {
        Cow::Owned(format!("library/{repository}"))
    } else {
        Cow::Borrowed(repository)
    }
}

/// Splits off the first component if it has a dot and names an upstream; the rest then has no leading slash.
pub(super) fn split_upstream<'t>(
    name: &'t str,
    table: &Table,
) -> Option<(UpstreamId, &'t str, &'t str)> {
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    let upstream = first.contains('.').then(|| table.find(first)).flatten()?;
    Some((upstream, first, rest))
}

/// A query, with its `?` if there is any, without its `ns` parameters.
pub(super) fn without_ns(query: &str) -> String {
    let Some(parameters) = query.strip_prefix('?') else {
        return String::new();
    };
    let mut kept = parameters
        .split('&')
        .filter(|parameter| !is_ns(parameter))
        .peekable();
    if kept.peek().is_none() {
        return String::new();
    }
    let kept: Vec<&str> = kept.collect();
    format!("?{}", kept.join("&"))
}

/// The upstream that a request under `/v2/` is for, and what it asks there.
struct Chosen<'a> {
    /// `None` where nothing names one of several.
    upstream: Option<UpstreamId>,
    /// What follows `/v2/` and the upstream's name.
    rest: &'a str,
    query: &'a str,
    place: Place,
}

impl<'a> Chosen<'a> {
    /// Design §3: the path, `ns`, the Host, the default upstream; the first that names one wins.
    fn from(
        rest: &'a str,
        query: &'a str,
        by_host: Option<UpstreamId>,
        table: &Table,
    ) -> Result<Chosen<'a>, RouteError> {
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let by_path = split_upstream(rest, table);
        let mut ns = ns_of(query);
        let by_ns = match ns.map(|ns| find_encoded(ns, table)) {
            Some(Err(_)) if by_path.is_some() => {
                ns = ns.filter(|ns| decode_name(ns).is_some());
                None
            }
            found => found.transpose()?,
        };
        let named = by_path.map(|(upstream, ..)| upstream).or(by_ns).or(by_host);
        let alone = (!table.is_shared()).then(|| table.default_upstream());
        let chosen = named.or(alone);
        Ok(Chosen {
            upstream: chosen,
            rest: by_path.map_or(rest, |(_, _, rest)| rest),
            query,
            place: Place {
                prefix: by_path.map(|(_, prefix, _)| prefix.to_owned()),
                ns: ns.map(str::to_owned),
                shared: table.is_shared() && by_host.is_none(),
                identity: Identity::of(table, by_host, chosen.unwrap_or(table.default_upstream())),
            },
        })
    }

    fn route(self, table: &Table, access: &Access) -> Result<Route, RouteError> {
        if !self.rest.is_empty() {
            return self.content(table, access).map(Route::Content);
        }
        Ok(match self.upstream {
            Some(upstream) => Route::Ping {
                upstream,
                place: self.place,
            },
            None => Route::SharedPing,
        })
    }

    fn content(self, table: &Table, access: &Access) -> Result<Content, RouteError> {
        let (kind, repository, tail) = split_content(self.rest).ok_or(RouteError::NotFound)?;
        let upstream = self.upstream.unwrap_or(table.default_upstream());
        let upstream_side = repository_of(repository, upstream, table);
        if !name::is_repository(&upstream_side) {
            return Err(RouteError::Name(repository.to_owned()));
        }
        check_reference(kind, tail)?;
        if let Err(refusal) = access.check(upstream, &upstream_side) {
            return Err(RouteError::Denied(
                upstream_side.into_owned(),
                refusal.clone(),
            ));
        }
        Ok(Content {
            upstream,
            kind,
            path_and_query: [V2, &upstream_side, tail, &without_ns(self.query)].concat(),
            repository: V2.len()..V2.len() + upstream_side.len(),
            place: self.place,
        })
    }
}

/// Kind, repository and the rest of the path from its keyword on, at the last keyword.
fn split_content(rest: &str) -> Option<(Kind, &str, &str)> {
    memrchr_iter(b'/', rest.as_bytes()).find_map(|at| {
        let (repository, tail) = rest.split_at(at);
        let kind = match tail {
            TAGS => Kind::Tags,
            _ if tail.starts_with(MANIFESTS) => Kind::Manifest,
            _ if tail.starts_with(BLOBS) => Kind::Blob,
            _ if tail.starts_with(REFERRERS) => Kind::Referrers,
            _ => return None,
        };
        Some((kind, repository, tail))
    })
}

/// Checks the tag or digest after the keyword.
fn check_reference(kind: Kind, tail: &str) -> Result<(), RouteError> {
    let digest = |text: &str| match name::is_digest(text) {
        true => Ok(()),
        false => Err(RouteError::Digest(text.to_owned())),
    };
    match kind {
        Kind::Tags => Ok(()),
        Kind::Blob => digest(tail.strip_prefix(BLOBS).unwrap_or_default()),
        Kind::Referrers => digest(tail.strip_prefix(REFERRERS).unwrap_or_default()),
        Kind::Manifest => match tail.strip_prefix(MANIFESTS).unwrap_or_default() {
            reference if reference.contains(':') => digest(reference),
            reference if name::is_tag(reference) => Ok(()),
            reference => Err(RouteError::Tag(reference.to_owned())),
        },
    }
}

fn check_method(method: &[u8], path: &str) -> Result<(), RouteError> {
    let is_token = matches!(path, "/token" | "/auth/token") || token_owner(path).is_some();
    match Method::parse(method) {
        Some(Method::Get | Method::Head) => Ok(()),
        Some(Method::Post) if is_token => Ok(()),
        _ => Err(RouteError::Method {
            allowed: if is_token {
                ASKING_FOR_A_TOKEN
            } else {
                READING
            },
        }),
    }
}

/// `<name>` of `/auth/<name>/token`.
fn token_owner(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/auth/")?.strip_suffix("/token")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Begins with `/`, has neither dot segments nor empty ones, and nothing that would become one by decoding.
fn is_sound_path(path: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && b != b'\\' && b != b'#';
    let Some((b'/', segments)) = path.as_bytes().split_first() else {
        return false;
    };
    let has_escapes = memchr(b'%', segments).is_some();
    if !path.bytes().all(is_plain) || has_escapes && !path.split('%').skip(1).all(is_sound_escape) {
        return false;
    }
    let mut segments = segments.split(|&b| b == b'/');
    // An empty last one is a `/` at the end; a `//` there makes the one before it empty too.
    let last = segments.next_back().unwrap_or_default();
    !is_dots(last) && segments.all(|segment| !segment.is_empty() && !is_dots(segment))
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Whether the two digits after a `%` are such, and stand for nothing that could be read as structure.
fn is_sound_escape(after_percent: &str) -> bool {
    match after_percent.as_bytes() {
        [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            let escape = [b'%', *high, *low];
            percent_encoding::percent_decode(&escape)
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b'.' | b'%'))
        }
        _ => false,
    }
}

fn is_sound_query(query: &str) -> bool {
    query.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}

fn is_ns(parameter: &str) -> bool {
    parameter == "ns" || parameter.starts_with("ns=")
}

/// The first `ns` of a query that is not empty.
fn ns_of(query: &str) -> Option<&str> {
    let parameters = query.strip_prefix('?')?.split('&');
    let mut values = parameters.filter_map(|parameter| parameter.strip_prefix("ns="));
    values.find(|value| !value.is_empty())
}

fn find_encoded(name: &str, table: &Table) -> Result<UpstreamId, RouteError> {
    let found = decode_name(name).and_then(|name| table.find(&name));
    found.ok_or_else(|| RouteError::UnknownName(name.to_owned()))
}

/// Percent-decodes what may be an upstream's name.
fn decode_name(name: &str) -> Option<String> {
    let decoded: Vec<u8> = percent_decode_str(name).collect();
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.bytes().all(is_name_byte).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::super::table::Upstream;
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn table(texts: &[&str]) -> Table {
        let upstreams = texts.iter().flat_map(|text| Upstream::parse(text).unwrap());
        let mut table = Table::new(upstreams.collect()).unwrap();
        if table.find("ghcr.io").is_some() {
            table.add_alias("ghcr.io", "gh.test").unwrap();
        }
        table
    }

    fn one() -> Table {
        table(&["docker.io"])
    }

    fn several() -> Table {
        table(&[
            "docker.io",
            "ghcr.io",
            "http://127.0.0.1:5100",
            "corp=https://reg.corp.test",
        ])
    }

    fn ask(table: &Table, method: &str, target: &str, host: &str) -> Result<Route, RouteError> {
        ask_allowed(table, &[], method, target, host)
    }

    fn ask_allowed(
        table: &Table,
        rules: &[&str],
        method: &str,
        target: &str,
        host: &str,
    ) -> Result<Route, RouteError> {
        let rules: Vec<String> = rules.iter().map(|&rule| rule.to_owned()).collect();
        let allow = Access::parse(&rules, table).unwrap();
        let host = (!host.is_empty()).then(|| Authority::parse(host.as_bytes()).unwrap());
        let asked = Asked {
            method: method.as_bytes(),
            target,
            host: host.as_ref(),
        };
        route(&asked, table, &allow)
    }

    fn content(table: &Table, target: &str, host: &str) -> Content {
        match ask(table, "GET", target, host) {
            Ok(Route::Content(content)) => content,
            other => panic!("{target}: {other:?}"),
        }
    }

    fn name_of(table: &Table, id: UpstreamId) -> &str {
        &table.get(id).name
    }

    #[test]
    fn own_endpoints() {
        for table in [one(), several()] {
            assert_eq!(ask(&table, "GET", "/health", "x"), Ok(Route::Health));
            assert_eq!(ask(&table, "HEAD", "/ready?x=1", ""), Ok(Route::Ready));
            assert_eq!(ask(&table, "GET", "/ca.crt", "x"), Ok(Route::Ca));
        }
    }

    #[test]
    fn content_of_one_upstream() {
        let long = format!("/v2/library/alpine/blobs/{DIGEST}");
        let short = format!("/v2/alpine/blobs/{DIGEST}");
        let referrers = format!("/v2/a/b/referrers/{DIGEST}?artifactType=x%2Fy");
        let cases = [
            (
                "/v2/alpine/manifests/latest",
                Kind::Manifest,
                "library/alpine",
                "/v2/library/alpine/manifests/latest",
            ),
            (
                "/v2/library/alpine/manifests/latest",
                Kind::Manifest,
                "library/alpine",
                "/v2/library/alpine/manifests/latest",
            ),
            (&long, Kind::Blob, "library/alpine", &long),
            (&short, Kind::Blob, "library/alpine", &long),
            (&referrers, Kind::Referrers, "a/b", &referrers),
            (
                "/v2/a/b/tags/list?n=2&last=x",
                Kind::Tags,
                "a/b",
                "/v2/a/b/tags/list?n=2&last=x",
            ),
            (
                "/v2/docker.io/alpine/manifests/3",
                Kind::Manifest,
                "library/alpine",
                "/v2/library/alpine/manifests/3",
            ),
            (
                "/v2/Index.Docker.IO/a/b/manifests/3",
                Kind::Manifest,
                "a/b",
                "/v2/a/b/manifests/3",
            ),
            (
                "/v2/my.project/x/manifests/3",
                Kind::Manifest,
                "my.project/x",
                "/v2/my.project/x/manifests/3",
            ),
            (
                "/v2/a/b/manifests/x?",
                Kind::Manifest,
                "a/b",
                "/v2/a/b/manifests/x?",
            ),
        ];
        for (target, kind, repository, path_and_query) in cases {
            let content = content(&one(), target, "evil.test");
            assert_eq!(content.kind, kind, "{target}");
            assert_eq!(content.repository(), repository, "{target}");
            assert_eq!(content.path_and_query, path_and_query, "{target}");
            assert!(!content.place.shared, "{target}");
            assert_eq!(content.place.identity, Identity::Own, "{target}");
        }
    }

    #[test]
    fn paths_are_split_at_the_last_keyword() {
        let cases = [
            ("/v2/x/manifests/manifests/latest", "x/manifests"),
            (
                "/v2/manifests/manifests/manifests/latest",
                "manifests/manifests",
            ),
            ("/v2/x/tags/list/manifests/latest", "x/tags/list"),
            ("/v2/x/manifests/tags/list", "x/manifests"),
            ("/v2/x/tags/list/tags/list", "x/tags/list"),
            ("/v2/x/blobs/y/manifests/latest", "x/blobs/y"),
            ("/v2/x/referrers/manifests/blobs", "x/referrers"),
            ("/v2/x/uploads/manifests/list", "x/uploads"),
            ("/v2/blobs/manifests/x", "library/blobs"),
        ];
        for (target, repository) in cases {
            assert_eq!(
                content(&one(), target, "").repository(),
                repository,
                "{target}"
            );
        }
    }

    #[test]
    fn the_first_that_names_an_upstream_chooses_it() {
        let cases = [
            // target, host, upstream, path there
            (
                "/v2/a/b/tags/list",
                "docxy.test",
                "docker.io",
                "/v2/a/b/tags/list",
            ),
            ("/v2/a/b/tags/list", "", "docker.io", "/v2/a/b/tags/list"),
            ("/v2/a/tags/list", "gh.test", "ghcr.io", "/v2/a/tags/list"),
            (
                "/v2/a/tags/list",
                "GH.test:5000",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            ("/v2/a/tags/list", "ghcr.io", "ghcr.io", "/v2/a/tags/list"),
            ("/v2/a/tags/list", "corp", "corp", "/v2/a/tags/list"),
            (
                "/v2/a/tags/list",
                "127.0.0.1:5100",
                "docker.io",
                "/v2/library/a/tags/list",
            ),
            (
                "/v2/a/tags/list?ns=ghcr.io",
                "docxy.test",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            (
                "/v2/a/tags/list?ns=docker.io",
                "gh.test",
                "docker.io",
                "/v2/library/a/tags/list",
            ),
            (
                "/v2/a/tags/list?ns=127.0.0.1%3A5100&n=1",
                "",
                "127.0.0.1:5100",
                "/v2/a/tags/list?n=1",
            ),
            (
                "/v2/a/tags/list?ns=127.0.0.1:5100",
                "",
                "127.0.0.1:5100",
                "/v2/a/tags/list",
            ),
            ("/v2/a/tags/list?ns=corp", "", "corp", "/v2/a/tags/list"),
            (
                "/v2/a/tags/list?ns=GHCR.IO",
                "",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            (
                "/v2/ghcr.io/a/tags/list",
                "docxy.test",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            (
                "/v2/ghcr.io/a/tags/list?ns=ghcr.io",
                "",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            (
                "/v2/ghcr.io/a/tags/list?ns=docker.io",
                "",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            (
                "/v2/ghcr.io/a/tags/list?ns=other.test",
                "",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            (
                "/v2/docker.io/a/tags/list",
                "gh.test",
                "docker.io",
                "/v2/library/a/tags/list",
            ),
            (
                "/v2/127.0.0.1:5100/lib/x/tags/list",
                "",
                "127.0.0.1:5100",
                "/v2/lib/x/tags/list",
            ),
            (
                "/v2/reg.corp.test/a/b/tags/list",
                "",
                "corp",
                "/v2/a/b/tags/list",
            ),
            (
                "/v2/corp/a/tags/list",
                "",
                "docker.io",
                "/v2/corp/a/tags/list",
            ),
            (
                "/v2/ghcr.io/ghcr.io/a/tags/list",
                "",
                "ghcr.io",
                "/v2/ghcr.io/a/tags/list",
            ),
            (
                "/v2/a/tags/list?ns=",
                "gh.test",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
            (
                "/v2/a/tags/list?ns",
                "",
                "docker.io",
                "/v2/library/a/tags/list",
            ),
            (
                "/v2/a/tags/list?ns=&ns=ghcr.io",
                "",
                "ghcr.io",
                "/v2/a/tags/list",
            ),
        ];
        let table = several();
        for (target, host, upstream, path) in cases {
            let content = content(&table, target, host);
            assert_eq!(
                name_of(&table, content.upstream),
                upstream,
                "{target} {host}"
            );
            assert_eq!(content.path_and_query, path, "{target} {host}");
        }
    }

    #[test]
    fn places_say_how_the_upstream_was_named() {
        let table = several();
        let cases = [
            (
                "/v2/a/b/tags/list",
                "x.test",
                None,
                None,
                true,
                Identity::Own,
            ),
            (
                "/v2/GHCR.io/b/tags/list",
                "x.test",
                Some("GHCR.io"),
                None,
                true,
                Identity::Anonymous,
            ),
            (
                "/v2/a/b/tags/list?ns=ghcr.io",
                "x.test",
                None,
                Some("ghcr.io"),
                true,
                Identity::Anonymous,
            ),
            (
                "/v2/a/b/tags/list?ns=docker.io",
                "x.test",
                None,
                Some("docker.io"),
                true,
                Identity::Own,
            ),
            (
                "/v2/docker.io/b/tags/list",
                "x.test",
                Some("docker.io"),
                None,
                true,
                Identity::Own,
            ),
            (
                "/v2/a/b/tags/list",
                "gh.test",
                None,
                None,
                false,
                Identity::Own,
            ),
            (
                "/v2/ghcr.io/b/tags/list",
                "gh.test",
                Some("ghcr.io"),
                None,
                false,
                Identity::Own,
            ),
            (
                "/v2/docker.io/b/tags/list",
                "gh.test",
                Some("docker.io"),
                None,
                false,
                Identity::Anonymous,
            ),
            (
                "/v2/ghcr.io/b/tags/list?ns=127.0.0.1%3a5100",
                "",
                Some("ghcr.io"),
                Some("127.0.0.1%3a5100"),
                true,
                Identity::Anonymous,
            ),
            (
                "/v2/ghcr.io/b/tags/list?ns=other.test",
                "",
                Some("ghcr.io"),
                Some("other.test"),
                true,
                Identity::Anonymous,
            ),
            (
                "/v2/ghcr.io/b/tags/list?ns=%0d%0aX:y",
                "",
                Some("ghcr.io"),
                None,
                true,
                Identity::Anonymous,
            ),
            (
                "/v2/ghcr.io/b/tags/list?ns=a>;rel=x",
                "",
                Some("ghcr.io"),
                None,
                true,
                Identity::Anonymous,
            ),
        ];
        for (target, host, prefix, ns, shared, identity) in cases {
            let place = content(&table, target, host).place;
            let expected = Place {
                prefix: prefix.map(str::to_owned),
                ns: ns.map(str::to_owned),
                shared,
                identity,
            };
            assert_eq!(place, expected, "{target} {host}");
        }
        let place = content(&table, "/v2/a/tags/list?ns=127.0.0.1%3a5100", "").place;
        assert_eq!(place.namespace().as_deref(), Some("127.0.0.1:5100"));
        assert_eq!(Place::default().namespace(), None);
    }

    #[test]
    fn ns_is_left_out_and_the_rest_of_the_query_stays() {
        let cases = [
            ("", ""),
            ("?", "?"),
            ("?ns=docker.io", ""),
            ("?ns=", ""),
            ("?n=1", "?n=1"),
            ("?ns=docker.io&n=1&last=b%2fc", "?n=1&last=b%2fc"),
            ("?n=1&ns=docker.io&last=x", "?n=1&last=x"),
            ("?n=1&ns=docker.io", "?n=1"),
            ("?&ns=docker.io&&n=1", "?&&n=1"),
            ("?nsx=1&xns=2", "?nsx=1&xns=2"),
            ("?ns=docker.io&ns=ghcr.io", ""),
            ("?last=a?b&n=%zz", "?last=a?b&n=%zz"),
        ];
        for (query, kept) in cases {
            let target = format!("/v2/a/b/tags/list{query}");
            let expected = format!("/v2/a/b/tags/list{kept}");
            assert_eq!(
                content(&several(), &target, "").path_and_query,
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn pings_go_to_the_upstream_that_is_named() {
        let cases = [
            ("/v2/", "x.test", None),
            ("/v2", "x.test", None),
            ("/v2/", "gh.test", Some("ghcr.io")),
            ("/v2/?ns=ghcr.io", "x.test", Some("ghcr.io")),
            ("/v2/ghcr.io/", "x.test", Some("ghcr.io")),
            ("/v2/ghcr.io", "x.test", Some("ghcr.io")),
            ("/v2/docker.io/?ns=ghcr.io", "gh.test", Some("docker.io")),
            ("/v2/127.0.0.1:5100/", "", Some("127.0.0.1:5100")),
        ];
        let table = several();
        for (target, host, expected) in cases {
            match (ask(&table, "GET", target, host), expected) {
                (Ok(Route::SharedPing), None) => {}
                (Ok(Route::Ping { upstream, .. }), Some(name)) => {
                    assert_eq!(name_of(&table, upstream), name, "{target}");
                }
                (other, _) => panic!("{target} {host}: {other:?}"),
            }
        }
        for target in ["/v2/", "/v2", "/v2/docker.io/"] {
            assert!(
                matches!(ask(&one(), "GET", target, "x.test"), Ok(Route::Ping { .. })),
                "{target}"
            );
        }
        let Ok(Route::Ping { place, .. }) = ask(&table, "GET", "/v2/ghcr.io/", "x.test") else {
            panic!("no ping");
        };
        assert_eq!(place.prefix.as_deref(), Some("ghcr.io"));
    }

    #[test]
    fn tokens_go_to_the_upstream_of_the_path() {
        let cases = [
            ("/auth/ghcr.io/token", "x.test", Some("ghcr.io"), None, true),
            (
                "/auth/127.0.0.1%3A5100/token",
                "x.test",
                Some("127.0.0.1:5100"),
                None,
                true,
            ),
            (
                "/auth/127.0.0.1:5100/token",
                "x.test",
                Some("127.0.0.1:5100"),
                None,
                true,
            ),
            ("/auth/corp/token", "", Some("corp"), None, true),
            (
                "/auth/GHCR.IO/token?service=x&scope=repository%3Aa%3Apull",
                "gh.test",
                Some("ghcr.io"),
                Some("ghcr.io"),
                false,
            ),
            ("/auth/token?a=b", "x.test", None, None, true),
            ("/token", "gh.test", None, Some("ghcr.io"), false),
        ];
        let table = several();
        for method in ["GET", "HEAD", "POST"] {
            for (target, host, upstream, by_host, shared) in cases {
                let Ok(Route::Token(token)) = ask(&table, method, target, host) else {
                    panic!("{target}");
                };
                assert_eq!(
                    token.upstream.map(|id| name_of(&table, id)),
                    upstream,
                    "{target}"
                );
                assert_eq!(
                    token.by_host.map(|id| name_of(&table, id)),
                    by_host,
                    "{target}"
                );
                assert_eq!(token.shared, shared, "{target}");
                assert_eq!(
                    token.query,
                    split_query(target).1.trim_start_matches('?'),
                    "{target}"
                );
            }
        }
        let Ok(Route::Token(token)) = ask(&one(), "GET", "/token?password=secret", "x.test") else {
            panic!("no token route");
        };
        assert!(!token.shared);
        assert!(!format!("{token:?}").contains("secret"));
        assert_eq!(
            token.identity(&one(), one().default_upstream()),
            Identity::Own
        );
    }

    #[test]
    fn ipv6_upstreams_have_token_paths() {
        let table = table(&["http://[2001:db8::1]:5000", "docker.io"]);
        for target in [
            "/auth/[2001:db8::1]:5000/token",
            "/auth/%5B2001%3Adb8%3A%3A1%5D%3A5000/token",
        ] {
            let Ok(Route::Token(token)) = ask(&table, "GET", target, "") else {
                panic!("{target}");
            };
            assert_eq!(token.upstream, Some(table.default_upstream()), "{target}");
        }
    }

    #[test]
    fn errors_have_status_and_code() {
        let cases = [
            ("GET", "/v2/A/manifests/x", 400, "NAME_INVALID"),
            ("GET", "/v2/a_/manifests/x", 400, "NAME_INVALID"),
            ("GET", "/v2/manifests/x", 404, "NOT_FOUND"),
            ("GET", "/v2/ghcr.io/manifests/x", 404, "NOT_FOUND"),
            ("GET", "/v2/a/manifests/", 400, "TAG_INVALID"),
            ("GET", "/v2/a/manifests/.x", 400, "TAG_INVALID"),
            ("GET", "/v2/a/manifests/x/y", 400, "TAG_INVALID"),
            ("GET", "/v2/a/manifests/x%20y", 400, "NAME_INVALID"),
            ("GET", "/v2/a/manifests/x%41y", 400, "TAG_INVALID"),
            ("GET", "/v2/a/manifests/sha256:x", 400, "DIGEST_INVALID"),
            ("GET", "/v2/a/blobs/latest", 400, "DIGEST_INVALID"),
            ("GET", "/v2/a/blobs/uploads/", 400, "DIGEST_INVALID"),
            ("GET", "/v2/a/referrers/latest", 400, "DIGEST_INVALID"),
            (
                "GET",
                "/v2/unknown.test:5000/a/manifests/x",
                400,
                "NAME_INVALID",
            ),
            ("GET", "/v2/a/manifests/x?ns=evil.test", 404, "NAME_UNKNOWN"),
            (
                "GET",
                "/v2/a/manifests/x?ns=ghcr.io%2f",
                404,
                "NAME_UNKNOWN",
            ),
            ("GET", "/v2/a/manifests/x?ns=%00", 404, "NAME_UNKNOWN"),
            ("GET", "/v2/?ns=evil.test", 404, "NAME_UNKNOWN"),
            ("GET", "/auth/evil.test/token", 404, "NAME_UNKNOWN"),
            ("GET", "/auth/a/b/token", 404, "NOT_FOUND"),
            ("GET", "/auth/ghcr.io/token/", 404, "NOT_FOUND"),
            ("GET", "/", 404, "NOT_FOUND"),
            ("GET", "/v1/", 404, "NOT_FOUND"),
            ("GET", "/v22", 404, "NOT_FOUND"),
            ("GET", "/health/", 404, "NOT_FOUND"),
            ("GET", "/metrics", 404, "NOT_FOUND"),
            ("GET", "/v2/_catalog", 404, "NOT_FOUND"),
            ("GET", "/v2/a", 404, "NOT_FOUND"),
            ("GET", "/v2/a/tags/list/x", 404, "NOT_FOUND"),
            ("GET", "/v2/a/tags/list/", 404, "NOT_FOUND"),
            ("POST", "/v2/a/blobs/uploads/", 405, "UNSUPPORTED"),
            ("PUT", "/v2/a/manifests/x", 405, "UNSUPPORTED"),
            ("DELETE", "/v2/a/manifests/x", 405, "UNSUPPORTED"),
            ("POST", "/v2/", 405, "UNSUPPORTED"),
            ("get", "/v2/", 405, "UNSUPPORTED"),
            ("", "/v2/", 405, "UNSUPPORTED"),
            ("CONNECT", "a.test:443", 405, "UNSUPPORTED"),
            ("OPTIONS", "*", 405, "UNSUPPORTED"),
            ("PUT", "/auth/ghcr.io/token", 405, "UNSUPPORTED"),
            ("GET", "*", 400, "NAME_INVALID"),
            ("GET", "", 400, "NAME_INVALID"),
            ("GET", "a.test:443", 400, "NAME_INVALID"),
        ];
        for (method, target, status, code) in cases {
            let error = ask(&several(), method, target, "gh.test").unwrap_err();
            assert_eq!(
                (error.status(), error.code()),
                (status, code),
                "{method} {target}: {error}"
            );
            let message = error.to_string();
            assert!(
                message.bytes().all(|b| b.is_ascii_graphic() || b == b' '),
                "{message}"
            );
        }
        let too_long = format!("/v2/{}/manifests/x", "a".repeat(250));
        assert_eq!(
            ask(&one(), "GET", &too_long, "").unwrap_err().status(),
            400,
            "with library/"
        );
        assert!(ask(&table(&["ghcr.io"]), "GET", &too_long, "").is_ok());
    }

    #[test]
    fn a_405_names_the_methods_that_are_served() {
        let cases = [
            ("PUT", "/v2/", Some("GET, HEAD")),
            ("POST", "/health", Some("GET, HEAD")),
            ("PUT", "/auth/ghcr.io/token", Some("GET, HEAD, POST")),
            ("DELETE", "/token", Some("GET, HEAD, POST")),
            ("PUT", "/auth/token?x", Some("GET, HEAD, POST")),
            ("GET", "/x", None),
        ];
        for (method, target, allowed) in cases {
            let error = ask(&several(), method, target, "").unwrap_err();
            assert_eq!(error.allow_methods(), allowed, "{method} {target}");
        }
    }

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_malformed() {
        let paths = [
            "/v2/../a/manifests/x",
            "/v2/a/../b/manifests/x",
            "/v2/./a/manifests/x",
            "/v2/a/manifests/..",
            "/v2/a/manifests/.",
            "/..",
            "//v2/a/manifests/x",
            "/v2//a/manifests/x",
            "/v2/a/manifests//x",
            "/v2//",
            "/v2/a%2fb/manifests/x",
            "/v2/a%2Fb/manifests/x",
            "/v2/a%5cb/manifests/x",
            "/v2/%2e%2e/manifests/x",
            "/v2/%2E./manifests/x",
            "/v2/a%00/manifests/x",
            "/v2/a%0d%0a/manifests/x",
            "/v2/a%7f/manifests/x",
            "/v2/a%c0%af/manifests/x",
            "/v2/a%252fb/manifests/x",
            "/v2/a%/manifests/x",
            "/v2/a%2/manifests/x",
            "/v2/a%zz/manifests/x",
            "/v2/a\\b/manifests/x",
            "/v2/a b/manifests/x",
            "/v2/a\tb/manifests/x",
            "/v2/a\r\nb/manifests/x",
            "/v2/a\0/manifests/x",
            "/v2/ü/manifests/x",
            "/v2/a#b/manifests/x",
            "/auth/%2e%2e/token",
            "/auth/a%2fb/token",
            "/auth//token",
            "/v2/a/manifests/x?a=\r\nX:",
            "/v2/a/manifests/x?a= b",
            "/v2/a/manifests/x?a=é",
            "/v2/a/manifests/x?a#b",
        ];
        for path in paths {
            assert_eq!(
                ask(&several(), "GET", path, ""),
                Err(RouteError::Malformed),
                "{path:?}"
            );
        }
    }

    #[test]
    fn only_what_is_allowed_passes() {
        let rules = ["ghcr.io/org/*", "docker.io/alpine"];
        let blob = format!("/v2/ghcr.io/org/x/blobs/{DIGEST}");
        let other_blob = format!("/v2/ghcr.io/other/x/blobs/{DIGEST}");
        let cases = [
            ("/v2/ghcr.io/org/x/manifests/1", true),
            (&blob, true),
            (&other_blob, false),
            ("/v2/ghcr.io/other/x/manifests/1", false),
            ("/v2/ghcr.io/other/x/tags/list", false),
            ("/v2/alpine/manifests/1", true),
            ("/v2/library/alpine/tags/list", true),
            ("/v2/docker.io/alpine/tags/list", true),
            ("/v2/org/x/manifests/1", false),
            ("/v2/org/x/manifests/1?ns=ghcr.io", true),
            ("/v2/127.0.0.1:5100/org/x/manifests/1", false),
        ];
        for (target, passes) in cases {
            let answer = ask_allowed(&several(), &rules, "GET", target, "");
            match answer {
                Ok(_) => assert!(passes, "{target}"),
                Err(error) => {
                    assert!(!passes, "{target}: {error}");
                    assert_eq!((error.status(), error.code()), (403, "DENIED"), "{target}");
                }
            }
        }
        assert!(ask_allowed(&several(), &rules, "GET", "/v2/", "").is_ok());
    }

    #[test]
    fn messages_quote_little_and_only_what_is_printable() {
        let error = RouteError::UnknownName(format!("a\r\n\"<é{}", "x".repeat(500)));
        let message = error.to_string();
        assert!(message.len() < 150, "{message}");
        assert!(
            message.starts_with("no upstream is named 'a?????xx"),
            "{message}"
        );
        assert!(message.ends_with("...'"), "{message}");
    }

    #[test]
    fn methods_are_told_apart_by_case() {
        for method in [Method::Get, Method::Head, Method::Post] {
            assert_eq!(Method::parse(method.as_str().as_bytes()), Some(method));
            assert_eq!(
                Method::parse(method.as_str().to_lowercase().as_bytes()),
                None
            );
        }
    }

    #[test]
    fn any_byte_anywhere_is_survived() {
        let target = format!("/v2/ghcr.io/a/blobs/{DIGEST}?ns=127.0.0.1%3A5100&n=1");
        let table = several();
        for at in 0..=target.len() {
            let _ = ask(&table, "GET", &target[..at], "");
            for c in ['\0', '%', '/', '.', ':', '?', '&', '\u{7f}', 'é'] {
                let changed = format!("{}{c}{}", &target[..at], &target[at..]);
                if let Ok(Route::Content(content)) = ask(&table, "GET", &changed, "") {
                    assert!(name::is_repository(content.repository()), "{changed}");
                    assert!(
                        content.path_and_query.bytes().all(|b| b.is_ascii_graphic()),
                        "{changed}"
                    );
                }
            }
        }
    }
}
