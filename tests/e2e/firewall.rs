//! A firewall between docxy and a registry that forgets an idle connection and drops what comes over it without a word, with
//! real packets: docxy, the registry and the firewall are in a network namespace of their own.

use tempfile::TempDir;

use super::docxy::Docxy;
use super::namespace::Namespace;
use super::programs::{Running, Turn, begin, run, skip};

const REGISTRY: &str = "9.9.9.9";

struct World {
    docxy: Docxy,
    namespace: Namespace,
    _kept: (Running, TempDir, Turn),
}

impl World {
    fn start() -> Option<World> {
        let turn = begin(&["ip", "iptables", "python3", "curl"])?;
        let namespace = Namespace::new(&[REGISTRY])
            .and_then(|namespace| {
                run(namespace.command("iptables").args(["--list"])).map(|_| namespace)
            })
            .map_err(|said| skip(&format!("ip netns, iptables: {said}")))
            .ok()?;
        let dir = tempfile::tempdir().unwrap();
        let mut script = namespace.command("python3");
        script.args([
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/firewall.py"),
            REGISTRY,
        ]);
        let mut registry = Running::start(dir.path(), "registry", &mut script);
        let is_up = registry.wait_until(|script| script.log().contains("ready"));
        assert!(is_up, "the registry does not start:\n{}", registry.log());
        let mut docxy = namespace.command(env!("CARGO_BIN_EXE_docxy"));
        docxy.args(["--listen", "http://127.0.0.1:0", "--log", "debug"]);
        // Of several workers another one would have to make a connection of its own.
        docxy.args(["--workers", "1"]);
        docxy.args(["--upstream", &format!("reg.test=http://{REGISTRY}")]);
        Some(World {
            docxy: Docxy::start_with(&mut docxy),
            namespace,
            _kept: (registry, dir, turn),
        })
    }

    /// The port from which docxy asks the registry now. The client waits less long than docxy does for an answer.
    fn port(&self) -> String {
        let mut curl = self.namespace.command("curl");
        curl.args(["--silent", "--fail", "--max-time", "20"]);
        let url = format!("{}/v2/a/b/manifests/latest", self.docxy.url());
        run(curl.arg(url)).unwrap()
    }

    /// What goes over the connection from this port is dropped from now on, in both directions.
    fn forget(&self, port: &str) {
        for (source, destination) in [(port, "80"), ("80", port)] {
            let mut rule = self.namespace.command("iptables");
            rule.args(["--append", "INPUT", "--protocol", "tcp", "--jump", "DROP"]);
            rule.args(["--source-port", source, "--destination-port", destination]);
            run(&mut rule).unwrap();
        }
    }
}

#[test]
fn an_idle_connection_that_a_firewall_has_forgotten_costs_three_seconds() {
    let Some(world) = World::start() else {
        return;
    };
    let first = world.port();
    assert_eq!(world.port(), first, "it is kept");
    world.forget(&first);
    let second = world.port();
    assert_ne!(second, first);
    world.docxy.wait_for_line("an idle connection was dead");
    let lines = world.docxy.wait_for_lines(" target=/v2/", 3);
    assert!(lines[2].contains(" retries=1 "), "{lines:#?}");
    assert_eq!(world.port(), second, "the next one is kept in its place");
}
