//! Several upstreams on one Host: docxy's own challenge, tokens by scope, and one login that only the default
//! upstream sees.

use crate::docxy::Docxy;
use crate::stand::{ask, get, named, parameters, query, start, values};
use crate::wire::{Answer, Ask, Request, Server};

/// A registry with a token server of its own.
struct Tokened {
    auth: Server,
    registry: Server,
}

fn tokened(name: &'static str) -> Tokened {
    let auth = Server::start(move |_| Answer::ok(format!("{{\"token\":\"of-{name}\"}}")));
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"service-{name}\"",
        auth.url()
    );
    let registry = Server::start(move |request| {
        if request.head.has("authorization") {
            Answer::ok(name)
        } else {
            Answer::challenge(&[&challenge])
        }
    });
    Tokened { auth, registry }
}

struct Stand {
    a: Tokened,
    b: Tokened,
    open: Server,
    docxy: Docxy,
}

/// `a.test` (default) and `b.test` with tokens, `open.test` without.
fn stand() -> Stand {
    let (a, b) = (tokened("a"), tokened("b"));
    let open = Server::start(|_| Answer::ok("open"));
    let names = [
        named("a.test", &a.registry),
        named("b.test", &b.registry),
        named("open.test", &open),
    ];
    let docxy = start(&[
        "--upstream",
        &names[0],
        "--upstream",
        &names[1],
        "--upstream",
        &names[2],
    ]);
    Stand { a, b, open, docxy }
}

fn asked_for_token(auth: &Server) -> Request {
    auth.requests().pop().expect("a token request")
}

#[test]
fn docxy_answers_v2_itself() {
    let stand = stand();
    let response = get(&stand.docxy, "/v2/");
    assert_eq!(response.status(), 401);
    let challenge = response
        .head
        .one("www-authenticate")
        .unwrap()
        .replace(", ", ",");
    assert_eq!(
        challenge,
        r#"Bearer realm="http://docxy.test/auth/token",service="docxy""#
    );
    assert!(stand.a.registry.lines().is_empty() && stand.b.registry.lines().is_empty());
}

#[test]
fn one_upstream_chosen_by_host_or_ns_answers_v2() {
    let stand = stand();
    for request in [Ask::get("/v2/").host("b.test"), Ask::get("/v2/?ns=b.test")] {
        let response = ask(&stand.docxy, &request);
        let challenge = response.head.one("www-authenticate").unwrap();
        assert!(
            challenge.contains("/auth/b.test/token\"") && challenge.contains("service-b"),
            "{challenge}"
        );
    }
    assert_eq!(stand.b.registry.lines(), ["GET /v2/", "GET /v2/"]);
}

#[test]
fn a_scope_chooses_the_token_server_its_service_and_loses_its_name() {
    let stand = stand();
    let table = [
        ("repository:x/y:pull", "a", "repository:x/y:pull"),
        ("repository:a.test/x/y:pull", "a", "repository:x/y:pull"),
        (
            "repository%3Ab.test%2Fx%2Fy%3Apull",
            "b",
            "repository:x/y:pull",
        ),
    ];
    for (scope, name, sent) in table {
        let response = get(
            &stand.docxy,
            &format!("/auth/token?service=docxy&scope={scope}"),
        );
        assert_eq!(
            response.text(),
            format!("{{\"token\":\"of-{name}\"}}"),
            "{scope}"
        );
        let auth = if name == "a" {
            &stand.a.auth
        } else {
            &stand.b.auth
        };
        let query = query(&asked_for_token(auth));
        assert_eq!(values(&query, "scope"), [sent], "{scope}");
        assert_eq!(
            values(&query, "service"),
            [format!("service-{name}")],
            "{scope}"
        );
    }
}

