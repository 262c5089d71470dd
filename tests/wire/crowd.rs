//! Many clients at once: nobody gets what another one asked for.

use std::sync::Arc;

use crate::stand::{NAME, before_with};
use crate::wire::{Answer, Ask, Client, Server, digest, noise};

const CLIENTS: usize = 24;
const PULLS: usize = 20;

/// A body that only this name has, of a size that varies from nothing to some buffers.
fn body_of(name: &str) -> Vec<u8> {
    let size = name
        .bytes()
        .fold(7_usize, |sum, byte| sum * 31 + usize::from(byte))
        % 200_000;
    let mut body = noise(size);
    body.iter_mut()
        .zip(name.bytes().cycle())
        .for_each(|(byte, of_name)| *byte ^= of_name);
    body
}

/// Every third answer is chunked, every third ends with its connection.
fn answer(name: &str) -> Answer {
    let body = body_of(name);
    let pieces: Vec<&[u8]> = body.chunks(50_000).collect();
    match name.len() % 3 {
        0 => Answer::chunked(&[], &pieces),
        1 => Answer::head("200 OK", &[("Connection", "close")])
            .send(&body)
            .close(),
        _ => Answer::ok(&body),
    }
}

#[test]
fn everyone_gets_what_was_asked_for() {
    let registry =
        Server::start(|request| answer(request.head.target().rsplit('/').next().unwrap()));
    let docxy = before_with(&registry, &["--log", "off"]);
    let docxy = Arc::new(docxy);
    let pulls = (0..CLIENTS).map(|client| {
        let docxy = Arc::clone(&docxy);
        std::thread::spawn(move || {
            let mut connection = Client::connect(docxy.addr());
            for pull in 0..PULLS {
                let name = format!("t{client}-{}", "x".repeat(pull % 4) + &pull.to_string());
                let response = connection
                    .ask(&Ask::get(&format!("/v2/{NAME}/a/manifests/{name}")))
                    .complete();
                assert_eq!(digest(&response.body), digest(&body_of(&name)), "{name}");
            }
        })
    });
    let pulls: Vec<_> = pulls.collect();
    pulls.into_iter().for_each(|pull| pull.join().unwrap());
    assert_eq!(registry.lines().len(), CLIENTS * PULLS);
}
