//! One docxy before one scripted upstream, and rows that run through it side by side.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ClientConfig;
use tempfile::TempDir;

use crate::case::TAG;
use crate::docxy::Docxy;
use crate::wire::message::{Head, read_body};
use crate::wire::stream::{Stream, Wire};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Client, Closing, End, Framing, Request, Server};

/// How the bytes of a row come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In one write.
    Whole,
    /// Each in a write of its own.
    Bytewise,
    /// In one write, under TLS, as does what docxy sends.
    Tls,
}

/// Rows that run at the same time. They wait for each other's bytes more than for the processor.
const SIDE_BY_SIDE: usize = 8;

/// docxy and its upstream.
pub struct Stand {
    /// Whose requests are recorded.
    pub upstream: Server,
    docxy: Docxy,
    client: Arc<ClientConfig>,
    way: Way,
    _dir: TempDir,
}

impl Stand {
    /// docxy before an upstream with this script, which speaks TLS if the way says so.
    pub fn start(way: Way, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Stand {
        let identity = Identity::new();
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = identity.write(dir.path());
        let (upstream, listen) = match way {
            Way::Tls => (
                Server::start_tls(identity.server(), script),
                "https://127.0.0.1:0",
            ),
            _ => (Server::start(script), "http://127.0.0.1:0"),
        };
        let named = format!("reg.test={}", upstream.url());
        let mounted = format!("/mounted={}", upstream.url());
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        let mut args = vec!["--log", "off", "--listen", listen, "--upstream", &named];
        args.extend(["--mount", &mounted]);
        if way == Way::Tls {
            args.extend(["--upstream-ca", cert, "--tls-cert", cert, "--tls-key", key]);
        }
        Stand {
            docxy: Docxy::start(&args),
            upstream,
            client: identity.client(&[]),
            way,
            _dir: dir,
        }
    }

    /// A connection to docxy.
    pub fn connect(&self) -> Wire<Stream> {
        let addr = self.docxy.addr();
        match self.way {
            Way::Tls => Client::connect_tls(addr, Arc::clone(&self.client)),
            _ => Client::connect(addr),
        }
        .into_wire()
    }

    /// A request without any doubt, for a manifest of this tag, is answered with its own path, on this connection.
    pub fn ask_cleanly(&self, wire: &mut Wire<Stream>, tag: &str) -> Result<(), String> {
        let target = format!("/v2/clean/manifests/{tag}");
        send(
            wire,
            format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes(),
            Way::Whole,
        );
        let (head, body) = receive(wire, "GET")?;
        if head.status() == 200 && body == target.as_bytes() {
            return Ok(());
        }
        Err(format!(
            "a clean request for {tag} got {head:?} {}",
            body.escape_ascii()
        ))
    }

    /// The same on a new connection.
    pub fn ask_cleanly_anew(&self, tag: &str) -> Result<(), String> {
        self.ask_cleanly(&mut self.connect(), tag)
    }

    /// What reached the upstream by its tag, without the clean requests.
    pub fn recorded(&self) -> HashMap<String, Vec<Request>> {
        let mut recorded: HashMap<String, Vec<Request>> = HashMap::new();
        for request in self.upstream.requests() {
            if !request.head.target().starts_with("/v2/clean/") {
                let whole = [&request.head.raw[..], &request.body].concat();
                let tag = find_tag(&whole).unwrap_or_default();
                recorded.entry(tag).or_default().push(request);
            }
        }
        recorded
    }
}

fn find_tag(bytes: &[u8]) -> Option<String> {
    let is_tag =
        |four: &&[u8]| matches!(four, [b'k', digits @ ..] if digits.iter().all(u8::is_ascii_digit));
    let found = bytes.windows(TAG.len()).find(is_tag)?;
    Some(String::from_utf8_lossy(found).into_owned())
}

/// The tag of a row: four letters that stand nowhere else.
pub fn tag(row: usize) -> String {
    format!("k{row:03}")
}

/// A row's bytes with its tag.
pub fn tagged(bytes: &[u8], tag: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(TAG.as_bytes()))
        .collect();
    for at in places {
        bytes[at..at + TAG.len()].copy_from_slice(tag.as_bytes());
    }
    bytes
}

/// Runs every row and reports those that went wrong, by their names.
///
/// # Panics
/// If there are any.
pub fn side_by_side<T: Sync>(
    rows: &[T],
    name: impl Fn(&T) -> String + Sync,
    run: impl Fn(usize, &T) -> Result<(), String> + Sync,
) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(row) = rows.get(number) else { return };
            let outcome = catch_unwind(AssertUnwindSafe(|| run(number, row)));
            let outcome = outcome.unwrap_or_else(|panic| Err(said(&*panic)));
            if let Err(why) = outcome {
                wrong.lock().unwrap().push(format!("{}: {why}", name(row)));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(work);
        }
    });
    report(&wrong.into_inner().unwrap(), rows.len());
}

/// # Panics
/// If something went wrong.
pub fn report(wrong: &[String], of: usize) {
    assert!(
        wrong.is_empty(),
        "{} of {of}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied())
        .unwrap_or("a panic")
        .to_owned()
}

/// Sends these bytes. The peer may have left: what it answered is told by reading.
pub fn send(wire: &mut Wire<Stream>, bytes: &[u8], way: Way) {
    use std::io::Write;
    let piece = if way == Way::Bytewise {
        1
    } else {
        bytes.len().max(1)
    };
    for piece in bytes.chunks(piece) {
        if wire
            .stream
            .write_all(piece)
            .and_then(|()| wire.stream.flush())
            .is_err()
        {
            return;
        }
    }
}

/// The next answer, whole.
pub fn receive(wire: &mut Wire<Stream>, method: &str) -> Result<(Head, Vec<u8>), String> {
    match receive_any(wire, method)? {
        (head, body, End::Complete) => Ok((head, body)),
        (head, body, end) => Err(format!(
            "{head:?} {} ends with {end:?}",
            body.escape_ascii()
        )),
    }
}

/// The next answer, and how it ended.
pub fn receive_any(wire: &mut Wire<Stream>, method: &str) -> Result<(Head, Vec<u8>, End), String> {
    let raw = wire
        .head()
        .map_err(|closing| format!("{closing:?} instead of an answer"))?;
    let head = Head::parse(&raw);
    let (body, end) = read_body(wire, Framing::of_response(method, &head));
    Ok((head, body, end))
}

/// docxy leaves in order, without another byte.
pub fn expect_closing(wire: &mut Wire<Stream>) -> Result<(), String> {
    match wire.closing() {
        Closing::Fin => Ok(()),
        other => Err(format!("{other:?} instead of an orderly close")),
    }
}
