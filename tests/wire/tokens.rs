//! The token relay: realms learned and rediscovered, scopes rewritten, forms bounded, one realm host (design §4).

use crate::docxy::Docxy;
use crate::stand::{
    MANIFEST, ask, before, before_with, get, named, own_error, parameters, query, start, values,
};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Server};

const TOKEN: &str = r#"{"token":"t0k3n"}"#;
const FORM_LIMIT: usize = 16 * 1024;

fn token_server() -> Server {
    Server::start(|_| Answer::new("200 OK", &[("Content-Type", "application/json")], TOKEN))
}

/// A registry whose `/v2/` announces this realm.
fn announcing(realm: String) -> Server {
    Server::start(move |request| match request.head.target() {
        "/v2/" => {
            Answer::challenge(&[&format!("Bearer realm=\"{realm}\",service=\"reg-service\"")])
        }
        _ => Answer::ok("registry"),
    })
}

struct Stand {
    auth: Server,
    registry: Server,
    docxy: Docxy,
}

fn stand(name: &str) -> Stand {
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
fn a_token_request_works_as_the_first_request() {
    let Stand {
        auth,
        registry,
        docxy,
    } = stand("reg.test");
    for round in 1..=2 {
        let response = get(
            &docxy,
            "/auth/reg.test/token?service=reg-service&scope=repository%3Aa%2Fb%3Apull",
        );
        assert_eq!((response.status(), response.text().as_str()), (200, TOKEN));
        assert_eq!(response.head.one("content-type"), Some("application/json"));
        assert_eq!(registry.lines(), ["GET /v2/"], "discovered once");
        assert_eq!(auth.lines().len(), round);
    }
    let seen = &auth.requests()[0];
    assert_eq!(values(&query(seen), "scope"), ["repository:a/b:pull"]);
    assert_eq!(seen.head.one("host"), Some(auth.authority().as_str()));
}

#[test]
fn every_token_path_reaches_the_realm() {
    for path in ["/auth/reg.test/token", "/auth/token", "/token"] {
        let Stand { auth, docxy, .. } = stand("reg.test");
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
fn the_learned_service_is_put_in_where_the_client_names_none() {
    let Stand { auth, docxy, .. } = stand("reg.test");
    assert_eq!(
        get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull").text(),
        TOKEN
    );
    assert_eq!(
        values(&query(&auth.only_request()), "service"),
        ["reg-service"]
    );
}

#[test]
fn without_a_challenge_on_v2_one_head_on_a_manifest_finds_the_realm() {
    let auth = token_server();
    let challenge = format!("Bearer realm=\"{}/token\",service=\"s\"", auth.url());
    let registry = Server::start(move |request| match request.head.target() {
        "/v2/" => Answer::ok("{}"),
        _ => Answer::challenge(&[&challenge]),
    });
    let docxy = before(&registry);
    assert_eq!(
        get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull").text(),
        TOKEN
    );
    let lines = registry.lines();
    assert_eq!(
        (lines[0].as_str(), lines.len()),
        ("GET /v2/", 2),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("HEAD /v2/a/b/manifests/"), "{lines:?}");
}

#[test]
fn several_scopes_keep_their_order_and_actions() {
    let Stand { auth, docxy, .. } = stand("reg.test");
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
        let Stand { auth, docxy, .. } = stand(name);
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
    let Stand { auth, docxy, .. } = stand("reg.test");
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
    let Stand { auth, docxy, .. } = stand("reg.test");
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
fn a_realm_may_lie_under_v2_of_the_registry() {
    let registry = Server::start(|request| match request.head.target() {
        "/v2/" => {
            let host = request.head.one("host").unwrap();
            Answer::challenge(&[&format!(
                "Bearer realm=\"http://{host}/v2/auth\",service=\"quay\""
            )])
        }
        target if target.starts_with("/v2/auth?") => Answer::ok(TOKEN),
        _ => Answer::unscripted(),
    });
    let docxy = before(&registry);
    assert_eq!(
        get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull").text(),
        TOKEN
    );
    assert_eq!(registry.lines().len(), 2);
}

#[test]
fn a_realm_elsewhere_than_on_the_realm_host_is_502() {
    let auth = token_server();
    for (host, status) in [("127.0.0.1", 200), ("auth.example", 502)] {
        let registry = announcing(format!("{}/token", auth.url()));
        let docxy = before_with(&registry, &["--realm-host", &format!("reg.test={host}")]);
        let response = get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull");
        assert_eq!(response.status(), status, "{}", response.text());
        assert_eq!(
            response.text().contains("--realm-host"),
            status == 502,
            "{}",
            response.text()
        );
    }
    assert_eq!(auth.lines().len(), 1);
}

#[test]
fn a_realm_at_a_metadata_address_is_502_and_never_dialled() {
    for host in ["169.254.169.254", "[fe80::1]"] {
        let registry = announcing(format!("http://{host}/token"));
        let docxy = before(&registry);
        let response = get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull");
        own_error(&response, 502);
        assert!(
            response.text().contains("--realm-host"),
            "{}",
            response.text()
        );
    }
}

#[test]
fn a_plain_realm_of_an_https_upstream_is_502() {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    let auth = token_server();
    let challenge = format!("Bearer realm=\"{}/token\",service=\"s\"", auth.url());
    let registry = Server::start_tls(identity.server(), move |_| Answer::challenge(&[&challenge]));
    let docxy = before_with(&registry, &["--upstream-ca", roots.to_str().unwrap()]);
    let request = Ask::get("/auth/reg.test/token?scope=repository:a/b:pull")
        .field("Authorization", "Basic eDp5");
    let response = ask(&docxy, &request);
    own_error(&response, 502);
    assert!(
        response.text().contains("--realm-host"),
        "{}",
        response.text()
    );
    assert_eq!(auth.connections(), 0);
}

#[test]
fn a_realm_is_learned_from_any_401_of_the_upstream() {
    let auth = token_server();
    let challenge = format!("Bearer realm=\"{}/token\",service=\"s\"", auth.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let docxy = before(&registry);
    assert_eq!(get(&docxy, MANIFEST).status(), 401);
    assert_eq!(
        get(
            &docxy,
            "/auth/reg.test/token?service=s&scope=repository:a/b:pull"
        )
        .text(),
        TOKEN
    );
    assert_eq!(
        registry.lines(),
        [format!("GET {MANIFEST}")],
        "no discovery was needed"
    );
}
