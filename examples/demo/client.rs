//! The engine's part: it goes where it is told to go, and notes where that was.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use crate::http::{self, Answer};

/// A client that knows one address.
pub struct Client {
    docxy: SocketAddr,
    hosts: BTreeSet<String>,
    requests: usize,
}

impl Client {
    pub fn new(docxy: SocketAddr) -> Client {
        Client {
            docxy,
            hosts: BTreeSet::new(),
            requests: 0,
        }
    }

    /// Asks for a path of docxy, or for an URL wherever that is.
    pub fn ask(&mut self, method: &str, url: &str, token: Option<&str>) -> io::Result<Answer> {
        let docxy = self.docxy.to_string();
        let (host, path) = match url.strip_prefix("http://") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => (docxy.as_str(), url),
        };
        self.hosts.insert(host.to_owned());
        self.requests += 1;
        http::ask(method, host, path, token)
    }

    /// Every host that was asked.
    pub fn hosts(&self) -> &BTreeSet<String> {
        &self.hosts
    }

    /// How often something was asked.
    pub fn requests(&self) -> usize {
        self.requests
    }
}

/// What a `Bearer` challenge says; enough of a parser for the one challenge of this registry.
pub fn realm_and_service(challenge: &str) -> Option<(String, String)> {
    let parameters = challenge.strip_prefix("Bearer ")?;
    let value = |name: &str| {
        let mut pairs = parameters
            .split(',')
            .filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(found, _)| found.trim() == name)?;
        Some(value.trim_matches('"').to_owned())
    };
    Some((value("realm")?, value("service")?))
}
