//! How docxy reaches out, for those who read it: as settings again, and in a line at the start. No password is in either.

use std::path::PathBuf;

use super::reaching::Reaching;
use super::settings::Settings;
use super::upstreams::UpstreamSettings;
use crate::account::secret::SecretSource;
use crate::egress::EgressSettings;
use crate::egress::proxy::{OutboundProxy, ProxyPassword};
use crate::http::uri::Origin;
use crate::registry::table::{Table, UpstreamId};

impl Reaching {
    /// What holds for one upstream, as its entry would say it; the rest of the entry is not set.
    pub(super) fn entry(&self, id: UpstreamId, origin: &Origin) -> UpstreamSettings {
        let (egress, others) = (&self.of[id.index()], &self.others);
        let has_other = || others.proxies.is_some().then(|| "direct".to_owned());
        let proxy = proxy_of(egress, origin);
        let (username, source) = proxy.and_then(login).unzip();
        let own = egress.ca.iter().skip(others.ca.len());
        UpstreamSettings {
            proxy: proxy.map(ToString::to_string).or_else(has_other),
            proxy_username: username.cloned(),
            proxy_password_file: source.and_then(SecretSource::file).cloned(),
            proxy_password_env: source.and_then(SecretSource::variable).map(str::to_owned),
            bind: addresses(egress),
            family: egress.local.family,
            ca: own.map(|(_, path)| path.clone()).collect(),
            ..UpstreamSettings::default()
        }
    }

    /// The settings with what they say of all upstreams; what they say of one is for its entry.
    pub(super) fn general(&self, settings: &Settings) -> Settings {
        let others = &self.others;
        let said = (!self.by_environment).then(|| {
            let proxy = others.proxies.https.as_ref();
            proxy.map_or_else(|| "direct".to_owned(), ToString::to_string)
        });
        let has_proxy = self.of.iter().any(|egress| egress.proxies.is_some());
        let no_proxy = has_proxy.then(|| others.proxies.except.items());
        let family = others
            .local
            .family
            .map(|family| u8::from(family).to_string());
        Settings {
            upstream_ca: others
                .ca
                .iter()
                .map(|(_, path)| path.clone())
                .collect::<Vec<PathBuf>>(),
            upstream_proxy: said.into_iter().collect(),
            no_proxy: no_proxy.unwrap_or_else(|| settings.no_proxy.clone()),
            upstream_bind: addresses(others),
            upstream_family: family.into_iter().collect(),
            ..settings.clone()
        }
    }

    /// Whether a login is known from a URL, which is not written anywhere.
    pub fn hides_a_login(&self) -> bool {
        let mut proxies = self.of.iter().flat_map(|egress| {
            let proxies = &egress.proxies;
            [&proxies.http, &proxies.https].into_iter().flatten()
        });
        proxies.any(|proxy| {
            let password = proxy.login.as_ref().map(|login| &login.password);
            matches!(password, Some(ProxyPassword::Known(_)))
        })
    }

    /// By which proxies docxy goes out to which upstreams, a line for each proxy.
    pub fn lines(&self, table: &Table) -> Vec<String> {
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        for id in table.ids() {
            let (upstream, proxies) = (table.get(id), &self.of[id.index()].proxies);
            let Some(proxy) = proxies.through(&upstream.origin) else {
                continue;
            };
            let whose = if proxies.except.loopback {
                " of the environment"
            } else {
                ""
            };
            let line = format!("going out through the proxy {proxy}{whose}");
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, names)) => names.push(&upstream.name),
                None => lines.push((line, vec![&upstream.name])),
            }
        }
        let shown = |(line, names): (String, Vec<&str>)| format!("{line} to {}", names.join(", "));
        lines.into_iter().map(shown).collect()
    }
}

/// The proxy of an upstream; this machine's own ports have none by the environment.
fn proxy_of<'a>(egress: &'a EgressSettings, origin: &Origin) -> Option<&'a OutboundProxy> {
    let is_here = egress.proxies.except.loopback && origin.host().is_loopback();
    egress.proxies.of(origin.scheme()).filter(|_| !is_here)
}

fn login(proxy: &OutboundProxy) -> Option<(&String, &SecretSource)> {
    let login = proxy.login.as_ref()?;
    match &login.password {
        ProxyPassword::In(source) => Some((&login.username, source)),
        ProxyPassword::Known(_) => None,
    }
}

fn addresses(egress: &EgressSettings) -> Vec<String> {
    let addresses = egress.local.addresses();
    addresses.map(|address| address.to_string()).collect()
}
