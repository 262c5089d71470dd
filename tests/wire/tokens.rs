//! The token relay: its paths, scopes rewritten, forms bounded, credentials passed on.

use crate::docxy::Docxy;
use crate::stand::{ask, before, get, named, parameters, query, start, values};
use crate::wire::{Answer, Ask, Client, Server};

pub const TOKEN: &str = r#"{"token":"t0k3n"}"#;
const FORM_LIMIT: usize = 16 * 1024;

pub fn token_server() -> Server {
    Server::start(|_| Answer::new("200 OK", &[("Content-Type", "application/json")], TOKEN))
}

/// A registry whose `/v2/` announces this realm.
pub fn announcing(realm: String) -> Server {
    Server::start(move |request| match request.head.target() {
        "/v2/" => {
            Answer::challenge(&[&format!("Bearer realm=\"{realm}\",service=\"reg-service\"")])
        }
        _ => Answer::ok("registry"),
    })
}

pub struct Stand {
    pub auth: Server,
    pub registry: Server,
    pub docxy: Docxy,
}

pub fn stand(name: &str) -> Stand {
    let auth = token_server();
    let registry = announcing(format!("{}/token", auth.url()));
    let docxy = start(&["--upstream", &named(name, &registry)]);
    Stand {
        auth,
        registry,
        docxy,
    }
}

#[test]
fn every_token_path_reaches_the_realm() {
    for path in ["/auth/reg.test/token", "/auth/token", "/token"] {
        let Stand {
            auth,
            registry: _registry,
            docxy,
        } = stand("reg.test");
        let response = get(
            &docxy,
            &format!("{path}?service=reg-service&scope=repository:a/b:pull"),
        );
        assert_eq!(response.text(), TOKEN, "{path}");
        assert_eq!(
            values(&query(&auth.only_request()), "scope"),
            ["repository:a/b:pull"],
            "{path}"
        );
    }
}

#[test]
fn several_scopes_keep_their_order_and_actions() {
    let Stand {
        auth,
        registry: _registry,
        docxy,
    } = stand("reg.test");
    let asked =
        "scope=repository:a/b:pull&scope=repository%3Ac%3Apull%2Cpush&scope=registry:catalog:*";
    assert_eq!(
        get(&docxy, &format!("/auth/reg.test/token?{asked}")).text(),
        TOKEN
    );
    let query = query(&auth.only_request());
    assert_eq!(
        values(&query, "scope"),
        [
            "repository:a/b:pull",
            "repository:c:pull,push",
            "registry:catalog:*"
        ]
    );
}

#[test]
fn library_is_added_to_scopes_of_docker_hub_only() {
    let table = [
        (
            "docker.io",
            "repository:alpine:pull",
            "repository:library/alpine:pull",
        ),
        (
            "docker.io",
            "repository:library/alpine:pull",
            "repository:library/alpine:pull",
        ),
        (
            "docker.io",
            "repository:me/alpine:pull",
            "repository:me/alpine:pull",
        ),
        (
            "docker.io",
            "repository:docker.io/alpine:pull",
            "repository:library/alpine:pull",
        ),
        (
            "reg.test",
            "repository:alpine:pull",
            "repository:alpine:pull",
        ),
        (
            "reg.test",
            "repository:reg.test/a/b:pull",
            "repository:a/b:pull",
        ),
    ];
    for (name, asked, sent) in table {
        let Stand {
            auth,
            registry: _registry,
            docxy,
        } = stand(name);
        assert_eq!(
            get(&docxy, &format!("/auth/{name}/token?scope={asked}")).text(),
            TOKEN,
            "{asked}"
        );
        assert_eq!(
            ask(
                &docxy,
                &Ask::form(&format!("/auth/{name}/token"), &format!("scope={asked}"))
            )
            .text(),
            TOKEN
        );
        let requests = auth.requests();
        assert_eq!(
            values(&query(&requests[0]), "scope"),
            [sent],
            "{name} {asked}"
        );
        let form = String::from_utf8(requests[1].body.clone()).unwrap();
        assert_eq!(
            values(&parameters(&form), "scope"),
            [sent],
            "{name} {asked} in a form"
        );
    }
}

