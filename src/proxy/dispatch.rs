//! Who answers a request: docxy itself, an upstream, or an upstream's token realm.

use std::mem;

use crate::answer::Answer;
use crate::proxy::journey::Journey;
use crate::proxy::{Entrance, Proxy, Request, Response, Trace};
use crate::registry::route::{self, Catalog, Content, Place, Route, RouteError};
use crate::registry::table::UpstreamId;

impl Proxy {
    /// Answers a request, and takes from `route` what goes upstream. `form` is the body of a token request.
    pub(crate) async fn respond(
        &self,
        request: &Request<'_>,
        route: &mut Route,
        form: Option<&[u8]>,
        stopping: bool,
        trace: &mut Trace,
    ) -> Response {
        let response = match route {
            Route::Health => Ok(Response::Own(Answer::text(200, "ok\n"))),
            Route::Ready if stopping => Ok(Response::Own(Answer::text(503, "stopping\n"))),
            Route::Ready => Ok(Response::Own(Answer::text(200, "ready\n"))),
            Route::Ca => match &self.shared.ca {
                Some(pem) => Ok(Response::Own(Answer::ca(pem))),
                None => Err(RouteError::NotFound.into()),
            },
            Route::Metrics => match self.scrape() {
                Some(text) => Ok(Response::Own(Answer::metrics(text))),
                None => Err(RouteError::NotFound.into()),
            },
            // Apart, as tokens and mounts are: a request for content, of which there are many at once, keeps no room for them.
            Route::SharedPing => Box::pin(self.shared_ping(request, trace)).await,
            Route::Ping { upstream, place } => {
                let response = Box::pin(self.ping(request, *upstream, place, trace)).await;
                response.map_err(|answer| in_namespace(answer, place))
            }
            Route::Content(Content {
                upstream,
                kind,
                repository,
                path_and_query,
                place,
            }) => {
                let target = self.target(*upstream, mem::take(path_and_query));
                let mut journey = Journey {
                    repository: Some(repository.clone()),
                    ..Journey::new(request, *upstream, place, target)
                };
                let response = self.forward(&mut journey, Some(*kind), trace).await;
                response.map_err(|answer| in_namespace(answer, place))
            }
            Route::Catalog(Catalog {
                upstream,
                path_and_query,
                place,
            }) => {
                let target = self.target(*upstream, mem::take(path_and_query));
                let mut journey = Journey::new(request, *upstream, place, target);
                let response = self.forward(&mut journey, None, trace).await;
                response.map_err(|answer| in_namespace(answer, place))
            }
            Route::Mounted(mounted) => Box::pin(self.mounted(request, mounted, trace)).await,
            Route::Token(route) => Box::pin(self.token(request, route, form, trace)).await,
        };
        response.unwrap_or_else(Response::Own)
    }

    /// Answers a request that goes nowhere.
    pub(crate) fn refuse(&self, request: &Request<'_>, why: RouteError) -> Answer {
        let namespace = match request.peer.entrance {
            Entrance::Clients => route::namespace(request.target, &self.shared.table),
            Entrance::Admin => None,
        };
        with_namespace(why.into(), namespace)
    }

    /// `/v2/` of one upstream. Where it has an account, the challenge stays for those who have a login of their own; the
    /// others get a placeholder for it. Who could not answer it, or has answered it so, needs none.
    async fn ping(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        place: &Place,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        let target = self.target(upstream, "/v2/".to_owned());
        let mut journey = Journey::new(request, upstream, place, target);
        let account = self.account_for(request, upstream, journey.credentials);
        if account.is_some() && request.has_placeholder() {
            return Ok(Response::Own(Answer::shared_ping()));
        }
        match self.forward(&mut journey, None, trace).await? {
            Response::Passed {
                status: 401, body, ..
            } if account.is_some() && self.shared.realms.find(upstream, None).is_none() => {
                if let Some(flow) = body {
                    flow.reply.discard(&self.client);
                }
                Ok(Response::Own(Answer::shared_ping()))
            }
            other => Ok(other),
        }
    }

    /// `/v2/` where several upstreams share a Host. Some clients read no challenge but this one, so docxy gives its own;
    /// a login is verified by the first upstream that may see it.
    async fn shared_ping(
        &self,
        request: &Request<'_>,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        let challenge = || {
            Response::Own(Answer::shared_challenge(
                &self.own_realm(request, "/auth/token"),
            ))
        };
        if request.authorization().is_none() {
            return Ok(challenge());
        }
        if request.has_placeholder() {
            return Ok(Response::Own(Answer::shared_ping()));
        }
        let place = Place {
            shared: true,
            ..Place::default()
        };
        let Some(verifies) = self.shared.table.verifies_logins() else {
            return Ok(challenge());
        };
        match self.ping(request, verifies, &place, trace).await? {
            Response::Passed {
                status: 401, body, ..
            } => {
                if let Some(flow) = body {
                    flow.reply.discard(&self.client);
                }
                Ok(challenge())
            }
            other => Ok(other),
        }
    }
}

/// docxy's own answers say in whose name they are given, as an upstream's do (OCI distribution specification, `ns`).
fn in_namespace(answer: Answer, place: &Place) -> Answer {
    with_namespace(answer, place.namespace())
}

fn with_namespace(answer: Answer, namespace: Option<String>) -> Answer {
    match namespace {
        Some(namespace) => answer.with("OCI-Namespace", namespace),
        None => answer,
    }
}
