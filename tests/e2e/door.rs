//! The doors through which engines pull: a registry's own (the control) or a listener of docxy.

use std::path::PathBuf;

use super::certificates::Authority;
use super::docxy::Docxy;

/// Where an engine is sent.
#[derive(Clone)]
pub(crate) struct Door {
    /// Host and port as the engine is to write them.
    pub(crate) authority: String,
    /// The directory of the `ca.crt` for a TLS listener; none for a plain one.
    pub(crate) ca: Option<PathBuf>,
}

impl Door {
    /// The door as a URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

/// A docxy with one plain and one TLS listener.
pub(crate) struct TwoDoors {
    pub(crate) docxy: Docxy,
    pub(crate) plain: Door,
    pub(crate) tls: Door,
    _dir: tempfile::TempDir,
}

/// Starts docxy with both kinds of listener and these further arguments.
pub(crate) fn two_doors<S: AsRef<str>>(args: &[S]) -> TwoDoors {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "docxy-ca");
    let leaf = authority.issue(dir.path(), "docxy");
    let mut all = vec![
        "--listen",
        "http://127.0.0.1:0",
        "--listen",
        "https://127.0.0.1:0",
    ];
    all.extend([
        "--tls-cert",
        leaf.cert.to_str().unwrap(),
        "--tls-key",
        leaf.key.to_str().unwrap(),
    ]);
    all.extend(args.iter().map(AsRef::as_ref));
    let docxy = Docxy::start(&all);
    docxy.wait_for_lines("listening on ", 2);
    let addrs = docxy.listeners();
    let door = |at: usize, ca| Door {
        authority: addrs[at].to_string(),
        ca,
    };
    let (plain, tls) = (door(0, None), door(1, Some(authority.dir().to_owned())));
    TwoDoors {
        docxy,
        plain,
        tls,
        _dir: dir,
    }
}

/// Starts docxy with one plain listener and these further arguments.
pub(crate) fn one_door(args: &[&str]) -> (Docxy, Door) {
    let docxy = Docxy::start(&[&["--listen", "127.0.0.1:0"], args].concat());
    let door = Door {
        authority: docxy.addr().to_string(),
        ca: None,
    };
    (docxy, door)
}
