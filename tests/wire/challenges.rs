//! Every 401 of an upstream has its Bearer realm rewritten, and only that.

use crate::stand::{MANIFEST, ask, before, before_with, blob, get};
use crate::wire::{Answer, Ask, Response, Server};

const REALM: &str = "http://docxy.test/auth/reg.test/token";

fn challenged(values: &[&str]) -> Response {
    let answer = Answer::challenge(values);
    let registry = Server::start(move |_| answer.clone());
    let response = get(&before(&registry), "/v2/");
    assert_eq!(response.status(), 401);
    response
}

#[test]
fn realms_are_rewritten_and_everything_else_stays() {
    let table: [(&str, String); 9] = [
        (
            r#"Bearer realm="http://127.0.0.1:9/token",service="s",scope="repository:a/b:pull""#,
            format!(r#"Bearer realm="{REALM}",service="s",scope="repository:a/b:pull""#),
        ),
        (
            r#"Bearer realm="http://127.0.0.1:9/token""#,
            format!(r#"Bearer realm="{REALM}""#),
        ),
        (
            r#"Bearer realm="http://127.0.0.1:9/token",service="s",error="insufficient_scope""#,
            format!(r#"Bearer realm="{REALM}",service="s",error="insufficient_scope""#),
        ),
        (
            r#"Bearer realm="http://127.0.0.1:9/token",service="a \"b\", realm=c""#,
            format!(r#"Bearer realm="{REALM}",service="a \"b\", realm=c""#),
        ),
        (
            r#"Bearer service="s",scope="repository:a/b:pull,push",realm="http://127.0.0.1:9/token""#,
            format!(r#"Bearer service="s",scope="repository:a/b:pull,push",realm="{REALM}""#),
        ),
        (
            r#"Basic realm="http://127.0.0.1:9/token""#,
            r#"Basic realm="http://127.0.0.1:9/token""#.to_owned(),
        ),
        ("Negotiate YWJjZA==", "Negotiate YWJjZA==".to_owned()),
        (
            "Basic realm=Sonatype Nexus Repository Manager",
            "Basic realm=Sonatype Nexus Repository Manager".to_owned(),
        ),
        (
            r#"Bearer realm="http://127.0.0.1:9/token",service=,scope="""#,
            format!(r#"Bearer realm="{REALM}",service=,scope="""#),
        ),
    ];
    for (sent, expected) in table {
        assert_eq!(
            challenged(&[sent]).head.all("www-authenticate"),
            [expected.as_str()],
            "{sent}"
        );
    }
}

#[test]
fn other_ways_to_write_a_bearer_challenge_hide_nothing() {
    let table = [
        r#"bearer realm="http://127.0.0.1:9/token",service="s""#,
        r#"Bearer Realm="http://127.0.0.1:9/token", service="s""#,
        r#"Bearer realm = "http://127.0.0.1:9/token" , service = "s""#,
        r#"Bearer   realm="http://127.0.0.1:9/token",,service="s""#,
    ];
    for sent in table {
        let value = challenged(&[sent])
            .head
            .one("www-authenticate")
            .unwrap()
            .to_owned();
        assert!(
            value.contains(REALM) && !value.contains("127.0.0.1:9"),
            "{sent} became {value}"
        );
    }
}

#[test]
fn several_challenges_in_one_field_and_in_several() {
    let bearer = r#"Bearer realm="http://127.0.0.1:9/token",service="s""#;
    let basic = r#"Basic realm="x, y""#;
    let rewritten = format!(r#"Bearer realm="{REALM}",service="s""#);
    let separate = challenged(&[basic, bearer]);
    assert_eq!(separate.head.all("www-authenticate"), [basic, &rewritten]);

    for joined in [
        format!("{bearer}, {basic}"),
        format!("{basic}, {bearer}"),
        format!("{bearer},{basic}"),
    ] {
        let response = challenged(&[&joined]);
        let value = response.head.all("www-authenticate").join(", ");
        assert!(
            value.contains(&rewritten) && value.contains(basic),
            "{joined} became {value}"
        );
        assert!(!value.contains("127.0.0.1:9"), "{joined} became {value}");
    }
}

#[test]
fn a_401_on_any_path_is_rewritten() {
    let registry = Server::start(|request| {
        let challenge = format!(
            r#"Bearer realm="http://127.0.0.1:9/token",scope="{}""#,
            request.head.target()
        );
        Answer::challenge(&[&challenge])
    });
    let docxy = before(&registry);
    for path in [
        MANIFEST.to_owned(),
        blob(),
        "/v2/a/b/tags/list".to_owned(),
        "/v2/".to_owned(),
    ] {
        let value = get(&docxy, &path)
            .head
            .one("www-authenticate")
            .unwrap()
            .to_owned();
        assert_eq!(value, format!(r#"Bearer realm="{REALM}",scope="{path}""#));
    }
}

#[test]
fn a_realms_own_query_reaches_the_client_and_then_the_realm() {
    let auth = Server::start(|_| Answer::ok(r#"{"token":"t"}"#));
    let challenge = format!(
        "Bearer realm=\"{}/proxy_auth?account=guest%2Fx\",service=\"s\"",
        auth.url()
    );
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let docxy = before(&registry);
    let value = get(&docxy, MANIFEST)
        .head
        .one("www-authenticate")
        .unwrap()
        .to_owned();
    assert_eq!(
        value,
        format!("Bearer realm=\"{REALM}?account=guest%2Fx\",service=\"s\"")
    );

    let asked = "/auth/reg.test/token?account=guest%2Fx&scope=repository%3Aa%2Fb%3Apull&service=s";
    assert_eq!(get(&docxy, asked).text(), r#"{"token":"t"}"#);
    let query = crate::stand::query(&auth.only_request());
    assert!(
        auth.lines()[0].starts_with("GET /proxy_auth?"),
        "{:?}",
        auth.lines()
    );
    assert_eq!(crate::stand::values(&query, "account"), ["guest/x"], "once");
    assert_eq!(
        crate::stand::values(&query, "scope"),
        ["repository:a/b:pull"]
    );
}

/// A registry that challenges with a realm of its own, and docxy before it with these arguments.
fn realm_for(host: &str, args: &[&str], fields: &[(&str, &str)]) -> String {
    let registry =
        Server::start(|_| Answer::challenge(&[r#"Bearer realm="http://127.0.0.1:9/token""#]));
    let docxy = before_with(&registry, args);
    let request = fields
        .iter()
        .fold(Ask::get("/v2/").host(host), |ask, (name, value)| {
            ask.field(name, value)
        });
    let response = ask(&docxy, &request);
    assert_eq!(response.status(), 401, "{}", response.text());
    response.head.one("www-authenticate").unwrap().to_owned()
}

#[test]
fn no_request_field_moves_the_realm_from_the_public_url() {
    let forged = [
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Port", "1"),
        ("Forwarded", "host=evil.test;proto=http"),
        ("X-Original-Host", "evil.test"),
    ];
    for public in ["https://pull.example", "https://pull.example:8443"] {
        let value = realm_for("evil.test", &["--public-url", public], &forged);
        assert_eq!(
            value,
            format!("Bearer realm=\"{public}/auth/reg.test/token\"")
        );
    }
}

#[test]
fn without_a_public_url_the_realm_is_built_from_host_alone() {
    let forged = [
        ("X-Forwarded-Host", "evil.test"),
        ("Forwarded", "host=evil.test"),
    ];
    for host in [
        "pull.example",
        "pull.example:8443",
        "127.0.0.1:5000",
        "[::1]:5000",
    ] {
        let value = realm_for(host, &[], &forged);
        assert_eq!(
            value,
            format!("Bearer realm=\"http://{host}/auth/reg.test/token\"")
        );
    }
}
