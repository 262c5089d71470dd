//! How docxy reaches an upstream, and whatever that one points to: a value that requests carry to the place that dials.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use crate::registry::table::UpstreamId;
use crate::tls::{self, PemFile, TlsError};

/// What is set for the way to an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressSettings {
    /// Files of roots to trust beside the built-in ones, each with the flag that named it.
    pub ca: Vec<(&'static str, PathBuf)>,
}

/// How an upstream is reached, and the realm and redirect targets that it names.
///
/// Connections are shared only between requests with the same one. Two are the same if one is a clone of the other, which is
/// quickly compared; [`Egresses`] makes one for all upstreams that are reached alike.
#[derive(Clone)]
pub struct Egress(Arc<Way>);

struct Way {
    roots: Vec<CertificateDer<'static>>,
    tls: Arc<ClientConfig>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}

impl PartialEq for Egress {
    fn eq(&self, other: &Egress) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Egress {}

impl Hash for Egress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Egress {
    /// As these settings say, with the files that they name.
    pub fn open(settings: &EgressSettings) -> Result<Egress, TlsError> {
        Egress::open_beside(settings, &[])
    }

    /// One of `known`, if it is what the settings say.
    fn open_beside(settings: &EgressSettings, known: &[Egress]) -> Result<Egress, TlsError> {
        let mut roots = Vec::new();
        for (flag, path) in &settings.ca {
            roots.extend(tls::roots(PemFile { flag, path })?);
        }
        if let Some(same) = known.iter().find(|known| known.0.roots == roots) {
            return Ok(same.clone());
        }
        let tls = tls::towards_upstreams(&roots)?;
        Ok(Egress(Arc::new(Way { roots, tls })))
    }

    /// By what servers are verified.
    pub fn tls(&self) -> &Arc<ClientConfig> {
        &self.0.tls
    }
}

/// The ways to all upstreams.
#[derive(Clone, Debug)]
pub struct Egresses {
    /// By the place of the upstream.
    of: Vec<Egress>,
    /// To whom is no upstream.
    others: Egress,
}

impl Egresses {
    /// As these settings say, which stand at the places of their upstreams, and those for all `others`. What is as it was
    /// `before` stays the same, and so do the connections that were made by it.
    pub fn open(
        settings: &[EgressSettings],
        others: &EgressSettings,
        before: Option<&Egresses>,
    ) -> Result<Egresses, TlsError> {
        let mut known = before.map_or_else(Vec::new, Egresses::all);
        let mut of = Vec::new();
        for settings in settings {
            let egress = Egress::open_beside(settings, &known)?;
            known.push(egress.clone());
            of.push(egress);
        }
        let others = Egress::open_beside(others, &known)?;
        Ok(Egresses { of, others })
    }

    /// The way to an upstream of the table that this was made for, or to whom is none.
    pub fn get(&self, upstream: Option<UpstreamId>) -> &Egress {
        upstream.map_or(&self.others, |upstream| &self.of[upstream.index()])
    }

    fn all(&self) -> Vec<Egress> {
        self.of.iter().chain([&self.others]).cloned().collect()
    }
}
