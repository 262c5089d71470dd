//! The realm: learned from the upstream's own 401, discovered where it is not known, and bound to where it may lie.

use crate::stand::{MANIFEST, ask, before, before_with, get, own_error, query, values};
use crate::tokens::{Stand, TOKEN, announcing, stand, token_server};
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Server};

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
fn the_learned_service_is_put_in_where_the_client_names_none() {
    let Stand {
        auth,
        registry: _registry,
        docxy,
    } = stand("reg.test");
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
fn an_upstream_that_fails_gets_no_placeholder() {
    let target = "/auth/reg.test/token?scope=repository:a/b:pull";
    for (said, status, code) in [
        ("503 Service Unavailable", 503, "UNAVAILABLE"),
        ("500 Internal Server Error", 503, "UNAVAILABLE"),
        ("429 Too Many Requests", 429, "TOOMANYREQUESTS"),
    ] {
        for retry_after in [Some("17"), None] {
            let fields = retry_after.map(|value| ("Retry-After", value));
            let fields: Vec<_> = fields.into_iter().collect();
            let registry = Server::start(move |_| Answer::new(said, &fields, "x"));
            let docxy = before(&registry);
            let response = get(&docxy, target);
            assert_eq!(own_error(&response, status), code, "{said}");
            assert_eq!(response.head.one("retry-after"), retry_after, "{said}");
            assert!(response.text().contains("reg.test"), "{}", response.text());
            assert_eq!(registry.lines().len(), 2, "{said}");
        }
    }
}

#[test]
fn one_failing_answer_is_enough_unless_the_other_says_enough() {
    let auth = token_server();
    let challenge = format!("Bearer realm=\"{}/token\",service=\"s\"", auth.url());
    let failing = || Answer::new("502 Bad Gateway", &[], "x");
    let missing = || Answer::new("404 Not Found", &[], "");
    let busy = || Answer::new("429 Too Many Requests", &[], "");
    const PLACEHOLDER: &str = "docxy-anonymous";
    for (of_v2, of_manifest, status, said) in [
        (failing(), Answer::challenge(&[&challenge]), 200, TOKEN),
        (failing(), missing(), 503, "UNAVAILABLE"),
        (missing(), failing(), 503, "UNAVAILABLE"),
        // The registry lets anyone in; another manifest than the one asked for may be had.
        (Answer::ok("{}"), failing(), 200, PLACEHOLDER),
        (
            Answer::ok("{}"),
            Answer::raw("HTTP/9\r\n\r\n"),
            200,
            PLACEHOLDER,
        ),
        (Answer::ok("{}"), busy(), 429, "TOOMANYREQUESTS"),
    ] {
        let registry = Server::start(move |request| match request.head.target() {
            "/v2/" => of_v2.clone(),
            _ => of_manifest.clone(),
        });
        let docxy = before(&registry);
        let response = get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull");
        assert_eq!(response.status(), status, "{}", response.text());
        assert!(response.text().contains(said), "{}", response.text());
    }
}

/// podman and docker ask for a token with each pull.
#[test]
fn that_no_token_is_wanted_is_asked_once_for_a_repository() {
    let registry = Server::start(|request| match request.head.target() {
        "/v2/" => Answer::ok("{}"),
        _ => Answer::new("404 Not Found", &[], ""),
    });
    let docxy = before(&registry);
    let placeholder = |target: &str| {
        let response = get(&docxy, target);
        assert!(response.text().contains("docxy-anonymous"), "{target}");
        registry.lines().len()
    };
    let target = "/auth/reg.test/token?service=docxy&scope=repository:a/b:pull";
    assert_eq!([placeholder(target), placeholder(target)], [2, 2]);
    assert_eq!(placeholder("/token?scope=repository:a/b:pull,push"), 2);
    assert_eq!(placeholder("/token?scope=repository:c/d:pull"), 4);
    assert_eq!([placeholder("/token"), placeholder("/token")], [5, 5]);
}

#[test]
fn what_does_not_say_so_is_asked_each_time() {
    for (of_v2, of_manifest) in [("404 Not Found", "200 OK"), ("200 OK", "502 Bad Gateway")] {
        let registry = Server::start(move |request| match request.head.target() {
            "/v2/" => Answer::new(of_v2, &[], ""),
            _ => Answer::new(of_manifest, &[], ""),
        });
        let docxy = before(&registry);
        for asked in [2, 4] {
            let response = get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull");
            assert!(response.text().contains("docxy-anonymous"), "{of_v2}");
            assert_eq!(registry.lines().len(), asked, "{of_v2}");
        }
    }
}

#[test]
fn a_challenge_ends_what_is_remembered_of_its_upstream() {
    let auth = token_server();
    let challenge = format!("Bearer realm=\"{}/token\",service=\"s\"", auth.url());
    let registry = Server::start(move |request| match request.head.target() {
        "/v2/private/manifests/latest" => Answer::challenge(&[&challenge]),
        _ => Answer::ok("{}"),
    });
    let docxy = before(&registry);
    // Of a service that no challenge has named.
    let target = "/auth/reg.test/token?service=t&scope=repository:a/b:pull";
    assert!(get(&docxy, target).text().contains("docxy-anonymous"));
    assert_eq!(get(&docxy, "/v2/private/manifests/latest").status(), 401);
    assert_eq!(get(&docxy, target).text(), TOKEN);
}

#[test]
fn what_is_no_failure_says_that_no_token_is_wanted() {
    let basic = || Answer::challenge(&["Basic realm=\"r\""]);
    for said in [
        Answer::ok("{}"),
        basic(),
        Answer::new("403 Forbidden", &[], ""),
        Answer::new("404 Not Found", &[], ""),
    ] {
        let registry = Server::start(move |_| said.clone());
        let docxy = before(&registry);
        let response = get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull");
        assert_eq!(response.status(), 200, "{}", response.text());
        assert!(response.text().contains("docxy-anonymous"));
    }
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
    let other_port = format!("127.0.0.1:{}", auth.addr().port() ^ 1);
    for (host, status) in [
        (auth.authority(), 200),
        ("auth.example".to_owned(), 502),
        (other_port, 502),
    ] {
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

/// Nexus names a service and a realm for each of its repositories.
#[test]
fn each_of_many_services_keeps_its_realm() {
    let auth = token_server();
    let url = auth.url();
    let registry = Server::start(move |request| {
        let name = request.head.target().split('/').nth(2).unwrap();
        Answer::challenge(&[&format!("Bearer realm=\"{url}/{name}\",service=\"{name}\"")])
    });
    let docxy = before(&registry);
    let names: Vec<String> = (0..64)
        .map(|number| format!("repository-{number}"))
        .collect();
    for name in &names {
        let target = format!("/v2/{name}/a/manifests/latest");
        assert_eq!(get(&docxy, &target).status(), 401);
    }
    for name in &names {
        let target = format!("/auth/reg.test/token?service={name}&scope=repository:{name}/a:pull");
        assert_eq!(get(&docxy, &target).text(), TOKEN);
        let asked = auth.lines().pop().unwrap();
        assert!(asked.starts_with(&format!("GET /{name}?")), "{asked}");
    }
    assert_eq!(
        registry.lines().len(),
        names.len(),
        "nothing was asked twice"
    );
}

#[test]
fn a_challenge_whose_body_never_comes_is_enough() {
    let auth = token_server();
    let challenge = format!(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{}/token\"\r\nTransfer-Encoding: chunked\r\n\r\n",
        auth.url()
    );
    let registry = Server::start(move |_| Answer::raw(&challenge).then(Act::Stall));
    let docxy = before(&registry);
    assert_eq!(
        get(&docxy, "/auth/reg.test/token?scope=repository:a/b:pull").text(),
        TOKEN
    );
    registry.wait_for_leaving(0);
}
