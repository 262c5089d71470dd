//! What docxy does to fields and statuses on their way, in both directions.

use crate::stand::{MANIFEST, ask, before, blob, fields, get, own_error, passed};
use crate::wire::{Answer, Ask, Server};

#[test]
fn a_request_arrives_with_its_own_fields_and_nothing_of_the_hop() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before(&registry);
    let kept = [
        (
            "User-Agent",
            "docker/28.5.2 UpstreamClient(Docker-Client/28.2.2 \\(linux\\))",
        ),
        ("Accept", "application/vnd.oci.image.index.v1+json"),
        ("Accept", "*/*;q=0.1"),
        ("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8"),
        ("Authorization", "Bearer t"),
        ("Docker-Distribution-Api-Version", "registry/2.0"),
        ("Baggage", "trigger=api"),
        ("If-None-Match", "\"e\""),
        ("Range", "bytes=0-"),
    ];
    let removed = [
        ("Connection", "X-Private, keep-alive"),
        ("Connection", "x-more"),
        ("X-Private", "1"),
        ("X-More", "2"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Trailer", "X-T"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Cookie", "c=1"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=10.0.0.1"),
    ];
    let request = kept
        .iter()
        .chain(&removed)
        .fold(Ask::get(MANIFEST), |ask, (name, value)| {
            ask.field(name, value)
        });
    assert_eq!(ask(&docxy, &request).status(), 200);

    let seen = registry.only_request();
    let via = seen.head.one("via").unwrap();
    assert!(
        via.starts_with("1.1 docxy-") && via.len() > "1.1 docxy-".len(),
        "{via}"
    );
    assert_eq!(seen.head.one("host"), Some(registry.authority().as_str()));
    let mut arrived = passed(&seen.head);
    arrived.retain(|(name, _)| name != "via" && name != "host");
    assert_eq!(arrived, fields(&kept));
    assert_eq!(seen.head.start, format!("GET {MANIFEST} HTTP/1.1"));
}

