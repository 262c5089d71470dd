//! Finds out where an upstream gives out tokens when no challenge has taught it yet: after a restart, or on another replica.

use crate::answer::Answer;
use crate::proxy::journey::Journey;
use crate::proxy::realm::Realm;
use crate::proxy::{Proxy, Request, Trace};
use crate::registry::rewrite::Credentials;
use crate::registry::route::Place;
use crate::registry::table::UpstreamId;

/// An answer that does not say whether tokens are wanted: the upstream is failing, or has had too many requests.
struct Failing {
    status: u16,
    retry_after: Option<String>,
}

impl Proxy {
    /// The realm of an upstream; `None` if it wants no tokens.
    ///
    /// Found out by `/v2/`, else by a manifest of `repository`, where nothing has been learned yet. An upstream that fails
    /// says neither.
    pub(crate) async fn realm(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        service: Option<&str>,
        repository: Option<&str>,
        trace: &mut Trace,
    ) -> Result<Option<Realm>, Answer> {
        let realms = &self.shared.realms;
        let mut found = realms.find(upstream, service);
        let mut failing = None;
        let manifest =
            repository.map(|name| (&b"HEAD"[..], format!("/v2/{name}/manifests/latest")));
        for (method, path) in [(&b"GET"[..], "/v2/".to_owned())]
            .into_iter()
            .chain(manifest)
        {
            if found.is_some() {
                break;
            }
            let failed = self.discover(request, upstream, method, path, trace);
            failing = failed.await?.or(failing);
            found = realms
                .find(upstream, service)
                .or_else(|| realms.find(upstream, None));
        }
        match (found, failing) {
            (Some(Ok(realm)), _) => Ok(Some(realm)),
            (Some(Err(why)), _) => Err(self.refused_realm(upstream, &why)),
            (None, Some(failing)) => Err(self.unknown_realm(upstream, failing)),
            (None, None) => Ok(None),
        }
    }

    /// A client with a placeholder would fail later, and keep it for as long as it lives.
    fn unknown_realm(&self, upstream: UpstreamId, failing: Failing) -> Answer {
        let name = &self.shared.table.get(upstream).name;
        let why = format_args!(
            "{name}: it answers {}, so where it gives out tokens cannot be found out",
            failing.status
        );
        let answer = match failing.status {
            429 => Answer::error(429, "TOOMANYREQUESTS", why),
            _ => Answer::error(503, "UNAVAILABLE", why),
        };
        answer.after(failing.retry_after)
    }

    /// A realm that docxy does not ask, and how to let it.
    pub(crate) fn refused_realm(&self, upstream: UpstreamId, why: &str) -> Answer {
        let name = &self.shared.table.get(upstream).name;
        let why = format_args!("{name}: {why}; if that is meant, set --realm-host {name}=HOST");
        Answer::error(502, "UNAVAILABLE", why)
    }

    /// Asks without credentials, to be challenged; what is answered instead may say nothing.
    async fn discover(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        method: &[u8],
        path_and_query: String,
        trace: &mut Trace,
    ) -> Result<Option<Failing>, Answer> {
        let target = self.target(upstream, path_and_query);
        let place = Place::default();
        let own = Journey::new(request, upstream, &place, target);
        let mut journey = Journey {
            method,
            credentials: Credentials::Withheld,
            ..own
        };
        let reply = self.travel(&mut journey, trace).await?;
        self.learn(&journey, &reply);
        let status = reply.head.status;
        let failing = (status == 429 || status >= 500).then(|| Failing {
            status,
            retry_after: reply.head.fields.text("retry-after").map(str::to_owned),
        });
        reply.discard(&self.client);
        Ok(failing)
    }
}
