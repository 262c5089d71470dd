//! A client that takes docxy for a proxy writes a whole URI; it has to be one of docxy's own.

use crate::stand::{MANIFEST, ask, before_with};
use crate::wire::{Answer, Ask, Server};

#[test]
fn an_absolute_target_replaces_host_and_must_name_docxy() {
    let registry = Server::start(|_| Answer::ok("ok"));
    let args = [
        "--public-url",
        "https://pull.example",
        "--upstream-alias",
        "reg.test=mirror.test",
    ];
    let docxy = before_with(&registry, &args);
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
