//! What docxy is to do: the command line, checked once. Whatever is in a [`Config`] makes sense.

use std::cmp::Ordering;
use std::fmt;
use std::iter::zip;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;

use crate::acme::settings::Settings;
use crate::args::Args;
use crate::http::uri::{Host, Origin, Scheme};
use crate::listen::{Certificate, Listen};
use crate::log::Level;
use crate::registry::access::Allow;
use crate::registry::table::{Table, Upstream};
use crate::selfmade;
use crate::state;
use crate::timeouts::Timeouts;
use crate::tls::pairs::Pair;

/// What docxy is to do.
#[derive(Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The certificates of its https listeners and the keys, the default one first.
    pub pairs: Vec<Pair>,
    /// The authority whose certificates clients have to show there, if they have to.
    pub client_ca: Option<PathBuf>,
    /// The certificate that ACME is to get for them instead.
    pub acme: Option<Settings>,
    /// Names and addresses for the self-made certificate, beside those that docxy knows itself.
    pub tls_names: Vec<Host>,
    /// Where what docxy makes itself is kept; `None` if there is no place for it.
    pub state_dir: Option<PathBuf>,
    /// How clients reach it, if that is said.
    pub public_url: Option<Origin>,
    /// The upstreams.
    pub table: Table,
    /// More roots to trust for them.
    pub upstream_ca: Option<PathBuf>,
    /// The repositories that may pass.
    pub allow: Allow,
    /// The clients that are served; empty for all.
    pub allow_client: Vec<IpNet>,
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
}

/// A flag that makes no sense, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError {
    flag: &'static str,
    why: String,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}: {}", self.flag, self.why)
    }
}

impl std::error::Error for UsageError {}

fn usage(flag: &'static str) -> impl Fn(&dyn fmt::Display) -> UsageError {
    move |why| UsageError {
        flag,
        why: why.to_string(),
    }
}

impl Config {
    /// Checks what was typed.
    pub fn from_args(args: Args) -> Result<Config, UsageError> {
        let listen = read_each("listen", &args.listen, |text| text.parse())?;
        let tls_names = read_each("tls-name", &args.tls_name, selfmade::names::parse)?;
        let allow_client = read_each("allow-client", &args.allow_client, parse_net)?;
        let trusted_proxy = read_each("trusted-proxy", &args.trusted_proxy, parse_net)?;
        let table = table(&args)?;
        let allow = Allow::parse(&args.allow, &table).map_err(|error| usage("allow")(&error))?;
        let public_url = args
            .public_url
            .as_deref()
            .map(parse_public_url)
            .transpose()?;
        let pairs = tls_pairs(args.tls_cert, args.tls_key)?;
        let acme = Settings::from_args(args.acme).map_err(|(flag, why)| usage(flag)(&why))?;
        if acme.is_some() {
            check_acme(!pairs.is_empty(), &listen)?;
        }
        let timeouts = Timeouts {
            body: args.body_timeout,
            client: args.client_timeout,
        };
        let config = Config {
            listen,
            pairs,
            client_ca: args.client_ca,
            acme,
            tls_names,
            state_dir: args.state_dir.or_else(state::default_dir),
            public_url,
            table,
            upstream_ca: args.upstream_ca,
            allow,
            allow_client,
            trusted_proxy,
            timeouts,
            max_connections: args.max_connections,
            max_connections_per_ip: args.max_connections_per_ip,
            drain: args.drain,
            workers: args.workers.unwrap_or_else(one_for_each_core),
            log: args.log,
        };
        config.check_client_ca()?;
        Ok(config)
    }

    /// Whoever wants certificates of clients must not get an open door instead.
    fn check_client_ca(&self) -> Result<(), UsageError> {
        let mut schemes = self.listen.iter().map(|listen| self.scheme(listen));
        if self.client_ca.is_some() && schemes.all(|scheme| scheme == Scheme::Http) {
            return Err(usage("client-ca")(
                &"no listener speaks https; add --tls-cert and --tls-key, or --listen https://ADDR:PORT",
            ));
        }
        Ok(())
    }

