//! What a client or a registry puts into a value stays a value: no line break splits a head in either direction, and no
//! quote ends a realm.

use crate::stand::{DIGEST, MANIFEST, ask, before, blob, get, own_error};
use crate::wire::{Answer, Ask, Client, Server};

/// Bytes that would end a line, or that somebody could take for such, as a URI has to write them.
const ENCODED: [&str; 10] = [
    "%0d%0aX-Evil:%201",
    "%0D%0A%0D%0AHTTP/1.1%20200%20OK",
    "%0aX-Evil:%201",
    "%0dX-Evil:%201",
    "%00",
    "%22,X-Evil=%22",
    "%5c%22",
    "%e5%98%8a%e5%98%8dX-Evil:%201",
    "%c0%8d%c0%8a",
    "%u000d%u000a",
];

/// The same as they are, in what may only be visible ASCII.
const RAW: [&[u8]; 9] = [
    b"\r\nX-Evil: 1",
    b"\nX-Evil: 1",
    b"\rX-Evil: 1",
    b"\0",
    b" ",
    b"\t",
    b"\x7f",
    b"\xe5\x98\x8a\xe5\x98\x8d",
    b"\xff",
];

fn assert_none_evil(server: &Server, case: &str) {
    for request in server.requests() {
        assert!(!request.head.has("x-evil"), "{case}: {:?}", request.head);
    }
}

#[test]
fn a_location_reaches_its_target_as_it_is_written() {
    for encoded in ENCODED {
        let cdn = Server::start(|_| Answer::ok("layer"));
        let location = format!("{}/x{encoded}?y={encoded}", cdn.url());
        let registry =
            Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
        assert_eq!(
            get(&before(&registry), &blob()).text(),
            "layer",
            "{encoded}"
        );
        let target = cdn.only_request().head.target().to_owned();
        assert_eq!(target, format!("/x{encoded}?y={encoded}"));
        assert_none_evil(&cdn, encoded);
    }
}

#[test]
fn a_location_with_a_raw_byte_is_502_and_its_target_is_not_asked() {
    for raw in RAW {
        let cdn = Server::start(|_| Answer::ok("layer"));
        let head = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nLocation: {}/x",
            cdn.url()
        );
        let answer = Answer::raw([head.as_bytes(), raw, b"y\r\n\r\n"].concat());
        // With its line break the rest is a field of the redirect, whose target is another then.
        let splits = raw.starts_with(b"\r\n");
        let registry = Server::start(move |_| answer.clone());
        let response = get(&before(&registry), &blob());
        assert_eq!(
            response.status(),
            if splits { 200 } else { 502 },
            "{}",
            raw.escape_ascii()
        );
        assert!(!response.head.has("x-evil"), "{:?}", response.head);
        assert_eq!(
            cdn.connections(),
            usize::from(splits),
            "{}",
            raw.escape_ascii()
        );
        assert_none_evil(&cdn, "a redirect's own fields go nowhere");
    }
}

#[test]
fn a_location_that_is_not_followed_cannot_split_the_clients_head() {
    let names = ENCODED.map(|encoded| format!("/v2/a/b/blobs/uploads/{encoded}"));
    for location in names {
        let answer = Answer::new(
            "200 OK",
            &[
                ("Location", &location),
                ("Link", &format!("<{location}>; rel=\"next\"")),
            ],
            "",
        );
        let registry = Server::start(move |_| answer.clone());
        let response = get(&before(&registry), "/v2/reg.test/a/b/tags/list");
        assert_eq!(response.status(), 200);
        assert!(!response.head.has("x-evil"), "{:?}", response.head);
        assert!(
            response
                .head
                .one("location")
                .unwrap()
                .starts_with("/v2/reg.test/a/b/blobs/uploads/")
        );
    }
}

/// The parameters of the one challenge in a field value, read as RFC 9110 §11.2 has it.
fn parameters(value: &str) -> Vec<(String, String)> {
    let mut rest = value.strip_prefix("Bearer ").expect("a Bearer challenge");
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a quoted parameter");
        let (mut text, mut characters) = (String::new(), after.char_indices());
        let end = loop {
            match characters.next().expect("a quote that ends") {
                (at, '"') => break at,
                (_, '\\') => text.push(characters.next().expect("a quoted pair").1),
                (_, other) => text.push(other),
            }
        };
        found.push((name.trim_start_matches([',', ' ']).to_owned(), text));
        rest = &after[end + 1..];
    }
    found
}

