//! What `/metrics` says: what has been counted, and how things stand at that moment.

use crate::metrics::families::{Families, Type};
use crate::registry::table::UpstreamId;

use super::Proxy;

impl Proxy {
    /// All of it as text; `None` if nothing is counted.
    pub(super) fn scrape(&self) -> Option<String> {
        let mut families = self.shared.metrics.report()?;
        self.connections(&mut families);
        self.quotas(&mut families);
        Some(families.text())
    }

    fn connections(&self, families: &mut Families) {
        let standing = self.shared.admission.standing();
        let handshakes = self.shared.handshakes.in_progress();
        let gauges = [
            (
                "docxy_connections_open",
                "Connections of clients that are open.",
                standing.open,
            ),
            (
                "docxy_connections_idle",
                "Those of them that wait for a request; they are closed for others when the limit is reached.",
                standing.idle,
            ),
            (
                "docxy_connections_max",
                "How many may be open (--max-connections).",
                standing.limit,
            ),
            (
                "docxy_handshakes_in_progress",
                "TLS handshakes with clients that are under way.",
                handshakes,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = families.family(name, Type::Gauge, help);
            gauge.integer(value as u64);
        }
    }

    fn quotas(&self, families: &mut Families) {
        let (table, quotas) = (&self.shared.table, &self.shared.quotas);
        let mut gauge = |name, help, value: &dyn Fn(UpstreamId) -> Option<u64>| {
            let family = families.family(name, Type::Gauge, help);
            for id in table.ids() {
                if let Some(value) = value(id) {
                    family.labelled([("upstream", &table.get(id).name)], value);
                }
            }
        };
        gauge(
            "docxy_quota_remaining",
            "How many pulls were left when the upstream last said so (RateLimit-Remaining).",
            &|id| Some(quotas.remaining(id)?.0),
        );
        gauge(
            "docxy_quota_limit",
            "Of how many (RateLimit-Limit).",
            &|id| quotas.limit(id),
        );
        gauge(
            "docxy_quota_timestamp_seconds",
            "When it said so, in seconds since 1970.",
            &|id| Some(quotas.remaining(id)?.1),
        );
    }
}
