//! Requests that docxy must refuse, and the limits up to which it must not (design §7). Each refused one has its
//! status, a closed connection, and leaves the upstream alone.

use crate::stand::{MANIFEST, ask, before, refused};
use crate::wire::{Answer, Ask, Client, Server};

fn registry() -> Server {
    Server::start(|_| Answer::ok("ok"))
}

#[test]
fn malformed_requests() {
    let table: [(&[u8], u16); 47] = [
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1 0\r\n\r\na", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\na", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 501),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /v2/ HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
        (b"GET /v2/\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\n Host: x\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA\t: b\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA(b): c\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\"y\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: u@x\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x,y\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x:y\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x:99999\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: <x>\r\n\r\n", 400),
        (b"GET  /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /v2/\r\nHost: x\r\n\r\n", 400),
        (b" GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"G@T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ];
    let registry = registry();
    let docxy = before(&registry);
    for (request, status) in table {
        let shown = String::from_utf8_lossy(request);
        let response = refused(&docxy, request);
        assert_eq!(response.status(), status, "{shown:?}");
        assert!(response.head.has("date"), "{shown:?}");
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn versions_that_are_none_of_http1() {
    let registry = registry();
    let docxy = before(&registry);
    for line in [
        "GET /v2/  HTTP/1.1",
        "GET /v2/ HTTQ/1.1",
        "GET /v2/ HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET /v2/ HTTP/1.10",
        "GET /v2/ x HTTP/1.1",
    ] {
        let status = refused(&docxy, format!("{line}\r\nHost: x\r\n\r\n").as_bytes()).status();
        assert!([400, 505].contains(&status), "{line} is {status}");
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn malformed_chunks_in_a_form() {
    let extension = |length: usize| format!("4;{}\r\nk=vv\r\n0\r\n\r\n", "e".repeat(length));
    let many = format!(
        "{}0\r\n\r\n",
        format!("1;{}\r\nk\r\n", "e".repeat(200)).repeat(21)
    );
    let trailers = format!(
        "4\r\nk=vv\r\n0\r\n{}\r\n",
        format!("T: {}\r\n", "t".repeat(1000)).repeat(9)
    );
    let table = [
        ("+4\r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("-4\r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("0x4\r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("4 \r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        (" 4\r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("\r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("g\r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("00000000000000004\r\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("4\nk=vv\r\n0\r\n\r\n".to_owned(), 400),
        ("4\r\nk=vvX\r\n0\r\n\r\n".to_owned(), 400),
        ("4\r\nk=vv\n0\r\n\r\n".to_owned(), 400),
        (extension(300), 400),
        (many, 400),
        (trailers, 400),
    ];
    let registry = registry();
    let docxy = before(&registry);
    let post = Ask::new("POST", "/auth/reg.test/token")
        .field("Transfer-Encoding", "chunked")
        .bytes();
    for (body, status) in table {
        let shown = &body[..body.len().min(40)];
        assert_eq!(
            refused(&docxy, &[&post, body.as_bytes()].concat()).status(),
            status,
            "{shown:?}"
        );
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn chunks_up_to_the_limits_are_accepted() {
    let auth = Server::start(|request| Answer::ok(&request.body));
    let challenge = format!("Bearer realm=\"{}/token\"", auth.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let docxy = before(&registry);
    let post = Ask::new("POST", "/auth/reg.test/token")
        .field("Transfer-Encoding", "chunked")
        .bytes();
    let trailers = format!("T: {}\r\n", "t".repeat(1000)).repeat(8);
    let bodies = [
        "0000000000000003\r\nk=v\r\n0\r\n\r\n".to_owned(),
        format!("3;{}\r\nk=v\r\n0\r\n\r\n", "e".repeat(255)),
        format!(
            "1;{0}\r\nk\r\n2;{0}\r\n=v\r\n000;x\r\n\r\n",
            "e".repeat(200)
        ),
        format!("3\r\nk=v\r\n0\r\n{trailers}\r\n"),
    ];
    for body in bodies {
        let mut client = Client::connect(docxy.addr());
        client.send([&post, body.as_bytes()].concat());
        assert_eq!(
            client.receive("POST").complete().text(),
            "k=v",
            "{:?}",
            &body[..body.len().min(40)]
        );
        assert_eq!(
            client.ask(&Ask::get("/health")).status(),
            200,
            "the connection stays in step"
        );
    }
}

fn head_of(length: usize) -> Vec<u8> {
    let start = format!("GET {MANIFEST} HTTP/1.1\r\nHost: x\r\nX-Pad: ");
    let head = format!("{start}{}\r\n\r\n", "p".repeat(length - start.len() - 4));
    assert_eq!(head.len(), length);
    head.into_bytes()
}

fn head_with(fields: usize) -> Vec<u8> {
    let pad: String = (1..fields).map(|n| format!("X-{n}: {n}\r\n")).collect();
    format!("GET {MANIFEST} HTTP/1.1\r\nHost: x\r\n{pad}\r\n").into_bytes()
}

#[test]
fn request_heads_at_the_limits() {
    let registry = registry();
    let docxy = before(&registry);
    for (case, within) in [
        ("32 KiB", head_of(32 * 1024)),
        ("128 fields", head_with(128)),
    ] {
        let mut client = Client::connect(docxy.addr());
        client.send(within);
        assert_eq!(client.receive("GET").status(), 200, "{case}");
    }
    let long_target = format!(
        "GET /v2/{} HTTP/1.1\r\nHost: x\r\n\r\n",
        "a/".repeat(17 * 1024)
    );
    for (case, beyond) in [
        ("32 KiB and one byte", head_of(32 * 1024 + 1)),
        ("129 fields", head_with(129)),
        ("a long target", long_target.into_bytes()),
    ] {
        assert_eq!(refused(&docxy, &beyond).status(), 431, "{case}");
    }
    assert_eq!(registry.lines().len(), 2);
}

#[test]
fn one_empty_line_before_a_request_is_accepted() {
    let registry = registry();
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    for _ in 0..2 {
        client.send("\r\n");
        assert_eq!(client.ask(&Ask::get(MANIFEST)).complete().text(), "ok");
    }
}

#[test]
fn http10_needs_no_host() {
    let registry = registry();
    let docxy = before(&registry);
    assert_eq!(
        Client::connect(docxy.addr())
            .ask(&Ask::get(MANIFEST).http10())
            .text(),
        "ok"
    );
    assert_eq!(
        registry.only_request().head.start,
        format!("GET {MANIFEST} HTTP/1.1")
    );
}

#[test]
fn an_absolute_target_replaces_host_and_must_name_docxy() {
    let registry = registry();
    let args = [
        "--public-url",
        "https://pull.example",
        "--upstream-alias",
        "reg.test=mirror.test",
    ];
    let docxy = crate::stand::before_with(&registry, &args);
    let good = [
        docxy.addr().to_string(),
        format!("localhost:{}", docxy.addr().port()),
        "localhost".to_owned(),
        "pull.example".to_owned(),
        "reg.test".to_owned(),
        "mirror.test".to_owned(),
    ];
    for authority in good {
        for host in ["x", &authority] {
            let response = ask(
                &docxy,
                &Ask::get(&format!("http://{authority}{MANIFEST}")).host(host),
            );
            assert_eq!(
                (response.status(), response.text().as_str()),
                (200, "ok"),
                "{authority}"
            );
        }
        assert_eq!(registry.requests().pop().unwrap().head.target(), MANIFEST);
    }
    let seen = registry.lines().len();
    for authority in ["evil.test", "127.0.0.2:80", "pull.example.evil.test"] {
        let response = ask(
            &docxy,
            &Ask::get(&format!("http://{authority}{MANIFEST}")).host("reg.test"),
        );
        assert_eq!(response.status(), 421, "{authority}");
    }
    for malformed in [
        "http://",
        "http:///v2/",
        "http://u:p@reg.test/v2/",
        "ftp://reg.test/v2/",
        "http://reg.test:x/v2/",
    ] {
        let status = ask(&docxy, &Ask::get(malformed)).status();
        assert!([400, 421].contains(&status), "{malformed} is {status}");
    }
    assert_eq!(registry.lines().len(), seen);
}
