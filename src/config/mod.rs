//! What docxy is to do: [`settings`] declares what can be set, by flag, variable and [`file`](mod@file); [`load`] puts the three
//! together, and here they are checked, once. Whatever is in a [`Config`] makes sense.

mod conflicts;
pub mod fault;
pub mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lists;
pub mod load;
pub mod period;
pub mod reaching;
mod restart;
pub mod settings;
mod shown;
mod table;
pub mod upstreams;
mod values;
mod warnings;

use std::env;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use self::fault::{Fault, Key};
use self::reaching::Reaching;
use self::settings::Settings;
use self::upstreams::UpstreamSettings;
use self::values::{
    check_given, parse_admin, parse_net, parse_public_url, read_each, some_time, tls_pairs, workers,
};
use crate::account::AccountSettings;
use crate::acme;
use crate::acme::renewal::Way;
use crate::args::Args;
use crate::http::uri::{Host, Origin, Scheme};
use crate::listen::{Certificate, Listen};
use crate::log::{Format, Level};
use crate::registry::access::Access;
use crate::registry::table::Table;
use crate::selfmade::names::{self, Wanted};
use crate::state;
use crate::timeouts::Timeouts;
use crate::tls::pairs::Pair;

/// What docxy is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Where it serves the operator: what has been counted, in plain HTTP.
    pub admin: Option<Listen>,
    /// The certificates of its https listeners and the keys, the default one first.
    pub pairs: Vec<Pair>,
    /// The authority whose certificates clients have to show there, if they have to.
    pub client_ca: Option<PathBuf>,
    /// The certificate that ACME is to get for them instead.
    pub acme: Option<acme::settings::Settings>,
    /// Names and addresses for the self-made certificate, beside those that docxy knows itself.
    pub tls_names: Vec<Host>,
    /// Where what docxy makes itself is kept; `None` if there is no place for it.
    pub state_dir: Option<PathBuf>,
    /// How clients reach it, if that is said.
    pub public_url: Option<Origin>,
    /// The upstreams.
    pub table: Table,
    /// How they are reached.
    pub reaching: Reaching,
    /// The repositories that may pass.
    pub access: Access,
    /// The accounts of the upstreams, by their places in the table.
    pub accounts: Vec<Option<AccountSettings>>,
    /// The clients that are served; empty for all.
    pub allow_client: Vec<IpNet>,
    /// The clients that are not served, whatever allows them.
    pub deny_client: Vec<IpNet>,
    /// The proxies in front that are believed who the client is.
    pub trusted_proxy: Vec<IpNet>,
    /// How long peers may be silent.
    pub timeouts: Timeouts,
    /// Connections of clients at a time; `None` for as many as the system has room for.
    pub max_connections: Option<NonZeroUsize>,
    /// Those of one client; `None` for any number.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// How long a stop waits.
    pub drain: Duration,
    /// How many workers serve.
    pub workers: NonZeroUsize,
    /// What is said.
    pub log: Level,
    /// How it is written.
    pub log_format: Format,
    settings: Settings,
}

impl Config {
    /// Checks what was typed, where there is no file.
    pub fn from_args(args: Args) -> Result<Config, Fault> {
        Config::from_settings(args.settings)
    }

