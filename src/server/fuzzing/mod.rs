//! All of docxy over connections in memory: clients, upstreams and the pieces in which both speak are the fuzzer's.

mod introduction;
mod script;
mod strict;
mod verdict;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use memchr::memmem;
use tokio::time::timeout;

#[cfg(test)]
use self::script::{End, with};
use self::script::{MARK_START, Role, Script, Shared, play};
use self::verdict::{Client, Upstream};
use crate::behind;
use crate::config::{Config, file};
use crate::conn::Conn;
use crate::conn::memory::{self, Memory};
use crate::conn::stream::Stream;
use crate::egress::{EgressSettings, Egresses};
use crate::http::uri::{Origin, Scheme};
use crate::limits::admission::{Admission, Limits};
use crate::log::{Format, Level, Log};
use crate::proxy::current::Current;
use crate::proxy::{Entrance, Peer, Proxy};
use crate::server::beat::Beat;
use crate::server::session::Session;
use crate::serving::{self, Lasting};
use crate::stop::{self, Stop};
use crate::timeouts;
use crate::upstream;
use crate::upstream::scripted::{self, Network};

/// Stands between the options, two clients and up to eight connections to upstreams, in the order in which they are made.
const PART: u8 = 0x1e;

/// Connections to upstreams that there are scripts for.
const MAX_UPSTREAMS: usize = 8;

/// The options: letters in any order.
const SMALL_PIPES: u8 = b'p';
const SEVERAL_UPSTREAMS: u8 = b's';
const TRUSTED_PROXIES: u8 = b't';
const PUBLIC_URL: u8 = b'u';
const INTRODUCED: u8 = b'h';
const GUARDED: u8 = b'a';
const MOUNTS: u8 = b'm';

/// Who is served where clients are told apart; whoever needs no header is.
const SERVED: &str = "192.0.2.0/24";

/// What is mounted, the longer prefix first: a registry of the table, and an origin that is nowhere else.
const MOUNTED: [(&str, &str); 2] = [
    ("/files/hub", "http://hub.test"),
    ("/files", "http://files.test"),
];

/// Longer than anything takes: docxy hangs if it is not done by then.
const AGES: Duration = Duration::from_secs(24 * 3600);

/// A session that is woken more often than this for a few kilobytes turns in a circle.
const MAX_POLLS: usize = 100_000;

/// Two clients and what upstreams answer them: no panic, no end to which it does not come, and no byte that is not explained.
pub fn proxy(data: &[u8]) {
    if memmem::find(data, MARK_START).is_some() {
        return;
    }
    let mut parts = data.split(|&b| b == PART);
    let options = parts.next().unwrap_or_default();
    let mut clients = Vec::new();
    for number in 0..2 {
        let text = parts.next().unwrap_or_default();
        let script = Script::read(Role::Client, number, text);
        clients.push(Client::new(script, options));
    }
    let upstreams = parts.take(MAX_UPSTREAMS).enumerate();
    let upstreams = upstreams.map(|(number, text)| Script::read(Role::Upstream, number, text));
    let upstreams: Vec<Script> = upstreams.collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let spoken = runtime.block_on(run(options, &clients, upstreams.clone()));
    verdict::check(&clients, &upstreams, &spoken);
}

