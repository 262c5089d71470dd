//! Rules, and what they let pass.

use super::*;

fn table() -> Table {
    Table::of(&["docker.io", "ghcr.io", "corp=https://127.0.0.1:5100"])
}

fn allow(rules: &[&str]) -> Result<Access, AccessError> {
    let rules: Vec<String> = rules.iter().map(|&rule| rule.to_owned()).collect();
    Access::parse(&rules, &table())
}

fn permits(rules: &[&str], name: &str, repository: &str) -> bool {
    let upstream = table().find(name).unwrap();
    allow(rules).unwrap().check(upstream, repository).is_ok()
}

#[test]
fn no_rule_lets_everything_pass() {
    assert!(permits(&[], "ghcr.io", "a/b"));
    let none = allow(&[]).unwrap();
    assert!(!none.is_restricting());
    assert!(table().ids().all(|id| none.check_any(id).is_ok()));
}

#[test]
fn rules_match_whole_names_of_their_upstream() {
    let cases: [(&str, &str, &str, bool); 36] = [
        ("ghcr.io/org/*", "ghcr.io", "org/a", true),
        ("ghcr.io/org/*", "ghcr.io", "org/a/b", false),
        ("ghcr.io/org/*", "ghcr.io", "org", false),
        ("ghcr.io/org/*", "ghcr.io", "organisation/a", false),
        ("ghcr.io/org/*", "ghcr.io", "x/org/a", false),
        ("ghcr.io/org/*", "docker.io", "org/a", false),
        ("ghcr.io/org/**", "ghcr.io", "org/a", true),
        ("ghcr.io/org/**", "ghcr.io", "org/a/b/c", true),
        ("ghcr.io/org/**", "ghcr.io", "other/a", false),
        ("ghcr.io/org/**", "ghcr.io", "org-evil/a", false),
        ("ghcr.io/*/*", "ghcr.io", "a/b", true),
        ("ghcr.io/*/*", "ghcr.io", "a/b/c", false),
        ("ghcr.io/**", "ghcr.io", "a", true),
        ("ghcr.io/**", "ghcr.io", "a/b/c", true),
        ("ghcr.io/*", "ghcr.io", "a", true),
        ("ghcr.io/*", "ghcr.io", "a/b", false),
        ("GHCR.io/a", "ghcr.io", "a", true),
        ("ghcr.io/a", "ghcr.io", "a", true),
        ("ghcr.io/a", "ghcr.io", "ab", false),
        ("ghcr.io/a", "ghcr.io", "library/a", false),
        ("ghcr.io/a.c", "ghcr.io", "abc", false),
        ("ghcr.io/{a,b/*}", "ghcr.io", "b/x", true),
        ("ghcr.io/{a,b/*}", "ghcr.io", "a", true),
        ("ghcr.io/{a,b/*}", "ghcr.io", "b", false),
        ("ghcr.io/**/x", "ghcr.io", "a/b/x", true),
        ("ghcr.io/**/x", "ghcr.io", "a/b/xy", false),
        ("ghcr.io/org/app-*", "ghcr.io", "org/app-1", true),
        ("docker.io/alpine", "docker.io", "library/alpine", true),
        ("docker.io/alpine", "docker.io", "alpine", false),
        ("docker.io/*", "docker.io", "library/alpine", true),
        ("docker.io/*", "docker.io", "grafana/loki", false),
        ("docker.io/**", "docker.io", "grafana/loki", true),
        ("docker.io/grafana/*", "docker.io", "grafana/loki", true),
        (
            "index.docker.io/alpine",
            "docker.io",
            "library/alpine",
            true,
        ),
        ("corp/lib/*", "corp", "lib/x", true),
        ("127.0.0.1:5100/lib/*", "corp", "lib/x", true),
    ];
    for (rule, name, repository, expected) in cases {
        assert_eq!(
            permits(&[rule], name, repository),
            expected,
            "{rule} {name} {repository}"
        );
    }
}