    /// What is spoken on a listener.
    pub fn scheme(&self, listen: &Listen) -> Scheme {
        listen.scheme(if !self.pairs.is_empty() || self.acme.is_some() {
            Certificate::Configured
        } else {
            Certificate::None
        })
    }

    /// Whether an https listener is without a certificate, so that docxy makes one.
    pub fn needs_self_made(&self) -> bool {
        let is_https = |listen: &Listen| self.scheme(listen) == Scheme::Https;
        self.pairs.is_empty() && self.acme.is_none() && self.listen.iter().any(is_https)
    }

    /// What the operator should know before strangers find out.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.tls_names.is_empty() && !self.needs_self_made() {
            warnings.push(
                "--tls-name is for the self-made certificate, and none is made: no https listener is without one"
                    .to_owned(),
            );
        }
        if self.trusted_proxy.iter().any(|net| net.prefix_len() == 0) {
            warnings.push(
                "--trusted-proxy names everyone, so each client says itself which address it has; \
                 name the proxies in front of docxy"
                    .to_owned(),
            );
        }
        let is_open = !self.allow.is_restricting() && self.allow_client.is_empty();
        for listen in self.listen.iter().filter(|listen| !listen.is_loopback()) {
            let port = listen.port;
            if is_open {
                warnings.push(format!(
                    "whoever reaches port {port} can pull through it and spend your pull quota; \
                     restrict it with --allow-client or --allow"
                ));
            }
            if self.scheme(listen) == Scheme::Http && self.client_ca.is_some() {
                warnings.push(format!(
                    "port {port} is plain HTTP, where --client-ca has no effect; make it https:// or bind it to loopback"
                ));
            }
            if listen.proxy_protocol && self.trusted_proxy.is_empty() {
                warnings.push(format!(
                    "whoever reaches port {port} says in its PROXY header which client it is; \
                     name the balancer with --trusted-proxy"
                ));
            }
            if self.scheme(listen) == Scheme::Http && self.public_url.is_none() {
                warnings.push(format!(
                    "port {port} is plain HTTP, and each client says itself where it is sent for tokens; \
                     set --public-url to the URL by which clients reach it"
                ));
            }
        }
        let is_on_443 =
            |listen: &Listen| listen.port == 443 && self.scheme(listen) == Scheme::Https;
        if self.acme.is_some() && !self.listen.iter().any(is_on_443) {
            warnings.push(
                "ACME servers ask at port 443 of each --acme-domain, where docxy does not listen; \
                 see that what comes there is forwarded to an https listener"
                    .to_owned(),
            );
        }
        warnings
    }
}

fn one_for_each_core() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn tls_pairs(certs: Vec<PathBuf>, keys: Vec<PathBuf>) -> Result<Vec<Pair>, UsageError> {
    let counts = format!("{} certificates and {} keys", certs.len(), keys.len());
    match certs.len().cmp(&keys.len()) {
        Ordering::Equal => Ok(zip(certs, keys)
            .map(|(cert, key)| Pair { cert, key })
            .collect()),
        Ordering::Greater => Err(usage("tls-cert")(&format_args!(
            "{counts}; give each its private key with --tls-key, in the same order"
        ))),
        Ordering::Less => Err(usage("tls-key")(&format_args!(
            "{counts}; give each its certificate with --tls-cert, in the same order"
        ))),
    }
}

/// One source of certificates at a time, and a listener to prove names on.
fn check_acme(has_certificate: bool, listen: &[Listen]) -> Result<(), UsageError> {
    if has_certificate {
        return Err(usage("acme-domain")(
            &"--tls-cert is given too; take one of the two",
        ));
    }
    let speaks_https = |listen: &Listen| listen.scheme(Certificate::Configured) == Scheme::Https;
    if !listen.iter().any(speaks_https) {
        return Err(usage("acme-domain")(
            &"no listener speaks https; add one, such as --listen 0.0.0.0:443",
        ));
    }
    Ok(())
}