/// Lets the clients speak at the same time, and returns the connections that were made to upstreams.
async fn run(options: &[u8], clients: &[Client], upstreams: Vec<Script>) -> Vec<Upstream> {
    let capacity = if options.contains(&SMALL_PIPES) {
        61
    } else {
        64 * 1024
    };
    let made = Rc::new(RefCell::new(Vec::new()));
    let network = Network {
        lookup,
        connect: Box::new(connections(upstreams, capacity, Rc::clone(&made))),
    };
    scripted::set(Some(network));
    let current = Arc::new(Current::new(docxy(options)));
    let (stopper, stop) = stop::channel();
    let beat = Arc::new(Beat::of(timeouts::CLIENT_SOON_BACK));
    let beating = Arc::clone(&beat);
    let beating = tokio::spawn(async move { beating.run(std::future::pending).await });
    let mut running = Vec::new();
    for client in clients {
        let (near, far) = memory::pair(capacity, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        tokio::spawn(play(client.script.clone(), far, Arc::clone(&client.record)));
        let (current, stop) = (Arc::clone(&current), stop.clone());
        let (options, beat) = (options.to_vec(), Arc::clone(&beat));
        running.push(tokio::spawn(async move {
            within_reason(serve(&options, current, near, stop, beat)).await;
        }));
    }
    for session in running {
        let ended = timeout(AGES, session).await.expect("a session ends");
        ended.expect("a session does not panic");
    }
    beating.abort();
    drop(stopper);
    drop(current);
    scripted::set(None);
    // What is still under way belongs to nobody: bodies that are being dropped, scripts that wait.
    tokio::time::sleep(Duration::from_secs(1000)).await;
    Rc::try_unwrap(made)
        .map(RefCell::into_inner)
        .unwrap_or_else(|made| made.borrow().clone())
}

/// Serves a client, after the PROXY header before its first byte if there is to be one.
async fn serve(
    options: &[u8],
    current: Arc<Current>,
    mut near: Memory,
    stop: Stop,
    beat: Arc<Beat>,
) {
    let mut peer = peer();
    if options.contains(&INTRODUCED) {
        match behind::take_header_by(&mut near, Memory::peek).await {
            Ok(Some(ends)) => (peer.address, peer.local) = (ends.source.ip(), ends.destination),
            Ok(None) => peer.is_unnamed = true,
            Err(_) => return,
        }
    }
    let admission = Arc::clone(&current.get().shared.admission);
    let mut session = Session {
        current,
        admission: &admission,
        beat,
        stop,
        client: Conn::new(Stream::Memory(near)),
        peer,
    };
    let next = session.run().await;
    session.end(next).await;
}

async fn within_reason(session: impl Future<Output = ()>) {
    let mut session = pin!(session);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        assert!(polls < MAX_POLLS, "a session that turns in a circle");
        session.as_mut().poll(cx)
    })
    .await;
}

/// Connects to the scripts one after another; where there is none, nobody listens.
fn connections(
    scripts: Vec<Script>,
    capacity: usize,
    made: Rc<RefCell<Vec<Upstream>>>,
) -> impl FnMut(&Origin, &[IpAddr]) -> io::Result<Memory> {
    let mut scripts = scripts.into_iter();
    move |origin, addresses| {
        let address = *addresses.first().ok_or(io::ErrorKind::NotFound)?;
        let script = scripts.next().ok_or(io::ErrorKind::ConnectionRefused)?;
        let (far, near) = memory::pair(capacity, address);
        let record = Shared::default();
        made.borrow_mut().push(Upstream {
            origin: origin.clone(),
            address,
            record: Arc::clone(&record),
        });
        tokio::spawn(play(script, far, record));
        Ok(near)
    }
}

/// Names that lie where redirects must not lead, and names anywhere else.
fn lookup(name: &str) -> Vec<IpAddr> {
    let octets = if name.ends_with("private.test") {
        [10, 1, 1, 1]
    } else if name.ends_with("meta.test") {
        [169, 254, 169, 254]
    } else {
        [8, 8, 4, 4]
    };
    vec![IpAddr::from(octets)]
}

fn docxy(options: &[u8]) -> Proxy {
    let config = config(options);
    let limits = Limits {
        connections: 1024,
        of_one_client: None,
    };
    let admission = Arc::new(Admission::new(limits));
    let lasting = Lasting::begin(
        &config,
        egresses(&config),
        verdict::VIA.to_owned(),
        &admission,
        log(),
    );
    let shared = serving::shared(&config, lasting.expect("no account has a password"));
    Proxy {
        shared: Arc::new(shared),
        client: Arc::new(upstream::Client::new(config.timeouts, log())),
    }
}

