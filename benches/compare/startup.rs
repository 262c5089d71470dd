//! How long a proxy takes from its start to its first answer.

use std::time::Instant;

use crate::origin::Origin;
use crate::proxies::Proxy;
use crate::route::Route;
use crate::site::Site;

/// Milliseconds from the start of the process to the end of its first answer, which is polled for.
pub(crate) fn measure(
    proxy: &Proxy,
    site: &Site,
    origin: &Origin,
    route: Route,
) -> Result<f64, String> {
    let (address, mut command) = proxy.command(site, origin, route)?;
    let begin = Instant::now();
    let running = proxy.run(site, address, &mut command, route)?;
    let took = begin.elapsed();
    drop(running);
    Ok(took.as_secs_f64() * 1e3)
}
