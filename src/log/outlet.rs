//! Where lines go: to somebody who may not read them. That holds docxy up for a moment, once, and then costs lines.

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ReadWriteFlags, pwritev2, retry_on_intr, write};

/// How long a line waits for a reader who took all lines before it.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// So much a pipe takes at once or not at all, once it is ready (pipe(7)).
const PIPE_BUF: usize = 4096;

/// Where the offset of a descriptor that has one counts.
const NO_OFFSET: u64 = u64::MAX;

/// What the reader has not been given.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    lost: u64,
    /// Whether the last line that it got has no end.
    is_cut: bool,
}

impl Outlet {
    /// Writes a line, which ends in a line feed, or loses it. Returns how many before it were lost, if the reader is back.
    pub(super) fn write(&mut self, to: impl AsFd, line: &[u8], patience: Duration) -> Option<u64> {
        let patience = match self.lost {
            0 => patience,
            _ => Duration::ZERO,
        };
        let feed: &[u8] = if self.is_cut { b"\n" } else { b"" };
        let mut parts = [IoSlice::new(feed), IoSlice::new(line)];
        let mut rest = &mut parts[..];
        let mut written = 0;
        while let Some(count) = put(&to, rest, patience) {
            written += count;
            IoSlice::advance_slices(&mut rest, count);
            if rest.iter().all(|part| part.is_empty()) {
                self.is_cut = false;
                return Some(std::mem::take(&mut self.lost)).filter(|lost| *lost > 0);
            }
        }
        self.is_cut |= written > 0;
        self.lost += 1;
        None
    }
}

/// Writes what can be written without waiting for longer than `patience`; `None` if that is nothing.
fn put(to: &impl AsFd, parts: &[IoSlice<'_>], patience: Duration) -> Option<usize> {
    match retry_on_intr(|| pwritev2(to, parts, NO_OFFSET, ReadWriteFlags::NOWAIT)) {
        Ok(count) => Some(count).filter(|count| *count > 0),
        // A full pipe, or a descriptor or kernel (pipes before Linux 6.4) that must be asked first.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::SPIPE) => {
            let first = parts.iter().find(|part| !part.is_empty())?;
            let some = &first[..first.len().min(PIPE_BUF)];
            is_ready(to, patience).then(|| retry_on_intr(|| write(to, some)).ok())?
        }
        Err(_) => None,
    }
}

fn is_ready(to: &impl AsFd, patience: Duration) -> bool {
    let timeout = Timespec::try_from(patience).ok();
    let mut fds = [PollFd::new(to, PollFlags::OUT)];
    let ready = retry_on_intr(|| poll(&mut fds, timeout.as_ref()));
    ready.is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::fs::File;
    use std::io::{Read, Seek};

    const NO_TIME: Duration = Duration::ZERO;

    /// Of which a whole number does not fill a pipe.
    const LINE: &[u8] = b"a line that is so long, and no longer, that there is no place for it left in a full pipe\n";

    /// Writes until a line is lost, and returns how many were not.
    fn fill(outlet: &mut Outlet, to: impl AsFd) -> usize {
        let mut count = 0;
        while outlet.lost == 0 {
            outlet.write(&to, LINE, NO_TIME);
            count += 1;
        }
        count - 1
    }

    #[test]
    fn whoever_does_not_read_loses_lines_and_is_told_how_many() {
        let (from, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut outlet = Outlet::default();
        let taken = fill(&mut outlet, &to);
        assert!(taken > 100, "{taken}");
        assert_eq!(outlet.write(&to, LINE, PATIENCE), None);
        let mut reader = File::from(from);
        let mut read = vec![0; 64 * 1024];
        let count = reader.read(&mut read).unwrap();
        assert_eq!(outlet.write(&to, b"back\n", NO_TIME), Some(2));
        assert_eq!(outlet.write(&to, b"and on\n", NO_TIME), None);
        drop(to);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let all = String::from_utf8(read[..count].to_vec()).unwrap() + &rest;
        let whole = all
            .lines()
            .filter(|line| line.len() + 1 == LINE.len())
            .count();
        assert_eq!(whole, taken);
        assert!(
            all.ends_with("\nback\nand on\n"),
            "{}",
            &all[all.len() - LINE.len()..]
        );
    }

    #[test]
    fn a_line_of_any_length_goes_into_a_file_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let line = [&vec![b'x'; 100_000][..], b"\n"].concat();
        for _ in 0..2 {
            assert_eq!(Outlet::default().write(&file, &line, NO_TIME), None);
        }
        let mut read = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, line.repeat(2));
    }

    #[test]
    fn a_reader_that_is_gone_costs_no_time() {
        let (from, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        drop(from);
        let mut outlet = Outlet::default();
        assert_eq!(outlet.write(&to, b"a\n", Duration::MAX), None);
        assert_eq!(outlet.lost, 1);
    }
}
