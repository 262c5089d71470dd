//! Path prefixes that lead to one fixed origin each, for clients that were made for a plain reverse proxy.

use core::fmt;

use super::UpstreamId;
use crate::http::uri::{Origin, UriError};

/// The first components of docxy's own paths.
const OWN: [&str; 7] = [
    "v2", "auth", "token", "health", "ready", "ca.crt", "metrics",
];

/// A mount's place among the [`Mounts`] of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountId(usize);

/// A path prefix, and the origin that is asked for what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Begins with `/` and does not end with one.
    pub prefix: String,
    /// Who is asked.
    pub origin: Origin,
    /// The upstreams that answer there, whose rules it must not be a way round.
    pub upstreams: Vec<UpstreamId>,
    /// The first upstream with this very origin.
    pub upstream: Option<UpstreamId>,
}

impl Mount {
    /// Reads `/PREFIX=URL`. The upstreams are the table's to say.
    pub fn parse(text: &str) -> Result<Mount, MountError> {
        let (prefix, url) = text.split_once('=').ok_or(MountError::Shape)?;
        Ok(Mount {
            prefix: parse_prefix(prefix)?,
            origin: Origin::parse(url).map_err(MountError::Url)?,
            upstreams: Vec::new(),
            upstream: None,
        })
    }

    /// What follows the prefix in a path, if the path lies under it: empty, or from a `/` on.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.prefix.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// All mounts.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    /// A longer prefix stands before a shorter one.
    mounts: Vec<Mount>,
}

impl Mounts {
    /// Adds one; a prefix that is there already is an error.
    pub(super) fn add(&mut self, mount: Mount) -> Result<(), MountError> {
        if self.mounts.iter().any(|known| known.prefix == mount.prefix) {
            return Err(MountError::Twice);
        }
        let is_longer = |known: &Mount| known.prefix.len() >= mount.prefix.len();
        let at = self.mounts.partition_point(is_longer);
        self.mounts.insert(at, mount);
        Ok(())
    }

    /// The mount with the longest prefix under which a path lies, and what follows it there.
    pub fn find<'p>(&self, path: &'p str) -> Option<(MountId, &'p str)> {
        let mut mounts = self.mounts.iter().enumerate();
        mounts.find_map(|(at, mount)| Some((MountId(at), mount.rest(path)?)))
    }

    /// The mount of an origin; of several the one with the longest prefix.
    pub fn of(&self, origin: &Origin) -> Option<MountId> {
        let found = self.mounts.iter().position(|mount| mount.origin == *origin);
        found.map(MountId)
    }

    /// The mount at a place.
    pub fn get(&self, id: MountId) -> &Mount {
        &self.mounts[id.0]
    }

    /// All of them, the longest prefix first.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.mounts.iter()
    }
}

/// What is wrong with a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountError {
    /// Not `/PREFIX=URL`.
    Shape,
    /// A prefix that is no path of plain components.
    Prefix,
    /// A prefix under which docxy has paths of its own.
    Own,
    /// A prefix that is mounted already.
    Twice,
    /// A URL that is malformed or has more than scheme, host and port.
    Url(UriError),
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MountError::Shape => f.write_str(
                "it is not /PREFIX=URL, such as /docker-registry=https://registry-1.docker.io",
            ),
            MountError::Prefix => f.write_str(
                "its prefix is no plain path; write / and letters, digits, '.', '_', '~' and '-', such as /docker-registry",
            ),
            MountError::Own => write!(
                f,
                "docxy has paths of its own there (/{}); take another prefix",
                OWN.join(", /")
            ),
            MountError::Twice => f.write_str("its prefix is mounted already; take another one"),
            MountError::Url(error) => write!(
                f,
                "{error}; after = give scheme, host and port without a path, such as https://auth.docker.io"
            ),
        }
    }
}

impl std::error::Error for MountError {}

/// One or more components without anything that could be read in two ways; a `/` at the end is dropped.
fn parse_prefix(text: &str) -> Result<String, MountError> {
    let prefix = text.strip_suffix('/').unwrap_or(text);
    let components = prefix.strip_prefix('/').ok_or(MountError::Prefix)?;
    if !components.split('/').all(is_component) {
        return Err(MountError::Prefix);
    }
    let first = components.split('/').next().unwrap_or_default();
    if OWN.contains(&first) {
        return Err(MountError::Own);
    }
    Ok(prefix.to_owned())
}

