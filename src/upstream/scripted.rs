//! A network that a test plays: the names and connections of this thread, where one is set up.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;

use crate::conn::memory::Memory;
use crate::http::uri::Origin;

/// Makes a connection to an origin at one of these addresses.
pub type Connect = Box<dyn FnMut(&Origin, &[IpAddr]) -> io::Result<Memory>>;

/// Who answers instead of the network.
pub struct Network {
    /// The addresses of a name.
    pub lookup: fn(&str) -> Vec<IpAddr>,
    /// A connection; what TLS would protect is in plain.
    pub connect: Connect,
}

thread_local! {
    static NETWORK: RefCell<Option<Network>> = const { RefCell::new(None) };
}

/// Lets `network` answer on this thread, or nobody but the real one.
pub fn set(network: Option<Network>) {
    NETWORK.with_borrow_mut(|current| *current = network);
}

/// The addresses of a name, if a test plays the network.
pub(super) fn lookup(name: &str) -> Option<Vec<IpAddr>> {
    NETWORK.with_borrow(|network| network.as_ref().map(|network| (network.lookup)(name)))
}

/// A connection, if a test plays the network.
pub(super) fn connect(origin: &Origin, addresses: &[IpAddr]) -> Option<io::Result<Memory>> {
    NETWORK.with_borrow_mut(|network| {
        let network = network.as_mut()?;
        Some((network.connect)(origin, addresses))
    })
}
