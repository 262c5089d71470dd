//! A registry, its token server and its CDN, the last under TLS, with every fault that [`faults`](crate::faults) chooses.
//! Nothing is recorded: it may run for hours.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::faults::{Asked, Fault, Faults, Situation, brings_nothing};
use crate::image::Image;
use crate::wire::Head;
use crate::wire::dice::Dice;
use crate::wire::stream::{Stream, Wire};
use crate::wire::tls::Identity;

/// How long it waits for a peer that says nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// What nobody has asked for. It comes together with what it follows: what comes later may come after the next request, and
/// then nobody can tell it from the answer to that.
const SURPLUS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
const ONE_SEGMENT: usize = 16_000;

/// The three of them.
pub(crate) struct Origin {
    registry: String,
    shop: Arc<Shop>,
}

/// What they share.
struct Shop {
    /// Each blob and manifest, and its media type.
    goods: HashMap<String, (Vec<u8>, String)>,
    /// What `latest` stands for.
    latest: String,
    faults: Faults,
    auth: String,
    cdn: String,
    signed: AtomicU64,
}

/// A connection that goes on, or the end of one.
type Served = io::Result<()>;

impl Origin {
    /// Starts them with this image under every name.
    pub(crate) fn start(image: &Image, identity: &Identity) -> Origin {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (registry, auth, cdn) = (listen(), listen(), listen());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{}", port(&registry));
        let shop = Arc::new(Shop {
            goods: goods(image),
            latest: image.digest.clone(),
            faults: Faults::default(),
            auth: format!("http://127.0.0.1:{}", port(&auth)),
            cdn: format!("https://localhost:{}", port(&cdn)),
            signed: AtomicU64::new(0),
        });
        run(registry, None, &shop, Shop::registry);
        run(auth, None, &shop, Shop::auth);
        run(cdn, Some(identity.server()), &shop, Shop::cdn);
        Origin {
            registry: url,
            shop,
        }
    }

    /// How often what went wrong.
    pub(crate) fn report(&self) -> String {
        self.shop.faults.report()
    }

    /// The URL of the registry.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }
}

/// The type of a document is written in it; what has none is a config or a layer.
fn goods(image: &Image) -> HashMap<String, (Vec<u8>, String)> {
    let of = |digest: &String| {
        let bytes = image.blob(digest);
        let document: Option<Value> = serde_json::from_slice(&bytes).ok();
        let media_type = document.and_then(|d| Some(d.get("mediaType")?.as_str()?.to_owned()));
        let media_type = media_type.unwrap_or("application/octet-stream".to_owned());
        (digest.clone(), (bytes, media_type))
    };
    image.blobs.keys().map(of).collect()
}

type Serve = fn(&Shop, &mut Visit, &Head) -> Served;

fn run(listener: TcpListener, tls: Option<Arc<ServerConfig>>, shop: &Arc<Shop>, serve: Serve) {
    let shop = Arc::clone(shop);
    thread::spawn(move || {
        for (number, tcp) in listener.incoming().map_while(Result::ok).enumerate() {
            let (shop, tls) = (Arc::clone(&shop), tls.clone());
            thread::spawn(move || {
                let mut visit = Visit::new(open(tcp, tls), number as u64);
                while let Ok(raw) = visit.wire.head() {
                    if serve(&shop, &mut visit, &Head::parse(&raw)).is_err() {
                        return;
                    }
                    visit.turn += 1;
                }
            });
        }
    });
}

fn open(tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> Stream {
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    match tls {
        None => Stream::Plain(tcp),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            Stream::TlsServer(Box::new(StreamOwned::new(connection, tcp)))
        }
    }
}

/// A connection of docxy's.
struct Visit {
    wire: Wire<Stream>,
    dice: Dice,
    turn: usize,
}

/// A good that somebody asks for.
struct Wanted<'a> {
    head: &'a Head,
    situation: Situation<'a>,
    bytes: &'a [u8],
    media_type: &'a str,
}

