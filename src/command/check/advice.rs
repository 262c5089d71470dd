//! What a failure means, and what to do about it: one line, for whoever runs docxy.

use std::io;
use std::time::{Duration, SystemTime};

use rustls::CertificateError;

use super::report::Failure;
use crate::proxy::fetch::NoToken;
use crate::proxy::journey::Mishap;
use crate::proxy::on_behalf::Unanswered;
use crate::registry::route::RouteError;
use crate::tls::refused::Refused;
use crate::upstream::dial::DialError;
use crate::upstream::fault::{Fault, UpstreamError};
use crate::upstream::tunnel::ProxyFault;

/// Who is asked: what to do depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side<'a> {
    /// An upstream of this name.
    Upstream(&'a str),
    /// A docxy.
    Docxy,
}

/// Why there is no answer to look at.
#[derive(Debug)]
pub(super) enum Trouble {
    /// docxy does not let the request pass.
    Route(RouteError),
    /// Nobody has answered it.
    Unanswered(Unanswered),
}

impl From<Unanswered> for Trouble {
    fn from(why: Unanswered) -> Trouble {
        Trouble::Unanswered(why)
    }
}

impl Trouble {
    /// In which step it was; `otherwise` where that was before the request itself.
    pub(super) fn step(&self, otherwise: &'static str) -> &'static str {
        let Trouble::Unanswered(Unanswered::Mishap(Mishap::Upstream(error))) = self else {
            return otherwise;
        };
        match &error.fault {
            Fault::Unreachable(DialError::Lookup(_)) => "dns",
            Fault::Unreachable(DialError::Connect(_) | DialError::Forbidden(_)) => "connect",
            Fault::Unreachable(DialError::Tls(_)) => "tls",
            Fault::Unreachable(DialError::Proxy(_)) => "proxy",
            _ => otherwise,
        }
    }

    pub(super) fn failure(&self, side: Side<'_>) -> Failure {
        match self {
            Trouble::Route(error) => of_route(error),
            Trouble::Unanswered(Unanswered::Mishap(mishap)) => of_mishap(mishap, side),
            Trouble::Unanswered(Unanswered::Token(why)) => of_token(why, side),
        }
    }
}

fn failure(what: &impl ToString, advice: impl Into<String>) -> Failure {
    Failure {
        what: what.to_string(),
        advice: advice.into(),
    }
}

fn of_route(error: &RouteError) -> Failure {
    let advice = match error {
        RouteError::Denied(..) => {
            "clients are refused as well; if that is not meant, change --allow or --deny (allow and deny in the file)"
        }
        RouteError::UnknownName(_) => "add it with --upstream",
        _ => "write the image as for docker pull",
    };
    failure(error, advice)
}

pub(super) fn of_mishap(mishap: &Mishap, side: Side<'_>) -> Failure {
    match mishap {
        Mishap::Upstream(error) => of_upstream(error, side),
        Mishap::Redirect(..) | Mishap::Form(_) => failure(
            mishap,
            "docxy does not follow this redirect, whatever is set; tell the registry's operator, or look who answers in its place",
        ),
    }
}

fn of_upstream(error: &UpstreamError, side: Side<'_>) -> Failure {
    let advice = match &error.fault {
        Fault::Unreachable(error) => of_dial(error, side),
        Fault::Down(_) | Fault::Crowded => "check again in a moment".to_owned(),
        Fault::Broken(_) => match side {
            Side::Upstream(_) => {
                "look whether a proxy or firewall between cuts connections, and check again".to_owned()
            }
            Side::Docxy => "look at docxy's log; it ends connections that --client-ca does not let in, and those beyond its limits"
                .to_owned(),
        },
        Fault::Slow => "it is overloaded, or something between swallows packets (an MTU too large, a firewall); check again"
            .to_owned(),
        Fault::Malformed(_) | Fault::OutOfStep(_) => match side {
            Side::Upstream(name) => {
                format!("what answers there is no registry; look at the URL of --upstream {name}=URL")
            }
            Side::Docxy => "what answers there is no docxy; look at the URL and its scheme".to_owned(),
        },
    };
    failure(error, advice)
}

fn of_dial(error: &DialError, side: Side<'_>) -> String {
    match (error, side) {
        (error, _) if error.is_ours() => {
            "this machine has run out of descriptors, memory or ports; look at its limits".to_owned()
        }
        (DialError::Lookup(_), Side::Upstream(name)) => format!(
            "look whether the name is right (--upstream {name}=URL) and whether this machine's DNS answers (/etc/resolv.conf)"
        ),
        (DialError::Lookup(_), Side::Docxy) => {
            "look whether the name is right and in the DNS".to_owned()
        }
        (DialError::Forbidden(_), _) => {
            "a public registry may not point into private networks, whatever is set; look who changes the answers of this machine's DNS"
                .to_owned()
        }
        (DialError::Connect(error), side) => of_connect(error, side),
        (DialError::Tls(error), side) => of_tls(error, side),
        (DialError::Proxy(error), _) => of_proxy(&error.fault).to_owned(),
    }
}

fn of_proxy(fault: &ProxyFault) -> &'static str {
    match fault {
        ProxyFault::Unreachable(_) => {
            "look whether the proxy runs, and whether --upstream-proxy, HTTPS_PROXY or ALL_PROXY names its host and port"
        }
        ProxyFault::Login { .. } => {
            "look at proxy_username and proxy_password_file, or at the login in the variable that names the proxy"
        }
        ProxyFault::Refused(_) => {
            "have the proxy allow this host and port by CONNECT; many allow port 443 alone"
        }
        ProxyFault::NoWay(_) | ProxyFault::Slow => {
            "look whether the proxy itself can look up and reach this host"
        }
        ProxyFault::Broken(_) | ProxyFault::Malformed(_) => {
            "look whether what listens there is a proxy of this kind: http:// or socks5://"
        }
    }
}

