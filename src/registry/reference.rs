//! Images as users write them: `alpine`, `library/alpine:3.20`, `ghcr.io/owner/img@sha256:…`.

use core::fmt;
use core::str::FromStr;

use super::name;
use super::table::{Table, UpstreamId};

/// The tag that is meant where none is written.
const LATEST: &str = "latest";

/// An image as a user writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry's host, with its port, if one is written.
    pub host: Option<String>,
    /// The repository.
    pub repository: String,
    /// The tag or the digest; a digest wins.
    pub version: String,
}

/// Not an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoReference;

impl fmt::Display for NoReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an image such as alpine, ghcr.io/owner/image:tag or quay.io/owner/image@sha256:…",
        )
    }
}

impl std::error::Error for NoReference {}

impl FromStr for Reference {
    type Err = NoReference;

    /// A first component is a host if it has a dot or a port or is `localhost`, as engines have it.
    fn from_str(text: &str) -> Result<Reference, NoReference> {
        let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
        let (host, rest) = match text.split_once('/') {
            Some((first, rest)) if is_host(first) => (Some(first.to_owned()), rest),
            _ => (None, text),
        };
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let is_sound = name::is_repository(repository)
            && tag.is_none_or(name::is_tag)
            && digest.is_none_or(name::is_digest);
        if !is_sound {
            return Err(NoReference);
        }
        Ok(Reference {
            host,
            repository: repository.to_owned(),
            version: digest.or(tag).unwrap_or(LATEST).to_owned(),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        let mark = if self.version.contains(':') { '@' } else { ':' };
        write!(f, "{}{mark}{}", self.repository, self.version)
    }
}

impl Reference {
    /// Whose it is; `None` if no upstream has its host's name.
    pub fn upstream(&self, table: &Table) -> Option<UpstreamId> {
        match &self.host {
            Some(host) => table.find(host),
            None => Some(table.default_upstream()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:feb5d9fea6a5e9606aa995e879d862b825965ba48de054caab5ef356dc6b3412";

    #[test]
    fn images_are_read_as_engines_read_them() {
        let pinned = format!("ghcr.io/owner/img:1@{DIGEST}");
        for (text, host, repository, version) in [
            ("alpine", None, "alpine", "latest"),
            ("library/alpine:3.20", None, "library/alpine", "3.20"),
            ("ghcr.io/owner/img", Some("ghcr.io"), "owner/img", "latest"),
            (&pinned, Some("ghcr.io"), "owner/img", DIGEST),
            ("localhost/a:b", Some("localhost"), "a", "b"),
            (
                "127.0.0.1:5000/a/b",
                Some("127.0.0.1:5000"),
                "a/b",
                "latest",
            ),
            ("reg:5000/a", Some("reg:5000"), "a", "latest"),
        ] {
            let found: Reference = text.parse().unwrap();
            let parts = (found.host.as_deref(), &*found.repository, &*found.version);
            assert_eq!(parts, (host, repository, version), "{text}");
            assert_eq!(found.to_string().parse(), Ok(found), "{text}");
        }
        for text in [
            "",
            "Alpine",
            "alpine:",
            "alpine@sha256:12",
            "a b",
            "https://ghcr.io/a",
            "ghcr.io/",
            "a/../b",
            "a?ns=b",
            "a\u{1b}",
        ] {
            assert_eq!(text.parse::<Reference>(), Err(NoReference), "{text:?}");
        }
    }
}