    /// Checks what was set.
    pub fn from_settings(settings: Settings) -> Result<Config, Fault> {
        let listen = read_each("listen", &settings.listen, |text| text.parse())?;
        check_given(&settings)?;
        let admin = settings.admin.as_deref().map(parse_admin);
        let tls_names = read_each("tls_name", &settings.tls_name, names::parse)?;
        let allow_client = read_each("allow_client", &settings.allow_client, parse_net)?;
        let deny_client = read_each("deny_client", &settings.deny_client, parse_net)?;
        let trusted_proxy = read_each("trusted_proxy", &settings.trusted_proxy, parse_net)?;
        let upstreams = table::without_overridden(&settings);
        let table = table::table(&settings, &upstreams)?;
        let access = table::access(&settings, &upstreams, &table)?;
        let environment = |name: &str| env::var(name).ok();
        let reaching = reaching::reaching(&settings, &upstreams, &table, &environment)?;
        let accounts = upstreams::accounts(&upstreams, &table)?;
        let public_url = settings.public_url.as_deref().map(parse_public_url);
        let pairs = tls_pairs(&settings.tls_cert, &settings.tls_key)?;
        let acme = acme::settings::Settings::from_args(settings.acme.clone())
            .map_err(|(key, why)| Key::of(key).fault(&why))?;
        if acme.is_some() {
            conflicts::check_acme(!pairs.is_empty(), &listen)?;
        }
        let timeouts = Timeouts {
            body: some_time("body_timeout", settings.body_timeout)?,
            client: some_time("client_timeout", settings.client_timeout)?,
        };
        let config = Config {
            listen,
            admin: admin.transpose()?,
            pairs,
            client_ca: settings.client_ca.clone(),
            acme,
            tls_names,
            state_dir: settings.state_dir.clone().or_else(state::default_dir),
            public_url: public_url.transpose()?,
            table,
            reaching,
            access,
            accounts,
            allow_client,
            deny_client,
            trusted_proxy,
            timeouts,
            max_connections: settings.max_connections,
            max_connections_per_ip: settings.max_connections_per_ip,
            drain: settings.drain.duration(),
            workers: workers(settings.workers)?,
            log: settings.log,
            log_format: settings.log_format,
            settings,
        };
        config.check_together()?;
        Ok(config)
    }

    /// The settings that this was made of, where all that is said of an upstream stands in its entry.
    pub fn settings(&self) -> Settings {
        let of = |id| UpstreamSettings::of(self, id);
        Settings {
            upstream: self.table.ids().map(of).collect(),
            ..self.reaching.general(&self.settings)
        }
    }

    /// By which proxies docxy goes out, a line for each.
    pub fn ways(&self) -> Vec<String> {
        self.reaching.lines(&self.table)
    }

    /// What is spoken on a listener.
    pub fn scheme(&self, listen: &Listen) -> Scheme {
        listen.scheme(if !self.pairs.is_empty() || self.acme.is_some() {
            Certificate::Configured
        } else {
            Certificate::None
        })
    }

    /// By which names docxy is reached, for the certificate that it makes itself.
    pub fn certificate_names(&self) -> Wanted {
        let is_https = |listen: &&Listen| self.scheme(listen) == Scheme::Https;
        let listening = self.listen.iter().filter(is_https);
        Wanted::new(
            self.public_url.as_ref(),
            &self.tls_names,
            &self.table,
            listening.map(|listen| listen.host).collect(),
        )
    }

    /// How the ACME server is reached.
    pub fn way_to_acme(&self) -> Way {
        Way {
            reaching: self.reaching.others.clone(),
            timeouts: self.timeouts,
        }
    }

    /// Whether an https listener is without a certificate, so that docxy makes one.
    pub fn needs_self_made(&self) -> bool {
        let is_https = |listen: &Listen| self.scheme(listen) == Scheme::Https;
        self.pairs.is_empty() && self.acme.is_none() && self.listen.iter().any(is_https)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::net::IpAddr;

    pub(super) fn config(flags: &str) -> Result<Config, String> {
        let args = Args::parse_from(std::iter::once("docxy").chain(flags.split_whitespace()));
        Config::from_args(args).map_err(|error| error.to_string())
    }

    #[test]
    fn sense_is_taken() {
        let config = config(
            "--listen :5000 --listen http://127.0.0.1:0 --upstream ghcr.io --upstream docker.io \
             --upstream-alias docker.io=hub.test --realm-host ghcr.io=auth.test --allow ghcr.io/a/* \
             --allow-client 10.0.0.0/8 --allow-client ::1 --public-url https://docxy.test:5000 --tls-cert c --tls-key k",
        )
        .unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.scheme(&config.listen[0]), Scheme::Https);
        assert_eq!(
            config.table.get(config.table.default_upstream()).name,
            "ghcr.io"
        );
        assert!(config.table.find("HUB.test").is_some());
        assert!(
            config
                .allow_client
                .iter()
                .any(|net| net.contains(&"::1".parse::<IpAddr>().unwrap()))
        );
        assert_eq!(
            config.public_url.map(|url| url.to_string()).as_deref(),
            Some("https://docxy.test:5000")
        );
    }

