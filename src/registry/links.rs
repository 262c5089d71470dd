//! `Link` (RFC 8288) and `Location` in the client's view: what points at the upstream points through docxy.

use super::route::place::{Place, without_ns};
use crate::http::uri::{Target, split_query};

/// A `Location` as the client must see it: path-absolute, with its prefix after `/v2/` and its `ns` in the query.
///
/// `asked` is the request as the upstream saw it. `None` if the reference leaves the upstream's `/v2/` or is malformed: it is
/// left as it is.
pub fn location(value: &[u8], asked: &Target, place: &Place) -> Option<String> {
    let target = asked.resolve(value).ok()?;
    if target.origin != asked.origin {
        return None;
    }
    let (path, query) = split_query(&target.path_and_query);
    let rest = path.strip_prefix("/v2/")?;
    // An absolute reference keeps its dot segments, and they could lead out of the prefix.
    if rest
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return None;
    }
    let prefix = place
        .prefix
        .as_deref()
        .map(|prefix| format!("{prefix}/"))
        .unwrap_or_default();
    let query = match &place.ns {
        Some(ns) => with_ns(query, ns),
        None => query.to_owned(),
    };
    Some(format!("/v2/{prefix}{rest}{query}"))
}

/// A `Link` field value with each `<reference>` as [`location`] has it; all else stays byte for byte.
pub fn link(value: &[u8], asked: &Target, place: &Place) -> Vec<u8> {
    link_with(value, |reference| location(reference, asked, place))
}

/// A `Link` field value of an answer from elsewhere, `from`, to which a redirect of `asked` led: the other pages there are
/// those of what the client has asked for.
///
/// `None` if a reference leads to anything else than what has answered: the client would look for that at docxy, where it is
/// another's, if it is anyone's.
pub fn link_from(value: &[u8], from: &Target, asked: &Target, place: &Place) -> Option<Vec<u8>> {
    let mut are_pages = Vec::new();
    let written = link_with(value, |reference| {
        let page = page(reference, from, asked, place);
        are_pages.push(page.is_some());
        page
    });
    // What does not begin with a reference may still be read as one.
    let is_sound = value.trim_ascii_start().starts_with(b"<");
    let leads_on = !are_pages.is_empty() && are_pages.iter().all(|is_page| *is_page);
    (is_sound && leads_on).then_some(written)
}

/// Another page of what `from` has answered, where the client has asked for it.
fn page(reference: &[u8], from: &Target, asked: &Target, place: &Place) -> Option<String> {
    let target = from.resolve(reference).ok()?;
    let (path, query) = split_query(&target.path_and_query);
    if target.origin != from.origin || path != split_query(&from.path_and_query).0 {
        return None;
    }
    let own = Target {
        origin: asked.origin.clone(),
        path_and_query: format!("{}{query}", split_query(&asked.path_and_query).0),
    };
    location(own.to_string().as_bytes(), asked, place)
}

/// A `Link` field value with each `<reference>` as `rewrite` has it, if it has it; all else stays byte for byte.
pub fn link_with(value: &[u8], mut rewrite: impl FnMut(&[u8]) -> Option<String>) -> Vec<u8> {
    let mut written = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        let length = match first {
            b'<' => after.iter().position(|&b| b == b'>').map(|end| end + 1),
            b'"' => quoted_length(after),
            _ => Some(0),
        };
        // What does not end is copied to the end of the field.
        let (piece, following) = rest.split_at(length.map_or(rest.len(), |length| length + 1));
        let reference = piece
            .strip_prefix(b"<")
            .and_then(|piece| piece.strip_suffix(b">"));
        match reference.and_then(&mut rewrite) {
            Some(reference) => {
                // What it is resolved against may hold what would end it here.
                let reference = reference.replace('<', "%3C").replace('>', "%3E");
                written.extend_from_slice(format!("<{reference}>").as_bytes());
            }
            None => written.extend_from_slice(piece),
        }
        rest = following;
    }
    written
}

/// Up to and with the closing quote of a quoted-string whose opening one is passed.
fn quoted_length(after_quote: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let end = after_quote.iter().position(|&b| {
        let closes = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        closes
    });
    end.map(|end| end + 1)
}

