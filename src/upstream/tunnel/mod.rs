//! A way through a proxy to an origin. What is sent through it, TLS first where the origin speaks it, the proxy only carries.

mod connect;
mod socks;

use std::fmt;
use std::io;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::conn::stream;
use crate::egress::gateway::Gateway;
use crate::egress::proxy::Protocol;
use crate::http::uri::Origin;
use crate::upstream::dial::DialError;

/// What is wrong between docxy and a proxy, or behind it.
#[derive(Debug)]
pub struct ProxyError {
    /// The proxy, without a login.
    pub proxy: String,
    /// What happened.
    pub fault: ProxyFault,
}

/// Why a proxy gives no way to an origin.
#[derive(Debug)]
pub enum ProxyFault {
    /// There is no connection to the proxy.
    Unreachable(DialError),
    /// It wants a login, or another one.
    Login {
        /// Whether it was given one.
        sent: bool,
    },
    /// It does not let docxy go there; in its words.
    Refused(String),
    /// It cannot get there itself; in its words.
    NoWay(String),
    /// It took too long.
    Slow,
    /// It ended or broke the connection.
    Broken(io::Error),
    /// What it said is no answer.
    Malformed(String),
}

impl ProxyFault {
    /// Whether it may go better another time.
    pub fn is_passing(&self) -> bool {
        match self {
            ProxyFault::Unreachable(error) => error.is_passing(),
            ProxyFault::NoWay(_) | ProxyFault::Slow | ProxyFault::Broken(_) => true,
            ProxyFault::Login { .. } | ProxyFault::Refused(_) | ProxyFault::Malformed(_) => false,
        }
    }

    /// Whether docxy or its machine has run out of something.
    pub fn is_ours(&self) -> bool {
        matches!(self, ProxyFault::Unreachable(error) if error.is_ours())
    }

