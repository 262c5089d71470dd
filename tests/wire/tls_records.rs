//! Records of TLS 1.3 as no library sends them, from clients and from registries: in single bytes, spoilt, empty, or with new
//! keys without end (RFC 8446 §4.6.3, §5).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::cipher::{Nonce as RecordNonce, make_tls13_aad};
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ConnectionCommon, ConnectionTrafficSecrets,
    Error, RootCertStore, ServerConnection, SideData,
};

use crate::docxy::{Docxy, PATIENCE};
use crate::stand::{MANIFEST, NAME, named};
use crate::tls_keys::start_with;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Server, noise};

/// What rustls takes of what has no contents before it ends the connection is less than this.
const FLOOD: usize = 1000;

/// A TLS connection whose records the test holds in its hands before they are sent.
struct Records<T> {
    tls: T,
    tcp: TcpStream,
}

impl<T, S> Records<T>
where
    T: std::ops::DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    fn shake_hands(mut tls: T, mut tcp: TcpStream) -> Records<T> {
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut tcp).unwrap();
        }
        Records { tls, tcp }
    }

    /// The records of these bytes, which count as sent.
    fn of(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.tls.writer().write_all(bytes).unwrap();
        self.waiting()
    }

    fn waiting(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Reads until what has come, some of it with the handshake perhaps, ends with `end`.
    fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        loop {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = self.tls.reader().read(&mut piece) {
                read.extend(&piece[..count]);
            }
            if read.ends_with(end) {
                return read;
            }
            let count = self.tls.read_tls(&mut self.tcp).unwrap();
            assert!(count > 0, "ended: {:?}", String::from_utf8_lossy(&read));
            self.tls.process_new_packets().unwrap();
        }
    }

    /// The alert that comes next; none if the connection ends without one.
    fn alert(&mut self) -> Option<AlertDescription> {
        loop {
            match self.tls.read_tls(&mut self.tcp) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it goes on"),
                Ok(0) | Err(_) => return None,
            }
            match self.tls.process_new_packets() {
                Err(Error::AlertReceived(alert)) => return Some(alert),
                other => other.unwrap(),
            };
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = provider::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

fn connection(identity: &Identity, addr: SocketAddr) -> Records<ClientConnection> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.der()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    Records::shake_hands(tls, TcpStream::connect(addr).unwrap())
}

/// docxy under TLS before a registry.
fn docxy(registry: &Server, identity: &Identity) -> (Docxy, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let pair = identity.write(directory.path());
    let docxy = start_with(&[pair], &["--upstream", &named(NAME, registry)]);
    (docxy, directory)
}

fn request() -> Vec<u8> {
    Ask::get(MANIFEST).bytes()
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (registry, identity) = (Server::start(|_| Answer::ok("whole")), Identity::new());
    let (docxy, _directory) = docxy(&registry, &identity);
    let mut client = connection(&identity, docxy.addr());
    for _ in 0..2 {
        let records = client.of(&request());
        for byte in records {
            client.tcp.write_all(&[byte]).unwrap();
        }
        client.read_until(b"\r\n\r\nwhole");
    }
    let both = [request(), request()].concat();
    let records = client.of(&both);
    client.tcp.write_all(&records).unwrap();
    client.read_until(b"\r\n\r\nwhole");
}

#[test]
fn a_spoilt_request_is_told_so_and_nothing_of_it_passes() {
    let (registry, identity) = (Server::start(|_| Answer::ok("x")), Identity::new());
    let (docxy, _directory) = docxy(&registry, &identity);
    let length = connection(&identity, docxy.addr()).of(&request()).len();
    for spoilt in [5, length / 2, length - 1] {
        let mut client = connection(&identity, docxy.addr());
        let mut records = client.of(&request());
        records[spoilt] ^= 1;
        client.tcp.write_all(&records).unwrap();
        assert_eq!(
            client.alert(),
            Some(AlertDescription::BadRecordMac),
            "{spoilt}"
        );
    }
    assert!(registry.requests().is_empty());
}

