use super::super::chunked::{ChunkError, ChunkScanner, LAST_CHUNK, chunk_head};
use super::arrivals;

/// What a scanner made of an input.
#[derive(Debug, PartialEq, Eq)]
struct Scan {
    data: Vec<u8>,
    /// What followed the end, if it came to one.
    rest: Option<Vec<u8>>,
    error: Option<ChunkError>,
}

/// A chunked body: the same data and the same end however it arrives, and after it not a byte is taken.
pub fn chunks(data: &[u8]) {
    let whole = scan(data, &[data.len()]);
    for ends in arrivals(data.len()) {
        assert_eq!(scan(data, &ends), whole, "cut at {ends:?}");
    }
    if let Some(rest) = &whole.rest {
        assert_eq!(plainly(data), (whole.data.clone(), rest.clone()));
    }
    let mut anew = Vec::new();
    for chunk in whole.data.chunks(37) {
        anew.extend([chunk_head(chunk.len()).as_ref(), chunk, b"\r\n"].concat());
    }
    anew.extend_from_slice(LAST_CHUNK);
    let again = scan(&anew, &[anew.len()]);
    assert_eq!((again.data, again.rest), (whole.data, Some(Vec::new())));
}

fn scan(data: &[u8], ends: &[usize]) -> Scan {
    let mut scanner = ChunkScanner::new();
    let mut scan = Scan {
        data: Vec::new(),
        rest: None,
        error: None,
    };
    let mut at = 0;
    for &end in ends {
        while at < end {
            let scanned = match scanner.scan(&data[at..end]) {
                Ok(scanned) => scanned,
                Err(error) => {
                    scan.error = Some(error);
                    return scan;
                }
            };
            let used = scanned.framing + scanned.data;
            assert!(used <= end - at, "no more is used than there is");
            assert!(used > 0, "it goes on");
            scan.data
                .extend_from_slice(&data[at + scanned.framing..at + used]);
            at += used;
            if scanned.end {
                assert_eq!(scanned.data, 0, "the end has no data behind it");
                scan.rest = Some(data[at..].to_vec());
                return scan;
            }
        }
    }
    scan
}

/// The data of a body that is known to be whole and well formed, and what follows it.
fn plainly(mut input: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut data = Vec::new();
    loop {
        let line = take_line(&mut input);
        let size = line.split(|&b| b == b';').next().unwrap_or_default();
        let size = str::from_utf8(size).expect("hexadecimal digits");
        assert!(size.len() <= 16 && size.bytes().all(|b| b.is_ascii_hexdigit()));
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            break;
        }
        data.extend_from_slice(&input[..size]);
        input = input[size..]
            .strip_prefix(b"\r\n")
            .expect("CRLF ends a chunk");
    }
    while !take_line(&mut input).is_empty() {}
    (data, input.to_vec())
}

fn take_line<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let end = input.windows(2).position(|pair| pair == b"\r\n");
    let end = end.expect("CRLF ends a line");
    let line = &input[..end];
    assert!(!line.iter().any(|b| b"\r\n".contains(b)));
    *input = &input[end + 2..];
    line
}
