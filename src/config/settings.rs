//! All that an operator can set, declared once: each field is a flag, its environment variable, and a key of the
//! configuration file by the same name with `_`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::FromArgMatches;
use clap::builder::BoolishValueParser;
use serde::{Deserialize, Serialize};

use super::lists::{one_or_many, proxies};
use super::period::Period;
use super::upstreams::{UpstreamSettings, read_list};
use crate::acme::settings::AcmeArgs;
use crate::log::{Format, Level};

/// What can be set. What stands here has its own syntax, but has not been checked.
///
/// Lists take any string, so that a variable's list can be split after it was read.
#[derive(Clone, Debug, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on; repeatable. ADDR is an IP address, localhost, or empty for all. Without a scheme: port 443 is
    /// https, port 80 http, any other https if there is a certificate. proxy+http:// and proxy+https:// require a PROXY
    /// protocol header (version 1 or 2) before each connection
    #[arg(
        long,
        help_heading = "Listeners",
        env = "DOCXY_LISTEN",
        value_name = "[[proxy+]http://|[proxy+]https://]ADDR:PORT",
        default_value = "127.0.0.1:5000"
    )]
    pub listen: Vec<String>,

    /// Address of a listener for the operator, in plain HTTP: /metrics for Prometheus, /health and /ready. Without it nothing
    /// is counted
    #[arg(
        long,
        help_heading = "Listeners",
        env = "DOCXY_ADMIN",
        value_name = "ADDR:PORT"
    )]
    pub admin: Option<String>,

    /// PEM certificate chain of the https listeners; repeatable: shown to clients that ask for one of its names, the first
    /// to all others. Without it docxy makes a CA and a certificate itself
    #[arg(
        long,
        help_heading = "TLS",
        env = "DOCXY_TLS_CERT",
        value_name = "FILE"
    )]
    pub tls_cert: Vec<PathBuf>,

    /// PEM private key of the certificate; repeatable, the first key is that of the first certificate and so on
    #[arg(long, help_heading = "TLS", env = "DOCXY_TLS_KEY", value_name = "FILE")]
    pub tls_key: Vec<PathBuf>,

    /// PEM roots: on https listeners serve only clients that show a certificate of one of these
    #[arg(
        long,
        help_heading = "TLS",
        env = "DOCXY_CLIENT_CA",
        value_name = "FILE"
    )]
    pub client_ca: Option<PathBuf>,

    /// The certificate by ACME.
    #[command(flatten)]
    pub acme: AcmeArgs,

    /// Another name or address by which clients reach docxy, for the self-made certificate; repeatable
    #[arg(
        long,
        help_heading = "TLS",
        env = "DOCXY_TLS_NAME",
        value_name = "NAME|IP"
    )]
    pub tls_name: Vec<String>,

    /// Directory for what docxy makes itself and must find again, keys among it. Default: the first of $STATE_DIRECTORY,
    /// $XDG_STATE_HOME/docxy, /var/lib/docxy for root or ~/.local/state/docxy
    #[arg(
        long,
        help_heading = "TLS",
        env = "DOCXY_STATE_DIR",
        value_name = "DIR",
        global = true
    )]
    pub state_dir: Option<PathBuf>,

    /// How clients reach docxy: scheme, host and port. Without it docxy believes the Host of each request
    #[arg(
        long,
        help_heading = "Listeners",
        env = "DOCXY_PUBLIC_URL",
        value_name = "URL"
    )]
    pub public_url: Option<String>,

    /// Registry to pull from; repeatable, the first is the default one. A well-known name (docker.io, ghcr.io, quay.io,
    /// gcr.io, registry.k8s.io, mcr.microsoft.com, nvcr.io, public.ecr.aws), `all` of these, another host, or a URL
    /// without path
    #[arg(
        long,
        help_heading = "Upstreams",
        env = "DOCXY_UPSTREAM",
        value_name = "[NAME=]URL",
        default_value = "docker.io"
    )]
    #[serde(deserialize_with = "read_list")]
    pub upstream: Vec<UpstreamSettings>,

    /// Another host name by which clients ask for an upstream; repeatable
    #[arg(
        long,
        help_heading = "Upstreams",
        env = "DOCXY_UPSTREAM_ALIAS",
        value_name = "NAME=HOST"
    )]
    #[serde(skip)]
    pub upstream_alias: Vec<String>,

    /// Let a path prefix lead to another origin, for clients made for a plain reverse proxy; repeatable. What follows the
    /// prefix goes there as it is, redirects and token realms that point to a mounted origin lead to its prefix
    #[arg(
        long,
        help_heading = "Upstreams",
        env = "DOCXY_MOUNT",
        value_name = "/PREFIX=URL"
    )]
    pub mount: Vec<String>,

    /// PEM roots to trust for one upstream, or for all, beside the built-in ones; repeatable
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_UPSTREAM_CA",
        value_name = "[NAME=]FILE"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub upstream_ca: Vec<PathBuf>,

    /// Proxy through which one upstream is reached, or all: http:// (CONNECT) or socks5://, or `direct`; repeatable. A login
    /// in it is taken from the variable only. Default: what HTTPS_PROXY, http_proxy, ALL_PROXY say
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_UPSTREAM_PROXY",
        value_name = "[NAME=]URL",
        hide_env_values = true
    )]
    #[serde(deserialize_with = "proxies")]
    pub upstream_proxy: Vec<String>,

    /// User at the --upstream-proxy for all
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_UPSTREAM_PROXY_USERNAME",
        value_name = "USER"
    )]
    pub upstream_proxy_username: Option<String>,

    /// File with the password of that user
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_UPSTREAM_PROXY_PASSWORD_FILE",
        value_name = "FILE"
    )]
    pub upstream_proxy_password_file: Option<PathBuf>,

    /// Hosts to reach without a proxy, redirect targets among them: a host (and what is below it), .suffix, address,
    /// network, or *, each but networks perhaps with a port; repeatable. Default: what NO_PROXY says
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_NO_PROXY",
        value_name = "HOST"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub no_proxy: Vec<String>,

    /// Source address of connections to one upstream, or to all; repeatable, one of each family
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_UPSTREAM_BIND",
        value_name = "[NAME=]ADDR"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub upstream_bind: Vec<String>,

    /// Reach one upstream, or all, by IPv4 only or by IPv6 only; repeatable
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_UPSTREAM_FAMILY",
        value_name = "[NAME=]4|6"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub upstream_family: Vec<String>,

    /// Address of a name, which is then not looked up and may be any; repeatable
    #[arg(
        long,
        help_heading = "Reaching out",
        env = "DOCXY_RESOLVE",
        value_name = "HOST=ADDR"
    )]
    #[serde(deserialize_with = "one_or_many")]
    pub resolve: Vec<String>,

    /// The only host that may give out an upstream's tokens, wherever it is; repeatable
    #[arg(
        long,
        help_heading = "Upstreams",
        env = "DOCXY_REALM_HOST",
        value_name = "NAME=HOST[:PORT]"
    )]
    #[serde(skip)]
    pub realm_host: Vec<String>,

    /// Let only these repositories pass; repeatable. `*` is one path component or a part of it, `**` any number of them
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_ALLOW",
        value_name = "NAME/GLOB"
    )]
    #[serde(skip)]
    pub allow: Vec<String>,

    /// Let these repositories not pass, whatever allows them; repeatable
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_DENY",
        value_name = "NAME/GLOB"
    )]
    #[serde(skip)]
    pub deny: Vec<String>,

    /// Show the names of an upstream's repositories (/v2/_catalog), unless it has a list of what may pass or may not
    #[arg(long, help_heading = "Access", env = "DOCXY_CATALOG", value_parser = BoolishValueParser::new())]
    pub catalog: bool,

    /// Serve only these clients; repeatable
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_ALLOW_CLIENT",
        value_name = "CIDR"
    )]
    pub allow_client: Vec<String>,

    /// Do not serve these clients, whatever allows them; repeatable
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_DENY_CLIENT",
        value_name = "CIDR"
    )]
    pub deny_client: Vec<String>,

    /// Serve in the name of an upstream's account whoever reaches docxy, from anywhere
    #[arg(long, help_heading = "Access", env = "DOCXY_PUBLIC_ACCOUNTS", value_parser = BoolishValueParser::new())]
    pub public_accounts: bool,

    /// Believe these peers who the client is: X-Forwarded-For, -Proto, -Host, Forwarded, and PROXY headers; repeatable
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_TRUSTED_PROXY",
        value_name = "CIDR"
    )]
    pub trusted_proxy: Vec<String>,

    /// Give an upstream's body up when no byte of it has come for so long
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_BODY_TIMEOUT",
        value_name = "DURATION",
        default_value = "60s"
    )]
    pub body_timeout: Period,

    /// Give a client up when it has taken nothing for so long
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_CLIENT_TIMEOUT",
        value_name = "DURATION",
        default_value = "60s"
    )]
    pub client_timeout: Period,

    /// Clients' connections at a time. Beyond that, idle ones are closed for new ones, or new ones get 503 or wait. Default:
    /// one for each four descriptors (ulimit -n), but not more than one for each 512 KiB of memory that docxy may have
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_MAX_CONNECTIONS",
        value_name = "N"
    )]
    pub max_connections: Option<NonZeroUsize>,

    /// Connections of one address (IPv6: of a /64) at a time, unless it is a trusted proxy's. Default: no limit
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_MAX_CONNECTIONS_PER_IP",
        value_name = "N"
    )]
    pub max_connections_per_ip: Option<NonZeroUsize>,

    /// How long a stop waits for running transfers
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_DRAIN",
        value_name = "DURATION",
        default_value = "300s"
    )]
    pub drain: Period,

    /// Threads that serve connections. Default: as many as there are cores for docxy
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_WORKERS",
        value_name = "NUMBER"
    )]
    pub workers: Option<NonZeroUsize>,

    /// What to say on stderr
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_LOG",
        value_name = "LEVEL",
        value_enum,
        default_value = "info"
    )]
    pub log: Level,

    /// How to say it: json is one object per line
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: Format,
}