#[test]
fn any_rule_is_enough_and_an_upstream_without_rule_is_shut() {
    let rules = ["ghcr.io/a/*", "ghcr.io/b/*"];
    assert!(permits(&rules, "ghcr.io", "a/x"));
    assert!(permits(&rules, "ghcr.io", "b/x"));
    assert!(!permits(&rules, "ghcr.io", "c/x"));
    assert!(!permits(&rules, "docker.io", "library/alpine"));
    let allow = allow(&rules).unwrap();
    assert!(allow.is_restricting());
    assert!(allow.check_any(table().find("ghcr.io").unwrap()).is_ok());
    assert!(allow.check_any(table().find("docker.io").unwrap()).is_err());
}

#[test]
fn what_is_denied_does_not_pass_whatever_allows_it() {
    let table = table();
    let [hub, ghcr] = ["docker.io", "ghcr.io"].map(|name| table.find(name).unwrap());
    let mut access = Access::open(&table);
    access.deny(ghcr, "org/secret-*", &table).unwrap();
    assert!(access.check(ghcr, "org/a").is_ok());
    assert!(access.check(ghcr, "org/secret-a").is_err());
    assert!(access.check(hub, "org/secret-a").is_ok());
    assert!(access.check_all(ghcr).is_err() && access.check_all(hub).is_ok());
    assert!(access.check_any(ghcr).is_ok());
    access.allow(ghcr, "org/*", &table).unwrap();
    access.deny(hub, "alpine", &table).unwrap();
    assert!(access.check(ghcr, "org/secret-a").is_err());
    assert!(access.check(ghcr, "other/a").is_err());
    assert!(access.check(hub, "library/alpine").is_err());
    assert!(!access.is_restricting(), "Docker Hub has no list");
    access
        .deny_also(&["ghcr.io/org/b".to_owned()], &table)
        .unwrap();
    assert!(access.check(ghcr, "org/b").is_err());
}

#[test]
fn a_refusal_is_that_of_the_upstream() {
    let table = table();
    let [hub, ghcr] = ["docker.io", "ghcr.io"].map(|name| table.find(name).unwrap());
    let mut access = Access::open(&table);
    let refusal = Refusal {
        refuse_as: RefuseAs::Unknown,
        message: Some("ask the platform team".to_owned()),
    };
    access.refuse(ghcr, refusal.clone());
    for upstream in [hub, ghcr] {
        access.deny(upstream, "**", &table).unwrap();
    }
    assert_eq!(access.check(ghcr, "a/b"), Err(&refusal));
    assert_eq!(access.check(hub, "a/b"), Err(&Refusal::default()));
    assert_eq!(
        (RefuseAs::Unknown.status(), RefuseAs::Unknown.code()),
        (404, "NAME_UNKNOWN")
    );
}

#[test]
fn bad_rules_are_refused() {
    for rule in ["", "ghcr.io", "ghcr.io/", "/a", "*"] {
        assert_eq!(
            allow(&[rule]).unwrap_err(),
            AccessError::Shape(rule.to_owned()),
            "{rule}"
        );
    }
    for rule in ["quay.io/a", "*/a", "https://ghcr.io/a"] {
        assert!(
            matches!(allow(&[rule]), Err(AccessError::Unknown { .. })),
            "{rule}"
        );
    }
    let globs = [
        "ghcr.io/!a",
        "ghcr.io/Org/*",
        "ghcr.io/a:latest",
        "ghcr.io/a@sha256",
        "ghcr.io//a",
        "ghcr.io/a/",
        "ghcr.io/{a",
        "ghcr.io/[a",
        "ghcr.io/a\\*",
        "ghcr.io/a b",
        "ghcr.io/ü",
    ];
    for rule in globs {
        let error = allow(&["ghcr.io/fine/*", rule]).unwrap_err();
        let glob = rule.split_once('/').unwrap().1;
        assert_eq!(error, AccessError::Glob(glob.to_owned()), "{rule}");
        assert!(
            error.to_string().contains(glob.trim_end_matches("\\*")),
            "{error}"
        );
    }
}
