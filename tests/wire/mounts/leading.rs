//! Where the references of a mounted origin lead: to mounts, to docxy's own endpoints, or through docxy.

use super::{MANIFEST, SIGNED, mount, registry, stand};
use crate::docxy::Docxy;
use crate::stand::{DIGEST, ask, get, head, named, start};
use crate::wire::{Answer, Ask, Server};

fn with(mounts: &[[String; 2]], more: &[&str]) -> Docxy {
    let mounts = mounts.concat();
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    start(&[&mounts[..], more].concat())
}

fn blob() -> String {
    format!("/docker-registry/v2/library/ubuntu/blobs/{DIGEST}")
}

#[test]
fn references_are_built_as_realms_are() {
    let bearer = |target: &str| Ask::get(target).field("Authorization", "Bearer t0ken");
    for (args, host, base) in [
        (&[][..], "docxy.test", "http://docxy.test"),
        (&[], "127.0.0.1:81", "http://127.0.0.1:81"),
        (
            &["--public-url", "https://pull.test:5000"],
            "evil.test",
            "https://pull.test:5000",
        ),
    ] {
        let stand = stand(args);
        let challenged = ask(&stand.docxy, &Ask::get("/docker-registry/v2/").host(host));
        let challenge = challenged.head.one("www-authenticate").unwrap();
        let expected = format!("Bearer realm=\"{base}/docker-auth/token\"");
        assert!(challenge.starts_with(&expected), "{challenge}");
        let redirected = ask(&stand.docxy, &bearer(&blob()).host(host));
        let expected = format!("{base}/docker-blob{SIGNED}");
        assert_eq!(redirected.head.one("location"), Some(&*expected));
    }
}

#[test]
fn a_redirect_to_what_is_not_mounted_is_followed() {
    let store = Server::start(|_| Answer::ok("layer"));
    let registry = Server::start(registry("http://auth.test", &store.url()));
    let docxy = with(&[mount("/docker-registry", &registry)], &[]);
    let answer = ask(
        &docxy,
        &Ask::get(&blob()).field("Authorization", "Bearer t0ken"),
    );
    assert_eq!((answer.status(), answer.text().as_str()), (200, "layer"));
    assert_eq!(answer.head.one("cache-control"), Some("private"));
    let seen = store.only_request();
    assert_eq!(seen.line(), format!("GET {SIGNED}"));
    assert!(!seen.head.has("authorization"));
}

#[test]
fn relative_redirects_and_links_stay_under_the_mount() {
    let registry = Server::start(|request| match request.head.target() {
        "/v2/a/tags/list" => Answer::new(
            "200 OK",
            &[(
                "Link",
                "</v2/a/tags/list?last=b&n=1>; rel=\"next\", <https://other.test/>; rel=x",
            )],
            "{}",
        ),
        "/old" => Answer::redirect("301 Moved Permanently", "new?x=%2F"),
        target => Answer::ok(target),
    });
    let docxy = with(&[mount("/r", &registry)], &[]);
    let first = get(&docxy, "/r/v2/a/tags/list");
    let link = first.head.one("link").unwrap();
    let next = "/r/v2/a/tags/list?last=b&n=1";
    assert_eq!(
        link,
        format!("<{next}>; rel=\"next\", <https://other.test/>; rel=x")
    );
    assert_eq!(get(&docxy, next).text(), "/v2/a/tags/list?last=b&n=1");
    let moved = get(&docxy, "/r/old");
    assert_eq!(
        (moved.status(), moved.head.one("location")),
        (301, Some("http://docxy.test/r/new?x=%2F"))
    );
    let moved = head(&docxy, "/r/old");
    assert_eq!(
        (moved.status(), moved.head.one("location")),
        (301, Some("http://docxy.test/r/new?x=%2F"))
    );
}

#[test]
fn a_redirect_that_its_mount_would_refuse_is_followed() {
    let other = Server::start(|request| Answer::ok(request.head.target()));
    for path in ["/a/../b", "/a%2fb", "/x/v2/c"] {
        let location = format!("{}{path}", other.url());
        let registry = Server::start(move |_| Answer::redirect("302 Found", &location));
        // Below /o/x another mount would be found.
        let mounts = [
            mount("/r", &registry),
            mount("/o", &other),
            mount("/o/x", &registry),
        ];
        let answer = get(&with(&mounts, &[]), "/r/v2/");
        assert_eq!((answer.status(), answer.text().as_str()), (200, path));
    }
}

#[test]
fn a_realm_that_is_not_mounted_is_asked_by_docxy_for_its_upstreams() {
    let auth = Server::start(|_| Answer::ok(r#"{"token":"t0ken"}"#));
    let registry = Server::start(registry(&auth.url(), "http://store.test"));
    let realm = |docxy: &Docxy| {
        let challenged = get(docxy, &format!("/docker-registry{MANIFEST}"));
        let challenge = challenged.head.one("www-authenticate").unwrap();
        let (_, after) = challenge.split_once("realm=\"").unwrap();
        after.split('"').next().unwrap().to_owned()
    };
    let mounted = [mount("/docker-registry", &registry)];
    let upstream = ["--upstream", &named("reg.test", &registry)];
    let docxy = with(&mounted, &upstream);
    assert_eq!(realm(&docxy), "http://docxy.test/auth/reg.test/token");
    let token = get(
        &docxy,
        "/auth/reg.test/token?scope=repository:library/ubuntu:pull",
    );
    assert_eq!(token.text(), r#"{"token":"t0ken"}"#);
    // Of an origin that is nobody's it is the client's affair, as with any reverse proxy.
    let docxy = with(&mounted, &[]);
    assert_eq!(realm(&docxy), format!("{}/token", auth.url()));
}

#[test]
fn ranges_and_conditions_pass_and_a_store_may_answer_in_part() {
    let store = Server::start(|_| {
        Answer::new(
            "206 Partial Content",
            &[("Content-Range", "bytes 3-5/9"), ("ETag", "\"e\"")],
            "abc",
        )
    });
    let docxy = with(&[mount("/docker-blob", &store)], &[]);
    let request = Ask::get(&format!("/docker-blob{SIGNED}"))
        .field("Range", "bytes=3-5")
        .field("If-Range", "\"e\"");
    let answer = ask(&docxy, &request);
    assert_eq!((answer.status(), answer.text().as_str()), (206, "abc"));
    assert_eq!(answer.head.one("content-range"), Some("bytes 3-5/9"));
    let seen = store.only_request();
    assert_eq!(seen.head.one("range"), Some("bytes=3-5"));
    assert_eq!(seen.head.one("if-range"), Some("\"e\""));
}