fn config(options: &[u8]) -> Config {
    let has = |letter| options.contains(&letter);
    let mut text = String::new();
    if has(SEVERAL_UPSTREAMS) {
        text += "upstream = ['registry.test=http://registry.test', 'docker.io=http://hub.test', 'corp.test=http://10.0.0.5:5000']\n";
    } else {
        text += "upstream = ['registry.test=http://registry.test']\n";
    }
    if has(TRUSTED_PROXIES) {
        text += "trusted_proxy = ['0.0.0.0/0']\n";
    }
    if has(PUBLIC_URL) {
        text += "public_url = 'https://docxy.test'\n";
    }
    if has(GUARDED) {
        text += &format!("allow_client = ['{SERVED}']\n");
    }
    if has(MOUNTS) {
        let mounts = MOUNTED.map(|(prefix, url)| format!("'{prefix}={url}'"));
        text += &format!("mount = [{}]\n", mounts.join(", "));
    }
    let settings = file::parse(text.as_bytes()).expect("a file");
    Config::from_settings(settings).expect("a configuration")
}

/// A log is made once, for as long as the process lives.
fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    *LOG.get_or_init(|| Log::new(Level::Off, Format::Text))
}

/// The roots are never used, since connections in memory are in plain, but costly to make.
fn egresses(config: &Config) -> Egresses {
    static ONE: OnceLock<Egresses> = OnceLock::new();
    // Not as the settings say, since whatever proxy this machine's environment names would be in them.
    let own = EgressSettings::default();
    let of = vec![own.clone(); config.table.ids().count()];
    let one = ONE.get_or_init(|| Egresses::open(&[], &own, None).expect("roots"));
    Egresses::open(&of, &own, Some(one)).expect("roots")
}

