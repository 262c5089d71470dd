//! How a connection comes about, as steps of a check: addresses, the one that took it, TLS and the certificate.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ProtocolVersion;
use serde_json::json;

use super::report::Notes;
use crate::http::uri::Origin;
use crate::tls::issuer::issuer;
use crate::tls::validity::Validity;
use crate::upstream::steps::{Step, Watcher};

/// Notes how the first connection to `origin` comes about. Those to others belong to the steps that need them.
pub(super) fn watcher(notes: &Arc<Notes>, origin: Origin) -> Watcher {
    let (notes, noted) = (Arc::clone(notes), Mutex::new(HashSet::new()));
    Watcher::new(move |to, step| {
        let name = name(&step);
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        if *to == origin && noted.insert(name) {
            note(&notes, step);
        }
    })
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::LookedUp { .. } => "dns",
        Step::Connected { .. } => "connect",
        Step::Tunnelled { .. } => "proxy",
        Step::Secured { .. } => "tls",
    }
}

fn note(notes: &Notes, step: Step) {
    let name = name(&step);
    match step {
        Step::LookedUp { addresses, took } => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let facts = json!({ "addresses": addresses });
            notes.ok_in(name, took, addresses.join(", "), facts);
        }
        Step::Connected { address, took } => {
            let family = address.map(|address| if address.is_ipv6() { "IPv6" } else { "IPv4" });
            let address = address.map(|address| address.to_string());
            let (shown, how) = (address.as_deref().unwrap_or("-"), family.unwrap_or("-"));
            let facts = json!({ "address": address, "family": family });
            notes.ok_in(name, took, format_args!("{shown}, {how}"), facts);
        }
        Step::Tunnelled { proxy, took } => {
            let facts = json!({ "proxy": proxy });
            notes.ok_in(name, took, &proxy, facts);
        }
        Step::Secured {
            version,
            certificate,
            took,
        } => {
            let version = match version {
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
                _ => "TLS 1.3",
            };
            let issuer = certificate.as_ref().and_then(issuer);
            let validity = certificate.as_ref().and_then(Validity::of);
            let until = validity.map(|validity| date(validity.until));
            let by = issuer.as_deref().unwrap_or("somebody without a name");
            let end = until.as_deref().unwrap_or("an unknown time");
            let facts = json!({ "version": version, "issuer": issuer, "expires": until });
            let text = format_args!("{version}, a certificate by {by}, until {end}");
            notes.ok_in(name, took, text, facts);
        }
    }
}

fn date(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
