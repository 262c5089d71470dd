//! A request for which a connection is being made: it takes one that another gives back before, where it may.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, connections, settled, with_one_worker};
use crate::wire::answer::Act;
use crate::wire::tunnel::{OK, Proxy, Then};
use crate::wire::{Answer, Ask, Client, Gate, Server};

/// The way to a server, on which all connections but the first have to wait.
struct Narrows {
    proxy: Proxy,
    /// That one of them has been begun.
    begun: Gate,
    /// That they may go on.
    open: Gate,
}

impl Narrows {
    fn before(server: &Server) -> Narrows {
        let (begun, open) = (Gate::new(), Gate::new());
        let (held, narrow) = ((begun.clone(), open.clone()), server.authority());
        let made = AtomicUsize::new(0);
        let proxy = Proxy::connect(move |head| {
            let to = head.split(' ').nth(1).expect("where to");
            if to == narrow && made.fetch_add(1, Ordering::SeqCst) > 0 {
                held.0.open();
                held.1.wait();
            }
            let to = to.parse().expect("an address");
            (OK.to_vec(), Then::Tunnel(to))
        });
        Narrows { proxy, begun, open }
    }

    /// docxy behind it, with one worker, since each has connections of its own.
    fn docxy(&self, upstream: &Server, more: &[&str]) -> Docxy {
        let proxy = self.proxy.url();
        with_one_worker(upstream, &[&["--upstream-proxy", &proxy], more].concat())
    }
}

/// Says `hello`: to the requests of these numbers, from 0, when their gate is open.
fn gated<const N: usize>(gates: [(usize, &Gate); N]) -> Server {
    let gates = gates.map(|(number, gate)| (number, gate.clone()));
    let asked = AtomicUsize::new(0);
    Server::start(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let gate = gates.iter().find(|(gated, _)| *gated == number);
        let answer = Answer::default();
        let answer = match gate {
            Some((_, gate)) => answer.then(Act::Wait(gate.clone())),
            None => answer,
        };
        answer.send(Answer::ok("hello").bytes())
    })
}

fn asking(docxy: &Docxy, ask: &Ask) -> Client {
    let mut client = Client::connect(docxy.addr());
    client.send(ask.bytes());
    client
}

/// It has its answer, and docxy is done with it.
fn is_answered(mut client: Client) {
    assert_eq!(client.receive("GET").complete().text(), "hello");
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
}

#[test]
fn it_takes_what_another_gives_back_and_leaves_what_was_begun_for_it_to_others() {
    let (first, third) = (Gate::new(), Gate::new());
    let registry = gated([(0, &first), (2, &third)]);
    let narrows = Narrows::before(&registry);
    let docxy = narrows.docxy(&registry, &["--log", "debug"]);
    let one = asking(&docxy, &Ask::get(MANIFEST));
    registry.wait_for_requests(1);
    let other = asking(&docxy, &Ask::get(MANIFEST));
    narrows.begun.wait();
    first.open();
    is_answered(one);
    is_answered(other);
    assert_eq!(connections(&registry), [0, 0]);
    let line = docxy.wait_for_lines(" target=/v2/", 2).remove(1);
    assert!(line.contains(" reused=true retries=0 "), "{line}");

    narrows.open.open();
    docxy.wait_for_line("a connection stands for which nobody waits any more");
    let one = asking(&docxy, &Ask::get(MANIFEST));
    registry.wait_for_requests(3);
    is_answered(asking(&docxy, &Ask::get(MANIFEST)));
    third.open();
    is_answered(one);
    let mut last = connections(&registry).split_off(2);
    last.sort_unstable();
    assert_eq!((last, narrows.proxy.heads().len()), (vec![0, 1], 2));
}

#[test]
fn a_crowd_is_served_by_the_one_connection_that_there_is() {
    let first = Gate::new();
    let registry = gated([(0, &first)]);
    let narrows = Narrows::before(&registry);
    let docxy = narrows.docxy(&registry, &[]);
    let one = asking(&docxy, &Ask::get(MANIFEST));
    registry.wait_for_requests(1);
    // More than may dial at a time.
    let crowd: Vec<Client> = (0..300)
        .map(|_| asking(&docxy, &Ask::get(MANIFEST)))
        .collect();
    narrows.begun.wait();
    first.open();
    for client in std::iter::once(one).chain(crowd) {
        is_answered(client);
    }
    assert_eq!(connections(&registry), [0; 301]);
    narrows.open.open();
}

#[test]
fn whoever_left_before_gets_none() {
    let first = Gate::new();
    let registry = gated([(0, &first)]);
    let narrows = Narrows::before(&registry);
    let docxy = narrows.docxy(&registry, &["--log", "info"]);
    let one = asking(&docxy, &Ask::get(MANIFEST));
    registry.wait_for_requests(1);
    let leaving = asking(&docxy, &Ask::get(MANIFEST));
    narrows.begun.wait();
    leaving.reset();
    docxy.wait_for_lines(" target=/v2/", 1);
    first.open();
    is_answered(one);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    assert_eq!(connections(&registry), [0, 0]);
}

#[test]
fn what_may_not_be_sent_twice_waits_for_a_connection_of_its_own() {
    let first = Gate::new();
    let auth = gated([(0, &first)]);
    let challenge = format!("Bearer realm=\"{}/token\"", auth.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let narrows = Narrows::before(&auth);
    let docxy = narrows.docxy(&registry, &[]);
    let query = Ask::get("/auth/reg.test/token?scope=repository:a/b:pull");
    let one = asking(&docxy, &query);
    auth.wait_for_requests(1);
    let form = Ask::form("/auth/reg.test/token", "grant_type=password&password=x");
    let mut other = asking(&docxy, &form);
    narrows.begun.wait();
    first.open();
    is_answered(one);
    narrows.open.open();
    assert_eq!(other.receive("POST").complete().text(), "hello");
    assert_eq!(connections(&auth), [0, 1]);
}
