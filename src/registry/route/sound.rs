//! What any path and query must be before anything is read from them: what could be read in two ways goes nowhere.

use memchr::memchr;

/// Begins with `/`, has neither dot segments nor empty ones, and nothing that would become one by decoding.
pub(super) fn is_sound_path(path: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && b != b'\\' && b != b'#';
    let Some((b'/', segments)) = path.as_bytes().split_first() else {
        return false;
    };
    let has_escapes = memchr(b'%', segments).is_some();
    if !path.bytes().all(is_plain) || has_escapes && !path.split('%').skip(1).all(is_sound_escape) {
        return false;
    }
    let mut segments = segments.split(|&b| b == b'/');
    // An empty last one is a `/` at the end; a `//` there makes the one before it empty too.
    let last = segments.next_back().unwrap_or_default();
    !is_dots(last) && segments.all(|segment| !segment.is_empty() && !is_dots(segment))
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Whether the two digits after a `%` are such, and stand for nothing that could be read as structure.
fn is_sound_escape(after_percent: &str) -> bool {
    match after_percent.as_bytes() {
        [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            let escape = [b'%', *high, *low];
            percent_encoding::percent_decode(&escape)
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b'.' | b'%'))
        }
        _ => false,
    }
}

pub(super) fn is_sound_query(query: &str) -> bool {
    query.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}
