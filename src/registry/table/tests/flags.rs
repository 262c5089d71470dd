//! What other flags say of an upstream, and how a mistake is told.

use super::*;

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
