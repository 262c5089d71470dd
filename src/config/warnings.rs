//! What is sound but may not be meant.

use super::Config;
use crate::http::uri::Scheme;
use crate::listen::Listen;

impl Config {
    /// What the operator should know before strangers find out.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.tls_names.is_empty() && !self.needs_self_made() {
            warnings.push(
                "--tls-name is for the self-made certificate, and none is made: no https listener is without one"
                    .to_owned(),
            );
        }
        if self.trusted_proxy.iter().any(|net| net.prefix_len() == 0) {
            warnings.push(
                "--trusted-proxy names everyone, so each client says itself which address it has; \
                 name the proxies in front of docxy"
                    .to_owned(),
            );
        }
        if let Some(admin) = self.admin.as_ref().filter(|admin| !admin.is_loopback()) {
            warnings.push(format!(
                "whoever reaches port {} (--admin) can read the names of the upstreams and how much is pulled; \
                 bind it to loopback or to a network of your own",
                admin.port
            ));
        }
        let is_public = |listen: &&Listen| !listen.is_loopback();
        for listen in self.listen.iter().filter(is_public) {
            warnings.extend(self.warnings_of(listen));
        }
        let is_on_443 =
            |listen: &Listen| listen.port == 443 && self.scheme(listen) == Scheme::Https;
        if self.acme.is_some() && !self.listen.iter().any(is_on_443) {
            warnings.push(
                "ACME servers ask at port 443 of each --acme-domain, where docxy does not listen; \
                 see that what comes there is forwarded to an https listener"
                    .to_owned(),
            );
        }
        warnings
    }

    /// What strangers can do who reach a listener.
    fn warnings_of(&self, listen: &Listen) -> Vec<String> {
        let mut warnings = Vec::new();
        let (port, is_plain) = (listen.port, self.scheme(listen) == Scheme::Http);
        let asks_for_certificates = self.client_ca.is_some() && !is_plain;
        let is_open = self.allow_client.is_empty() && !asks_for_certificates;
        if is_open && !self.access.is_restricting() {
            warnings.push(format!(
                "whoever reaches port {port} can pull through it and spend your pull quota; \
                 restrict it with --allow-client, --client-ca or --allow"
            ));
        }
        if is_plain && self.client_ca.is_some() {
            warnings.push(format!(
                "port {port} is plain HTTP, where --client-ca has no effect; make it https:// or bind it to loopback"
            ));
        }
        if listen.proxy_protocol && self.trusted_proxy.is_empty() {
            warnings.push(format!(
                "whoever reaches port {port} says in its PROXY header which client it is; \
                 name the balancer with --trusted-proxy"
            ));
        }
        if is_plain && self.public_url.is_none() {
            warnings.push(format!(
                "port {port} is plain HTTP, and each client says itself where it is sent for tokens; \
                 set --public-url to the URL by which clients reach it"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::config;

    #[test]
    fn open_doors_are_pointed_out() {
        let warnings = |flags: &str| config(flags).unwrap().warnings();
        let acme = "--acme-domain a.test --acme-agree-tos --allow-client ::1";
        assert!(warnings(&format!("{acme} --listen :443")).is_empty());
        let elsewhere = warnings(&format!("{acme} --listen :5000"));
        assert!(
            elsewhere.len() == 1 && elsewhere[0].contains("port 443"),
            "{elsewhere:?}"
        );
        assert!(warnings("--listen 127.0.0.1:0 --listen localhost:0").is_empty());
        let open = warnings("--listen 0.0.0.0:5000");
        assert!(
            open.len() == 2
                && open[0].contains("--allow-client")
                && open[1].contains("--public-url"),
            "{open:?}"
        );
        assert!(
            warnings("--listen :5000 --allow-client 10.0.0.0/8 --public-url http://a.test")
                .is_empty()
        );
        assert!(warnings("--listen https://:5000 --allow docker.io/a/*").is_empty());
        assert!(warnings("--listen https://:5000 --client-ca ca.pem").is_empty());
        let both = "--listen https://:5000 --listen http://:80 --client-ca ca.pem";
        let plain = warnings(&format!("{both} --public-url http://a.test"));
        assert!(
            plain.len() == 2 && plain[0].contains("port 80"),
            "{plain:?}"
        );
        assert_eq!(warnings("--tls-name a.test").len(), 1);
        assert!(warnings("--listen https://[::1]:0 --tls-name a.test").is_empty());
        assert_eq!(
            warnings("--listen http://:80 --allow docker.io/a/*").len(),
            1
        );
        let marked = "--listen proxy+https://:443 --allow docker.io/a/*";
        assert!(warnings(marked)[0].contains("--trusted-proxy"));
        assert!(warnings(&format!("{marked} --trusted-proxy 10.0.0.1")).is_empty());
        assert_eq!(warnings("--trusted-proxy 0.0.0.0/0").len(), 1);
    }
}
