//! What a reload leaves and what it changes.

use std::fs;

use super::{ADMIN, of_upstream, request};
use crate::docxy::Docxy;
use crate::scrape::scrape;
use crate::stand::{MANIFEST, NAME, settled};
use crate::wire::authority::Authority;
use crate::wire::{Answer, Ask, Server};

/// docxy with a configuration file that is written anew.
struct Configured {
    docxy: Docxy,
    directory: tempfile::TempDir,
}

impl Configured {
    fn start(registry: &Server) -> Configured {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docxy.toml");
        fs::write(&path, Configured::text_of(NAME, registry)).unwrap();
        let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
        Configured { docxy, directory }
    }

    fn text(&self, name: &str, registry: &Server) -> String {
        Configured::text_of(name, registry)
    }

    fn text_of(name: &str, registry: &Server) -> String {
        let url = registry.url();
        format!(
            "listen = ['127.0.0.1:0']\nadmin = '127.0.0.1:0'\n[[upstream]]\nname = '{name}'\nurl = '{url}'\n"
        )
    }

    /// Has docxy read another file, for the nth time.
    fn reload(&self, text: &str, nth: usize) {
        fs::write(self.directory.path().join("docxy.toml"), text).unwrap();
        self.docxy.signal("HUP");
        self.docxy.wait_for_lines("reloaded, as asked", nth);
    }
}

#[test]
fn what_is_left_of_a_quota_is_shown_and_stays_over_a_reload() {
    let fields = [
        ("RateLimit-Limit", "100;w=21600"),
        ("RateLimit-Remaining", "87;w=21600"),
    ];
    let registry = Server::start(move |_| Answer::new("200 OK", &fields, "{}"));
    let docxy = Configured::start(&registry);
    assert_eq!(
        scrape(&docxy.docxy).get(&of_upstream("docxy_quota_remaining")),
        None
    );
    assert_eq!(settled(&docxy.docxy, &Ask::get(MANIFEST)).status(), 200);
    let quota = |docxy: &Docxy| {
        let names = [
            "docxy_quota_remaining",
            "docxy_quota_limit",
            "docxy_quota_timestamp_seconds",
        ];
        let now = scrape(docxy);
        names.map(|name| now.get(&of_upstream(name)).unwrap())
    };
    let before = quota(&docxy.docxy);
    assert_eq!(before[..2], [87.0, 100.0]);
    let start = scrape(&docxy.docxy).value("process_start_time_seconds");
    assert!(before[2] + 1.0 >= start, "{before:?} {start}");
    docxy.reload(&docxy.text(NAME, &registry), 1);
    assert_eq!(quota(&docxy.docxy), before);
}

#[test]
fn over_a_reload_counts_go_on_and_who_has_left_is_no_longer_shown() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let configured = Configured::start(&registry);
    let docxy = &configured.docxy;
    let result = |result: &str| format!("docxy_reloads_total{{result=\"{result}\"}}");
    let last = "docxy_last_reload_success_timestamp_seconds";
    let started = scrape(docxy);
    assert_eq!(
        (started.get(&result("ok")), started.get(&result("failed"))),
        (Some(0.0), Some(0.0))
    );
    assert!(started.value(last) >= started.value("process_start_time_seconds").floor());
    settled(docxy, &Ask::get(MANIFEST));
    configured.reload(&configured.text(NAME, &registry), 1);
    settled(docxy, &Ask::get(MANIFEST));
    let now = scrape(docxy);
    assert_eq!(now.value(&request(NAME, "manifest", 200)), 2.0);
    assert_eq!(
        (now.value(&result("ok")), now.value(&result("failed"))),
        (1.0, 0.0)
    );
    assert!(now.value(last) >= started.value(last));

    configured.reload("nonsense", 2);
    let now = scrape(docxy);
    assert_eq!(
        (now.value(&result("ok")), now.value(&result("failed"))),
        (1.0, 1.0)
    );
    let waiting = format!("workers = 999\n{}", configured.text(NAME, &registry));
    configured.reload(&waiting, 3);
    let now = scrape(docxy);
    assert_eq!(
        (now.value(&result("ok")), now.value(&result("failed"))),
        (1.0, 2.0),
        "a part waits for a restart"
    );
    for nth in 4..9 {
        configured.reload(&configured.text(&format!("n{nth}.test"), &registry), nth);
        settled(docxy, &Ask::get(MANIFEST));
    }
    let now = scrape(docxy);
    let is_of = |name: &&&str| name.contains("upstream=\"") && !name.contains("upstream=\"-\"");
    let names = now.names();
    let shown: Vec<_> = names.iter().filter(is_of).collect();
    assert!(
        !shown.is_empty() && shown.iter().all(|name| name.contains("n8.test")),
        "{shown:?}"
    );
    assert_eq!(now.value(&request("n8.test", "manifest", 200)), 1.0);
    // What is counted in all has not been lost.
    assert_eq!(
        now.value("docxy_first_byte_seconds_count{kind=\"manifest\"}"),
        7.0
    );
}

#[test]
fn certificates_show_their_end_and_a_new_one_its_own() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let until = |name: &str, year: i32| {
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = authority.leaf_with(&[name, "z.test"], key, |params| {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        });
        leaf.write(directory.path(), name)
    };
    let pairs = [until("a.test", 2050), until("b.test", 2051)];
    let docxy = crate::tls_keys::start_with(&pairs, &ADMIN);
    let ends = |docxy: &Docxy| {
        let now = scrape(docxy);
        ["a.test", "b.test", "z.test", "*"].map(|name| {
            now.get(&format!(
                "docxy_certificate_not_after_timestamp_seconds{{name={name:?}}}"
            ))
        })
    };
    let years = [2_524_608_000.0, 2_556_144_000.0, 2_587_680_000.0];
    assert_eq!(ends(&docxy), [Some(years[0]), Some(years[1]), None, None]);
    until("b.test", 2052);
    docxy.signal("HUP");
    docxy.wait_for_line("reloaded, as asked");
    assert_eq!(ends(&docxy), [Some(years[0]), Some(years[2]), None, None]);
}
