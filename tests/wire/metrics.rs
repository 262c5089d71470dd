//! Every series of `/metrics`: what makes it grow, and by how much; and that nothing that a client sends makes another one.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::blob_server::Blob;
use crate::docxy::Docxy;
use crate::scrape::{Scrape, admin, scrape};
use crate::stand::{DIGEST, MANIFEST, NAME, blob, get, named, settled, start, with_one_worker};
use crate::wire::answer::Act;
use crate::wire::authority::Authority;
use crate::wire::dice::Dice;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Gate, PATIENCE, Server, noise};

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// One worker, since each has a pool of its own.
fn counting(upstream: &Server) -> Docxy {
    with_one_worker(upstream, &ADMIN)
}

/// What each series of a family has grown by while `done` was done.
fn growth(docxy: &Docxy, family: &str, done: impl FnOnce()) -> BTreeMap<String, f64> {
    let before = scrape(docxy);
    done();
    let after = scrape(docxy);
    let changes = after.changes(&before, family).into_iter();
    changes
        .map(|(series, by)| (series.to_owned(), by))
        .collect()
}

/// The first scrape of which this is true.
fn until(docxy: &Docxy, is_true: impl Fn(&Scrape) -> bool) -> Scrape {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = scrape(docxy);
        if is_true(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now:?}");
    }
}

fn expected<const N: usize>(series: [(&str, f64); N]) -> BTreeMap<String, f64> {
    series.map(|(name, by)| (name.to_owned(), by)).into()
}

fn request(upstream: &str, kind: &str, status: u16) -> String {
    format!("docxy_requests_total{{kind=\"{kind}\",status=\"{status}\",upstream=\"{upstream}\"}}")
}

fn of_upstream(family: &str) -> String {
    format!("{family}{{upstream=\"{NAME}\"}}")
}

#[test]
fn requests_are_counted_by_upstream_kind_and_status() {
    let registry = Server::start(|request| match request.head.target() {
        "/v2/" => Answer::challenge(&["Bearer realm=\"/token\",service=\"s\""]),
        target if target.starts_with("/token") => Answer::ok("{\"token\":\"t\"}"),
        target if target.ends_with("none") => Answer::new("404 Not Found", &[], "no"),
        target if target.ends_with("odd") => Answer::new("418 Teapot", &[], "tea"),
        _ => Answer::ok("hello"),
    });
    let docxy = counting(&registry);
    let before = scrape(&docxy);
    let asked = [
        (Ask::get(MANIFEST), "manifest", 200, "hello"),
        (Ask::head(MANIFEST), "manifest", 200, ""),
        (Ask::get("/v2/a/b/manifests/none"), "manifest", 404, "no"),
        (Ask::get(&blob()), "blob", 200, "hello"),
        (Ask::get("/v2/a/b/tags/list"), "tags", 200, "hello"),
        (
            Ask::get(&format!("/v2/a/b/referrers/{DIGEST}")),
            "referrers",
            200,
            "hello",
        ),
        (Ask::get("/v2/"), "v2", 401, ""),
        (
            Ask::get("/token?scope=repository:a/b:pull"),
            "token",
            200,
            "{\"token\":\"t\"}",
        ),
        (Ask::get("/v2/a/b/manifests/odd"), "manifest", 418, "tea"),
    ];
    let (mut requests, mut bytes) = (BTreeMap::new(), BTreeMap::new());
    for (ask, kind, status, body) in &asked {
        let response = settled(&docxy, ask);
        assert_eq!(
            (response.status(), &*response.text()),
            (*status, *body),
            "{kind}"
        );
        // Statuses of no meaning are counted by their class.
        let series = request(NAME, kind, *status).replace("418", "4xx");
        *requests.entry(series).or_insert(0.0) += 1.0;
        let series = format!("docxy_sent_bytes_total{{kind=\"{kind}\",upstream=\"{NAME}\"}}");
        *bytes.entry(series).or_insert(0.0) += body.len() as f64;
    }
    bytes.retain(|_, count| *count > 0.0);
    let refused = [
        ("/nothing", 404, "refused"),
        ("/v2/A/manifests/x", 400, "refused"),
        ("/ca.crt", 404, "own"),
    ];
    for (target, status, kind) in refused {
        assert_eq!(settled(&docxy, &Ask::get(target)).status(), status);
        *requests.entry(request("-", kind, status)).or_insert(0.0) += 1.0;
    }
    // Each of them was followed by one of these.
    let health = (asked.len() + refused.len()) as f64;
    requests.insert(request("-", "own", 200), health);
    let after = scrape(&docxy);
    let owned = |changes: BTreeMap<&str, f64>| -> BTreeMap<String, f64> {
        let changes = changes.into_iter();
        changes.map(|(name, by)| (name.to_owned(), by)).collect()
    };
    assert_eq!(
        owned(after.changes(&before, "docxy_requests_total")),
        requests
    );
    let mut sent = owned(after.changes(&before, "docxy_sent_bytes_total"));
    sent.retain(|series, _| series.contains(NAME));
    assert_eq!(sent, bytes);
    let mut durations = BTreeMap::new();
    for family in ["docxy_first_byte_seconds", "docxy_request_duration_seconds"] {
        for (kind, count) in [
            ("manifest", 4.0),
            ("blob", 1.0),
            ("v2", 1.0),
            ("token", 1.0),
        ] {
            durations.insert(format!("{family}_count{{kind=\"{kind}\"}}"), count);
        }
    }
    for (series, count) in durations {
        assert_eq!(
            after.value(&series) - before.value(&series),
            count,
            "{series}"
        );
    }
}

