//! RFC 9112 §3.2: the four forms of a target, and what no target may hold.

use crate::case::{Request, answered, passed, refused};

/// A GET of this target.
fn target(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
}

pub fn cases() -> Vec<Request> {
    [origin_form(), mounted(), absolute_form(), other_forms()].concat()
}

fn origin_form() -> Vec<Request> {
    let query = "a=b&c=%2F&d=/../?e=[]{}|\"<>`^\\";
    vec![
        passed("tags with a query", target("/v2/a/tags/list?n=1&last=CASE"), "").line("GET /v2/a/tags/list?n=1&last=CASE"),
        passed("an empty query", target("/v2/a/manifests/CASE?"), "").line("GET /v2/a/manifests/CASE?"),
        passed("a query of odd bytes, byte for byte", target(&format!("/v2/a/manifests/CASE?{query}")), "")
            .line(&format!("GET /v2/a/manifests/CASE?{query}")),
        passed("a name of an upstream in the path", target("/v2/reg.test/a/manifests/CASE"), ""),
        passed("ns", target("/v2/a/manifests/CASE?ns=reg.test"), ""),
        answered(404, "ns of somebody else", target("/v2/a/manifests/CASE?ns=evil.test")),
        answered(400, "a name of somebody else in the path", target("/v2/evil.test:80/a/manifests/CASE")),
        refused(400, "a fragment", target("/v2/a/manifests/CASE#x")),
        refused(400, "a fragment within the query", target("/v2/a/manifests/CASE?a#b")),
        answered(400, "dot segments", target("/v2/a/../b/manifests/CASE")),
        answered(400, "encoded dot segments", target("/v2/a/%2e%2e/b/manifests/CASE")),
        answered(400, "a dot segment at the end", target("/v2/a/manifests/CASE/..")),
        answered(400, "dot segments out of /v2/", target("/v2/../../etc/manifests/CASE")),
        answered(400, "an encoded slash", target("/v2/a%2fb/manifests/CASE")),
        answered(400, "an encoded NUL", target("/v2/a/manifests/CASE%00")),
        answered(400, "an encoded CRLF", target("/v2/a/manifests/CASE%0d%0aHost:%20evil")),
        passed("an encoded CRLF in the query stays encoded", target("/v2/a/tags/list?last=CASE%0d%0aHost:%20evil"), "")
            .line("GET /v2/a/tags/list?last=CASE%0d%0aHost:%20evil"),
        passed("an encoded NUL in the query stays encoded", target("/v2/a/tags/list?last=CASE%00"), "").line("GET /v2/a/tags/list?last=CASE%00"),
        answered(400, "half an escape", target("/v2/a/manifests/CASE%4")),
        answered(400, "an empty segment", target("/v2//a/manifests/CASE")),
        answered(400, "a backslash", target("/v2/a\\b/manifests/CASE")),
        answered(400, "a path of parameters", target("/v2/a/manifests/CASE;x=y")),
        answered(400, "a repository in upper case", target("/v2/A/manifests/CASE")),
        answered(404, "no path below /v2", target("/v1/a/manifests/CASE")),
        answered(400, "two slashes first", target("//v2/a/manifests/CASE")),
        refused(400, "a byte beyond ASCII", target("/v2/\u{e9}/manifests/CASE")),
        refused(400, "a byte beyond UTF-8", b"GET /v2/\xff/manifests/CASE HTTP/1.1\r\nHost: h\r\n\r\n"),
        refused(400, "DEL", target("/v2/\x7f/manifests/CASE")),
        refused(400, "a control byte", target("/v2/\x01/manifests/CASE")),
    ]
}

/// What follows the prefix of a mount is the origin's affair, but for what could lead out of it.
fn mounted() -> Vec<Request> {
    vec![
        passed("a mounted path", target("/mounted/v2/a/manifests/CASE"), ""),
        passed("a mounted path of no registry's, byte for byte", target("/mounted/d//x%20y%c3%a9/;CASE/?a=|&b=%2F"), "")
            .line("GET /d//x%20y%c3%a9/;CASE/?a=|&b=%2F"),
        passed("a mount's prefix alone", target("/mounted?CASE"), "").line("GET /?CASE"),
        answered(404, "what only begins like a mount's prefix", target("/mountedx/CASE")),
        answered(404, "a mount's prefix in another case", target("/Mounted/CASE")),
        answered(404, "a mount's prefix with an escape", target("/m%6funted/CASE")),
        answered(400, "dot segments out of a mount", target("/mounted/../v2/a/manifests/CASE")),
        answered(400, "encoded dot segments out of a mount", target("/mounted/%2E%2e/v2/a/manifests/CASE")),
        answered(400, "dot segments into a mount", target("/v2/../mounted/CASE")),
        answered(400, "an encoded slash under a mount", target("/mounted/a%2fCASE")),
        answered(400, "an encoded backslash under a mount", target("/mounted/a%5cCASE")),
        answered(400, "an encoded percent sign under a mount", target("/mounted/a%252fCASE")),
        answered(400, "an encoded NUL under a mount", target("/mounted/CASE%00")),
        answered(400, "an encoded CRLF under a mount", target("/mounted/CASE%0d%0aHost:%20evil")),
        answered(400, "half an escape under a mount", target("/mounted/CASE%4")),
        answered(400, "a backslash under a mount", target("/mounted/a\\CASE")),
        refused(400, "a fragment under a mount", target("/mounted/CASE#x")),
    ]
}

