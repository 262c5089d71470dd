//! What cannot be started since the machine, or a limit on docxy, has no more of something.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;

/// Descriptors of a runtime: what it waits with, what wakes it, and where it hears of signals.
const OF_A_RUNTIME: usize = 3;

/// Runtimes beside those of the workers: of the operator's listener, of ACME and of the main thread.
const BESIDE_WORKERS: usize = 3;

/// Something that was not started, for want of something.
#[derive(Debug)]
pub struct Shortage {
    what: String,
    error: io::Error,
    /// What else helps than to have more.
    or: &'static str,
}

impl Shortage {
    /// Why `what`, one of the workers or something beside them, was not started.
    pub fn of(what: impl Into<String>, error: io::Error) -> Shortage {
        Shortage {
            what: what.into(),
            error,
            or: ", or have fewer --workers",
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, error) = (&self.what, &self.error);
        write!(f, "{what} cannot be started: {error}; ")?;
        f.write_str(match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => {
                "raise the limit on descriptors (LimitNOFILE= of systemd, ulimit -n)"
            }
            Some(Errno::AGAIN | Errno::NOMEM) => {
                "raise the limits on threads and memory (TasksMax= and MemoryMax= of systemd, ulimit -u and -v)"
            }
            _ => "see what the system says of it",
        })?;
        f.write_str(self.or)
    }
}

impl Error for Shortage {}

/// Whether the runtimes of so many workers, and those beside them, will have their descriptors.
pub fn check_workers(workers: usize) -> Result<(), Shortage> {
    let short = |error| Shortage::of(format!("{workers} workers"), error);
    take_descriptors(workers + BESIDE_WORKERS).map_err(short)
}

/// Whether a `command` that has one runtime will have its descriptors.
pub fn check_command(command: &str) -> Result<(), Shortage> {
    take_descriptors(1).map_err(|error| Shortage {
        what: command.to_owned(),
        error,
        or: "",
    })
}

/// Takes the descriptors of so many runtimes for a moment: a runtime for which there are too few panics.
fn take_descriptors(runtimes: usize) -> io::Result<()> {
    // And the two that all runtimes share.
    let pairs = (runtimes * OF_A_RUNTIME + 2).div_ceil(2);
    let taken: io::Result<Vec<_>> = (0..pairs).map(|_| UnixStream::pair()).collect();
    taken.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_named_and_how_to_have_more() {
        let cases = [
            (Errno::MFILE, "LimitNOFILE="),
            (Errno::NFILE, "LimitNOFILE="),
            (Errno::AGAIN, "TasksMax="),
            (Errno::NOMEM, "MemoryMax="),
            (Errno::PERM, "Operation not permitted"),
        ];
        for (errno, named) in cases {
            let shown = Shortage::of("worker 2 of 8", errno.into()).to_string();
            assert!(
                shown.starts_with("worker 2 of 8 cannot be started: "),
                "{shown}"
            );
            assert!(shown.contains(named), "{shown}");
        }
    }
}
