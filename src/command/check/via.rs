//! A docxy that runs, from a client's side: its certificate, its challenge and to where that leads, and an image through it.

use serde_json::{Value, json};

use super::advice::{self, Side};
use super::door::{Docxy, Door};
use super::image;
use super::report::{Ended, Failure, Notes};
use crate::http::uri::{Origin, Scheme, Target, split_query};
use crate::http::write::HeadWriter;
use crate::proxy::fetch::{self, NoToken, first_bearer};
use crate::registry::challenge::Bearer;
use crate::registry::reference::Reference;
use crate::registry::token::scope_parameters;
use crate::upstream::reply::Reply;

/// Checks a docxy, and an image through it if one is given.
pub(super) async fn check(
    docxy: &Docxy,
    asked: Option<&Reference>,
    notes: &Notes,
) -> Result<(), Ended> {
    let checking = Checking { docxy, notes };
    checking.ready().await?;
    let token = match checking.ping().await? {
        Some(bearer) => Some(checking.token(&bearer, asked).await?),
        None => None,
    };
    let Some(asked) = asked else {
        return Ok(());
    };
    let door = Door::Docxy { docxy, token };
    image::check(&door, &asked.behind(&docxy.origin), notes).await
}

struct Checking<'a> {
    docxy: &'a Docxy,
    notes: &'a Notes,
}

