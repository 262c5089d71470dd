//! The flags of ACME, checked.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use serde::{Deserialize, Serialize};

use crate::http::uri::{Host, Scheme, Target};

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Names in one certificate; the limit of Let's Encrypt.
const MAX_DOMAINS: usize = 100;

/// A directory's URL is part of the names of its files, which end at 255 bytes.
const MAX_DIRECTORY: usize = 200;

/// The flags as they are typed; in a file they stand in a table `acme`.
#[derive(Clone, Debug, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcmeArgs {
    /// Get a certificate for this name by ACME (TLS-ALPN-01 on the https listeners); repeatable, one certificate for all
    #[arg(
        long,
        help_heading = "TLS",
        env = "DOCXY_ACME_DOMAIN",
        value_name = "NAME"
    )]
    #[serde(rename = "domain")]
    pub acme_domain: Vec<String>,

    /// Where the ACME server sends warnings about the certificate
    #[arg(
        long,
        help_heading = "TLS",
        env = "DOCXY_ACME_EMAIL",
        value_name = "ADDRESS"
    )]
    #[serde(rename = "email")]
    pub acme_email: Option<String>,

    /// Directory of the ACME server [default: Let's Encrypt]
    #[arg(
        long,
        help_heading = "TLS",
        env = "DOCXY_ACME_DIRECTORY",
        value_name = "URL"
    )]
    #[serde(rename = "directory")]
    pub acme_directory: Option<String>,

    /// PEM roots to trust for the ACME server, beside the built-in ones
    #[arg(long, help_heading = "TLS", env = "DOCXY_ACME_CA", value_name = "FILE")]
    #[serde(rename = "ca")]
    pub acme_ca: Option<PathBuf>,

    /// Agree to the terms of service of the ACME server
    #[arg(long, help_heading = "TLS", env = "DOCXY_ACME_AGREE_TOS", value_parser = BoolishValueParser::new())]
    #[serde(rename = "agree_tos")]
    pub acme_agree_tos: bool,
}

/// Which certificate is wanted, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The names of the certificate, in lower case, each once; never empty.
    pub domains: Vec<String>,
    /// Whom the server may write to.
    pub email: Option<String>,
    /// The URL of the server's directory.
    pub directory: String,
    /// More roots to trust for the server.
    pub ca: Option<PathBuf>,
}

/// A setting that makes no sense, and what to do.
pub type Fault = (&'static str, String);

impl Settings {
    /// Checks the flags; nothing is wanted where no domain is named.
    pub fn from_args(args: AcmeArgs) -> Result<Option<Settings>, Fault> {
        if args.acme_domain.is_empty() {
            return nothing_else(&args).map(|()| None);
        }
        let mut domains = Vec::new();
        for text in &args.acme_domain {
            let domain =
                parse_domain(text).map_err(|why| ("acme_domain", format!("{text:?} {why}")))?;
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        if domains.len() > MAX_DOMAINS {
            let why = format!("a certificate has at most {MAX_DOMAINS} names");
            return Err(("acme_domain", why));
        }
        let directory = args
            .acme_directory
            .unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        check_directory(&directory)
            .map_err(|why| ("acme_directory", format!("{directory:?} {why}")))?;
        if let Some(email) = &args.acme_email {
            check_email(email).map_err(|why| ("acme_email", format!("{email:?} {why}")))?;
        }
        if !args.acme_agree_tos {
            let why = format!(
                "the server at {directory} gives certificates only to those who agree to its terms of service; \
                 read them, and if you agree add this flag"
            );
            return Err(("acme_agree_tos", why));
        }
        Ok(Some(Settings {
            domains,
            email: args.acme_email,
            directory,
            ca: args.acme_ca,
        }))
    }
}

fn nothing_else(args: &AcmeArgs) -> Result<(), Fault> {
    let given = [
        ("acme_email", args.acme_email.is_some()),
        ("acme_directory", args.acme_directory.is_some()),
        ("acme_ca", args.acme_ca.is_some()),
        ("acme_agree_tos", args.acme_agree_tos),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err((flag, "name the certificate with --acme-domain".to_owned())),
        None => Ok(()),
    }
}

fn parse_domain(text: &str) -> Result<String, &'static str> {
    if text.starts_with("*.") {
        return Err("is a wildcard, which cannot be proved by TLS-ALPN-01; list the names");
    }
    match Host::parse(text) {
        Ok(Host::Name(name)) => Ok(name.into()),
        Ok(Host::Address(_)) => Err("is an address; ACME is used for names only"),
        Err(_) => Err("is no host name; write it in ASCII (xn--…), without port"),
    }
}

fn check_directory(url: &str) -> Result<(), &'static str> {
    match Target::parse(url.as_bytes()) {
        Ok(target) if target.origin.scheme() != Scheme::Https => Err("is not https, as ACME wants"),
        Ok(_) if url.len() > MAX_DIRECTORY => Err("is too long"),
        Ok(_) => Ok(()),
        Err(_) => Err("is no URL such as https://acme.example/directory"),
    }
}

fn check_email(text: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '?' | '<' | '>' | '"');
    match text.split_once('@') {
        Some((user, host))
            if !user.is_empty() && !host.is_empty() && text.chars().all(is_plain) =>
        {
            Ok(())
        }
        _ => Err("is no address such as admin@docxy.example"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        acme: AcmeArgs,
    }

    fn settings(flags: &str) -> Result<Option<Settings>, Fault> {
        let words = std::iter::once("docxy").chain(flags.split_whitespace());
        Settings::from_args(Line::parse_from(words).acme)
    }

    #[test]
    fn sense_is_taken() {
        assert_eq!(settings(""), Ok(None));
        let found = settings(
            "--acme-domain A.test. --acme-domain b.a.test --acme-domain a.test --acme-agree-tos \
             --acme-email x@a.test",
        );
        let found = found.unwrap().unwrap();
        assert_eq!(found.domains, ["a.test", "b.a.test"]);
        assert_eq!(found.directory, LETS_ENCRYPT);
        assert_eq!(found.email.as_deref(), Some("x@a.test"));
    }

    #[test]
    fn nonsense_names_its_flag() {
        let agreed = "--acme-agree-tos --acme-domain a.test";
        let cases = [
            ("--acme-domain a.test", "acme_agree_tos", "terms of service"),
            ("--acme-agree-tos", "acme_agree_tos", "--acme-domain"),
            ("--acme-email a@b", "acme_email", "--acme-domain"),
            ("--acme-ca x", "acme_ca", "--acme-domain"),
            ("--acme-domain *.a.test", "acme_domain", "wildcard"),
            ("--acme-domain 192.0.2.1", "acme_domain", "address"),
            ("--acme-domain a.test:443", "acme_domain", "no host name"),
            (
                &format!("{agreed} --acme-email x"),
                "acme_email",
                "no address",
            ),
            (
                &format!("{agreed} --acme-directory http://a.test/dir"),
                "acme_directory",
                "not https",
            ),
            (
                &format!("{agreed} --acme-directory a.test"),
                "acme_directory",
                "no URL",
            ),
        ];
        for (flags, flag, why) in cases {
            let (found, said) = settings(flags).unwrap_err();
            assert!(
                found == flag && said.contains(why),
                "{flags}: {found}: {said}"
            );
        }
    }
}
