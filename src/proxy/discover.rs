//! Finds out where an upstream gives out tokens when no challenge has taught it yet: after a restart, or on another replica.

use std::time::Instant;

use crate::answer::Answer;
use crate::proxy::journey::Journey;
use crate::proxy::realm::Realm;
use crate::proxy::{Proxy, Request, Trace};
use crate::registry::rewrite::Credentials;
use crate::registry::route::Place;
use crate::registry::table::UpstreamId;
use crate::upstream::reply::Reply;

/// A manifest that nobody has. Whether a token is wanted is said before it is looked for; and a registry that gets what it
/// lacks from another one has nothing to get then, as it would have for a tag.
const NO_MANIFEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// What an answer says of tokens that is no challenge.
enum Said {
    /// None is wanted for what was asked.
    Open,
    /// Nothing.
    Nothing,
    /// Nothing, since the upstream is failing or has had too many requests; this is what the client is told.
    Failing(Answer),
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
        if let Some(found) = realms.find(upstream, service) {
            return self.found(upstream, found);
        }
        if realms.is_open(upstream, repository, Instant::now()) {
            return Ok(None);
        }
        let path = "/v2/".to_owned();
        let of_v2 = self.discover(request, upstream, b"GET", path, trace);
        let of_v2 = of_v2.await?;
        if let Some(found) = self.learned(upstream, service) {
            return self.found(upstream, found);
        }
        let of_manifest = match repository {
            Some(name) => {
                let path = format!("/v2/{name}/manifests/{NO_MANIFEST}");
                let asked = self.discover(request, upstream, b"HEAD", path, trace);
                asked.await.unwrap_or_else(Said::Failing)
            }
            None => Said::Nothing,
        };
        if let Some(found) = self.learned(upstream, service) {
            return self.found(upstream, found);
        }
        match (of_v2, of_manifest) {
            // The registry lets anyone in, so it is not all of it that fails: the pull may well get what it wants.
            (Said::Open, Said::Failing(answer)) if answer.status >= 500 => Ok(None),
            (_, Said::Failing(answer)) | (Said::Failing(answer), _) => Err(answer),
            (Said::Open, _) => {
                realms.note_open(upstream, repository, Instant::now());
                Ok(None)
            }
            (Said::Nothing, _) => Ok(None),
        }
    }

    /// The realm that has been learned meanwhile, if need be that of another service.
    fn learned(
        &self,
        upstream: UpstreamId,
        service: Option<&str>,
    ) -> Option<Result<Realm, String>> {
        let realms = &self.shared.realms;
        realms
            .find(upstream, service)
            .or_else(|| realms.find(upstream, None))
    }

    fn found(
        &self,
        upstream: UpstreamId,
        found: Result<Realm, String>,
    ) -> Result<Option<Realm>, Answer> {
        found
            .map(Some)
            .map_err(|why| self.refused_realm(upstream, &why))
    }

    /// A client with a placeholder would fail later, and keep it for as long as it lives.
    fn unknown_realm(&self, upstream: UpstreamId, reply: &Reply) -> Answer {
        let (name, status) = (&self.shared.table.get(upstream).name, reply.head.status);
        let why = format_args!(
            "{name}: it answers {status}, so where it gives out tokens cannot be found out"
        );
        let answer = match status {
            429 => Answer::error(429, "TOOMANYREQUESTS", why),
            _ => Answer::error(503, "UNAVAILABLE", why),
        };
        let retry_after = reply.head.fields.text("retry-after");
        answer.after(retry_after.map(str::to_owned))
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
    ) -> Result<Said, Answer> {
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
        let said = match reply.head.status {
            200 if !journey.source().is_elsewhere() => Said::Open,
            429 | 500.. => Said::Failing(self.unknown_realm(upstream, &reply)),
            _ => Said::Nothing,
        };
        reply.discard(&self.client);
        Ok(said)
    }
}
