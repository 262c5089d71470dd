use super::super::links::{link, link_from, link_with, location};
use super::super::route::mounted::MountView;
use super::super::route::{Asked, Place, Route, route};
use super::{assert_word, parts, rules, shared_table, target};
use crate::http::uri::{Target, split_query};

/// The reference of a `Location` or `Link`, which asked and how the client named the upstream: what is written anew leads
/// to docxy, to the same upstream, and nothing else of the field changes.
pub fn links(data: &[u8]) {
    let [value, path] = parts(data);
    let table = shared_table();
    let asked = target(&table, table.default_upstream(), "/");
    let Ok(asked) = asked.resolve(path) else {
        return;
    };
    let (prefix, ns) = (Some("docker.io".to_owned()), Some("docker.io".to_owned()));
    for (prefix, ns) in [
        (None, None),
        (prefix.clone(), None),
        (None, ns.clone()),
        (prefix, ns),
    ] {
        let place = Place {
            prefix,
            ns,
            ..Place::default()
        };
        if let Some(written) = location(value, &asked, &place) {
            check_location(&written, &place);
        }
        check_link(value, &asked, &place);
        check_pages(value, &asked, &place);
    }
    let access = rules(&table);
    for base in ["", "https://docxy.test:5000"] {
        let view = MountView {
            table: &table,
            access: &access,
            base,
        };
        if let Ok(target) = asked.resolve(value) {
            check_mounted(&target, &view);
        }
    }
}

/// A client that goes where it is sent comes to the mount that leads to the same target.
fn check_mounted(target: &Target, view: &MountView<'_>) {
    let Some((mounted, reference)) = view.reference(target) else {
        return;
    };
    let docxy = Target::parse(b"https://docxy.test:5000/x").expect("an URL");
    let seen = docxy.resolve(reference.as_bytes()).expect("a reference");
    assert_eq!(seen.origin, docxy.origin);
    let asked = Asked {
        method: b"GET",
        target: &seen.path_and_query,
        host: None,
    };
    let found = route(&asked, view.table, view.access);
    assert_eq!(found, Ok(Route::Mounted(mounted.clone())));
    let mount = view.table.mounts().get(mounted.mount);
    assert_eq!(mount.origin, target.origin);
    assert_eq!(mounted.path_and_query, target.path_and_query);
}

fn check_location(written: &str, place: &Place) {
    assert_word(written);
    let docxy = Target::parse(b"https://docxy.test/v2/x/").expect("an URL");
    let seen = docxy.resolve(written.as_bytes()).expect("a reference");
    assert_eq!(seen.origin, docxy.origin);
    assert_eq!(
        seen.path_and_query, written,
        "it has nothing to be resolved"
    );
    let prefix = place.prefix.as_ref().map(|prefix| format!("{prefix}/"));
    assert!(written.starts_with(&format!("/v2/{}", prefix.unwrap_or_default())));
    if let Some(ns) = &place.ns {
        let (_, query) = split_query(written);
        let is_ns = |piece: &&str| piece.starts_with("ns=") || *piece == "ns";
        // A second question mark is part of a parameter's name.
        let query = query.strip_prefix('?').unwrap_or(query);
        let pieces: Vec<&str> = query.split('&').filter(is_ns).collect();
        assert_eq!(pieces, [format!("ns={ns}")]);
    }
}

/// A link of an answer from elsewhere leads to what was asked for, with another query at most, or is left out.
fn check_pages(value: &[u8], from: &Target, place: &Place) {
    let asked = Target::parse(b"https://asked.test/v2/b/tags/list?n=1").expect("an URL");
    let Some(written) = link_from(value, from, &asked, place) else {
        return;
    };
    assert!(written.contains(&b'<'));
    if !value.iter().any(u8::is_ascii_control) {
        assert!(!written.iter().any(u8::is_ascii_control));
    }
    let prefix = place.prefix.as_ref().map(|prefix| format!("{prefix}/"));
    let own = format!("/v2/{}b/tags/list", prefix.unwrap_or_default());
    let seen = link_with(&written, |reference| {
        let reference = str::from_utf8(reference).expect("it is written anew");
        assert_eq!(split_query(reference).0, own);
        check_location(reference, place);
        None
    });
    assert_eq!(seen, written);
}

fn check_link(value: &[u8], asked: &Target, place: &Place) {
    let written = link(value, asked, place);
    // What may stand in a field may stand in what becomes of it, so that it cannot end there.
    if !value.iter().any(u8::is_ascii_control) {
        assert!(!written.iter().any(u8::is_ascii_control));
    }
    if !value.contains(&b'<') {
        assert_eq!(written, value);
    }
    if *place == Place::default() {
        let again = link(&written, asked, place);
        assert_eq!(again, written, "what leads to docxy stays as it is");
    }
}
