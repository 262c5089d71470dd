//! Requests in the name of the operator's account: where an upstream has one, and the client has no credentials of its own
//! for it.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::account::Account;
use crate::account::tokens::{Held, Key, Slot};
use crate::answer::Answer;
use crate::http::fields::Fields;
use crate::registry::challenge::{Bearer, is_basic};
use crate::registry::redirect::Trail;
use crate::registry::rewrite::Credentials;
use crate::registry::table::UpstreamId;
use crate::upstream::reply::Reply;

use super::fetch::NoToken;
use super::journey::{Journey, Mishap};
use super::realm::Realm;
use super::{Proxy, Request, Trace};

/// What an account goes by.
#[derive(Clone, Debug)]
pub(crate) enum Grant {
    /// A token that it has got.
    Token(Held, Arc<Slot>),
    /// Its password.
    Basic(Secretive),
}

/// Why an upstream has not answered in the end.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// It, or one to whom it has redirected, could not be asked.
    Mishap(Mishap),
    /// Its account has no token.
    Token(NoToken),
}

impl From<Mishap> for Unanswered {
    fn from(mishap: Mishap) -> Unanswered {
        Unanswered::Mishap(mishap)
    }
}

impl From<NoToken> for Unanswered {
    fn from(why: NoToken) -> Unanswered {
        Unanswered::Token(why)
    }
}

/// Text that does not show.
#[derive(Clone)]
pub(crate) struct Secretive(Arc<str>);

impl std::fmt::Debug for Secretive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secretive")
    }
}

impl Grant {
    pub(super) fn credentials(&self) -> Credentials<'_> {
        match self {
            Grant::Token(held, _) => Credentials::Token(&held.token),
            Grant::Basic(basic) => Credentials::Basic(&basic.0),
        }
    }

    /// Drops it, unless there is another one in its place.
    async fn drop_from_cache(&self) {
        if let Grant::Token(held, slot) = self {
            slot.lock().await.drop_token(&held.token);
        }
    }
}

impl Proxy {
    /// The account in whose name the client is served by an upstream: none if it has credentials of its own.
    pub(crate) fn account_for(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        credentials: Credentials<'_>,
    ) -> Option<&Arc<Account>> {
        let has_own = credentials == Credentials::Sent && request.authorization().is_some();
        self.shared.accounts.get(upstream).filter(|_| !has_own)
    }

    /// [Insists](Proxy::insist), in the name of the account if there is one: with what it has got already, and with what a
    /// challenge then asks for.
    pub(crate) async fn ask_upstream(
        &self,
        journey: &mut Journey<'_>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Unanswered> {
        let (request, credentials) = (journey.request, journey.credentials);
        let account = journey.upstream.and_then(|upstream| {
            let account = self.account_for(request, upstream, credentials)?;
            Some((upstream, account))
        });
        let (Some(repository), Some((upstream, account))) = (journey.repository(), account) else {
            return Ok(self.insist(journey, trace).await?);
        };
        let repository = repository.to_owned();
        // Apart, since most requests are in nobody's name.
        Box::pin(self.ask_in_the_name_of((upstream, account), &repository, journey, trace)).await
    }

    async fn ask_in_the_name_of(
        &self,
        (upstream, account): (UpstreamId, &Account),
        repository: &str,
        journey: &mut Journey<'_>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Unanswered> {
        let request = journey.request;
        journey.grant = self
            .grant_for(account, request, upstream, repository, trace)
            .await?;
        let reply = self.insist(journey, trace).await?;
        if reply.head.status != 401 || journey.source().is_elsewhere() {
            return Ok(reply);
        }
        self.learn(journey, &reply);
        let refused = journey.grant.take();
        let grant = self
            .grant_after(account, refused, &reply, request, upstream, trace)
            .await?;
        let Some((grant, bearer)) = grant else {
            return Ok(reply);
        };
        if let Some(bearer) = bearer {
            account.tokens.remember(repository, &bearer);
        }
        reply.discard(&self.client);
        journey.grant = Some(grant);
        journey.trail = Trail::new(journey.trail.first().clone(), None);
        Ok(self.insist(journey, trace).await?)
    }

    /// What the account can go by before it is challenged.
    async fn grant_for(
        &self,
        account: &Account,
        request: &Request<'_>,
        upstream: UpstreamId,
        repository: &str,
        trace: &mut Trace,
    ) -> Result<Option<Grant>, NoToken> {
        if account.is_basic() {
            return Ok(Some(basic(account)));
        }
        let bearer = match account.tokens.asked(repository) {
            Some(bearer) => Some(bearer),
            None => self.expected(upstream, repository),
        };
        let Some(bearer) = bearer else {
            return Ok(None);
        };
        let token = self.token_of(account, &bearer, request, upstream, trace);
        match token.await {
            // docxy expects this; the registry may want something else by now, or nothing. Who has too much to do
            // (429) is not asked more.
            Err(NoToken::Refused(status, _)) if status != 429 => Ok(None),
            token => token,
        }
    }

    /// What the upstream will ask for a repository, if it has announced where tokens are to be had.
    fn expected(&self, upstream: UpstreamId, repository: &str) -> Option<Bearer> {
        let realm = self.shared.realms.find(upstream, None)?.ok()?;
        Some(Bearer {
            realm: realm.target.to_string(),
            service: realm.service,
            scopes: vec![format!("repository:{repository}:pull")],
        })
    }

