//! The values of labels are closed sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ADMIN;
use crate::scrape::{Scrape, admin, scrape};
use crate::stand::{NAME, named, start};
use crate::wire::dice::Dice;
use crate::wire::{Answer, Ask, Client, Server};

/// Ever other names, paths, methods, hosts and fields.
#[test]
fn no_client_can_add_a_series() {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let registry = Server::start(move |_| {
        let status = 200 + count.fetch_add(1, Ordering::SeqCst) % 400;
        Answer::new(&format!("{status} Odd"), &[], "x")
    });
    let upstreams = [named(NAME, &registry), named("other.test", &registry)];
    let [one, other] = upstreams.each_ref().map(String::as_str);
    let docxy = start(
        &[
            &ADMIN[..],
            &["--log", "off", "--upstream", one, "--upstream", other],
        ]
        .concat(),
    );
    let mut dice = Dice::new(7);
    let mut word = || format!("{:x}", dice.throw(1 << 30));
    for _ in 0..300 {
        let (a, b, c) = (word(), word(), word());
        let asks = [
            Ask::get(&format!("/v2/{a}/{b}/manifests/{c}")),
            Ask::get(&format!("/v2/{a}.test/{b}/manifests/{c}?ns={b}.test")),
            Ask::get(&format!("/{a}/{b}")).host(&format!("{c}.test")),
            Ask::new(&a.to_uppercase(), &format!("/v2/{b}/blobs/sha256:{c}")),
            Ask::get(&format!("/auth/{a}.test/token?scope={b}&service={c}")),
            Ask::get("/health").field(&a, &b),
        ];
        for ask in asks {
            let mut client = Client::connect(docxy.addr());
            client.send(ask.bytes());
            client.finish_writing();
            client.drain();
        }
    }
    let now = scrape(&docxy);
    let kinds = [
        "v2",
        "manifest",
        "blob",
        "tags",
        "referrers",
        "catalog",
        "token",
        "mount",
        "own",
        "refused",
    ];
    let labels = |name: &str, label: &str| {
        let (_, rest) = name.split_once(&format!("{label}=\""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    let names = now.names();
    for name in &names {
        if let Some(kind) = labels(name, "kind") {
            assert!(kinds.contains(&&*kind), "{name}");
        }
        if let Some(upstream) = labels(name, "upstream") {
            assert!([NAME, "other.test", "-"].contains(&&*upstream), "{name}");
        }
        if let Some(status) = labels(name, "status") {
            let is_class = status.len() == 3 && status.ends_with("xx");
            let is_status = status
                .parse::<u16>()
                .is_ok_and(|status| (200..600).contains(&status));
            assert!(is_class || is_status, "{name}");
        }
    }
    let of_manifests = "kind=\"manifest\"";
    let statuses = names
        .iter()
        .filter(|name| name.contains(of_manifests) && name.contains("status"));
    assert!((10..60).contains(&statuses.count()), "{names:?}");
    let reader = Client::connect(admin(&docxy))
        .ask(&Ask::get("/metrics"))
        .text();
    assert!(Scrape::read(&reader).is_ok() && reader.len() < 64 * 1024);
}
