//! Which redirects are followed, and where they may lead (RFC 9110 §15.4).

use core::fmt;
use core::net::IpAddr;

use super::reach::{Reach, classify, classify_unseen};
use crate::http::uri::{Host, Scheme, Target, UriError};

/// As many redirects as one request may take; registries use one or two.
pub const MAX_HOPS: usize = 5;

/// Whether a status asks for another target with the same method.
///
/// 303 asks for a GET, which is what a GET or HEAD stays.
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The way of one request over its redirects.
#[derive(Clone, Debug)]
pub struct Trail {
    first: Target,
    /// Where it was sent, in order; the last is the current target.
    followed: Vec<Target>,
    /// The narrowest class of address that has answered, or that the first target may have.
    reach: Option<Reach>,
    left: bool,
}

impl Trail {
    /// A way that begins at `first`: within `reach`, or wherever that is if the operator chose it.
    pub fn new(first: Target, reach: Option<Reach>) -> Trail {
        Trail {
            first,
            followed: Vec::new(),
            reach,
            left: false,
        }
    }

    /// Where it began.
    pub fn first(&self) -> &Target {
        &self.first
    }

    /// The current target.
    pub fn target(&self) -> &Target {
        self.followed.last().unwrap_or(&self.first)
    }

    /// How many redirects have been followed.
    pub fn hops(&self) -> usize {
        self.followed.len()
    }

    /// Whether it has ever led to another origin than its first; it does not come back from there.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// The widest class of address that may be dialled for the current target; `None` for one that the operator chose.
    pub fn reach(&self) -> Option<Reach> {
        self.reach
    }

    /// Goes where a `Location` says that was answered from an address of class `from`.
    ///
    /// From https to http only if all that answered so far were private. On an error the trail stays where it is.
    pub fn follow(&mut self, location: &[u8], from: Reach) -> Result<(), RedirectError> {
        if self.hops() >= MAX_HOPS {
            return Err(RedirectError::TooMany);
        }
        let reach = self.reach.map_or(from, |reach| reach.min(from));
        let next = self
            .target()
            .resolve(location)
            .map_err(RedirectError::Invalid)?;
        let schemes = (self.target().origin.scheme(), next.origin.scheme());
        if schemes == (Scheme::Https, Scheme::Http) && reach == Reach::Global {
            return Err(RedirectError::Downgrade);
        }
        if next == self.first || self.followed.contains(&next) {
            return Err(RedirectError::Loop);
        }
        self.reach = Some(reach);
        self.left |= next.origin != self.first.origin;
        self.followed.push(next);
        Ok(())
    }
}

/// Whether an address may be dialled within a trail's reach; without one, any may.
pub fn may_dial(reach: Option<Reach>, address: IpAddr) -> bool {
    is_within(reach, || classify(address))
}

/// The same of a host that a proxy is asked for, which alone learns the addresses of a name.
pub fn may_ask_for(reach: Option<Reach>, host: &Host) -> bool {
    is_within(reach, || classify_unseen(host))
}

fn is_within(reach: Option<Reach>, place: impl FnOnce() -> Reach) -> bool {
    reach.is_none_or(|reach| {
        let there = place();
        there <= reach && there != Reach::Nowhere
    })
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectError {
    /// More than [`MAX_HOPS`].
    TooMany,
    /// To a target where the request has been.
    Loop,
    /// From https to http.
    Downgrade,
    /// To more than one target.
    Several,
    /// To no `http` or `https` target.
    Invalid(UriError),
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedirectError::TooMany => {
                write!(f, "the upstream redirects more than {MAX_HOPS} times")
            }
            RedirectError::Loop => f.write_str("the upstream redirects in a circle"),
            RedirectError::Downgrade => f.write_str("the upstream redirects from https to http"),
            RedirectError::Several => f.write_str("the upstream redirects to several locations"),
            RedirectError::Invalid(error) => {
                write!(f, "the upstream redirects to a malformed location: {error}")
            }
        }
    }
}

