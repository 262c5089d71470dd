//! Heads as real clients and a registry sent them, from the recordings in `tests/data/clients`.

use std::fs;
use std::path::Path;

/// Heads by who sent them, all recordings together.
pub(crate) struct Recorded {
    /// Clients to the registry.
    pub(crate) requests: Vec<Vec<u8>>,
    /// The registry to clients.
    pub(crate) answers: Vec<Vec<u8>>,
}

/// Reads all recordings: a line `reg#N >> START` (or `<<`) begins a head, the indented lines up to an empty one are its
/// fields.
pub(crate) fn read() -> Recorded {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clients");
    let mut recorded = Recorded {
        requests: Vec::new(),
        answers: Vec::new(),
    };
    for entry in fs::read_dir(dir).expect("the recordings are there") {
        let path = entry.expect("a directory can be read").path();
        take(
            &fs::read_to_string(path).expect("a recording"),
            &mut recorded,
        );
    }
    assert!(recorded.requests.len() > 100, "all recordings were read");
    assert!(recorded.answers.len() > 100, "with their answers");
    recorded
}

fn take(text: &str, recorded: &mut Recorded) {
    // Connections are told apart by nine columns in front; in the heads of a recording they do not alternate.
    let mut lines = text.lines().filter(|line| line.starts_with("reg#"));
    while let Some(line) = lines.next() {
        let heads = match line.get(9..12) {
            Some(">> ") if line.ends_with(" HTTP/1.1") => &mut recorded.requests,
            Some("<< ") if line[12..].starts_with("HTTP/1.1 ") => &mut recorded.answers,
            _ => continue,
        };
        let fields = lines.by_ref().map_while(|line| line.get(12..));
        let head = fields.fold(line[12..].to_owned(), |head, field| head + "\r\n" + field);
        heads.push((head + "\r\n\r\n").into_bytes());
    }
}

/// The bytes of all heads together.
pub(crate) fn total(heads: &[Vec<u8>]) -> u64 {
    heads.iter().map(|head| head.len() as u64).sum()
}