fn read_each<T>(
    flag: &'static str,
    texts: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, UsageError> {
    texts
        .iter()
        .map(|text| read(text).map_err(|why| usage(flag)(&format_args!("{text:?}: {why}"))))
        .collect()
}

fn table(args: &Args) -> Result<Table, UsageError> {
    let mut upstreams = Vec::new();
    for text in &args.upstream {
        upstreams.extend(Upstream::parse(text).map_err(|error| usage("upstream")(&error))?);
    }
    let mut table = Table::new(upstreams).map_err(|error| usage("upstream")(&error))?;
    for (name, host) in pairs("upstream-alias", &args.upstream_alias)? {
        table
            .add_alias(name, host)
            .map_err(|error| usage("upstream-alias")(&error))?;
    }
    for (name, host) in pairs("realm-host", &args.realm_host)? {
        table
            .set_realm_host(name, host)
            .map_err(|error| usage("realm-host")(&error))?;
    }
    Ok(table)
}

fn pairs<'a>(
    flag: &'static str,
    texts: &'a [String],
) -> Result<Vec<(&'a str, &'a str)>, UsageError> {
    let split = |text: &'a String| {
        text.split_once('=')
            .ok_or_else(|| usage(flag)(&format_args!("{text:?} is not NAME=HOST")))
    };
    texts.iter().map(split).collect()
}

fn parse_public_url(text: &str) -> Result<Origin, UsageError> {
    Origin::parse(text).map_err(|error| {
        let what = format_args!("{text:?} is not scheme, host and port alone, such as https://docxy.example:5000: {error}");
        usage("public-url")(&what)
    })
}

fn parse_net(text: &str) -> Result<IpNet, String> {
    let net: Result<IpNet, _> = text.parse();
    net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "it is neither a network such as 10.0.0.0/8 nor an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn config(flags: &str) -> Result<Config, String> {
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
                "--tls-cert: 2 certificates and 1 keys; give each its private key with --tls-key, in the same order",
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
                "--tls-key: 0 certificates and 1 keys; give each its certificate with --tls-cert, in the same order",
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

    #[test]
    fn open_doors_are_pointed_out() {
        let warnings = |flags: &str| config(flags).unwrap().warnings();
        let acme = "--acme-domain a.test --acme-agree-tos --allow-client ::1";
        assert!(warnings(&format!("{acme} --listen :443")).is_empty());
        let elsewhere = warnings(&format!("{acme} --listen :5000"));
        assert!(
            elsewhere.len() == 1 && elsewhere[0].contains("port 443"),
            "{elsewhere:?}"
        );
        assert!(warnings("--listen 127.0.0.1:0 --listen localhost:0").is_empty());
        let open = warnings("--listen 0.0.0.0:5000");
        assert!(
            open.len() == 2
                && open[0].contains("--allow-client")
                && open[1].contains("--public-url"),
            "{open:?}"
        );
        assert!(
            warnings("--listen :5000 --allow-client 10.0.0.0/8 --public-url http://a.test")
                .is_empty()
        );
        assert!(warnings("--listen https://:5000 --allow docker.io/a/*").is_empty());
        assert_eq!(warnings("--tls-name a.test").len(), 1);
        assert!(warnings("--listen https://[::1]:0 --tls-name a.test").is_empty());
        assert_eq!(
            warnings("--listen http://:80 --allow docker.io/a/*").len(),
            1
        );
        let marked = "--listen proxy+https://:443 --allow docker.io/a/*";
        assert!(warnings(marked)[0].contains("--trusted-proxy"));
        assert!(warnings(&format!("{marked} --trusted-proxy 10.0.0.1")).is_empty());
        assert_eq!(warnings("--trusted-proxy 0.0.0.0/0").len(), 1);
    }
}
