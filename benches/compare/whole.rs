//! What a configuration file with everything in it costs, and counting for `--admin`: docxy with it and docxy without, side by
//! side.

use crate::figure::Figure;
use crate::load::{self, Target};
use crate::proxies::{Proxy, Running};
use crate::rounds::Bench;
use crate::route::Route;

/// CPU time per small request with the whole file, and how many times that without it this is.
pub(crate) fn measure(
    bench: &Bench,
    proxy: &Proxy,
    route: Route,
    connections: usize,
) -> Result<Vec<f64>, String> {
    let (site, origin) = (&bench.site, &bench.origin);
    let bare = proxy.start(site, origin, route)?;
    let whole = proxy.start_whole(site, origin, route)?;
    let cost = |running: &Running| {
        let sample = load::run(site, running, Target::Manifest, connections, bench.duration)?;
        Ok::<f64, String>(sample.figure(Figure::CpuPerRequest))
    };
    // In this order, what changes steadily on the machine meets both alike.
    let (first, second) = (cost(&bare)?, cost(&whole)?);
    let (third, last) = (cost(&whole)?, cost(&bare)?);
    let (with, without) = (f64::midpoint(second, third), f64::midpoint(first, last));
    Ok(vec![with, with / without])
}