    /// The status for the client.
    pub fn status(&self) -> u16 {
        match self {
            ProxyFault::Unreachable(_) | ProxyFault::NoWay(_) => 503,
            ProxyFault::Slow => 504,
            ProxyFault::Login { .. }
            | ProxyFault::Refused(_)
            | ProxyFault::Broken(_)
            | ProxyFault::Malformed(_) => 502,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = &self.proxy;
        match &self.fault {
            ProxyFault::Unreachable(error) => write!(f, "its proxy {proxy}: {error}"),
            ProxyFault::Login { sent: false } => write!(
                f,
                "the proxy {proxy} wants credentials; give them with proxy_username and proxy_password_file"
            ),
            ProxyFault::Login { sent: true } => {
                write!(f, "the proxy {proxy} does not take docxy's credentials")
            }
            ProxyFault::Refused(why) => {
                write!(f, "the proxy {proxy} does not let docxy go there: {why}")
            }
            ProxyFault::NoWay(why) => write!(f, "the proxy {proxy} does not get there: {why}"),
            ProxyFault::Slow => write!(f, "the proxy {proxy} took too long"),
            ProxyFault::Broken(error) => {
                write!(f, "the proxy {proxy} ended the connection: {error}")
            }
            ProxyFault::Malformed(why) => {
                write!(f, "the answer of the proxy {proxy} is malformed: {why}")
            }
        }
    }
}

/// Has the proxy at the other end of `tcp` make a way to `origin` before `by`.
///
/// The first byte that comes from then on is the origin's: one that has come before anything was sent to it is an error, and
/// so is an end.
pub(super) async fn open(
    tcp: TcpStream,
    gateway: &Gateway,
    origin: &Origin,
    by: Instant,
) -> Result<TcpStream, ProxyFault> {
    let opened = async {
        match gateway.proxy.protocol {
            Protocol::Connect => connect::open(tcp, gateway, origin, by).await,
            Protocol::Socks5 => socks::open(tcp, gateway, origin).await,
        }
    };
    let opened = timeout_at(by, opened).await;
    let tcp = opened.unwrap_or(Err(ProxyFault::Slow))?;
    match stream::peek(&tcp) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(tcp),
        Err(error) => Err(ProxyFault::Broken(error)),
        Ok(0) => Err(ProxyFault::Broken(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Err(surplus()),
    }
}

fn surplus() -> ProxyFault {
    ProxyFault::Malformed("bytes that nobody has asked for come after it".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::egress::proxy::OutboundProxy;

    /// What comes of a proxy that says this and holds its connection.
    async fn outcome(url: &str, says: &[u8], wait: Duration) -> Result<TcpStream, ProxyFault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let far = listener.accept().await.unwrap().0;
        far.try_write(says).unwrap();
        let gateway = Gateway::open(&OutboundProxy::parse(url).unwrap().unwrap()).unwrap();
        let origin = Origin::parse("https://reg.test").unwrap();
        open(near, &gateway, &origin, Instant::now() + wait).await
    }

    #[tokio::test]
    async fn a_slow_proxy_is_given_up_wherever_it_stops() {
        let cases: [(&str, &[u8]); 4] = [
            ("http://p.test", b""),
            ("http://p.test", b"HTTP/1.1 200 OK\r\nX-Slow: "),
            ("socks5://p.test", b""),
            ("socks5://p.test", b"\x05\x00\x05\x00\x00\x03"),
        ];
        for (url, says) in cases {
            let fault = outcome(url, says, Duration::from_millis(50))
                .await
                .unwrap_err();
            assert!(
                matches!(fault, ProxyFault::Slow),
                "{url} {says:?}: {fault:?}"
            );
            assert_eq!((fault.status(), fault.is_passing()), (504, true));
        }
    }

    #[tokio::test]
    async fn what_a_proxy_says_is_bounded() {
        let endless = [
            &b"HTTP/1.1 200 OK\r\n"[..],
            &b"X: y\r\n".repeat(300),
            b"\r\n",
        ]
        .concat();
        let fault = outcome("http://p.test", &endless, Duration::from_secs(20))
            .await
            .unwrap_err();
        assert!(matches!(fault, ProxyFault::Malformed(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn bytes_that_come_before_any_went_are_an_error() {
        let ok = b"HTTP/1.1 200 OK\r\n\r\n";
        assert!(
            outcome("http://p.test", ok, Duration::from_secs(20))
                .await
                .is_ok()
        );
        let surplus = [ok, &b"x"[..]].concat();
        for (url, says) in [
            ("http://p.test", &surplus[..]),
            (
                "socks5://p.test",
                b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00x",
            ),
        ] {
            let fault = outcome(url, says, Duration::from_secs(20))
                .await
                .unwrap_err();
            assert!(fault_is_surplus(&fault), "{url}: {fault:?}");
        }
    }

    /// What comes of a proxy that says each of this when it is asked something, and leaves.
    async fn outcome_of_leaving(
        url: &str,
        says: &[&[u8]],
        linger: Option<Duration>,
    ) -> Result<TcpStream, ProxyFault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let mut far = listener.accept().await.unwrap().0;
        SockRef::from(&far).set_linger(linger).unwrap();
        let proxy = async move {
            for part in says {
                assert!(far.read(&mut [0; 512]).await.unwrap() > 0);
                far.try_write(part).unwrap();
            }
        };
        let gateway = Gateway::open(&OutboundProxy::parse(url).unwrap().unwrap()).unwrap();
        let origin = Origin::parse("https://reg.test").unwrap();
        let by = Instant::now() + Duration::from_secs(20);
        tokio::join!(open(near, &gateway, &origin, by), proxy).0
    }

    #[tokio::test]
    async fn a_proxy_that_leaves_behind_its_answer_may_do_better_another_time() {
        let connect = [&b"HTTP/1.1 200 OK\r\n\r\n"[..]];
        let socks = [
            &b"\x05\x00"[..],
            b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
        ];
        for linger in [None, Some(Duration::ZERO)] {
            for (url, says) in [("http://p.test", &connect[..]), ("socks5://p.test", &socks)] {
                let fault = outcome_of_leaving(url, says, linger).await.unwrap_err();
                assert!(
                    matches!(fault, ProxyFault::Broken(_)),
                    "{url} {linger:?}: {fault:?}"
                );
                assert!(fault.is_passing());
            }
        }
    }

    fn fault_is_surplus(fault: &ProxyFault) -> bool {
        matches!(fault, ProxyFault::Malformed(why) if why.contains("nobody has asked for"))
    }
}
