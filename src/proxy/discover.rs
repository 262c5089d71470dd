//! Finds out where an upstream gives out tokens when no challenge has taught it yet: after a restart, or on another replica.

use crate::answer::Answer;
use crate::proxy::journey::Journey;
use crate::proxy::realm::Realm;
use crate::proxy::{Proxy, Request, Trace};
use crate::registry::rewrite::Credentials;
use crate::registry::route::Place;
use crate::registry::table::UpstreamId;

impl Proxy {
    /// The realm of an upstream; `None` if it wants no tokens.
    ///
    /// Found out by `/v2/`, else by a manifest of `repository`, where nothing has been learned yet.
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
        let manifest =
            repository.map(|name| (&b"HEAD"[..], format!("/v2/{name}/manifests/latest")));
        for (method, path) in [(&b"GET"[..], "/v2/".to_owned())]
            .into_iter()
            .chain(manifest)
        {
            if found.is_some() {
                break;
            }
            self.discover(request, upstream, method, path, trace)
                .await?;
            found = realms
                .find(upstream, service)
                .or_else(|| realms.find(upstream, None));
        }
        let found = found.transpose();
        found.map_err(|why| self.refused_realm(upstream, &why))
    }

    /// A realm that docxy does not ask, and how to let it.
    pub(crate) fn refused_realm(&self, upstream: UpstreamId, why: &str) -> Answer {
        let name = &self.shared.table.get(upstream).name;
        let why = format_args!("{name}: {why}; if that is meant, set --realm-host {name}=HOST");
        Answer::error(502, "UNAVAILABLE", why)
    }

    /// Asks without credentials, to be challenged.
    async fn discover(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        method: &[u8],
        path_and_query: String,
        trace: &mut Trace,
    ) -> Result<(), Answer> {
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
        reply.discard(&self.client);
        Ok(())
    }
}
