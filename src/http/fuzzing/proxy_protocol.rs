use super::super::proxy_protocol::{Found, V2_LIMIT, find};

/// What comes before a connection's first byte: a header ends at one place, whatever has arrived of it or behind it.
pub fn proxy_protocol(data: &[u8]) {
    let whole = find(data);
    if let Ok(Found::Header { length, ends }) = whole {
        assert!(length <= data.len() && length <= V2_LIMIT);
        for end in ends.iter().flat_map(|ends| [ends.source, ends.destination]) {
            assert_eq!(end.ip(), end.ip().to_canonical());
        }
    }
    for end in (0..data.len()).rev().take(V2_LIMIT) {
        let part = find(&data[..end]);
        match whole {
            Ok(Found::Header { length, .. }) if end >= length => assert_eq!(part, whole),
            Ok(_) => assert_eq!(part, Ok(Found::Partial)),
            Err(_) => assert!(matches!(part, Ok(Found::Partial) | Err(_))),
        }
        if let (Err(_), Ok(_)) = (part, whole) {
            panic!("refused at {end} and taken later");
        }
    }
}
