//! `docxy health`: asks a docxy that runs whether it is well, for containers that have neither shell nor curl.
//!
//! A client of its own over blocking sockets: one request, of whose answer only the status counts. It sends nothing secret
//! and believes nothing it reads, so that no certificate is verified.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::config::Config;
use crate::http::uri::{Authority, Host, Origin, Scheme, Target, UriError};
use crate::listen::ListenHost;

/// For the connection, and then for each read and write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest status line that is read.
const STATUS_LINE: u64 = 1024;

/// A PROXY header that names no client.
const UNNAMED: &[u8] = b"PROXY UNKNOWN\r\n";

/// Why docxy is not known to be well.
#[derive(Debug)]
pub enum Unwell {
    /// What was given is no URL.
    Url(String, UriError),
    /// The first listener's port is chosen anew at each start.
    AnyPort,
    /// Nobody answered.
    Silent(Target, io::Error),
    /// Nobody answered whom this machine told that it is a proxy.
    Unheard(Target, io::Error),
    /// The answer was no HTTP.
    NoHttp(Target),
    /// It was another status than 200.
    Status(Target, u16),
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwell::Url(text, error) => write!(
                f,
                "{text:?} is no URL such as http://127.0.0.1:5000: {error}"
            ),
            Unwell::AnyPort => f.write_str(
                "the first --listen has port 0, which is another one at each start; give the URL: docxy health URL",
            ),
            Unwell::Silent(target, error) => write!(
                f,
                "{target} does not answer: {error}; look whether docxy runs, and listens there"
            ),
            Unwell::Unheard(target, error) => write!(
                f,
                "{target} does not answer behind a PROXY header: {error}; \
                 look whether docxy runs, and whether --trusted-proxy has the address that asks"
            ),
            Unwell::NoHttp(target) => write!(f, "{target} does not answer in HTTP"),
            Unwell::Status(target, 403) => write!(
                f,
                "{target} answers 403; if that is by --allow-client, add the address that asks"
            ),
            Unwell::Status(target, status) => write!(f, "{target} answers {status}, not 200"),
        }
    }
}

impl std::error::Error for Unwell {}

/// Asks `url`, or the first listener of `config`, once. Without a path it is asked for `/health`.
pub fn run(url: Option<&str>, config: &Config) -> Result<(), Unwell> {
    let (target, before) = match url {
        Some(text) => (target(text)?, &b""[..]),
        None => first_listener(config).ok_or(Unwell::AnyPort)?,
    };
    match ask(&target, before) {
        Ok(Some(200)) => Ok(()),
        Ok(Some(status)) => Err(Unwell::Status(target, status)),
        Ok(None) => Err(Unwell::NoHttp(target)),
        Err(error) if before.is_empty() => Err(Unwell::Silent(target, error)),
        Err(error) => Err(Unwell::Unheard(target, error)),
    }
}

/// Reads a URL; one without a path means `/health`.
fn target(text: &str) -> Result<Target, Unwell> {
    let parsed = Target::parse(text.as_bytes());
    let target = parsed.map_err(|error| Unwell::Url(text.to_owned(), error))?;
    Ok(match target.path_and_query.as_str() {
        "/" => health(target.origin),
        _ => target,
    })
}

fn health(origin: Origin) -> Target {
    Target {
        origin,
        path_and_query: "/health".to_owned(),
    }
}

/// How the first listener is reached from its own machine, and what comes before each connection there; none if its port
/// is not known.
fn first_listener(config: &Config) -> Option<(Target, &'static [u8])> {
    let listen = config.listen.first().filter(|listen| listen.port != 0)?;
    let address = match listen.host {
        ListenHost::Address(address) if address == Ipv6Addr::UNSPECIFIED => {
            Ipv6Addr::LOCALHOST.into()
        }
        ListenHost::Address(address) if !address.is_unspecified() => address,
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    let authority = Authority {
        host: Host::Address(address),
        port: Some(listen.port),
    };
    let before = if listen.proxy_protocol { UNNAMED } else { b"" };
    Some((
        health(Origin::new(config.scheme(listen), authority)),
        before,
    ))
}

/// The status of the answer, if it has one.
fn ask(target: &Target, before: &[u8]) -> io::Result<Option<u16>> {
    let mut tcp = connect(&target.origin)?;
    tcp.write_all(before)?;
    match target.origin.scheme() {
        Scheme::Http => exchange(tcp, target),
        Scheme::Https => exchange(over_tls(tcp, target.origin.host())?, target),
    }
}

fn connect(origin: &Origin) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = match origin.host() {
        Host::Address(address) => vec![SocketAddr::new(*address, origin.port())],
        Host::Name(name) => (&**name, origin.port()).to_socket_addrs()?.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(tcp) => {
                tcp.set_read_timeout(Some(PATIENCE))?;
                tcp.set_write_timeout(Some(PATIENCE))?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(mut stream: impl Read + Write, target: &Target) -> io::Result<Option<u16>> {
    let (path, host) = (&target.path_and_query, target.origin.authority());
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut line = Vec::new();
    BufReader::new(stream.take(STATUS_LINE)).read_until(b'\n', &mut line)?;
    Ok(status(&line))
}

/// The status in a status line (RFC 9112 §4).
fn status(line: &[u8]) -> Option<u16> {
    let rest = str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    let digits = rest.trim_end().split(' ').nth(1)?;
    let is_status = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    is_status.then(|| digits.parse().ok())?
}

fn over_tls(tcp: TcpStream, host: &Host) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
        .with_no_client_auth();
    let name = match host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(io::Error::other)?,
    };
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, tcp))
}

/// Takes any certificate whose key the other side has.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::Parser;

    #[test]
    fn a_status_is_three_digits_after_the_version() {
        for (line, expected) in [
            ("HTTP/1.1 200 OK\r", Some(200)),
            ("HTTP/1.0 503", Some(503)),
            ("HTTP/1.1 200\r", Some(200)),
            ("HTTP/1.1 20 OK", None),
            ("HTTP/1.1 +20 OK", None),
            ("HTTP/2 200", None),
            ("SSH-2.0-x 200", None),
            ("", None),
        ] {
            assert_eq!(status(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn the_first_listener_is_asked_on_its_own_machine() {
        for (listen, expected) in [
            ("10.0.0.1:5000", Some("http://10.0.0.1:5000/health")),
            ("0.0.0.0:443", Some("https://127.0.0.1/health")),
            ("http://:5000", Some("http://127.0.0.1:5000/health")),
            ("https://[::]:5000", Some("https://[::1]:5000/health")),
            ("localhost:80", Some("http://127.0.0.1/health")),
            ("127.0.0.1:0", None),
        ] {
            let args = Args::parse_from(["docxy", "--listen", listen, "--listen", ":1"]);
            let config = Config::from_args(args).unwrap();
            let target = first_listener(&config).map(|(target, _)| target.to_string());
            assert_eq!(target.as_deref(), expected, "{listen}");
        }
    }
}
