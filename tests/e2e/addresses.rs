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

/// Where `/v2/to/LABEL/blobs/` leads to.
const TARGETS: [(&str, &str); 9] = [
    ("public", "http://8.8.4.4/layer"),
    ("private", "http://10.1.2.3/layer"),
    ("other-private", "http://192.168.7.7/layer"),
    ("loopback", "http://127.0.0.1/layer"),
    ("loopback-six", "http://[::1]/layer"),
    ("mapped", "http://[::ffff:127.0.0.1]/layer"),
    ("metadata", "http://169.254.169.254/latest/meta-data/"),
    ("in-two-hops", "http://8.8.4.4/v2/to/private/blobs/layer"),
    ("localhost", "http://localhost/layer"),
];

/// docxy before a public and a private registry.
struct World {
    docxy: Docxy,
    namespace: Namespace,
    _kept: (Running, TempDir, Turn),
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
        let mut docxy = namespace.command(env!("CARGO_BIN_EXE_docxy"));
        docxy.args(["--listen", "http://127.0.0.1:0"]);
        for (name, address) in [("public.test", PUBLIC), ("private.test", PRIVATE)] {
            docxy.args(["--upstream", &format!("{name}=http://{address}")]);
        }
        let docxy = Docxy::start_with(&mut docxy);
        Some(World {
            docxy,
            namespace,
            _kept: (registries, dir, turn),
        })
    }

    /// The status with which docxy answers for a blob that `upstream` sends to `label`.
    fn pull(&self, method: &str, upstream: &str, label: &str) -> String {
        let digest = format!("sha256:{}", "a".repeat(64));
        let url = format!(
            "{}/v2/{upstream}/to/{label}/blobs/{digest}",
            self.docxy.url()
        );
        let mut curl = self.curl();
        curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]);
        run(curl
            .args(if method == "HEAD" {
                &["--head"][..]
            } else {
                &[]
            })
            .arg(url))
        .unwrap()
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

#[test]
fn a_public_upstream_sends_to_public_addresses_only() {
    let Some(world) = World::start() else { return };
    for method in ["GET", "HEAD"] {
        assert_eq!(
            world.pull(method, "public.test", "public"),
            "200",
            "{method}"
        );
        let refused = [
            "private",
            "other-private",
            "loopback",
            "loopback-six",
            "mapped",
            "metadata",
        ];
        for label in refused.into_iter().chain(["in-two-hops", "localhost"]) {
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
