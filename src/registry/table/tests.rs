//! Tables as operators write them.

use super::presets::PRESETS;
use super::*;

fn table(texts: &[&str]) -> Result<Table, TableError> {
    let mut upstreams = Vec::new();
    for text in texts {
        upstreams.extend(Upstream::parse(text)?);
    }
    Table::new(upstreams)
}

fn found<'t>(table: &'t Table, name: &str) -> Option<&'t str> {
    table.find(name).map(|id| table.get(id).name.as_str())
}

#[test]
fn upstreams_are_read() {
    let cases = [
        ("docker.io", "docker.io", "https://registry-1.docker.io"),
        (
            "index.docker.io",
            "docker.io",
            "https://registry-1.docker.io",
        ),
        ("GHCR.io", "ghcr.io", "https://ghcr.io"),
        ("hub=docker.io", "hub", "https://registry-1.docker.io"),
        (
            "docker.io=https://mirror.gcr.io",
            "docker.io",
            "https://mirror.gcr.io",
        ),
        (
            "docker.io=mirror.gcr.io",
            "docker.io",
            "https://mirror.gcr.io",
        ),
        (
            "https://harbor.corp:8443/",
            "harbor.corp:8443",
            "https://harbor.corp:8443",
        ),
        (
            "http://127.0.0.1:5100",
            "127.0.0.1:5100",
            "http://127.0.0.1:5100",
        ),
        ("harbor.corp", "harbor.corp", "https://harbor.corp"),
        (
            "harbor.corp:5000",
            "harbor.corp:5000",
            "https://harbor.corp:5000",
        ),
        ("http://harbor.corp:80", "harbor.corp", "http://harbor.corp"),
        ("http://[::1]:5000", "[::1]:5000", "http://[::1]:5000"),
        ("My_Reg-1=https://a.test", "My_Reg-1", "https://a.test"),
    ];
    for (text, name, origin) in cases {
        let parsed = Upstream::parse(text).unwrap();
        assert_eq!(parsed.len(), 1, "{text}");
        assert_eq!(
            (
                parsed[0].name.as_str(),
                parsed[0].origin.to_string().as_str()
            ),
            (name, origin),
            "{text}"
        );
    }
}

#[test]
fn each_preset_has_its_url_and_its_names() {
    let expected = [
        (
            &["docker.io", "index.docker.io", "registry-1.docker.io"][..],
            "https://registry-1.docker.io",
        ),
        (&["ghcr.io"], "https://ghcr.io"),
        (&["quay.io"], "https://quay.io"),
        (&["gcr.io"], "https://gcr.io"),
        (&["registry.k8s.io"], "https://registry.k8s.io"),
        (&["mcr.microsoft.com"], "https://mcr.microsoft.com"),
        (&["nvcr.io"], "https://nvcr.io"),
        (&["public.ecr.aws"], "https://public.ecr.aws"),
    ];
    assert_eq!(PRESETS.len(), expected.len());
    let all = table(&["all"]).unwrap();
    for (at, (names, url)) in expected.into_iter().enumerate() {
        for name in names {
            for written in [(*name).to_owned(), name.to_ascii_uppercase()] {
                let alone = Upstream::parse(&written).unwrap();
                let [upstream] = &alone[..] else {
                    panic!("{written}: {alone:?}");
                };
                assert_eq!(upstream.name, names[0], "{written}");
                assert_eq!(upstream.origin.to_string(), url, "{written}");
                assert_eq!(upstream.is_docker_hub(), at == 0, "{written}");
                assert_eq!(found(&all, &written), Some(names[0]), "{written}");
            }
        }
        assert_eq!(all.get(all.ids().nth(at).unwrap()).name, names[0]);
    }
}

#[test]
fn all_is_every_preset_and_docker_hub_first() {
    let all = Upstream::parse("all").unwrap();
    assert_eq!(all.len(), PRESETS.len());
    assert_eq!(all[0].name, "docker.io");
    assert!(Table::new(all).is_ok());
    let ghcr_first = table(&["ghcr.io", "all"]).unwrap();
    assert_eq!(
        ghcr_first.get(ghcr_first.default_upstream()).name,
        "ghcr.io"
    );
    assert_eq!(ghcr_first.ids().count(), PRESETS.len());
}