#[test]
fn what_is_no_request_is_counted_as_refused() {
    let registry = Server::start(|_| Answer::unscripted());
    let docxy = counting(&registry);
    let grown = growth(&docxy, "docxy_requests_total", || {
        let mut client = Client::connect(docxy.addr());
        client.send("GET / HTTP/3.0\r\n\r\n");
        assert_eq!(client.receive("GET").status(), 505);
        client.closing();
    });
    assert_eq!(grown, expected([(&request("-", "refused", 505), 1.0)]));
}

#[test]
fn bytes_are_counted_as_they_pass() {
    let gate = Gate::new();
    let slow = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("second");
    let registry = Server::start(move |_| slow.clone());
    let docxy = counting(&registry);
    let sent = format!("docxy_sent_bytes_total{{kind=\"blob\",upstream=\"{NAME}\"}}");
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    assert_eq!(client.take(4).unwrap(), b"half");
    // The client may be ahead of docxy's own count.
    let halfway = until(&docxy, |now| now.value(&sent) > 0.0);
    let standing = [
        &*sent,
        "docxy_received_bytes_total",
        "docxy_requests_in_flight",
    ];
    assert_eq!(
        standing.map(|series| halfway.value(series)),
        [4.0, 4.0, 1.0]
    );
    assert_eq!(halfway.value(&request(NAME, "blob", 200)), 0.0);
    gate.open();
    assert_eq!(client.take(6).unwrap(), b"second");
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    let after = scrape(&docxy);
    assert_eq!(after.value(&sent), 10.0);
    assert_eq!(after.value(&request(NAME, "blob", 200)), 1.0);
}

#[test]
fn requests_in_flight_come_and_go() {
    let gate = Gate::new();
    let held = gate.clone();
    let registry = Server::start(move |_| {
        Answer::raw("")
            .then(Act::Wait(held.clone()))
            .send(Answer::ok("x").bytes())
    });
    let docxy = counting(&registry);
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(docxy.addr())).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send(Ask::get(MANIFEST).bytes()));
    registry.wait_for_requests(3);
    assert_eq!(scrape(&docxy).value("docxy_requests_in_flight"), 3.0);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive("GET").status(), 200);
    }
    docxy.wait_for_lines("manifests/latest status=200", 3);
    // What was logged is about to be over.
    let now = until(&docxy, |now| now.value("docxy_requests_in_flight") == 0.0);
    assert_eq!(now.value("docxy_connections_open"), 3.0);
    assert_eq!(now.value("docxy_connections_total"), 3.0);
}

#[test]
fn the_pool_counts_hits_misses_and_the_dead() {
    let registry = Server::start(|request| {
        let answer = Answer::ok("hello");
        // The third request is the second one of its connection, and gets no answer there.
        if request.connection == 0 && request.head.target().ends_with("dead") {
            return Answer::raw("").close();
        }
        answer
    });
    let docxy = counting(&registry);
    let result = |result: &str| format!("docxy_pool_requests_total{{result=\"{result}\"}}");
    let cases = [
        (MANIFEST, vec![("miss", 1.0)]),
        (MANIFEST, vec![("hit", 1.0)]),
        ("/v2/a/b/manifests/dead", vec![("stale", 1.0)]),
    ];
    for (target, changes) in cases {
        let grown = growth(&docxy, "docxy_pool_requests_total", || {
            assert_eq!(settled(&docxy, &Ask::get(target)).status(), 200);
        });
        let changes: BTreeMap<_, _> = changes
            .into_iter()
            .map(|(name, by)| (result(name), by))
            .collect();
        assert_eq!(grown, changes, "{target}");
    }
    let now = scrape(&docxy);
    assert_eq!(now.value(&of_upstream("docxy_retries_total")), 1.0);
    assert_eq!(now.value("docxy_dial_seconds_count{step=\"connect\"}"), 2.0);
    assert_eq!(now.value("docxy_received_bytes_total"), 15.0);
}

