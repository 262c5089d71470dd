//! What can go wrong with an upstream, and the status that says so.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::http::uri::Origin;
use crate::timeouts;
use crate::upstream::dial::DialError;

/// What went wrong with an upstream, before its answer could pass.
#[derive(Debug)]
pub struct UpstreamError {
    /// Who was asked.
    pub origin: Origin,
    /// Through which proxy.
    pub proxy: Option<String>,
    /// What happened.
    pub fault: Fault,
}

/// The kinds of upstream faults; each has its own status.
#[derive(Debug)]
pub enum Fault {
    /// There is no connection to it.
    Unreachable(DialError),
    /// There was none a moment ago, for this reason, and another try has to wait.
    Down(Arc<str>),
    /// Too many others wait for a connection to it.
    Crowded,
    /// The connection ended or broke before an answer.
    Broken(io::Error),
    /// No answer came in time.
    Slow,
    /// What came is no answer.
    Malformed(String),
    /// What came does not even begin as an answer: where the connection has served before, it may be what is left of
    /// another one.
    OutOfStep(String),
}

impl UpstreamError {
    /// The status for the client.
    pub fn status(&self) -> u16 {
        match &self.fault {
            Fault::Unreachable(DialError::Tls(error)) if is_slow(error) => 504,
            Fault::Unreachable(DialError::Proxy(error)) => error.fault.status(),
            Fault::Unreachable(DialError::Forbidden(_) | DialError::Tls(_)) => 502,
            Fault::Unreachable(_) | Fault::Down(_) | Fault::Crowded => 503,
            Fault::Broken(_) | Fault::Malformed(_) | Fault::OutOfStep(_) => 502,
            Fault::Slow => 504,
        }
    }
}

fn is_slow(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        match &self.fault {
            Fault::Unreachable(error) => write!(f, "{error}"),
            Fault::Down(why) => write!(f, "it failed a moment ago and is not asked yet: {why}"),
            Fault::Crowded => {
                f.write_str("too many requests wait for a connection to it; try again soon")
            }
            Fault::Broken(error) => write!(f, "the connection ended before an answer: {error}"),
            Fault::Slow => {
                write!(
                    f,
                    "no answer within {}",
                    humantime::format_duration(timeouts::RESPONSE_HEAD)
                )
            }
            Fault::Malformed(why) | Fault::OutOfStep(why) => {
                write!(f, "its answer is malformed: {why}")
            }
        }?;
        match (&self.proxy, &self.fault) {
            // These say it themselves.
            (_, Fault::Unreachable(DialError::Proxy(_)) | Fault::Down(_)) | (None, _) => Ok(()),
            (Some(proxy), _) => write!(f, " (through the proxy {proxy})"),
        }
    }
}

impl std::error::Error for UpstreamError {}
