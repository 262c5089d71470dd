//! The statuses that are counted apart. An upstream may answer with any number, and must not make a series of each.

/// Those that clients, registries or docxy give a meaning.
const EXACT: [u16; 35] = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 410,
    413, 414, 415, 416, 417, 421, 429, 431, 499, 500, 501, 502, 503, 504, 505, 508,
];

/// All others, by their class.
const CLASSES: [&str; 5] = ["other", "2xx", "3xx", "4xx", "5xx"];

/// How many are counted apart.
pub(super) const COUNT: usize = EXACT.len() + CLASSES.len();

/// The number of a status, less than [`COUNT`].
pub(super) fn number(status: u16) -> usize {
    EXACT.binary_search(&status).unwrap_or_else(|_| {
        let class = match status {
            200..=599 => usize::from(status / 100) - 1,
            _ => 0,
        };
        EXACT.len() + class
    })
}

/// The value of the label for a number.
pub(super) fn name(number: usize) -> String {
    match EXACT.get(number) {
        Some(status) => status.to_string(),
        None => CLASSES[number - EXACT.len()].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_status_has_one_of_a_few_names() {
        let cases = [
            (200, "200"),
            (203, "2xx"),
            (299, "2xx"),
            (300, "3xx"),
            (404, "404"),
            (417, "417"),
            (418, "4xx"),
            (499, "499"),
            (508, "508"),
            (599, "5xx"),
            (600, "other"),
            (100, "other"),
            (0, "other"),
        ];
        for (status, expected) in cases {
            assert_eq!(name(number(status)), expected, "{status}");
        }
        assert!((0..=u16::MAX).all(|status| number(status) < COUNT));
        assert!(EXACT.is_sorted());
    }
}
