//! Names are looked up by `/etc/hosts` and by the server that `/etc/resolv.conf` names, and by nothing else.

use std::path::Path;
use std::process::Command;

use super::namespace::Namespace;
use super::programs::{Running, begin, run, skip};
use super::root::Root;

fn start(namespace: &Namespace, dir: &Path, script: &str, args: &[&str]) -> Running {
    let mut python = namespace.command("python3");
    python.arg(format!("{}/{script}", env!("CARGO_MANIFEST_DIR")));
    let mut running = Running::start(dir, &script.replace('/', "-"), python.args(args));
    let up = running.wait_until(|script| script.log().contains("ready"));
    assert!(up, "{script} does not start:\n{}", running.log());
    running
}

#[test]
fn hosts_and_resolv_conf_are_read() {
    let Some(_turn) = begin(&["chroot", "ip", "python3", "curl"]) else {
        return;
    };
    let Some(root) = Root::new() else { return };
    let namespace = match Namespace::new(&[]) {
        Ok(namespace) => namespace,
        Err(said) => return skip(&format!("ip netns: {said}")),
    };
    let dir = tempfile::tempdir().unwrap();
    let registry = ["--", "127.0.0.1"];
    let _registry = start(
        &namespace,
        dir.path(),
        "tests/e2e/redirecting.py",
        &registry,
    );
    let names = ["in-dns.test=127.0.0.1"];
    let names = start(&namespace, dir.path(), "tests/support/names.py", &names);
    root.put("hosts", "127.0.0.1 in-hosts.test\n");
    root.put("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2\n");

    let upstreams = ["in-hosts.test", "in-dns.test", "nowhere.test"];
    let mut args = vec!["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    for name in upstreams {
        args.extend(["--upstream".to_owned(), format!("{name}=http://{name}")]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let docxy = root.start_within(&namespace, &args);
    let pull = |name: &str| {
        let mut curl: Command = namespace.command("curl");
        curl.args(["--silent", "--noproxy", "*", "--max-time", "60"]);
        curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]);
        run(curl.arg(format!("{}/v2/{name}/a/b/manifests/latest", docxy.url()))).unwrap()
    };
    assert_eq!(upstreams.map(pull), ["200", "200", "503"]);
    let asked = names.log();
    assert!(
        asked.contains("in-dns.test") && asked.contains("nowhere.test"),
        "{asked}"
    );
    assert!(!asked.contains("in-hosts.test"), "{asked}");
}
