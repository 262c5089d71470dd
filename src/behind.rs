//! Behind other proxies: whose word docxy takes for who the client is, in fields of a request or before a connection's
//! first byte.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::fields::Fields;
use crate::http::forwarded::{self, Forwarded, ForwardedError};
use crate::http::proxy_protocol::{self, Ends, Found, V2_LIMIT};
use crate::timeouts;

/// The proxies of `--trusted-proxy`.
#[derive(Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The proxies in these networks.
    pub fn new(nets: Vec<IpNet>) -> TrustedProxies {
        TrustedProxies(nets)
    }

    /// What the fields of a request say of its client: nothing if it does not come from a trusted proxy.
    pub fn read(&self, from: IpAddr, fields: &Fields) -> Result<Forwarded, ForwardedError> {
        if !self.contains(from) {
            return Ok(Forwarded::default());
        }
        forwarded::read(fields, |address| self.contains(address))
    }

    /// Whether a PROXY header from there counts. A listener is marked for those who send it, so without a list anyone may;
    /// a list says who they are.
    pub fn may_introduce(&self, from: IpAddr) -> bool {
        self.0.is_empty() || self.contains(from)
    }

    /// Whether the network that an address is in has been named.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }
}

/// Takes the PROXY header from the start of a connection, and not a byte more. `None` if it names no client.
pub async fn take_proxy_header(tcp: &mut TcpStream) -> io::Result<Option<Ends>> {
    take_header_by(tcp, async |tcp, buffer| tcp.peek(buffer).await).await
}

/// The same where `peek` looks at what comes next without taking it.
pub(crate) async fn take_header_by<S: AsyncRead + Unpin>(
    stream: &mut S,
    peek: impl AsyncFnMut(&mut S, &mut [u8]) -> io::Result<usize>,
) -> io::Result<Option<Ends>> {
    timeout(timeouts::CLIENT_HEAD, read_header(stream, peek))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn read_header<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut peek: impl AsyncFnMut(&mut S, &mut [u8]) -> io::Result<usize>,
) -> io::Result<Option<Ends>> {
    let mut buffer = vec![0; V2_LIMIT];
    let mut read = 0;
    loop {
        let seen = peek(stream, &mut buffer[read..]).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let found = proxy_protocol::find(&buffer[..read + seen]);
        match found.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
            // What is all header is taken, so that the next look waits for more.
            Found::Partial => {
                stream.read_exact(&mut buffer[read..read + seen]).await?;
                read += seen;
            }
            Found::Header { length, ends } => {
                stream.read_exact(&mut buffer[read..length]).await?;
                return Ok(ends);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    fn trusted(nets: &[&str]) -> TrustedProxies {
        TrustedProxies::new(nets.iter().map(|net| net.parse().unwrap()).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_has_ten_seconds_and_not_a_byte_behind_it_is_taken() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut balancer = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut tcp, _) = listener.accept().await.unwrap();
        balancer.write_all(b"PROXY UNK").await.unwrap();
        let error = take_proxy_header(&mut tcp).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let mut balancer = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut tcp, _) = listener.accept().await.unwrap();
        balancer.write_all(b"PROXY UNKNOWN\r\nPROXY").await.unwrap();
        assert_eq!(take_proxy_header(&mut tcp).await.unwrap(), None);
        balancer.shutdown().await.unwrap();
        let mut rest = Vec::new();
        tcp.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"PROXY");
    }

    #[test]
    fn a_list_says_who_may_introduce_clients() {
        let [inside, outside] = ["10.0.0.1", "192.0.2.1"].map(|text| text.parse().unwrap());
        assert!(trusted(&[]).may_introduce(outside));
        let list = trusted(&["10.0.0.0/8"]);
        assert!(list.may_introduce(inside) && !list.may_introduce(outside));
    }
}
