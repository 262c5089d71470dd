//! What is read anew while docxy runs, at a signal or when its files have changed. All of it happens here, in a thread of
//! its own, so that a slow disk holds up nobody.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::log::Log;
use crate::systemd::supervisor::Supervisor;
use crate::tls::files::TlsFiles;

/// How often files are looked at; a change is taken up at the second look that finds it.
const LOOK: Duration = Duration::from_secs(2);

/// Asks for a reload.
#[derive(Clone, Debug)]
pub struct Reloader {
    requests: Sender<()>,
}

impl Reloader {
    /// Starts the thread. It ends when the last reloader is gone.
    pub fn start(files: TlsFiles, log: Log) -> io::Result<Reloader> {
        let (requests, asked) = mpsc::channel();
        thread::Builder::new()
            .name("docxy-reload".to_owned())
            .spawn(move || watch(files, log, &Supervisor::from_environment(), &asked))?;
        Ok(Reloader { requests })
    }

    /// Has everything read anew; how that went is in the log.
    pub fn request(&self) {
        // A thread that is gone cannot be asked, and the process ends with it or has another way to be told.
        let _ = self.requests.send(());
    }
}

fn watch(mut files: TlsFiles, log: Log, supervisor: &Supervisor, asked: &Receiver<()>) {
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(()) => {
                supervisor.reloading();
                reload(&mut files, log, "as asked");
                supervisor.ready("Serving");
            }
            Err(RecvTimeoutError::Timeout) if files.have_changed() => {
                reload(&mut files, log, "files have changed");
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The one place where docxy reads anew what it was started with.
fn reload(files: &mut TlsFiles, log: Log, why: &str) {
    let now = SystemTime::now();
    let faults = files.reload(now);
    for fault in &faults {
        log.error(format_args!("{fault}; what was read before stays in use"));
    }
    for warning in files.warnings(now) {
        log.error(format_args!("{warning}"));
    }
    let kept = match faults.len() {
        0 => String::new(),
        count => format!(", {count} kept as before"),
    };
    log.info(format_args!("reloaded, {why}{kept}"));
}
