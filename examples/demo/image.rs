//! What the registry holds: `hello-world` as recorded, byte for byte, and an image with a made-up layer.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest as hash};
use serde_json::json;

/// What Docker Hub announced for `hello-world:latest`.
pub const RECORDED: &str =
    "sha256:975f4b14f326b05db86e16de00144f9c12257553bba9484fed41f9b6f2257800";

/// The tag of the image whose layer was made for this demonstration.
pub const MADE_UP: &str = "made-up";

const INDEX: &[u8] = include_bytes!("../hello-world/index.json");
const MANIFEST: &[u8] = include_bytes!("../hello-world/manifest-linux-amd64.json");
const CONFIG: &[u8] = include_bytes!("../hello-world/config.json");

const INDEX_TYPE: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A manifest or an index.
pub struct Manifest {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

/// Manifests by tag and digest, blobs by digest.
pub struct Store {
    pub tags: HashMap<&'static str, String>,
    pub manifests: HashMap<String, Manifest>,
    pub blobs: HashMap<String, Vec<u8>>,
}

impl Store {
    /// Both images.
    pub fn new() -> io::Result<Store> {
        let mut store = Store {
            tags: HashMap::new(),
            manifests: HashMap::new(),
            blobs: HashMap::new(),
        };
        let index = store.add_manifest(INDEX_TYPE, INDEX.to_vec());
        store.tags.insert("latest", index);
        store.add_manifest(MANIFEST_TYPE, MANIFEST.to_vec());
        store.add_blob(CONFIG.to_vec());
        let made_up = store.add_made_up()?;
        store.tags.insert(MADE_UP, made_up);
        Ok(store)
    }

    /// An image of one layer with one file.
    fn add_made_up(&mut self) -> io::Result<String> {
        let tar = layer()?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar)?;
        let layer = gzip.finish()?;
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Cmd": ["/hello"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&tar)] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": { "mediaType": CONFIG_TYPE, "size": config.len(), "digest": digest(&config) },
            "layers": [{ "mediaType": LAYER_TYPE, "size": layer.len(), "digest": digest(&layer) }],
        });
        self.add_blob(config);
        self.add_blob(layer);
        Ok(self.add_manifest(MANIFEST_TYPE, manifest.to_string().into_bytes()))
    }

    fn add_manifest(&mut self, media_type: &'static str, bytes: Vec<u8>) -> String {
        let name = digest(&bytes);
        self.manifests
            .insert(name.clone(), Manifest { media_type, bytes });
        name
    }

    fn add_blob(&mut self, bytes: Vec<u8>) {
        self.blobs.insert(digest(&bytes), bytes);
    }
}

/// A tar with one file of a megabyte that cannot be compressed: SHA-256 of SHA-256 of SHA-256 …
fn layer() -> io::Result<Vec<u8>> {
    let mut content = vec![0; 32];
    while content.len() < 1 << 20 {
        let last = content.len() - 32;
        let next = hash(&SHA256, &content[last..]);
        content.extend_from_slice(next.as_ref());
    }
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, "hello", &*content)?;
    tar.into_inner()
}

/// A digest as registries write it.
pub fn digest(bytes: &[u8]) -> String {
    let hash = hash(&SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// Shortens every digest in a line, so that it can be read.
pub fn short(line: &str) -> String {
    const SHOWN: usize = 12;
    let mut out = String::new();
    for word in line.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let hex = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if hex.len() == 64 {
            out += &format!("{}...{}", &hex[..SHOWN], &word[hex.len()..]);
        } else {
            out += word;
        }
    }
    out
}
