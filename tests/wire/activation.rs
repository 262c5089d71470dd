//! Socket activation: sockets that were passed are served instead of new ones, and outlive a restart (sd_listen_fds(3)).

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME, blob, named};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, PATIENCE, Server};

/// Makes of its standard input what systemd makes of a socket unit, and keeps its process id.
const ACTIVATOR: &str =
    r#"exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@""#;

fn activated(socket: &TcpListener, args: &[&str]) -> Docxy {
    let mut command = Command::new("sh");
    command.args(["-c", ACTIVATOR, env!("CARGO_BIN_EXE_docxy")]);
    command.args(args);
    let socket = OwnedFd::from(socket.try_clone().unwrap());
    Docxy::spawn_with_stdin(&mut command, Stdio::from(socket))
}

fn listener() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Clients that ask one after another, each on a connection of its own, until they are told to stop.
struct Crowd {
    answered: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Crowd {
    fn start(count: usize, address: SocketAddr) -> Crowd {
        let (answered, enough) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let start = |_| {
            let (answered, enough) = (Arc::clone(&answered), Arc::clone(&enough));
            thread::spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    // Panics where the connection is refused or broken off.
                    let mut client = Client::connect(address);
                    let response = client.ask(&Ask::get(MANIFEST)).complete();
                    assert_eq!((response.status(), response.text().as_str()), (200, "x"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = (0..count).map(start).collect();
        Crowd {
            answered,
            enough,
            clients,
        }
    }

    fn wait_for_more(&self, count: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        let deadline = Instant::now() + PATIENCE;
        while self.answered.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "the clients get no answers");
            assert!(
                self.clients.iter().all(|client| !client.is_finished()),
                "a client was refused"
            );
            thread::yield_now();
        }
    }

    fn stop(self) {
        self.enough.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("no client was refused");
        }
    }
}

#[test]
fn a_restart_under_load_refuses_nobody() {
    let registry = Server::start(|_| Answer::ok("x"));
    let (socket, address) = listener();
    let (listen, upstream) = (address.to_string(), named(NAME, &registry));
    let start = || {
        let docxy = activated(&socket, &["--listen", &listen, "--upstream", &upstream]);
        docxy.wait_for_line("listening on ");
        docxy
    };
    let mut docxy = start();
    let crowd = Crowd::start(4, address);
    for _ in 0..8 {
        crowd.wait_for_more(40);
        docxy.signal("TERM");
        let (status, lines) = docxy.wait();
        assert_eq!(status.code(), Some(0), "{lines:?}");
        docxy = start();
    }
    crowd.wait_for_more(40);
    crowd.stop();
}

#[test]
fn while_a_transfer_is_finished_new_clients_wait_for_the_next_docxy() {
    let gate = Gate::new();
    let slow = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    let registry = Server::start(move |request| match request.head.target() {
        MANIFEST => Answer::ok("x"),
        _ => slow.clone(),
    });
    let (socket, address) = listener();
    let (listen, upstream) = (address.to_string(), named(NAME, &registry));
    let args = ["--listen", &listen, "--upstream", &upstream];
    let first = activated(&socket, &args);
    first.wait_for_line("listening on ");
    let mut pulling = Client::connect(address);
    pulling.send(Ask::get(&blob()).bytes());
    pulling.receive_head();
    assert_eq!(pulling.take(4).unwrap(), b"half");
    first.signal("TERM");
    first.wait_for_line("stopping; ");
    let mut late = Client::connect(address);
    late.send(Ask::get(MANIFEST).bytes());
    gate.open();
    assert_eq!(pulling.take(4).unwrap(), b"rest");
    assert_eq!(first.wait().0.code(), Some(0));
    let second = activated(&socket, &args);
    second.wait_for_line("listening on ");
    assert_eq!(late.receive("GET").complete().text(), "x");
}

#[test]
fn what_was_not_passed_is_bound() {
    let (socket, address) = listener();
    let listen = address.to_string();
    let docxy = activated(&socket, &["--listen", &listen, "--listen", "127.0.0.1:0"]);
    docxy.wait_for_lines("listening on ", 2);
    let listeners = docxy.listeners();
    assert_eq!(listeners[0], address);
    for address in listeners {
        assert_eq!(
            Client::connect(address).ask(&Ask::get("/health")).status(),
            200
        );
    }
}

#[test]
fn what_matches_no_listen_is_named_and_not_served() {
    let (socket, address) = listener();
    let docxy = activated(&socket, &["--listen", "127.0.0.1:0"]);
    docxy.wait_for_line("listening on ");
    let warning = docxy.wait_for_line("warning: the socket ");
    assert!(
        warning.contains(&format!("--listen {address}")),
        "{warning}"
    );
    assert_ne!(docxy.addr(), address);
    // A child of another test may hold it at this moment, so it is docxy itself that is asked.
    let its_link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    let held = fs::read_dir(format!("/proc/{}/fd", docxy.pid())).unwrap();
    let links = held.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    assert!(
        links.into_iter().all(|link| link != its_link),
        "{its_link:?} is closed"
    );
}

#[test]
fn a_wildcard_takes_the_wildcard_that_was_passed() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let docxy = activated(&socket, &["--listen", &format!("http://:{port}")]);
    docxy.wait_for_line("listening on http://0.0.0.0:");
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let (socket, address) = listener();
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let docxy = Docxy::spawn(command.args(["--listen", &address.to_string()]));
    let (status, lines) = docxy.wait();
    assert_eq!(status.code(), Some(1));
    assert!(
        lines.len() == 1 && lines[0].contains("another program uses this port"),
        "{lines:?}"
    );
    drop(socket);
}

#[test]
fn what_is_no_socket_is_said_so() {
    let mut command = Command::new("sh");
    command.args(["-c", ACTIVATOR, env!("CARGO_BIN_EXE_docxy")]);
    let docxy = Docxy::start_with(command.args(["--listen", "127.0.0.1:0"]));
    let warning = docxy.wait_for_line("warning: ");
    assert!(warning.contains("cannot be used"), "{warning}");
}