#[test]
fn a_realm_cannot_break_out_of_its_quotes() {
    let realms = [
        r#"http://HOST/token?a=\"b"#,
        r#"http://HOST/token?a=\",evil=\"b"#,
        r#"http://HOST/token?\\\""#,
        r#"http://HOST/token?a=\\"#,
        r#"http://HOST/token?a=b\",realm=\"http://evil.test/token"#,
        r#"http://HOST/\",realm=\"http://evil.test/token"#,
    ];
    for realm in realms {
        let registry = Server::start(move |request| {
            let realm = realm.replace("HOST", request.head.one("host").unwrap());
            Answer::challenge(&[&format!(
                "Bearer realm=\"{realm}\",service=\"a\\\"b\\\\\",scope=\"repository:a/b:pull\""
            )])
        });
        let response = get(&before(&registry), MANIFEST);
        assert_eq!(response.status(), 401, "{realm}: {}", response.text());
        let found = parameters(response.head.one("www-authenticate").unwrap());
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["realm", "service", "scope"], "{realm}: {found:?}");
        let own = "http://docxy.test/auth/reg.test/token";
        let (_, query) = found[0].1.split_at(own.len());
        assert!(
            found[0].1.starts_with(own) && (query.is_empty() || query.starts_with('?')),
            "{found:?}"
        );
        assert_eq!(found[1].1, "a\"b\\");
        assert_eq!(found[2].1, "repository:a/b:pull");
    }
}

#[test]
fn a_challenge_with_a_raw_byte_reaches_nobody() {
    for parameter in ["realm", "service", "scope"] {
        for raw in RAW
            .into_iter()
            .filter(|&raw| raw != b" " && !raw.starts_with(b"\r\n"))
        {
            let values = ["realm", "service", "scope"].map(|name| {
                let value: &[u8] = if name == "realm" {
                    b"http://127.0.0.1:9/token"
                } else {
                    b"s"
                };
                let odd = if name == parameter { raw } else { b"" };
                [name.as_bytes(), b"=\"", value, odd, b"x\""].concat()
            });
            let head =
                b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer ";
            let answer = Answer::raw([&head[..], &values.join(&b","[..]), b"\r\n\r\n"].concat());
            let registry = Server::start(move |_| answer.clone());
            let response = get(&before(&registry), MANIFEST);
            let case = format!("{parameter} with {}", raw.escape_ascii());
            assert!(!response.head.has("x-evil"), "{case}: {:?}", response.head);
            assert_eq!(response.status(), 502, "{case}: {:?}", response.head);
            assert!(
                !response.head.has("www-authenticate"),
                "{case}: {:?}",
                response.head
            );
        }
    }
}

/// A token server that is also the registry, and what reaches it of a token request.
fn token_stand() -> Server {
    Server::start(|request| match request.head.target() {
        "/v2/" => {
            let host = request.head.one("host").unwrap();
            Answer::challenge(&[&format!(
                "Bearer realm=\"http://{host}/realm\",service=\"s\""
            )])
        }
        _ => Answer::ok("{}"),
    })
}

#[test]
fn a_scope_or_service_cannot_split_the_realms_head() {
    let registry = token_stand();
    let docxy = before(&registry);
    for encoded in ENCODED {
        for query in [
            format!("scope=repository:a/b{encoded}:pull"),
            format!("scope=repository:a/b:pull{encoded}"),
            format!("scope=repository:a/b:pull&service={encoded}"),
            format!("scope=repository:a/b:pull&{encoded}=x"),
            encoded.to_owned(),
        ] {
            for asked in [
                Ask::get(&format!("/token?{query}")),
                Ask::form("/token", &query),
            ] {
                let status = ask(&docxy, &asked).status();
                assert!([200, 400, 502].contains(&status), "{query} is {status}");
            }
        }
    }
    assert_none_evil(&registry, "a token request");
    for request in registry.requests() {
        let target = request.head.target();
        assert!(
            target == "/v2/"
                || target.starts_with("/realm")
                || target.starts_with("/v2/a/b/manifests/"),
            "{target}"
        );
    }
}

#[test]
fn a_form_with_a_raw_byte_is_400() {
    let registry = token_stand();
    let docxy = before(&registry);
    for raw in RAW {
        let form = [b"scope=repository:a/b:pull&service=s", raw].concat();
        let head = format!(
            "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            form.len()
        );
        let mut client = Client::connect(docxy.addr());
        client.send([head.as_bytes(), &form].concat());
        assert_eq!(
            client.receive("POST").complete().status(),
            400,
            "{}",
            raw.escape_ascii()
        );
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn what_a_client_writes_comes_back_in_json_only() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before(&registry);
    for encoded in ENCODED {
        for path in [
            format!("/v2/{encoded}/b/manifests/t"),
            format!("/v2/a/b/manifests/{encoded}"),
            format!("/v2/a/b/blobs/{DIGEST}{encoded}"),
            format!("/v2/a/b/manifests/t?ns={encoded}"),
            format!("/v2/a/b/manifests/t?ns=reg.test{encoded}"),
            format!("/{encoded}"),
            format!("/auth/{encoded}/token"),
        ] {
            let response = get(&docxy, &path);
            own_error(&response, response.status());
            assert!(
                response.status() == 400 || response.status() == 404,
                "{path} is {}",
                response.status()
            );
            assert!(
                !response.head.has("x-evil") && !response.head.has("oci-namespace"),
                "{:?}",
                response.head
            );
        }
    }
    assert_eq!(registry.connections(), 0);
}
