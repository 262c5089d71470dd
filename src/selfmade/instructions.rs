//! What every start says of a self-made certificate: where the CA is, and where it goes on the machines of the engines.
//!
//! The lines are commands as far as they can be, to be typed or pasted as they stand.

use super::SelfMade;
use crate::http::uri::Authority;

/// The lines for a docxy that engines call `at`.
pub fn lines(made: &SelfMade, at: &Authority) -> Vec<String> {
    let ca = made.ca_path();
    let place = ca.map_or_else(
        || "in memory only".to_owned(),
        |path| path.display().to_string(),
    );
    let fingerprint = made.fingerprint();
    let names = made.names().join(", ");
    vec![
        format!("self-made certificate for {names}"),
        "another name or address by which clients reach docxy, such as the public one of a NAT, is added with --tls-name"
            .to_owned(),
        format!("its CA is {place}, SHA-256 {fingerprint}"),
        "on each machine with an engine, fetch the CA, compare it, and put it where the engine looks for it:".to_owned(),
        format!("  fetch: curl -k -o docxy-ca.crt https://{at}/ca.crt"),
        format!("  compare: openssl x509 -in docxy-ca.crt -noout -fingerprint -sha256 | grep {fingerprint}"),
        format!("  docker: install -D -m 644 docxy-ca.crt /etc/docker/certs.d/{at}/ca.crt"),
        format!("  podman, skopeo, CRI-O: install -D -m 644 docxy-ca.crt /etc/containers/certs.d/{at}/ca.crt"),
        format!(
            "  containerd: install -D -m 644 docxy-ca.crt /etc/containerd/docxy-ca.crt, \
             then in hosts.toml: [host.\"https://{at}\"] ca = \"/etc/containerd/docxy-ca.crt\""
        ),
        format!(
            "  k3s: install -D -m 644 docxy-ca.crt /etc/rancher/k3s/docxy-ca.crt, \
             then in registries.yaml: configs: {{\"{at}\": {{tls: {{ca_file: /etc/rancher/k3s/docxy-ca.crt}}}}}}"
        ),
    ]
}