#[test]
fn an_answer_arrives_with_its_own_fields_and_nothing_of_the_hop() {
    let kept = [
        ("Content-Type", "application/vnd.oci.image.index.v1+json"),
        ("Docker-Content-Digest", "sha256:5b41"),
        ("Docker-Distribution-Api-Version", "registry/2.0"),
        ("ETag", "\"sha256:5b41\""),
        ("Accept-Ranges", "bytes"),
        ("RateLimit-Limit", "100;w=21600"),
        ("RateLimit-Remaining", "99;w=21600"),
        ("Warning", "199 - \"a\""),
        ("Warning", "199 - \"b\""),
        ("X-Empty", ""),
        ("X-Text", "caf\u{e9}"),
        ("Cache-Control", "max-age=31536000"),
        ("Date", "Tue, 25 Jan 2022 12:06:55 GMT"),
        ("Content-Encoding", "gzip"),
    ];
    let removed = [
        ("docker-ratelimit-source", "10.0.0.1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Alt-Svc", "h3=\":443\""),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("Connection", "X-Private"),
        ("X-Private", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Upgrade", "h2c"),
        ("Trailer", "X-T"),
    ];
    let registry =
        Server::start(move |_| Answer::new("200 OK", &[&removed[..], &kept[..]].concat(), "{}"));
    let response = get(&before(&registry), MANIFEST);
    assert_eq!(passed(&response.head), fields(&kept));
    assert_eq!(
        (
            response.head.one("content-length"),
            response.text().as_str()
        ),
        (Some("2"), "{}")
    );
}

#[test]
fn statuses_pass_with_their_fields_and_bodies() {
    type Passing<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let table: [Passing<'_>; 10] = [
        ("200 OK", &[], "whole"),
        (
            "206 Partial Content",
            &[("Content-Range", "bytes 0-4/9")],
            "bytes",
        ),
        ("401 Unauthorized", &[], "{}"),
        ("403 Forbidden", &[], r#"{"errors":[{"code":"DENIED"}]}"#),
        (
            "404 Not Found",
            &[],
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#,
        ),
        ("405 Method Not Allowed", &[("Allow", "GET")], ""),
        (
            "416 Range Not Satisfiable",
            &[("Content-Range", "bytes */9")],
            "",
        ),
        (
            "429 Too Many Requests",
            &[("Retry-After", "33"), ("RateLimit-Remaining", "0")],
            "{}",
        ),
        ("500 Internal Server Error", &[], "oops"),
        ("503 Service Unavailable", &[("Retry-After", "7")], "later"),
    ];
    for (status, sent, body) in table {
        let answer = Answer::new(status, sent, body);
        let registry = Server::start(move |_| answer.clone());
        let docxy = before(&registry);
        let response = ask(&docxy, &Ask::get(&blob()).field("Range", "bytes=0-4"));
        assert_eq!(response.status().to_string(), status[..3], "{status}");
        let arrived = passed(&response.head);
        assert!(
            fields(sent).iter().all(|field| arrived.contains(field)),
            "{status}: {arrived:?}"
        );
        assert_eq!(response.text(), body, "{status}");
        assert_eq!(registry.only_request().head.one("range"), Some("bytes=0-4"));
    }
}

#[test]
fn links_and_locations_on_the_upstream_keep_the_clients_prefix_and_ns() {
    let table = [
        (
            "/v2/a/b/tags/list?n=2",
            "</v2/a/b/tags/list?n=2&last=x>; rel=\"next\"",
            "</v2/a/b/tags/list?n=2&last=x>; rel=\"next\"",
        ),
        (
            "/v2/reg.test/a/b/tags/list?n=2",
            "</v2/a/b/tags/list?n=2&last=x>; rel=\"next\"",
            "</v2/reg.test/a/b/tags/list?n=2&last=x>; rel=\"next\"",
        ),
        (
            "/v2/a/b/tags/list?n=2&ns=reg.test",
            "</v2/a/b/tags/list?n=2&last=x>; rel=\"next\"",
            "</v2/a/b/tags/list?n=2&last=x&ns=reg.test>; rel=\"next\"",
        ),
        (
            "/v2/a/b/tags/list?ns=reg.test",
            "</v2/a/b/tags/list>; rel=\"next\"",
            "</v2/a/b/tags/list?ns=reg.test>; rel=\"next\"",
        ),
        (
            "/v2/reg.test/a/b/tags/list",
            "<UPSTREAM/v2/a/b/tags/list?last=x>; rel=\"next\"",
            "</v2/reg.test/a/b/tags/list?last=x>; rel=\"next\"",
        ),
        (
            "/v2/reg.test/a/b/tags/list",
            "<http://other.test/v2/a/b>; rel=\"next\"",
            "<http://other.test/v2/a/b>; rel=\"next\"",
        ),
    ];
    for (asked, sent, expected) in table {
        let registry = Server::start(move |request| {
            let origin = format!("http://{}", request.head.one("host").unwrap());
            Answer::new(
                "200 OK",
                &[("Link", &sent.replace("UPSTREAM", &origin))],
                "{}",
            )
        });
        let response = get(&before(&registry), asked);
        assert_eq!(response.head.one("link"), Some(expected), "{asked}");
    }
    for (asked, expected) in [
        (blob(), blob()),
        (
            format!("/v2/reg.test{}", &blob()[3..]),
            format!("/v2/reg.test{}", &blob()[3..]),
        ),
    ] {
        let registry = Server::start(move |request| {
            let location = format!("http://{}{}", request.head.one("host").unwrap(), blob());
            Answer::new("200 OK", &[("Location", &location)], "{}")
        });
        assert_eq!(
            get(&before(&registry), &asked).head.one("location"),
            Some(expected.as_str())
        );
    }
}

#[test]
fn docxys_own_name_in_via_is_a_loop() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before(&registry);
    ask(
        &docxy,
        &Ask::get(MANIFEST).field("Via", "1.0 corporate, 1.1 docxy-other"),
    );
    let via = registry.only_request().head.all("via").join(", ");
    assert!(
        via.starts_with("1.0 corporate, 1.1 docxy-other, 1.1 docxy-"),
        "{via}"
    );
    let own = via.rsplit(", ").next().unwrap();
    for loops in [
        own.to_owned(),
        via.clone(),
        format!("1.1 x (c), {}", own.replace("1.1", "HTTP/1.1")),
    ] {
        let response = ask(&docxy, &Ask::get(MANIFEST).field("Via", &loops));
        own_error(&response, 508);
    }
    assert_eq!(registry.lines().len(), 1);
}

#[test]
fn docxy_before_itself_ends_in_508_not_in_a_storm() {
    let registry = Server::start(|_| Answer::ok("x"));
    let inner = before(&registry);
    let outer = crate::stand::start(&["--upstream", &format!("reg.test={}", inner.url())]);
    assert_eq!(get(&outer, MANIFEST).text(), "x");
    let via = registry.only_request().head.all("via").join(", ");
    assert_eq!(via.matches("docxy-").count(), 2, "{via}");
    let names: Vec<&str> = via.split(", ").collect();
    assert_ne!(names[0], names[1], "a name per start");
}

#[test]
fn connection_cannot_hide_a_loop() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before(&registry);
    ask(&docxy, &Ask::get(MANIFEST));
    let own = registry.only_request().head.one("via").unwrap().to_owned();
    let request = Ask::get(MANIFEST)
        .field("Via", &own)
        .field("Connection", "Via");
    own_error(&ask(&docxy, &request), 508);
}
