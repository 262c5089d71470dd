//! RFC 9112 §6.3: answers to HEAD, 204 and 304 have no body, whatever their fields say and whatever follows.

use crate::case::{Answer, Asked, whole};

pub fn cases() -> Vec<Answer> {
    let same = |name, head: &str| whole(name, head, head, "");
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let no_content = "HTTP/1.1 204 No Content\r\n\r\n";
    let not_modified = "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n";
    vec![
        same("HEAD with a length", plain).to(Asked::Head),
        same("HEAD with the largest length", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n").to(Asked::Head),
        same("HEAD without", "HTTP/1.1 200 OK\r\n\r\n").to(Asked::Head),
        same("HEAD of a 404", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n").to(Asked::Head),
        same("204", no_content),
        same("304", not_modified),
        same("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        whole("HEAD in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "").to(Asked::Head),
        whole("HEAD with a body", format!("{plain}hello"), plain, "").to(Asked::Head).spent(),
        whole("HEAD with a chunked body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "").to(Asked::Head).spent(),
        whole("HEAD with an answer too many", format!("{plain}{evil}"), plain, "").to(Asked::Head).spent(),
        whole("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", no_content, ""),
        whole("204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", no_content, "").spent(),
        whole("204 in chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", no_content, ""),
        whole("204 in chunks that come", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", no_content, "").spent(),
        whole("304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "").spent(),
        whole("304 in chunks that come", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n", "").spent(),
        whole("304 with an answer too many", format!("{not_modified}{evil}"), not_modified, "").spent(),
        whole("205 with a body", "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\n", "hello"),
    ]
}
