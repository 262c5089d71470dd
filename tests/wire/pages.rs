//! Lists that come in pages: `tags/list`, `referrers` and `_catalog`. The `Link` to the next page leads through docxy to the
//! registry that gave the first, however that was chosen (OCI distribution specification, "Listing Tags").

use crate::docxy::Docxy;
use crate::stand::{DIGEST, ask, get, named, own_error, start};
use crate::wire::{Answer, Ask, Response, Server};

/// A registry that has two pages of everything, and writes the way to the second in one of the usual ways.
fn paged(name: &'static str, link: fn(&str, &str) -> String) -> Server {
    Server::start(move |request| {
        let target = request.head.target().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if query.contains("last=") {
            return Answer::ok(format!("{name} 2 {target}"));
        }
        let next = link(path, request.head.one("host").unwrap());
        let fields = [("Link", &*format!("<{next}>; rel=\"next\""))];
        Answer::new("200 OK", &fields, format!("{name} 1 {target}"))
    })
}

fn absolute_path(path: &str, _: &str) -> String {
    format!("{path}?last=b%2Fc&n=1")
}

fn whole_url(path: &str, host: &str) -> String {
    format!("http://{host}{path}?n=1&last=b%2Fc")
}

fn query_alone(_: &str, _: &str) -> String {
    "?last=b%2Fc&n=1".to_owned()
}

/// The second page of an answer, by its Link, as a client asks for it that came by this Host.
fn next(docxy: &Docxy, host: &str, first: &Response, asked: &str) -> Response {
    let link = first
        .head
        .one("link")
        .unwrap_or_else(|| panic!("{asked}: {:?}", first.head));
    let reference = link
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let reference = reference.unwrap_or_else(|| panic!("{link}"));
    assert!(reference.starts_with("/v2/"), "relative to docxy: {link}");
    ask(docxy, &Ask::get(reference).host(host))
}

struct Stand {
    docxy: Docxy,
    _servers: [Server; 3],
}

/// `a.test` the default, `b.test` with an alias, `c.test`; each writes its links in another way.
fn stand(more: &[&str]) -> Stand {
    let servers = [
        paged("a", absolute_path),
        paged("b", whole_url),
        paged("c", query_alone),
    ];
    let names = [
        named("a.test", &servers[0]),
        named("b.test", &servers[1]),
        named("c.test", &servers[2]),
    ];
    let mut args = vec!["--upstream-alias", "b.test=b.mirror.test"];
    args.extend(names.iter().flat_map(|name| ["--upstream", name]));
    Stand {
        docxy: start(&[&args, more].concat()),
        _servers: servers,
    }
}

/// Asks for `path` of each registry in every way that chooses it, and for the page after it.
fn each_way_leads_to_its_second_page(docxy: &Docxy, path: &str) {
    let cases = [
        ("a", "docxy.test", format!("/v2/{path}")),
        ("a", "docxy.test", format!("/v2/a.test/{path}?n=1")),
        ("a", "b.test", format!("/v2/{path}?ns=a.test")),
        ("b", "docxy.test", format!("/v2/b.test/{path}")),
        ("b", "docxy.test", format!("/v2/B.mirror.test/{path}?n=1")),
        ("b", "docxy.test", format!("/v2/{path}?ns=b.test&n=1")),
        ("b", "b.test:5000", format!("/v2/{path}")),
        ("b", "b.mirror.test", format!("/v2/{path}?n=1")),
        ("b", "b.mirror.test", format!("/v2/b.test/{path}?ns=b.test")),
        ("c", "docxy.test", format!("/v2/c.test/{path}?n=1")),
        ("c", "docxy.test", format!("/v2/{path}?n=1&ns=c.test")),
        ("c", "c.test", format!("/v2/{path}")),
        ("c", "b.test", format!("/v2/c.test/{path}")),
    ];
    for (name, host, target) in cases {
        let first = ask(docxy, &Ask::get(&target).host(host));
        assert!(
            first.text().starts_with(&format!("{name} 1 /v2/{path}")),
            "{target}: {}",
            first.text()
        );
        let second = next(docxy, host, &first, &target);
        let text = second.text();
        assert!(
            text.starts_with(&format!("{name} 2 /v2/{path}?")),
            "{target}: {text}"
        );
        assert!(
            text.contains("last=b%2Fc") && text.contains("n=1") && !text.contains("ns="),
            "{text}"
        );
    }
}

