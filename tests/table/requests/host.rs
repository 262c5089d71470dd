//! RFC 9112 §3.2, RFC 9110 §7.2: exactly one Host, and an authority in it.

use crate::case::{Request, passed, refused};

/// A request with these field lines instead of Host.
fn host(fields: &str) -> Vec<u8> {
    format!("GET /v2/a/manifests/CASE HTTP/1.1\r\n{fields}\r\n").into_bytes()
}

pub fn cases() -> Vec<Request> {
    vec![
        passed("a port", host("Host: h:5000\r\n"), ""),
        passed("an empty port", host("Host: h:\r\n"), ""),
        passed("an address", host("Host: 10.0.0.1\r\n"), ""),
        passed("an IPv6 address", host("Host: [::1]:5000\r\n"), ""),
        passed("a final dot", host("Host: reg.test.\r\n"), ""),
        passed("an underscore", host("Host: my_docxy\r\n"), ""),
        passed("blanks around the value", host("Host: \t h \t\r\n"), "").laxer("RFC 9110 §5.6.3: white space is spaces and tabs; nginx takes spaces only"),
        passed("no blank", host("Host:h\r\n"), ""),
        passed("a name in upper case", host("HOST: H\r\n"), ""),
        passed("last of the fields", host("Accept: a\r\nHost: h\r\n"), "Accept: a\r\n"),
        refused(400, "none", host("")),
        refused(400, "an empty one", host("Host:\r\n")),
        refused(400, "a blank one", host("Host: \t\r\n")),
        refused(400, "two of the same", host("Host: h\r\nHost: h\r\n")),
        refused(400, "two of which one is empty", host("Host: h\r\nHost:\r\n")),
        refused(400, "two in different case", host("Host: h\r\nhOST: evil.test\r\n")),
        refused(400, "two names", host("Host: h evil.test\r\n")),
        refused(400, "two names and a comma", host("Host: h, evil.test\r\n")),
        refused(400, "a comma", host("Host: h,\r\n")),
        refused(400, "userinfo", host("Host: u@h\r\n")),
        refused(400, "an empty userinfo", host("Host: @h\r\n")),
        refused(400, "a path", host("Host: h/v2\r\n")),
        refused(400, "a query", host("Host: h?x\r\n")),
        refused(400, "a fragment", host("Host: h#x\r\n")),
        refused(400, "a scheme", host("Host: http://h\r\n")),
        refused(400, "a port that is none", host("Host: h:http\r\n")),
        refused(400, "a port beyond 65535", host("Host: h:65536\r\n")),
        refused(400, "a signed port", host("Host: h:+80\r\n")),
        refused(400, "two ports", host("Host: h:80:80\r\n")),
        refused(400, "a port without a host", host("Host: :80\r\n")),
        refused(400, "brackets around nothing", host("Host: []\r\n")),
        refused(400, "brackets around a name", host("Host: [h]\r\n")),
        refused(400, "a bracket that stays open", host("Host: [::1\r\n")),
        refused(400, "something after the bracket", host("Host: [::1]x\r\n")),
        refused(400, "an IPv6 address without brackets", host("Host: ::1\r\n")),
        refused(400, "an IPv6 zone", host("Host: [fe80::1%25eth0]\r\n")),
        refused(400, "two dots", host("Host: a..b\r\n")),
        refused(400, "a dot alone", host("Host: .\r\n")),
        refused(400, "a quote", host("Host: \"h\"\r\n")),
        refused(400, "a backslash", host("Host: h\\x\r\n")),
        refused(400, "an escape", host("Host: h%00\r\n")),
        refused(400, "a letter beyond ASCII", host("Host: \u{e9}.test\r\n")),
        refused(400, "a byte beyond UTF-8", b"GET /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\xff\r\n\r\n"),
        refused(400, "a number for an address", host("Host: 2130706433\r\n")),
        refused(400, "DEL", host("Host: h\x7f\r\n")),
        refused(400, "a tab within", host("Host: a\tb\r\n")),
        refused(400, "a blank before the colon", host("Host : h\r\n")),
        refused(400, "a fold", host("Host:\r\n h\r\n")),
        refused(400, "a blank before it", host(" Host: h\r\n")),
        refused(400, "HTTP/1.0 with two", "GET /v2/a/manifests/CASE HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n"),
        refused(400, "HTTP/1.0 with a malformed one", "GET /v2/a/manifests/CASE HTTP/1.0\r\nHost: a b\r\n\r\n"),
    ]
}
