//! `/v2/_catalog`, which is shown on request only.

use super::*;

#[test]
fn catalogues_are_404_unless_they_are_shown() {
    let table = several();
    let asked = |target, host: &str, access: &Access| {
        let host = (!host.is_empty()).then(|| Authority::parse(host.as_bytes()).unwrap());
        let asked = Asked {
            method: b"GET",
            target,
            host: host.as_ref(),
        };
        route(&asked, &table, access)
    };
    let mut shown = Access::parse(&["ghcr.io/org/*".to_owned()], &table).unwrap();
    shown.show_catalogs();
    let mut all = Access::open(&table);
    assert_eq!(asked("/v2/_catalog", "", &all), Err(RouteError::NotFound));
    all.show_catalogs();
    let cases = [
        ("/v2/_catalog", "", "docker.io", "/v2/_catalog"),
        (
            "/v2/_catalog?n=2&last=a%2fb",
            "gh.test",
            "ghcr.io",
            "/v2/_catalog?n=2&last=a%2fb",
        ),
        (
            "/v2/ghcr.io/_catalog?n=2",
            "",
            "ghcr.io",
            "/v2/_catalog?n=2",
        ),
        (
            "/v2/_catalog?ns=ghcr.io&n=2",
            "",
            "ghcr.io",
            "/v2/_catalog?n=2",
        ),
        ("/v2/_catalog?ns=ghcr.io", "", "ghcr.io", "/v2/_catalog"),
    ];
    for (target, host, upstream, path_and_query) in cases {
        let Ok(Route::Catalog(catalog)) = asked(target, host, &all) else {
            panic!("{target}");
        };
        assert_eq!(name_of(&table, catalog.upstream), upstream, "{target}");
        assert_eq!(catalog.path_and_query, path_and_query, "{target}");
        let refused = asked(target, host, &shown).unwrap_err();
        assert_eq!(
            (refused.status(), refused.code()),
            (403, "DENIED"),
            "{target}"
        );
    }
    for target in ["/v2/_catalog/", "/v2/a/_catalog", "/v2/_catalogs"] {
        assert_eq!(
            asked(target, "", &all),
            Err(RouteError::NotFound),
            "{target}"
        );
    }
}
