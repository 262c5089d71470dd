//! The yardstick: a relay that knows no HTTP, in tokio and rustls. It moves bytes between one connection of a client and
//! one of its own to the origin: by `splice(2)` from plain to plain, else with reads of 128 KiB, also below rustls.
//!
//! One worker per core, connections dealt out in turn. Arguments: where to listen, the origin, the schemes of client and
//! origin, and the directory of the run with certificate and key.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::proxies::cores;
use crate::splice;

/// What is read at once from the origin, below rustls and above.
const READ_SIZE: usize = 128 * 1024;
/// What is read at once from a client, which sends requests only.
const REQUEST_SIZE: usize = 8 * 1024;

/// What each worker knows.
#[derive(Clone)]
struct Relay {
    origin: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    connector: Option<TlsConnector>,
}

/// Relays until it is killed.
pub(crate) fn run(arguments: &[String]) -> io::Result<()> {
    let [listen, origin, client, upstream, scratch] = arguments else {
        return Err(io::Error::other(
            "relay LISTEN ORIGIN SCHEME SCHEME DIRECTORY",
        ));
    };
    let scratch = Path::new(scratch);
    let relay = Relay {
        origin: origin.parse().map_err(io::Error::other)?,
        acceptor: (client == "https").then(|| acceptor(scratch)).transpose()?,
        connector: (upstream == "https")
            .then(|| connector(scratch))
            .transpose()?,
    };
    let listener = StdListener::bind(listen)?;
    let workers: Vec<_> = (0..cores()).map(|_| start_worker(&relay)).collect();
    for worker in workers.iter().cycle() {
        let (stream, _) = listener.accept()?;
        worker.send(stream).map_err(io::Error::other)?;
    }
    Ok(())
}

fn start_worker(relay: &Relay) -> UnboundedSender<StdStream> {
    let (sender, receiver) = unbounded_channel();
    let relay = relay.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(work(&relay, receiver));
    });
    sender
}

async fn work(relay: &Relay, mut connections: UnboundedReceiver<StdStream>) {
    while let Some(client) = connections.recv().await {
        let relay = relay.clone();
        // An error is the end of a connection, here as in any proxy.
        tokio::spawn(async move { relay.serve(client).await });
    }
}

impl Relay {
    async fn serve(self, client: StdStream) -> io::Result<()> {
        client.set_nonblocking(true)?;
        client.set_nodelay(true)?;
        let client = TcpStream::from_std(client)?;
        let origin = TcpStream::connect(self.origin).await?;
        origin.set_nodelay(true)?;
        match (self.acceptor, self.connector) {
            (None, None) => splice::both_ways(&client, &origin).await,
            (Some(acceptor), None) => copy(acceptor.accept(client).await?, origin).await,
            (None, Some(connector)) => {
                copy(client, connector.connect(name(), buffered(origin)).await?).await
            }
            (Some(acceptor), Some(connector)) => {
                let client = acceptor.accept(client).await?;
                copy(client, connector.connect(name(), buffered(origin)).await?).await
            }
        }
    }
}

/// rustls reads 4 KiB at once; what lies below it does not have to.
fn buffered(stream: TcpStream) -> BufReader<TcpStream> {
    BufReader::with_capacity(READ_SIZE, stream)
}

async fn copy(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut origin: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    copy_bidirectional_with_sizes(&mut client, &mut origin, REQUEST_SIZE, READ_SIZE).await?;
    Ok(())
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("localhost is a name")
}

fn acceptor(scratch: &Path) -> io::Result<TlsAcceptor> {
    let key = PrivateKeyDer::from_pem_file(scratch.join("key.pem")).map_err(io::Error::other)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate(scratch)?], key)
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector(scratch: &Path) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(scratch)?).map_err(io::Error::other)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificate(scratch: &Path) -> io::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_file(scratch.join("cert.pem")).map_err(io::Error::other)
}