    #[test]
    fn nonsense_names_its_flag() {
        let cases = [
            ("--listen 5000", "--listen: \"5000\": it has no port"),
            ("--upstream ftp://a.test", "--upstream: "),
            ("--upstream https://a.test/v2", "--upstream: "),
            (
                "--upstream a.test=https://b.test --upstream A.test=https://c.test",
                "--upstream: ",
            ),
            (
                "--upstream-alias hub.test",
                "--upstream-alias: \"hub.test\" is not NAME=HOST",
            ),
            ("--upstream-alias quay.io=hub.test", "--upstream-alias: "),
            (
                "--realm-host docker.io",
                "--realm-host: \"docker.io\" is not NAME=HOST",
            ),
            ("--realm-host docker.io=a/b", "--realm-host: "),
            (
                "--mount docker-registry=https://a.test",
                "--mount: \"docker-registry=https://a.test\": its prefix is no plain path",
            ),
            (
                "--mount /v2/x=https://a.test",
                "--mount: \"/v2/x=https://a.test\": docxy has paths of its own there",
            ),
            (
                "--mount /a=https://a.test --mount /a/=https://b.test",
                "--mount: \"/a/=https://b.test\": its prefix is mounted already",
            ),
            (
                "--mount /a=a.test",
                "--mount: \"/a=a.test\": its scheme is neither http nor https; after = give",
            ),
            ("--mount /a", "--mount: \"/a\": it is not /PREFIX=URL"),
            ("--allow a", "--allow: "),
            ("--allow quay.io/a", "--allow: "),
            (
                "--allow-client 10.0.0.0/33",
                "--allow-client: \"10.0.0.0/33\": it is neither",
            ),
            (
                "--tls-name https://a.test",
                "--tls-name: \"https://a.test\": it is neither",
            ),
            (
                "--trusted-proxy nginx",
                "--trusted-proxy: \"nginx\": it is neither a network",
            ),
            ("--public-url docxy.test", "--public-url: "),
            ("--public-url https://docxy.test/path", "--public-url: "),
            (
                "--tls-cert c --tls-key k --tls-cert d",
                "--tls-cert: certificates: 2, keys: 1; give each its private key with --tls-key, in the same order",
            ),
            (
                "--acme-domain a.test --acme-agree-tos --tls-cert c --tls-key k",
                "--acme-domain: --tls-cert is given too",
            ),
            (
                "--acme-domain a.test --acme-agree-tos --listen :80",
                "--acme-domain: no listener speaks https",
            ),
            (
                "--acme-domain a.test",
                "--acme-agree-tos: the server at https://acme-v02.api.letsencrypt.org/directory gives",
            ),
            (
                "--tls-key k",
                "--tls-key: certificates: 0, keys: 1; give each its certificate with --tls-cert, in the same order",
            ),
            (
                "--workers 1025",
                "--workers: it is no number from 1 to 1024",
            ),
            (
                "--client-ca c --listen 127.0.0.1:5000 --listen :80",
                "--client-ca: no listener speaks https; ",
            ),
        ];
        for (flags, message) in cases {
            let error = config(flags).unwrap_err();
            assert!(
                error.starts_with(message) && !error.contains('\n'),
                "{flags}: {error}"
            );
        }
    }
}
