//! Pulls by clients of the soak's own: token, index, manifests, blobs, each compared with its digest.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::image::{Image, digest_of};
use crate::tally::Tally;
use crate::wire::dice::Dice;
use crate::wire::message::{End, Framing, Head, read_body};
use crate::wire::stream::{Stream, Wire};

/// How long a client waits for docxy; longer than docxy waits for anybody.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a rough client asks for the same.
const PERSISTENCE: usize = 100;

/// What a client puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nothing: whatever the registry does, docxy hides it.
    Gentle,
    /// Errors that docxy passes on or cannot hide; but a whole answer is the right one.
    Rough,
}

/// A client with a repository of its own.
struct Puller {
    addr: SocketAddr,
    trust: Option<Arc<ClientConfig>>,
    manner: Manner,
    repository: String,
    token: Option<String>,
    connection: Option<Wire<Stream>>,
    dice: Dice,
}

/// An answer whose body has come to its end.
struct Answer {
    head: Head,
    body: Vec<u8>,
}

/// Pulls one image after another until the time is over.
pub(crate) fn run(
    addr: SocketAddr,
    trust: Option<Arc<ClientConfig>>,
    manner: Manner,
    number: u64,
    image: &Image,
    tally: &Tally,
) {
    let (kind, by) = match manner {
        Manner::Gentle => ("gentle", "gentle clients"),
        Manner::Rough => ("rough", "rough clients"),
    };
    let mut puller = Puller {
        addr,
        trust,
        manner,
        repository: format!("{kind}/{number}"),
        token: None,
        connection: None,
        dice: Dice::new(number),
    };
    while !tally.is_over() {
        match puller.pull(image, tally) {
            Ok(()) => tally.pulled(by),
            Err(why) => tally.complain(&format!("{}: {why}", puller.repository)),
        }
    }
}

impl Puller {
    fn pull(&mut self, image: &Image, tally: &Tally) -> Result<(), String> {
        if self.dice.is_below(20) {
            (self.connection, self.token) = (None, None);
        }
        let index = self.fetch("manifests/latest", &image.digest, tally)?;
        if index != image.blob(&image.digest) {
            return Err("another index than the image's".to_owned());
        }
        for digest in image.blobs.keys() {
            let kind = match self.dice.is_below(50) {
                true => "blobs",
                false if image.blobs[digest] < 10_000 => "manifests",
                false => "blobs",
            };
            self.fetch(&format!("{kind}/{digest}"), digest, tally)?;
        }
        Ok(())
    }

    /// Asks until it has what has this digest, if its manner is such.
    fn fetch(&mut self, what: &str, digest: &str, tally: &Tally) -> Result<Vec<u8>, String> {
        let target = format!("/v2/{}/{what}", self.repository);
        let mut why = String::new();
        for _ in 0..PERSISTENCE {
            match self.ask(&target) {
                Ok(answer) if answer.head.status() == 200 => {
                    return match digest_of(&answer.body) == digest {
                        true => Ok(answer.body),
                        false => Err(format!("{target}: a whole body of another digest")),
                    };
                }
                // A CDN's refusal comes without a challenge.
                Ok(answer) if answer.head.has("www-authenticate") => {
                    self.sign_in(&answer.head)?;
                    continue;
                }
                Ok(answer) => {
                    let some = &answer.body[..answer.body.len().min(300)];
                    let text = String::from_utf8_lossy(some);
                    why = format!("{target}: {} {text}", answer.head.start);
                }
                Err(error) => why = format!("{target}: {error}"),
            }
            if self.manner == Manner::Gentle {
                return Err(why);
            }
            tally.refused();
        }
        Err(format!("in vain: {why}"))
    }

    /// Gets a token from the realm of a challenge, which is docxy itself.
    fn sign_in(&mut self, challenge: &Head) -> Result<(), String> {
        let value = challenge.one("www-authenticate").ok_or("no challenge")?;
        let realm = value.split('"').nth(1).ok_or("no realm")?;
        let path = realm.splitn(4, '/').nth(3).ok_or("no path in the realm")?;
        let target = format!(
            "/{path}?service=soak&scope=repository:{}:pull",
            self.repository
        );
        self.token = None;
        let answer = self.ask(&target)?;
        if answer.head.status() != 200 {
            return Err(format!("no token: {}", answer.head.start));
        }
        let token: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        self.token = Some(token["token"].as_str().ok_or("no token in it")?.to_owned());
        Ok(())
    }

    /// One request, and its whole answer. The connection is kept if it can be.
    fn ask(&mut self, target: &str) -> Result<Answer, String> {
        let mut wire = match self.connection.take() {
            Some(wire) => wire,
            None => self.connect()?,
        };
        let token = self.token.as_ref();
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\n{accept}\r\n{}\r\n",
            self.addr,
            authorization.unwrap_or_default()
        );
        let sent = std::io::Write::write_all(&mut wire.stream, request.as_bytes());
        sent.map_err(|error| format!("docxy takes no request: {error}"))?;
        let raw = wire
            .head()
            .map_err(|closing| format!("{closing:?} before a head"))?;
        let head = Head::parse(&raw);
        let (body, end) = read_body(&mut wire, Framing::of_response("GET", &head));
        if let End::Cut(closing) = end {
            return Err(format!(
                "{closing:?} after {} bytes of the body",
                body.len()
            ));
        }
        if head.one("connection") != Some("close") {
            self.connection = Some(wire);
        }
        Ok(Answer { head, body })
    }

    fn connect(&self) -> Result<Wire<Stream>, String> {
        let tcp =
            TcpStream::connect(self.addr).map_err(|error| format!("no connection: {error}"))?;
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        let stream = match &self.trust {
            None => Stream::Plain(tcp),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
                Stream::TlsClient(Box::new(StreamOwned::new(tls, tcp)))
            }
        };
        Ok(Wire::new(stream))
    }
}
