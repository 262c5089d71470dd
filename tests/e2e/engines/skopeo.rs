//! skopeo: copies every platform into a directory, so that every byte can be compared.

use std::path::Path;
use std::process::Command;

use super::{Pull, assert_same_blob};
use crate::programs::{Outcome, run};

/// Pulls all platforms and compares every blob and manifest.
///
/// # Errors
/// With what skopeo said, if it did not succeed.
pub(crate) fn pull(pull: Pull<'_>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut skopeo = copy_command(pull, dir.path());
    let said = run(skopeo
        .arg("--all")
        .arg(format!("docker://{}", pull.reference()))
        .arg(format!("dir:{}", out.display())))?;
    assert_same(pull, &out);
    Ok(said)
}

/// The command of a pull of this platform into a container storage below `dir`. There skopeo reads the config before
/// the layers and asks for nothing after them; into a directory it opens one more connection at the end.
pub(crate) fn store_command(pull: Pull<'_>, dir: &Path) -> Command {
    let mut skopeo = copy_command(pull, dir);
    let (root, run) = (dir.join("root"), dir.join("runroot"));
    let storage = format!(
        "containers-storage:[vfs@{}+{}]app:latest",
        root.display(),
        run.display()
    );
    skopeo
        .arg(format!("docker://{}", pull.reference()))
        .arg(storage);
    skopeo
}

fn copy_command(pull: Pull<'_>, dir: &Path) -> Command {
    let mut skopeo = Command::new("skopeo");
    // Logins and mirrors that the machine's owner has configured are none of the test's.
    skopeo.env("REGISTRY_AUTH_FILE", dir.join("none.json"));
    skopeo.env("CONTAINERS_REGISTRIES_CONF", "/dev/null");
    skopeo.args(["--insecure-policy", "copy"]);
    match &pull.door.ca {
        Some(ca) => skopeo.arg("--src-cert-dir").arg(ca),
        None => skopeo.arg("--src-tls-verify=false"),
    };
    match pull.login {
        Some(login) => skopeo.args(["--src-creds", &login.pair()]),
        None => skopeo.arg("--src-no-creds"),
    };
    skopeo
}

/// A `dir:` holds the index as `manifest.json`, manifests as `HEX.manifest.json` and blobs as `HEX`.
fn assert_same(pull: Pull<'_>, out: &Path) {
    for digest in pull.image.blobs.keys() {
        let hex = digest.trim_start_matches("sha256:");
        let candidates = [
            out.join(hex),
            out.join(format!("{hex}.manifest.json")),
            out.join("manifest.json"),
        ];
        let path = candidates.iter().find(|path| path.exists()).unwrap();
        assert_same_blob(pull.image, digest, &std::fs::read(path).unwrap());
    }
}
