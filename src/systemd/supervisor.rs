//! What docxy tells the service manager that started it (sd_notify(3)). Without one, everything here does nothing.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A way to the service manager, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    socket: Option<Arc<UnixDatagram>>,
}

impl Supervisor {
    /// The one that `NOTIFY_SOCKET` names. One that cannot be reached is told nothing, and will say so itself.
    pub fn from_environment() -> Supervisor {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.and_then(|name| connect(&name).ok()).map(Arc::new);
        Supervisor { socket }
    }

    /// docxy serves: after the start, and again after a reload.
    pub fn ready(&self, status: impl Display) {
        self.tell(format_args!("READY=1\nSTATUS={status}"));
    }

    /// docxy begins to read its files again. [`Supervisor::ready`] says when it has.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(format_args!(
            "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reloading"
        ));
    }

    /// docxy accepts nothing more.
    pub fn stopping(&self, status: impl Display) {
        self.tell(format_args!("STOPPING=1\nSTATUS={status}"));
    }

    /// docxy is well; see [`watchdog_period`].
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, state: impl Display) {
        if let Some(socket) = &self.socket {
            // Whoever does not listen to this draws its own conclusions.
            let _ = socket.send(state.to_string().as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How long the service manager bears not to hear [`Supervisor::alive`] before it starts docxy anew, if it watches
/// (sd_watchdog_enabled(3)).
pub fn watchdog_period() -> Option<Duration> {
    let variable = |name| env::var(name).ok();
    period(
        variable("WATCHDOG_USEC").as_deref(),
        variable("WATCHDOG_PID").as_deref(),
    )
}

fn period(micros: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(process::id()));
    let micros = micros?.parse().ok().filter(|&micros| micros > 0)?;
    is_meant.then_some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn states_arrive_as_they_are_written_in_the_manual() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor {
            socket: Some(Arc::new(connect(path.as_os_str()).unwrap())),
        };
        supervisor.ready("well");
        assert_eq!(heard(&manager), "READY=1\nSTATUS=well");
        supervisor.reloading();
        let reloading = heard(&manager);
        let micros = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .and_then(|rest| rest.split('\n').next())
            .and_then(|micros| micros.parse::<u64>().ok());
        assert!(micros.is_some_and(|micros| micros > 0), "{reloading}");
        supervisor.stopping("bye");
        assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=bye");
        supervisor.alive();
        assert_eq!(heard(&manager), "WATCHDOG=1");
    }

    #[test]
    fn an_abstract_name_begins_with_an_at_sign() {
        let name = format!("docxy-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let socket = connect(OsStr::new(&format!("@{name}"))).unwrap();
        socket.send(b"x").unwrap();
        assert_eq!(heard(&manager), "x");
    }

    #[test]
    fn a_manager_that_is_gone_disturbs_nothing() {
        assert!(connect(OsStr::new("/nowhere/notify")).is_err());
        Supervisor::default().ready("well");
    }

    #[test]
    fn the_watchdog_is_meant_for_this_process_or_for_nobody() {
        let own = process::id().to_string();
        let ten = Some(Duration::from_secs(10));
        assert_eq!(period(Some("10000000"), None), ten);
        assert_eq!(period(Some("10000000"), Some(&own)), ten);
        for (micros, pid) in [
            (None, None),
            (Some("0"), None),
            (Some("x"), None),
            (Some("10000000"), Some("1")),
        ] {
            assert_eq!(period(micros, pid), None, "{micros:?} {pid:?}");
        }
    }
}
