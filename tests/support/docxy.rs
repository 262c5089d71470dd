//! A docxy process of the test's own: started on free ports, its stderr collected, stopped when dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a test waits for something that a healthy docxy does in milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Variables that would send docxy through a proxy; a test has those only that it sets.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// A running docxy.
pub struct Docxy {
    child: Child,
    stderr: Arc<Stderr>,
}

#[derive(Default)]
struct Stderr {
    state: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Docxy {
    /// Starts `docxy` with these arguments and waits until it says that it listens.
    ///
    /// # Panics
    /// With everything that docxy printed, if it ends or stays silent instead.
    pub fn start(args: &[&str]) -> Docxy {
        Docxy::start_with(Command::new(env!("CARGO_BIN_EXE_docxy")).args(args))
    }

    /// Like [`Docxy::start`] for a command that the test has prepared (environment, namespace, directory).
    pub fn start_with(command: &mut Command) -> Docxy {
        let docxy = Docxy::spawn(command);
        docxy.wait_for_line("listening on ");
        docxy
    }

    /// Starts without waiting; for runs that are expected to end by themselves.
    pub fn spawn(command: &mut Command) -> Docxy {
        Docxy::spawn_with_stdin(command, Stdio::null())
    }

    /// The same with a standard input, by which a test can pass a descriptor.
    pub fn spawn_with_stdin(command: &mut Command, stdin: Stdio) -> Docxy {
        for name in PROXIES
            .iter()
            .flat_map(|name| [name.to_lowercase(), (*name).to_owned()])
        {
            if !command.get_envs().any(|(set, _)| set == name.as_str()) {
                command.env_remove(&name);
            }
        }
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docxy starts");
        let stderr = Arc::new(Stderr::default());
        let pipe = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let sink = Arc::clone(&stderr);
        std::thread::spawn(move || {
            for line in pipe.lines().map_while(Result::ok) {
                sink.state.lock().unwrap().lines.push(line);
                sink.grown.notify_all();
            }
            sink.state.lock().unwrap().ended = true;
            sink.grown.notify_all();
        });
        Docxy { child, stderr }
    }

    /// The addresses of the listeners, in the order of their `--listen`.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        self.log()
            .iter()
            .filter_map(|line| line.split_once("listening on ")?.1.split_once("://"))
            // What follows it is there in JSON only.
            .map(|(_, addr)| addr.trim_end_matches(['"', '}']).trim())
            .map(|addr| addr.parse().expect("an address after the scheme"))
            .collect()
    }

    /// The first listener.
    pub fn addr(&self) -> SocketAddr {
        self.listeners()[0]
    }

    /// The first listener as `http://…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The lines of stderr so far.
    pub fn log(&self) -> Vec<String> {
        self.stderr
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lines
            .clone()
    }

    /// Waits for a line of stderr that contains `part` and returns it.
    pub fn wait_for_line(&self, part: &str) -> String {
        self.wait_for_lines(part, 1).remove(0)
    }

    /// Waits until `count` lines of stderr contain `part` and returns them.
    ///
    /// # Panics
    /// After [`PATIENCE`], or when docxy has ended without them.
    pub fn wait_for_lines(&self, part: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.stderr.state.lock().unwrap();
        loop {
            let found: Vec<String> = state
                .lines
                .iter()
                .filter(|line| line.contains(part))
                .cloned()
                .collect();
            if found.len() >= count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !state.ended,
                "docxy did not print {part:?} {count} times, but:\n{}",
                state.lines.join("\n")
            );
            state = self.stderr.grown.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A field of `/proc/PID/status`, such as `VmRSS`, in kB.
    pub fn memory(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("docxy runs");
        let line = status
            .lines()
            .find(|line| line.starts_with(field))
            .expect("the kernel reports it");
        let number = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok());
        number.expect("a number of kB")
    }

    /// Waits until every thread of docxy is in this state (proc_pid_stat(5)): `S` once all that was to do is done, `T` once
    /// it is stopped.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn wait_for_state(&self, state: char) {
        let deadline = Instant::now() + PATIENCE;
        let is_in_it = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            // The state stands behind the name. A thread that has gone does nothing any more.
            stat.map_or(true, |stat| stat.contains(&format!(") {state} ")))
        };
        let tasks = format!("/proc/{}/task", self.pid());
        while !std::fs::read_dir(&tasks).unwrap().all(is_in_it) {
            assert!(Instant::now() < deadline, "docxy is never in state {state}");
            std::thread::yield_now();
        }
    }

    /// Sends a signal by its name, as `kill -NAME` does.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status();
        assert!(
            status.expect("kill runs").success(),
            "kill -{name} {}",
            self.pid()
        );
    }

    /// Waits for docxy's end and returns its status with everything that it printed.
    ///
    /// # Panics
    /// If it still runs after [`PATIENCE`].
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.stderr.state.lock().unwrap();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "docxy did not end:\n{}",
                state.lines.join("\n")
            );
            state = self.stderr.grown.wait_timeout(state, left).unwrap().0;
        }
        let lines = state.lines.clone();
        drop(state);
        let status = self.child.wait().expect("docxy is our child");
        (status, lines)
    }
}

impl Drop for Docxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- docxy said:\n{}\n---", self.log().join("\n"));
        }
    }
}
