//! RFC 9110 §15.2: interim answers are passed over, and nobody asked for another protocol.

use crate::case::{Answer, Asked, bad, whole};

pub fn cases() -> Vec<Answer> {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let after = |interim: &str| format!("{interim}{last}");
    let one = "HTTP/1.1 100 Continue\r\n\r\n";
    vec![
        whole("100", after(one), head, "hello"),
        whole("102", after("HTTP/1.1 102 Processing\r\n\r\n"), head, "hello"),
        whole("103 with fields", after("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nSet-Cookie: a=b\r\n\r\n"), head, "hello"),
        whole("one that nobody knows", after("HTTP/1.1 199 Odd\r\n\r\n"), head, "hello"),
        whole("several", after(&one.repeat(50)), head, "hello"),
        whole("100 with a length", after("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n"), head, "hello"),
        whole("to HEAD", format!("{one}{head}"), head, "").to(Asked::Head),
        whole("to HTTP/1.0", after(one), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "hello").to(Asked::Get10),
        bad("too many", after(&one.repeat(51))),
        bad("101", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        bad("101 after 100", format!("{one}HTTP/1.1 101 Switching Protocols\r\n\r\n{last}")),
        bad("100 and no more", one).closes(),
        bad("100 and nonsense", format!("{one}hello\r\n\r\n")),
        bad("100 with a body", after("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello")),
    ]
}