impl Checking<'_> {
    async fn ready(&self) -> Result<(), Ended> {
        let reply = self.get("ready", &self.docxy.origin, "/ready").await?;
        let status = reply.head.status;
        let advice =
            match status {
                200 => {
                    reply.discard(&self.docxy.client);
                    let facts = json!({ "status": status });
                    self.notes.ok("ready", "it serves", facts);
                    return Ok(());
                }
                503 => "it is stopping, or has no room for more connections; look at its log"
                    .to_owned(),
                404 => "what answers is no docxy, or a proxy in front does not pass /ready on"
                    .to_owned(),
                400 => "it may speak TLS there; ask it by https://".to_owned(),
                403 => "it does not serve this address; add it to --allow-client".to_owned(),
                _ => advice::of_status(status, Side::Docxy, false, None),
            };
        Err(self.bad("ready", "/ready", reply, advice).await)
    }

    /// What `/v2/` asks for.
    async fn ping(&self) -> Result<Option<Bearer>, Ended> {
        let reply = self.get("v2", &self.docxy.origin, "/v2/").await?;
        let status = reply.head.status;
        let bearer = first_bearer(&reply.head);
        let asks = match (status, &bearer) {
            (200, _) => "asks for nothing",
            (401, Some(_)) => "asks for a token",
            _ => {
                let advice = advice::of_status(status, Side::Docxy, false, None);
                return Err(self.bad("v2", "/v2/", reply, advice).await);
            }
        };
        reply.discard(&self.docxy.client);
        let facts = json!({ "status": status });
        self.notes.ok("v2", format_args!("{status}, {asks}"), facts);
        Ok(bearer.filter(|_| status == 401))
    }

    /// A token that anyone gets, from where the challenge leads.
    async fn token(&self, bearer: &Bearer, asked: Option<&Reference>) -> Result<String, Ended> {
        let realm = self.realm(bearer)?;
        let scopes = asked.map(|asked| {
            let repository = asked.behind(&self.docxy.origin).repository_behind_docxy();
            format!("repository:{repository}:pull")
        });
        let mut query = scope_parameters(&scopes.into_iter().collect::<Vec<_>>());
        if let Some(service) = &bearer.service {
            let service =
                percent_encoding::utf8_percent_encode(service, percent_encoding::NON_ALPHANUMERIC);
            query = format!("service={service}&{query}");
        }
        let mark = if realm.path_and_query.contains('?') {
            '&'
        } else {
            '?'
        };
        let target = format!(
            "{}{mark}{}",
            realm.path_and_query,
            query.trim_end_matches('&')
        );
        let reply = self.get("token", &realm.origin, &target).await?;
        let status = reply.head.status;
        if status != 200 {
            let advice = advice::of_status(status, Side::Docxy, false, None);
            return Err(self.bad("token", &realm.to_string(), reply, advice).await);
        }
        let body = reply.collect(fetch::MAX_ANSWER).await.ok().flatten();
        let Some((token, _)) = body.as_deref().and_then(fetch::read) else {
            return Err(self.notes.failed(
                "token",
                advice::of_token(&NoToken::Answer, Side::Docxy),
                Value::Null,
            ));
        };
        let facts = json!({ "realm": realm.origin.to_string(), "identity": "anonymous" });
        let text = format_args!("for anyone, from {}", realm.origin);
        self.notes.ok("token", text, facts);
        Ok(token)
    }

    /// Where the challenge leads: to this docxy, if all is well.
    fn realm(&self, bearer: &Bearer) -> Result<Target, Ended> {
        let here = Target {
            origin: self.docxy.origin.clone(),
            path_and_query: "/v2/".to_owned(),
        };
        let (origin, facts) = (&self.docxy.origin, json!({ "realm": bearer.realm }));
        let failed = |what: String, advice: &str| {
            let advice = advice.to_owned();
            let facts = facts.clone();
            self.notes
                .failed("challenge", Failure { what, advice }, facts)
        };
        let Ok(realm) = here.resolve(bearer.realm.as_bytes()) else {
            let what = format!("its realm {:?} is no URL", bearer.realm);
            return Err(failed(what, "what answers is no docxy; look at the URL"));
        };
        let (path, _) = split_query(&realm.path_and_query);
        let there = &realm.origin;
        if !(path.starts_with("/auth/") || path == "/token") {
            let what = format!("its realm is {there}{path}, which is no docxy's");
            return Err(failed(
                what,
                "clients are sent past docxy; look what answers at this URL",
            ));
        }
        if (origin.scheme(), there.scheme()) == (Scheme::Https, Scheme::Http) {
            let what = format!("its realm is at {there}, in plain HTTP");
            return Err(failed(
                what,
                "set --public-url to the URL by which clients reach docxy, or --trusted-proxy to who ends TLS in front of it",
            ));
        }
        let text = if there == origin {
            format!("leads to {there}")
        } else {
            format!(
                "leads to {there} and not to {origin}; if clients cannot reach that, --public-url is wrong"
            )
        };
        self.notes.ok("challenge", text, facts);
        Ok(realm)
    }

    async fn get(
        &self,
        step: &'static str,
        origin: &Origin,
        target: &str,
    ) -> Result<Box<Reply>, Ended> {
        let mut head = HeadWriter::request(b"GET", target);
        head.field("Host", origin.host_field());
        head.field("User-Agent", "docxy");
        let sent = self.docxy.send(origin, b"GET", &head.finish()).await;
        sent.map_err(|trouble| {
            let mut failure = trouble.failure(Side::Docxy);
            let step = if *origin == self.docxy.origin {
                trouble.step(step)
            } else {
                failure.advice =
                    "the challenge leads there: set --public-url to the URL by which clients reach docxy"
                        .to_owned();
                step
            };
            self.notes.failed(step, failure, Value::Null)
        })
    }

    async fn bad(&self, step: &'static str, at: &str, reply: Box<Reply>, advice: String) -> Ended {
        let status = reply.head.status;
        let what = match image::words(reply).await {
            Some(words) => format!("{at}: {status}, {words:?}"),
            None => format!("{at}: {status}"),
        };
        let facts = json!({ "status": status });
        self.notes.failed(step, Failure { what, advice }, facts)
    }
}

impl Reference {
    /// The same without the host of the docxy that is asked, by which clients write it.
    fn behind(&self, docxy: &Origin) -> Reference {
        let is_docxy =
            |host: &String| *host == docxy.authority().to_string() || host == docxy.host_field();
        Reference {
            host: self.host.clone().filter(|host| !is_docxy(host)),
            ..self.clone()
        }
    }

    /// How clients of docxy write its repository: the registry's name is the first component.
    pub(super) fn repository_behind_docxy(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}/{}", self.repository),
            None => self.repository.clone(),
        }
    }
}