#[test]
fn redirects_are_counted() {
    let cdn = Server::start(|_| Answer::ok("hello"));
    let location = format!("{}/signed?x=1", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = counting(&registry);
    let grown = growth(&docxy, "docxy_redirects_total", || {
        assert_eq!(settled(&docxy, &Ask::get(&blob())).text(), "hello");
    });
    assert_eq!(
        grown,
        expected([(&of_upstream("docxy_redirects_total"), 1.0)])
    );
}

#[test]
fn resumes_are_counted_and_so_is_what_is_lost() {
    let bytes = noise(100_000);
    let served = Blob::new(&bytes, vec![(10, Act::Drop), (50_000, Act::Close)]);
    let registry = Server::start(
        move |request| match request.head.target().ends_with("list") {
            true => Answer::head("200 OK", &[("Content-Length", "9")])
                .send("half")
                .close(),
            false => served.answer(request),
        },
    );
    let docxy = counting(&registry);
    assert!(settled(&docxy, &Ask::get(&blob())).complete().body == bytes);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get("/v2/a/b/tags/list").bytes());
    client.drain();
    docxy.wait_for_line("tags/list status=200");
    let now = scrape(&docxy);
    assert_eq!(now.value(&of_upstream("docxy_resumes_total")), 2.0);
    assert_eq!(now.value(&of_upstream("docxy_lost_bodies_total")), 1.0);
}

#[test]
fn the_steps_to_a_connection_are_timed_and_their_failures_counted() {
    let (identity, directory) = (Identity::new(), tempfile::tempdir().unwrap());
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("hello"));
    let port = registry.addr().port();
    let upstream = |name: &str, url: &str| format!("{name}={url}");
    let docxy = start(
        &[
            &ADMIN[..],
            &["--upstream-ca", roots.to_str().unwrap()],
            &[
                "--upstream",
                &upstream("good.test", &format!("https://localhost:{port}")),
            ],
            &["--upstream", &upstream("closed.test", "http://127.0.0.1:1")],
            &["--upstream", &upstream("plain.test", "https://127.0.0.1:1")],
        ]
        .concat(),
    );
    let manifest = |name: &str| Ask::get(&format!("/v2/{name}/a/manifests/x"));
    assert_eq!(settled(&docxy, &manifest("good.test")).status(), 200);
    let now = scrape(&docxy);
    for step in ["lookup", "connect", "tls"] {
        let count = format!("docxy_dial_seconds_count{{step=\"{step}\"}}");
        assert_eq!(now.value(&count), 1.0, "{step}");
        let failures = format!("docxy_dial_failures_total{{step=\"{step}\"}}");
        assert_eq!(now.get(&failures), Some(0.0), "{step}");
    }
    assert_eq!(settled(&docxy, &manifest("closed.test")).status(), 503);
    let now = scrape(&docxy);
    // Three tries, none of which was sent.
    assert_eq!(
        now.value("docxy_dial_failures_total{step=\"connect\"}"),
        3.0
    );
    assert_eq!(
        now.value("docxy_retries_total{upstream=\"closed.test\"}"),
        2.0
    );
    assert_eq!(now.value(&request("closed.test", "manifest", 503)), 1.0);
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
    for nth in 3..8 {
        configured.reload(&configured.text(&format!("n{nth}.test"), &registry), nth);
        settled(docxy, &Ask::get(MANIFEST));
    }
    let now = scrape(docxy);
    let is_of = |name: &&&str| name.contains("upstream=\"") && !name.contains("upstream=\"-\"");
    let names = now.names();
    let shown: Vec<_> = names.iter().filter(is_of).collect();
    assert!(
        !shown.is_empty() && shown.iter().all(|name| name.contains("n7.test")),
        "{shown:?}"
    );
    assert_eq!(now.value(&request("n7.test", "manifest", 200)), 1.0);
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

