//! What the machine runs out of, descriptors and threads, ends neither docxy nor what runs, and is not waited for in a loop.

use std::collections::HashSet;
use std::fs;
use std::fs::Permissions;
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::docxy::Docxy;
use crate::stand::{NAME, blob, get, named, own_error, start};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, PATIENCE, Server};

/// Process numbers are below this.
const PIDS: u32 = 1 << 22;

/// The processor time that docxy has used, in clock ticks of 10 ms: fields 14 and 15 of proc_pid_stat(5).
fn ticks(docxy: &Docxy) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", docxy.pid())).unwrap();
    let behind_name = stat.rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = behind_name.split(' ').collect();
    fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}

/// Sets a soft limit of docxy's.
fn limit(docxy: &Docxy, limit: &str) {
    let pid = docxy.pid().to_string();
    let mut command = Command::new("prlimit");
    let status = command.args(["--pid", &pid, &format!("{limit}:")]).status();
    assert!(status.unwrap().success(), "prlimit {limit}");
}

/// The lowest descriptor that is free: a limit by which docxy can have no more, or only so many more.
fn free_descriptor(docxy: &Docxy) -> usize {
    let entries = fs::read_dir(format!("/proc/{}/fd", docxy.pid())).unwrap();
    let taken: HashSet<usize> = entries
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    (0..).find(|number| !taken.contains(number)).unwrap()
}

#[test]
fn without_descriptors_connections_wait_and_what_runs_goes_on() {
    let gate = Gate::new();
    let half = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    let answer = half.then(Act::Wait(gate.clone())).send("rest");
    let registry = Server::start(move |_| answer.clone());
    let docxy = crate::stand::before_with(&registry, &["--max-connections", "1000"]);
    let mut running = Client::connect(docxy.addr());
    let begun = Instant::now();
    running.send(Ask::get(&blob()).bytes());
    running.receive_head();
    limit(
        &docxy,
        &format!("--nofile={}", free_descriptor(&docxy) + 20),
    );
    // Each is in the middle of a request, so that none can be closed for another.
    let held: Vec<_> = (0..60)
        .map(|_| {
            let mut client = Client::connect(docxy.addr());
            client.send("GET / HTTP/1.1\r\nHost: a");
            client
        })
        .collect();
    docxy.wait_for_line("no connection can be accepted: ");
    let before = ticks(&docxy);
    thread::sleep(Duration::from_secs(2));
    let used = ticks(&docxy) - before;
    assert!(
        used < 100,
        "{used} ticks of 10 ms in two seconds of waiting"
    );
    let said = docxy
        .log()
        .iter()
        .filter(|line| line.contains("no connection can be accepted"))
        .count();
    let times = 1 + begun.elapsed().as_secs() / 10;
    assert!(said as u64 <= times, "{said}: not again and again");
    gate.open();
    assert_eq!(running.take(8).unwrap(), b"halfrest");
    drop(held);
    assert_eq!(get(&docxy, "/health").status(), 200);
    assert_eq!(get(&docxy, &blob()).text(), "halfrest");
}

#[test]
fn idle_connections_give_their_descriptors() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = crate::stand::before_with(&registry, &["--max-connections", "1000"]);
    assert_eq!(get(&docxy, &blob()).text(), "x");
    limit(
        &docxy,
        &format!("--nofile={}", free_descriptor(&docxy) + 20),
    );
    let idle: Vec<_> = (0..60)
        .map(|_| TcpStream::connect(docxy.addr()).unwrap())
        .collect();
    docxy.wait_for_line("no connection can be accepted: ");
    assert_eq!(get(&docxy, "/health").status(), 200);
    drop(idle);
}

#[test]
fn an_upstream_for_which_there_is_no_descriptor_is_a_503() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = crate::stand::before_with(&registry, &[]);
    let mut client = Client::connect(docxy.addr());
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    limit(&docxy, &format!("--nofile={}", free_descriptor(&docxy)));
    let response = client.ask(&Ask::get(&blob()));
    assert_eq!(own_error(&response, 503), "UNAVAILABLE");
    assert!(response.head.has("retry-after"), "{:?}", response.head);
    limit(&docxy, "--nofile=1000");
    assert_eq!(
        client.ask(&Ask::get(&blob())).text(),
        "x",
        "nothing is held against the upstream"
    );
}

#[test]
fn idle_upstream_connections_give_their_descriptors_too() {
    let servers = [(); 2].map(|()| Server::start(|_| Answer::ok("x")));
    let [one, other] = [("one.test", &servers[0]), ("other.test", &servers[1])]
        .map(|(name, server)| named(name, server));
    let docxy = start(&["--workers", "1", "--upstream", &one, "--upstream", &other]);
    let mut client = Client::connect(docxy.addr());
    assert_eq!(client.ask(&Ask::get(&blob())).text(), "x");
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    limit(&docxy, &format!("--nofile={}", free_descriptor(&docxy)));
    let elsewhere = blob().replacen("/v2/", "/v2/other.test/", 1);
    assert_eq!(client.ask(&Ask::get(&elsewhere)).complete().text(), "x");
    servers[0].wait_for_leaving(0);
}

