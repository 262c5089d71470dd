//! What is read anew while docxy runs, at a signal or when its files have changed. All of it happens here, in a thread of
//! its own, so that a slow disk holds up nobody.

pub mod faults;
pub mod in_use;

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::panics::outlive;
use crate::systemd::supervisor::Supervisor;

use self::in_use::InUse;

/// How often files are looked at; a change is taken up at the second look that finds it.
const LOOK: Duration = Duration::from_secs(2);

/// Asks for a reload.
#[derive(Clone, Debug)]
pub struct Reloader {
    requests: Sender<()>,
}

impl Reloader {
    /// Starts the thread. It ends when the last reloader is gone.
    pub fn start(mut in_use: InUse) -> io::Result<Reloader> {
        let (requests, asked) = mpsc::channel();
        thread::Builder::new()
            .name("docxy-reload".to_owned())
            .spawn(move || {
                let supervisor = Supervisor::from_environment();
                outlive(|| watch(&mut in_use, &supervisor, &asked));
            })?;
        Ok(Reloader { requests })
    }

    /// Has everything read anew; how that went is in the log.
    pub fn request(&self) {
        // A thread that is gone cannot be asked, and the process ends with it or has another way to be told.
        let _ = self.requests.send(());
    }
}

fn watch(in_use: &mut InUse, supervisor: &Supervisor, asked: &Receiver<()>) {
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(()) => {
                supervisor.reloading();
                reload(in_use);
                supervisor.ready("Serving");
            }
            Err(RecvTimeoutError::Timeout) if in_use.have_files_changed() => {
                let kept = in_use.read_files();
                say_reloaded(in_use, "files have changed", kept);
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(kept) = in_use.try_again() {
                    say_reloaded(in_use, "at another try", kept);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The one place where docxy reads anew all that it was started with.
fn reload(in_use: &mut InUse) {
    let (what, kept) = match in_use.change() {
        Ok(waiting) => ("as asked", waiting),
        Err(why) => {
            let kept = format_args!("{why}; the configuration stays as it was");
            in_use.log.error(kept);
            ("as asked, but for the configuration", 1)
        }
    };
    let kept = kept + in_use.read_files();
    say_reloaded(in_use, what, kept);
}

fn say_reloaded(in_use: &InUse, what: &str, kept: usize) {
    let kept = match kept {
        0 => {
            in_use.metrics.reloaded();
            String::new()
        }
        count => {
            in_use.metrics.not_reloaded();
            format!(", {count} kept as before")
        }
    };
    in_use.log.info(format_args!("reloaded, {what}{kept}"));
}