    /// What the account can go by after `reply` has challenged what it went by before, and for what it is.
    pub(super) async fn grant_after(
        &self,
        account: &Account,
        refused: Option<Grant>,
        reply: &Reply,
        request: &Request<'_>,
        upstream: UpstreamId,
        trace: &mut Trace,
    ) -> Result<Option<(Grant, Option<Bearer>)>, NoToken> {
        let bearer = super::fetch::first_bearer(&reply.head);
        match refused {
            // Not refused, but no longer what the upstream goes by.
            Some(Grant::Basic(_)) if bearer.is_some() => account.forget_basic(),
            Some(Grant::Basic(basic)) if account.refuse(&basic.0, Instant::now()) => {
                return Err(NoToken::Account);
            }
            Some(refused) => refused.drop_from_cache().await,
            None => (),
        }
        if let Some(bearer) = bearer {
            let token = self
                .token_of(account, &bearer, request, upstream, trace)
                .await?;
            return Ok(token.map(|token| (token, Some(bearer))));
        }
        if !wants_basic(&reply.head.fields) {
            return Ok(None);
        }
        if account.is_refused(Instant::now()) {
            return Err(NoToken::Account);
        }
        account.learn_basic();
        Ok(Some((basic(account), None)))
    }

    /// A token of the account's, from the cache or from the realm; `None` if docxy knows of no realm that may be asked.
    pub(crate) async fn token_of(
        &self,
        account: &Account,
        bearer: &Bearer,
        request: &Request<'_>,
        upstream: UpstreamId,
        trace: &mut Trace,
    ) -> Result<Option<Grant>, NoToken> {
        let found = self.shared.realms.find(upstream, bearer.service.as_deref());
        let Some(Ok(realm)) = found else {
            return Ok(None);
        };
        let slot = account.tokens.slot(key(&realm, bearer));
        let came = Instant::now();
        let mut kept = slot.lock().await;
        let now = Instant::now();
        if let Some(held) = kept.good(now) {
            return Ok(Some(Grant::Token(held.clone(), Arc::clone(&slot))));
        }
        if let Some(failure) = kept.failure(came, now) {
            return Err(failure.clone().into());
        }
        loop {
            let asked = Instant::now();
            if account.is_refused(asked) {
                return Err(NoToken::Account);
            }
            let basic = account.basic();
            let login = Credentials::Basic(&basic);
            let fetched = self.fetch(request, upstream, bearer, &realm, login, trace);
            match fetched.await {
                Ok((token, life)) => {
                    let held = Held::new(token, asked, life);
                    kept.keep(held.clone());
                    drop(kept);
                    return Ok(Some(Grant::Token(held, slot)));
                }
                // Where the password has been renewed meanwhile, this says nothing of the new one.
                Err(NoToken::Refused(401, _)) if !account.refuse(&basic, Instant::now()) => (),
                Err(NoToken::Refused(401, _)) => return Err(NoToken::Account),
                Err(why) => {
                    kept.fail(Instant::now(), why.shared());
                    return Err(why);
                }
            }
        }
    }

    /// What the client is told where there is no answer to pass.
    pub(super) fn unanswered(&self, journey: &Journey<'_>, why: Unanswered) -> Answer {
        match why {
            Unanswered::Mishap(mishap) => mishap.into(),
            Unanswered::Token(why) => self.no_token(journey, why),
        }
    }

    fn no_token(&self, journey: &Journey<'_>, why: NoToken) -> Answer {
        let upstream = journey.upstream;
        let name = upstream.map_or("-", |id| &self.shared.table.get(id).name);
        let said = format!("{name}: no token for its account: {why}");
        match why {
            NoToken::Mishap(mishap) => mishap.into(),
            NoToken::Shared(status, why) => Answer::unavailable(status, why),
            NoToken::Account => {
                let why = format_args!(
                    "the account of {name} is refused (401); its username or password is wrong here"
                );
                Answer::error(502, "UNAVAILABLE", why)
            }
            // That may be so for this repository alone: only a 401 says that the account itself is wrong.
            NoToken::Refused(403, _) => {
                let repository = journey.repository().unwrap_or("-");
                let why = format_args!(
                    "the token server of {name} refuses its account a token for {repository} (403)"
                );
                Answer::error(403, "DENIED", why)
            }
            // The client waits as long as the token server wants docxy to.
            NoToken::Refused(429, retry_after) => {
                Answer::error(429, "TOOMANYREQUESTS", said).after(retry_after)
            }
            _ => Answer::error(502, "UNAVAILABLE", said),
        }
    }

    /// Keeps what an upstream says of the pulls that are left.
    pub(super) fn note_quota(&self, journey: &Journey<'_>, reply: &Reply) {
        if journey.source().is_elsewhere() {
            return;
        }
        let fields = &reply.head.fields;
        let remaining = fields.first("ratelimit-remaining");
        if let (Some(upstream), Some(remaining)) = (journey.upstream, remaining) {
            let (limit, now) = (fields.first("ratelimit-limit"), SystemTime::now());
            self.shared.quotas.note(upstream, remaining, limit, now);
        }
    }
}

fn key(realm: &Realm, bearer: &Bearer) -> Key {
    let query = realm.query.as_deref().unwrap_or_default();
    Key {
        realm: format!("{}?{query}", realm.target),
        service: bearer.service.clone(),
        scopes: bearer.scopes.clone(),
    }
}

fn basic(account: &Account) -> Grant {
    Grant::Basic(Secretive(account.basic().into()))
}

fn wants_basic(fields: &Fields) -> bool {
    fields.all("www-authenticate").any(is_basic)
}
