//! A proxy, and docxy's login there with its password at hand.

use std::fmt;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::proxy::{OutboundProxy, ProxyPassword};
use crate::account::secret::{Secret, SecretSource};

/// A proxy that can be gone through.
pub struct Gateway {
    /// Which one.
    pub proxy: OutboundProxy,
    password: Option<RwLock<Secret>>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gateway({})", self.proxy)
    }
}

impl Gateway {
    /// Reads the password for a proxy, if docxy has a login there. An error is one line that names the proxy.
    pub fn open(proxy: &OutboundProxy) -> Result<Gateway, String> {
        let password = read(proxy)?;
        Ok(Gateway {
            proxy: proxy.clone(),
            password: password.map(RwLock::new),
        })
    }

    /// Reads the password anew; connections from now on are asked for by it.
    pub fn read_anew(&self) -> Result<(), String> {
        if let (Some(known), Some(new)) = (&self.password, read(&self.proxy)?) {
            *known.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
        Ok(())
    }

    /// User and password.
    pub fn login(&self) -> Option<(String, Secret)> {
        let login = self.proxy.login.as_ref()?;
        let password = self.password.as_ref()?;
        let password = password.read().unwrap_or_else(PoisonError::into_inner);
        Some((login.username.clone(), password.clone()))
    }

    /// What follows `Basic` in `Proxy-Authorization` (RFC 7617).
    pub fn basic(&self) -> Option<String> {
        let (username, password) = self.login()?;
        Some(BASE64_STANDARD.encode(format!("{username}:{}", password.text())))
    }

    /// The file with the password.
    pub fn file(&self) -> Option<&PathBuf> {
        self.source()?.file()
    }

    /// What the operator should know of that file.
    pub fn warning(&self) -> Option<String> {
        self.source()?.warning()
    }

    fn source(&self) -> Option<&SecretSource> {
        source(&self.proxy)
    }
}

fn source(proxy: &OutboundProxy) -> Option<&SecretSource> {
    match &proxy.login.as_ref()?.password {
        ProxyPassword::In(source) => Some(source),
        ProxyPassword::Known(_) => None,
    }
}

fn read(proxy: &OutboundProxy) -> Result<Option<Secret>, String> {
    let Some(login) = &proxy.login else {
        return Ok(None);
    };
    let password = match &login.password {
        ProxyPassword::In(source) => source.read(),
        ProxyPassword::Known(secret) => Ok(secret.clone()),
    };
    let checked = password.and_then(|password| proxy.takes(&password).map(|()| password));
    checked
        .map(Some)
        .map_err(|why| format!("the login at the proxy {proxy}: {why}"))
}
