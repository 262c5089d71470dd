//! The address check of redirects, through the shipped binary and with addresses of the world: docxy, the registries
//! and a client run in a network namespace of their own.

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;

use super::docxy::Docxy;
use super::namespace::Namespace;
use super::programs::{Running, Turn, begin, run, skip};

/// Where the public registry and a public CDN are.
const PUBLIC: &str = "9.9.9.9";
const PUBLIC_CDN: &str = "8.8.4.4";
const PRIVATE: &str = "10.1.2.3";
const PRIVATE_CDN: &str = "192.168.7.7";
const METADATA: &str = "169.254.169.254";

/// Where `/v2/to/LABEL/` leads to: its blobs by a redirect, its manifests by the realm of a challenge.
const TARGETS: [(&str, &str); 27] = [
    ("public", "http://8.8.4.4/layer"),
    ("private", "http://10.1.2.3/layer"),
    ("other-private", "http://192.168.7.7/layer"),
    ("loopback", "http://127.0.0.1/layer"),
    ("loopback-six", "http://[::1]/layer"),
    ("mapped", "http://[::ffff:127.0.0.1]/layer"),
    ("metadata", "http://169.254.169.254/latest/meta-data/"),
    ("in-two-hops", "http://8.8.4.4/v2/to/private/blobs/layer"),
    ("localhost", "http://localhost/layer"),
    ("unspecified", "http://0.0.0.0/layer"),
    ("unspecified-six", "http://[::]/layer"),
    ("mapped-hexadecimal", "http://[::ffff:7f00:1]/layer"),
    ("mapped-private", "http://[::ffff:10.1.2.3]/layer"),
    ("mapped-metadata", "http://[::ffff:169.254.169.254]/layer"),
    ("compatible", "http://[::127.0.0.1]/layer"),
    ("translated", "http://[64:ff9b::10.1.2.3]/layer"),
    ("decimal", "http://2130706433/layer"),
    ("octal", "http://0177.0.0.1/layer"),
    ("hexadecimal", "http://0x7f.0.0.1/layer"),
    ("short", "http://127.1/layer"),
    ("userinfo", "http://8.8.4.4@127.0.0.1/layer"),
    ("backslash", "http://127.0.0.1\\@8.8.4.4/layer"),
    ("named-private", "http://inside.test/layer"),
    ("named-metadata", "http://metadata.test/layer"),
    ("mixed", "http://mixed.test/layer"),
    ("mixed-unreachable", "http://unreachable.test/layer"),
    ("turning", "http://turning.test/layer"),
];

/// What the name server says. The name that turns is another's each time it is asked for.
const NAMES: [&str; 5] = [
    "inside.test=10.1.2.3",
    "metadata.test=169.254.169.254",
    "mixed.test=127.0.0.1,10.1.2.3,8.8.4.4,169.254.169.254",
    "unreachable.test=1.1.1.1,127.0.0.1,10.1.2.3",
    "turning.test=8.8.4.4/127.0.0.1/10.1.2.3/169.254.169.254",
];

/// docxy before a public and a private registry.
struct World {
    docxy: Docxy,
    namespace: Namespace,
    _kept: (Running, Running, TempDir, Turn),
}

impl World {
    fn start() -> Option<World> {
        let turn = begin(&["ip", "python3", "curl"])?;
        let addresses = [PUBLIC, PUBLIC_CDN, PRIVATE, PRIVATE_CDN, METADATA];
        let namespace = Namespace::new(&addresses)
            .map_err(|said| skip(&format!("ip netns: {said}")))
            .ok()?;
        let dir = tempfile::tempdir().unwrap();
        let registries = start_registries(&namespace, &addresses, dir.path());
        let names = start_names(&namespace, dir.path());
        let mut docxy = namespace.command(env!("CARGO_BIN_EXE_docxy"));
        docxy.args(["--listen", "http://127.0.0.1:0"]);
        for (name, address) in [("public.test", PUBLIC), ("private.test", PRIVATE)] {
            docxy.args(["--upstream", &format!("{name}=http://{address}")]);
        }
        let docxy = Docxy::start_with(&mut docxy);
        Some(World {
            docxy,
            namespace,
            _kept: (registries, names, dir, turn),
        })
    }

    /// The status with which docxy answers for a blob that `upstream` sends to `label`.
    fn pull(&self, method: &str, upstream: &str, label: &str) -> String {
        let digest = format!("sha256:{}", "a".repeat(64));
        self.status(method, &format!("/v2/{upstream}/to/{label}/blobs/{digest}"))
    }

    /// The status with which docxy answers for a token of which `upstream` says that it is to be had at `label`.
    fn token(&self, upstream: &str, label: &str) -> String {
        let challenged = self.status(
            "GET",
            &format!("/v2/{upstream}/to/{label}/manifests/latest"),
        );
        assert_eq!(challenged, "401", "{label} is learned");
        let scope = format!("repository:to/{label}:pull");
        self.status(
            "GET",
            &format!("/auth/{upstream}/token?service={label}&scope={scope}"),
        )
    }

