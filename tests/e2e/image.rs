//! Images written without any tool: an OCI layout with an index of two platforms, and one of Docker's schema 2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

struct MediaTypes {
    manifest: &'static str,
    config: &'static str,
    layer: &'static str,
}

const OCI: MediaTypes = MediaTypes {
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};

const DOCKER: MediaTypes = MediaTypes {
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

/// An image in a directory, with the digests that a pull has to arrive at.
pub(crate) struct Image {
    dir: PathBuf,
    types: &'static MediaTypes,
    /// The digest that its tag stands for: of the index, or of the manifest where there is none.
    pub(crate) digest: String,
    /// What skopeo calls it before it is pushed.
    pub(crate) source: String,
    /// What the platform that the tests run on gets.
    pub(crate) here: Platform,
    /// Digest and size of everything that it consists of.
    pub(crate) blobs: BTreeMap<String, usize>,
}

/// One platform of an image.
pub(crate) struct Platform {
    /// The digest of its config, which engines call the image's id.
    pub(crate) config: String,
    /// The digests of its uncompressed layers, from the bottom.
    pub(crate) diff_ids: Vec<String>,
}

struct Layer {
    descriptor: Value,
    diff_id: String,
}

impl Image {
    /// Writes an OCI layout into the new directory `dir`: a layer of its own for each platform, and above it
    /// one of `size` bytes that both share. Another `seed` makes another image.
    pub(crate) fn oci(dir: &Path, seed: u64, size: usize) -> Image {
        let mut image = Image::new(dir, &OCI, format!("oci:{}:latest", dir.display()));
        let shared = image.layer("shared", seed, size);
        let manifests = [
            image.platform("amd64", &shared, seed + 1),
            image.platform("arm64", &shared, seed + 2),
        ];
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let mut top = image.document(INDEX, &index);
        image.digest = digest_in(&top);
        top["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        let entry = json!({ "schemaVersion": 2, "manifests": [top] }).to_string();
        std::fs::write(dir.join("index.json"), entry).unwrap();
        let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
        std::fs::write(dir.join("oci-layout"), version).unwrap();
        image
    }

    /// Writes an image of Docker's schema 2, for this machine's platform only, into the new directory `dir`
    /// as skopeo's `dir:` wants it.
    pub(crate) fn schema2(dir: &Path, seed: u64) -> Image {
        let mut image = Image::new(dir, &DOCKER, format!("dir:{}", dir.display()));
        let shared = image.layer("shared", seed, 20_000);
        let manifest = image.platform(go_architecture(), &shared, seed + 1);
        image.digest = digest_in(&manifest);
        for digest in image.blobs.keys() {
            let hex = digest.trim_start_matches("sha256:");
            let is_manifest = *digest == image.digest;
            let name = if is_manifest { "manifest.json" } else { hex };
            std::fs::hard_link(image.blob_path(digest), dir.join(name)).unwrap();
        }
        std::fs::write(dir.join("version"), "Directory Transport Version: 1.1\n").unwrap();
        image
    }

    fn new(dir: &Path, types: &'static MediaTypes, source: String) -> Image {
        std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        let here = Platform {
            config: String::new(),
            diff_ids: Vec::new(),
        };
        Image {
            dir: dir.to_owned(),
            types,
            digest: String::new(),
            source,
            here,
            blobs: BTreeMap::new(),
        }
    }

    /// The bytes of one blob.
    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        std::fs::read(self.blob_path(digest)).unwrap()
    }

    fn blob_path(&self, digest: &str) -> PathBuf {
        self.dir.join("blobs").join(digest.replacen(':', "/", 1))
    }

    /// The digest of the largest blob: the shared layer.
    pub(crate) fn largest(&self) -> &str {
        self.blobs.iter().max_by_key(|(_, size)| **size).unwrap().0
    }

    fn platform(&mut self, architecture: &str, shared: &Layer, seed: u64) -> Value {
        let own = self.layer(architecture, seed, 10_000);
        let diff_ids = vec![own.diff_id, shared.diff_id.clone()];
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": { "Cmd": ["/noise"] }, "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.document(self.types.config, &config);
        if architecture == go_architecture() {
            let config = digest_in(&config);
            self.here = Platform { config, diff_ids };
        }
        let manifest = json!({
            "schemaVersion": 2, "mediaType": self.types.manifest, "config": config,
            "layers": [own.descriptor, shared.descriptor],
        });
        let mut descriptor = self.document(self.types.manifest, &manifest);
        descriptor["platform"] = json!({ "architecture": architecture, "os": "linux" });
        descriptor
    }

    fn layer(&mut self, name: &str, seed: u64, size: usize) -> Layer {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(size as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("noise-{name}"), &noise(seed, size)[..])
            .unwrap();
        let tar = tar.into_inner().unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
        std::io::Write::write_all(&mut gzip, &tar).unwrap();
        let descriptor = self.put(self.types.layer, &gzip.finish().unwrap());
        Layer {
            descriptor,
            diff_id: digest_of(&tar),
        }
    }

    fn document(&mut self, media_type: &str, document: &Value) -> Value {
        self.put(media_type, document.to_string().as_bytes())
    }

    fn put(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest_of(bytes);
        std::fs::write(self.blob_path(&digest), bytes).unwrap();
        self.blobs.insert(digest.clone(), bytes.len());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }
}

fn digest_in(descriptor: &Value) -> String {
    descriptor["digest"].as_str().unwrap().to_owned()
}

/// The digest of these bytes, as registries write it.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// This machine's architecture by Go's name for it.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => panic!("the image has no platform linux/{other}"),
    }
}

/// Bytes that do not compress, the same for the same seed (xorshift64*).
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