fn of_connect(error: &io::Error, side: Side<'_>) -> String {
    let advice = match (error.kind(), side) {
        (io::ErrorKind::ConnectionRefused, Side::Docxy) => {
            "start docxy, or look whether it has this address and port in --listen"
        }
        (io::ErrorKind::ConnectionRefused, Side::Upstream(_)) => {
            "nothing listens there, or a firewall rejects it; look at the port of the upstream's URL"
        }
        (io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable, _) => {
            "this machine has no way there; look at its routes"
        }
        _ => {
            "a firewall drops it, or nobody is there; let this machine out to that address and port"
        }
    };
    advice.to_owned()
}

fn of_tls(error: &io::Error, side: Side<'_>) -> String {
    let Some(refused) = Refused::behind(error) else {
        return of_handshake(error, side);
    };
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    match (&refused.why, side) {
        (CertificateError::UnknownIssuer, Side::Upstream(_)) => {
            "if that is its authority, or a proxy of yours that opens TLS, give the authority's certificate with --upstream-ca"
                .to_owned()
        }
        (CertificateError::UnknownIssuer, Side::Docxy) => {
            "engines refuse it until they trust its CA: `docxy ca` on docxy's machine prints a self-made one; check with --via-ca FILE"
                .to_owned()
        }
        (CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. }, _) => format!(
            "it is {now} by this machine's clock: if that is wrong set it, if not the certificate has to be renewed there"
        ),
        (CertificateError::NotValidForNameContext { .. }, Side::Upstream(name)) => {
            format!("name the upstream as its certificate does: --upstream {name}=URL")
        }
        (CertificateError::NotValidForNameContext { .. }, Side::Docxy) => {
            "ask by a name that the certificate has, or let it have this one: --tls-name for a self-made one".to_owned()
        }
        _ => match refused.flaw() {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "have that authority issue one for the server (CA:FALSE), and trust the authority".to_owned()
            }
            _ => "the certificate has to be made anew there".to_owned(),
        },
    }
}

