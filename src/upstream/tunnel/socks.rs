//! A way through a SOCKS5 proxy (RFC 1928), with user and password if there are any (RFC 1929). It looks names up itself.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;
use tokio_socks::{Error, TargetAddr};

use super::ProxyFault;
use crate::egress::gateway::Gateway;
use crate::http::uri::{Host, Origin};

pub(super) async fn open(
    tcp: TcpStream,
    gateway: &Gateway,
    origin: &Origin,
) -> Result<TcpStream, ProxyFault> {
    let to = match origin.host() {
        Host::Address(address) => TargetAddr::Ip(SocketAddr::new(*address, origin.port())),
        Host::Name(name) => TargetAddr::Domain((&**name).into(), origin.port()),
    };
    let login = gateway.login();
    let opened = match &login {
        Some((username, password)) => {
            Socks5Stream::connect_with_password_and_socket(tcp, to, username, password.text()).await
        }
        None => Socks5Stream::connect_with_socket(tcp, to).await,
    };
    let opened = opened.map_err(|error| fault(error, login.is_some()))?;
    Ok(opened.into_inner())
}

fn fault(error: Error, sent: bool) -> ProxyFault {
    match error {
        Error::Io(error) => ProxyFault::Broken(error),
        Error::NoAcceptableAuthMethods
        | Error::AuthorizationRequired
        | Error::PasswordAuthFailure(_) => ProxyFault::Login { sent },
        Error::GeneralSocksServerFailure
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired => ProxyFault::NoWay(error.to_string()),
        Error::ConnectionNotAllowedByRuleset
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported => ProxyFault::Refused(error.to_string()),
        error => ProxyFault::Malformed(error.to_string()),
    }
}
