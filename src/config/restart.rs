//! What only a restart can change, and what holds until then.

use super::Config;
use super::fault::Fault;

impl Config {
    /// The keys in which `new` is another, and that only a restart can follow.
    pub fn waits_for_restart(&self, new: &Config) -> Vec<&'static str> {
        // Where none is set, there may be other cores than at the start.
        let are_others_set = self.settings.workers != new.settings.workers;
        let changed = [
            ("listen", self.listen != new.listen),
            ("admin", self.admin != new.admin),
            ("acme", self.acme != new.acme),
            ("state_dir", self.state_dir != new.state_dir),
            ("workers", are_others_set && self.workers != new.workers),
            (
                "max_connections",
                self.max_connections != new.max_connections,
            ),
            (
                "max_connections_per_ip",
                self.max_connections_per_ip != new.max_connections_per_ip,
            ),
            (
                "the source of certificates (tls_cert, client_ca)",
                self.acme == new.acme && self.kind_of_tls() != new.kind_of_tls(),
            ),
        ];
        let waiting = changed.into_iter().filter(|(_, has_changed)| *has_changed);
        waiting.map(|(key, _)| key).collect()
    }

    /// `new` as far as it can be followed while docxy runs: what waits for a restart is as it is here. What makes sense with
    /// other listeners and certificates need not do so with these, so that it is checked once more.
    pub fn followed_by(&self, mut new: Config) -> Result<Config, Fault> {
        if self.kind_of_tls() != new.kind_of_tls() {
            new.pairs.clone_from(&self.pairs);
            new.client_ca.clone_from(&self.client_ca);
        }
        new.listen.clone_from(&self.listen);
        new.admin.clone_from(&self.admin);
        new.acme.clone_from(&self.acme);
        new.state_dir.clone_from(&self.state_dir);
        new.workers = self.workers;
        new.settings.workers = self.settings.workers;
        new.max_connections = self.max_connections;
        new.max_connections_per_ip = self.max_connections_per_ip;
        new.check_together()?;
        Ok(new)
    }

    /// Where the listeners' certificates come from, and whether clients have to show one.
    fn kind_of_tls(&self) -> (bool, bool, bool) {
        (
            !self.pairs.is_empty(),
            self.acme.is_some(),
            self.client_ca.is_some(),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::config;

    #[test]
    fn what_waits_is_as_before_and_the_rest_is_new() {
        let old = config("--listen :80 --workers 1 --drain 1s").unwrap();
        let new = config(
            "--listen 127.0.0.1:81 --admin :9090 --state-dir d --workers 2 --max-connections 9 \
             --max-connections-per-ip 8 --tls-cert c --tls-key k --client-ca a --drain 2s",
        )
        .unwrap();
        assert_eq!(
            old.waits_for_restart(&new).join(" "),
            "listen admin state_dir workers max_connections max_connections_per_ip \
             the source of certificates (tls_cert, client_ca)"
        );
        let next = old.followed_by(new.clone()).unwrap();
        assert_eq!(next.drain, new.drain);
        assert!(old.waits_for_restart(&next).is_empty());
        assert!(next.pairs.is_empty() && next.client_ca.is_none() && next.listen == old.listen);

        let old = config("--listen https://:443 --tls-cert c --tls-key k").unwrap();
        let new = config("--listen https://:443 --tls-cert d --tls-key l").unwrap();
        assert!(old.waits_for_restart(&new).is_empty());
        assert_eq!(old.followed_by(new.clone()).unwrap().pairs, new.pairs);
    }
}
