//! What any path and query must be before anything is read from them: what could be read in two ways goes nowhere.

use memchr::memchr;

/// Begins with `/`, has neither dot segments nor empty ones, and nothing that would become one by decoding.
pub(super) fn is_sound_path(path: &str) -> bool {
    let Some((b'/', segments)) = path.as_bytes().split_first() else {
        return false;
    };
    let has_escapes = memchr(b'%', segments).is_some();
    if !is_plain(path) || has_escapes && !path.split('%').skip(1).all(is_sound_escape) {
        return false;
    }
    let mut segments = segments.split(|&b| b == b'/');
    // An empty last one is a `/` at the end; a `//` there makes the one before it empty too.
    let last = segments.next_back().unwrap_or_default();
    !is_dots(last) && segments.all(|segment| !segment.is_empty() && !is_dots(segment))
}

/// The same for what follows a mount's prefix, which no grammar of docxy's binds: stores have empty segments and spaces in
/// the names that they sign. What could lead out of the prefix, or be decoded to that, is as little sound there.
pub(super) fn is_sound_mounted_path(path: &str) -> bool {
    path.starts_with('/')
        && is_plain(path)
        && path.split('%').skip(1).all(is_harmless_escape)
        && !path.as_bytes().split(|&b| b == b'/').any(is_dots)
}

/// Whether all of it is what a path may be written in, and nothing that some read as a `/` or as its end.
fn is_plain(path: &str) -> bool {
    // Without an early end, so that the compiler can look at many bytes at once.
    path.bytes().fold(true, |is, b| {
        is & b.is_ascii_graphic() & (b != b'\\') & (b != b'#')
    })
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Whether the two digits after a `%` are such, and stand for nothing that could be read as structure.
fn is_sound_escape(after_percent: &str) -> bool {
    escaped(after_percent).is_some_and(|b| b.is_ascii_graphic() && !is_structure(b))
}

/// The same, where spaces and what is beyond ASCII may be in names.
fn is_harmless_escape(after_percent: &str) -> bool {
    escaped(after_percent).is_some_and(|b| !b.is_ascii_control() && !is_structure(b))
}

fn is_structure(b: u8) -> bool {
    matches!(b, b'/' | b'\\' | b'.' | b'%')
}

/// What the two digits after a `%` stand for.
fn escaped(after_percent: &str) -> Option<u8> {
    match after_percent.as_bytes() {
        [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            let escape = [b'%', *high, *low];
            percent_encoding::percent_decode(&escape).next()
        }
        _ => None,
    }
}

pub(super) fn is_sound_query(query: &str) -> bool {
    query.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}
