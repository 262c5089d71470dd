//! Token servers that take no POST: gcr answers 404, ACR 400. containerd with a login posts a form first, and asks by GET when
//! that is refused; so the refusal has to reach it as it is.

use super::{configured, entry, guarded, token};
use crate::stand::{ask, query, values};
use crate::wire::{Answer, Ask, Server};

const LOGIN: &str = "Basic YWxpY2U6czNjcmV0";

fn refuses_posts(name: &'static str, status: &'static str, body: &'static str) {
    let auth = Server::start(move |request| match request.head.method() {
        "POST" => Answer::new(
            status,
            &[("Content-Type", "text/html"), ("X-Of", "the realm")],
            body,
        ),
        _ => token(),
    });
    let realm = format!(
        "Bearer realm=\"{}/oauth2/token\",service=\"{name}\"",
        auth.url()
    );
    let registry = guarded(realm, |request| Answer::ok(request.head.target()));
    let docxy = configured(&entry(name, &registry, None)).docxy;
    let form = format!(
        "client_id=containerd-client&grant_type=password&password=s3cret&scope=repository%3Aproject%2Fimage%3Apull&service={name}&username=alice"
    );
    let path = format!("/auth/{name}/token");
    let refused = ask(&docxy, &Ask::form(&path, &form));
    let (code, _) = status.split_once(' ').unwrap();
    assert_eq!(
        (
            refused.status().to_string().as_str(),
            refused.text().as_str()
        ),
        (code, body)
    );
    assert_eq!(refused.head.one("content-type"), Some("text/html"));
    assert_eq!(refused.head.one("x-of"), Some("the realm"));
    let posted = auth.only_request();
    assert_eq!(posted.line(), "POST /oauth2/token");
    assert_eq!(String::from_utf8_lossy(&posted.body), form);

    let asked = format!("{path}?scope=repository%3Aproject%2Fimage%3Apull&service={name}");
    let got = ask(&docxy, &Ask::get(&asked).field("Authorization", LOGIN));
    assert!(got.text().contains(super::TOKEN), "{}", got.text());
    let seen = auth.requests().pop().unwrap();
    assert_eq!(seen.head.one("authorization"), Some(LOGIN));
    assert_eq!(
        values(&query(&seen), "scope"),
        ["repository:project/image:pull"]
    );
    let manifest = "/v2/project/image/manifests/v1";
    let request = Ask::get(manifest).field("Authorization", &format!("Bearer {}", super::TOKEN));
    assert_eq!(ask(&docxy, &request).text(), manifest);
}

#[test]
fn gcr_answers_404() {
    refuses_posts("gcr.io", "404 Not Found", "<html>not found</html>");
}

#[test]
fn acr_answers_400() {
    refuses_posts(
        "acr.azurecr.io",
        "400 Bad Request",
        "{\"errors\":[{\"code\":\"UNSUPPORTED\"}]}",
    );
}

/// A 405 and its Allow are the realm's own, too.
#[test]
fn others_answer_405() {
    refuses_posts("reg.test", "405 Method Not Allowed", "");
}
