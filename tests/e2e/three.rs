//! docxy before three upstreams on one Host, the same repository another image in each.

use tempfile::TempDir;

use super::docxy::Docxy;
use super::door::{Door, one_door};
use super::engines::Pull;
use super::forwarder::Forwarder;
use super::programs::{Turn, begin};
use super::registry::{Registry, Setup};
use super::store::Store;
use super::tokens::{PASSWORD, TokenServer, USER};

/// Whether the default upstream asks for tokens; the second one always does, the third never.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum First {
    Tokens,
    Open,
}

/// `one.test` (the default), `two.test` and `three.test`; a wrong turn is seen by the digest.
pub(crate) struct Three {
    pub(crate) one: Store,
    pub(crate) two: Store,
    pub(crate) three: Store,
    pub(crate) door: Door,
    docxy: Docxy,
    /// In front of the second registry.
    to_two: Forwarder,
    tokens_two: TokenServer,
    _kept: ([Registry; 3], TokenServer, TempDir, Turn),
}

impl Three {
    /// Starts everything, unless one of the programs is missing.
    pub(crate) fn start(first: First, programs: &[&str]) -> Option<Three> {
        let turn = begin(&[&["docker-registry", "openssl", "skopeo"], programs].concat())?;
        let dir = tempfile::tempdir().unwrap();
        let store = |seed, repositories: &[&str]| Store::small(dir.path(), seed, repositories);
        let one = store(11, &["team/app", "private/app"]);
        let (two, three) = (store(22, &["team/app"]), store(33, &["team/app"]));
        let [tokens_one, tokens_two] = ["one", "two"].map(|name| {
            let own = dir.path().join(name);
            std::fs::create_dir(&own).unwrap();
            TokenServer::start(&own, None)
        });
        let open = Setup::default();
        let first = if first == First::Open {
            open
        } else {
            Setup::with_tokens(&tokens_one)
        };
        let registries = [
            first.start(&one.root),
            Setup::with_tokens(&tokens_two).start(&two.root),
            open.start(&three.root),
        ];
        let to_two = Forwarder::start(registries[1].addr());
        let args = docxy_args(&registries, &to_two);
        let (docxy, door) = one_door(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let _kept = (registries, tokens_one, dir, turn);
        Some(Three {
            one,
            two,
            three,
            door,
            docxy,
            to_two,
            tokens_two,
            _kept,
        })
    }

    /// What an engine names by path, and which image that is. Without a prefix it is the default upstream's.
    pub(crate) fn by_path(&self) -> [Pull<'_>; 5] {
        [
            Pull::new(&self.door, "team/app", &self.one.image),
            Pull::new(&self.door, "one.test/team/app", &self.one.image),
            Pull::new(&self.door, "two.test/team/app", &self.two.image),
            Pull::new(&self.door, "alias.test/team/app", &self.two.image),
            Pull::new(&self.door, "three.test/team/app", &self.three.image),
        ]
    }

    /// The arguments with which docxy stands before them.
    pub(crate) fn docxy_args(&self) -> Vec<String> {
        docxy_args(&self._kept.0, &self.to_two)
    }

    /// The same docxy by a Host that is an alias of the third upstream.
    pub(crate) fn door_by_alias(&self) -> Door {
        Door {
            authority: format!("localhost:{}", self.docxy.addr().port()),
            ca: None,
        }
    }

    /// Nothing of the login for the default upstream has reached the second one or its token server.
    pub(crate) fn assert_two_saw_no_login(&self) {
        let sent = self.to_two.sent();
        assert!(
            sent.contains("/v2/team/app/manifests/"),
            "the second registry was asked"
        );
        assert!(
            !sent.contains("Basic ") && !sent.contains(PASSWORD),
            "{sent}"
        );
        let asked = self.tokens_two.seen();
        assert!(!asked.is_empty(), "the second token server was asked");
        for request in asked {
            assert_eq!(request.field("authorization"), None, "{request:?}");
            let text = format!("{}\n{}", request.target, request.body);
            let leak = [USER, PASSWORD, "refresh_token=", "password="]
                .into_iter()
                .find(|part| text.contains(part));
            assert_eq!(leak, None, "{request:?}");
        }
    }
}

fn docxy_args(registries: &[Registry; 3], to_two: &Forwarder) -> Vec<String> {
    let upstreams = [
        format!("one.test={}", registries[0].url()),
        format!("two.test=http://{}", to_two.addr()),
        format!("three.test={}", registries[2].url()),
    ];
    let aliases = ["two.test=alias.test", "three.test=localhost"].map(str::to_owned);
    let flags = |flag: &'static str| move |value| [flag.to_owned(), value];
    let upstreams = upstreams.into_iter().flat_map(flags("--upstream"));
    let aliases = aliases.into_iter().flat_map(flags("--upstream-alias"));
    upstreams.chain(aliases).collect()
}