#[test]
fn scopes_of_two_upstreams_are_400() {
    let stand = stand();
    let scopes = "scope=repository:a.test/x:pull&scope=repository:b.test/x:pull";
    assert_eq!(
        get(&stand.docxy, &format!("/auth/token?service=docxy&{scopes}")).status(),
        400
    );
    assert_eq!(
        ask(&stand.docxy, &Ask::form("/auth/token", scopes)).status(),
        400
    );
    let of_one = "scope=repository:b.test/x:pull&scope=repository:b.test/y:pull";
    assert_eq!(
        get(&stand.docxy, &format!("/auth/token?service=docxy&{of_one}")).status(),
        200
    );
    assert_eq!(
        values(&query(&stand.b.auth.only_request()), "scope"),
        ["repository:x:pull", "repository:y:pull"]
    );
    assert_eq!(stand.a.auth.connections(), 0);
}

/// ggcr (crane, cosign) goes on so when a token has expired, podman and skopeo when one does not suffice.
#[test]
fn a_challenge_of_the_upstream_adds_its_scope_to_the_one_that_the_client_has() {
    let stand = stand();
    for scopes in [
        "scope=repository%3Ax%2Fy%3Apull&scope=repository%3Ab.test%2Fx%2Fy%3Apull",
        "scope=repository:b.test/x/y:pull+repository:x/y:pull",
    ] {
        for (target, form) in [
            (format!("/auth/token?service=docxy&{scopes}"), None),
            ("/auth/token".to_owned(), Some(scopes)),
        ] {
            let ask_for = match form {
                Some(form) => Ask::form(&target, form),
                None => Ask::get(&target),
            };
            let response = ask(
                &stand.docxy,
                &ask_for.field("Authorization", "Basic bWU6cHc="),
            );
            assert_eq!(response.text(), "{\"token\":\"of-b\"}", "{scopes}");
            let asked = asked_for_token(&stand.b.auth);
            assert_eq!(values(&query(&asked), "scope"), ["repository:x/y:pull"]);
            assert!(
                !asked.head.has("authorization"),
                "b.test is not the default"
            );
        }
    }
    assert_eq!(stand.a.auth.connections(), 0);
}

#[test]
fn an_upstream_without_tokens_gets_a_placeholder_that_it_never_sees() {
    let stand = stand();
    let response = get(
        &stand.docxy,
        "/auth/token?service=docxy&scope=repository:open.test/x/y:pull",
    );
    assert_eq!(response.status(), 200);
    let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let token = json["token"].as_str().unwrap().to_owned();
    assert!(!token.is_empty());
    let bearer = format!("Bearer {token}");
    for path in [
        "/v2/open.test/x/y/manifests/t",
        "/v2/x/y/manifests/t?ns=open.test",
    ] {
        let pull = ask(
            &stand.docxy,
            &Ask::get(path).field("Authorization", &bearer),
        );
        assert_eq!(pull.text(), "open");
    }
    assert!(
        stand
            .open
            .requests()
            .iter()
            .all(|request| !request.head.has("authorization"))
    );
    ask(
        &stand.docxy,
        &Ask::get("/v2/x/y/manifests/t").field("Authorization", &bearer),
    );
    assert!(
        stand
            .a
            .registry
            .requests()
            .iter()
            .all(|request| !request.head.has("authorization"))
    );
}

#[test]
fn a_real_token_reaches_the_upstream_that_it_is_for() {
    let stand = stand();
    let pull = ask(
        &stand.docxy,
        &Ask::get("/v2/b.test/x/y/manifests/t").field("Authorization", "Bearer of-b"),
    );
    assert_eq!(pull.text(), "b");
    assert_eq!(
        stand.b.registry.only_request().head.one("authorization"),
        Some("Bearer of-b")
    );
}

