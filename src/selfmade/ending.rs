//! The end of the CA. Engines then refuse docxy, and giving them another one is work on every machine, so it is said long
//! before, and again and again while docxy runs.

use std::path::Path;
use std::time::{Duration, SystemTime};

const DAY: u64 = 24 * 3600;

/// Time for those who look after all these machines.
const NOTICE: Duration = Duration::from_secs(365 * DAY);

/// How often it is said.
const MONTH: Duration = Duration::from_secs(30 * DAY);

/// How near the end is, as coarse as it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing has to be done yet.
    Far,
    /// Engines have to be given another CA within so many months.
    Near(u64),
    /// Engines refuse docxy.
    Over,
}

impl Ending {
    /// How near it is for a CA that is valid `until` then.
    pub fn of(until: SystemTime, now: SystemTime) -> Ending {
        match until.duration_since(now) {
            Err(_) => Ending::Over,
            Ok(left) if left > NOTICE => Ending::Far,
            Ok(left) => Ending::Near(left.as_secs() / MONTH.as_secs()),
        }
    }

    /// What to say of it while docxy runs, if anything, of a CA that is kept at `path`.
    pub fn warning(self, until: SystemTime, path: Option<&Path>) -> Option<String> {
        let date = humantime::format_rfc3339_seconds(until);
        let remove = path.map(|path| format!("remove {} and ", path.display()));
        let remove = remove.unwrap_or_default();
        match self {
            Ending::Far => None,
            Ending::Near(_) => Some(format!(
                "warning: the CA of the self-made certificate ends on {date}, and engines then refuse docxy; before that, \
                 {remove}start docxy again, which makes the CA anew from its key, and give it to every engine; those that have \
                 the old one go on until it ends"
            )),
            Ending::Over => Some(format!(
                "warning: the CA of the self-made certificate has ended on {date}, and engines refuse docxy; start docxy \
                 again, which makes the CA anew from its key, and give it to every engine"
            )),
        }
    }
}

/// What the start says when it has made a CA anew that was valid `until` then.
pub fn made_anew(until: SystemTime) -> String {
    let date = humantime::format_rfc3339_seconds(until);
    format!(
        "warning: the CA of the self-made certificate had ended on {date} and was made anew from its key; give it to every \
         engine"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_said_from_a_year_before() {
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let before = |days: u64| Ending::of(until, until - Duration::from_secs(days * DAY));
        assert_eq!(before(366), Ending::Far);
        assert_eq!(before(365), Ending::Near(12));
        assert_eq!((before(59), before(31)), (Ending::Near(1), Ending::Near(1)));
        assert_eq!(before(0), Ending::Near(0));
        assert_eq!(
            Ending::of(until, until + Duration::from_secs(1)),
            Ending::Over
        );
    }

    #[test]
    fn what_to_do_is_said() {
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let path = Some(Path::new("/state/ca.crt"));
        assert_eq!(Ending::Far.warning(until, path), None);
        for (path, what) in [
            (path, "remove /state/ca.crt and start docxy"),
            (None, "that, start docxy"),
        ] {
            let said = Ending::Near(3).warning(until, path).unwrap();
            assert!(said.contains(what) && said.contains("2033-05-18"), "{said}");
        }
        let said = Ending::Over.warning(until, path).unwrap();
        assert!(!said.contains("remove"), "{said}");
    }
}