fn peer() -> Peer {
    Peer {
        address: IpAddr::from([192, 0, 2, 7]),
        is_unnamed: false,
        local: SocketAddr::from(([192, 0, 2, 1], 5000)),
        scheme: Scheme::Http,
        entrance: Entrance::Clients,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first client hears, and what went to each upstream.
    fn heard(case: &[u8]) -> (String, Vec<String>) {
        proxy(case);
        let mut parts = case.split(|&b| b == PART);
        let options = parts.next().unwrap();
        let clients = [0, 1].map(|number| {
            let script = Script::read(Role::Client, number, parts.next().unwrap());
            Client::new(script, options)
        });
        let scripts = parts
            .enumerate()
            .map(|(number, text)| Script::read(Role::Upstream, number, text));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let spoken = runtime
            .unwrap()
            .block_on(run(options, &clients, scripts.collect()));
        let received = |record: &Shared| {
            let bytes = with(record, |record| record.received.clone());
            String::from_utf8(bytes).unwrap()
        };
        let sent = spoken.iter().map(|upstream| received(&upstream.record));
        (received(&clients[0].record), sent.collect())
    }

    #[test]
    fn a_pull_goes_through() {
        let case = b"p\x1eGET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\x1dGET /v2/b/tags/list HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\
            \x1e\x1eHTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n\x1f\x1a!\x1dHTTP/1.1 404 Y\r\nContent-Length: 0\r\n\r\n\x1b";
        let (heard, sent) = heard(case);
        let [one] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(one.matches("GET /v2/").count(), 2, "{one}");
        assert!(
            one.contains("X: zqc0000q\r\n") && one.contains("X: zqc0001q\r\n"),
            "{one}"
        );
        assert!(
            heard.starts_with("HTTP/1.1 200 X\r\n")
                && heard.contains("\r\n\r\nzqu0000q!HTTP/1.1 404 Y\r\n"),
            "{heard}"
        );
    }

    #[test]
    fn an_empty_line_behind_a_request_is_never_answered() {
        let case = b"\x1eGET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\x1d\r\n\x1d\x1e\x1eHTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n";
        let (heard, _) = heard(case);
        assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{heard}");
    }

    #[test]
    fn a_body_goes_on_where_it_broke_off() {
        let blob = format!("/v2/a/blobs/sha256:{}", "0a".repeat(32));
        let case = format!(
            "\x1eGET {blob} HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\x1e\x1eHTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nabc\
             \x1eHTTP/1.1 206 X\r\nContent-Length: 2\r\nContent-Range: bytes 3-4/5\r\n\r\nde"
        );
        let (heard, sent) = heard(case.as_bytes());
        assert!(heard.ends_with("\r\n\r\nabcde"), "{heard}");
        assert!(sent[1].contains("\r\nRange: bytes=3-\r\n"), "{sent:?}");
    }

    #[test]
    fn a_body_goes_on_where_the_connection_broke() {
        let blob = format!("/v2/a/blobs/sha256:{}", "0a".repeat(32));
        let case = format!(
            "\x1eGET {blob} HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\x1e\x1eHTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nabc\x19\
             \x1eHTTP/1.1 206 X\r\nContent-Length: 2\r\nContent-Range: bytes 3-4/5\r\n\r\nde"
        );
        let (heard, sent) = heard(case.as_bytes());
        assert!(heard.ends_with("\r\n\r\nabcde"), "{heard}");
        assert!(sent[1].contains("\r\nRange: bytes=3-\r\n"), "{sent:?}");
    }

    #[test]
    fn a_body_that_a_reset_ends_is_no_whole_one() {
        let case = b"\x1eGET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\
            \x1e\x1eHTTP/1.1 200 X\r\n\r\nuntil\x1f\x19";
        let (heard, _) = heard(case);
        assert!(heard.contains("5\r\nuntil\r\n"), "{heard}");
        assert!(!heard.contains("\r\n0\r\n"), "{heard}");
    }

    #[test]
    fn a_client_that_resets_takes_its_upstream_along() {
        let blob = format!("/v2/a/blobs/sha256:{}", "0a".repeat(32));
        let case = format!(
            "p\x1eGET {blob} HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\x1d\x19\x1e\
             \x1eHTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{}\x1b\x1eHTTP/1.1 200 X\r\n\r\n",
            "a".repeat(500)
        );
        let (heard, sent) = heard(case.as_bytes());
        assert!(heard.len() < 500 && sent.len() == 1, "{heard} {sent:?}");
    }

    #[test]
    fn who_is_introduced_is_served_if_he_may_be() {
        let asking = "GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n";
        let answer = "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok";
        for (header, status) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n", "HTTP/1.1 200 "),
            (
                "PROXY TCP4 198.51.100.9 198.51.100.1 1 2\r\n",
                "HTTP/1.1 403 ",
            ),
            ("PROXY UNKNOWN\r\n", "HTTP/1.1 200 "),
            ("PROXY TCP4 192.0.2.1\r\n", ""),
            ("", ""),
        ] {
            let case = format!("ha\x1e{header}{asking}\x1e\x1e{answer}");
            let (heard, sent) = heard(case.as_bytes());
            let is_served = status.contains("200");
            assert!(heard.starts_with(status), "{header}: {heard}");
            assert_eq!(
                (heard.is_empty(), sent.len()),
                (status.is_empty(), usize::from(is_served))
            );
        }
    }

    #[test]
    fn what_is_mounted_is_asked_for_as_it_is() {
        let answer = "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok";
        for (asked, line, host) in [
            ("/files/a/b?c=%2F", "GET /a/b?c=%2F HTTP/1.1", "files.test"),
            ("/files/hub/v2/", "GET /v2/ HTTP/1.1", "hub.test"),
        ] {
            let case =
                format!("m\x1eGET {asked} HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n\x1e\x1e{answer}");
            let (heard, sent) = heard(case.as_bytes());
            assert!(heard.ends_with("\r\n\r\nok"), "{heard}");
            let start = format!("{line}\r\nHost: {host}\r\n");
            assert!(sent.len() == 1 && sent[0].starts_with(&start), "{sent:?}");
        }
    }

    /// A client that asks once and is told `told`, by an upstream that has answered `data zqu0000q`.
    fn judged(told: &str, sent: &str) {
        let asked = b"GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n";
        judged_asking(b"", asked, told, sent);
    }

    /// Asserts that what is judged is found wrong.
    fn judge_seen(what: &str, judge: impl FnOnce()) {
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge));
        assert!(seen.is_err(), "{what}");
    }

    fn judged_asking(options: &[u8], asked: &[u8], told: &str, sent: &str) {
        let origin = Origin::parse("http://registry.test").unwrap();
        judged_at(origin, options, asked, told, sent);
    }

    fn judged_at(origin: Origin, options: &[u8], asked: &[u8], told: &str, sent: &str) {
        let client = Client::new(Script::read(Role::Client, 0, asked), options);
        with(&client.record, |record| record.received = told.into());
        let answer = b"HTTP/1.1 200 X\r\nContent-Length: 13\r\n\r\ndata \x1a";
        let script = Script::read(Role::Upstream, 0, answer);
        let upstream = Upstream {
            origin,
            address: IpAddr::from([8, 8, 4, 4]),
            record: Shared::default(),
        };
        with(&upstream.record, |record| {
            record.received = sent.into();
            record.sent = script.bytes.len();
            record.end = End::Closed;
        });
        verdict::check(&[client], &[script], &[upstream]);
    }

    const TOLD: &str = "HTTP/1.1 200 X\r\nContent-Length: 13\r\n\r\ndata zqu0000q";
    const SENT: &str = "GET /v2/a/tags/list HTTP/1.1\r\nHost: registry.test\r\nX: zqc0000q\r\nVia: 1.1 docxy-fuzzing\r\n\r\n";

    #[test]
    fn what_is_in_order_is_let_pass() {
        judged(TOLD, SENT);
    }

    #[test]
    fn what_is_not_in_order_is_seen() {
        let told = [
            ("data zqu", "evil zqu"),
            ("13", "12"),
            ("13\r\n", "13\r\nTransfer-Encoding: chunked\r\n"),
            ("13\r\n", "13\r\nSet-Cookie: a\r\n"),
            ("zqu0000q", "zqu0001q"),
            ("200 X\r", "200 X\n"),
        ];
        let sent = [
            ("zqc0000q", "zqc0001q"),
            ("registry.test", "other.test"),
            ("GET", "PUT"),
            ("X:", "Connection:"),
            ("X:", "Content-Length: 5\r\nX:"),
            (
                "\r\n\r\n",
                "\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: registry.test\r\nVia: 1.1 docxy-fuzzing\r\n\r\n",
            ),
        ];
        let told = told.map(|(from, to)| (TOLD.replacen(from, to, 1), SENT.to_owned()));
        let sent = sent.map(|(from, to)| (TOLD.to_owned(), SENT.replacen(from, to, 1)));
        for (told, sent) in told.into_iter().chain(sent) {
            judge_seen(&format!("{told} {sent}"), || judged(&told, &sent));
        }
    }

    #[test]
    fn what_leaves_a_mount_is_seen() {
        let asked = |target: &str| {
            format!("GET {target} HTTP/1.1\r\nHost: a\r\nX: \x1a\r\nAuthorization: b\r\n\r\n")
        };
        let judge = |options| judged_asking(options, asked("/files/x").as_bytes(), "", SENT);
        judge(b"");
        judge_seen("another host", || judge(b"m"));
        let to_files = SENT.replace("registry.test", "files.test");
        let judge_files = |target: &str, sent: &str| {
            let origin = Origin::parse("http://files.test").unwrap();
            judged_at(origin, b"m", asked(target).as_bytes(), "", sent);
        };
        judge_files("/files/v2/a/tags/list", &to_files);
        judge_files("http://a/files/v2/a/tags/list", &to_files);
        judge_seen("from outside", || judge_files("/v2/a/tags/list", &to_files));
        judge_seen("another path", || {
            judge_files("/files/v2/b/tags/list", &to_files);
        });
        let login = |path: &str| {
            let sent = to_files.replacen("/v2/a/tags/list", path, 1);
            sent.replacen("X:", "Authorization: b\r\nX:", 1)
        };
        judge_files("/files/v2/a/tags/list", &login("/v2/a/tags/list"));
        judge_files("/files/t?scope=a", &login("/t?scope=a"));
        judge_seen("a login", || judge_files("/files/a", &login("/a")));
    }

    #[test]
    fn whoever_is_served_without_leave_is_seen() {
        for header in ["PROXY TCP4 198.51.100.9 192.0.2.1 1 2\r\n", "PROXY\r\n"] {
            let asked =
                format!("{header}GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nX: \x1a\r\n\r\n");
            let judge = |told, sent| judged_asking(b"ha", asked.as_bytes(), told, sent);
            judge("", "");
            for (told, sent) in [(TOLD, ""), ("", SENT)] {
                judge_seen(header, || judge(told, sent));
            }
        }
    }
}
