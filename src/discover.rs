//! Finds out where an upstream gives out tokens when no challenge has taught it yet: after a restart, or on another replica.

use crate::answer::Answer;
use crate::http::uri::Target;
use crate::proxy::{Proxy, Request, Trace};
use crate::realm::Realm;
use crate::registry::rewrite::{self, Credentials, Part};
use crate::registry::table::UpstreamId;
use crate::upstream::Message;

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
        let mut found = self.shared.realms.find(upstream, service);
        if found.is_none() {
            self.discover(request, upstream, b"GET", "/v2/".to_owned(), trace)
                .await?;
            found = self
                .shared
                .realms
                .find(upstream, service)
                .or_else(|| self.shared.realms.find(upstream, None));
        }
        if let (None, Some(repository)) = (&found, repository) {
            let path = format!("/v2/{repository}/manifests/latest");
            self.discover(request, upstream, b"HEAD", path, trace)
                .await?;
            found = self
                .shared
                .realms
                .find(upstream, service)
                .or_else(|| self.shared.realms.find(upstream, None));
        }
        found.transpose().map_err(|why| {
            let name = &self.shared.table.get(upstream).name;
            Answer::error(
                502,
                "UNAVAILABLE",
                format_args!("{name}: {why}; if it is meant, set --realm-host {name}=HOST"),
            )
        })
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
        let target = Target {
            origin: self.shared.table.get(upstream).origin.clone(),
            path_and_query,
        };
        let head = rewrite::request_head(&rewrite::Request {
            method,
            target: &target,
            fields: &request.head.fields,
            credentials: Credentials::Withheld,
            part: Part::AsAsked,
            via: &self.shared.via,
            body: None,
        });
        trace.asked = target.origin.to_string();
        let reply = self
            .client
            .send(
                &target.origin,
                None,
                &Message {
                    method,
                    head: &head,
                    body: b"",
                },
            )
            .await?;
        if reply.head.status == 401 {
            self.shared
                .realms
                .learn(&self.shared.table, upstream, &reply, &target);
        }
        reply.discard(&self.client).await;
        Ok(())
    }
}