#[test]
fn new_keys_without_end_end_the_connection() {
    let (registry, identity) = (Server::start(|_| Answer::ok("x")), Identity::new());
    let (docxy, _directory) = docxy(&registry, &identity);
    let mut client = connection(&identity, docxy.addr());
    for _ in 0..FLOOD {
        client.tls.refresh_traffic_keys().unwrap();
        let records = client.waiting();
        if client.tcp.write_all(&records).is_err() {
            break;
        }
    }
    client.alert();
    assert!(registry.requests().is_empty());
    drop(connection(&identity, docxy.addr()));
}

/// So many records of TLS 1.3 without contents, and one with `last`.
fn after_empty_ones(client: Records<ClientConnection>, count: usize, last: &[u8]) -> TcpStream {
    let Records { tls, mut tcp } = client;
    let secrets = tls.dangerous_extract_secrets().unwrap();
    let (first, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.tx else {
        panic!("another cipher than the only one");
    };
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
    let contents = (0..count).map(|_| &b""[..]).chain([last]);
    for (number, contents) in (first..).zip(contents) {
        let mut sealed = [contents, &[23]].concat();
        let length = sealed.len() + AES_128_GCM.tag_len();
        let nonce = Nonce::assume_unique_for_key(RecordNonce::new(&iv, number).0);
        let aad = Aad::from(make_tls13_aad(length));
        key.seal_in_place_append_tag(nonce, aad, &mut sealed)
            .unwrap();
        let length = u16::try_from(length).unwrap().to_be_bytes();
        // The peer may have left.
        let _ = tcp.write_all(&[&[23, 3, 3], &length[..], &sealed].concat());
    }
    tcp
}

#[test]
fn a_few_empty_records_are_nothing_and_many_are_the_end() {
    let (registry, identity) = (Server::start(|_| Answer::ok("x")), Identity::new());
    let (docxy, _directory) = docxy(&registry, &identity);
    let few = connection(&identity, docxy.addr());
    let _open = after_empty_ones(few, 10, &request());
    registry.wait_for_requests(1);
    let many = connection(&identity, docxy.addr());
    let mut tcp = after_empty_ones(many, FLOOD, &request());
    let mut rest = Vec::new();
    // An end, in whatever way; not the time-out.
    if let Err(error) = tcp.read_to_end(&mut rest) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(registry.requests().len(), 1);
}

/// A registry that answers one request with the records that `spoil` makes of those of `answer`, byte by byte, and says what
/// alert it is sent.
fn registry(
    identity: &Identity,
    answer: Vec<u8>,
    spoil: impl Fn(&mut Vec<u8>) + Send + 'static,
) -> (SocketAddr, JoinHandle<Option<AlertDescription>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, config) = (listener.local_addr().unwrap(), identity.server());
    let serving = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        drop(listener);
        let mut docxy = Records::shake_hands(ServerConnection::new(config).unwrap(), tcp);
        docxy.read_until(b"\r\n\r\n");
        let mut records = docxy.of(&answer);
        spoil(&mut records);
        for byte in records {
            if docxy.tcp.write_all(&[byte]).is_err() {
                break;
            }
        }
        docxy.alert()
    });
    (addr, serving)
}

#[test]
fn a_spoilt_body_ends_before_what_is_spoilt_and_an_answer_may_come_byte_by_byte() {
    let (identity, directory) = (Identity::new(), tempfile::tempdir().unwrap());
    let (cert, _) = identity.write(directory.path());
    let body = noise(20_000);
    let answer = Answer::ok(&body).bytes();
    // The first record holds 16 KiB, of which the head is a part.
    let whole = 16 * 1024 - (answer.len() - body.len());
    for (is_spoilt, expected) in [(false, body.len()), (true, whole)] {
        let spoil = move |records: &mut Vec<u8>| {
            let last = records.len() - 1;
            records[last] ^= u8::from(is_spoilt);
        };
        let (addr, serving) = registry(&identity, answer.clone(), spoil);
        let docxy = Docxy::start(&[
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &format!("reg.test=https://localhost:{}", addr.port()),
            "--upstream-ca",
            cert.to_str().unwrap(),
        ]);
        let response = Client::connect(docxy.addr()).ask(&Ask::get(MANIFEST));
        assert!(response.body == body[..expected], "{}", response.body.len());
        drop(docxy);
        let alert = serving.join().unwrap();
        assert_eq!(
            alert == Some(AlertDescription::BadRecordMac),
            is_spoilt,
            "{alert:?}"
        );
    }
}
