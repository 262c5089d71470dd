//! Challenges as registries write them, and worse ones.

use super::*;

const HUB: &str = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;

fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Bearer {
    Bearer {
        realm: realm.to_owned(),
        service: service.map(str::to_owned),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
    }
}

fn rewritten(value: &str) -> Result<String, ChallengeError> {
    rewrite(value.as_bytes(), |_| "http://d/t".to_owned())
        .map(|written| String::from_utf8(written).unwrap())
}

const VALUES: [&str; 26] = [
    HUB,
    r#"bearer REALM="r", Service=s"#,
    r#"Bearer realm="r""#,
    r#"Bearer realm = "r" , service = "s""#,
    r#"Bearer   realm="r",,service="s","#,
    r#", ,Bearer realm="r""#,
    r#"Basic realm="x", Bearer realm="r",service="s""#,
    r#"Bearer realm="r",service="s", Basic realm="x""#,
    r#"Basic realm="x, Bearer realm=\"evil\"", Bearer realm="r""#,
    r#"Bearer service="a\"b, Bearer realm=\"evil\"",realm="r""#,
    r#"Negotiate, Bearer realm="r""#,
    r#"Negotiate abc==, Bearer realm="r""#,
    r#"Negotiate abc=, Bearer realm="r""#,
    r#"Negotiate a/b+c, Bearer realm="r""#,
    r#"Bearer realm="r",scope="a:b:pull c:d:pull",scope="e:f:pull""#,
    r#"Bearer realm="r1",service="s1", bearer realm="r2",service="s2""#,
    r#"Bearer realm=https://auth.test/token,service=registry.test"#,
    r#"Bearer realm="r",error="invalid_token",error_description="nö""#,
    r#"Bearer realm="\r\"\\",service="s""#,
    r#"Bearer realm="",service="s""#,
    r#"Digest realm="d", qop="auth, auth-int", nonce="n", Bearer realm="r""#,
    r#"Bearer service="s",realm="r",realm="second""#,
    r#"Bearer realm="r",service=,scope="""#,
    r#"Bearer realm="r",service= , Negotiate abc="#,
    r#"Bearer service="s",realm="#,
    r#"Basic realm="x",y=, Bearer realm="r""#,
];