#[test]
fn basic_credentials_reach_the_default_upstream_only() {
    let stand = stand();
    let basic = |target: &str| Ask::get(target).field("Authorization", "Basic YWxpY2U6czNjcmV0");
    for (scope, auth, seen) in [
        ("a.test/x", &stand.a.auth, true),
        ("b.test/x", &stand.b.auth, false),
    ] {
        for path in [
            "/auth/token",
            &format!("/auth/{}/token", scope.split_once('/').unwrap().0),
        ] {
            let target =
                format!("{path}?account=alice&service=docxy&scope=repository:{scope}:pull");
            assert_eq!(ask(&stand.docxy, &basic(&target)).status(), 200, "{target}");
            assert_eq!(
                asked_for_token(auth).head.has("authorization"),
                seen,
                "{target}"
            );
        }
    }
    for target in [
        "/v2/b.test/x/manifests/t",
        "/v2/x/manifests/t?ns=b.test",
        "/v2/open.test/x/manifests/t",
    ] {
        ask(&stand.docxy, &basic(target));
    }
    for request in [stand.b.registry.requests(), stand.open.requests()].concat() {
        assert!(!request.head.has("authorization"), "{:?}", request.head);
    }
    ask(&stand.docxy, &basic("/v2/x/manifests/t"));
    let to_default = stand.a.registry.requests().pop().unwrap();
    assert_eq!(
        to_default.head.one("authorization"),
        Some("Basic YWxpY2U6czNjcmV0")
    );
}

#[test]
fn a_login_behind_a_token_is_a_login() {
    let stand = stand();
    let target = "/v2/b.test/x/manifests/t";
    let in_one = Ask::get(target).field("Authorization", "Bearer t, Basic YWxpY2U6czNjcmV0");
    ask(&stand.docxy, &in_one);
    let seen = stand.b.registry.requests();
    assert!(
        seen.iter()
            .all(|request| !request.head.has("authorization"))
    );
    let asked = seen.len();
    for other in [
        "Basic YWxpY2U6czNjcmV0",
        "Bearer docxy-anonymous",
        "Bearer t",
    ] {
        let twice = Ask::get(target)
            .field("Authorization", "Bearer t")
            .field("Authorization", other);
        assert_eq!(ask(&stand.docxy, &twice).status(), 400, "{other}");
    }
    assert_eq!(stand.b.registry.requests().len(), asked);
}

#[test]
fn forms_with_a_password_or_refresh_token_reach_the_default_upstream_only() {
    let stand = stand();
    let forms = [
        "grant_type=password&username=alice&password=s3cret&client_id=containerd-client",
        "grant_type=refresh_token&refresh_token=s3cret&client_id=docker",
    ];
    for form in forms {
        for (name, auth, seen) in [
            ("a.test", &stand.a.auth, true),
            ("b.test", &stand.b.auth, false),
        ] {
            let form = format!("{form}&service=docxy&scope=repository%3A{name}%2Fx%3Apull");
            assert_eq!(
                ask(&stand.docxy, &Ask::form("/auth/token", &form)).status(),
                200,
                "{form}"
            );
            let request = asked_for_token(auth);
            let bytes = [request.head.raw.clone(), request.body.clone()].concat();
            let whole = String::from_utf8(bytes).unwrap();
            assert_eq!(whole.contains("s3cret"), seen, "{whole}");
            assert_eq!(
                whole.contains("alice"),
                seen && form.contains("alice"),
                "{whole}"
            );
            let form = String::from_utf8(request.body.clone()).unwrap();
            let sent = [query(&request), parameters(&form)].concat();
            assert_eq!(values(&sent, "scope"), ["repository:x:pull"], "{whole}");
        }
    }
}

#[test]
fn on_a_host_of_its_own_an_upstream_gets_its_login() {
    let stand = stand();
    let basic = |target: &str| {
        Ask::get(target)
            .host("b.test")
            .field("Authorization", "Basic YWxpY2U6czNjcmV0")
    };
    ask(&stand.docxy, &basic("/v2/x/manifests/t"));
    assert!(stand.b.registry.only_request().head.has("authorization"));
    ask(
        &stand.docxy,
        &basic("/auth/b.test/token?service=service-b&scope=repository:x:pull"),
    );
    assert!(asked_for_token(&stand.b.auth).head.has("authorization"));
}

