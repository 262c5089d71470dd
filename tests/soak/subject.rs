//! The docxy that is soaked: what it says is counted, and its condition looked at.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::origin::Origin;
use crate::tally::Tally;
use crate::wire::tls::Identity;

/// How long a start, and a stop without connections, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where its errors go.
const ERRORS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/soak-errors.log");

/// A running docxy with a plain listener and one with TLS.
pub(crate) struct Subject {
    child: Child,
    said: Arc<Mutex<Said>>,
    config: PathBuf,
    registry: String,
    reloads: AtomicUsize,
}

/// What it has said.
struct Said {
    /// Its errors, to be read if something went wrong.
    errors: BufWriter<File>,
    listeners: Vec<SocketAddr>,
    requests: u64,
    retries: u64,
    hops: u64,
    resumes: u64,
    panics: Vec<String>,
}

/// What it holds.
pub(crate) struct Condition {
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Memory in kB (PSS).
    pub(crate) memory: u64,
    threads: usize,
}

impl Subject {
    /// Starts it before `origin`, with a certificate in `dir`. It is the binary that `DOCXY_SOAKED` names, if it is set.
    pub(crate) fn start(dir: &Path, identity: &Identity, origin: &Origin) -> Subject {
        let (cert, key) = identity.write(dir);
        let binary = env::var("DOCXY_SOAKED").unwrap_or(env!("CARGO_BIN_EXE_docxy").to_owned());
        let mut command = Command::new(binary);
        command.args(["--listen", "http://127.0.0.1:0"]);
        command.args(["--listen", "https://127.0.0.1:0"]);
        command
            .arg("--tls-cert")
            .arg(&cert)
            .arg("--tls-key")
            .arg(&key);
        command.arg("--upstream-ca").arg(&cert);
        command.args(["--body-timeout", "3s", "--client-timeout", "3s"]);
        let config = dir.join("docxy.toml");
        fs::write(&config, configuration(origin.registry(), 0)).unwrap();
        command.arg("--config").arg(&config);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Said::new()));
        let (pipe, sink) = (
            BufReader::new(child.stderr.take().unwrap()),
            Arc::clone(&said),
        );
        thread::spawn(move || {
            for line in pipe.lines().map_while(Result::ok) {
                sink.lock().unwrap().note(&line);
            }
        });
        let registry = origin.registry().to_owned();
        let subject = Subject {
            child,
            said,
            config,
            registry,
            reloads: AtomicUsize::new(0),
        };
        let deadline = Instant::now() + PATIENCE;
        while subject.said.lock().unwrap().listeners.len() < 2 {
            assert!(Instant::now() < deadline, "docxy does not start");
            sleep(Duration::from_millis(20));
        }
        subject
    }

    /// Where it speaks HTTP.
    pub(crate) fn plain(&self) -> SocketAddr {
        self.said.lock().unwrap().listeners[0]
    }

    /// Where it speaks TLS.
    pub(crate) fn tls(&self) -> SocketAddr {
        self.said.lock().unwrap().listeners[1]
    }

    /// Has it read its certificates anew, and a configuration that says something new of what nobody asks for.
    pub(crate) fn reload(&self) {
        let number = self.reloads.fetch_add(1, Ordering::Relaxed);
        fs::write(&self.config, configuration(&self.registry, number)).unwrap();
        self.signal("HUP");
    }

    /// What it holds now.
    pub(crate) fn condition(&self) -> Condition {
        let rollup = fs::read_to_string(self.proc("smaps_rollup")).expect("docxy runs");
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let count = |name| fs::read_dir(self.proc(name)).expect("docxy runs").count();
        Condition {
            descriptors: count("fd"),
            memory: pss.unwrap().trim_end_matches("kB").trim().parse().unwrap(),
            threads: count("task"),
        }
    }

    /// What its descriptors are.
    pub(crate) fn open(&self) -> Vec<String> {
        let links = fs::read_dir(self.proc("fd")).expect("docxy runs");
        let targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        targets.map(|target| target.display().to_string()).collect()
    }

    /// What it has said so far.
    pub(crate) fn report(&self) -> String {
        let said = self.said.lock().unwrap();
        format!(
            "requests {}, redirects followed {}, further tries {}, bodies resumed {}, reloads {}\nerrors: {ERRORS}",
            said.requests,
            said.hops,
            said.retries,
            said.resumes,
            self.reloads.load(Ordering::Relaxed)
        )
    }

    /// Asks it to stop. It does so at once if no connection and no task of one is left; a panic is never right.
    pub(crate) fn stop(mut self, tally: &Tally) {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                return tally.complain("it still waits for a connection that nobody has");
            }
            sleep(Duration::from_millis(20));
        };
        if !status.success() {
            tally.complain(&format!("it ended with {status}"));
        }
        for panic in &self.said.lock().unwrap().panics {
            tally.complain(panic);
        }
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let sent = kill
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "docxy runs");
    }

    fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

fn configuration(registry: &str, number: usize) -> String {
    format!("[[upstream]]\nname = 'reg.test'\nurl = '{registry}'\ndeny = ['secret-{number}/*']\n")
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    fn new() -> Said {
        Said {
            errors: BufWriter::new(File::create(ERRORS).unwrap()),
            listeners: Vec::new(),
            requests: 0,
            retries: 0,
            hops: 0,
            resumes: 0,
            panics: Vec::new(),
        }
    }

    fn note(&mut self, line: &str) {
        if let Some((_, rest)) = line.split_once("listening on ") {
            let addr = rest
                .split("://")
                .nth(1)
                .map(|addr| addr.trim().parse::<SocketAddr>());
            self.listeners.extend(addr.and_then(Result::ok));
        }
        if line.contains(" error=") {
            writeln!(self.errors, "{line}").unwrap();
        }
        if line.contains("panicked") {
            self.panics.push(line.to_owned());
        }
        if line.contains(" target=") {
            self.requests += 1;
            self.retries += number(line, " retries=");
            self.hops += number(line, " hops=");
            self.resumes += number(line, " resumes=");
        }
    }
}

fn number(line: &str, key: &str) -> u64 {
    let value = line
        .split_once(key)
        .and_then(|(_, rest)| rest.split(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} descriptors, {} threads, {} kB (PSS)",
            self.descriptors, self.threads, self.memory
        )
    }
}
