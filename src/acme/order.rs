//! One order: the names are proved on the listeners, and the certificate comes back with its key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::tls::store::CertStore;

/// How long the server may take to look at a challenge, and to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// Why there is no certificate.
#[derive(Debug)]
pub enum OrderError {
    /// What the server said, or that it could not be asked.
    Acme(Error),
    /// A name was not proved.
    Refused(String),
    /// No challenge certificate could be made.
    Challenge(String),
}

impl From<Error> for OrderError {
    fn from(error: Error) -> OrderError {
        OrderError::Acme(error)
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderError::Acme(Error::Json(error)) => {
                write!(f, "it does not answer as an ACME server does: {error}")
            }
            OrderError::Acme(Error::Api(problem)) => {
                let detail = problem.detail.as_deref().unwrap_or("it refuses");
                f.write_str(detail)?;
                for sub in &problem.subproblems {
                    write!(f, "; {sub}")?;
                }
                match &problem.r#type {
                    Some(kind) => write!(f, " ({kind})"),
                    None => Ok(()),
                }
            }
            OrderError::Acme(error) => write!(f, "{error}"),
            OrderError::Refused(why) | OrderError::Challenge(why) => f.write_str(why),
        }
    }
}

/// Gets a certificate for `domains`: its key and its chain in PEM.
pub async fn certificate(
    account: &Account,
    domains: &[String],
    store: &CertStore,
) -> Result<String, OrderError> {
    let names: Vec<_> = domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut shown = Shown {
        store,
        names: Vec::new(),
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        prove(authorization?, &mut shown).await?;
    }
    wait_for_proof(&mut order).await?;
    drop(shown);
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(format!("{key}{chain}"))
}

/// Challenge certificates on show; taken down when dropped, however the order ends.
struct Shown<'a> {
    store: &'a CertStore,
    names: Vec<String>,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            self.store.set_challenge(name, None);
        }
    }
}

async fn prove(
    mut authorization: AuthorizationHandle<'_>,
    shown: &mut Shown<'_>,
) -> Result<(), OrderError> {
    match authorization.status {
        AuthorizationStatus::Valid => return Ok(()),
        AuthorizationStatus::Pending => {}
        status => {
            let name = authorization.identifier().to_string();
            return Err(OrderError::Refused(format!("{name} is {status:?}")));
        }
    }
    let name = match authorization.identifier().identifier {
        Identifier::Dns(name) => name.clone(),
        other => return Err(OrderError::Refused(format!("nobody asked for {other:?}"))),
    };
    let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
        let why = format!("it offers no TLS-ALPN-01 for {name}, which is all that docxy speaks");
        return Err(OrderError::Refused(why));
    };
    let digest = challenge.key_authorization().digest();
    let key = challenge_certificate(&name, digest.as_ref()).map_err(|why| {
        OrderError::Challenge(format!("no challenge certificate for {name}: {why}"))
    })?;
    shown.store.set_challenge(&name, Some(key));
    shown.names.push(name);
    Ok(challenge.set_ready().await?)
}

/// A certificate that says to an ACME server what it wants to see (RFC 8737 §3).
fn challenge_certificate(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let made = || {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok((certificate, key))
    };
    let (certificate, key) = made().map_err(|error: rcgen::Error| error.to_string())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone()];
    // Unchecked: what it says is critical, and rustls knows no such thing of a certificate of a server.
    let key = any_supported_type(&key).map_err(|error| error.to_string())?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

async fn wait_for_proof(order: &mut Order) -> Result<(), OrderError> {
    let of_order = match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => return Ok(()),
        Ok(status) => OrderError::Refused(format!("the order is {status:?}")),
        Err(error @ Error::Api(_)) => error.into(),
        Err(error) => return Err(error.into()),
    };
    // The order's own error rarely says which name and why.
    let of_names = refusals(order).await;
    if of_names.is_empty() {
        return Err(of_order);
    }
    Err(OrderError::Refused(of_names.join("; ")))
}

/// Which names were not proved, and why.
async fn refusals(order: &mut Order) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        if state.status != AuthorizationStatus::Invalid {
            continue;
        }
        let name = state.identifier().to_string();
        let problems = state.challenges.iter().filter_map(|one| one.error.as_ref());
        let why: Vec<_> = problems.filter_map(|one| one.detail.as_deref()).collect();
        reasons.push(format!("{name} was not proved: {}", why.join(", ")));
    }
    reasons
}
