//! Sets of field names, looked up without case (RFC 9110 §5.1).

/// Field names that are treated alike.
#[derive(Debug)]
pub struct Names<const N: usize> {
    names: [&'static str; N],
    /// A [`bit`] for each length: most names are told apart from all of these by theirs alone.
    lengths: u64,
}

/// The bit of a name's length; the longest share one.
pub(super) const fn bit(length: usize) -> u64 {
    1 << if length < 63 { length } else { 63 }
}

impl<const N: usize> Names<N> {
    /// These names, of less than 32 bytes each.
    pub const fn new(names: [&'static str; N]) -> Names<N> {
        let (mut lengths, mut at) = (0, 0);
        while at < N {
            assert!(names[at].len() < 32);
            lengths |= bit(names[at].len());
            at += 1;
        }
        Names { names, lengths }
    }

    /// Whether `name` is one of them.
    pub fn has(&self, name: &[u8]) -> bool {
        self.lengths & bit(name.len()) != 0
            && self
                .names
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case() {
        const NAMES: Names<3> = Names::new(["te", "trailer", "x-aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]);
        for name in ["te", "TE", "Trailer", "X-aaaaaaaaaaaaaaaaaaaaaaaaaaaaA"] {
            assert!(NAMES.has(name.as_bytes()), "{name}");
        }
        let longer = "t".repeat(32 + 2);
        for name in ["", "t", "et", "trailes", "trailers", "x", &longer] {
            assert!(!NAMES.has(name.as_bytes()), "{name}");
        }
    }
}