#[test]
fn bad_upstreams_are_refused() {
    let names = [
        "=https://a.test",
        "a b=https://a.test",
        "..=https://a.test",
        "-x=https://a.test",
        "a%2f=https://b.test",
    ];
    for text in names {
        assert!(
            matches!(Upstream::parse(text), Err(TableError::Name(_))),
            "{text}"
        );
    }
    let urls = [
        "",
        "a=",
        "https://a.test/v2",
        "https://a.test/?x=y",
        "ftp://a.test",
        "https://",
        "a.test/path",
        "a..b",
        "https://a.test:0",
        "https://u:secret@a.test",
        "2130706433",
    ];
    for text in urls {
        assert!(
            matches!(Upstream::parse(text), Err(TableError::Url { .. })),
            "{text}"
        );
    }
    let message = Upstream::parse("https://u:secret@a.test")
        .unwrap_err()
        .to_string();
    assert!(!message.contains("secret"), "{message}");
    let message = Upstream::parse("u:secret@a.test").unwrap_err().to_string();
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn docker_hub_is_known_by_its_name_only() {
    let cases = [
        ("docker.io", true),
        ("Docker.IO=http://127.0.0.1:5100", true),
        ("index.docker.io=https://mirror.test", true),
        ("https://registry-1.docker.io", true),
        ("hub=https://registry-1.docker.io", false),
        ("ghcr.io", false),
    ];
    for (text, expected) in cases {
        assert_eq!(
            Upstream::parse(text).unwrap()[0].is_docker_hub(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn names_are_found_without_case() {
    let mut table = table(&[
        "docker.io",
        "GHCR=https://ghcr.io",
        "http://127.0.0.1:5100",
        "https://a.test",
    ])
    .unwrap();
    table.add_alias("ghcr", "gh.corp.test").unwrap();
    table.add_alias("a.test", "[2001:DB8::1]:5000").unwrap();
    let cases = [
        ("docker.io", Some("docker.io")),
        ("Index.Docker.io", Some("docker.io")),
        ("registry-1.docker.io", Some("docker.io")),
        ("registry-1.docker.io:443", Some("docker.io")),
        ("registry-1.docker.io:5000", None),
        ("ghcr", Some("GHCR")),
        ("ghcr.io", Some("GHCR")),
        ("GHCR.IO:443", Some("GHCR")),
        ("ghcr.io:80", None),
        ("gh.corp.test", Some("GHCR")),
        ("127.0.0.1:5100", Some("127.0.0.1:5100")),
        ("127.0.0.1", None),
        ("[2001:db8::1]:5000", Some("a.test")),
        ("a.test:443", Some("a.test")),
        ("", None),
        ("io", None),
        ("evil.test", None),
    ];
    for (name, expected) in cases {
        assert_eq!(found(&table, name), expected, "{name}");
    }
    assert!(table.is_shared());
    let all: Vec<usize> = table.ids().map(UpstreamId::index).collect();
    assert_eq!(all, [0, 1, 2, 3]);
}

#[test]
fn a_name_that_two_claim_is_an_error_that_names_both() {
    let cases: [&[&str]; 4] = [
        &["a.test", "A.test=https://b.test"],
        &["docker.io", "index.docker.io=https://b.test"],
        &["docker.io=https://a.test", "https://registry-1.docker.io"],
        &["x=https://a.test", "x=http://a.test"],
    ];
    for texts in cases {
        let error = table(texts).unwrap_err();
        assert!(
            matches!(error, TableError::Claimed { .. }),
            "{texts:?}: {error}"
        );
        assert!(
            error.to_string().contains("http") && error.to_string().contains(" and "),
            "{error}"
        );
    }
    let mut two = table(&["docker.io", "ghcr.io"]).unwrap();
    assert!(matches!(
        two.add_alias("docker.io", "ghcr.io"),
        Err(TableError::Claimed { .. })
    ));
    two.add_alias("docker.io", "x.test").unwrap();
    two.add_alias("docker.io", "x.test").unwrap();
    assert!(matches!(
        two.add_alias("ghcr.io", "X.test"),
        Err(TableError::Claimed { .. })
    ));
    let mut claimed = Upstream::parse("c.test").unwrap();
    claimed[0].aliases.push("docker.io".to_owned());
    claimed.extend(Upstream::parse("docker.io").unwrap());
    assert!(matches!(
        Table::new(claimed),
        Err(TableError::Claimed { .. })
    ));
}

#[test]
fn names_win_over_url_hosts_and_the_first_of_two_equal_hosts_answers() {
    let named = table(&["x=https://ghcr.io", "ghcr.io=https://mirror.test"]).unwrap();
    assert_eq!(found(&named, "ghcr.io"), Some("ghcr.io"));
    let equal = table(&["x=https://a.test", "y=https://a.test"]).unwrap();
    assert_eq!(found(&equal, "a.test"), Some("x"));
    let mut aliased = table(&["x=https://a.test", "y=https://b.test"]).unwrap();
    aliased.add_alias("y", "a.test").unwrap();
    assert_eq!(found(&aliased, "a.test"), Some("y"));
    let hub_by_url = table(&["hub=https://registry-1.docker.io", "ghcr.io"]).unwrap();
    assert_eq!(found(&hub_by_url, "docker.io"), Some("hub"));
}

#[test]
fn flags_about_an_upstream_are_checked() {
    let mut one = table(&["ghcr.io"]).unwrap();
    assert!(!one.is_shared());
    assert!(matches!(
        one.add_alias("quay.io", "q.test"),
        Err(TableError::Unknown { .. })
    ));
    assert!(matches!(
        one.add_alias("ghcr.io", "https://q.test"),
        Err(TableError::Host { .. })
    ));
    assert!(matches!(
        one.set_realm_host("ghcr.io", "a b"),
        Err(TableError::Host { .. })
    ));
    assert!(matches!(
        one.set_realm_host("x", "a.test"),
        Err(TableError::Unknown { .. })
    ));
    one.set_realm_host("GHCR.io", "Auth.test:8443").unwrap();
    let realm_host = one.get(one.default_upstream()).realm_host.as_ref();
    assert_eq!(
        realm_host.map(ToString::to_string).as_deref(),
        Some("auth.test:8443")
    );
    assert_eq!(table(&[]).unwrap_err(), TableError::Empty);
}

#[test]
fn messages_are_one_line() {
    let errors = [
        TableError::Empty,
        TableError::Name("a\nb".to_owned()),
        Upstream::parse("a\n").unwrap_err(),
        table(&["ghcr.io"])
            .unwrap()
            .add_alias("x\n", "y")
            .unwrap_err(),
        table(&["ghcr.io"])
            .unwrap()
            .add_alias("ghcr.io", "y\n")
            .unwrap_err(),
    ];
    for error in errors {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}
