//! What the service manager is told: that docxy serves, that it lives, that it stops (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Instant;

use crate::docxy::Docxy;
use crate::stand::{NAME, blob, named};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, PATIENCE, Server};

/// Stands for systemd.
struct Manager {
    socket: UnixDatagram,
    _directory: tempfile::TempDir,
}

impl Manager {
    fn start(command: &mut Command) -> (Manager, Docxy) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let manager = Manager {
            socket,
            _directory: directory,
        };
        let docxy = Docxy::start_with(command.env("NOTIFY_SOCKET", &path));
        (manager, docxy)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self
            .socket
            .recv(&mut buffer)
            .expect("docxy tells something");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn wait_for(&self, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.next().starts_with(state) {
            assert!(Instant::now() < deadline, "no {state}");
        }
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    command.args(["--listen", "127.0.0.1:0"]).args(args);
    command
}

#[test]
fn ready_comes_first_and_stopping_at_the_first_signal() {
    let (manager, docxy) = Manager::start(&mut command(&[]));
    assert!(manager.next().starts_with("READY=1\n"));
    docxy.signal("TERM");
    assert!(manager.next().starts_with("STOPPING=1\n"));
    assert_eq!(docxy.wait().0.code(), Some(0));
}

#[test]
fn a_reload_is_announced_and_its_end_as_well() {
    let (manager, docxy) = Manager::start(&mut command(&[]));
    assert!(manager.next().starts_with("READY=1\n"));
    docxy.signal("HUP");
    assert!(manager.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(manager.next().starts_with("READY=1\n"));
}

#[test]
fn the_watchdog_is_fed_while_it_serves_and_while_it_drains() {
    let gate = Gate::new();
    let answer = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    let registry = Server::start(move |_| answer.clone());
    let mut watched = command(&["--upstream", &named(NAME, &registry)]);
    let (manager, docxy) = Manager::start(watched.env("WATCHDOG_USEC", "100000"));
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    docxy.signal("TERM");
    manager.wait_for("STOPPING=1");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    gate.open();
    assert_eq!(client.take(8).unwrap(), b"halfrest");
    assert_eq!(docxy.wait().0.code(), Some(0));
}

#[test]
fn nobody_to_tell_is_no_fault() {
    let docxy = Docxy::start_with(command(&[]).env("NOTIFY_SOCKET", "/nowhere/notify"));
    docxy.signal("TERM");
    assert_eq!(docxy.wait().0.code(), Some(0));
}
