//! What a proxy needs in memory: at rest, for clients that do nothing, and while a blob of any size passes.

use std::io;

use crate::client::Client;
use crate::cost;
use crate::proxies::Running;
use crate::site::{MANIFEST, Site};

/// What a client does while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clients {
    /// They have had a manifest and keep the connection.
    Idle,
    /// They have asked for the blob and read nothing of it.
    Stalled,
}

/// Kilobytes (1024) of PSS that each of so many clients adds.
///
/// One client has come and gone before, so that what is made once is not theirs. Memory of the kernel (socket buffers,
/// pipes) is not in it.
pub(crate) fn per_client(
    site: &Site,
    proxy: &Running,
    clients: Clients,
    count: usize,
) -> Result<f64, String> {
    open(site, proxy, clients).map_err(|error| error.to_string())?;
    cost::wait_until_quiet(proxy.pid())?;
    let before = cost::pss(proxy.pid());
    let held: io::Result<Vec<Client>> = (0..count).map(|_| open(site, proxy, clients)).collect();
    let held = held.map_err(|error| format!("not all of {count} clients: {error}"))?;
    cost::wait_until_quiet(proxy.pid())?;
    let grown = cost::pss(proxy.pid()).saturating_sub(before);
    drop(held);
    Ok(as_f64(grown) / 1024.0 / count as f64)
}

/// Megabytes (10⁶) of resident memory at most while a blob of this size passes.
pub(crate) fn peak(site: &Site, proxy: &Running, size: u64) -> Result<f64, String> {
    let failed = |error: io::Error| format!("a blob of {size} bytes: {error}");
    let path = site.sparse_blob(size).map_err(failed)?;
    cost::reset_peak(proxy.pid());
    let (mut client, mut received) = (connect(site, proxy).map_err(failed)?, 0);
    client
        .get(&path, |piece| received += piece.len() as u64)
        .map_err(failed)?;
    if received != size {
        return Err(format!("{received} bytes came of {size}"));
    }
    Ok(as_f64(cost::peak(proxy.pid())) / 1e6)
}

/// Megabytes (10⁶) of PSS after one answer.
pub(crate) fn at_rest(proxy: &Running) -> Result<f64, String> {
    cost::wait_until_quiet(proxy.pid())?;
    Ok(as_f64(cost::pss(proxy.pid())) / 1e6)
}

fn open(site: &Site, proxy: &Running, clients: Clients) -> io::Result<Client> {
    let mut client = connect(site, proxy)?;
    match clients {
        Clients::Idle => client.get(MANIFEST, |_| {})?,
        Clients::Stalled => client.ask(&site.blob())?,
    }
    Ok(client)
}

fn connect(site: &Site, proxy: &Running) -> io::Result<Client> {
    Client::connect(site, proxy.address, proxy.scheme)
}

fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}