impl Shop {
    /// `/v2/`, manifests, blobs, and a hop on the way to the CDN.
    fn registry(&self, visit: &mut Visit, head: &Head) -> Served {
        let target = head.target();
        if let Some(rest) = target.strip_prefix("/hop/") {
            return visit.redirect(&self.sign(rest));
        }
        let rest = target.strip_prefix("/v2/").unwrap_or_default();
        let parts = rest
            .split_once("/manifests/")
            .map(|(repository, name)| (Asked::Manifest, repository, name))
            .or_else(|| {
                let (repository, digest) = rest.split_once("/blobs/")?;
                Some((Asked::Blob, repository, digest))
            });
        let repository = parts.map_or("", |(_, repository, _)| repository);
        if !head.has("authorization") {
            return visit.challenge(&self.auth, repository);
        }
        let Some((asked, repository, name)) = parts else {
            return visit.answer("200 OK", &[], head, b"{}");
        };
        let digest = if name == "latest" { &self.latest } else { name };
        if asked == Asked::Blob && visit.dice.is_below(60) {
            let path = format!("{repository}/{digest}");
            return match visit.dice.is_below(30) {
                true => visit.redirect(&format!("/hop/{path}")),
                false => visit.redirect(&self.sign(&path)),
            };
        }
        self.sell(visit, head, asked, repository, digest)
    }

    /// A token for whoever asks.
    fn auth(&self, visit: &mut Visit, head: &Head) -> Served {
        visit.answer("200 OK", &[], head, br#"{"token":"soak"}"#)
    }

    /// Blobs by signed paths.
    fn cdn(&self, visit: &mut Visit, head: &Head) -> Served {
        assert!(
            !head.has("authorization"),
            "credentials at the CDN: {head:?}"
        );
        let path = head.target().split('?').next().unwrap_or_default();
        let (repository, digest) = path.trim_start_matches('/').rsplit_once('/').unwrap();
        self.sell(visit, head, Asked::Cdn, repository, digest)
    }

    fn sign(&self, path: &str) -> String {
        let number = self.signed.fetch_add(1, Ordering::Relaxed);
        format!("{}/{path}?signature={number}", self.cdn)
    }

    fn sell(
        &self,
        visit: &mut Visit,
        head: &Head,
        asked: Asked,
        repository: &str,
        digest: &str,
    ) -> Served {
        let Some((bytes, media_type)) = self.goods.get(digest) else {
            return visit.answer("404 Not Found", &[], head, b"{}");
        };
        let situation = Situation {
            asked,
            is_head: head.method() == "HEAD",
            repository,
            digest,
            has_range: head.has("range"),
            is_reused: visit.turn > 0,
        };
        let fault = self.faults.choose(&situation, &mut visit.dice);
        if fault.is_none_or(|fault| !brings_nothing(fault)) {
            self.faults.progress(&situation);
        }
        let wanted = Wanted {
            head,
            situation,
            bytes,
            media_type,
        };
        match fault {
            None => visit.give(&wanted, None),
            Some(Fault::Unauthorized) => visit.challenge(&self.auth, repository),
            Some(fault) => visit.fail(&wanted, fault),
        }
    }
}

impl Visit {
    fn new(stream: Stream, seed: u64) -> Visit {
        Visit {
            wire: Wire::new(stream),
            dice: Dice::new(seed),
            turn: 0,
        }
    }

    /// A short answer.
    fn answer(&mut self, status: &str, fields: &[(&str, &str)], to: &Head, body: &[u8]) -> Served {
        let body = if to.method() == "HEAD" { &[] } else { body };
        let fields: String = fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    fn redirect(&mut self, location: &str) -> Served {
        let head = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        );
        self.send(head.as_bytes())
    }

    fn challenge(&mut self, auth: &str, repository: &str) -> Served {
        let scope = match repository {
            "" => String::new(),
            name => format!(",scope=\"repository:{name}:pull\""),
        };
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{auth}/token\",service=\"soak\"{scope}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.send(head.as_bytes())
    }

