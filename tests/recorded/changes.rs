//! The exceptions, all of them: what docxy changes in a recorded pull, each with its section of the design.

use crate::recording::Peer;
use crate::wire::Head;

/// The name of the upstream in these tests.
pub const NAME: &str = "docker.io";

/// The recorded registry and token server, whose addresses are rewritten to the real ones on both sides.
const RECORDED_REALM: &str = "http://127.0.0.1:5290/token";

/// Where the three parties are in this run.
pub struct Places {
    /// docxy's `host:port`.
    pub docxy: String,
    /// The scripted registry's.
    pub registry: String,
    /// The scripted token server's.
    pub auth: String,
}

/// The fields of a message without those that belong to the hop, names in lower case.
pub type Fields = Vec<(String, String)>;

impl Places {
    /// The request as the client sends it: the recorded one, to docxy's Host.
    pub fn to_docxy(&self, peer: Peer, recorded: &Head) -> Vec<u8> {
        let target = match peer {
            Peer::Registry => recorded.target().to_owned(),
            // §3, §4: the client asks at the realm that it was given.
            Peer::Auth => format!("/auth/{NAME}{}", recorded.target()),
        };
        let mut text = format!("{} {target} HTTP/1.1\r\n", recorded.method());
        for (name, value) in &recorded.fields {
            let value = if name == "Host" { &self.docxy } else { value };
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// The target that the upstream must see.
    pub fn target_upstream(&self, recorded: &Head) -> String {
        // §3: `ns` is not forwarded. It is the only parameter of the recorded requests to a registry.
        recorded.target().replace(&format!("?ns={NAME}"), "")
    }

    /// The fields that the upstream must see.
    pub fn fields_upstream(&self, peer: Peer, recorded: &Head) -> Fields {
        let mut fields = end_to_end(recorded);
        // §4, §5: the Host is that of the hop.
        let host = if peer == Peer::Auth {
            &self.auth
        } else {
            &self.registry
        };
        for (_, value) in fields.iter_mut().filter(|(name, _)| name == "host") {
            value.clone_from(host);
        }
        fields.sort_by_key(|(name, _)| name != "host");
        fields
    }

    /// What the upstream saw, in the form of [`Places::fields_upstream`].
    pub fn seen_upstream(&self, head: &Head) -> Fields {
        let mut fields = end_to_end(head);
        // §6: requests upstream carry Via.
        let via = head.one("via").expect("a Via");
        assert!(via.starts_with("1.1 docxy-"), "{via}");
        fields.retain(|(name, _)| name != "via");
        fields.sort_by_key(|(name, _)| name != "host");
        fields
    }

    /// The head that the scripted upstream sends.
    pub fn answer_head(&self, recorded: &Head) -> Vec<u8> {
        let head = String::from_utf8(recorded.raw.clone()).expect("UTF-8");
        head.replace(RECORDED_REALM, &format!("http://{}/token", self.auth))
            .into_bytes()
    }

    /// The fields that the client must get.
    pub fn fields_to_client(&self, request: &Head, recorded: &Head) -> Fields {
        let mut fields = end_to_end(recorded);
        // §4: the realm points at docxy.
        let realm = format!("http://{}/auth/{NAME}/token", self.docxy);
        for (_, value) in fields
            .iter_mut()
            .filter(|(name, _)| name == "www-authenticate")
        {
            *value = value.replace(RECORDED_REALM, &realm);
        }
        // §3: an answer to a request with `ns` carries OCI-Namespace.
        if request.target().contains("?ns=") {
            fields.push(("oci-namespace".to_owned(), NAME.to_owned()));
        }
        fields.sort();
        fields
    }

    /// What the client got, in the form of [`Places::fields_to_client`].
    pub fn seen_by_client(&self, head: &Head) -> Fields {
        let mut fields = end_to_end(head);
        // The order between different names carries no meaning (RFC 9110 §5.3); docxy may add its own at either end.
        // Repeats would stand side by side here in their order, which the sort keeps only if their values are sorted:
        // no recorded answer repeats a field.
        fields.sort();
        fields
    }
}

/// §6: the fields of the hop are removed. A Content-Length of a form may differ, see [`same_parameters`].
fn end_to_end(head: &Head) -> Fields {
    let kept = head
        .fields
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()));
    kept.filter(|(name, _)| name != "connection" && name != "content-length")
        .collect()
}

/// Whether a token request's parameters are the recorded ones. §3: a query or form is decoded as far as its scopes need
/// it, so it may come encoded differently.
pub fn same_parameters(seen: &str, recorded: &str) -> bool {
    decoded(seen) == decoded(recorded)
}

fn decoded(parameters: &str) -> Vec<String> {
    let decode = |pair: &str| {
        percent_encoding::percent_decode_str(pair)
            .decode_utf8_lossy()
            .into_owned()
    };
    parameters.split('&').map(decode).collect()
}
