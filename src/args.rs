//! The command line as it is typed; what it means is in [`crate::config`].

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::acme::settings::AcmeArgs;
use crate::log::Level;

/// A pull proxy for container registries: engines reach docxy, docxy reaches the registries.
///
/// Every flag has an environment variable, such as DOCXY_LISTEN for --listen; where a flag may be repeated, it takes a comma-separated list.
/// Durations are written 30s, 5m, 1h.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

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
    pub upstream: Vec<String>,

    /// Another host name by which clients ask for an upstream; repeatable
    #[arg(
        long,
        help_heading = "Upstreams",
        env = "DOCXY_UPSTREAM_ALIAS",
        value_name = "NAME=HOST"
    )]
    pub upstream_alias: Vec<String>,

    /// PEM roots to trust for upstreams, beside the built-in ones
    #[arg(
        long,
        help_heading = "Upstreams",
        env = "DOCXY_UPSTREAM_CA",
        value_name = "FILE"
    )]
    pub upstream_ca: Option<PathBuf>,

    /// The only host that may give out an upstream's tokens, wherever it is; repeatable
    #[arg(
        long,
        help_heading = "Upstreams",
        env = "DOCXY_REALM_HOST",
        value_name = "NAME=HOST[:PORT]"
    )]
    pub realm_host: Vec<String>,

    /// Let only these repositories pass; repeatable. `*` is one path component or a part of it, `**` any number of them
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_ALLOW",
        value_name = "NAME/GLOB"
    )]
    pub allow: Vec<String>,

    /// Serve only these clients; repeatable
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_ALLOW_CLIENT",
        value_name = "CIDR"
    )]
    pub allow_client: Vec<String>,

    /// Believe these peers who the client is: X-Forwarded-For, -Proto, -Host, Forwarded, and PROXY headers; repeatable
    #[arg(
        long,
        help_heading = "Access",
        env = "DOCXY_TRUSTED_PROXY",
        value_name = "CIDR"
    )]
    pub trusted_proxy: Vec<String>,

    /// Give an upstream's body up when no byte of it has come for so long
    #[arg(long, help_heading = "Running", env = "DOCXY_BODY_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub body_timeout: Duration,

    /// Give a client up when it has taken nothing for so long
    #[arg(long, help_heading = "Running", env = "DOCXY_CLIENT_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub client_timeout: Duration,

    /// Clients' connections at a time. Beyond that, idle ones are closed for new ones, or new ones get 503 or wait. Default:
    /// one for each four descriptors (ulimit -n), but not more than one for each 256 KiB of memory
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
    #[arg(long, help_heading = "Running", env = "DOCXY_DRAIN", value_name = "DURATION", default_value = "300s", value_parser = parse_patience)]
    pub drain: Duration,

    /// Threads that serve connections. Default: as many as there are cores for docxy
    #[arg(
        long,
        help_heading = "Running",
        env = "DOCXY_WORKERS",
        value_name = "NUMBER",
        value_parser = parse_workers
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
}

/// More threads than this help nobody: each has a runtime and connections to upstreams of its own.
const MAX_WORKERS: usize = 1024;

/// What docxy does instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print the CA of the self-made certificate, in PEM, for the engines to trust
    Ca,
    /// Ask a docxy that runs whether it is well: exit code 0 if its /health answers 200. No certificate is verified
    Health {
        /// Which one; by default the first --listen. Flags stand before the command
        #[arg(value_name = "URL")]
        url: Option<String>,
    },
}

impl Args {
    /// Reads the command line and the environment; prints help, or what is wrong, and exits if there is nothing to run.
    pub fn from_process() -> Args {
        let matches = Args::command().get_matches();
        let mut args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        args.split_lists(|id| matches.value_source(id) == Some(ValueSource::EnvVariable));
        args
    }