    /// What is wanted, as it ought to be but for this fault.
    fn give(&mut self, wanted: &Wanted<'_>, fault: Option<Fault>) -> Served {
        let (status, range, body) = part(wanted, fault);
        let declared = match fault {
            Some(Fault::Chunked) => "Transfer-Encoding: chunked".to_owned(),
            Some(Fault::Longer) => format!("Content-Length: {}", body.len() + 1000),
            Some(Fault::NoLength) => format!("Content-Length: {}x", body.len()),
            _ => format!("Content-Length: {}", body.len()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {}\r\nDocker-Content-Digest: {}\r\n{range}{declared}\r\n\r\n",
            wanted.media_type, wanted.situation.digest
        );
        self.send(head.as_bytes())?;
        if wanted.situation.is_head {
            return Ok(());
        }
        // Any part that is to come brings a byte at least: docxy counts the attempts without one.
        let end = |thousandths: usize| match thousandths {
            0 => 0,
            _ => (body.len() * thousandths / 1000).max(1).min(body.len()),
        };
        match fault {
            Some(Fault::Cut(at) | Fault::Reset(at) | Fault::Stall(at)) => {
                self.send(&body[..end(at)])
            }
            Some(Fault::Slow) => body.chunks(body.len() / 50 + 1).try_for_each(|piece| {
                sleep(Duration::from_millis(5));
                self.send(piece)
            }),
            Some(Fault::Chunked) => self.send_chunks(body),
            Some(Fault::Surplus) if body.len() <= ONE_SEGMENT => {
                self.send(&[body, SURPLUS].concat())
            }
            _ => self.send(body),
        }
    }

    /// A fault, and what becomes of the connection.
    fn fail(&mut self, wanted: &Wanted<'_>, fault: Fault) -> Served {
        match fault {
            Fault::Status(status) => {
                let retry = [("Retry-After", "1")];
                let is_asked = status.starts_with("429") || self.dice.is_below(50);
                let fields = if is_asked { &retry[..] } else { &[] };
                return self.answer(status, fields, wanted.head, b"not now");
            }
            Fault::HangUp => return leave(),
            _ => self.give(wanted, Some(fault))?,
        }
        match fault {
            Fault::Stall(_) => {
                // Until docxy has had enough.
                let _ = self.wire.head();
                leave()
            }
            Fault::Reset(_) => {
                let _ =
                    socket2::SockRef::from(self.wire.stream.tcp()).set_linger(Some(Duration::ZERO));
                leave()
            }
            Fault::Cut(_) | Fault::Longer | Fault::CloseAfter => leave(),
            _ => Ok(()),
        }
    }

    fn send_chunks(&mut self, body: &[u8]) -> Served {
        for piece in body.chunks(100_000) {
            let size = format!("{:x}\r\n", piece.len());
            self.send(&[size.as_bytes(), piece, b"\r\n"].concat())?;
        }
        self.send(b"0\r\n\r\n")
    }

    fn send(&mut self, bytes: &[u8]) -> Served {
        self.wire.stream.write_all(bytes)?;
        self.wire.stream.flush()
    }
}

/// The connection is dropped.
fn leave() -> Served {
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Status, `Content-Range` and body of an answer.
fn part<'a>(wanted: &Wanted<'a>, fault: Option<Fault>) -> (&'static str, String, &'a [u8]) {
    let whole = ("200 OK", String::new(), wanted.bytes);
    let total = wanted.bytes.len();
    let asked = wanted
        .head
        .one("range")
        .and_then(|range| span(range, total));
    let (first, last) = match (asked, fault) {
        (None, _) | (_, Some(Fault::Whole)) => return whole,
        (Some((first, last)), Some(Fault::WrongPart)) => (first.saturating_sub(1), last),
        (Some(span), _) => span,
    };
    let range = format!("Content-Range: bytes {first}-{last}/{total}\r\n");
    ("206 Partial Content", range, &wanted.bytes[first..=last])
}

/// First and last byte of `bytes=A-` or `bytes=A-B`, if they are there.
fn span(range: &str, total: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() {
        total - 1
    } else {
        last.parse().ok()?
    };
    let first = first.parse().ok()?;
    (first <= last && last < total).then_some((first, last))
}
