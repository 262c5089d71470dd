//! Pulls by a real engine while docxy's certificate is exchanged again and again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::certificates::Authority;
use super::docxy::Docxy;
use super::door::Door;
use super::engines::{Pull, skopeo};
use super::origin::{Kind, Origin};
use super::programs::begin;
use super::store::large;

const RELOADS: usize = 100;
const PULLS: usize = 3;

#[test]
fn skopeo_pulls_through_a_hundred_reloads() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    let (origin, dir) = (Origin::start(Kind::Plain), tempfile::tempdir().unwrap());
    let authority = Authority::new(dir.path(), "ca");
    let leaf = authority.issue(dir.path(), "docxy");
    let files = [&leaf.cert, &leaf.key].map(|path| path.display().to_string());
    let tls = [
        "--listen",
        "https://127.0.0.1:0",
        "--tls-cert",
        &files[0],
        "--tls-key",
        &files[1],
        "--log",
        "debug",
    ];
    let upstream = origin.docxy_args();
    let upstream: Vec<&str> = upstream.iter().map(String::as_str).collect();
    let docxy = Docxy::start(&[&tls[..], &upstream].concat());
    let door = Door {
        authority: docxy.addr().to_string(),
        ca: Some(authority.dir().to_owned()),
    };
    let (pulls, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let pulling = scope.spawn(|| {
            while !enough.load(Ordering::SeqCst) {
                skopeo::pull(Pull::new(&door, "lib/multi", &large().image)).unwrap();
                pulls.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut reloads = 0;
        while (reloads < RELOADS || pulls.load(Ordering::SeqCst) < PULLS) && !pulling.is_finished()
        {
            authority.issue(dir.path(), "docxy");
            docxy.signal("HUP");
            reloads += 1;
            docxy.wait_for_lines("reloaded, as asked", reloads);
        }
        enough.store(true, Ordering::SeqCst);
        pulling.join().unwrap();
    });
    let log = docxy.log();
    let failed = |line: &&String| line.contains("no TLS with") || line.contains("stays in use");
    assert_eq!(log.iter().find(failed), None);
}
