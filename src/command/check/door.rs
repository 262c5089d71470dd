//! Who is asked for the parts of an image: an upstream, on the way that requests of clients take through the proxy, or a docxy
//! that runs, as its clients ask it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use super::advice::{Side, Trouble};
use crate::egress::Egress;
use crate::http::head::RequestHead;
use crate::http::uri::{Origin, Scheme};
use crate::http::write::HeadWriter;
use crate::proxy::fetch::first_bearer;
use crate::proxy::forward::{Journey, Mishap};
use crate::proxy::on_behalf::Unanswered;
use crate::proxy::{Entrance, Peer, Proxy, Request, Trace};
use crate::registry::manifest;
use crate::registry::redirect::Trail;
use crate::registry::reference::Reference;
use crate::registry::rewrite::Credentials;
use crate::registry::route::{Content, Route, RouteError};
use crate::registry::table::UpstreamId;
use crate::upstream::reply::Reply;
use crate::upstream::tries::Tries;
use crate::upstream::{Client, Message, Over};

/// The client that a check is to the proxy: on the same machine, and nobody in particular.
pub(super) const PEER: Peer = Peer {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    is_unnamed: false,
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    scheme: Scheme::Http,
    entrance: Entrance::Clients,
};

/// A part of an image.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// The manifest of a tag or digest.
    Manifest(&'a str),
    /// The blob of a digest.
    Blob(&'a str),
}

/// How it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Without a body; a registry that counts pulls does not count that.
    Head,
    /// Whole.
    Whole,
    /// The first bytes.
    Beginning,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Got {
    /// It.
    pub(super) reply: Reply,
    /// Who has given it.
    pub(super) from: Origin,
}

/// Who is asked.
pub(super) enum Door<'a> {
    /// An upstream.
    Upstream {
        /// Which.
        id: UpstreamId,
        /// How it is asked.
        proxy: &'a Proxy,
        /// The token that anyone gets, where one is needed and no account has its own.
        token: Option<String>,
    },
    /// A docxy.
    Docxy {
        /// Which.
        docxy: &'a Docxy,
        /// The token that anyone gets.
        token: Option<String>,
    },
}

/// A docxy that runs.
#[derive(Debug)]
pub(super) struct Docxy {
    /// Where.
    pub(super) origin: Origin,
    /// How it is reached.
    pub(super) egress: Egress,
    /// How it is asked.
    pub(super) client: Arc<Client>,
}

impl Docxy {
    /// Sends a request that is written out, to it or to where it has pointed.
    pub(super) async fn send(
        &self,
        origin: &Origin,
        method: &[u8],
        head: &[u8],
    ) -> Result<Reply, Trouble> {
        let message = Message {
            method,
            head,
            body: b"",
            over: Over::Any,
        };
        let tries = &mut Tries::new();
        let sent = self
            .client
            .send(origin, &self.egress, None, &message, tries);
        let sent = sent.await.map_err(Mishap::Upstream);
        sent.map_err(|mishap| Trouble::Unanswered(Unanswered::Mishap(mishap)))
    }
}

impl How {
    fn method(self) -> &'static [u8] {
        match self {
            How::Head => b"HEAD",
            How::Whole | How::Beginning => b"GET",
        }
    }
}

impl Door<'_> {
    /// Asks for a part of an image.
    pub(super) async fn ask(
        &self,
        image: &Reference,
        part: Part<'_>,
        how: How,
    ) -> Result<Got, Trouble> {
        match self {
            Door::Upstream { proxy, token, .. } => {
                let target = target_for_proxy(image, part);
                let head = head(None, how, part, token.as_deref(), &target);
                through(proxy, &target, &head, token.is_none()).await
            }
            Door::Docxy { docxy, token } => {
                let target = target_for_docxy(image, part);
                let host = Some(docxy.origin.host_field());
                let head = head(host, how, part, token.as_deref(), &target);
                let reply = docxy.send(&docxy.origin, how.method(), &head).await?;
                Ok(Got {
                    reply,
                    from: docxy.origin.clone(),
                })
            }
        }
    }

    /// Lets go of an answer; its connection may be used again.
    pub(super) fn done_with(&self, reply: Reply) {
        match self {
            Door::Upstream { proxy, .. } => reply.discard(&proxy.client),
            Door::Docxy { docxy, .. } => reply.discard(&docxy.client),
        }
    }

    /// Whose advice is wanted.
    pub(super) fn side(&self) -> Side<'_> {
        match self {
            Door::Upstream { id, proxy, .. } => Side::Upstream(&proxy.shared.table.get(*id).name),
            Door::Docxy { .. } => Side::Docxy,
        }
    }

    /// Whether what is asked is asked in the name of an account.
    pub(super) fn has_account(&self) -> bool {
        match self {
            Door::Upstream { id, proxy, .. } => proxy.shared.accounts.get(*id).is_some(),
            Door::Docxy { .. } => false,
        }
    }
}

/// Where a request for an image's manifest goes, if it may.
pub(super) fn route(proxy: &Proxy, image: &Reference) -> Result<Content, RouteError> {
    let part = Part::Manifest(&image.version);
    let target = target_for_proxy(image, part);
    let head = head(None, How::Head, part, None, &target);
    let head = read(&head)?;
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
async fn through(
    proxy: &Proxy,
    target: &str,
    head: &[u8],
    is_anonymous: bool,
) -> Result<Got, Trouble> {
    let head = read(head).map_err(Trouble::Route)?;
    let request = request(&head, target);
    let content = content(proxy, &request).map_err(Trouble::Route)?;
    let token;
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
    if is_challenged && is_anonymous && proxy.shared.accounts.get(id).is_none() {
        let got = proxy.anonymous_token(&request, id, reply, trace).await;
        token = got.map_err(Unanswered::Token)?;
        journey.credentials = Credentials::Token(&token);
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
fn target_for_proxy(image: &Reference, part: Part<'_>) -> String {
    let path = path(&image.repository, part);
    match &image.host {
        Some(host) => format!("{path}?ns={host}"),
        None => path,
    }
}

/// By the path, as docker and podman have it.
fn target_for_docxy(image: &Reference, part: Part<'_>) -> String {
    path(&image.repository_behind_docxy(), part)
}

fn path(repository: &str, part: Part<'_>) -> String {
    match part {
        Part::Manifest(version) => format!("/v2/{repository}/manifests/{version}"),
        Part::Blob(digest) => format!("/v2/{repository}/blobs/{digest}"),
    }
}

fn head(
    host: Option<&str>,
    how: How,
    part: Part<'_>,
    token: Option<&str>,
    target: &str,
) -> Vec<u8> {
    let mut head = HeadWriter::request(how.method(), target);
    if let Some(host) = host {
        head.field("Host", host);
    }
    head.field("User-Agent", "docxy");
    let accepted = match part {
        Part::Manifest(_) => manifest::ACCEPTED,
        Part::Blob(_) => "*/*",
    };
    head.field("Accept", accepted);
    if how == How::Beginning {
        head.field("Range", "bytes=0-1023");
    }
    if let Some(token) = token {
        head.joined("Authorization", &["Bearer ", token]);
    }
    head.finish()
}
