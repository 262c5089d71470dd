//! A request on the way that those of clients take through the proxy, without a client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;

use super::advice::Trouble;
use super::door::{Got, How, Part, head};
use crate::http::head::RequestHead;
use crate::http::uri::Scheme;
use crate::proxy::fetch::first_bearer;
use crate::proxy::journey::Journey;
use crate::proxy::on_behalf::Unanswered;
use crate::proxy::{Entrance, Peer, Proxy, Request, Trace};
use crate::registry::redirect::Trail;
use crate::registry::reference::Reference;
use crate::registry::rewrite::Credentials;
use crate::registry::route::{Content, Route, RouteError};

/// The client that a check is to the proxy: on the same machine, and nobody in particular.
const PEER: Peer = Peer {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    is_unnamed: false,
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    scheme: Scheme::Http,
    entrance: Entrance::Clients,
};

/// Where a request for an image's manifest goes, if it may.
pub(super) fn route(proxy: &Proxy, image: &Reference) -> Result<Content, RouteError> {
    let part = Part::Manifest(&image.version);
    let target = target(image, part);
    let head = read(&head(None, How::Head, part, None, &target))?;
    content(proxy, &request(&head, &target))
}

/// A request that has come from the client that a check is.
pub(super) fn request<'a>(head: &'a RequestHead, target: &'a str) -> Request<'a> {
    Request {
        head,
        target,
        authority: None,
        reached_as: None,
        peer: &PEER,
    }
}

/// A head that was written out for the proxy.
pub(super) fn read(head: &[u8]) -> Result<RequestHead, RouteError> {
    RequestHead::parse(Bytes::copy_from_slice(head)).map_err(|_| RouteError::Malformed)
}

/// A request that has come to the proxy. Where `/v2/` has asked for no token but this is challenged, it gets one.
pub(super) async fn through(
    proxy: &Proxy,
    token: Option<&str>,
    image: &Reference,
    part: Part<'_>,
    how: How,
) -> Result<Got, Trouble> {
    let target = target(image, part);
    let head = read(&head(None, how, part, token, &target)).map_err(Trouble::Route)?;
    let request = request(&head, &target);
    let content = content(proxy, &request).map_err(Trouble::Route)?;
    let other_token;
    let asked = proxy.target(content.upstream, content.path_and_query);
    let mut journey = Journey {
        repository: Some(content.repository),
        ..Journey::new(&request, content.upstream, &content.place, asked)
    };
    let trace = &mut Trace::default();
    let mut reply = proxy.ask_upstream(&mut journey, trace).await?;
    proxy.learn(&journey, &reply);
    let id = content.upstream;
    let is_challenged = reply.head.status == 401 && first_bearer(&reply.head).is_some();
    if is_challenged && token.is_none() && proxy.shared.accounts.get(id).is_none() {
        let got = proxy.anonymous_token(&request, id, reply, trace).await;
        other_token = got.map_err(Unanswered::Token)?;
        journey.credentials = Credentials::Token(&other_token);
        journey.trail = Trail::new(journey.trail.first().clone(), None);
        reply = proxy.ask_upstream(&mut journey, trace).await?;
    }
    Ok(Got {
        reply,
        from: journey.trail.target().origin.clone(),
    })
}

fn content(proxy: &Proxy, request: &Request<'_>) -> Result<Content, RouteError> {
    match proxy.route(request)? {
        Route::Content(content) => Ok(content),
        _ => Err(RouteError::NotFound),
    }
}

/// By `ns`, which takes any name of an upstream.
fn target(image: &Reference, part: Part<'_>) -> String {
    let path = part.path(&image.repository);
    match &image.host {
        Some(host) => format!("{path}?ns={host}"),
        None => path,
    }
}