fn is_component(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
    !matches!(text, "" | "." | "..") && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(texts: &[&str]) -> Mounts {
        let mut mounts = Mounts::default();
        for text in texts {
            mounts.add(Mount::parse(text).unwrap()).unwrap();
        }
        mounts
    }

    #[test]
    fn mounts_are_read() {
        let cases = [
            ("/a=https://r.test", "/a", "https://r.test"),
            ("/a/=https://r.test/", "/a", "https://r.test"),
            (
                "/a/b.c_d~e-f=http://[::1]:5000",
                "/a/b.c_d~e-f",
                "http://[::1]:5000",
            ),
            ("/v2x=https://R.test:443", "/v2x", "https://r.test"),
        ];
        for (text, prefix, origin) in cases {
            let mount = Mount::parse(text).unwrap();
            assert_eq!(
                (mount.prefix.as_str(), mount.origin.to_string().as_str()),
                (prefix, origin)
            );
        }
    }

    #[test]
    fn what_makes_no_mount_says_why() {
        let cases = [
            ("", MountError::Shape),
            ("/a", MountError::Shape),
            ("a=https://r.test", MountError::Prefix),
            ("=https://r.test", MountError::Prefix),
            ("/=https://r.test", MountError::Prefix),
            ("//=https://r.test", MountError::Prefix),
            ("/a//b=https://r.test", MountError::Prefix),
            ("/a/../b=https://r.test", MountError::Prefix),
            ("/.=https://r.test", MountError::Prefix),
            ("/a%2fb=https://r.test", MountError::Prefix),
            ("/a b=https://r.test", MountError::Prefix),
            ("/é=https://r.test", MountError::Prefix),
            ("/a?b=https://r.test", MountError::Prefix),
            ("/v2=https://r.test", MountError::Own),
            ("/v2/x=https://r.test", MountError::Own),
            ("/auth/x=https://r.test", MountError::Own),
            ("/token=https://r.test", MountError::Own),
            ("/health/=https://r.test", MountError::Own),
            ("/ready=https://r.test", MountError::Own),
            ("/ca.crt=https://r.test", MountError::Own),
            ("/metrics=https://r.test", MountError::Own),
            ("/a=r.test", MountError::Url(UriError::Scheme)),
            ("/a=ftp://r.test", MountError::Url(UriError::Scheme)),
            ("/a=https://r.test/path", MountError::Url(UriError::Path)),
            ("/a=https://u:p@r.test", MountError::Url(UriError::Userinfo)),
        ];
        for (text, error) in cases {
            assert_eq!(Mount::parse(text), Err(error), "{text}");
            let message = error.to_string();
            assert!(!message.contains('\n'), "{message}");
        }
        let again = Mount::parse("/a/=https://s.test").unwrap();
        assert_eq!(
            mounts(&["/a=https://r.test"]).add(again),
            Err(MountError::Twice)
        );
    }

    #[test]
    fn the_longest_prefix_wins_at_a_components_end() {
        let mounts = mounts(&[
            "/a=https://short.test",
            "/a/b=https://long.test",
            "/ab=https://other.test",
        ]);
        let cases = [
            ("/a", Some(("/a", ""))),
            ("/a/", Some(("/a", "/"))),
            ("/a/c", Some(("/a", "/c"))),
            ("/a/b", Some(("/a/b", ""))),
            ("/a/b/c", Some(("/a/b", "/c"))),
            ("/a/bc", Some(("/a", "/bc"))),
            ("/ab/c", Some(("/ab", "/c"))),
            ("/abc", None),
            ("/A/c", None),
            ("/", None),
            ("a/c", None),
            ("", None),
        ];
        for (path, expected) in cases {
            let found = mounts.find(path);
            let found = found.map(|(id, rest)| (mounts.get(id).prefix.as_str(), rest));
            assert_eq!(found, expected, "{path}");
        }
        let origin = Origin::parse("https://long.test").unwrap();
        assert_eq!(mounts.get(mounts.of(&origin).unwrap()).prefix, "/a/b");
        let origin = Origin::parse("http://long.test").unwrap();
        assert_eq!(mounts.of(&origin), None);
    }
}
