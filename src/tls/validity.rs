//! From when until when a certificate is valid (RFC 5280 §4.1.2.5), read from its DER. Nothing else of it is looked at.

use std::fmt;
use std::time::SystemTime;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The time in which a certificate is valid; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second; 1970 for those that are older.
    pub not_before: SystemTime,
    /// Its last second.
    pub not_after: SystemTime,
}

impl Validity {
    /// That of a certificate in DER; `None` if it has none that can be read.
    pub fn of(certificate: &[u8]) -> Option<Validity> {
        let (certificate, _) = expect(SEQUENCE, certificate)?;
        let (to_be_signed, _) = expect(SEQUENCE, certificate)?;
        let (tag, _, behind) = element(to_be_signed)?;
        let from_serial = if tag == VERSION { behind } else { to_be_signed };
        // Serial number, signature algorithm and issuer stand before it.
        let mut rest = from_serial;
        for _ in 0..3 {
            (_, _, rest) = element(rest)?;
        }
        let (validity, _) = expect(SEQUENCE, rest)?;
        let (tag, not_before, rest) = element(validity)?;
        let not_before = time(tag, not_before)?;
        let (tag, not_after, _) = element(rest)?;
        Some(Validity {
            not_before,
            not_after: time(tag, not_after)?,
        })
    }

    /// What is wrong with it at `now`, if anything is.
    pub fn fault(&self, now: SystemTime) -> Option<Fault> {
        if now > self.not_after {
            Some(Fault::Expired(self.not_after))
        } else if now < self.not_before {
            Some(Fault::NotYet(self.not_before))
        } else {
            None
        }
    }
}

/// Why a certificate is not valid at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was, until then.
    Expired(SystemTime),
    /// It will be, from then on.
    NotYet(SystemTime),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = humantime::format_rfc3339_seconds;
        match *self {
            Fault::Expired(at) => write!(f, "has expired on {}", date(at)),
            Fault::NotYet(at) => write!(
                f,
                "is not valid before {}; is this machine's clock right?",
                date(at)
            ),
        }
    }
}

/// The tag and contents of the first element of DER, and what is behind it (X.690 §8.1).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, der) = der.split_first()?;
    let (&first, der) = der.split_first()?;
    let (length, der) = match first {
        0..=0x7f => (usize::from(first), der),
        0x81..=0x84 => {
            let (bytes, der) = der.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |length: usize, &byte| (length << 8) | usize::from(byte));
            (length, der)
        }
        _ => return None,
    };
    let (contents, rest) = der.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// The contents of an element that has to have this tag, and what is behind it.
fn expect(expected: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, contents, rest) = element(der)?;
    (tag == expected).then_some((contents, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, the only forms that a certificate may have.
fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let has_length = digits.len() == if tag == UTC_TIME { 12 } else { 14 };
    if !has_length || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = match tag {
        UTC_TIME if digits < "50" => format!("20{digits}"),
        UTC_TIME => format!("19{digits}"),
        GENERALIZED_TIME => digits.to_owned(),
        _ => return None,
    };
    if digits.as_str() < "1970" {
        return Some(SystemTime::UNIX_EPOCH);
    }
    let (date, time) = digits.split_at(8);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    humantime::parse_rfc3339(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let cases = [
            (
                (1960, 1, 1),
                (1999, 12, 31),
                "1970-01-01T00:00:00Z",
                "1999-12-31T00:00:00Z",
            ),
            (
                (2026, 2, 28),
                (2049, 12, 31),
                "2026-02-28T00:00:00Z",
                "2049-12-31T00:00:00Z",
            ),
            (
                (2050, 1, 1),
                (9999, 12, 31),
                "2050-01-01T00:00:00Z",
                "9999-12-31T00:00:00Z",
            ),
        ];
        for (from, until, not_before, not_after) in cases {
            let expected = Validity {
                not_before: at(not_before),
                not_after: at(not_after),
            };
            assert_eq!(Validity::of(&certificate(from, until)), Some(expected));
        }
    }

    #[test]
    fn nothing_cut_or_changed_is_a_panic() {
        let whole = certificate((2026, 1, 1), (2027, 1, 1));
        for end in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..end]), None);
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = Validity::of(&changed);
            }
        }
    }

    #[test]
    fn faults_are_told_with_their_date() {
        let (not_before, not_after) = (at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:59Z"));
        let validity = Validity {
            not_before,
            not_after,
        };
        let second = Duration::from_secs(1);
        assert_eq!(validity.fault(not_before), None);
        assert_eq!(validity.fault(not_after), None);
        let expired = validity.fault(not_after + second).unwrap().to_string();
        assert_eq!(expired, "has expired on 2026-12-31T23:59:59Z");
        let early = validity.fault(not_before - second).unwrap().to_string();
        assert!(
            early.starts_with("is not valid before 2026-01-01T00:00:00Z"),
            "{early}"
        );
    }
}
