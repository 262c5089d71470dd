//! Replicas: a docxy that has just been started answers every request of a pull as one that has served all of them
//! before, since nothing is kept between requests that cannot be found again.

use crate::docxy::Docxy;
use crate::stand::{blob, named, start};
use crate::wire::{Answer, Ask, Client, Server};

const ALICE: &str = "Basic YWxpY2U6czNjcmV0";

/// A registry that wants tokens of its own token server, and sends to a CDN for its blobs.
struct Tokened {
    _auth: Server,
    _cdn: Server,
    registry: Server,
}

fn tokened(name: &'static str) -> Tokened {
    let auth = Server::start(move |request| {
        let who = request.head.one("authorization").unwrap_or("anybody");
        Answer::ok(format!("{{\"token\":\"{name}-for-{who}\"}}"))
    });
    let cdn = Server::start(move |_| Answer::ok(format!("layer of {name}")));
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"service-{name}\"",
        auth.url()
    );
    let location = format!("{}/layer?sig=1", cdn.url());
    let registry = Server::start(move |request| {
        if !request.head.has("authorization") {
            Answer::challenge(&[&challenge])
        } else if request.head.target().contains("/blobs/") {
            Answer::redirect("307 Temporary Redirect", &location)
        } else {
            Answer::ok(name)
        }
    });
    Tokened {
        _auth: auth,
        _cdn: cdn,
        registry,
    }
}

/// Every kind of request of a pull, in the order of pulls.
fn pulls() -> Vec<Ask> {
    let bearer = |target: &str, token: &str| {
        Ask::get(target).field("Authorization", &format!("Bearer {token}"))
    };
    let token = |scope: &str| {
        Ask::get(&format!(
            "/auth/token?service=docxy&scope=repository:{scope}:pull"
        ))
    };
    let manifest = "/v2/x/y/manifests/latest";
    let blob = blob();
    vec![
        Ask::get("/v2/"),
        token("x/y"),
        token("b.test/x/y").field("Authorization", ALICE),
        token("open.test/x/y"),
        Ask::get("/auth/b.test/token?scope=repository:x/y:pull"),
        Ask::form(
            "/auth/a.test/token",
            "grant_type=password&username=alice&password=s3cret&service=service-a",
        ),
        Ask::get("/v2/").field("Authorization", ALICE),
        bearer(manifest, "t"),
        bearer("/v2/b.test/x/y/manifests/latest", "t"),
        Ask::head("/v2/b.test/x/y/manifests/latest"),
        bearer("/v2/open.test/x/y/manifests/latest", "docxy-anonymous"),
        bearer(&blob, "t"),
        bearer(&blob.replace("/v2/", "/v2/b.test/"), "t"),
        bearer(&format!("{manifest}?ns=b.test"), "t"),
        Ask::get(&format!("{manifest}?ns=b.test")),
        Ask::get("/v2/").host("b.example"),
        token("x/y").host("b.example").field("Authorization", ALICE),
        bearer(manifest, "t").host("b.example"),
    ]
}

/// What a client sees of an answer.
fn answer(docxy: &Docxy, ask: &Ask) -> String {
    let response = Client::connect(docxy.addr()).ask(ask).complete();
    let challenge = response.head.one("www-authenticate").unwrap_or("-");
    format!("{} {challenge} {}", response.head.start, response.text())
}

#[test]
fn any_replica_answers_any_request_of_a_pull() {
    let [a, b] = ["a", "b"].map(tokened);
    let open = Server::start(|_| Answer::ok("open"));
    let upstreams = [
        named("a.test", &a.registry),
        named("b.test", &b.registry),
        named("open.test", &open),
    ];
    let mut args: Vec<&str> = upstreams
        .iter()
        .flat_map(|upstream| ["--upstream", upstream])
        .collect();
    args.extend(["--upstream-alias", "b.test=b.example"]);
    let experienced = start(&args);
    for ask in &pulls() {
        let expected = answer(&experienced, ask);
        assert!(!expected.contains(" 50"), "{ask:?}: {expected}");
        assert_eq!(answer(&start(&args), ask), expected, "{ask:?}");
    }
}
