use std::collections::HashSet;

use super::super::access::Access;
use super::super::identity::Identity;
use super::super::table::{Table, UpstreamId};
use super::super::token::Parameters;
use super::{assert_repository, parts, rules, shared_table};

/// A query or form of a token request, the realm's own query and its service: what is sent asks for what may pass only, and
/// an anonymous request says nothing of who asks.
pub fn token(data: &[u8]) {
    let [asked, own, service] = parts(data).map(|part: &[u8]| str::from_utf8(part).ok());
    let (Some(asked), Some(own), Some(service)) = (asked, own, service) else {
        return;
    };
    let Ok(parameters) = Parameters::parse(asked) else {
        return;
    };
    // A realm's query comes out of a target.
    if Parameters::parse(own).is_err() {
        return;
    }
    let table = shared_table();
    let service = Some(service).filter(|service| !service.is_empty());
    for access in [Access::open(&table), rules(&table)] {
        for upstream in table.ids() {
            // Scopes choose the upstream unless the path has, the Host where they name none.
            let chosen = parameters.upstream(&table, Some(upstream));
            if chosen
                .as_ref()
                .is_ok_and(|chosen| chosen.is_none_or(|chosen| chosen == upstream))
            {
                check(&parameters, &table, upstream, &access, own, service);
            }
            if parameters.upstream(&table, None) == Ok(Some(upstream)) {
                check(&parameters, &table, upstream, &access, own, service);
                check_renewed(asked, &table, upstream);
            }
        }
    }
}

/// Who adds to its scopes those of the upstream's own challenge is sent to the same upstream, for the same repositories.
fn check_renewed(asked: &str, table: &Table, upstream: UpstreamId) {
    let parameters = Parameters::parse(asked).expect("it has been read");
    let repositories = parameters.repositories(table, upstream);
    let has_name = |name: &String| name.split('/').any(|part| table.find(part).is_some());
    if parameters
        .check(table, upstream, &Access::open(table))
        .is_err()
        || repositories.iter().any(has_name)
    {
        return;
    }
    let mut renewed = asked.to_owned();
    for name in &repositories {
        renewed = format!("scope=repository:{name}:pull&{renewed}");
    }
    let renewed = Parameters::parse(&renewed).expect("names need no encoding");
    assert_eq!(renewed.upstream(table, None), Ok(Some(upstream)), "{asked}");
    let again = once(renewed.repositories(table, upstream));
    assert_eq!(again.len(), once(repositories.clone()).len(), "{asked}");
    assert!(repositories.iter().all(|name| again.contains(name)));
}

/// Each of them once, in their order.
fn once(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut names = names;
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn check(
    parameters: &Parameters<'_>,
    table: &Table,
    upstream: UpstreamId,
    access: &Access,
    own: &str,
    service: Option<&str>,
) {
    let repositories = parameters.repositories(table, upstream);
    repositories.iter().for_each(|name| assert_repository(name));
    if parameters.check(table, upstream, access).is_err() {
        return;
    }
    assert!(
        repositories
            .iter()
            .all(|name| access.check(upstream, name).is_ok())
    );
    for identity in [Identity::Own, Identity::Anonymous] {
        let written = parameters.rewrite(table, upstream, service, None, identity);
        let again = Parameters::parse(&written).expect("what is written parses");
        // A registry takes names by the letter, also those that begin like its own name.
        let registry = reader();
        let its = registry.default_upstream();
        assert_eq!(
            once(again.repositories(&registry, its)),
            once(repositories.clone()),
            "{written}"
        );
        let open = Access::open(&registry);
        assert_eq!(again.check(&registry, its, &open), Ok(()), "{written}");
        if let Some(service) = service {
            assert_eq!(
                again.value("service").as_deref(),
                Some(service),
                "{written}"
            );
        }
        assert!(
            identity == Identity::Own || !again.carries_secret(),
            "{written}"
        );
        let with_own = parameters.rewrite(table, upstream, service, Some(own), identity);
        assert!(
            with_own.ends_with(&written),
            "the realm's own come first: {with_own}"
        );
        assert!(Parameters::parse(&with_own).is_ok(), "{with_own}");
    }
}

/// A registry to which no name in a scope means anything but a repository.
fn reader() -> Table {
    Table::of(&["reader.test"])
}
