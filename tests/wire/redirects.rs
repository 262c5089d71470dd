//! Redirects are followed by docxy, with the same method and conditions, and never with the registry's credentials.

use crate::stand::{MANIFEST, ask, before, before_with, blob, get, head, own_error};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Server, noise};

/// A registry whose blob redirects to `location`, which may lead to the CDN.
fn registry_to(location: String) -> Server {
    Server::start(move |request| {
        if request.head.target() == blob() {
            Answer::redirect("307 Temporary Redirect", &location)
        } else {
            Answer::ok("registry")
        }
    })
}

#[test]
fn each_redirect_status_is_followed_once() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let cdn = Server::table([("GET /x?sig=a%2Fb", Answer::ok("blob"))]);
        let location = format!("{}/x?sig=a%2Fb", cdn.url());
        let registry = Server::start(move |_| Answer::redirect(status, &location));
        let docxy = before(&registry);
        let response = get(&docxy, &blob());
        assert_eq!(
            (response.status(), response.text().as_str()),
            (200, "blob"),
            "{status}"
        );
        assert!(!response.head.has("location"), "{status}");
        assert_eq!(
            (registry.lines().len(), cdn.lines().len()),
            (1, 1),
            "{status}"
        );
    }
}

#[test]
fn relative_references_are_resolved_against_the_request() {
    let table = [
        ("/elsewhere?sig=1", "/elsewhere?sig=1".to_owned()),
        ("other", "/v2/a/b/blobs/other".to_owned()),
        ("../up", "/v2/a/b/up".to_owned()),
        ("../../../../../top", "/top".to_owned()),
        ("?part=2", format!("{}?part=2", blob())),
        ("/x#fragment", "/x".to_owned()),
    ];
    for (location, target) in table {
        let registry = registry_to(location.to_owned());
        let docxy = before(&registry);
        let response = ask(
            &docxy,
            &Ask::get(&blob()).field("Authorization", "Bearer t"),
        );
        assert_eq!(response.text(), "registry", "{location}");
        let requests = registry.requests();
        assert_eq!(requests[1].head.target(), target, "{location}");
        assert_eq!(
            requests[1].head.one("authorization"),
            Some("Bearer t"),
            "the same origin keeps it"
        );
    }
}

#[test]
fn a_reference_without_scheme_changes_the_host() {
    let cdn = Server::table([("GET /x", Answer::ok("cdn"))]);
    let registry = registry_to(format!("//{}/x", cdn.authority()));
    assert_eq!(get(&before(&registry), &blob()).text(), "cdn");
}

#[test]
fn loops_are_502_and_no_url_is_asked_twice() {
    let itself = Server::start(|request| Answer::redirect("302 Found", request.head.target()));
    let docxy = before(&itself);
    own_error(&get(&docxy, &blob()), 502);
    assert_eq!(itself.lines().len(), 1);

    let back_and_forth = Server::start(|request| {
        let there = if request.head.target() == "/there" {
            blob()
        } else {
            "/there".to_owned()
        };
        Answer::redirect("302 Found", &there)
    });
    let docxy = before(&back_and_forth);
    assert_eq!(get(&docxy, &blob()).status(), 502);
    assert_eq!(back_and_forth.lines().len(), 2);
}

#[test]
fn five_hops_are_followed_and_a_sixth_is_502() {
    for (hops, status) in [(5, 200), (6, 502)] {
        let registry = Server::start(move |request| {
            let at: usize = request
                .head
                .target()
                .strip_prefix("/hop")
                .map_or(0, |at| at.parse().unwrap());
            if at == hops {
                Answer::ok("end")
            } else {
                Answer::redirect("307 Temporary Redirect", &format!("/hop{}", at + 1))
            }
        });
        let docxy = before(&registry);
        assert_eq!(get(&docxy, &blob()).status(), status, "{hops} hops");
        assert_eq!(registry.lines().len(), 6, "{hops} hops");
    }
}

/// That a public upstream cannot lead from https to http needs public addresses: it is shown in a network namespace.
#[test]
fn https_leads_to_https_with_the_names_of_each_hop() {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    let cdn = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    let location = format!("{}/x", cdn.url());
    let registry = Server::start_tls(identity.server(), move |_| {
        Answer::redirect("307 Temporary Redirect", &location)
    });
    let docxy = before_with(&registry, &["--upstream-ca", roots.to_str().unwrap()]);
    let response = ask(
        &docxy,
        &Ask::get(&blob()).field("Authorization", "Bearer t"),
    );
    assert_eq!(
        (response.status(), response.text().as_str()),
        (200, "secure")
    );
    let seen = cdn.only_request();
    assert_eq!(seen.head.one("host"), cdn.url().strip_prefix("https://"));
    assert!(
        !seen.head.has("authorization"),
        "another port is another origin"
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let identity = Identity::new();
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("x"));
    let docxy = before(&registry);
    let response = ask(
        &docxy,
        &Ask::get(&blob()).field("Authorization", "Bearer t"),
    );
    assert!(
        [502, 503].contains(&response.status()),
        "{}",
        response.status()
    );
    assert!(registry.requests().is_empty());
}