/// The authority of an absolute target counts, and docxy writes Host anew in any case.
const OTHER_HOST: &str = "RFC 9112 §3.2.2: a Host beside an absolute target is ignored; HAProxy wants the two to be equal";

fn absolute_form() -> Vec<Request> {
    vec![
        passed("an absolute target of docxy", target("http://reg.test/v2/a/manifests/CASE"), "").laxer(OTHER_HOST),
        passed("an absolute target of another case", target("HTTP://REG.TEST/v2/a/manifests/CASE"), "").laxer(OTHER_HOST),
        passed("an absolute target that Host agrees with", "GET http://reg.test/v2/a/manifests/CASE HTTP/1.1\r\nHost: reg.test\r\n\r\n", ""),
        passed("an absolute target in HTTP/1.0", "GET http://reg.test/v2/a/manifests/CASE HTTP/1.0\r\n\r\n", "").closing(),
        refused(421, "an absolute target of somebody else", target("http://evil.test/v2/a/manifests/CASE")),
        refused(421, "an absolute target with the name as a part", target("http://reg.test.evil.test/v2/a/manifests/CASE")),
        refused(421, "an absolute target of a metadata address", target("http://169.254.169.254/v2/a/manifests/CASE")),
        refused(400, "an absolute target and two Hosts", "GET http://reg.test/v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
        refused(400, "an absolute target and no Host", "GET http://reg.test/v2/a/manifests/CASE HTTP/1.1\r\n\r\n"),
        refused(400, "an absolute target and a malformed Host", "GET http://reg.test/v2/a/manifests/CASE HTTP/1.1\r\nHost: a b\r\n\r\n"),
        refused(400, "userinfo", target("http://evil.test@reg.test/v2/a/manifests/CASE")),
        refused(400, "userinfo with a password", target("http://u:p@reg.test/v2/a/manifests/CASE")),
        refused(400, "userinfo of docxy's name", target("http://reg.test@evil.test/v2/a/manifests/CASE")),
        refused(400, "no authority", target("http:///v2/a/manifests/CASE")),
        refused(400, "a port that is none", target("http://reg.test:x/v2/a/manifests/CASE")),
        refused(400, "another scheme", target("ftp://reg.test/v2/a/manifests/CASE")),
        refused(400, "a backslash in the authority", target("http://reg.test\\@evil.test/v2/a/manifests/CASE")),
        refused(400, "a decimal address", target("http://2130706433/v2/a/manifests/CASE")),
        refused(400, "an octal address", target("http://0177.0.0.1/v2/a/manifests/CASE")),
        refused(400, "a hexadecimal address", target("http://0x7f000001/v2/a/manifests/CASE")),
        answered(404, "an absolute target without path", target("http://reg.test?CASE")),
        answered(400, "one slash after the scheme", target("http:/v2/a/manifests/CASE")),
    ]
}

fn other_forms() -> Vec<Request> {
    vec![
        answered(400, "asterisk", target("*")),
        answered(405, "asterisk of OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
        refused(405, "CONNECT", "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n"),
        refused(405, "CONNECT to docxy", "CONNECT reg.test:443 HTTP/1.1\r\nHost: reg.test\r\n\r\n"),
        refused(405, "CONNECT and what is meant for its tunnel", [&b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n"[..], &target("/v2/a/manifests/CASE")].concat()),
        refused(405, "CONNECT with a body", "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\nContent-Length: 5\r\n\r\nhello"),
        answered(400, "an authority alone", target("evil.test:80")),
        answered(400, "a path without its slash", target("v2/a/manifests/CASE")),
        answered(400, "a question mark alone", target("?CASE")),
        answered(400, "a scheme alone", target("http:CASE")),
    ]
}
