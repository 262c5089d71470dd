//! The grammar of repository names, tags and digests (OCI distribution specification 1.1, "Pulling manifests"; OCI image
//! specification 1.1, "Digests").

/// The longest repository name: with the host, most clients and registries allow 255 bytes.
pub const MAX_REPOSITORY: usize = 255;

/// The longest tag.
pub const MAX_TAG: usize = 128;

/// Whether `text` is a repository name: components of lower-case letters and digits, separated inside by `.`, `_`, `__` or
/// dashes, joined by `/`, 255 bytes at most.
pub fn is_repository(text: &str) -> bool {
    text.len() <= MAX_REPOSITORY && text.as_bytes().split(|&b| b == b'/').all(is_component)
}

/// Whether `text` is a tag: a letter, digit or `_`, then up to 127 of these, `.` and `-`.
pub fn is_tag(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.len() <= MAX_TAG
        && !text.is_empty()
        && !text.starts_with(['.', '-'])
        && text.bytes().all(sound)
}

/// Whether `text` is a digest, `algorithm:encoded`.
///
/// `sha256` and `sha512` need 64 and 128 lower-case hexadecimal digits; another algorithm only the grammar's characters.
pub fn is_digest(text: &str) -> bool {
    let Some((algorithm, encoded)) = text.split_once(':') else {
        return false;
    };
    match algorithm {
        "sha256" => is_lower_hex(encoded, 64),
        "sha512" => is_lower_hex(encoded, 128),
        _ => is_algorithm(algorithm) && is_encoded(encoded),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        let word = skip(rest, |b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if word.len() == rest.len() {
            return false;
        }
        if word.is_empty() {
            return true;
        }
        rest = skip(word, |b| matches!(b, b'.' | b'_' | b'-'));
        let separator = &word[..word.len() - rest.len()];
        if !matches!(separator, b"." | b"_" | b"__") && !separator.iter().all(|&b| b == b'-') {
            return false;
        }
    }
}

/// What follows the bytes that are `of` a kind.
fn skip(text: &[u8], of: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|&b| !of(b)).unwrap_or(text.len());
    &text[end..]
}

/// `[a-z0-9]+([+._-][a-z0-9]+)*`
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-'])
        .all(|word| !word.is_empty() && word.chars().all(is_lower_or_digit))
}

/// `[a-zA-Z0-9=_-]+`
fn is_encoded(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-'))
}

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_follow_the_grammar() {
        let good = [
            "alpine",
            "library/alpine",
            "a",
            "0",
            "a.b",
            "a_b",
            "a__b",
            "a-b",
            "a---b",
            "a.b_c__d-e/f/g1",
            "my.project/x",
            "manifests/blobs",
        ];
        for text in good {
            assert!(is_repository(text), "{text}");
        }
        let bad = [
            "", "/", "a/", "/a", "a//b", "A", "a.", ".a", "a..b", "a._b", "a___b", "-a", "a-",
            "a_-b", "a b", "a%2fb", "a:b", "a@b", "..", "a/../b", "ü", "a\n", "_catalog", "a.-b",
        ];
        for text in bad {
            assert!(!is_repository(text), "{text:?}");
        }
    }

    #[test]
    fn repositories_have_at_most_255_bytes() {
        assert!(is_repository(&"a".repeat(255)));
        assert!(!is_repository(&"a".repeat(256)));
        assert!(is_repository(&format!("{}a", "a/".repeat(127))));
        assert!(!is_repository(&format!("{}aa", "a/".repeat(127))));
    }

    #[test]
    fn tags_follow_the_grammar() {
        for text in ["latest", "3.20", "_x", "A-b.c_D", "1", &"a".repeat(128)] {
            assert!(is_tag(text), "{text}");
        }
        for text in [
            "",
            ".a",
            "-a",
            "a/b",
            "a:b",
            "a b",
            "a%20",
            "a+b",
            "é",
            "a\0",
            &"a".repeat(129),
        ] {
            assert!(!is_tag(text), "{text:?}");
        }
    }

    #[test]
    fn digests_follow_the_grammar() {
        let hex = "0123456789abcdef".repeat(8);
        let good = [
            format!("sha256:{}", &hex[..64]),
            format!("sha512:{hex}"),
            "blake3:AbC_-=0".to_owned(),
            "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8".to_owned(),
            "a.b_c-d+e:x".to_owned(),
        ];
        for text in &good {
            assert!(is_digest(text), "{text}");
        }
        let bad = [
            String::new(),
            "sha256".to_owned(),
            "sha256:".to_owned(),
            format!("sha256:{}", &hex[..63]),
            format!("sha256:{}", &hex[..65]),
            format!("sha256:{}", hex[..64].to_uppercase()),
            format!("sha256:{}g", &hex[..63]),
            format!("sha512:{}", &hex[..64]),
            format!("SHA256:{}", &hex[..64]),
            format!("sha256%3A{}", &hex[..64]),
            ":abc".to_owned(),
            "a++b:x".to_owned(),
            "+a:x".to_owned(),
            "a:x:y".to_owned(),
            "a:x/y".to_owned(),
            "a:x.y".to_owned(),
            "a:".to_owned(),
            "a b:x".to_owned(),
        ];
        for text in &bad {
            assert!(!is_digest(text), "{text:?}");
        }
    }
}
