//! By which names an upstream is found, and who has one that two claim.

use super::*;

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
