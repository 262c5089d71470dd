//! The proxy as it is configured now. Each request takes it once and keeps it to its end, so that a change never meets what
//! runs.

use std::sync::{Arc, PoisonError, RwLock};

use super::Proxy;

/// What one worker's requests take.
#[derive(Debug)]
pub struct Current {
    proxy: RwLock<Arc<Proxy>>,
}

impl Current {
    /// Begins with this one.
    pub fn new(proxy: Proxy) -> Current {
        Current {
            proxy: RwLock::new(Arc::new(proxy)),
        }
    }

    /// The one that is current.
    pub fn get(&self) -> Arc<Proxy> {
        Arc::clone(&self.proxy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes another one from the next request on.
    pub fn replace(&self, proxy: Proxy) {
        *self.proxy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(proxy);
    }
}
