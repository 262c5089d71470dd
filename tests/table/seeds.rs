//! The rows of the tables as seeds of the fuzz targets that read such bytes, so that what is new in a table is fuzzed too.
//! `fuzz/make-seeds tables` writes them, by this very test; `cargo test` sees that nobody has forgotten to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::case::{Answer, Asked, Forwarded, Request, TAG, Then};
use crate::wire::digest;
use crate::{answers, requests};

/// The rows at the limits are longer; to a fuzzer they bring slowness.
const MAX_SEED: usize = 1024;

/// What these seeds are told from others by.
const PREFIX: &str = "table-";

/// Bytes of a script of the target `proxy` that stand for what a peer does.
const PART: &[u8] = b"\x1e";
const AWAIT: &str = "\x1d";
const STAY: &str = "\x1b";
const MARK: &[u8] = b"\x1a";
const RESET: &str = "\x19";

/// What nobody doubts: a request, its answer, and how a registry asks for a token.
const ASKED: &str =
    "GET /v2/a/manifests/latest HTTP/1.1\r\nHost: docxy.test\r\nUser-Agent: \x1a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x1a!";
const CHALLENGE: &str = "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\
    WWW-Authenticate: Bearer realm=\"http://registry.test/realm\",service=\"s\"\r\n\r\n";

#[test]
fn every_row_is_a_seed() {
    let (requests, answers) = (requests::all(), answers::all());
    let asking = requests.iter().filter_map(asking);
    let proxy = asking.chain(answers.iter().filter_map(answering)).collect();
    keep("proxy", proxy);
    let heads = requests.into_iter().map(|row| row.bytes);
    keep("request_head", heads.collect());
    let heads = answers.into_iter().map(|row| row.bytes);
    keep("response_head", heads.collect());
}

/// A client that sends a row, another beyond doubt, and an upstream that answers what the row makes of it. `None` if the
/// row has a byte that stands for something else in a script.
fn asking(row: &Request) -> Option<Vec<u8>> {
    let is_token = |one: &Forwarded| one.line.contains(" /realm");
    let challenge = row.forwarded.iter().any(is_token).then_some(CHALLENGE);
    let answers = challenge
        .into_iter()
        .chain(row.forwarded.iter().map(|_| OK));
    let answers = answers.collect::<Vec<_>>().join(AWAIT) + STAY;
    let row = marked(verbatim(&row.bytes)?);
    Some(parts([&row, ASKED.as_bytes(), answers.as_bytes()]))
}

/// An upstream that answers with a row; what it says next shows whether it was asked again over the same connection.
fn answering(row: &Answer) -> Option<Vec<u8>> {
    let asked = match row.asked {
        Asked::Get => ASKED.to_owned(),
        Asked::Head => ASKED.replacen("GET", "HEAD", 1),
        Asked::Get10 => ASKED.replacen("HTTP/1.1", "HTTP/1.0", 1),
    };
    let then = match row.then {
        Then::Waits => [AWAIT, OK, STAY].concat(),
        Then::Closes => String::new(),
        Then::Resets => RESET.to_owned(),
    };
    let asked = [&asked, AWAIT, ASKED].concat();
    let answers = [verbatim(&row.bytes)?, then.as_bytes()].concat();
    Some(parts([asked.as_bytes(), b"", &answers]))
}

/// An input for the target `proxy`: two clients, an upstream, and another one that has no doubts.
fn parts([one, other, upstream]: [&[u8]; 3]) -> Vec<u8> {
    [b"", one, other, upstream, OK.as_bytes()].join(PART)
}

fn verbatim(bytes: &[u8]) -> Option<&[u8]> {
    let is_sign = |b: &u8| (0x19..=0x1f).contains(b);
    (!bytes.iter().any(is_sign)).then_some(bytes)
}

/// With a mark for the tag of the request line, where it changes no length, so that it is seen where the request goes.
fn marked(row: &[u8]) -> Vec<u8> {
    let line = row.split(|&b| b == b'\r').next().unwrap_or_default();
    let tag = line
        .windows(TAG.len())
        .position(|part| part == TAG.as_bytes());
    match tag {
        Some(at) => [&row[..at], MARK, &row[at + TAG.len()..]].concat(),
        None => row.to_vec(),
    }
}

/// Sees that a target has these seeds and no others of a table; first writes them, if that is wanted.
fn keep(target: &str, seeds: Vec<Vec<u8>>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let directory = directory.join(target);
    let short = seeds.into_iter().filter(|seed| seed.len() <= MAX_SEED);
    let seeds = short.map(|seed| (directory.join(name(&seed)), seed));
    let seeds: BTreeMap<PathBuf, Vec<u8>> = seeds.collect();
    if std::env::var_os("SEEDS").is_some_and(|value| value == "write") {
        let old = kept(&directory);
        old.keys().for_each(|path| fs::remove_file(path).unwrap());
        let write = |(path, seed): (&PathBuf, &Vec<u8>)| fs::write(path, seed).unwrap();
        seeds.iter().for_each(write);
    }
    assert!(
        kept(&directory) == seeds,
        "run `fuzz/make-seeds tables`: {target} has other seeds than the rows of the tables"
    );
}

fn name(seed: &[u8]) -> String {
    format!("{PREFIX}{}", &digest(seed)["sha256:".len()..][..16])
}

/// The seeds of the tables that are there.
fn kept(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let entries = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    entries
        .map(|entry| (entry.path(), fs::read(entry.path()).unwrap()))
        .collect()
}