    /// Splits the values that come from variables. On the command line a comma is part of the value: globs have them.
    fn split_lists(&mut self, is_from_variable: impl Fn(&str) -> bool) {
        let lists = [
            ("listen", &mut self.listen),
            ("acme_domain", &mut self.acme.acme_domain),
            ("tls_name", &mut self.tls_name),
            ("upstream", &mut self.upstream),
            ("upstream_alias", &mut self.upstream_alias),
            ("realm_host", &mut self.realm_host),
            ("allow", &mut self.allow),
            ("allow_client", &mut self.allow_client),
            ("trusted_proxy", &mut self.trusted_proxy),
        ];
        for (id, list) in lists {
            if is_from_variable(id) {
                let values = list
                    .iter()
                    .flat_map(|value| value.split(','))
                    .map(str::trim);
                *list = values
                    .filter(|value| !value.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
        }
        for (id, list) in [
            ("tls_cert", &mut self.tls_cert),
            ("tls_key", &mut self.tls_key),
        ] {
            if is_from_variable(id) {
                *list = list.iter().flat_map(|paths| split_paths(paths)).collect();
            }
        }
    }
}

/// A comma-separated list of paths, which need not be UTF-8.
fn split_paths(paths: &Path) -> Vec<PathBuf> {
    let paths = paths.as_os_str().as_bytes().split(|&byte| byte == b',');
    paths
        .map(<[u8]>::trim_ascii)
        .filter(|path| !path.is_empty())
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect()
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse_patience(text)? {
        Duration::ZERO => Err("it has to be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

fn parse_patience(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "it is no duration such as 30s, 5m or 1h".to_owned())
}

fn parse_workers(text: &str) -> Result<NonZeroUsize, String> {
    let workers: Option<NonZeroUsize> = text.parse().ok();
    workers
        .filter(|workers| workers.get() <= MAX_WORKERS)
        .ok_or_else(|| format!("it is no number from 1 to {MAX_WORKERS}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_command_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_option_stands_in_a_group() {
        let groups = ["Listeners", "TLS", "Upstreams", "Access", "Running"];
        for option in Args::command().get_arguments() {
            let heading = option.get_help_heading().unwrap_or("none");
            assert!(groups.contains(&heading), "{}: {heading}", option.get_id());
        }
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let args = Args::parse_from(["docxy"]);
        assert_eq!(args.listen, ["127.0.0.1:5000"]);
        assert_eq!(args.upstream, ["docker.io"]);
        assert_eq!(
            (args.body_timeout, args.client_timeout),
            (Duration::from_secs(60), Duration::from_secs(60))
        );
        assert_eq!(
            (args.drain, args.log),
            (Duration::from_secs(300), Level::Info)
        );
    }

    #[test]
    fn commands_take_their_flags_on_either_side() {
        assert_eq!(Args::parse_from(["docxy"]).command, None);
        for line in ["docxy ca --state-dir /s", "docxy --state-dir /s ca"] {
            let args = Args::parse_from(line.split(' '));
            assert_eq!(args.command, Some(Command::Ca), "{line}");
            assert_eq!(args.state_dir.as_deref(), Some(Path::new("/s")), "{line}");
        }
    }

    #[test]
    fn lists_are_split_in_variables_only() {
        let mut args = Args::parse_from([
            "docxy",
            "--allow",
            "a.test/{b,c}",
            "--upstream",
            "a.test, b.test,",
            "--tls-cert",
            "a.pem,b.pem",
            "--tls-key",
            "a.key, b.key,",
        ]);
        args.split_lists(|id| id == "upstream" || id == "tls_key");
        assert_eq!(args.tls_cert, [Path::new("a.pem,b.pem")]);
        assert_eq!(args.tls_key, [Path::new("a.key"), Path::new("b.key")]);
        assert_eq!(args.allow, ["a.test/{b,c}"]);
        assert_eq!(args.upstream, ["a.test", "b.test"]);
    }

    #[test]
    fn workers_are_few() {
        assert_eq!(parse_workers("1").map(NonZeroUsize::get), Ok(1));
        assert_eq!(parse_workers("1024").map(NonZeroUsize::get), Ok(1024));
        for text in ["0", "-1", "1025", "", "x", "1.5"] {
            assert!(parse_workers(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_are_checked() {
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_patience("0s"), Ok(Duration::ZERO));
        for text in ["0s", "", "5", "-1s", "1x"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
