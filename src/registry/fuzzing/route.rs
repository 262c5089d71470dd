use bytes::Bytes;

use super::super::access::Access;
use super::super::route::{Asked, Content, Kind, Mounted, Place, Route, TokenRoute};
use super::super::table::mounts::Mount;
use super::super::table::{Table, UpstreamId};
use super::{assert_repository, assert_word, rules, shared_table, target};
use crate::http::head::RequestHead;
use crate::http::request::effective;
use crate::http::uri::{Target, split_query};

/// The head of a request: it goes to an upstream of the table, for what may pass there, or nowhere.
pub fn route(data: &[u8]) {
    let Ok(head) = RequestHead::parse(Bytes::copy_from_slice(data)) else {
        return;
    };
    let Ok(effective) = effective(&head) else {
        return;
    };
    let asked = Asked {
        method: head.method(),
        target: &effective.target,
        host: effective.authority.as_ref(),
    };
    let (shared, single) = (shared_table(), Table::of(&["docker.io"]));
    for (table, access) in [
        (&shared, Access::open(&shared)),
        (&shared, rules(&shared)),
        (&single, Access::open(&single)),
    ] {
        check(&asked, table, &access);
    }
}

fn check(asked: &Asked<'_>, table: &Table, access: &Access) {
    let route = match super::super::route::route(asked, table, access) {
        Ok(route) => route,
        Err(error) => {
            let is_shown = |c: char| c == ' ' || c.is_ascii_graphic();
            assert!(error.to_string().chars().all(is_shown), "{error}");
            assert!(matches!(error.status(), 400 | 403 | 404 | 405));
            assert_eq!(error.status() == 405, error.allow_methods().is_some());
            return;
        }
    };
    if let Route::Ping { place, .. } | Route::Content(Content { place, .. }) = &route {
        let of_errors = super::super::route::namespace(asked.target, table);
        assert_eq!(of_errors, place.namespace());
    }
    let is_token = matches!(route, Route::Token(_));
    assert!(matches!(asked.method, b"GET" | b"HEAD") || (is_token && asked.method == b"POST"));
    match route {
        Route::Health | Route::Ready | Route::Ca => {}
        Route::Metrics => panic!("clients come to the metrics"),
        Route::SharedPing => assert!(table.is_shared()),
        Route::Ping { upstream, place } => {
            assert!(table.ids().any(|id| id == upstream));
            check_place(&place, table);
        }
        Route::Token(token) => check_token(&token, table),
        Route::Content(content) => check_content(&content, table, access),
        Route::Catalog(_) => panic!("catalogues are not shown"),
        Route::Mounted(mounted) => check_mounted(asked, &mounted, table, access),
    }
}

fn check_token(token: &TokenRoute, table: &Table) {
    for upstream in [token.upstream, token.by_host].into_iter().flatten() {
        assert!(table.ids().any(|id| id == upstream));
    }
    assert!(
        token
            .query
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'#')
    );
    assert!(!token.shared || table.is_shared());
}

fn check_content(content: &Content, table: &Table, access: &Access) {
    assert!(table.ids().any(|id| id == content.upstream));
    assert_repository(content.repository());
    assert!(access.check(content.upstream, content.repository()).is_ok());
    assert_word(&content.path_and_query);
    let keyword = match content.kind {
        Kind::Manifest => "/manifests/",
        Kind::Blob => "/blobs/",
        Kind::Tags => "/tags/list",
        Kind::Referrers => "/referrers/",
    };
    let (path, query) = split_query(&content.path_and_query);
    let reference = path.strip_prefix(&format!("/v2/{}{keyword}", content.repository()));
    let reference = reference.expect("the path is that of the repository");
    let is_in = |b: u8| b.is_ascii_alphanumeric() || b"._:+=-".contains(&b);
    assert!(reference.bytes().all(is_in), "{reference:?}");
    assert_eq!(reference.is_empty(), content.kind == Kind::Tags);
    // Of `??ns=` the second `?` is part of a parameter's name, which is another one then.
    let parameters = query.strip_prefix('?').unwrap_or_default();
    assert!(!parameters.split('&').any(|piece| piece.starts_with("ns=")));
    if table.get(content.upstream).is_docker_hub() {
        assert!(content.repository().contains('/'));
    }
    let asked = target(table, content.upstream, &content.path_and_query);
    assert_eq!(
        Target::parse(asked.to_string().as_bytes()),
        Ok(asked),
        "nothing is to be resolved"
    );
    if let Some(prefix) = &content.place.prefix {
        assert!(prefix.contains('.'));
        assert_eq!(table.find(prefix), Some(content.upstream), "the path wins");
    }
    check_place(&content.place, table);
}

/// It is what was asked for, byte for byte, by the longest prefix; and no way round the rules of the upstreams there.
fn check_mounted(asked: &Asked<'_>, mounted: &Mounted, table: &Table, access: &Access) {
    let mount = table.mounts().get(mounted.mount);
    let (path, query) = split_query(&mounted.path_and_query);
    let outside = format!("{}{path}{query}", mount.prefix);
    let bare = format!("{}{query}", mount.prefix);
    assert!(asked.target == outside || (path == "/" && asked.target == bare));
    let longer = |other: &Mount| {
        other.prefix.len() > mount.prefix.len()
            && asked.target.starts_with(&format!("{}/", other.prefix))
    };
    assert!(!table.mounts().iter().any(longer));
    assert_word(&mounted.path_and_query);
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let segments = || decoded.split(|b| matches!(b, b'/' | b'\\'));
    assert!(!segments().any(|segment| matches!(segment, b"." | b"..")));
    assert_eq!(segments().count(), path.split('/').count());
    assert!(!decoded.iter().any(u8::is_ascii_control));
    let origin = mount.origin.clone();
    let seen = Target {
        origin,
        path_and_query: mounted.path_and_query.clone(),
    };
    assert_eq!(Target::parse(seen.to_string().as_bytes()), Ok(seen));
    let name = path.strip_prefix("/v2/").and_then(|rest| {
        let keywords = ["/manifests/", "/blobs/", "/referrers/", "/tags/list"];
        keywords
            .iter()
            .filter_map(|keyword| rest.rfind(keyword))
            .max()
            .map(|end| &rest[..end])
    });
    let may_pass = |&upstream: &UpstreamId| match name {
        Some(name) if mounted.kind.is_some() => access.check(upstream, name).is_ok(),
        _ => access.check_all(upstream).is_ok() || matches!(path, "/v2" | "/v2/"),
    };
    assert!(
        mount.upstreams.is_empty() || mount.upstreams.iter().any(may_pass),
        "{path}"
    );
}

fn check_place(place: &Place, table: &Table) {
    let is_in = |b: u8| b.is_ascii_alphanumeric() || b".:_-[]".contains(&b);
    let names = [place.prefix.clone(), place.namespace()];
    assert!(names.iter().flatten().all(|name| name.bytes().all(is_in)));
    assert_eq!(place.ns.is_some(), place.namespace().is_some());
    assert!(
        place
            .ns
            .iter()
            .all(|ns| ns.bytes().all(|b| is_in(b) || b == b'%'))
    );
    assert!(!place.shared || table.is_shared());
}
