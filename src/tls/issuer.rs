//! Who has issued a certificate, for people. What it says decides nothing.

use rustls::DistinguishedName;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;
use yasna::ASN1Error;

/// The attributes by which authorities are known (RFC 5280 §4.1.2.4), the more telling one first.
const COMMON_NAME: &[u64] = &[2, 5, 4, 3];
const ORGANIZATION: &[u64] = &[2, 5, 4, 10];
const UNIT: &[u64] = &[2, 5, 4, 11];

/// Longer names tell nobody more.
const MAX_SHOWN: usize = 80;

/// The issuer's common name and organization, quoted; `None` where it has neither.
///
/// Whoever shows a certificate may have written anything there: what could be taken for something else is escaped.
pub fn issuer(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    let name = DistinguishedName::in_sequence(parsed.issuer());
    let attributes = attributes(name.as_ref()).ok()?;
    let find = |wanted: &[u64]| {
        let found = attributes.iter().find(|(kind, _)| kind == wanted);
        found.map(|(_, value)| shown(value))
    };
    match (find(COMMON_NAME), find(ORGANIZATION).or_else(|| find(UNIT))) {
        (Some(name), Some(organization)) => Some(format!("{name} of {organization}")),
        (Some(only), None) | (None, Some(only)) => Some(only),
        (None, None) => None,
    }
}

/// What an attribute is, and its value.
type Attribute = (Vec<u64>, Vec<u8>);

/// The attributes of a name, without a look at the kind of string that they are.
fn attributes(name: &[u8]) -> Result<Vec<Attribute>, ASN1Error> {
    let mut attributes = Vec::new();
    yasna::parse_der(name, |reader| {
        reader.read_sequence_of(|reader| {
            reader.read_set_of(|reader| {
                let attribute = reader.read_sequence(|reader| {
                    let kind = reader.next().read_oid()?.into_components();
                    let value = reader.next().read_tagged_der()?;
                    Ok((kind, value.value().to_vec()))
                })?;
                attributes.push(attribute);
                Ok(())
            })
        })
    })?;
    Ok(attributes)
}

fn shown(value: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(value)
        .chars()
        .take(MAX_SHOWN)
        .collect();
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    fn issued_by(attributes: &[(DnType, &str)]) -> Option<String> {
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let key = KeyPair::generate().unwrap();
        issuer(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn an_issuer_is_its_name_and_organization() {
        let (name, organization) = (DnType::CommonName, DnType::OrganizationName);
        for (attributes, expected) in [
            (
                vec![
                    (organization.clone(), "Trust Services"),
                    (name.clone(), "WE1"),
                ],
                Some(r#""WE1" of "Trust Services""#),
            ),
            (vec![(name.clone(), "Zoë's CA")], Some(r#""Zoë's CA""#)),
            (vec![(organization, "only")], Some(r#""only""#)),
            (vec![(DnType::CountryName, "CH")], None),
            (vec![], None),
            (vec![(name, "a\u{1b}[2J\"\n")], Some(r#""a\u{1b}[2J\"\n""#)),
        ] {
            assert_eq!(
                issued_by(&attributes).as_deref(),
                expected,
                "{attributes:?}"
            );
        }
        assert_eq!(issuer(&CertificateDer::from(&b"0\x03abc"[..])), None);
    }
}
