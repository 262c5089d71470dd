//! RFC 9110 §10.1.1: leave to send a body is given only where the body is read.

use crate::case::{Request, get, passed, post, refused};

pub fn cases() -> Vec<Request> {
    vec![
        passed("a GET with a body", get("Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"), "").statuses(&[100, 200]),
        passed("a GET without body", get("Expect: 100-continue\r\n\r\n"), ""),
        passed("in upper case", get("EXPECT: 100-CONTINUE\r\nContent-Length: 5\r\n\r\nhello"), "").statuses(&[100, 200]),
        passed("in HTTP/1.0", "GET /v2/a/manifests/CASE HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "").closing(),
        passed("a form", post("Expect: 100-continue\r\nContent-Length: 28\r\n\r\nscope=repository:CASE/b:pull"), "")
            .line("POST /realm?CASE")
            .form("scope=repository:CASE/b:pull&service=s")
            .statuses(&[100, 200]),
        passed("a form in chunks", post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"), "")
            .line("POST /realm?CASE")
            .form("scope=repository:CASE/b:pull&service=s")
            .statuses(&[100, 200]),
        refused(405, "a PUT", "PUT /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
        refused(413, "a body that is too long", get("Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n")),
        refused(400, "two framings", get("Expect: 100-continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")),
        refused(417, "something else", get("Expect: 200-ok\r\n\r\n")),
        refused(417, "a list", get("Expect: 100-continue, x\r\n\r\n")),
        refused(417, "nothing", get("Expect:\r\n\r\n")),
        refused(417, "twice", get("Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n")),
        refused(417, "a space within", get("Expect: 100 continue\r\n\r\n")),
        refused(417, "something in front", get("Expect: x100-continue\r\n\r\n")),
    ]
}
