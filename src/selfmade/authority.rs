//! A CA of docxy's own, and what it issues (RFC 5280). Keys are P-256, which every engine's TLS knows.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::SelfMadeError;
use super::leaf::Leaf;
use crate::tls;
use crate::tls::validity::Validity;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Ten years: giving engines another CA is work on every machine.
const CA_LIFE: Duration = Duration::from_secs(3653 * 24 * 3600);

/// How long a leaf is valid after it was made. With the day before it is 397 days, the most that some clients accept.
pub const LEAF_LIFE: Duration = Duration::from_secs(396 * 24 * 3600);

/// The clocks of engines may be behind.
const BACKDATED: Duration = DAY;

/// From when on a clock can be believed, 2026-01-01: docxy is no older. In seconds since 1970, as its end, 2200-01-01.
const CLOCK: Range<u64> = 1_767_225_600..7_258_118_400;

/// What cannot be written as a date any more (RFC 3339 §5.6).
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// A CA: its key and its certificate.
pub struct Authority {
    key: KeyPair,
    certificate: CertificateDer<'static>,
    pem: String,
    until: SystemTime,
}

impl Authority {
    /// A certificate for a key. For the same key it has the same subject and key identifier, so what was
    /// issued under one is valid under the other (RFC 5280 §4.2.1.1).
    pub fn new(key: KeyPair, now: SystemTime) -> Result<Authority, SelfMadeError> {
        let mut params = params(&key)?;
        // From a fixed day: a clock that is wrong once must not make a CA of the future.
        params.not_before = date_time_ymd(2026, 1, 1);
        let until = check_clock(now)? + CA_LIFE;
        params.not_after = date_time_ymd(1970, 1, 1) + until;
        params.serial_number = Some(serial()?);
        let certificate = params.self_signed(&key).map_err(cannot_make)?;
        Ok(Authority {
            key,
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            until: SystemTime::UNIX_EPOCH + until,
        })
    }

    /// A CA from its parts; `None` if the certificate is not PEM or that of another key.
    pub fn from_parts(key: KeyPair, certificate: &[u8]) -> Option<Authority> {
        let pem = String::from_utf8(certificate.to_vec()).ok()?;
        let certificate = CertificateDer::from_pem_slice(certificate).ok()?;
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        tls::paired(vec![certificate.clone()], private.into()).ok()?;
        Some(Authority {
            key,
            until: Validity::of(&certificate)?.until,
            certificate,
            pem,
        })
    }

    /// A new key for a CA.
    pub fn new_key() -> Result<KeyPair, SelfMadeError> {
        KeyPair::generate().map_err(cannot_make)
    }

    /// Its key, for another certificate.
    pub fn into_key(self) -> KeyPair {
        self.key
    }

    /// Issues a leaf for these names, addresses or host names, which ends with the CA at the latest.
    pub fn issue(&self, names: &[String], now: SystemTime) -> Result<Leaf, SelfMadeError> {
        let left = self.until.duration_since(now).unwrap_or_default();
        let now = date_time_ymd(1970, 1, 1) + check_clock(now)?;
        let mut leaf = CertificateParams::new(names).map_err(cannot_make)?;
        leaf.distinguished_name = DistinguishedName::new();
        leaf.distinguished_name.push(DnType::CommonName, "docxy");
        leaf.not_before = now - BACKDATED;
        leaf.not_after = now + LEAF_LIFE.min(left);
        leaf.serial_number = Some(serial()?);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        leaf.is_ca = IsCa::ExplicitNoCa;
        let key = KeyPair::generate().map_err(cannot_make)?;
        let issuer = Issuer::new(params(&self.key)?, &self.key);
        let certificate = leaf.signed_by(&key, &issuer).map_err(cannot_make)?;
        Ok(Leaf::new(names, &certificate, &key))
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The last second in which engines take it.
    pub fn until(&self) -> SystemTime {
        self.until
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the certificate as openssl prints it: upper case, a colon between bytes.
    pub fn fingerprint(&self) -> String {
        let digest = digest(&SHA256, &self.certificate);
        let bytes = digest.as_ref().iter().map(|byte| format!("{byte:02X}"));
        bytes.collect::<Vec<_>>().join(":")
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// What a certificate of the CA says beside its dates: all of it follows from the key, so that the key alone is enough
/// to make the certificate again.
fn params(key: &KeyPair) -> Result<CertificateParams, SelfMadeError> {
    let mut params = CertificateParams::new([]).map_err(cannot_make)?;
    let digest = digest(&SHA256, key.public_key_raw());
    let short: String = digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("docxy CA {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// 126 random bits: positive, and of the same length each time (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, SelfMadeError> {
    let random = || tls::random().map_err(SelfMadeError::new);
    let mut bytes = [random()?, random()?].concat();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from(bytes))
}

/// The time since 1970, if the clock can be believed.
pub fn check_clock(now: SystemTime) -> Result<Duration, SelfMadeError> {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since
        .ok()
        .filter(|since| CLOCK.contains(&since.as_secs()))
        .ok_or_else(|| {
            SelfMadeError(format!(
                "{}; no certificate that is made now would be believed",
                clock_is_wrong(now)
            ))
        })
}

/// What to say of a clock that cannot be believed.
pub fn clock_is_wrong(now: SystemTime) -> String {
    let shown = match now.duration_since(SystemTime::UNIX_EPOCH) {
        Err(_) => "a time before 1970".to_owned(),
        Ok(since) if since >= YEAR_10000 => "a time after 9999".to_owned(),
        Ok(_) => humantime::format_rfc3339_seconds(now).to_string(),
    };
    format!("the clock of this machine says {shown}, which is wrong; set it and start docxy again")
}

fn cannot_make(error: impl fmt::Display) -> SelfMadeError {
    SelfMadeError(format!("the certificate cannot be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_made_again_from_the_key_is_as_good() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(CLOCK.start);
        let key = Authority::new_key().unwrap();
        let same = KeyPair::from_pem(&key.serialize_pem()).unwrap();
        let (one, two) = (
            Authority::new(key, now).unwrap(),
            Authority::new(same, now).unwrap(),
        );
        assert_ne!(one.fingerprint(), two.fingerprint());
        let names = ["a.test".to_owned()];
        let leaf = one.issue(&names, now).unwrap();
        let verdict = leaf.verdict(&two, &names, now).unwrap();
        assert_eq!(verdict, super::super::leaf::Verdict::Serves);
    }

    #[test]
    fn clocks_are_believed_within_reason() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(check_clock(at(CLOCK.start)).is_ok());
        for now in [
            at(0),
            at(CLOCK.start - 1),
            at(CLOCK.end),
            at(400_000_000_000),
            SystemTime::UNIX_EPOCH - DAY,
        ] {
            let error = check_clock(now).unwrap_err().to_string();
            assert!(error.contains("set it"), "{error}");
        }
    }

    #[test]
    fn fingerprints_are_as_openssl_prints_them() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(CLOCK.start);
        let authority = Authority::new(Authority::new_key().unwrap(), now).unwrap();
        let fingerprint = authority.fingerprint();
        assert_eq!(fingerprint.len(), 32 * 3 - 1);
        assert!(
            fingerprint
                .split(':')
                .all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok())
        );
    }
}
