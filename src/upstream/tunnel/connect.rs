//! A way through an HTTP proxy (RFC 9110 §9.3.6).

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{ProxyFault, surplus};
use crate::conn::Conn;
use crate::conn::stream::Stream;
use crate::egress::gateway::Gateway;
use crate::http::uri::Origin;
use crate::http::write::HeadWriter;
use crate::timeouts;
use crate::upstream::ask::read_final_head;
use crate::upstream::fault::Fault;

pub(super) async fn open(
    tcp: TcpStream,
    gateway: &Gateway,
    origin: &Origin,
    by: Instant,
) -> Result<TcpStream, ProxyFault> {
    let login = gateway.basic();
    let mut conn = Conn::new(Stream::Tcp(tcp));
    let request = request(origin, login.as_deref());
    let sent = conn.write_all([&request], timeouts::TUNNEL).await;
    sent.map_err(ProxyFault::Broken)?;
    let head = read_final_head(&mut conn, by).await.map_err(unanswered)?;
    judge(head.status, login.is_some())?;
    // What follows a 2xx is the tunnel, whatever length its fields claim.
    match conn.into_stream() {
        Some(Stream::Tcp(tcp)) => Ok(tcp),
        _ => Err(surplus()),
    }
}

fn request(origin: &Origin, login: Option<&str>) -> Vec<u8> {
    // The port is always written: a proxy knows no scheme here.
    let authority = format!("{}:{}", origin.host(), origin.port());
    let mut head = HeadWriter::request(b"CONNECT", &authority);
    head.field("Host", &authority);
    if let Some(login) = login {
        head.joined("Proxy-Authorization", &["Basic ", login]);
    }
    head.finish()
}

fn judge(status: u16, sent: bool) -> Result<(), ProxyFault> {
    match status {
        200..=299 => Ok(()),
        // By 401 some refuse a login that they do not know.
        401 | 407 => Err(ProxyFault::Login { sent }),
        429 | 500..=599 => Err(ProxyFault::NoWay(format!("it answers {status}"))),
        _ => Err(ProxyFault::Refused(format!("it answers {status}"))),
    }
}

fn unanswered(fault: Fault) -> ProxyFault {
    match fault {
        Fault::Broken(error) => ProxyFault::Broken(error),
        Fault::Slow => ProxyFault::Slow,
        Fault::Malformed(why) | Fault::OutOfStep(why) => ProxyFault::Malformed(why),
        // Not of reading a head.
        Fault::Unreachable(error) => ProxyFault::Unreachable(error),
        Fault::Down(why) => ProxyFault::NoWay(why.to_string()),
        Fault::Crowded => ProxyFault::Slow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_host_and_port_and_nothing_else() {
        let cases = [
            ("https://reg.test", "reg.test:443"),
            ("http://reg.test", "reg.test:80"),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ];
        for (url, authority) in cases {
            let origin = Origin::parse(url).unwrap();
            let plain = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
            assert_eq!(request(&origin, None), plain.as_bytes(), "{url}");
            let login = plain.replace("\r\n\r\n", "\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
            assert_eq!(request(&origin, Some("dTpw")), login.as_bytes(), "{url}");
        }
    }

    #[test]
    fn statuses_say_whose_fault_it_is() {
        for status in [200, 204, 299] {
            assert!(judge(status, false).is_ok(), "{status}");
        }
        for (status, answer, is_passing) in [
            (401, 502, false),
            (407, 502, false),
            (301, 502, false),
            (400, 502, false),
            (403, 502, false),
            (429, 503, true),
            (500, 503, true),
            (502, 503, true),
            (504, 503, true),
        ] {
            let fault = judge(status, true).unwrap_err();
            assert_eq!(
                (fault.status(), fault.is_passing()),
                (answer, is_passing),
                "{status}"
            );
        }
    }
}
