//! What does not pass by a mount: other paths, other methods, other clients, what rules forbid; and whom nobody dials.

use super::{MANIFEST, mount, stand};
use crate::stand::{DIGEST, ask, get, named, own_error, refused, start};
use crate::wire::{Answer, Ask, Server};

#[test]
fn nothing_leads_out_of_a_prefix() {
    let stand = stand(&[]);
    for path in [
        "/docker-registry/../v2/",
        "/docker-registry/..",
        "/docker-registry/./v2/",
        "/docker-registry/v2/../../docker-auth/token",
        "/docker-registry/%2e%2e/v2/",
        "/docker-registry/.%2E/v2/",
        "/docker-registry/v2%2f..%2f",
        "/docker-registry/v2%5c",
        "/docker-registry/v2\\",
        "/docker-registry/%00",
        "/docker-registry/%0d%0aX:%20y",
        "/docker-registry/%252e%252e/",
        "/x/../docker-registry/v2/",
        "//docker-registry/v2/",
        "/./docker-registry/v2/",
    ] {
        let code = own_error(&get(&stand.docxy, path), 400);
        assert_eq!(code, "NAME_INVALID", "{path}");
    }
    for path in [
        "/docker-registr/v2/",
        "/docker-registryx/v2/",
        "/DOCKER-registry/v2/",
        "/docker%2Dregistry/v2/",
    ] {
        assert_eq!(
            own_error(&get(&stand.docxy, path), 404),
            "NOT_FOUND",
            "{path}"
        );
    }
    let raw = b"GET /docker-registry/a\x0bb HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(refused(&stand.docxy, raw).status(), 400);
    assert_eq!(stand.asked(), 0);
}

#[test]
fn nobody_else_is_dialled() {
    let bystander = Server::start(|_| Answer::ok("bystander"));
    let stand = stand(&[]);
    let (host, other) = (bystander.authority(), "other.test");
    let inner = format!("/docker-blob/http://{host}/x");
    assert_eq!(get(&stand.docxy, &inner).text(), "layer");
    assert_eq!(
        stand.store.only_request().line(),
        format!("GET /http://{host}/x")
    );
    for request in [
        Ask::get("/docker-blob/x").host(&host),
        Ask::get("/docker-blob/x").field("X-Forwarded-Host", &host),
        Ask::get(&format!("/docker-blob/x?ns={host}")),
        Ask::get(&format!("/docker-blob@{host}/x")),
        Ask::get(&format!("/docker-blob//{host}/x")),
    ] {
        ask(&stand.docxy, &request);
    }
    let absolute = ask(
        &stand.docxy,
        &Ask::get(&format!("http://{other}/docker-blob/x")),
    );
    assert_eq!(absolute.status(), 421);
    assert_eq!(bystander.connections(), 0);
    let hosts = stand
        .store
        .requests()
        .into_iter()
        .map(|request| request.head.one("host").map(str::to_owned));
    assert!(
        hosts
            .into_iter()
            .all(|host| host == Some(stand.store.authority()))
    );
}

#[test]
fn a_redirect_to_a_metadata_address_is_not_followed() {
    let registry =
        Server::start(|_| Answer::redirect("302 Found", "http://169.254.169.254/latest"));
    let [flag, value] = mount("/r", &registry);
    let docxy = start(&[&flag, &value]);
    assert_eq!(own_error(&get(&docxy, "/r/v2/"), 502), "UNAVAILABLE");
}

#[test]
fn it_is_for_reading() {
    let stand = stand(&[]);
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"] {
        for path in [
            "/docker-registry/v2/a/blobs/uploads/",
            "/docker-auth/token",
            "/docker-blob/x",
        ] {
            let answer = ask(
                &stand.docxy,
                &Ask::new(method, path).field("Content-Length", "0"),
            );
            assert_eq!(own_error(&answer, 405), "UNSUPPORTED", "{method} {path}");
            assert_eq!(
                answer.head.one("allow"),
                Some("GET, HEAD"),
                "{method} {path}"
            );
        }
    }
    assert_eq!(stand.asked(), 0);
}

#[test]
fn only_listed_clients_are_served() {
    for flags in [
        ["--allow-client", "10.0.0.0/8"],
        ["--deny-client", "127.0.0.0/8"],
    ] {
        let stand = stand(&flags);
        assert_eq!(
            own_error(&get(&stand.docxy, "/docker-blob/x"), 403),
            "DENIED"
        );
        assert_eq!(stand.asked(), 0);
    }
}

#[test]
fn a_mount_is_no_way_round_the_rules_of_an_upstream() {
    let registry = Server::start(|request| Answer::ok(request.head.target()));
    let store = Server::start(|_| Answer::ok("layer"));
    let upstream = named("reg.test", &registry);
    let mounts = [mount("/r", &registry), mount("/s", &store)].concat();
    let mut args = vec![
        "--upstream",
        &upstream,
        "--allow",
        "reg.test/good/**",
        "--deny",
        "reg.test/good/secret",
    ];
    args.extend(mounts.iter().map(String::as_str));
    let docxy = start(&args);
    for path in [
        "/r/v2/evil/x/manifests/t".to_owned(),
        format!("/r/v2/evil/x/blobs/{DIGEST}"),
        "/r/v2/evil/x/tags/list".to_owned(),
        format!("/r/v2/evil/x/referrers/{DIGEST}"),
        "/r/v2/good/secret/manifests/t".to_owned(),
        "/r/v2//evil/x/manifests/t".to_owned(),
        "/r//v2/evil/x/manifests/t".to_owned(),
        "/r/v2/evil/x/manifests/t/".to_owned(),
        "/r/v2/good/x/manifests/t%20".to_owned(),
        "/r/api/v1/repository/evil/x".to_owned(),
        "/r/token?scope=repository:evil/x:pull".to_owned(),
        "/r/".to_owned(),
    ] {
        assert_eq!(own_error(&get(&docxy, &path), 403), "DENIED", "{path}");
    }
    assert_eq!(registry.connections(), 0);
    for path in [
        "/v2/",
        "/v2",
        "/v2/good/x/manifests/t",
        "/v2/good/x/y/tags/list?n=1",
    ] {
        assert_eq!(get(&docxy, &format!("/r{path}")).text(), path);
    }
    assert_eq!(get(&docxy, "/s/any/thing").text(), "layer");
}

#[test]
fn docxys_own_paths_and_the_registries_stay() {
    let registry = Server::start(|_| Answer::ok("upstream"));
    let other = Server::start(|_| Answer::ok("mounted"));
    let upstream = named("reg.test", &registry);
    let [flag, value] = mount("/v2x", &other);
    let docxy = start(&["--upstream", &upstream, &flag, &value]);
    assert_eq!(get(&docxy, "/health").text(), "ok\n");
    assert_eq!(get(&docxy, MANIFEST).text(), "upstream");
    assert_eq!(get(&docxy, "/v2x").text(), "mounted");
    assert_eq!(other.only_request().line(), "GET /");
    assert_eq!(get(&docxy, "/metrics").status(), 404);
}