#[test]
fn a_form_reaches_the_realm_with_its_length() {
    let Stand {
        auth,
        registry: _registry,
        docxy,
    } = stand("reg.test");
    let form = "client_id=containerd-client&grant_type=password&password=s3%26cret%2B&scope=repository%3Aa%2Fb%3Apull\
                &service=reg-service&username=alice";
    let response = ask(&docxy, &Ask::form("/auth/reg.test/token", form));
    assert_eq!((response.status(), response.text().as_str()), (200, TOKEN));
    let seen = auth.only_request();
    assert_eq!(seen.head.method(), "POST");
    assert_eq!(
        seen.head.one("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        parameters(&String::from_utf8(seen.body).unwrap()),
        parameters(form)
    );
    assert!(
        docxy
            .log()
            .iter()
            .all(|line| !line.contains("s3") && !line.contains("alice")),
        "{:?}",
        docxy.log()
    );
}

#[test]
fn a_form_up_to_the_limit_passes_and_one_byte_more_is_413() {
    let Stand {
        auth,
        registry: _registry,
        docxy,
    } = stand("reg.test");
    let form = |length: usize| {
        let start = "scope=repository:a/b:pull&pad=";
        format!("{start}{}", "x".repeat(length - start.len()))
    };
    assert_eq!(
        ask(
            &docxy,
            &Ask::form("/auth/reg.test/token", &form(FORM_LIMIT))
        )
        .status(),
        200
    );
    let seen = auth.only_request();
    assert_eq!(
        values(&parameters(&String::from_utf8(seen.body).unwrap()), "pad")[0].len(),
        FORM_LIMIT - 30
    );
    let beyond = ask(
        &docxy,
        &Ask::form("/auth/reg.test/token", &form(FORM_LIMIT + 1)),
    );
    assert_eq!(beyond.status(), 413);
    assert_eq!(auth.lines().len(), 1);

    let chunked = Ask::new("POST", "/auth/reg.test/token").field("Transfer-Encoding", "chunked");
    for (length, status) in [(FORM_LIMIT, 200), (FORM_LIMIT + 1, 413)] {
        let mut client = Client::connect(docxy.addr());
        client.send(chunked.bytes());
        client.send(format!("{length:x}\r\n{}\r\n0\r\n\r\n", form(length)));
        assert_eq!(
            client.receive("POST").status(),
            status,
            "{length} bytes in a chunk"
        );
    }
}

#[test]
fn credentials_and_what_the_realm_says_to_them_pass() {
    let auth = Server::start(|_| Answer::challenge(&[r#"Basic realm="accounts""#]));
    let registry = announcing(format!("{}/token", auth.url()));
    let docxy = before(&registry);
    let request = Ask::get("/auth/reg.test/token?service=reg-service&account=alice")
        .field("Authorization", "Basic YWxpY2U6d3Jvbmc=");
    let response = ask(&docxy, &request);
    assert_eq!(
        (response.status(), response.head.one("www-authenticate")),
        (401, Some(r#"Basic realm="accounts""#))
    );
    assert_eq!(
        auth.only_request().head.one("authorization"),
        Some("Basic YWxpY2U6d3Jvbmc=")
    );
    assert!(
        registry
            .requests()
            .iter()
            .all(|request| !request.head.has("authorization")),
        "discovery is anonymous"
    );
    assert!(
        docxy.log().iter().all(|line| !line.contains("YWxpY2U")),
        "{:?}",
        docxy.log()
    );
}

#[test]
fn a_realm_that_has_had_too_many_requests_says_so_itself() {
    let auth =
        Server::start(|_| Answer::new("429 Too Many Requests", &[("Retry-After", "17")], "slow"));
    let registry = announcing(format!("{}/token", auth.url()));
    let docxy = before(&registry);
    let asked = "/auth/reg.test/token?scope=repository:a/b:pull";
    for request in [Ask::get(asked), Ask::form(asked, "grant_type=password")] {
        let answer = ask(&docxy, &request);
        assert_eq!((answer.status(), answer.text().as_str()), (429, "slow"));
        assert_eq!(answer.head.one("retry-after"), Some("17"));
    }
    assert_eq!(auth.lines().len(), 2, "asked once each time");
}

#[test]
fn a_redirecting_realm_takes_no_login_elsewhere() {
    let thief = Server::start(|_| Answer::ok(r#"{"token":"x"}"#));
    let location = format!("{}/token", thief.url());
    let auth = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let registry = announcing(format!("{}/token", auth.url()));
    let docxy = before(&registry);
    let login = Ask::get("/auth/reg.test/token?account=alice&scope=repository:a/b:pull")
        .field("Authorization", "Basic YWxpY2U6czNjcmV0");
    ask(&docxy, &login);
    ask(
        &docxy,
        &Ask::form(
            "/auth/reg.test/token",
            "username=alice&password=s3cret&scope=repository:a/b:pull",
        ),
    );
    for request in thief.requests() {
        assert!(!request.head.has("authorization"), "{:?}", request.head);
        assert!(
            request.body.is_empty(),
            "{:?}",
            String::from_utf8_lossy(&request.body)
        );
    }
    assert_eq!(auth.lines().len(), 2);
}
