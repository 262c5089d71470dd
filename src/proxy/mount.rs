//! Requests for what is mounted: passed to one origin as they are, and so that its references lead to mounts again.

use std::mem;

use crate::answer::Answer;
use crate::http::uri::Target;
use crate::registry::challenge::Bearer;
use crate::registry::identity::Identity;
use crate::registry::rewrite::Credentials;
use crate::registry::route::Place;
use crate::registry::route::mounted::{MountView, Mounted, Role};
use crate::registry::table::mounts::{Mount, MountId};

use super::journey::Journey;
use super::{Proxy, Request, Response, Trace};

impl Proxy {
    /// Asks a mounted origin.
    pub(super) async fn mounted(
        &self,
        request: &Request<'_>,
        mounted: &mut Mounted,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        trace.mount = Some(mounted.mount);
        let mount = self.mount(mounted.mount);
        let place = Place {
            mount: Some(mounted.mount),
            ..Place::default()
        };
        let target = Target {
            origin: mount.origin.clone(),
            path_and_query: mem::take(&mut mounted.path_and_query),
        };
        let mut journey = Journey {
            credentials: credentials(request, mounted.role),
            ..Journey::new(request, mount.upstream, &place, target)
        };
        self.forward(&mut journey, mounted.kind, trace).await
    }

    /// Whether a redirect of a mounted origin is for the client to follow: it leads to what is mounted, and the client's
    /// credentials would not go along to another origin.
    pub(super) fn is_for_client(&self, journey: &Journey<'_>, location: &[u8]) -> bool {
        let Some(mount) = journey.place.mount else {
            return false;
        };
        let Ok(target) = journey.trail.target().resolve(location) else {
            return false;
        };
        let Some((there, _)) = self.mounts("").reference(&target) else {
            return false;
        };
        let request = journey.request;
        target.origin == self.mount(mount).origin
            || request.authorization().is_none()
            || credentials(request, there.role) == Credentials::Withheld
    }

    /// The realm that a client is to ask that came by a mount: the announced one where that is mounted, else the token
    /// relay of the upstream with this origin. One of neither kind stays as it is.
    pub(super) fn realm_for_mounted(
        &self,
        request: &Request<'_>,
        mount: MountId,
        asked: &Target,
        bearer: &Bearer,
    ) -> String {
        let base = self.own_realm(request, "");
        let announced = asked.resolve(bearer.realm.as_bytes()).ok();
        let mounted = announced.and_then(|realm| self.mounts(&base).reference(&realm));
        match (mounted, self.mount(mount).upstream) {
            (Some((_, reference)), _) => reference,
            (None, Some(upstream)) => self.realm_for(request, upstream, bearer),
            (None, None) => bearer.realm.clone(),
        }
    }

    /// The mounts as clients see them that reach docxy at `base`.
    pub(super) fn mounts<'a>(&'a self, base: &'a str) -> MountView<'a> {
        MountView {
            table: &self.shared.table,
            access: &self.shared.access,
            base,
        }
    }

    fn mount(&self, id: MountId) -> &Mount {
        self.shared.table.mounts().get(id)
    }
}

/// Whether `Authorization` may go to an origin that is asked as this.
fn credentials(request: &Request<'_>, role: Role) -> Credentials<'static> {
    match role {
        Role::Registry => request.credentials(Identity::Own),
        Role::Tokens if request.has_login() => request.credentials(Identity::Own),
        Role::Tokens | Role::Store => Credentials::Withheld,
    }
}
