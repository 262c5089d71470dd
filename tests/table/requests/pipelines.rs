//! RFC 9112 §9.3.2: requests one behind another are answered in their order, each as itself; nothing follows a doubt.

use crate::case::{Request, get, passed, refused};

/// Another request.
const SECOND: &str = "GET /v2/b/manifests/CASE HTTP/1.1\r\nHost: h\r\n\r\n";
const SECOND_LINE: &str = "GET /v2/b/manifests/CASE";

pub fn cases() -> Vec<Request> {
    let two = |first: &str| [&get(first)[..], SECOND.as_bytes()].concat();
    let smuggling = |name, status, first: &str| refused(status, name, two(first));
    vec![
        passed("two", two("\r\n"), "").and(SECOND_LINE, ""),
        passed("two with an empty line between", two("\r\n\r\n"), "").and(SECOND_LINE, ""),
        passed("a body between", two("Content-Length: 5\r\n\r\nhello"), "").and(SECOND_LINE, ""),
        passed("chunks between", two("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "").and(SECOND_LINE, ""),
        passed("trailers between", two("Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"), "").and(SECOND_LINE, ""),
        passed("a bad one behind", [get("\r\n"), get("Content-Length: +5\r\n\r\nhello")].concat(), "").statuses(&[200, 400]).closing(),
        passed("a bad one and a good one behind", [get("\r\n"), get("X : y\r\n\r\n"), SECOND.into()].concat(), "").statuses(&[200, 400]).closing(),
        passed("a body one byte too long", [get("Content-Length: 5\r\n\r\nhelloX"), SECOND.into()].concat(), "").statuses(&[200, 405]),
        passed("an answered error between", [get("\r\n"), b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), SECOND.into()].concat(), "").and(SECOND_LINE, "").statuses(&[200, 404, 200]),
        smuggling("CL.TE", 400, "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
        smuggling("TE.CL", 400, "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n12\r\nGPOST / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"),
        smuggling("TE.TE", 501, "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n"),
        smuggling("CL.0 with a sign", 400, "Content-Length: -1\r\n\r\n"),
        smuggling("a fold", 400, "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        smuggling("a chunk of LF", 400, "Transfer-Encoding: chunked\r\n\r\n2\n\r\n0\r\n\r\n"),
        smuggling("an unknown expectation", 417, "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello"),
        passed("Upgrade", two("Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), "").and(SECOND_LINE, ""),
    ]
}