#[test]
fn bearers_are_found() {
    let r = |service, scopes: &[&str]| bearer("r", service, scopes);
    let expected: [Vec<Bearer>; 26] = [
        vec![bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            &["repository:library/alpine:pull"],
        )],
        vec![r(Some("s"), &[])],
        vec![r(None, &[])],
        vec![r(Some("s"), &[])],
        vec![r(Some("s"), &[])],
        vec![r(None, &[])],
        vec![r(Some("s"), &[])],
        vec![r(Some("s"), &[])],
        vec![r(None, &[])],
        vec![r(Some(r#"a"b, Bearer realm="evil""#), &[])],
        vec![r(None, &[])],
        vec![r(None, &[])],
        vec![r(None, &[])],
        vec![r(None, &[])],
        vec![r(None, &["a:b:pull", "c:d:pull", "e:f:pull"])],
        vec![bearer("r1", Some("s1"), &[]), bearer("r2", Some("s2"), &[])],
        vec![bearer(
            "https://auth.test/token",
            Some("registry.test"),
            &[],
        )],
        vec![r(None, &[])],
        vec![bearer(r#"r"\"#, Some("s"), &[])],
        vec![bearer("", Some("s"), &[])],
        vec![r(None, &[])],
        vec![r(Some("s"), &[])],
        vec![r(Some(""), &[])],
        vec![r(Some(""), &[])],
        vec![bearer("", Some("s"), &[])],
        vec![r(None, &[])],
    ];
    for (value, expected) in VALUES.iter().zip(expected) {
        assert_eq!(bearers(value.as_bytes()), Ok(expected), "{value}");
    }
}

#[test]
fn only_the_realms_of_bearers_change() {
    let expected = [
        r#"Bearer realm="http://d/t",service="registry.docker.io",scope="repository:library/alpine:pull""#,
        r#"bearer REALM="http://d/t", Service=s"#,
        r#"Bearer realm="http://d/t""#,
        r#"Bearer realm = "http://d/t" , service = "s""#,
        r#"Bearer   realm="http://d/t",,service="s","#,
        r#", ,Bearer realm="http://d/t""#,
        r#"Basic realm="x", Bearer realm="http://d/t",service="s""#,
        r#"Bearer realm="http://d/t",service="s", Basic realm="x""#,
        r#"Basic realm="x, Bearer realm=\"evil\"", Bearer realm="http://d/t""#,
        r#"Bearer service="a\"b, Bearer realm=\"evil\"",realm="http://d/t""#,
        r#"Negotiate, Bearer realm="http://d/t""#,
        r#"Negotiate abc==, Bearer realm="http://d/t""#,
        r#"Negotiate abc=, Bearer realm="http://d/t""#,
        r#"Negotiate a/b+c, Bearer realm="http://d/t""#,
        r#"Bearer realm="http://d/t",scope="a:b:pull c:d:pull",scope="e:f:pull""#,
        r#"Bearer realm="http://d/t",service="s1", bearer realm="http://d/t",service="s2""#,
        r#"Bearer realm="http://d/t",service=registry.test"#,
        r#"Bearer realm="http://d/t",error="invalid_token",error_description="nö""#,
        r#"Bearer realm="http://d/t",service="s""#,
        r#"Bearer realm="http://d/t",service="s""#,
        r#"Digest realm="d", qop="auth, auth-int", nonce="n", Bearer realm="http://d/t""#,
        r#"Bearer service="s",realm="http://d/t",realm="http://d/t""#,
        r#"Bearer realm="http://d/t",service=,scope="""#,
        r#"Bearer realm="http://d/t",service= , Negotiate abc="#,
        r#"Bearer service="s",realm="http://d/t""#,
        r#"Basic realm="x",y=, Bearer realm="http://d/t""#,
    ];
    for (value, expected) in VALUES.iter().zip(expected) {
        assert_eq!(rewritten(value).as_deref(), Ok(expected), "{value}");
    }
}

#[test]
fn what_has_no_bearer_passes() {
    let values = [
        "",
        ", ,",
        "Basic realm=\"x\"",
        "Negotiate",
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer error=\"invalid_token\"",
        "Bearer abc==",
        // Malformed, but no client finds a Bearer challenge there.
        "Basic realm=Sonatype Nexus Repository Manager",
        "Basic realm=\"x",
        "Basic realm=\"x\";charset=\"UTF-8\"",
        "Basic realm=\"x\", =y",
        "Digest realm=\"d\" qop=\"auth\"",
        "Bear er realm=\"x",
    ];
    for value in values {
        assert_eq!(bearers(value.as_bytes()), Ok(vec![]), "{value}");
        assert_eq!(rewritten(value).as_deref(), Ok(value), "{value}");
    }
}

#[test]
fn malformed_values_are_errors() {
    let cases = [
        ("Bearer realm=\"x", ChallengeError::Quoted),
        ("Bearer realm=\"x\\", ChallengeError::Quoted),
        ("Bearer realm=\"x\\\"", ChallengeError::Quoted),
        ("Bearer realm=\"x\ny\"", ChallengeError::Quoted),
        ("Bearer realm=\"x\"y", ChallengeError::Parameter),
        (
            "Bearer realm=\"x\" service=\"y\"",
            ChallengeError::Parameter,
        ),
        ("Bearer realm=x\"y\"", ChallengeError::Parameter),
        ("Bearer a b", ChallengeError::Parameter),
        ("Bearer \"x\"", ChallengeError::Parameter),
        ("Bearer ==", ChallengeError::Parameter),
        ("Bearer realm=\u{7f}", ChallengeError::Parameter),
        (
            "Bearer realm=\"x\";service=\"y\"",
            ChallengeError::Parameter,
        ),
        ("=x", ChallengeError::Scheme),
        // Behind a field `Bearer`, this could be its realm.
        ("realm=\"x\"", ChallengeError::Parameter),
        ("realm = \"x\"", ChallengeError::Parameter),
        (", realm=\"x", ChallengeError::Parameter),
        ("=x, Bearer realm=\"x\"", ChallengeError::Scheme),
        (
            "Basic realm=a b, bEaReR realm=\"x\"",
            ChallengeError::Parameter,
        ),
        (
            "Basic realm=\"x\", Bearer =, realm=\"y\"",
            ChallengeError::Parameter,
        ),
        ("Bearer service=,realm=\"x\"", ChallengeError::Parameter),
        ("Bearer realm=\"x\",service==", ChallengeError::Parameter),
        ("\"Bearer\"", ChallengeError::Scheme),
        ("Bearer realm=\"x\", =y", ChallengeError::Scheme),
        ("Bearer/x", ChallengeError::Parameter),
        ("Bearer realm=\"ü\"", ChallengeError::Text),
        ("Bearer realm=\"r\",service=\"ü\"", ChallengeError::Text),
        ("Bearer realm=\"a\tb\"", ChallengeError::Text),
    ];
    for (value, error) in cases {
        assert_eq!(bearers(value.as_bytes()), Err(error), "{value:?}");
        assert_eq!(rewritten(value), Err(error), "{value:?}");
    }
}

#[test]
fn a_new_realm_stays_inside_its_quotes() {
    let hostile = r#"http://d/t",realm="http://evil/\"#;
    let written = rewrite(HUB.as_bytes(), |_| hostile.to_owned()).unwrap();
    let read = bearers(&written).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].realm, hostile);
    assert_eq!(read[0].service.as_deref(), Some("registry.docker.io"));
    for realm in ["a\r\nb", "a\0", "a\tb", "ü", "\u{7f}"] {
        assert_eq!(
            rewrite(HUB.as_bytes(), |_| realm.to_owned()),
            Err(ChallengeError::Text),
            "{realm:?}"
        );
    }
}

#[test]
fn each_realm_is_asked_for_with_its_own_challenge() {
    let value = r#"Bearer realm="r1",service="s1", Bearer realm="r2",service="s2""#;
    let written = rewrite(value.as_bytes(), |bearer| format!("x{}", bearer.realm)).unwrap();
    assert_eq!(
        written,
        br#"Bearer realm="xr1",service="s1", Bearer realm="xr2",service="s2""#
    );
}

#[test]
fn what_is_written_reads_as_before_but_for_the_realm() {
    for value in VALUES {
        let mut expected = bearers(value.as_bytes()).unwrap();
        for bearer in &mut expected {
            bearer.realm = "http://d/t".to_owned();
        }
        let written = rewritten(value).unwrap();
        assert_eq!(bearers(written.as_bytes()), Ok(expected), "{value}");
        assert_eq!(rewritten(&written), Ok(written.clone()), "{value}");
    }
}

#[test]
fn any_cut_and_any_changed_byte_is_survived() {
    for value in VALUES {
        for at in 0..value.len() {
            let _ = bearers(&value.as_bytes()[..at]);
            let _ = bearers(&value.as_bytes()[at..]);
            for b in [b'"', b'\\', b',', b'=', b' ', b'\0', b'\n', 0xff] {
                let mut changed = value.as_bytes().to_vec();
                changed[at] = b;
                let Ok(written) = rewrite(&changed, |_| "http://d/t".to_owned()) else {
                    continue;
                };
                let read = bearers(&written).unwrap();
                assert!(
                    read.iter().all(|bearer| bearer.realm == "http://d/t"),
                    "{}",
                    changed.escape_ascii()
                );
            }
        }
    }
}
