//! What is served and by which certificate: a directory in memory that goes away with the run.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};
use ring::digest::{Context, SHA256};
use tempfile::TempDir;

/// A manifest of this size is what most images have.
const MANIFEST_SIZE: usize = 2500;
/// The blob of the load cases.
pub(crate) const BLOB_SIZE: u64 = 256 << 20;

/// Everything that origin and proxies read from files.
pub(crate) struct Site {
    dir: TempDir,
    /// The manifest, for comparison.
    pub(crate) manifest: Vec<u8>,
    /// SHA-256 of the blob, in hexadecimal.
    pub(crate) blob_digest: String,
}

impl Site {
    /// Makes directory, certificate, manifest and blobs.
    pub(crate) fn new() -> Result<Site, String> {
        Site::write().map_err(|error| format!("no scratch directory in /dev/shm: {error}"))
    }

    fn write() -> std::io::Result<Site> {
        let dir = tempfile::Builder::new()
            .prefix("docxy-bench-")
            .tempdir_in("/dev/shm")?;
        let www = dir.path().join("www");
        for part in ["manifests", "blobs"] {
            fs::create_dir_all(www.join("v2/library/bench").join(part))?;
        }
        fs::write(www.join("empty"), "")?;
        certify(dir.path())?;
        let manifest = manifest();
        fs::write(www.join(MANIFEST.trim_start_matches('/')), &manifest)?;
        let blob_digest = write_blob(&www)?;
        Ok(Site {
            dir,
            manifest,
            blob_digest,
        })
    }

    /// Writes a configuration of this directory under `name` there, with these words replaced, and says where it is.
    pub(crate) fn configure(
        &self,
        template: &str,
        name: &str,
        words: &[(&str, &str)],
    ) -> Result<PathBuf, String> {
        let template = own_file(template);
        let failed = |error| format!("{}: {error}", template.display());
        let mut config = fs::read_to_string(&template).map_err(failed)?;
        for (word, value) in words {
            config = config.replace(word, value);
        }
        let path = self.file(name);
        fs::write(
            &path,
            config.replace("SCRATCH", &self.dir().to_string_lossy()),
        )
        .map_err(failed)?;
        Ok(path)
    }

    /// The directory of the run.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Path of the blob of [`BLOB_SIZE`].
    pub(crate) fn blob(&self) -> String {
        blob_path(&self.blob_digest)
    }

    /// Path of a blob of zeros that takes no room, made if need be.
    pub(crate) fn sparse_blob(&self, size: u64) -> std::io::Result<String> {
        let path = blob_path(&format!("{size:064x}"));
        File::create(self.file("www").join(&path[1..]))?.set_len(size)?;
        Ok(path)
    }
}

/// A file that lies beside this one in the repository.
pub(crate) fn own_file(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare");
    own.join(name)
}

/// Path of the manifest.
pub(crate) const MANIFEST: &str = "/v2/library/bench/manifests/latest";

fn blob_path(digest: &str) -> String {
    format!("/v2/library/bench/blobs/sha256:{digest}")
}

/// A certificate of P-256 for loopback, its own authority; HAProxy wants both parts in one file.
fn certify(dir: &Path) -> std::io::Result<()> {
    let key = KeyPair::generate().map_err(std::io::Error::other)?;
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).map_err(std::io::Error::other)?;
    let cert = params.self_signed(&key).map_err(std::io::Error::other)?;
    fs::write(dir.join("cert.pem"), cert.pem())?;
    fs::write(dir.join("key.pem"), key.serialize_pem())?;
    fs::write(dir.join("both.pem"), cert.pem() + &key.serialize_pem())
}

/// An OCI manifest with as many layers as fill it.
fn manifest() -> Vec<u8> {
    let layer = |digest: usize| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":{digest},"digest":"sha256:{digest:064x}"}}"#
        )
    };
    let mut text = r#"{"schemaVersion":2,"layers":["#.to_owned();
    text.push_str(&layer(0));
    for digest in 1.. {
        let layer = layer(digest);
        if text.len() + layer.len() + 3 > MANIFEST_SIZE {
            break;
        }
        text.push(',');
        text.push_str(&layer);
    }
    text.push_str("]}");
    let mut bytes = text.into_bytes();
    bytes.resize(MANIFEST_SIZE, b'\n');
    bytes
}

/// Writes the blob, of bytes that differ everywhere (so that no cache serves it), and returns its digest.
fn write_blob(www: &Path) -> std::io::Result<String> {
    let draft = www.join("draft");
    let mut file = File::create(&draft)?;
    let mut context = Context::new(&SHA256);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut piece = vec![0; 1 << 20];
    for _ in 0..BLOB_SIZE >> 20 {
        for word in piece.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        context.update(&piece);
        file.write_all(&piece)?;
    }
    let digest = hex(context.finish().as_ref());
    fs::rename(draft, www.join(&blob_path(&digest)[1..]))?;
    Ok(digest)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