#[test]
fn each_hop_gets_the_conditions_its_own_host_and_no_credentials() {
    let cdn = Server::start(|_| {
        Answer::new(
            "206 Partial Content",
            &[("Content-Range", "bytes 5-8/20")],
            "5678",
        )
    });
    let location = format!("{}/far", cdn.url());
    let registry = Server::start(move |request| {
        let near = request.head.target() == blob();
        Answer::redirect(
            "307 Temporary Redirect",
            if near { "/near" } else { &location },
        )
    });
    let docxy = before(&registry);
    let conditions = [
        ("Range", "bytes=5-8"),
        ("If-Range", "\"e\""),
        ("If-None-Match", "\"f\""),
        ("If-Match", "\"g\""),
        ("If-Modified-Since", "Tue, 25 Jan 2022 12:06:56 GMT"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip"),
    ];
    let credentials = [
        ("Authorization", "Bearer t"),
        ("Cookie", "c=1"),
        ("Proxy-Authorization", "Basic eA=="),
    ];
    let request = conditions
        .iter()
        .chain(&credentials)
        .fold(Ask::get(&blob()), |ask, (name, value)| {
            ask.field(name, value)
        });
    let response = ask(&docxy, &request);
    assert_eq!((response.status(), response.text().as_str()), (206, "5678"));
    assert_eq!(response.head.one("content-range"), Some("bytes 5-8/20"));

    let hops = [registry.requests(), cdn.requests()].concat();
    assert_eq!(hops.len(), 3);
    for (hop, host) in
        hops.iter()
            .zip([registry.authority(), registry.authority(), cdn.authority()])
    {
        assert_eq!(hop.head.one("host"), Some(host.as_str()));
        for (name, value) in conditions {
            assert_eq!(hop.head.one(name), Some(value), "{name} at {}", hop.line());
        }
        assert!(
            !hop.head.has("cookie") && !hop.head.has("proxy-authorization"),
            "{:?}",
            hop.head
        );
    }
    let authorized: Vec<bool> = hops
        .iter()
        .map(|hop| hop.head.has("authorization"))
        .collect();
    assert_eq!(authorized, [true, true, false]);
}

#[test]
fn cache_control_becomes_private_behind_a_redirect_only() {
    let public = [
        ("Cache-Control", "public, max-age=31536000"),
        ("Cache-Control", "s-maxage=5"),
        ("CDN-Cache-Control", "max-age=5"),
    ];
    let cdn = Server::start(move |_| Answer::new("200 OK", &public, "x"));
    let location = format!("{}/x", cdn.url());
    let registry = Server::start(move |request| {
        if request.head.target() == blob() {
            Answer::redirect("307 Temporary Redirect", &location)
        } else {
            Answer::new("200 OK", &public, "x")
        }
    });
    let docxy = before(&registry);
    for (target, expected) in [
        (blob(), vec!["private"]),
        (
            MANIFEST.to_owned(),
            vec!["public, max-age=31536000", "s-maxage=5"],
        ),
    ] {
        let is_public = target == MANIFEST;
        let response = get(&docxy, &target);
        assert_eq!(response.head.all("cache-control"), expected, "{target}");
        assert_eq!(response.head.has("cdn-cache-control"), is_public);
    }
}

#[test]
fn a_body_of_the_redirect_itself_does_not_reach_the_client() {
    let body = noise(300_000);
    let cdn = Server::start(|_| Answer::ok("blob"));
    let location = format!("{}/x", cdn.url());
    let registry =
        Server::start(move |_| Answer::new("302 Found", &[("Location", &location)], &body));
    let docxy = before(&registry);
    for _ in 0..2 {
        assert_eq!(get(&docxy, &blob()).text(), "blob");
    }
    assert_eq!(cdn.lines().len(), 2);
}

#[test]
fn a_refusal_by_the_target_carries_no_challenge() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let cdn = Server::start(move |_| {
            let fields = [
                (
                    "WWW-Authenticate",
                    r#"Bearer realm="http://127.0.0.1:9/steal",service="s""#,
                ),
                ("X-Kept", "1"),
            ];
            Answer::new(status, &fields, "refused")
        });
        let registry = registry_to(format!("{}/x", cdn.url()));
        let docxy = before(&registry);
        let response = get(&docxy, &blob());
        assert_eq!(response.status().to_string(), status[..3]);
        assert_eq!(response.text(), "refused");
        assert!(
            !response.head.has("www-authenticate"),
            "{:?}",
            response.head
        );
        assert_eq!(response.head.one("x-kept"), Some("1"));
    }
}

#[test]
fn a_refusal_by_the_target_teaches_no_realm() {
    let auth = Server::start(|_| Answer::ok(r#"{"token":"good"}"#));
    let thief = Server::start(|_| Answer::ok(r#"{"token":"stolen"}"#));
    let steal = format!("Bearer realm=\"{}/token\",service=\"s\"", thief.url());
    let cdn = Server::start(move |_| Answer::challenge(&[&steal]));
    let (location, challenge) = (
        format!("{}/x", cdn.url()),
        format!("Bearer realm=\"{}/token\",service=\"s\"", auth.url()),
    );
    let registry = Server::start(move |request| match request.head.target() {
        "/v2/" => Answer::challenge(&[&challenge]),
        _ => Answer::redirect("307 Temporary Redirect", &location),
    });
    let docxy = before(&registry);
    assert_eq!(get(&docxy, &blob()).status(), 401);
    let token = get(
        &docxy,
        "/auth/reg.test/token?service=s&scope=repository:a/b:pull",
    );
    assert_eq!(token.text(), r#"{"token":"good"}"#);
    assert_eq!(thief.connections(), 0);
}

#[test]
fn head_stays_head() {
    let cdn =
        Server::start(|_| Answer::head("200 OK", &[("Content-Length", "1234"), ("ETag", "\"e\"")]));
    let registry = registry_to(format!("{}/x", cdn.url()));
    let docxy = before(&registry);
    let response = head(&docxy, &blob());
    assert_eq!(
        (response.status(), response.head.one("content-length")),
        (200, Some("1234"))
    );
    assert_eq!(registry.only_request().head.method(), "HEAD");
    assert_eq!(cdn.only_request().line(), "HEAD /x");
}