fn with_ns(query: &str, ns: &str) -> String {
    let kept = without_ns(query);
    let separator = if kept.is_empty() {
        "?"
    } else if kept == "?" {
        ""
    } else {
        "&"
    };
    format!("{kept}{separator}ns={ns}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Target {
        Target::parse(b"https://r.test/v2/library/a/tags/list?n=1").unwrap()
    }

    fn place(prefix: Option<&str>, ns: Option<&str>) -> Place {
        Place {
            prefix: prefix.map(str::to_owned),
            ns: ns.map(str::to_owned),
            ..Place::default()
        }
    }

    #[test]
    fn references_keep_the_clients_prefix_and_ns() {
        let cases = [
            // reference, plain, with prefix, with ns
            (
                "/v2/library/a/tags/list?n=1&last=x",
                "/v2/library/a/tags/list?n=1&last=x",
                "/v2/r.test/library/a/tags/list?n=1&last=x",
                "/v2/library/a/tags/list?n=1&last=x&ns=r.test%3A5",
            ),
            (
                "https://R.test:443/v2/b/tags/list",
                "/v2/b/tags/list",
                "/v2/r.test/b/tags/list",
                "/v2/b/tags/list?ns=r.test%3A5",
            ),
            (
                "//r.test/v2/b",
                "/v2/b",
                "/v2/r.test/b",
                "/v2/b?ns=r.test%3A5",
            ),
            (
                "?last=y%2Fz",
                "/v2/library/a/tags/list?last=y%2Fz",
                "/v2/r.test/library/a/tags/list?last=y%2Fz",
                "/v2/library/a/tags/list?last=y%2Fz&ns=r.test%3A5",
            ),
            (
                "list?last=y",
                "/v2/library/a/tags/list?last=y",
                "/v2/r.test/library/a/tags/list?last=y",
                "/v2/library/a/tags/list?last=y&ns=r.test%3A5",
            ),
            (
                "../../b/tags/list",
                "/v2/library/b/tags/list",
                "/v2/r.test/library/b/tags/list",
                "/v2/library/b/tags/list?ns=r.test%3A5",
            ),
            ("/v2/b?", "/v2/b?", "/v2/r.test/b?", "/v2/b?ns=r.test%3A5"),
            (
                "/v2/b?ns=x&n=1",
                "/v2/b?ns=x&n=1",
                "/v2/r.test/b?ns=x&n=1",
                "/v2/b?n=1&ns=r.test%3A5",
            ),
            ("/v2/b#f", "/v2/b", "/v2/r.test/b", "/v2/b?ns=r.test%3A5"),
            ("/v2/", "/v2/", "/v2/r.test/", "/v2/?ns=r.test%3A5"),
        ];
        for (reference, plain, prefixed, with_ns) in cases {
            let shown = |place| location(reference.as_bytes(), &asked(), &place);
            assert_eq!(
                shown(place(None, None)).as_deref(),
                Some(plain),
                "{reference}"
            );
            assert_eq!(
                shown(place(Some("r.test"), None)).as_deref(),
                Some(prefixed),
                "{reference}"
            );
            assert_eq!(
                shown(place(None, Some("r.test%3A5"))).as_deref(),
                Some(with_ns),
                "{reference}"
            );
        }
        let both = location(b"/v2/b?x", &asked(), &place(Some("R.test"), Some("r")));
        assert_eq!(both.as_deref(), Some("/v2/R.test/b?x&ns=r"));
    }

    #[test]
    fn what_points_elsewhere_is_left() {
        let references: [&[u8]; 12] = [
            b"https://r.test/v2/../a",
            b"https://r.test/v2/a/./b",
            b"https://other.test/v2/a",
            b"http://r.test/v2/a",
            b"https://r.test:8443/v2/a",
            b"//other.test/v2/a",
            b"/other/a",
            b"/v2",
            b"/v2/../etc",
            b"mailto:a@b",
            b"https://u:p@r.test/v2/a",
            b"/v2/a\r\nX: y",
        ];
        for reference in references {
            assert_eq!(
                location(reference, &asked(), &place(Some("r.test"), None)),
                None,
                "{}",
                reference.escape_ascii()
            );
        }
    }

    #[test]
    fn a_reference_cannot_break_out_of_its_brackets() {
        let asked = Target::parse(b"https://r.test/v2/a>/list?last=><evil>").unwrap();
        for (value, expected) in [
            (
                "<>; rel=next",
                "</v2/a%3E/list?last=%3E%3Cevil%3E>; rel=next",
            ),
            ("<x<y>", "</v2/a%3E/x%3Cy>"),
        ] {
            let written = link(value.as_bytes(), &asked, &Place::default());
            assert_eq!(String::from_utf8(written).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn links_change_between_their_brackets_only() {
        let cases = [
            ("", ""),
            (
                "</v2/a/tags/list?last=x>; rel=\"next\"",
                "</v2/r.test/a/tags/list?last=x>; rel=\"next\"",
            ),
            ("<https://r.test/v2/a>;rel=next", "</v2/r.test/a>;rel=next"),
            (
                "</v2/a,b;c>; rel=\"next\" , </v2/d>",
                "</v2/r.test/a,b;c>; rel=\"next\" , </v2/r.test/d>",
            ),
            (
                "<https://other.test/v2/a>; rel=next",
                "<https://other.test/v2/a>; rel=next",
            ),
            (
                "</v2/a>; title=\"</v2/b>, \\\"</v2/c>\\\\\"; rel=next, </v2/d>",
                "</v2/r.test/a>; title=\"</v2/b>, \\\"</v2/c>\\\\\"; rel=next, </v2/r.test/d>",
            ),
            ("</v2/a", "</v2/a"),
            (
                "</v2/a>; title=\"</v2/b>",
                "</v2/r.test/a>; title=\"</v2/b>",
            ),
            (
                "<>; rel=next",
                "</v2/r.test/library/a/tags/list?n=1>; rel=next",
            ),
            ("nothing", "nothing"),
        ];
        for (value, expected) in cases {
            let written = link(value.as_bytes(), &asked(), &place(Some("r.test"), None));
            assert_eq!(String::from_utf8(written).unwrap(), expected, "{value}");
        }
        assert_eq!(
            link(b"\xff</v2/a>\xff", &asked(), &place(None, None)),
            b"\xff</v2/a>\xff"
        );
    }

    #[test]
    fn pages_from_elsewhere_are_pages_of_what_was_asked() {
        let from = Target::parse(b"https://cdn.test/v2/p/q/a/tags/list?n=1&sig=x").unwrap();
        let next = |query: &str| format!("</v2/library/a/tags/list{query}>; rel=\"next\"");
        for reference in [
            "/v2/p/q/a/tags/list?n=1&last=b%2F",
            "https://cdn.test/v2/p/q/a/tags/list?n=1&last=b%2F",
            "?n=1&last=b%2F",
            "list?n=1&last=b%2F",
        ] {
            let value = format!("<{reference}>; rel=\"next\"");
            let written = |place| {
                let written = link_from(value.as_bytes(), &from, &asked(), &place);
                written.map(|written| String::from_utf8(written).unwrap())
            };
            let query = "?n=1&last=b%2F";
            assert_eq!(written(place(None, None)), Some(next(query)), "{value}");
            let prefixed = next(query).replace("/v2/", "/v2/r.test/");
            assert_eq!(written(place(Some("r.test"), None)), Some(prefixed));
            let with_ns = next("?n=1&last=b%2F&ns=r.test");
            assert_eq!(written(place(None, Some("r.test"))), Some(with_ns));
        }
        let two = b"<?last=b>; rel=next, <?last=\xff>; rel=last".as_slice();
        for value in [
            b"</v2/library/a/tags/list?last=b>; rel=next".as_slice(),
            b"<https://r.test/v2/p/q/a/tags/list?last=b>; rel=next",
            b"</v2/p/q/a/tags/list/../list?last=b%2F>, </docs>; rel=help",
            b"?last=b; rel=next",
            b"\"<?last=b>; rel=next",
            b"/v2/x; rel=next, <?last=b>; rel=next",
            b"<?last=b",
            b"<mailto:a@b>",
            b"nothing",
            b"",
            two,
        ] {
            let written = link_from(value, &from, &asked(), &place(None, None));
            assert_eq!(written, None, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn any_cut_and_any_byte_is_survived() {
        let value = b"<https://r.test/v2/a?x=1>; rel=\"ne\\\"xt\", <b>; t=\"<c>\"";
        for at in 0..value.len() {
            let place = place(Some("r.test"), Some("r.test"));
            let _ = link(&value[..at], &asked(), &place);
            let _ = link(&value[at..], &asked(), &place);
            for b in [b'<', b'>', b'"', b'\\', b'\r', 0, 0xff] {
                let mut changed = value.to_vec();
                changed[at] = b;
                let written = link(&changed, &asked(), &place);
                let lines = |bytes: &[u8]| bytes.iter().filter(|&&b| b == b'\r').count();
                assert!(lines(&written) <= lines(&changed));
            }
        }
    }
}
