//! A connection to an origin: its addresses, those of them that may be dialled, the first that answers, TLS.

mod error;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::error::DialError;
use crate::conn::read_ahead::ReadAhead;
use crate::conn::stream::Stream;
use crate::egress::Egress;
use crate::egress::gateway::Gateway;
use crate::egress::local::Local;
use crate::http::uri::{Host, Scheme};
use crate::metrics::Metrics;
use crate::registry::reach::Reach;
use crate::registry::redirect::{may_ask_for, may_dial};
use crate::timeouts;
use crate::upstream::Key;
use crate::upstream::race::{connect_any, in_turns};
use crate::upstream::resolve::Resolver;
#[cfg(any(test, fuzzing))]
use crate::upstream::scripted;
use crate::upstream::steps::{Step, Watcher};
use crate::upstream::tunnel::{self, ProxyError, ProxyFault};

/// Makes connections.
#[derive(Debug)]
pub(super) struct Dialler {
    resolver: Resolver,
    watcher: Watcher,
    metrics: Metrics,
}

/// The addresses whose TLS has failed. They come last from then on: another machine may do better.
pub(super) type Shunned = Vec<IpAddr>;

impl Dialler {
    /// One that knows no name yet.
    pub(super) fn new(metrics: Metrics) -> Dialler {
        Dialler {
            resolver: Resolver::new(metrics),
            watcher: Watcher::default(),
            metrics,
        }
    }

    /// One that knows no name yet, for one who is told of each step.
    pub(super) fn watched(watcher: Watcher) -> Dialler {
        Dialler {
            watcher,
            ..Dialler::new(Metrics::off())
        }
    }

    /// Connects to the origin, by its egress, before `deadline`; with a reach, only to addresses within it.
    ///
    /// The address that was checked is the one that is connected to: names are not looked up again. Through a proxy only an
    /// address that stands in the place of a name can be checked.
    pub(super) async fn dial(
        &self,
        key: &Key,
        shunned: &mut Shunned,
        deadline: Option<Instant>,
    ) -> Result<Stream, DialError> {
        let dialled = self.steps(key, shunned, deadline).await;
        dialled.inspect_err(|error| self.metrics.not_connected(error.stage()))
    }

    async fn steps(
        &self,
        key: &Key,
        shunned: &mut Shunned,
        deadline: Option<Instant>,
    ) -> Result<Stream, DialError> {
        let (origin, egress) = (&key.origin, &key.egress);
        let way = match egress.gateway(origin) {
            Some(gateway) => {
                check_unseen(origin.host(), key.reach)?;
                let way = self.tunnel(key, gateway, shunned, deadline);
                way.await.map_err(|fault| {
                    let proxy = gateway.proxy.to_string();
                    DialError::Proxy(Box::new(ProxyError { proxy, fault }))
                })?
            }
            None => self.direct(key, shunned, deadline).await?,
        };
        let tcp = match (origin.scheme(), way) {
            (Scheme::Https, Stream::Tcp(tcp)) => tcp,
            (_, way) => return Ok(way),
        };
        let (began, address) = (Instant::now(), tcp.peer_addr().ok());
        let by = deadline_within(timeouts::TLS_HANDSHAKE, deadline);
        let tls = start_tls(tcp, origin.host(), egress.tls(), by).await;
        let tls = tls.map_err(|error| {
            shunned.extend(address.map(|address| address.ip()));
            DialError::Tls(error)
        })?;
        self.metrics.shaken_hands(began.elapsed());
        self.watcher
            .tell(origin, || Step::secured(tls.get_ref().1, began.elapsed()));
        Ok(Stream::Tls(Box::new(tls.into())))
    }

    /// A connection to the origin itself.
    async fn direct(
        &self,
        key: &Key,
        shunned: &Shunned,
        deadline: Option<Instant>,
    ) -> Result<Stream, DialError> {
        let (origin, egress) = (&key.origin, &key.egress);
        let began = Instant::now();
        let addresses = self.addresses(origin.host(), egress, key.reach).await?;
        let addresses = usable(&addresses, egress.local(), shunned)?;
        self.watcher.tell(origin, || Step::LookedUp {
            addresses: addresses.clone(),
            took: began.elapsed(),
        });
        #[cfg(any(test, fuzzing))]
        if let Some(made) = scripted::connect(origin, &addresses) {
            return made.map(Stream::Memory).map_err(DialError::Connect);
        }
        let began = Instant::now();
        let tcp = connect(addresses, origin.port(), egress.local(), deadline).await?;
        self.metrics.connected(began.elapsed());
        self.watcher.tell(origin, || Step::Connected {
            address: tcp.peer_addr().ok(),
            took: began.elapsed(),
        });
        Ok(Stream::Tcp(tcp))
    }

