//! Which proxy is for which origin.

use super::no_proxy::NoProxy;
use super::proxy::OutboundProxy;
use crate::http::uri::{Origin, Scheme};

/// The proxies for origins of each scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain ones.
    pub http: Option<OutboundProxy>,
    /// For those under TLS.
    pub https: Option<OutboundProxy>,
    /// Who is reached without.
    pub except: NoProxy,
}

impl Proxies {
    /// One for all, or none.
    pub fn all(proxy: Option<OutboundProxy>) -> Proxies {
        Proxies {
            http: proxy.clone(),
            https: proxy,
            except: NoProxy::default(),
        }
    }

    /// The one for origins of a scheme.
    pub fn of(&self, scheme: Scheme) -> Option<&OutboundProxy> {
        match scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }
    }

    /// The one through which an origin is reached.
    pub fn through(&self, origin: &Origin) -> Option<&OutboundProxy> {
        let proxy = self.of(origin.scheme())?;
        (!self.except.has(origin)).then_some(proxy)
    }

    /// Whether there is one at all.
    pub fn is_some(&self) -> bool {
        self.http.is_some() || self.https.is_some()
    }
}
