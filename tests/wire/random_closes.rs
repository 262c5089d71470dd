//! A hundred thousand requests to a server that leaves its connections when and as it likes: no client notices.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, start};
use crate::wire::dice::Dice;
use crate::wire::{Ask, Client, Closing};

const CLIENTS: usize = 8;
const REQUESTS: usize = 100_000;

/// A server that keeps no record, and how often it has left.
struct Fickle {
    url: String,
    left: Arc<AtomicUsize>,
}

impl Fickle {
    fn start() -> Fickle {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let left = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&left);
        thread::spawn(move || {
            for (number, tcp) in listener.incoming().map_while(Result::ok).enumerate() {
                let (mut dice, count) = (Dice::new(number as u64), Arc::clone(&count));
                thread::spawn(move || {
                    serve(&tcp, &mut dice);
                    count.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Fickle { url, left }
    }
}

/// Answers each request with its own path, and leaves about every twentieth time. The first request of a connection is
/// always answered: whoever asks on a new one has nobody else to ask.
fn serve(tcp: &TcpStream, dice: &mut Dice) {
    tcp.set_nodelay(true).unwrap();
    let (mut requests, mut answers) = (BufReader::new(tcp.try_clone().unwrap()), tcp);
    for turn in 0.. {
        let Some(path) = next_request(&mut requests) else {
            return;
        };
        let fate = dice.throw(100);
        match fate {
            // While the request is on its way, or instead of the answer.
            0 if turn > 0 => return,
            1 if turn > 0 => return reset(tcp),
            _ => {}
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
            path.len()
        );
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
        match fate {
            2 => return,
            // Half of it: the server would still listen.
            3 => tcp.shutdown(Shutdown::Write).unwrap(),
            // What nobody has asked for.
            4 => answers
                .write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
                .unwrap_or(()),
            _ => {}
        }
    }
}

fn reset(tcp: &TcpStream) {
    let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

/// The path of the next request; `None` when there is none.
fn next_request(requests: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if requests.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    head.split(' ').nth(1).map(str::to_owned)
}

fn pull(docxy: &Docxy, client: usize, requests: usize) {
    let mut connection = Client::connect(docxy.addr());
    for number in 0..requests {
        let target = format!("{MANIFEST}-{client}-{number}");
        let response = connection.ask(&Ask::get(&target)).complete();
        assert_eq!((response.status(), response.text()), (200, target));
    }
    connection.finish_writing();
    assert_eq!(connection.drain().1, Closing::Fin);
}

#[test]
fn no_client_notices_a_server_that_closes_at_random() {
    let server = Fickle::start();
    let docxy = start(&[
        "--upstream",
        &format!("reg.test={}", server.url),
        "--log",
        "error",
    ]);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let docxy = &docxy;
            scope.spawn(move || pull(docxy, client, REQUESTS / CLIENTS));
        }
    });
    let left = server.left.load(Ordering::SeqCst);
    assert!(left > REQUESTS / 50, "the server left {left} times");
}