#[test]
fn on_a_host_of_its_own_a_scope_may_name_another_upstream_which_sees_no_login() {
    let stand = stand();
    for (target, name) in [
        ("/auth/token?service=docxy", "b"),
        ("/token?scope=repository:x/y:pull", "b"),
        (
            "/auth/token?scope=repository:b.test/x/y:pull&scope=repository:x/y:pull",
            "b",
        ),
        ("/token?scope=repository:a.test/x/y:pull", "a"),
    ] {
        let login = Ask::get(target)
            .host("b.test")
            .field("Authorization", "Basic YWxpY2U6czNjcmV0");
        let token = ask(&stand.docxy, &login).text();
        assert_eq!(token, format!("{{\"token\":\"of-{name}\"}}"), "{target}");
        let of = if name == "a" { &stand.a } else { &stand.b };
        let seen = asked_for_token(&of.auth);
        let query = query(&seen);
        let is_stripped = |scope: &&str| *scope == "repository:x/y:pull";
        assert!(values(&query, "scope").iter().all(is_stripped), "{query:?}");
        assert_eq!(seen.head.has("authorization"), name == "b", "{target}");
    }
    let of_two = "/token?scope=repository:x/y:pull&scope=repository:a.test/x/y:pull";
    let of_two = ask(&stand.docxy, &Ask::get(of_two).host("b.test"));
    assert_eq!(of_two.status(), 400);
}

#[test]
fn a_login_for_a_host_of_its_own_survives_a_public_url() {
    let (a, b) = (tokened("a"), tokened("b"));
    let names = [named("a.test", &a.registry), named("b.test", &b.registry)];
    let docxy = start(&[
        "--upstream",
        &names[0],
        "--upstream",
        &names[1],
        "--upstream-alias",
        "b.test=b.docxy.test",
        "--public-url",
        "https://docxy.test:5000",
    ]);
    let challenged = ask(&docxy, &Ask::get("/v2/x/manifests/t").host("b.docxy.test"));
    let challenge = challenged.head.one("www-authenticate").unwrap().to_owned();
    let realm = "https://docxy.test:5000/auth/b.docxy.test/token";
    assert!(
        challenge.contains(&format!("realm=\"{realm}\"")),
        "{challenge}"
    );

    let login = |path: &str| {
        Ask::get(&format!("{path}?service=service-b&scope=repository:x:pull"))
            .host("docxy.test:5000")
            .field("Authorization", "Basic YWxpY2U6czNjcmV0")
    };
    ask(&docxy, &login("/auth/b.docxy.test/token"));
    assert!(asked_for_token(&b.auth).head.has("authorization"));
    ask(&docxy, &login("/auth/b.test/token"));
    assert!(
        !asked_for_token(&b.auth).head.has("authorization"),
        "a login for the shared Host"
    );
    assert_eq!(a.auth.connections(), 0);
}

#[test]
fn a_login_without_scope_is_the_default_upstreams() {
    let stand = stand();
    let login = "/auth/token?account=alice&client_id=docker&offline_token=true&service=docxy";
    let response = ask(
        &stand.docxy,
        &Ask::get(login).field("Authorization", "Basic YWxpY2U6czNjcmV0"),
    );
    assert_eq!(response.text(), r#"{"token":"of-a"}"#);
    let seen = stand.a.auth.only_request();
    assert_eq!(values(&query(&seen), "service"), ["service-a"]);
    assert_eq!(values(&query(&seen), "account"), ["alice"]);
    assert_eq!(
        seen.head.one("authorization"),
        Some("Basic YWxpY2U6czNjcmV0")
    );
    let again = ask(
        &stand.docxy,
        &Ask::get("/v2/").field("Authorization", "Bearer of-a"),
    );
    assert_eq!(again.status(), 200, "docker login proves its token at /v2/");
    assert_eq!(
        stand.b.auth.connections() + stand.b.registry.lines().len(),
        0
    );
}
