//! A certificate authority of the test's own, what it issues, and clients that trust it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// The protocol versions that there are.
pub const VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];

/// An authority.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that it has issued, and the key.
pub struct Leaf {
    /// The certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: KeyPair,
}

impl Authority {
    /// A new one.
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a root");
        Authority {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Its root, PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for these names, with a key of its own.
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_with(names, KeyPair::generate().expect("a key"), |_| {})
    }

    /// A certificate for these names and this key, changed before it is signed.
    pub fn leaf_with(
        &self,
        names: &[&str],
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a leaf");
        Leaf { certificate, key }
    }

    /// A client that trusts it and speaks these versions; it keeps no session of another client.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        client_of(&self.pem(), versions, None)
    }

    /// The same with a certificate of the client's own.
    pub fn client_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: &Leaf,
    ) -> ClientConfig {
        client_of(&self.pem(), versions, Some(own))
    }
}

/// A client that trusts the authority in this PEM and speaks these versions, perhaps with a certificate of its own.
pub fn client_of(
    root: &str,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Leaf>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).expect("a root, PEM");
    roots.add(root).expect("a usable root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("protocol versions")
        .with_root_certificates(roots);
    let Some(own) = own else {
        return builder.with_no_client_auth();
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
    builder
        .with_client_auth_cert(vec![own.certificate.der().clone()], key)
        .expect("a certificate and its key")
}

impl Leaf {
    /// What a server needs that has this certificate.
    pub fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .expect("a certificate and its key");
        Arc::new(config)
    }

    /// Writes `NAME.crt` and `NAME.key`, which is the owner's alone, into a directory, each put in place as a whole, and
    /// returns their paths.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let put = |extension: &str, text: String| {
            let path = directory.join(format!("{name}.{extension}"));
            let new = directory.join(format!("{name}.{extension}.new"));
            std::fs::write(&new, text).expect("a new file");
            let owners = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&new, owners).expect("its owner's alone");
            std::fs::rename(&new, &path).expect("it takes the old one's place");
            path
        };
        let cert = put("crt", self.certificate.pem());
        (cert, put("key", self.key.serialize_pem()))
    }
}
