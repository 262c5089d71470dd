//! Bodies whole, cut anywhere, malformed, and framed anew.

use super::*;

/// The data of a body that comes in the given pieces, and how many bytes of it were used.
fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), ChunkError> {
    let mut scanner = ChunkScanner::new();
    let (mut data, mut used) = (Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let scanned = scanner.scan(rest)?;
            data.extend_from_slice(&rest[scanned.framing..scanned.framing + scanned.data]);
            used += scanned.framing + scanned.data;
            rest = &rest[scanned.framing + scanned.data..];
            if scanned.end {
                return Ok((data, used, true));
            }
        }
    }
    Ok((data, used, false))
}

/// Whole, split in two at every byte, and byte by byte: always the same.
fn decode_every_way(input: &[u8]) -> Result<(Vec<u8>, usize, bool), ChunkError> {
    let whole = decode(&[input]);
    for split in 0..=input.len() {
        assert_eq!(
            decode(&[&input[..split], &input[split..]]),
            whole,
            "{} at {split}",
            input.escape_ascii()
        );
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(&bytes), whole, "{}", input.escape_ascii());
    whole
}

#[test]
fn data_is_found_at_any_split() {
    let cases: [(&[u8], &[u8], usize); 8] = [
        (b"0\r\n\r\n", b"", 5),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", 15),
        (
            b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET",
            b"hello world",
            26,
        ),
        (b"A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", 22),
        (b"0000000000000001\r\nx\r\n0\r\n\r\n", b"x", 26),
        (b"2;a=b;c=\"d e\"\r\n\r\n\r\n0;x\r\n\r\n", b"\r\n", 26),
        (b"1;\r\nx\r\n0\r\n\r\n", b"x", 12),
        (b"1\r\nx\r\n0\r\nA: b\r\nC:\t\r\n\r\nrest", b"x", 22),
    ];
    for (input, data, used) in cases {
        assert_eq!(
            decode_every_way(input),
            Ok((data.to_vec(), used, true)),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn an_unfinished_body_has_no_end() {
    let whole = b"5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for cut in 0..whole.len() {
        let (data, used, end) = decode(&[&whole[..cut]]).unwrap();
        assert!(
            !end && used == cut && b"hello".starts_with(&data[..]),
            "{cut}"
        );
    }
}

#[test]
fn malformed_bodies_are_refused() {
    let cases: [(&[u8], ChunkError); 31] = [
        (b"\r\n", ChunkError::Size),
        (b"g\r\n", ChunkError::Size),
        (b"-1\r\n", ChunkError::Size),
        (b"+1\r\n", ChunkError::Size),
        (b"0x1\r\n", ChunkError::Size),
        (b" 1\r\n", ChunkError::Size),
        (b"1 \r\n", ChunkError::Size),
        (b"1 ;a\r\n", ChunkError::Size),
        (b"1\t\r\n", ChunkError::Size),
        (b"1_0\r\n", ChunkError::Size),
        (b";a\r\n", ChunkError::Size),
        (b"00000000000000001\r\n", ChunkError::Size),
        (b"ffffffffffffffff\r\n", ChunkError::Size),
        (b"1000000000000000\r\n", ChunkError::Size),
        (b"1\n", ChunkError::LineEnd),
        (b"1\rx", ChunkError::LineEnd),
        (b"1;a\n", ChunkError::LineEnd),
        (b"1;a\rb", ChunkError::LineEnd),
        (b"1;\0\r\n", ChunkError::Extension),
        (b"1;a=\"\r\n", ChunkError::Extension),
        (b"1;a=\"b\\\"\r\n", ChunkError::Extension),
        (b"1;a=\"b\\\r\n", ChunkError::Extension),
        (b"1;a=\"b\n", ChunkError::LineEnd),
        (b"1\r\nxy", ChunkError::LineEnd),
        (b"1\r\nx\n", ChunkError::LineEnd),
        (b"1\r\nx\rY", ChunkError::LineEnd),
        (b"0\r\nx\r\n", ChunkError::Trailer),
        (b"0\r\n A: b\r\n", ChunkError::Trailer),
        (b"0\r\nA : b\r\n", ChunkError::Trailer),
        (b"0\r\nA: b\n", ChunkError::LineEnd),
        (b"0\r\n\rX", ChunkError::LineEnd),
    ];
    for (input, error) in cases {
        assert_eq!(
            decode_every_way(input),
            Err(error),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn limits_are_exact() {
    let extension =
        |length: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(length)).into_bytes();
    assert!(decode(&[&extension(256)]).is_ok());
    assert_eq!(decode(&[&extension(257)]), Err(ChunkError::Extension));

    let many = |count: usize| {
        format!(
            "{}0\r\n\r\n",
            format!("1;{}\r\nx\r\n", "e".repeat(256)).repeat(count)
        )
        .into_bytes()
    };
    assert_eq!(
        decode(&[&many(16)]).map(|(data, _, end)| (data.len(), end)),
        Ok((16, true))
    );
    assert_eq!(decode(&[&many(17)]), Err(ChunkError::Extension));

    let trailer = |length: usize| format!("0\r\na:{}\r\n\r\n", "t".repeat(length)).into_bytes();
    assert!(decode(&[&trailer(8 * 1024 - 3)]).is_ok());
    assert_eq!(decode(&[&trailer(8 * 1024 - 2)]), Err(ChunkError::Trailer));
    assert!(decode(&[b"0fffffffffffffff\r\n"]).is_ok());
}

#[test]
fn chunk_heads_scan_back() {
    for length in [0, 1, 15, 16, 255, 256, 65_535, 65_536, usize::MAX >> 4] {
        assert_eq!(
            chunk_head(length).as_ref(),
            format!("{length:x}\r\n").as_bytes()
        );
    }
    let mut framed = chunk_head(3).as_ref().to_vec();
    framed.extend_from_slice(b"abc");
    for ends in [&[CHUNK_END, LAST_CHUNK][..], &[CHUNK_END_AND_LAST_CHUNK]] {
        let whole = [&framed, ends.concat().as_slice()].concat();
        assert_eq!(
            decode_every_way(&whole),
            Ok((b"abc".to_vec(), whole.len(), true))
        );
    }
}
