//! What docxy says on stderr: one line per request, and what went wrong. No credential and no query ever gets here.

mod outlet;
mod record;

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use self::outlet::{Outlet, PATIENCE};
use self::record::Fields;
pub use self::record::Record;

/// How much is said.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Deserialize, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing.
    Off,
    /// What went wrong with upstreams, and within docxy.
    Error,
    /// One line per request as well.
    Info,
    /// Connections and redirects as well.
    Debug,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As `key=value`, for people.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

/// Says what its level lets pass.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// There is one log for as long as the process runs, and all who say something see it change.
    set: &'static Set,
}

#[derive(Debug)]
struct Set {
    level: AtomicU8,
    format: AtomicU8,
    outlet: Mutex<Outlet>,
}

impl Log {
    /// A log of this level.
    pub fn new(level: Level, format: Format) -> Log {
        let set = Set {
            level: AtomicU8::new(level as u8),
            format: AtomicU8::new(format as u8),
            outlet: Mutex::default(),
        };
        Log {
            set: Box::leak(Box::new(set)),
        }
    }

    /// Lets another level pass, and writes otherwise.
    pub fn change(self, level: Level, format: Format) {
        self.set.level.store(level as u8, Ordering::Relaxed);
        self.set.format.store(format as u8, Ordering::Relaxed);
    }

    /// Says what went wrong.
    pub fn error(self, what: fmt::Arguments<'_>) {
        self.event(Level::Error, "error", what);
    }

    /// Says what docxy is about to do.
    pub fn info(self, what: fmt::Arguments<'_>) {
        self.event(Level::Info, "info", what);
    }

    /// Says what helps to find out why.
    pub fn debug(self, what: fmt::Arguments<'_>) {
        self.event(Level::Debug, "debug", what);
    }

    /// Says that a request is done.
    pub fn access(self, record: &Record<'_>) {
        if self.lets_pass(Level::Info) {
            match self.is_json() {
                true => self.say_json(&Fields::of(record, &now())),
                false => self.say(format_args!("time={} {record}", now())),
            }
        }
    }

    /// Says what whoever has started docxy waits for, whatever the level.
    pub fn notice(self, what: fmt::Arguments<'_>) {
        self.to_operator("info", "", what);
    }

    /// Warns whoever has started docxy, whatever the level.
    pub fn warning(self, what: fmt::Arguments<'_>) {
        self.to_operator("warning", "warning: ", what);
    }

    /// Says why docxy ends, whatever the level.
    pub fn failure(self, what: fmt::Arguments<'_>) {
        self.to_operator("error", "", what);
    }

    /// Whether anything of this level is said, so that what would not be said need not be put together.
    pub fn lets_pass(self, level: Level) -> bool {
        self.set.level.load(Ordering::Relaxed) >= level as u8
    }

    fn is_json(self) -> bool {
        self.set.format.load(Ordering::Relaxed) == Format::Json as u8
    }

    fn event(self, level: Level, name: &'static str, what: fmt::Arguments<'_>) {
        if self.lets_pass(level) {
            match self.is_json() {
                true => self.say_json(&Event { name, what }),
                false => self.say(format_args!("time={} {name}={:?}", now(), what.to_string())),
            }
        }
    }

    fn to_operator(self, name: &'static str, mark: &str, what: fmt::Arguments<'_>) {
        match self.is_json() {
            true => self.say_json(&Event { name, what }),
            false => self.say(format_args!(
                "docxy: {mark}{}",
                on_one_line(&what.to_string())
            )),
        }
    }

    /// One line, in one write: lines of different tasks never mix. A log that cannot be written is no reason to stop a pull.
    fn say(self, line: fmt::Arguments<'_>) {
        let line = format!("{line}\n");
        let outlet = self.set.outlet.lock();
        let mut outlet = outlet.unwrap_or_else(PoisonError::into_inner);
        let lost = outlet.write(std::io::stderr(), line.as_bytes(), PATIENCE);
        drop(outlet);
        if let Some(lost) = lost {
            self.warning(format_args!(
                "{lost} lines of the log are lost; nobody read it"
            ));
        }
    }

    /// The same for an object, which has no line feed in it whatever it holds.
    fn say_json(self, object: &impl Serialize) {
        // Numbers, text and nothing have a form in JSON always.
        if let Ok(line) = serde_json::to_string(object) {
            self.say(format_args!("{line}"));
        }
    }
}

/// What is told may hold what a file or a path does: it stays on one line, and moves no cursor.
pub(crate) fn on_one_line(text: &str) -> String {
    let shown = |c: char| {
        let escaped = c.is_control().then(|| c.escape_default());
        let plain = escaped.is_none().then_some(c);
        escaped.into_iter().flatten().chain(plain)
    };
    text.chars().flat_map(shown).collect()
}

/// Anything but a request, in JSON.
struct Event<'a> {
    name: &'static str,
    what: fmt::Arguments<'a>,
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("time", &now())?;
        map.serialize_entry(self.name, &self.what)?;
        map.end()
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