/// A user of whom there is no other process, nor one of another test or another run of these tests.
fn nobody_else() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    2_000_000_000 + std::process::id() + NUMBER.fetch_add(PIDS, Ordering::Relaxed)
}

/// What begins a command that may have so many threads. That limit is on all of a user's, and root has none: so it is for
/// another user, or for the same in a namespace where nobody else is.
fn prlimit_threads(threads: usize) -> Command {
    let mut command = Command::new("prlimit");
    if geteuid().is_root() {
        command.uid(nobody_else());
    } else {
        command = Command::new("unshare");
        command.args(["--user", "--", "prlimit"]);
    }
    command.arg(format!("--nproc={threads}"));
    command
}

/// docxy before an upstream by name, with so many threads at most.
fn with_threads(threads: usize, upstream: &str) -> Docxy {
    let args = ["--workers", "1", "--upstream", upstream];
    let (docxy, _directory) = spawn_with_threads(threads, &args);
    docxy.wait_for_line("listening on ");
    docxy
}

/// docxy with so many threads at most, and where its program is.
fn spawn_with_threads(threads: usize, args: &[&str]) -> (Docxy, TempDir) {
    // Where another user may not look there is no docxy; a copy can be had.
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("docxy");
    fs::copy(env!("CARGO_BIN_EXE_docxy"), &copy).unwrap();
    let mut command = prlimit_threads(threads);
    command.arg(copy).args(["--listen", "127.0.0.1:0"]);
    (Docxy::spawn(command.args(args)), directory)
}

#[test]
fn a_start_for_which_there_are_no_threads_is_one_line() {
    let (docxy, _directory) = spawn_with_threads(3, &["--workers", "8"]);
    let (status, lines) = docxy.wait();
    assert_eq!((status.code(), lines.len()), (Some(1), 1), "{lines:?}");
    for part in ["docxy: worker 3 of 8 cannot", "TasksMax=", "--workers"] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
}

/// How docxy with these arguments ends where it may have no more than so many descriptors.
fn ends_with_descriptors(count: usize, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let mut command = Command::new("prlimit");
    command.args([&format!("--nofile={count}"), env!("CARGO_BIN_EXE_docxy")]);
    let (status, lines) = Docxy::spawn(command.args(args)).wait();
    (status.code(), lines)
}

#[test]
fn a_start_for_which_there_are_no_descriptors_is_one_line() {
    let commands: [(&[&str], RangeInclusive<usize>, &[&str]); 2] = [
        (
            &["--listen", "127.0.0.1:0", "--workers", "2"],
            6..=20,
            &["docxy: 2 workers cannot", "LimitNOFILE=", "--workers"],
        ),
        (
            &["--upstream", "http://127.0.0.1:1", "check"],
            4..=8,
            &["docxy: docxy check cannot be started", "ulimit -n"],
        ),
    ];
    for (args, counts, parts) in commands {
        for count in counts {
            let (code, lines) = ends_with_descriptors(count, args);
            assert_eq!((code, lines.len()), (Some(1), 1), "{count}: {lines:?}");
            for part in parts {
                assert!(lines[0].contains(part), "{count}: {lines:?}");
            }
        }
    }
}

#[test]
fn a_lookup_for_which_there_is_no_thread_is_a_503() {
    let registry = Server::start(|_| Answer::ok("x"));
    let by_name = format!("{NAME}=http://localhost:{}", registry.addr().port());
    let docxy = with_threads(1000, &by_name);
    let tasks = fs::read_dir(format!("/proc/{}/task", docxy.pid()));
    let threads = tasks.unwrap().count();
    assert_eq!(get(&docxy, &blob()).text(), "x");
    drop(docxy);
    let docxy = with_threads(threads, &by_name);
    for _ in 0..3 {
        let response = get(&docxy, &blob());
        assert_eq!(own_error(&response, 503), "UNAVAILABLE");
        assert!(response.text().contains("looked up"), "{}", response.text());
        assert_eq!(get(&docxy, "/health").status(), 200);
    }
    assert!(
        !docxy
            .log()
            .iter()
            .any(|line| line.contains("a fault in docxy"))
    );
}

#[test]
fn a_crowd_that_dials_at_once_is_served_in_turn() {
    // More than may dial at once, and each connection is a new one.
    const CROWD: usize = 400;
    let gate = Gate::new();
    let answer = Answer::default()
        .then(Act::Wait(gate.clone()))
        .send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    let registry = Server::start(move |_| answer.clone());
    let docxy = Docxy::start(&[
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        &named(NAME, &registry),
        "--log",
        "off",
    ]);
    let mut clients: Vec<_> = (0..CROWD).map(|_| Client::connect(docxy.addr())).collect();
    for client in &mut clients {
        client.wait_at_most(2 * PATIENCE);
        client.send(Ask::get(&blob()).bytes());
    }
    registry.wait_for_requests(CROWD);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive("GET").complete().text(), "x");
    }
}
