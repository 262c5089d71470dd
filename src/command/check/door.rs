//! Who is asked for the parts of an image: an upstream, on the way that requests of clients take through the proxy, or a docxy
//! that runs, as its clients ask it.

use std::sync::Arc;

use super::advice::{Side, Trouble};
use super::passage;
use crate::egress::Egress;
use crate::http::uri::Origin;
use crate::http::write::HeadWriter;
use crate::proxy::Proxy;
use crate::proxy::journey::Mishap;
use crate::proxy::on_behalf::Unanswered;
use crate::registry::manifest;
use crate::registry::reference::Reference;
use crate::registry::table::UpstreamId;
use crate::upstream::reply::Reply;
use crate::upstream::tries::Tries;
use crate::upstream::{Client, Message, Over};

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
    pub(super) reply: Box<Reply>,
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
    ) -> Result<Box<Reply>, Trouble> {
        let message = Message {
            method,
            head: &|| head.to_vec(),
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

impl Part<'_> {
    /// Its path in a repository of this name.
    pub(super) fn path(self, repository: &str) -> String {
        match self {
            Part::Manifest(version) => format!("/v2/{repository}/manifests/{version}"),
            Part::Blob(digest) => format!("/v2/{repository}/blobs/{digest}"),
        }
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
                passage::through(proxy, token.as_deref(), image, part, how).await
            }
            Door::Docxy { docxy, token } => {
                // By the path, as docker and podman have it.
                let target = part.path(&image.repository_behind_docxy());
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
    pub(super) fn done_with(&self, reply: Box<Reply>) {
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

/// The head of a request for a part of an image.
pub(super) fn head(
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
