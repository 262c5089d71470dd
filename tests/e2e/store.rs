//! What the registries hold: storage directories into which skopeo has pushed an image, made once per run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::image::Image;
use super::programs::run;
use super::registry::Setup;

/// A registry's storage with one image in it.
pub(crate) struct Store {
    pub(crate) root: PathBuf,
    pub(crate) image: Image,
}

/// The image of two platforms with the layer of 50 MB, as `lib/multi`, `library/multi` and `private/multi`.
pub(crate) fn large() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let dir = scratch().join("large");
        Store::fill(
            &dir,
            Image::oci(&dir.join("image"), 1, 50_000_000),
            &["lib/multi", "library/multi", "private/multi"],
        )
    })
}

impl Store {
    /// A small image of that seed, in a new directory, in these repositories.
    pub(crate) fn small(dir: &Path, seed: u64, repositories: &[&str]) -> Store {
        let dir = dir.join(format!("store-{seed}"));
        Store::fill(
            &dir,
            Image::oci(&dir.join("image"), seed, 300_000),
            repositories,
        )
    }

    /// A storage in the new directory `dir` with this image in these repositories.
    pub(crate) fn fill(dir: &Path, image: Image, repositories: &[&str]) -> Store {
        let root = dir.join("storage");
        std::fs::create_dir_all(&root).unwrap();
        let registry = Setup::default().start(&root);
        for repository in repositories {
            let mut skopeo = Command::new("skopeo");
            skopeo.args([
                "--insecure-policy",
                "copy",
                "--all",
                "--dest-tls-verify=false",
            ]);
            skopeo.arg(&image.source);
            skopeo.arg(format!("docker://{}/{repository}:latest", registry.addr()));
            run(&mut skopeo).unwrap();
        }
        Store { root, image }
    }
}

/// A directory of this run in cargo's own; nothing drops what a static holds, so each run removes
/// what earlier ones left.
fn scratch() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("e2e-"));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    parent.join(format!("e2e-{}", std::process::id()))
}
