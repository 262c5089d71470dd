//! How docxy reaches an upstream, and whatever that one points to: a value that requests carry to the place that dials.

pub mod environment;
pub mod fixed;
pub mod gateway;
pub mod local;
pub mod no_proxy;
pub mod proxies;
pub mod proxy;

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use self::fixed::Fixed;
use self::gateway::Gateway;
use self::local::Local;
use self::proxies::Proxies;
use crate::http::uri::{Origin, Scheme};
use crate::registry::table::UpstreamId;
use crate::tls;
use crate::tls::pem_file::PemFile;

/// What is set for the way to an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressSettings {
    /// Files of roots to trust beside the built-in ones, each with the flag that named it.
    pub ca: Vec<(&'static str, PathBuf)>,
    /// Through which proxies.
    pub proxies: Proxies,
    /// From which addresses, by which family.
    pub local: Local,
    /// Names that are not looked up.
    pub fixed: Arc<Fixed>,
}

/// How an upstream is reached, and the realm and redirect targets that it names.
///
/// Connections are shared only between requests with the same one. Two are the same if one is a clone of the other, which is
/// quickly compared; [`Egresses`] makes one for all upstreams that are reached alike.
#[derive(Clone)]
pub struct Egress(Arc<Way>);

struct Way {
    settings: EgressSettings,
    roots: Vec<CertificateDer<'static>>,
    tls: Arc<ClientConfig>,
    /// The proxies for plain origins and for those under TLS.
    gateways: [Option<Gateway>; 2],
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
    pub fn open(settings: &EgressSettings) -> Result<Egress, Box<dyn Error>> {
        Egress::open_beside(settings, &[])
    }

    /// One of `known`, if it is what the settings say.
    fn open_beside(settings: &EgressSettings, known: &[Egress]) -> Result<Egress, Box<dyn Error>> {
        let mut roots = Vec::new();
        for (flag, path) in &settings.ca {
            roots.extend(tls::roots(PemFile { flag, path })?);
        }
        let mut alike = known.iter().filter(|known| known.0.roots == roots);
        let tls = match alike.clone().next() {
            Some(known) => Arc::clone(&known.0.tls),
            None => tls::towards_upstreams(&roots)?,
        };
        if let Some(same) = alike.find(|known| known.0.settings == *settings) {
            return Ok(same.clone());
        }
        let gateway = |scheme| settings.proxies.of(scheme).map(Gateway::open).transpose();
        Ok(Egress(Arc::new(Way {
            settings: settings.clone(),
            roots,
            tls,
            gateways: [gateway(Scheme::Http)?, gateway(Scheme::Https)?],
        })))
    }

    /// The proxy through which `origin` is reached, if it is through one.
    pub fn gateway(&self, origin: &Origin) -> Option<&Gateway> {
        let [http, https] = &self.0.gateways;
        let gateway = match origin.scheme() {
            Scheme::Http => http.as_ref(),
            Scheme::Https => https.as_ref(),
        };
        gateway.filter(|_| !self.0.settings.proxies.except.has(origin))
    }

    /// The addresses of a name, if the operator has given them.
    pub fn fixed(&self, name: &str) -> Option<&[IpAddr]> {
        self.0.settings.fixed.get(name)
    }

    /// docxy's own end.
    pub fn local(&self) -> Local {
        self.0.settings.local
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
    ) -> Result<Egresses, Box<dyn Error>> {
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

    /// The files with passwords for proxies.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.gateways().filter_map(Gateway::file);
        files.cloned().collect()
    }

    /// Reads all passwords for proxies anew. Those that cannot be read stay as they were, and the reasons are returned.
    pub fn read_anew(&self) -> Vec<String> {
        let read = self.gateways().map(Gateway::read_anew);
        let mut faults: Vec<String> = read.filter_map(Result::err).collect();
        faults.dedup();
        faults
    }

    /// What the operator should know of those files.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.gateways().filter_map(Gateway::warning).collect();
        warnings.dedup();
        warnings
    }

    fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        let all = self.of.iter().chain([&self.others]);
        all.flat_map(|egress| &egress.0.gateways).flatten()
    }
}