impl std::error::Error for RedirectError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(first: &str) -> Trail {
        Trail::new(Target::parse(first.as_bytes()).unwrap(), None)
    }

    #[test]
    fn statuses_that_redirect() {
        for status in [301, 302, 303, 307, 308] {
            assert!(is_redirect(status), "{status}");
        }
        for status in [200, 201, 206, 300, 304, 305, 306, 309, 400, 0] {
            assert!(!is_redirect(status), "{status}");
        }
    }

    #[test]
    fn locations_are_followed() {
        let first = "https://r.test/v2/a/blobs/sha256:0?x";
        let cases = [
            ("https://cdn.test/b?sig=%2F", "https://cdn.test/b?sig=%2F"),
            ("//cdn.test/b", "https://cdn.test/b"),
            ("/b", "https://r.test/b"),
            ("b", "https://r.test/v2/a/blobs/b"),
            ("../b", "https://r.test/v2/a/b"),
            ("?y", "https://r.test/v2/a/blobs/sha256:0?y"),
            ("https://r.test:8443/b#f", "https://r.test:8443/b"),
        ];
        for (location, expected) in cases {
            let mut trail = trail(first);
            assert_eq!((trail.hops(), trail.reach()), (0, None));
            trail.follow(location.as_bytes(), Reach::Global).unwrap();
            assert_eq!(trail.target().to_string(), expected, "{location}");
            assert_eq!((trail.hops(), trail.reach()), (1, Some(Reach::Global)));
            assert_eq!(
                trail.has_left(),
                !expected.starts_with("https://r.test/"),
                "{location}"
            );
        }
    }

    #[test]
    fn locations_that_are_not_followed() {
        let cases: [(&[u8], RedirectError); 10] = [
            (b"", RedirectError::Loop),
            (b"#x", RedirectError::Loop),
            (b"/v2/a", RedirectError::Loop),
            (b"https://R.test:443/v2/a#y", RedirectError::Loop),
            (b"http://r.test/v2/a", RedirectError::Downgrade),
            (b"http://cdn.test/", RedirectError::Downgrade),
            (b"ftp://cdn.test/", RedirectError::Invalid(UriError::Scheme)),
            (
                b"https://u:p@cdn.test/",
                RedirectError::Invalid(UriError::Userinfo),
            ),
            (
                b"https://2130706433/",
                RedirectError::Invalid(UriError::Host),
            ),
            (b"/a\r\nb", RedirectError::Invalid(UriError::Byte)),
        ];
        for (location, error) in cases {
            let mut trail = trail("https://r.test/v2/a");
            assert_eq!(
                trail.follow(location, Reach::Global),
                Err(error),
                "{}",
                location.escape_ascii()
            );
            assert_eq!((trail.hops(), trail.reach()), (0, None));
            assert_eq!(trail.target().to_string(), "https://r.test/v2/a");
            assert!(!error.to_string().contains("r.test"), "{error}");
        }
    }

    #[test]
    fn a_trail_ends_after_five_hops() {
        let mut trail = trail("https://r.test/0");
        for hop in 1..=MAX_HOPS {
            assert_eq!(
                trail.follow(format!("/{hop}").as_bytes(), Reach::Global),
                Ok(())
            );
        }
        assert_eq!(
            trail.follow(b"/6", Reach::Global),
            Err(RedirectError::TooMany)
        );
        assert_eq!(trail.target().path_and_query, "/5");
    }

    #[test]
    fn a_trail_never_comes_back() {
        let mut trail = trail("https://r.test/a");
        trail.follow(b"https://s.test/b", Reach::Global).unwrap();
        trail.follow(b"/c", Reach::Global).unwrap();
        assert_eq!(trail.follow(b"/b", Reach::Global), Err(RedirectError::Loop));
        assert_eq!(
            trail.follow(b"https://r.test/a", Reach::Global),
            Err(RedirectError::Loop)
        );
        assert_eq!(
            trail.follow(b"https://r.test/a?again", Reach::Global),
            Ok(())
        );
    }

    #[test]
    fn the_reach_only_narrows() {
        let mut trail = trail("https://r.test/a");
        let steps = [
            (Reach::LinkLocal, Reach::LinkLocal),
            (Reach::Private, Reach::Private),
            (Reach::LinkLocal, Reach::Private),
            (Reach::Global, Reach::Global),
            (Reach::Private, Reach::Global),
        ];
        for (step, (from, expected)) in steps.into_iter().enumerate() {
            trail.follow(format!("/{step}").as_bytes(), from).unwrap();
            assert_eq!(trail.reach(), Some(expected), "{step}");
        }
    }

    #[test]
    fn plain_http_only_after_private_answers() {
        for (from, expected) in [
            (Reach::Global, Err(RedirectError::Downgrade)),
            (Reach::Private, Ok(())),
            (Reach::LinkLocal, Ok(())),
        ] {
            assert_eq!(
                trail("https://r.test/").follow(b"http://cdn.test/", from),
                expected,
                "{from:?}"
            );
        }
        let mut mixed = trail("https://r.test/");
        mixed.follow(b"https://s.test/", Reach::Global).unwrap();
        assert_eq!(
            mixed.follow(b"http://t.test/", Reach::Private),
            Err(RedirectError::Downgrade)
        );
        let mut plain = trail("http://r.test/");
        plain.follow(b"http://s.test/", Reach::Global).unwrap();
        plain.follow(b"https://s.test/", Reach::Global).unwrap();
        assert_eq!(
            plain.follow(b"http://t.test/", Reach::Global),
            Err(RedirectError::Downgrade)
        );
    }

    #[test]
    fn addresses_within_reach_may_be_dialled() {
        let reaches = [
            None,
            Some(Reach::Global),
            Some(Reach::Private),
            Some(Reach::LinkLocal),
            Some(Reach::Nowhere),
        ];
        let cases = [
            ("8.8.8.8", [true, true, true, true, true]),
            ("2606:4700::1111", [true, true, true, true, true]),
            ("10.0.0.1", [true, false, true, true, true]),
            ("127.0.0.1", [true, false, true, true, true]),
            ("::1", [true, false, true, true, true]),
            ("::ffff:127.0.0.1", [true, false, true, true, true]),
            ("169.254.169.254", [true, false, false, true, true]),
            ("fe80::1", [true, false, false, true, true]),
            ("224.0.0.1", [true, false, false, false, false]),
            ("255.255.255.255", [true, false, false, false, false]),
        ];
        for (address, expected) in cases {
            let address = address.parse().unwrap();
            assert_eq!(
                reaches.map(|reach| may_dial(reach, address)),
                expected,
                "{address}"
            );
        }
    }
}