fn of_handshake(error: &io::Error, side: Side<'_>) -> String {
    let is_slow = error.kind() == io::ErrorKind::TimedOut;
    match (error.get_ref().and_then(|error| error.downcast_ref()), side) {
        (Some(rustls::Error::InvalidMessage(_)), Side::Upstream(_)) => {
            "it does not speak TLS there; if plain HTTP is meant, write http:// in its URL"
                .to_owned()
        }
        (Some(rustls::Error::InvalidMessage(_)), Side::Docxy) => {
            "that listener does not speak TLS; ask it by http://".to_owned()
        }
        (_, Side::Docxy) if !is_slow => {
            "look at docxy's log (--log debug says why a handshake ended)".to_owned()
        }
        _ => "look whether a proxy or firewall between lets TLS pass".to_owned(),
    }
}

pub(super) fn of_token(why: &NoToken, side: Side<'_>) -> Failure {
    let (name, account) = match side {
        Side::Upstream(name) => (name, format!("the account of {name}")),
        Side::Docxy => ("docxy", "the account".to_owned()),
    };
    match why {
        NoToken::Account | NoToken::Login => failure(
            &format_args!("{account} is refused"),
            "look at its username, and whether its password_file holds the password of today, or a token that may read",
        ),
        NoToken::Mishap(mishap) if mishap.is_out_of_reach() => failure(
            mishap,
            format!("if its tokens are given out there, set --realm-host {name}=HOST"),
        ),
        NoToken::Mishap(mishap) => of_mishap(mishap, side),
        NoToken::Realm | NoToken::Challenge | NoToken::Body(_) | NoToken::Answer => failure(
            why,
            "what answers there is no registry's token server; look who answers in its place",
        ),
        NoToken::Refused(429, retry_after) => failure(why, later(retry_after.as_deref())),
        NoToken::Refused(500.., _) | NoToken::Shared(..) => {
            failure(why, "the token server has trouble; check again later")
        }
        NoToken::Refused(..) => failure(
            why,
            "no such repository, or it is private: give the upstream an account that may read it",
        ),
    }
}

/// What a status means that is no good answer. `private` says that the registry knows who asks.
pub(super) fn of_status(
    status: u16,
    side: Side<'_>,
    has_account: bool,
    wait: Option<&str>,
) -> String {
    match (status, side) {
        (401 | 403, Side::Docxy) => {
            "docxy or the registry refuses it: for an image look at the account, --allow and --deny, for all else at --allow-client"
                .to_owned()
        }
        (401 | 403, Side::Upstream(_)) if has_account => {
            "the account may not read it, or it does not exist".to_owned()
        }
        (401 | 403, Side::Upstream(name)) => format!(
            "it does not exist, or it is private: give {name} an account (username and password_file of [[upstream]])"
        ),
        (404, Side::Upstream(name)) => {
            format!("{name} has no such thing; look at the image's name and tag, and at the URL of --upstream {name}=URL")
        }
        (404, Side::Docxy) => {
            "there is no such thing behind this docxy, or what answers is no docxy; look at the name, and at the URL".to_owned()
        }
        (429, _) => later(wait),
        (500.., Side::Docxy) => "look at docxy's log, and run docxy check on its machine".to_owned(),
        (500.., Side::Upstream(_)) => "the registry has trouble; check again later".to_owned(),
        _ => "what answers there is no registry; look who answers in its place".to_owned(),
    }
}

fn later(wait: Option<&str>) -> String {
    let seconds = wait.and_then(|wait| wait.parse().ok());
    let wait = match (seconds, wait) {
        (Some(seconds), _) => {
            let wait = Duration::from_secs(seconds);
            format!("in {}", humantime::format_duration(wait))
        }
        (None, Some(date)) => format!("after {}", date.escape_debug()),
        (None, None) => "later".to_owned(),
    };
    format!(
        "too many requests come from this address or account; try again {wait}, or give the upstream an account with more pulls"
    )
}
