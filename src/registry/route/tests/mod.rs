//! Requests by the table of design §3: [`upstreams`] is who is asked, [`contents`], [`catalogues`] and [`tokens`] for what,
//! [`refused`] what goes nowhere.

mod catalogues;
mod contents;
mod refused;
mod tokens;
mod upstreams;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn table(texts: &[&str]) -> Table {
    let mut table = Table::of(texts);
    if table.find("ghcr.io").is_some() {
        table.add_alias("ghcr.io", "gh.test").unwrap();
    }
    table
}

fn one() -> Table {
    table(&["docker.io"])
}

fn several() -> Table {
    table(&[
        "docker.io",
        "ghcr.io",
        "http://127.0.0.1:5100",
        "corp=https://reg.corp.test",
    ])
}

fn ask(table: &Table, method: &str, target: &str, host: &str) -> Result<Route, RouteError> {
    ask_allowed(table, &[], method, target, host)
}

fn ask_allowed(
    table: &Table,
    rules: &[&str],
    method: &str,
    target: &str,
    host: &str,
) -> Result<Route, RouteError> {
    let rules: Vec<String> = rules.iter().map(|&rule| rule.to_owned()).collect();
    let allow = Access::parse(&rules, table).unwrap();
    let host = (!host.is_empty()).then(|| Authority::parse(host.as_bytes()).unwrap());
    let asked = Asked {
        method: method.as_bytes(),
        target,
        host: host.as_ref(),
    };
    route(&asked, table, &allow)
}

fn content(table: &Table, target: &str, host: &str) -> Content {
    match ask(table, "GET", target, host) {
        Ok(Route::Content(content)) => content,
        other => panic!("{target}: {other:?}"),
    }
}

fn name_of(table: &Table, id: UpstreamId) -> &str {
    &table.get(id).name
}

/// The rows of a table below its heading; `-` is an empty column.
fn rows<const N: usize>(table: &str) -> impl Iterator<Item = [&str; N]> {
    let rows = table.lines().filter(|line| !line.is_empty()).skip(1);
    rows.map(|row| {
        let columns = row.split_whitespace().map(|column| match column {
            "-" => "",
            column => column,
        });
        let columns: Vec<_> = columns.collect();
        columns.try_into().unwrap_or_else(|_| panic!("{row}"))
    })
}

/// What an empty column stands for where there may be nothing.
fn some(column: &str) -> Option<&str> {
    (!column.is_empty()).then_some(column)
}

#[test]
fn own_endpoints() {
    for table in [one(), several()] {
        assert_eq!(ask(&table, "GET", "/health", "x"), Ok(Route::Health));
        assert_eq!(ask(&table, "HEAD", "/ready?x=1", ""), Ok(Route::Ready));
        assert_eq!(ask(&table, "GET", "/ca.crt", "x"), Ok(Route::Ca));
    }
}

#[test]
fn any_byte_anywhere_is_survived() {
    let target = format!("/v2/ghcr.io/a/blobs/{DIGEST}?ns=127.0.0.1%3A5100&n=1");
    let table = several();
    for at in 0..=target.len() {
        let _ = ask(&table, "GET", &target[..at], "");
        for c in ['\0', '%', '/', '.', ':', '?', '&', '\u{7f}', 'é'] {
            let changed = format!("{}{c}{}", &target[..at], &target[at..]);
            if let Ok(Route::Content(content)) = ask(&table, "GET", &changed, "") {
                assert!(
                    crate::registry::name::is_repository(content.repository()),
                    "{changed}"
                );
                assert!(
                    content.path_and_query.bytes().all(|b| b.is_ascii_graphic()),
                    "{changed}"
                );
            }
        }
    }
}
