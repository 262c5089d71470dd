//! Token requests: sent on to the realm that the upstream announced, with the scopes that it knows.

use crate::answer::Answer;
use crate::http::fields::Fields;
use crate::http::uri::Target;
use crate::proxy::journey::Journey;
use crate::proxy::realm::Realm;
use crate::proxy::{Proxy, Request, Response, Trace};
use crate::registry::identity::Identity;
use crate::registry::redirect::Trail;
use crate::registry::rewrite::{Credentials, Part};
use crate::registry::route::{Place, TokenRoute};
use crate::registry::table::UpstreamId;
use crate::registry::token::{Parameters, SERVICE, TokenError};
use crate::upstream::Over;
use crate::upstream::tries::Tries;

/// The media type of a form (RFC 6749 §4.4.2).
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// A token request that has been read.
struct Wanted<'a> {
    query: Parameters<'a>,
    form: Option<Parameters<'a>>,
    upstream: UpstreamId,
    identity: Identity,
}

impl Wanted<'_> {
    /// Whether the client asks in its own name.
    fn is_own(&self, request: &Request<'_>) -> bool {
        let forms = self.form.iter().chain([&self.query]);
        let has_secret = forms.into_iter().any(Parameters::carries_secret);
        let has_login = request.authorization().is_some() && !request.has_placeholder();
        self.identity == Identity::Own && (has_login || has_secret)
    }

    /// The service that the client names, unless it is docxy's own.
    fn service(&self) -> Option<String> {
        let form = self.form.as_ref().and_then(|form| form.value("service"));
        form.or_else(|| self.query.value("service"))
            .map(std::borrow::Cow::into_owned)
            .filter(|name| name != SERVICE)
    }
}

impl Proxy {
    /// Answers a token request with what the upstream's realm says, or with a placeholder where none is needed.
    pub(crate) async fn token(
        &self,
        request: &Request<'_>,
        route: &TokenRoute,
        form: Option<&[u8]>,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        if form.is_some() && !is_form(&request.head.fields) {
            return Err(TokenError::Kind.into());
        }
        let form = form
            .map(|form| str::from_utf8(form).map_err(|_| TokenError::Encoding))
            .transpose()?;
        let wanted = self.read(route, form)?;
        trace.upstream = Some(wanted.upstream);
        if self.shared.accounts.get(wanted.upstream).is_some() && !wanted.is_own(request) {
            // The account's tokens are docxy's: with this one the client is served in the account's name.
            return Ok(Response::Own(Answer::placeholder_token()));
        }
        let repositories = [wanted.form.as_ref(), Some(&wanted.query)]
            .into_iter()
            .flatten();
        let repository = repositories
            .flat_map(|p| p.repositories(&self.shared.table, wanted.upstream))
            .next();
        let service = wanted.service();
        let realm = self
            .realm(
                request,
                wanted.upstream,
                service.as_deref(),
                repository.as_deref(),
                trace,
            )
            .await?;
        match realm {
            Some(realm) => {
                self.relay_token(request, &wanted, service.as_deref(), realm, trace)
                    .await
            }
            None => Ok(Response::Own(Answer::placeholder_token())),
        }
    }

    fn read<'a>(
        &self,
        route: &'a TokenRoute,
        form: Option<&'a str>,
    ) -> Result<Wanted<'a>, TokenError> {
        let query = Parameters::parse(&route.query)?;
        let form = form.map(Parameters::parse).transpose()?;
        let (table, mut upstream) = (&self.shared.table, route.upstream);
        for parameters in form.iter().chain([&query]) {
            upstream = match upstream {
                Some(chosen) => Some(chosen),
                None => parameters.upstream(table, route.by_host)?,
            };
        }
        let upstream = upstream
            .or(route.by_host)
            .unwrap_or(table.default_upstream());
        for parameters in form.iter().chain([&query]) {
            parameters.check(table, upstream, &self.shared.access)?;
        }
        let identity = route.identity(table, upstream);
        Ok(Wanted {
            query,
            form,
            upstream,
            identity,
        })
    }

    async fn relay_token(
        &self,
        request: &Request<'_>,
        wanted: &Wanted<'_>,
        service: Option<&str>,
        realm: Realm,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        let (query, form) = self.parameters(wanted, service, &realm);
        let Target {
            origin,
            path_and_query: path,
        } = realm.target;
        let path_and_query = if query.is_empty() {
            path
        } else {
            format!("{path}?{query}")
        };
        let mut journey = Journey {
            request,
            upstream: Some(wanted.upstream),
            place: &Place::default(),
            repository: None,
            method: match request.head.method() {
                b"POST" if form.is_none() => b"GET",
                method => method,
            },
            body: form.as_deref().map(str::as_bytes),
            credentials: match wanted.identity {
                Identity::Own => request.credentials(Identity::Own),
                Identity::Anonymous => Credentials::Withheld,
            },
            grant: None,
            part: Part::AsAsked,
            over: Over::Any,
            trail: Trail::new(
                Target {
                    origin,
                    path_and_query,
                },
                realm.reach,
            ),
            tries: Tries::new(),
        };
        let reply = match self.travel(&mut journey, trace).await {
            Err(mishap) if mishap.is_out_of_reach() && journey.trail.hops() == 0 => {
                let at = &journey.trail.target().origin;
                let why = format!("its realm is at {at}, in a network where it may not point");
                return Err(self.refused_realm(wanted.upstream, &why));
            }
            reply => reply?,
        };
        self.pass(&journey, reply, None)
    }

    /// The query and the form for the realm.
    fn parameters(
        &self,
        wanted: &Wanted<'_>,
        service: Option<&str>,
        realm: &Realm,
    ) -> (String, Option<String>) {
        // What the client names stays; the learned service stands in where it names none, or docxy's own.
        let learned = realm.service.as_deref().filter(|_| service.is_none());
        let own = realm.query.as_deref();
        let (table, upstream, identity) = (&self.shared.table, wanted.upstream, wanted.identity);
        let rewrite = |parameters: &Parameters<'_>, service, own| {
            parameters.rewrite(table, upstream, service, own, identity)
        };
        match (&wanted.form, identity) {
            (None, _) => (rewrite(&wanted.query, learned, own), None),
            (Some(form), Identity::Own) => (
                rewrite(&wanted.query, None, own),
                Some(rewrite(form, learned, None)),
            ),
            // Without the credentials that it is there to carry, a form is as good as a query.
            (Some(form), Identity::Anonymous) => (rewrite(form, learned, own), None),
        }
    }
}

/// Whether a body may be a form, by all that is said of it: nothing else is looked at for scopes and secrets.
fn is_form(fields: &Fields) -> bool {
    let is_form = |value: &[u8]| {
        let kind = value.split(|&byte| byte == b';').next();
        kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(FORM))
    };
    fields.all("content-type").all(is_form) && !fields.contains("content-encoding")
}
