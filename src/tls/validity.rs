//! From when until when a certificate is valid, and for which names. rustls reads certificates to verify them and tells
//! what it found by what it refuses; a parser of docxy's own would be one more that reads what others wrote.

use std::time::{Duration, SystemTime};

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

/// The time of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub from: SystemTime,
    /// Its last second.
    pub until: SystemTime,
}

impl Validity {
    /// What a certificate says; `None` if it is no certificate of a server.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Validity> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        // The first second that there is, and one that no certificate can name (RFC 5280 §4.1.2.5 ends in 9999).
        let [first, never] = [0, 1 << 40].map(Duration::from_secs);
        let (from, until) = (refusal(&parsed, first), refusal(&parsed, never));
        let from = match from? {
            CertificateError::NotValidYetContext { not_before, .. } => not_before,
            // Valid since 1970: nothing is wrong with it but that nobody signed it.
            _ => UnixTime::since_unix_epoch(first),
        };
        let CertificateError::ExpiredContext { not_after, .. } = until? else {
            return None;
        };
        let at = |time: UnixTime| {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()))
        };
        Some(Validity {
            from: at(from)?,
            until: at(not_after)?,
        })
    }

    /// How long it is valid.
    pub fn lifetime(self) -> Duration {
        self.until.duration_since(self.from).unwrap_or_default()
    }

    /// Whether it is valid at a time.
    pub fn contains(self, now: SystemTime) -> bool {
        (self.from..=self.until).contains(&now)
    }
}

/// Whether a certificate is one for a name.
pub fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(parsed), Ok(name)) = (
        ParsedCertificate::try_from(certificate),
        ServerName::try_from(name),
    ) else {
        return false;
    };
    verify_server_name(&parsed, &name).is_ok()
}

/// Why a certificate is not trusted at a time. Its validity is looked at before its issuer.
fn refusal(certificate: &ParsedCertificate<'_>, at: Duration) -> Option<CertificateError> {
    let verified = verify_server_cert_signed_by_trust_anchor(
        certificate,
        &RootCertStore::empty(),
        &[],
        UnixTime::since_unix_epoch(at),
        ring::default_provider()
            .signature_verification_algorithms
            .all,
    );
    match verified {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(from: i32, until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn the_time_is_that_of_the_certificate() {
        let cases = [
            ((2026, 2027), (1_767_225_600, 1_798_761_600)),
            ((1970, 2000), (0, 946_684_800)),
            ((2051, 2100), (2_556_144_000, 4_102_444_800)),
        ];
        for ((from, until), seconds) in cases {
            let found = Validity::of(&certificate(from, until)).unwrap();
            let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(
                (since(found.from).as_secs(), since(found.until).as_secs()),
                seconds,
                "{from} to {until}"
            );
            assert!(found.contains(found.from) && found.contains(found.until));
            assert!(!found.contains(found.until + Duration::from_secs(1)));
        }
        assert_eq!(Validity::of(&CertificateDer::from(&b"0\x03abc"[..])), None);
    }

    #[test]
    fn names_are_those_of_the_certificate() {
        let certificate = certificate(2026, 2027);
        for (name, expected) in [
            ("a.test", true),
            ("A.TEST", true),
            ("b.test", false),
            ("", false),
        ] {
            assert_eq!(is_for(&certificate, name), expected, "{name:?}");
        }
    }
}
