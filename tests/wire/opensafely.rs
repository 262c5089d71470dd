//! The set-up of `reference/000`: one door to ghcr.io for two organisations, nothing else, and the access list of
//! clients beside it.

use crate::docxy::Docxy;
use crate::stand::{DIGEST, ask, get, named, own_error, query, start, values};
use crate::wire::{Answer, Ask, Server};

struct Stand {
    auth: Server,
    cdn: Server,
    ghcr: Server,
    docxy: Docxy,
}

/// The example, but for where it listens, its certificate, and where ghcr.io is.
fn example(ghcr: &Server) -> String {
    let is_of_the_machine = |line: &&str| {
        !["listen", "public_url", "tls_"]
            .iter()
            .any(|key| line.starts_with(key))
    };
    let lines = include_str!("../../deploy/opensafely.toml").lines();
    let kept: Vec<&str> = lines.filter(is_of_the_machine).collect();
    let name = "name = \"ghcr.io\"";
    let text = kept
        .join("\n")
        .replace(name, &format!("{name}\nurl = \"{}\"", ghcr.url()));
    let text = text.replace("allow_client = [", "allow_client = [\"127.0.0.1\", ");
    format!("listen = [\"127.0.0.1:0\"]\n{text}")
}

fn stand() -> Stand {
    let auth = Server::start(|_| Answer::ok(r#"{"token":"djE6"}"#));
    let cdn = Server::start(|_| Answer::ok("layer"));
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"ghcr.io\",scope=\"repository:user/image:pull\"",
        auth.url()
    );
    let location = format!("{}/path?sig=1", cdn.url());
    let ghcr = Server::start(move |request| match request.head.target() {
        _ if !request.head.has("authorization") => Answer::challenge(&[&challenge]),
        target if target.contains("/blobs/") => {
            Answer::redirect("307 Temporary Redirect", &location)
        }
        target => Answer::ok(target),
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("docxy.toml");
    std::fs::write(&file, example(&ghcr)).unwrap();
    let docxy = Docxy::start(&["--config", file.to_str().unwrap()]);
    Stand {
        auth,
        cdn,
        ghcr,
        docxy,
    }
}

#[test]
fn the_flow_of_the_diagram() {
    let stand = stand();
    let challenge = get(&stand.docxy, "/v2/");
    assert_eq!(challenge.status(), 401);
    assert!(
        challenge
            .head
            .one("www-authenticate")
            .unwrap()
            .contains("realm=\"http://docxy.test/auth/ghcr.io/token\"")
    );

    let token = get(
        &stand.docxy,
        "/token?service=ghcr.io&scope=repository:opensafely-core/ehrql:pull",
    );
    assert_eq!(token.text(), r#"{"token":"djE6"}"#);
    let query = query(&stand.auth.only_request());
    assert_eq!(values(&query, "service"), ["ghcr.io"]);
    assert_eq!(
        values(&query, "scope"),
        ["repository:opensafely-core/ehrql:pull"]
    );

    let bearer = |target: &str| {
        ask(
            &stand.docxy,
            &Ask::get(target).field("Authorization", "Bearer djE6"),
        )
    };
    let manifest = "/v2/opensafely-core/ehrql/manifests/v1";
    assert_eq!(bearer(manifest).text(), manifest);
    assert_eq!(
        bearer(&format!("/v2/opensafely-actions/x/blobs/{DIGEST}")).text(),
        "layer"
    );
    assert!(!stand.cdn.only_request().head.has("authorization"));
}

#[test]
fn the_rest_is_denied_before_the_upstream_hears_of_it() {
    let stand = stand();
    for repository in [
        "opensafely/ehrql",
        "opensafely-core-evil/x",
        "library/alpine",
        "opensafely-core",
        "x/opensafely-core/y",
        "ghcr.io/evil/x",
    ] {
        let paths = [
            format!("/v2/{repository}/manifests/v1"),
            format!("/v2/{repository}/blobs/{DIGEST}"),
            format!("/v2/{repository}/tags/list"),
            format!("/v2/{repository}/referrers/{DIGEST}"),
            format!("/token?scope=repository:{repository}:pull"),
            format!("/auth/ghcr.io/token?scope=repository:{repository}:pull"),
            format!(
                "/auth/token?scope=repository:opensafely-core/x:pull&scope=repository:{repository}:pull"
            ),
        ];
        for path in paths {
            assert_eq!(own_error(&get(&stand.docxy, &path), 403), "DENIED");
        }
        let form = format!("grant_type=password&scope=repository:{repository}:pull");
        let refused = ask(&stand.docxy, &Ask::form("/token", &form));
        assert_eq!(own_error(&refused, 403), "DENIED");
    }
    assert_eq!((stand.ghcr.connections(), stand.auth.connections()), (0, 0));
}

#[test]
fn the_name_may_stand_in_the_path_and_the_list_still_counts() {
    let stand = stand();
    let request = Ask::get("/v2/ghcr.io/opensafely-core/ehrql/manifests/v1")
        .field("Authorization", "Bearer djE6");
    assert_eq!(
        ask(&stand.docxy, &request).text(),
        "/v2/opensafely-core/ehrql/manifests/v1"
    );
}

#[test]
fn only_listed_clients_are_served() {
    let registry = Server::start(|_| Answer::ok("served"));
    let upstream = named("reg.test", &registry);
    for (cidr, status) in [
        ("127.0.0.0/8", 200),
        ("127.0.0.1/32", 200),
        ("10.0.0.0/8", 403),
        ("::1/128", 403),
    ] {
        let docxy = start(&["--upstream", &upstream, "--allow-client", cidr]);
        assert_eq!(
            get(&docxy, "/v2/a/b/manifests/t").status(),
            status,
            "{cidr}"
        );
    }
    assert_eq!(registry.lines().len(), 2);
    let docxy = start(&[
        "--upstream",
        &upstream,
        "--allow-client",
        "10.0.0.0/8",
        "--allow-client",
        "127.0.0.1/32",
    ]);
    assert_eq!(get(&docxy, "/v2/a/b/manifests/t").status(), 200);
}

#[test]
fn denied_clients_are_not_served_whatever_allows_them() {
    let registry = Server::start(|_| Answer::ok("served"));
    let upstream = named("reg.test", &registry);
    for (flags, status) in [
        (&["--deny-client", "10.0.0.0/8"][..], 200),
        (&["--deny-client", "127.0.0.0/8"], 403),
        (&["--deny-client", "::ffff:127.0.0.1"], 403),
        (&["--deny-client", "::ffff:0:0/96"], 403),
        (
            &[
                "--allow-client",
                "127.0.0.0/8",
                "--deny-client",
                "127.0.0.1",
            ],
            403,
        ),
        (
            &[
                "--allow-client",
                "127.0.0.0/8",
                "--deny-client",
                "127.0.0.2",
            ],
            200,
        ),
    ] {
        let docxy = start(&[&["--upstream", &upstream], flags].concat());
        let answer = get(&docxy, "/v2/a/b/manifests/t");
        assert_eq!(answer.status(), status, "{flags:?}");
    }
    // Only a trusted proxy's word moves the client elsewhere.
    let ask_as = |docxy: &Docxy| {
        let request = Ask::get("/v2/a/b/manifests/t").field("X-Forwarded-For", "10.0.0.1");
        ask(docxy, &request).status()
    };
    let denied = ["--upstream", &upstream, "--deny-client", "10.0.0.1"];
    assert_eq!(ask_as(&start(&denied)), 200);
    let behind = [&denied[..], &["--trusted-proxy", "127.0.0.1"]].concat();
    assert_eq!(ask_as(&start(&behind)), 403);
}

#[test]
fn no_way_to_write_a_scope_passes_the_list() {
    let stand = stand();
    let good = "repository:opensafely-core/x:pull";
    let tricks = [
        format!("/token?scope={good}+repository:evil/x:pull"),
        format!("/token?scope={good}%20repository:evil/x:pull"),
        format!("/token?scope={good}&Scope=repository:evil/x:pull"),
        format!("/token?scope={good}&sc%6fpe=repository:evil/x:pull"),
        "/token?scope=repository(plugin):evil/x:pull".to_owned(),
        "/token?scope=repository:opensafely-core/../evil/x:pull".to_owned(),
        "/token?scope=repository:opensafely-core%2F..%2Fevil:pull".to_owned(),
        "/token?scope=Repository:evil/x:pull".to_owned(),
        "/token?scope=registry:catalog:*".to_owned(),
        format!("/token?scope={good};scope=repository:evil/x:pull"),
        format!("/token?scope={good}&a=b;scope=repository:evil/x:pull"),
        format!("/token?scope={good}&scope[]=repository:evil/x:pull"),
        format!("/token?scope={good}&+scope=repository:evil/x:pull"),
        format!("/token?scope={good}&scope%00=repository:evil/x:pull"),
        format!("/token?scope={good}&??scope=repository:evil/x:pull"),
    ];
    for trick in &tricks {
        let status = get(&stand.docxy, trick).status();
        assert!(status == 403 || status == 400, "{trick} is {status}");
        let (path, form) = trick.split_once('?').unwrap();
        let status = ask(&stand.docxy, &Ask::form(path, form)).status();
        assert!(
            status == 403 || status == 400,
            "{trick} in a form is {status}"
        );
    }
    for kind in ["application/json", "text/plain", "text/xml; charset=utf-8"] {
        let scopes = "{\"scope\":\"repository:evil/x:pull\"}";
        let answer = ask(&stand.docxy, &Ask::posted("/token?service=s", kind, scopes));
        assert_eq!(answer.status(), 415, "{kind}");
    }
    let packed = Ask::form("/token", "scope=a").field("Content-Encoding", "gzip");
    assert_eq!(ask(&stand.docxy, &packed).status(), 415);
    ask(
        &stand.docxy,
        &Ask::form(
            "/token?scope=repository:evil/x:pull",
            &format!("scope={good}"),
        ),
    );
    for request in stand.auth.requests() {
        let whole = [request.head.raw.clone(), request.body.clone()].concat();
        assert!(
            !String::from_utf8_lossy(&whole).contains("evil"),
            "{:?}",
            request.head
        );
    }
}
