//! What docxy says on stderr: one line per request, and what went wrong. No credential and no query ever gets here.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

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

/// Says what its level lets pass.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// There is one log for as long as the process runs, and all who say something see its level change.
    level: &'static AtomicU8,
}

/// What the access log says of a request, in this order.
#[derive(Debug)]
pub struct Record<'a> {
    /// Who asked.
    pub client: IpAddr,
    /// The method; `-` where there was none.
    pub method: &'a str,
    /// The path without its query; `-` where there was none.
    pub path: &'a str,
    /// The status that the client got.
    pub status: u16,
    /// Bytes of the body that have passed.
    pub bytes: u64,
    /// From the whole request head to the last byte of the answer.
    pub duration: Duration,
    /// The name of the upstream; `-` where none was asked.
    pub upstream: &'a str,
    /// The status of its last answer.
    pub upstream_status: Option<u16>,
    /// Whether the connection to it had been used before.
    pub reused: bool,
    /// How often the request was sent again.
    pub retries: u32,
    /// Redirects followed.
    pub hops: usize,
    /// How often a body went on after it had broken off.
    pub resumes: u32,
}

impl Log {
    /// A log of this level.
    pub fn new(level: Level) -> Log {
        Log {
            level: Box::leak(Box::new(AtomicU8::new(level as u8))),
        }
    }

    /// Lets another level pass.
    pub fn set_level(self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
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
            say(format_args!("time={} {record}", now()));
        }
    }

    fn lets_pass(self, level: Level) -> bool {
        self.level.load(Ordering::Relaxed) >= level as u8
    }

    fn event(self, level: Level, name: &str, what: fmt::Arguments<'_>) {
        if self.lets_pass(level) {
            say(format_args!("time={} {name}={:?}", now(), what.to_string()));
        }
    }
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "client={} method={} target={}",
            self.client,
            Value(self.method),
            Value(self.path)
        )?;
        write!(
            f,
            " status={} bytes={} duration_ms={}",
            self.status,
            self.bytes,
            self.duration.as_millis()
        )?;
        write!(f, " upstream={} upstream_status=", Value(self.upstream))?;
        match self.upstream_status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("-")?,
        }
        write!(
            f,
            " reused={} retries={} hops={} resumes={}",
            self.reused, self.retries, self.hops, self.resumes
        )
    }
}

/// Text of a request: what could be taken for another field or another line is quoted.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.0.is_empty()
            && self
                .0
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'='));
        if plain {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

fn now() -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(SystemTime::now())
}

/// One line, in one write: lines of different tasks never mix. A log that cannot be written is no reason to stop a pull.
fn say(line: fmt::Arguments<'_>) {
    let line = format!("{line}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_fields_in_order() {
        let mut record = Record {
            client: "192.0.2.7".parse().unwrap(),
            method: "GET",
            path: "/v2/library/alpine/manifests/latest",
            status: 200,
            bytes: 528,
            duration: Duration::from_millis(12),
            upstream: "docker.io",
            upstream_status: Some(200),
            reused: true,
            retries: 0,
            hops: 1,
            resumes: 0,
        };
        assert_eq!(
            record.to_string(),
            "client=192.0.2.7 method=GET target=/v2/library/alpine/manifests/latest status=200 bytes=528 duration_ms=12 \
             upstream=docker.io upstream_status=200 reused=true retries=0 hops=1 resumes=0"
        );
        record.upstream_status = None;
        record.path = "/a b\n\"status=1";
        assert_eq!(
            record.to_string(),
            "client=192.0.2.7 method=GET target=\"/a b\\n\\\"status=1\" status=200 bytes=528 duration_ms=12 \
             upstream=docker.io upstream_status=- reused=true retries=0 hops=1 resumes=0"
        );
    }
}
