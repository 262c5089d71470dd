//! The programs that a run starts: each ends when it is dropped, and all of them when the run is interrupted.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, exit};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// How long a program may take to end after SIGTERM, before SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// What runs now, for [`end_all_on_signals`].
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A running program with its output in a file; stopped when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose output goes to `log`.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> Result<Process, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| format!("{name} does not start: {error}");
        let output = File::create(&log).map_err(failed)?;
        let mut running = running();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .spawn()
            .map_err(failed)?;
        running.push(child.id());
        Ok(Process { child, log })
    }

    /// The process id; its own children are not told from it anywhere.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .map_or(true, |status| status.is_some())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it takes longer than `limit`, or ends with another code than 0.
    pub(crate) fn finish(mut self, limit: Duration) -> Result<String, String> {
        if !self.ends_within(limit) {
            return Err(format!("not done after {limit:?}: {}", self.log()));
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(self.log()),
            _ => Err(self.log()),
        }
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.has_ended() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.pid();
        if !self.has_ended() {
            terminate(pid);
            if !self.ends_within(PATIENCE) {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        running().retain(|&other| other != pid);
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP end all programs, remove `scratch`, and then this process.
pub(crate) fn end_all_on_signals(scratch: &Path) {
    let scratch = scratch.to_owned();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for signals");
        runtime.block_on(any_signal());
        // Held to the end: nothing more is started.
        let running = running();
        running.iter().copied().for_each(terminate);
        let _ = std::fs::remove_dir_all(&scratch);
        exit(130);
    });
}

async fn any_signal() {
    let of = |kind| signal(kind).expect("signals can be awaited");
    let mut interrupt = of(SignalKind::interrupt());
    let mut terminate = of(SignalKind::terminate());
    let mut hangup = of(SignalKind::hangup());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}
