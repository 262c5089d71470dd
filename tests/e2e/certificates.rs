//! Certificates of the tests' own: an authority in a file, and leaves for loopback.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate authority whose root lies in `ca.crt` of a directory with nothing else in it,
/// as skopeo, podman and dockerd want it.
pub(crate) struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A PEM chain and its key.
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes an authority called `name` in a directory of that name below `dir`.
    pub(crate) fn new(dir: &Path, name: &str) -> Authority {
        let dir = dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        std::fs::write(dir.join("ca.crt"), root.pem()).unwrap();
        Authority {
            dir,
            issuer: Issuer::new(params, key),
        }
    }

    /// The directory that holds `ca.crt`.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file with the root.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// A certificate for `127.0.0.1` and `localhost`, written to `NAME.crt` and `NAME.key` in `dir`.
    pub(crate) fn issue(&self, dir: &Path, name: &str) -> Identity {
        self.issue_with(dir, name, |_| {})
    }

    /// The same, changed before it is signed.
    pub(crate) fn issue_with(
        &self,
        dir: &Path,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            cert: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        };
        std::fs::write(&identity.cert, leaf.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }
}