    fn status(&self, method: &str, target: &str) -> String {
        let mut curl = self.curl();
        curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]);
        let head = if method == "HEAD" {
            &["--head"][..]
        } else {
            &[]
        };
        run(curl.args(head).arg(format!("{}{target}", self.docxy.url()))).unwrap()
    }

    /// The addresses that were connected to by now.
    fn accepted(&self) -> BTreeSet<String> {
        let ask = || run(self.curl().arg(format!("http://{PUBLIC}/accepted"))).unwrap();
        // In one round of the script's the question may come before a connection that is older than it.
        ask();
        ask().lines().map(str::to_owned).collect()
    }

    fn curl(&self) -> std::process::Command {
        let mut curl = self.namespace.command("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "60",
        ]);
        curl
    }

    fn assert_only_accepted(&self, expected: &[&str]) {
        let expected: BTreeSet<String> =
            expected.iter().map(|&address| address.to_owned()).collect();
        assert_eq!(
            self.accepted(),
            expected,
            "the addresses that docxy connected to"
        );
    }
}

fn start_registries(namespace: &Namespace, addresses: &[&str], dir: &Path) -> Running {
    let mut script = namespace.command("python3");
    script.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/e2e/redirecting.py"
    ));
    script.args(TARGETS.map(|(label, url)| format!("{label}={url}")));
    script.arg("--").args(addresses).args(["127.0.0.1", "::1"]);
    let mut registries = Running::start(dir, "registries", &mut script);
    let up = registries.wait_until(|script| script.log().contains("ready"));
    assert!(up, "the registries do not start:\n{}", registries.log());
    registries
}

fn start_names(namespace: &Namespace, dir: &Path) -> Running {
    namespace.resolve_by("127.0.0.1");
    let mut script = namespace.command("python3");
    script.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/support/names.py"
    ));
    let mut names = Running::start(dir, "names", script.args(NAMES));
    let up = names.wait_until(|script| script.log().contains("ready"));
    assert!(up, "the name server does not start:\n{}", names.log());
    names
}

/// What a public upstream may not send docxy to.
fn forbidden() -> impl Iterator<Item = &'static str> {
    let public = ["public", "mixed", "mixed-unreachable", "turning"];
    let labels = TARGETS.map(|(label, _)| label).into_iter();
    labels.filter(move |label| !public.contains(label))
}

#[test]
fn a_public_upstream_sends_to_public_addresses_only() {
    let Some(world) = World::start() else { return };
    for method in ["GET", "HEAD"] {
        assert_eq!(
            world.pull(method, "public.test", "public"),
            "200",
            "{method}"
        );
        for label in forbidden() {
            assert_eq!(
                world.pull(method, "public.test", label),
                "502",
                "{method} {label}"
            );
        }
    }
    world.assert_only_accepted(&[PUBLIC, PUBLIC_CDN]);
}

#[test]
fn a_private_upstream_sends_to_private_addresses_too() {
    let Some(world) = World::start() else { return };
    for label in ["other-private", "public"] {
        assert_eq!(world.pull("GET", "private.test", label), "200", "{label}");
    }
    assert_eq!(world.pull("GET", "private.test", "metadata"), "502");
    world.assert_only_accepted(&[PUBLIC, PUBLIC_CDN, PRIVATE, PRIVATE_CDN]);
}

#[test]
fn a_public_upstream_names_public_token_servers_only() {
    let Some(world) = World::start() else { return };
    assert_eq!(world.token("public.test", "public"), "200");
    // A realm is asked as it is; where it leads to is a redirect again.
    for label in forbidden().filter(|&label| label != "in-two-hops") {
        assert_eq!(world.token("public.test", label), "502", "{label}");
    }
    world.assert_only_accepted(&[PUBLIC, PUBLIC_CDN]);
}

#[test]
fn of_the_addresses_of_a_name_those_that_were_checked_are_dialled() {
    let Some(world) = World::start() else { return };
    assert_eq!(world.pull("GET", "public.test", "mixed"), "200");
    assert_eq!(world.token("public.test", "mixed"), "200");
    assert_eq!(world.pull("GET", "public.test", "mixed-unreachable"), "503");
    world.assert_only_accepted(&[PUBLIC, PUBLIC_CDN]);
}

/// The name has another address at each lookup, the first a public one: there is one lookup, and what it said is dialled.
#[test]
fn a_name_that_turns_after_the_check_leads_nowhere_else() {
    let Some(world) = World::start() else { return };
    for method in ["GET", "HEAD", "GET"] {
        assert_eq!(world.pull(method, "public.test", "turning"), "200");
    }
    assert_eq!(world.token("public.test", "turning"), "200");
    world.assert_only_accepted(&[PUBLIC, PUBLIC_CDN]);
}
