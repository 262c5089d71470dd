//! What makes sense by itself and not together.

use super::Config;
use super::fault::{Fault, Key};
use crate::http::uri::Scheme;
use crate::listen::{Certificate, Listen};

impl Config {
    /// Whether accounts, listeners and the certificates of clients go together.
    pub(super) fn check_together(&self) -> Result<(), Fault> {
        self.check_client_ca()?;
        self.check_public_accounts()
    }

    /// What an account may pull must not be given to strangers unless that is meant.
    fn check_public_accounts(&self) -> Result<(), Fault> {
        let Some(id) = self
            .table
            .ids()
            .find(|id| self.accounts[id.index()].is_some())
        else {
            return Ok(());
        };
        let asks_for_certificates =
            |listen: &Listen| self.client_ca.is_some() && self.scheme(listen) == Scheme::Https;
        let is_open = |listen: &&Listen| {
            !listen.is_loopback() && self.allow_client.is_empty() && !asks_for_certificates(listen)
        };
        match self.listen.iter().find(is_open) {
            Some(listen) if !self.settings.public_accounts => {
                let why = format_args!(
                    "whoever reaches port {} could pull what the account of {} may; name the clients with --allow-client \
                     or --client-ca, or say that it is meant with --public-accounts",
                    listen.port,
                    self.table.get(id).name
                );
                Err(Key::of("listen").fault(&why))
            }
            _ => Ok(()),
        }
    }

    /// Whoever wants certificates of clients must not get an open door instead.
    fn check_client_ca(&self) -> Result<(), Fault> {
        let mut schemes = self.listen.iter().map(|listen| self.scheme(listen));
        if self.client_ca.is_some() && schemes.all(|scheme| scheme == Scheme::Http) {
            return Err(Key::of("client_ca").fault(
                &"no listener speaks https; add --tls-cert and --tls-key, or --listen https://ADDR:PORT",
            ));
        }
        Ok(())
    }
}

/// One source of certificates at a time, and a listener to prove names on.
pub(super) fn check_acme(has_certificate: bool, listen: &[Listen]) -> Result<(), Fault> {
    let key = Key::of("acme_domain");
    if has_certificate {
        return Err(key.fault(&"--tls-cert is given too; take one of the two"));
    }
    let speaks_https = |listen: &Listen| listen.scheme(Certificate::Configured) == Scheme::Https;
    if !listen.iter().any(speaks_https) {
        return Err(key.fault(&"no listener speaks https; add one, such as --listen 0.0.0.0:443"));
    }
    Ok(())
}
