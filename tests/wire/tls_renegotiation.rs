//! Renegotiation in TLS 1.2, by either side of docxy's (RFC 5246 §7.2.2): refused with a warning, and the connection goes on.
//!
//! rustls cannot be made to ask for it, so that after its handshake the test goes on with its keys and records of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::ServerName;
use rustls::version::TLS12;
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ExtractedSecrets, RootCertStore,
    ServerConfig, ServerConnection,
};

use crate::docxy::{Docxy, PATIENCE};
use crate::tls_keys;
use crate::wire::tls::Identity;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// A warning, not fatal: no_renegotiation.
const REFUSAL: [u8; 2] = [1, 100];

/// A HelloRequest, with which a server asks for it.
const HELLO_REQUEST: [u8; 4] = [0; 4];

/// TLS 1.2 behind its handshake.
struct Records {
    tcp: TcpStream,
    seal: Direction,
    open: Direction,
}

/// The records of one direction, under AES-128-GCM (RFC 5288).
struct Direction {
    number: u64,
    key: LessSafeKey,
    salt: [u8; 4],
}

impl Direction {
    fn new((number, secrets): (u64, ConnectionTrafficSecrets)) -> Direction {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            panic!("another cipher than the only one");
        };
        let key = UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap();
        Direction {
            number,
            key: LessSafeKey::new(key),
            salt: iv.as_ref()[..4].try_into().unwrap(),
        }
    }

    fn nonce(&self, explicit: &[u8]) -> Nonce {
        let whole = [&self.salt, explicit].concat();
        Nonce::try_assume_unique_for_key(&whole).unwrap()
    }

    /// What is authenticated besides the contents.
    fn aad(&mut self, kind: u8, length: usize) -> Aad<Vec<u8>> {
        let number = self.number.to_be_bytes();
        self.number += 1;
        let length = u16::try_from(length).unwrap().to_be_bytes();
        Aad::from([&number[..], &[kind, 3, 3], &length].concat())
    }
}

impl Records {
    fn new(tcp: TcpStream, secrets: ExtractedSecrets) -> Records {
        Records {
            tcp,
            seal: Direction::new(secrets.tx),
            open: Direction::new(secrets.rx),
        }
    }

    fn send(&mut self, kind: u8, contents: &[u8]) {
        // Any that has not been there: rustls counts from a number of its own.
        let explicit = (u64::MAX - self.seal.number).to_be_bytes();
        let (nonce, aad) = (
            self.seal.nonce(&explicit),
            self.seal.aad(kind, contents.len()),
        );
        let mut sealed = contents.to_vec();
        let key = &self.seal.key;
        key.seal_in_place_append_tag(nonce, aad, &mut sealed)
            .unwrap();
        let length = u16::try_from(explicit.len() + sealed.len()).unwrap();
        let head = [&[kind, 3, 3], &length.to_be_bytes()[..]].concat();
        let record = [&head, &explicit[..], &sealed].concat();
        self.tcp.write_all(&record).unwrap();
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.tcp.read_exact(&mut head).unwrap();
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        self.tcp.read_exact(&mut record).unwrap();
        let (explicit, sealed) = record.split_at_mut(8);
        let nonce = self.open.nonce(explicit);
        let aad = self.open.aad(head[0], sealed.len() - AES_128_GCM.tag_len());
        let opened = self.open.key.open_in_place(nonce, aad, sealed).unwrap();
        (head[0], opened.to_vec())
    }

    /// All data until it holds this.
    fn receive_until(&mut self, end: &str) -> String {
        let mut data = String::new();
        while !data.contains(end) {
            let (kind, contents) = self.receive();
            assert_eq!(kind, DATA, "after {data:?}");
            data += str::from_utf8(&contents).unwrap();
        }
        data
    }
}

fn one_cipher() -> Arc<CryptoProvider> {
    let mut all = provider::default_provider();
    all.cipher_suites = vec![provider::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    Arc::new(all)
}

fn as_client(identity: &Identity) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.der()).unwrap();
    let mut config = ClientConfig::builder_with_provider(one_cipher())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

fn as_server(identity: &Identity) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(one_cipher())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.der()], identity.key())
        .unwrap();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

/// The first message that a client sends.
fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    tls.write_tls(&mut hello).unwrap();
    // Without the head of its record.
    hello.split_off(5)
}

fn connect(addr: SocketAddr, config: &Arc<ClientConfig>) -> Records {
    let mut tcp = TcpStream::connect(addr).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).unwrap();
    }
    Records::new(tcp, tls.dangerous_extract_secrets().unwrap())
}

fn accept(listener: &TcpListener, config: Arc<ServerConfig>) -> Records {
    let mut tcp = listener.accept().unwrap().0;
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tls = ServerConnection::new(config).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).unwrap();
    }
    Records::new(tcp, tls.dangerous_extract_secrets().unwrap())
}

/// docxy with this certificate, before a registry that has the same one.
fn docxy_before(registry: SocketAddr, identity: &Identity) -> (Docxy, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = identity.write(directory.path());
    let ca = cert.to_str().unwrap().to_owned();
    let upstream = format!("reg.test=https://{registry}");
    let more = ["--upstream", &upstream, "--upstream-ca", &ca];
    let docxy = tls_keys::start_with(&[(cert, key)], &more);
    (docxy, directory)
}

#[test]
fn neither_a_client_nor_an_upstream_gets_new_keys_in_tls_1_2() {
    let identity = Identity::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (docxy, _directory) = docxy_before(listener.local_addr().unwrap(), &identity);
    let server = as_server(&identity);
    let upstream = thread::spawn(move || {
        let mut docxy = accept(&listener, server);
        docxy.receive_until("\r\n\r\n");
        docxy.send(HANDSHAKE, &HELLO_REQUEST);
        docxy.send(DATA, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbefore");
        // Before the next request, which comes on the same connection.
        assert_eq!(docxy.receive(), (ALERT, REFUSAL.to_vec()));
        docxy.receive_until("\r\n\r\n");
        docxy.send(DATA, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter");
    });
    let config = as_client(&identity);
    let mut client = connect(docxy.addr(), &config);
    let ask = b"GET /v2/library/img/manifests/latest HTTP/1.1\r\nHost: reg.test\r\n\r\n";
    client.send(DATA, ask);
    client.receive_until("before");
    client.send(HANDSHAKE, &client_hello(&config));
    client.send(DATA, ask);
    assert_eq!(client.receive(), (ALERT, REFUSAL.to_vec()));
    client.receive_until("after");
    upstream.join().unwrap();
}
