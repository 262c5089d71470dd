//! The real programs: found or the test is skipped (in one place), run to their end within a time,
//! or kept as servers that are stopped by their id when dropped.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a program may take for one pull or one start; generous, for machines busy with builds.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

static TURN: Mutex<()> = Mutex::new(());

/// A test's turn: the tests here run one after another, since each of them fills two cores.
pub(crate) struct Turn(#[allow(dead_code, reason = "held for its drop")] MutexGuard<'static, ()>);

/// Waits for the test's turn, or says that the test is skipped because a program is missing.
///
/// # Panics
/// If a program is missing where none may be: with `CI=true` or `DOCXY_E2E=require`.
pub(crate) fn begin(programs: &[&str]) -> Option<Turn> {
    if programs.iter().any(|program| !is_present(program)) {
        return None;
    }
    Some(Turn(TURN.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn is_present(program: &str) -> bool {
    if in_path(program) {
        return true;
    }
    skip(&format!("{program} is not installed"));
    false
}

/// Says that this test cannot run here and why.
///
/// # Panics
/// Where a skipped test would hide something: with `CI=true` or `DOCXY_E2E=require`.
pub(crate) fn skip(reason: &str) {
    let env = |name| std::env::var(name).unwrap_or_default();
    let required = env("CI") == "true" || env("DOCXY_E2E") == "require";
    assert!(!required, "{reason}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not by `eprintln!`, which is shown for failed tests only.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// What a program printed on both its outputs, by whether it succeeded.
pub(crate) type Outcome = Result<String, String>;

/// Runs a program to its end.
///
/// # Panics
/// If it has not ended within [`PATIENCE`].
pub(crate) fn run(command: &mut Command) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    Running::start(dir.path(), "program", command).finish()
}

/// A program that was started, with both its outputs in a file; killed by its id when dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; its output goes to `NAME.log` in `dir`.
    pub(crate) fn start(dir: &Path, name: &str, command: &mut Command) -> Running {
        let log = dir.join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child, log }
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Polls until `ready` says so; false if the program has ended before.
    ///
    /// # Panics
    /// If neither happens within [`PATIENCE`].
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut(&Running) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !ready(self) {
            if self.child.try_wait().unwrap().is_some() {
                return ready(self);
            }
            assert!(Instant::now() < deadline, "not ready:\n{}", self.log());
            sleep(POLL);
        }
        true
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// If it has not ended within [`PATIENCE`].
    pub(crate) fn finish(mut self) -> Outcome {
        let ended = self.wait_until(|_| false);
        debug_assert!(!ended, "only the program's end ends that wait");
        let text = self.log();
        if self.child.wait().unwrap().success() {
            Ok(text)
        } else {
            Err(text)
        }
    }

    /// Sends SIGTERM, so that a daemon takes its own children with it.
    fn terminate(&self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        self.terminate();
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline
        {
            sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(12).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("--- end of {}:\n{}", self.log.display(), tail.join("\n"));
        }
    }
}
