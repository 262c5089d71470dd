//! The machine that docxy runs on, as far as others could reach it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::names::Wanted;
use crate::http::uri::Host;
use crate::listen::ListenHost;

/// A node of Kubernetes may have an address for each service; a certificate with all of them would be too large.
const MAX_LOCAL: usize = 64;

/// What this machine is called, and its addresses.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Those that others may reach: neither loopback nor link-local, in the system's order.
    pub addresses: Vec<IpAddr>,
    /// Its own name, if it could be one in a certificate.
    pub hostname: Option<Host>,
}

impl Machine {
    /// Asks the system, which may have no descriptor to answer by, or forbid the question.
    pub fn look() -> io::Result<Machine> {
        let found = if_addrs::get_if_addrs()?;
        let addresses = found.iter().map(if_addrs::Interface::ip);
        Ok(Machine {
            addresses: addresses
                .filter(|address| is_reachable(*address))
                .take(MAX_LOCAL)
                .collect(),
            ..Machine::unseen()
        })
    }

    /// This machine when only its name is known.
    pub fn unseen() -> Machine {
        let uname = rustix::system::uname();
        let hostname = uname.nodename().to_str().ok().map(Host::parse);
        Machine {
            addresses: Vec::new(),
            hostname: hostname.and_then(Result::ok),
        }
    }

    /// The addresses that a listener on a wildcard is reached by.
    pub fn of_family(&self, wildcard: ListenHost) -> impl Iterator<Item = IpAddr> {
        let v4_only = wildcard == ListenHost::Address(Ipv4Addr::UNSPECIFIED.into());
        self.addresses
            .iter()
            .copied()
            .filter(move |address| address.is_ipv4() || !v4_only)
    }
}

/// The machine as it was last seen.
#[derive(Debug)]
pub struct View {
    machine: Machine,
    sight: Sight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Clear,
    /// The last look failed, which was said.
    Lost,
}

impl View {
    /// The view after the first look.
    pub fn first(found: io::Result<Machine>, wanted: &Wanted, said: &mut Vec<String>) -> View {
        let mut view = View {
            machine: Machine::unseen(),
            sight: Sight::Clear,
        };
        view.take(found, wanted, said);
        view
    }

    /// The machine; while looks fail, as it was before.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Takes what a look has found. The first that fails is said, if the names that are wanted depend on it.
    pub fn take(&mut self, found: io::Result<Machine>, wanted: &Wanted, said: &mut Vec<String>) {
        let error = match found {
            Ok(machine) => {
                (self.machine, self.sight) = (machine, Sight::Clear);
                return;
            }
            Err(error) => error,
        };
        if self.sight == Sight::Lost || !wanted.needs_machine() {
            return;
        }
        self.sight = Sight::Lost;
        let known = match self.machine.addresses[..] {
            [] => "none of them",
            _ => "those from before",
        };
        said.push(format!(
            "warning: the addresses of this machine cannot be found out ({error}), so the certificate is for {known}; name \
             those by which clients reach docxy with --tls-name"
        ));
    }
}

fn is_reachable(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(is_link_local || address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::config::Config;
    use clap::Parser;

    /// What the system says to a process without a free descriptor.
    const EMFILE: i32 = 24;

    fn wanted(listen: &str) -> Wanted {
        let args = Args::parse_from(["docxy", "--listen", listen]);
        Config::from_args(args).unwrap().certificate_names()
    }

    fn found(address: &str) -> io::Result<Machine> {
        Ok(Machine {
            addresses: vec![address.parse().unwrap()],
            hostname: None,
        })
    }

    fn failed() -> io::Result<Machine> {
        Err(io::Error::from_raw_os_error(EMFILE))
    }

    #[test]
    fn a_look_that_fails_is_said_once_and_forgets_nothing() {
        let wanted = wanted(":443");
        let mut said = Vec::new();
        let mut view = View::first(failed(), &wanted, &mut said);
        assert!(said.concat().contains("for none of them"), "{said:?}");
        said.clear();
        for (found, addresses, says) in [
            (failed(), "[]", ""),
            (found("192.0.2.1"), "[192.0.2.1]", ""),
            (failed(), "[192.0.2.1]", "for those from before"),
            (failed(), "[192.0.2.1]", ""),
            (found("192.0.2.2"), "[192.0.2.2]", ""),
        ] {
            view.take(found, &wanted, &mut said);
            let line = said.pop().unwrap_or_default();
            assert_eq!(format!("{:?}", view.machine().addresses), addresses);
            assert!(line.is_empty() == says.is_empty() && line.contains(says));
            assert!(line.is_empty() || line.contains("--tls-name") && line.contains("24"));
        }
    }

    #[test]
    fn a_look_that_nobody_needs_may_fail() {
        let mut said = Vec::new();
        let mut view = View::first(failed(), &wanted("https://127.0.0.1:443"), &mut said);
        assert_eq!(said, [""; 0]);
        view.take(failed(), &wanted(":443"), &mut said);
        assert_eq!(said.len(), 1);
    }

    #[test]
    fn this_machine_has_no_loopback_among_its_addresses() {
        let machine = Machine::look().unwrap();
        assert!(
            machine
                .addresses
                .iter()
                .all(|address| is_reachable(*address))
        );
        assert!(machine.addresses.len() <= MAX_LOCAL);
    }
}