#[test]
fn tags() {
    each_way_leads_to_its_second_page(&stand(&[]).docxy, "x/y/tags/list");
}

#[test]
fn referrers() {
    let path = format!("x/y/referrers/{DIGEST}");
    each_way_leads_to_its_second_page(&stand(&[]).docxy, &path);
}

#[test]
fn the_catalogue_if_it_is_shown() {
    each_way_leads_to_its_second_page(&stand(&["--catalog"]).docxy, "_catalog");
    let stand = stand(&[]);
    for target in [
        "/v2/_catalog",
        "/v2/b.test/_catalog",
        "/v2/_catalog?ns=c.test",
    ] {
        assert_eq!(
            own_error(&get(&stand.docxy, target), 404),
            "NOT_FOUND",
            "{target}"
        );
    }
    let post = ask(&stand.docxy, &Ask::new("POST", "/v2/_catalog"));
    assert_eq!(post.status(), 405);
}

/// Names that may not pass are not shown either, and a token for the catalogue opens more than any rule.
#[test]
fn the_catalogue_of_a_registry_with_rules_is_refused() {
    let rules = ["--catalog", "--deny", "b.test/secret/**"];
    let stand = stand(&rules);
    assert_eq!(get(&stand.docxy, "/v2/_catalog").status(), 200);
    for target in ["/v2/b.test/_catalog", "/v2/_catalog?ns=b.test&n=1"] {
        assert_eq!(
            own_error(&get(&stand.docxy, target), 403),
            "DENIED",
            "{target}"
        );
    }
    let scope = "/auth/b.test/token?scope=registry:catalog:*";
    assert_eq!(own_error(&get(&stand.docxy, scope), 403), "DENIED");
}

/// As registry.k8s.io does: what is listed lies elsewhere, under another name.
#[test]
fn of_a_list_that_lies_elsewhere() {
    for link in [absolute_path, whole_url, query_alone] {
        let store = paged("store", link);
        let url = store.url();
        let registry = Server::start(move |request| {
            let target = request.head.target().replace("/v2/x", "/v2/project/x");
            Answer::redirect("307 Temporary Redirect", &format!("{url}{target}"))
        });
        let other = paged("other", link);
        let (other, its) = (named("a.test", &other), named("b.test", &registry));
        let docxy = start(&["--upstream", &other, "--upstream", &its]);
        for asked in [
            "/v2/b.test/x/tags/list?n=1",
            "/v2/x/tags/list?n=1&ns=b.test",
        ] {
            let first = get(&docxy, asked);
            assert_eq!(first.text(), "store 1 /v2/project/x/tags/list?n=1");
            let second = next(&docxy, "docxy.test", &first, asked).text();
            assert!(
                second.starts_with("store 2 /v2/project/x/tags/list?"),
                "{second}"
            );
        }
    }
}

#[test]
fn a_link_elsewhere_to_another_place_is_left_out() {
    let store = paged("store", |_, _| "/v2/x/tags/list?last=b".to_owned());
    let location = format!("{}/lists/x", store.url());
    let registry = Server::start(move |_| Answer::redirect("302 Found", &location));
    let docxy = start(&["--upstream", &named("b.test", &registry)]);
    let first = get(&docxy, "/v2/x/tags/list");
    assert_eq!(first.text(), "store 1 /lists/x");
    assert!(!first.head.has("link"), "{:?}", first.head);
}

#[test]
fn a_prefix_that_is_library_is_the_registrys_own() {
    let hub = paged("hub", absolute_path);
    let docxy = start(&["--upstream", &named("docker.io", &hub)]);
    let first = get(&docxy, "/v2/alpine/tags/list?n=1");
    let second = next(&docxy, "docxy.test", &first, "alpine");
    assert_eq!(
        second.text(),
        "hub 2 /v2/library/alpine/tags/list?last=b%2Fc&n=1"
    );
}
