//! The kinds of registry that an upstream can be, each serving the large image.

use tempfile::TempDir;

use super::cdn::Cdn;
use super::certificates::Authority;
use super::registry::{Registry, Setup};
use super::store::large;
use super::tokens::TokenServer;

/// What the upstream is called in docxy's configuration.
pub(crate) const NAME: &str = "origin.test";

/// A kind of registry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// HTTP, open to all.
    Plain,
    /// HTTPS with an authority of its own.
    Tls,
    /// Tokens for everything, credentials for `private/`.
    Tokens,
    /// The same, and every blob is a redirect to a CDN on another port.
    Redirect,
    /// All of that over TLS, as registries of the world are.
    World,
    /// The same, and the CDN breaks every answer off after a while.
    Breaking,
}

/// Where the CDN of [`Kind::Breaking`] breaks off: ten times in a layer of 50 MB.
const BREAKS_AFTER: usize = 4_700_000;

impl Kind {
    /// All of them from which an engine can pull without docxy.
    pub(crate) const ALL: [Kind; 5] = [
        Kind::Plain,
        Kind::Tls,
        Kind::Tokens,
        Kind::Redirect,
        Kind::World,
    ];

    /// Whether it and what belongs to it have certificates.
    fn has_tls(self) -> bool {
        matches!(self, Kind::Tls | Kind::World | Kind::Breaking)
    }

    /// Whether it asks for tokens.
    pub(crate) fn has_tokens(self) -> bool {
        !matches!(self, Kind::Plain | Kind::Tls)
    }

    /// Whether it sends for its blobs to a CDN.
    fn has_cdn(self) -> bool {
        matches!(self, Kind::Redirect | Kind::World | Kind::Breaking)
    }
}

/// A registry of some kind with all that belongs to it.
pub(crate) struct Origin {
    pub(crate) registry: Registry,
    pub(crate) tokens: Option<TokenServer>,
    pub(crate) cdn: Option<Cdn>,
    authority: Option<Authority>,
    _dir: TempDir,
}

impl Origin {
    /// Starts a registry of that kind.
    pub(crate) fn start(kind: Kind) -> Origin {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        let authority = kind.has_tls().then(|| Authority::new(at, "upstream-ca"));
        let issue = |name| {
            authority
                .as_ref()
                .map(|authority| authority.issue(at, name))
        };
        let tokens = kind
            .has_tokens()
            .then(|| TokenServer::start(at, issue("token-server").as_ref()));
        let breaks_after = if kind == Kind::Breaking {
            BREAKS_AFTER
        } else {
            usize::MAX
        };
        let cdn = kind
            .has_cdn()
            .then(|| Cdn::start(large().root.clone(), issue("cdn").as_ref(), breaks_after));
        let setup = Setup {
            tls: authority.as_ref(),
            tokens: tokens.as_ref(),
            cdn: cdn.as_ref(),
            ..Setup::default()
        };
        let registry = setup.start(&large().root);
        Origin {
            registry,
            tokens,
            cdn,
            authority,
            _dir: dir,
        }
    }

    /// The arguments with which docxy stands before it.
    pub(crate) fn docxy_args(&self) -> Vec<String> {
        let mut args = vec![
            "--upstream".to_owned(),
            format!("{NAME}={}", self.registry.url()),
        ];
        if let Some(authority) = &self.authority {
            args.extend([
                "--upstream-ca".to_owned(),
                authority.root().display().to_string(),
            ]);
        }
        args
    }

    /// Holds the CDN to what §4 and §5 of the design say: it was asked, and never with credentials.
    pub(crate) fn assert_cdn_saw_no_credentials(&self) {
        let Some(cdn) = &self.cdn else { return };
        let seen = cdn.seen();
        assert!(!seen.is_empty(), "no blob came from the CDN");
        for request in seen {
            let kept = request.field("authorization").or(request.field("cookie"));
            assert_eq!(
                kept, None,
                "{} {} with credentials",
                request.method, request.target
            );
        }
    }
}