impl Default for Settings {
    /// What holds where neither flag, variable nor file says anything: the defaults of the flags.
    fn default() -> Settings {
        let flags = <Settings as clap::Args>::augment_args(clap::Command::new("docxy"));
        let none = flags
            .mut_args(|flag| flag.env(None))
            .try_get_matches_from(["docxy"]);
        none.and_then(|none| Settings::from_arg_matches(&none))
            .expect("every setting may be left out")
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn defaults_are_those_of_the_design() {
        let settings = Settings::default();
        assert_eq!(settings.listen, ["127.0.0.1:5000"]);
        assert_eq!(settings.upstream, ["docker.io".to_owned().into()]);
        assert_eq!(settings.log, Level::Info);
        let periods = [
            settings.body_timeout,
            settings.client_timeout,
            settings.drain,
        ];
        assert_eq!(
            periods.map(|period| period.duration().as_secs()),
            [60, 60, 300]
        );
    }

    /// What a flag says of one upstream is in that upstream's entry.
    #[test]
    fn every_flag_is_a_key_of_the_file() {
        let in_entries = ["upstream_alias", "realm_host", "allow", "deny"];
        let flags = <Settings as clap::Args>::augment_args(clap::Command::new("docxy"));
        for flag in flags.get_arguments() {
            let id = flag.get_id().as_str();
            let key = id.replace("acme_", "acme.");
            let no_value = file::parse(format!("{key} = {{ x = 0 }}").as_bytes()).unwrap_err();
            let is_key = !no_value.why.contains("there is no key");
            assert!(is_key != in_entries.contains(&id), "{id}: {no_value}");
            let variable = format!("DOCXY_{}", id.to_uppercase());
            assert_eq!(
                flag.get_env().and_then(|env| env.to_str()),
                Some(&*variable)
            );
            assert_eq!(flag.get_long(), Some(&*id.replace('_', "-")));
        }
    }
}