    /// A connection through a proxy. The proxy is where the operator has said, whatever kind of place that is.
    async fn tunnel(
        &self,
        key: &Key,
        gateway: &Gateway,
        shunned: &Shunned,
        deadline: Option<Instant>,
    ) -> Result<Stream, ProxyFault> {
        let (origin, egress) = (&key.origin, &key.egress);
        let (began, proxy) = (Instant::now(), &gateway.proxy);
        let connected = async {
            let addresses = self.addresses(&proxy.host, egress, None).await?;
            let addresses = usable(&addresses, egress.local(), shunned)?;
            connect(addresses, proxy.port, egress.local(), deadline).await
        };
        let tcp = connected.await.map_err(ProxyFault::Unreachable)?;
        let by = deadline_within(timeouts::TUNNEL, deadline);
        let tcp = tunnel::open(tcp, gateway, origin, by).await?;
        self.metrics.connected(began.elapsed());
        self.watcher.tell(origin, || Step::Tunnelled {
            proxy: proxy.to_string(),
            took: began.elapsed(),
        });
        Ok(Stream::Tcp(tcp))
    }

    /// The addresses of `host` that may be dialled. Those that the operator has given for it may be, wherever they are.
    async fn addresses(
        &self,
        host: &Host,
        egress: &Egress,
        reach: Option<Reach>,
    ) -> Result<Vec<IpAddr>, DialError> {
        let mut addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => match egress.fixed(name) {
                Some(fixed) => return Ok(fixed.to_vec()),
                None => {
                    let found = self.resolver.lookup(name).await;
                    found.map_err(DialError::Lookup)?
                }
            },
        };
        let first = addresses.first().copied();
        addresses.retain(|&address| may_dial(reach, address));
        match first {
            Some(first) if addresses.is_empty() => Err(DialError::Forbidden(first)),
            _ => Ok(addresses),
        }
    }
}

/// Checks what can be of a host that only a proxy looks up.
fn check_unseen(host: &Host, reach: Option<Reach>) -> Result<(), DialError> {
    if may_ask_for(reach, host) {
        return Ok(());
    }
    Err(DialError::Forbidden(match host {
        Host::Address(address) => *address,
        Host::Name(_) => Ipv4Addr::LOCALHOST.into(),
    }))
}

/// Those of the addresses to which docxy's own end can connect, in the order in which they are tried.
fn usable(addresses: &[IpAddr], local: Local, shunned: &Shunned) -> Result<Vec<IpAddr>, DialError> {
    let mut usable = order(addresses, shunned);
    usable.retain(|&address| local.reaches(address));
    if usable.is_empty() {
        let why =
            "all its addresses are of a family that --upstream-family or --upstream-bind rules out";
        let error = io::Error::new(io::ErrorKind::NotFound, why);
        return Err(DialError::Connect(error));
    }
    Ok(usable)
}

/// The first connection to one of these addresses that comes about.
async fn connect(
    addresses: Vec<IpAddr>,
    port: u16,
    local: Local,
    deadline: Option<Instant>,
) -> Result<TcpStream, DialError> {
    let by = deadline_within(timeouts::CONNECT, deadline);
    let tcp = timeout_at(by, connect_any(addresses, port, local))
        .await
        .unwrap_or_else(|_| Err(too_slow("it took too long")))
        .map_err(DialError::Connect)?;
    // A head and its body go out in one write; waiting to merge it with another only delays it.
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}

/// Families in turn, and those last whose TLS has failed.
fn order(addresses: &[IpAddr], shunned: &Shunned) -> Vec<IpAddr> {
    let (last, mut order): (Vec<_>, Vec<_>) = in_turns(addresses)
        .into_iter()
        .partition(|address| shunned.contains(address));
    order.extend(last);
    order
}

async fn start_tls(
    tcp: TcpStream,
    host: &Host,
    config: &Arc<ClientConfig>,
    by: Instant,
) -> io::Result<TlsStream<ReadAhead>> {
    let name = match host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the host is no name for a certificate",
            )
        })?,
    };
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, ReadAhead::new(tcp));
    timeout_at(by, handshake)
        .await
        .unwrap_or_else(|_| Err(too_slow("the handshake took too long")))
}

fn too_slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// The end of a step that may take this long, within what may take until `deadline`.
fn deadline_within(limit: Duration, deadline: Option<Instant>) -> Instant {
    let by = Instant::now() + limit;
    deadline.map_or(by, |deadline| by.min(deadline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::EgressSettings;
    use crate::http::uri::Origin;

    #[test]
    fn another_machine_comes_before_one_whose_tls_has_failed() {
        let [a, b, c]: [IpAddr; 3] = [1, 2, 3].map(|last| [192, 0, 2, last].into());
        let cases: [(&[IpAddr], [IpAddr; 3]); 4] = [
            (&[], [a, b, c]),
            (&[a], [b, c, a]),
            (&[b, a], [c, a, b]),
            (&[a, b, c], [a, b, c]),
        ];
        for (shunned, expected) in cases {
            assert_eq!(
                order(&[a, b, c], &shunned.to_vec()),
                expected,
                "{shunned:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_whose_tls_fails_is_shunned() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let (dialler, mut shunned) = (Dialler::new(Metrics::off()), Shunned::new());
        let key = Key {
            origin: Origin::parse(&format!("https://{local}")).unwrap(),
            egress: Egress::open(&EgressSettings::default()).unwrap(),
            reach: None,
        };
        let dialled = dialler.dial(&key, &mut shunned, None);
        let (error, ()) = tokio::join!(dialled, async { drop(listener.accept().await) });
        assert!(matches!(error, Err(DialError::Tls(_))), "{error:?}");
        assert_eq!(shunned, [local.ip()]);
    }
}