#[test]
fn connections_over_a_limit_are_counted_and_the_operator_still_gets_in() {
    let gate = Gate::new();
    let held = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    let registry = Server::start(move |_| held.clone());
    let docxy = with_one_worker(
        &registry,
        &[&ADMIN[..], &["--max-connections", "1"]].concat(),
    );
    let mut running = Client::connect(docxy.addr());
    running.send(Ask::get(&blob()).bytes());
    running.receive_head();
    assert_eq!(get(&docxy, MANIFEST).status(), 503);
    // It is counted before it is logged.
    docxy.wait_for_line("status=503");
    let now = scrape(&docxy);
    assert_eq!(now.value("docxy_connections_max"), 1.0);
    assert_eq!(
        now.value("docxy_connections_refused_total{limit=\"all\"}"),
        1.0
    );
    assert_eq!(now.value(&request("-", "manifest", 503)), 1.0);
    gate.open();
    assert_eq!(running.take(8).unwrap(), b"halfrest");

    let docxy = with_one_worker(
        &registry,
        &[&ADMIN[..], &["--max-connections-per-ip", "1"]].concat(),
    );
    let _first = settled_client(&docxy);
    assert_eq!(get(&docxy, MANIFEST).status(), 503);
    let now = scrape(&docxy);
    assert_eq!(
        now.value("docxy_connections_refused_total{limit=\"client\"}"),
        1.0
    );
    assert_eq!(
        now.value("docxy_connections_refused_total{limit=\"all\"}"),
        0.0
    );
}

fn settled_client(docxy: &Docxy) -> Client {
    let mut client = Client::connect(docxy.addr());
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    client
}

#[test]
fn the_process_and_its_build_are_shown() {
    let registry = Server::start(|_| Answer::unscripted());
    let now = scrape(&counting(&registry));
    let build = format!(
        "docxy_build_info{{version={:?}}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(now.value(&build), 1.0);
    assert!(now.value("process_resident_memory_bytes") > 1e6);
    assert!(now.value("process_open_fds") > 3.0);
    assert!(now.value("process_max_fds") >= now.value("process_open_fds"));
    assert!(now.value("process_cpu_seconds_total") > 0.0);
    assert!(now.value("process_start_time_seconds") > 1.6e9);
    assert_eq!(now.get("docxy_handshakes_in_progress"), Some(0.0));
}

/// Ever other names, paths, methods, hosts and fields.
#[test]
fn no_client_can_add_a_series() {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let registry = Server::start(move |_| {
        let status = 200 + count.fetch_add(1, Ordering::SeqCst) % 400;
        Answer::new(&format!("{status} Odd"), &[], "x")
    });
    let upstreams = [named(NAME, &registry), named("other.test", &registry)];
    let [one, other] = upstreams.each_ref().map(String::as_str);
    let docxy = start(
        &[
            &ADMIN[..],
            &["--log", "off", "--upstream", one, "--upstream", other],
        ]
        .concat(),
    );
    let mut dice = Dice::new(7);
    let mut word = || format!("{:x}", dice.throw(1 << 30));
    for _ in 0..300 {
        let (a, b, c) = (word(), word(), word());
        let asks = [
            Ask::get(&format!("/v2/{a}/{b}/manifests/{c}")),
            Ask::get(&format!("/v2/{a}.test/{b}/manifests/{c}?ns={b}.test")),
            Ask::get(&format!("/{a}/{b}")).host(&format!("{c}.test")),
            Ask::new(&a.to_uppercase(), &format!("/v2/{b}/blobs/sha256:{c}")),
            Ask::get(&format!("/auth/{a}.test/token?scope={b}&service={c}")),
            Ask::get("/health").field(&a, &b),
        ];
        for ask in asks {
            let mut client = Client::connect(docxy.addr());
            client.send(ask.bytes());
            client.finish_writing();
            client.drain();
        }
    }
    let now = scrape(&docxy);
    let kinds = [
        "v2",
        "manifest",
        "blob",
        "tags",
        "referrers",
        "catalog",
        "token",
        "mount",
        "own",
        "refused",
    ];
    let labels = |name: &str, label: &str| {
        let (_, rest) = name.split_once(&format!("{label}=\""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    let names = now.names();
    for name in &names {
        if let Some(kind) = labels(name, "kind") {
            assert!(kinds.contains(&&*kind), "{name}");
        }
        if let Some(upstream) = labels(name, "upstream") {
            assert!([NAME, "other.test", "-"].contains(&&*upstream), "{name}");
        }
        if let Some(status) = labels(name, "status") {
            let is_class = status.len() == 3 && status.ends_with("xx");
            let is_status = status
                .parse::<u16>()
                .is_ok_and(|status| (200..600).contains(&status));
            assert!(is_class || is_status, "{name}");
        }
    }
    let of_manifests = "kind=\"manifest\"";
    let statuses = names
        .iter()
        .filter(|name| name.contains(of_manifests) && name.contains("status"));
    assert!((10..60).contains(&statuses.count()), "{names:?}");
    let reader = Client::connect(admin(&docxy))
        .ask(&Ask::get("/metrics"))
        .text();
    assert!(Scrape::read(&reader).is_ok() && reader.len() < 64 * 1024);
}
