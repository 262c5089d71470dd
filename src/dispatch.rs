//! Who answers a request: docxy itself, an upstream, or an upstream's token realm.

use crate::answer::Answer;
use crate::forward::Errand;
use crate::http::uri::Target;
use crate::proxy::{Proxy, Request, Response, Trace};
use crate::registry::route::{Kind, Place, Route};
use crate::registry::table::UpstreamId;

impl Proxy {
    /// Answers a request. `form` is the body of a token request.
    pub(crate) async fn respond(
        &self,
        request: &Request<'_>,
        route: Route,
        form: Option<&[u8]>,
        stopping: bool,
        trace: &mut Trace,
    ) -> Response {
        let response = match route {
            Route::Health => Ok(Response::Own(Answer::text(200, "ok\n"))),
            Route::Ready if stopping => Ok(Response::Own(Answer::text(503, "stopping\n"))),
            Route::Ready => Ok(Response::Own(Answer::text(200, "ready\n"))),
            Route::SharedPing => self.shared_ping(request, trace).await,
            Route::Ping { upstream, place } => self.ping(request, upstream, &place, trace).await,
            Route::Content(content) => {
                let kind = content.kind;
                let errand = self.errand(
                    content.upstream,
                    content.path_and_query,
                    &content.place,
                    Some(kind),
                );
                self.forward(request, errand, trace).await
            }
            Route::Token(route) => self.token(request, &route, form, trace).await,
        };
        response.unwrap_or_else(Response::Own)
    }

    async fn ping(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        place: &Place,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        self.forward(
            request,
            self.errand(upstream, "/v2/".to_owned(), place, None),
            trace,
        )
        .await
    }

    /// `/v2/` where several upstreams share a Host. Some clients read no challenge but this one, so docxy gives its own;
    /// a login is verified by the default upstream, whose it is.
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
        match self
            .ping(request, self.shared.table.default_upstream(), &place, trace)
            .await?
        {
            Response::Passed {
                status: 401, body, ..
            } => {
                if let Some(reply) = body {
                    reply.discard(&self.client).await;
                }
                Ok(challenge())
            }
            other => Ok(other),
        }
    }

    /// What is to be asked of an upstream.
    fn errand<'a>(
        &self,
        upstream: UpstreamId,
        path_and_query: String,
        place: &'a Place,
        kind: Option<Kind>,
    ) -> Errand<'a> {
        let target = Target {
            origin: self.shared.table.get(upstream).origin.clone(),
            path_and_query,
        };
        Errand {
            upstream,
            target,
            place,
            kind,
        }
    }
}
