//! One upstream: its connection, `/v2/`, a token, and an image of it, on the way that requests of clients take.

use serde_json::{Value, json};

use super::advice::{self, Side, Trouble};
use super::door::Door;
use super::image;
use super::passage;
use super::report::{Ended, Failure, Notes};
use crate::http::head::ResponseHead;
use crate::http::write::HeadWriter;
use crate::proxy::fetch::{NoToken, first_bearer};
use crate::proxy::journey::{Journey, Mishap};
use crate::proxy::on_behalf::Unanswered;
use crate::proxy::{Proxy, Request, Trace};
use crate::registry::challenge::{Bearer, is_basic};
use crate::registry::reference::Reference;
use crate::registry::rewrite::Credentials;
use crate::registry::route::{Content, Place, RouteError};
use crate::registry::table::UpstreamId;
use crate::upstream::reply::Reply;

/// The request that a check makes first, as a client's.
const PING: &str = "/v2/";

/// Clocks that differ by more seconds than this are worth a word: certificates and tokens have their times.
const CLOCKS: u64 = 300;

/// What an upstream asks for before it serves anything.
enum Wants {
    Nothing,
    Token(Bearer),
    Login,
}

/// Checks an upstream, and an image of it if one is given.
pub(super) async fn check(
    proxy: &Proxy,
    id: UpstreamId,
    asked: Option<&Reference>,
    notes: &Notes,
) -> Result<(), Ended> {
    let head = HeadWriter::request(b"GET", PING);
    let head = passage::read(&head.finish());
    let checking = Checking {
        proxy,
        id,
        name: &proxy.shared.table.get(id).name,
        notes,
    };
    let head = head.map_err(|error| checking.refused("v2", error))?;
    let request = &passage::request(&head, PING);
    let wants = checking.ping(request).await?;
    let content = asked.map(|asked| passage::route(proxy, asked)).transpose();
    let content = content.map_err(|error| checking.refused("access", error))?;
    let repository = content.as_ref().map(Content::repository);
    let token = match wants {
        Wants::Nothing => None,
        Wants::Login => {
            checking.log_in(request).await?;
            None
        }
        Wants::Token(bearer) => checking.token(request, bearer, repository).await?,
    };
    let Some(asked) = asked else {
        return Ok(());
    };
    let door = Door::Upstream { id, proxy, token };
    image::check(&door, asked, notes).await
}

struct Checking<'a> {
    proxy: &'a Proxy,
    id: UpstreamId,
    name: &'a str,
    notes: &'a Notes,
}

impl Checking<'_> {
    /// `/v2/`, without credentials.
    async fn ping(&self, request: &Request<'_>) -> Result<Wants, Ended> {
        let place = Place::default();
        let reply = self.ask(request, &place, Credentials::Withheld).await;
        let reply = reply.map_err(|mishap| self.trouble("v2", mishap.into()))?;
        let status = reply.head.status;
        let skew = skew(&reply.head);
        let wants = match status {
            200 => Wants::Nothing,
            401 => match first_bearer(&reply.head) {
                Some(bearer) => Wants::Token(bearer),
                None if wants_login(&reply.head) => Wants::Login,
                None => return Err(self.bad(reply).await),
            },
            _ => return Err(self.bad(reply).await),
        };
        let asks = match &wants {
            Wants::Nothing => "asks for nothing",
            Wants::Token(_) => "asks for a token",
            Wants::Login => "asks for a login",
        };
        let clock = skew.map_or_else(String::new, |seconds| {
            format!("; its clock differs from this machine's by {seconds} s")
        });
        reply.discard(&self.proxy.client);
        let facts = json!({ "status": status, "clock_skew_s": skew });
        self.notes
            .ok("v2", format_args!("{status}, {asks}{clock}"), facts);
        Ok(wants)
    }

    /// The login that an upstream without tokens wants.
    async fn log_in(&self, request: &Request<'_>) -> Result<(), Ended> {
        let Some(account) = self.proxy.shared.accounts.get(self.id) else {
            let (name, facts) = (self.name, json!({ "identity": "anonymous" }));
            let text = format_args!(
                "none, since {name} wants a login: clients have to bring one, or the upstream gets an account"
            );
            self.notes.ok("token", text, facts);
            return Ok(());
        };
        account.learn_basic();
        let (place, basic) = (Place::default(), account.basic());
        let reply = self.ask(request, &place, Credentials::Basic(&basic)).await;
        let reply = reply.map_err(|mishap| self.trouble("token", mishap.into()))?;
        if matches!(reply.head.status, 401 | 403) {
            return Err(self.trouble("token", NoToken::Account.into()));
        }
        reply.discard(&self.proxy.client);
        let facts = json!({ "identity": "account" });
        self.notes
            .ok("token", "none, but the account's login is taken", facts);
        Ok(())
    }

    /// A token: the account's, which stays where it is, or one that anyone gets.
    async fn token(
        &self,
        request: &Request<'_>,
        mut bearer: Bearer,
        repository: Option<&str>,
    ) -> Result<Option<String>, Ended> {
        if let Some(repository) = repository {
            bearer.scopes = vec![format!("repository:{repository}:pull")];
        }
        let realms = &self.proxy.shared.realms;
        let realm = match realms.find(self.id, bearer.service.as_deref()) {
            Some(Ok(realm)) => realm,
            Some(Err(why)) => return Err(self.refused_realm(&why)),
            None => return Err(self.trouble("token", NoToken::Realm.into())),
        };
        let trace = &mut Trace::default();
        let from = realm.target.origin.to_string();
        let said = |identity: &str, what: &str| {
            let facts = json!({ "realm": from, "identity": identity });
            self.notes
                .ok("token", format_args!("{what} from {from}"), facts);
        };
        if let Some(account) = self.proxy.shared.accounts.get(self.id) {
            let got = self
                .proxy
                .token_of(account, &bearer, request, self.id, trace);
            got.await.map_err(|why| self.trouble("token", why.into()))?;
            said("account", "for the account,");
            return Ok(None);
        }
        let nobody = Credentials::Withheld;
        let got = self
            .proxy
            .fetch(request, self.id, &bearer, &realm, nobody, trace);
        match got.await {
            Ok((token, _)) => {
                said("anonymous", "for anyone,");
                Ok(Some(token))
            }
            // Without a repository there is nothing that anyone may do, and some say so.
            Err(NoToken::Refused(status @ (400 | 401 | 403), _)) if repository.is_none() => {
                let what = format!("none without an image ({status}),");
                said("anonymous", &what);
                Ok(None)
            }
            Err(why) => Err(self.trouble("token", why.into())),
        }
    }

    async fn ask(
        &self,
        request: &Request<'_>,
        place: &Place,
        credentials: Credentials<'_>,
    ) -> Result<Box<Reply>, Mishap> {
        let target = self.proxy.target(self.id, PING.to_owned());
        let mut journey = Journey {
            credentials,
            ..Journey::new(request, self.id, place, target)
        };
        let reply = self
            .proxy
            .insist(&mut journey, &mut Trace::default())
            .await?;
        self.proxy.learn(&journey, &reply);
        Ok(reply)
    }

    /// An answer that is no registry's, or that says that the registry has trouble.
    async fn bad(&self, reply: Box<Reply>) -> Ended {
        let status = reply.head.status;
        let wait = image::text(&reply.head.fields, "retry-after");
        let advice = match status {
            401 => "its challenge is no registry's; look who answers in its place".to_owned(),
            403 => "it serves nobody from here: look whether it lets in this address and country"
                .to_owned(),
            404 => format!(
                "there is no registry at this URL; look at --upstream {}=URL",
                self.name
            ),
            _ => advice::of_status(status, Side::Upstream(self.name), false, wait.as_deref()),
        };
        let what = match image::words(reply).await {
            Some(words) => format!("{status}, {words:?}"),
            None => status.to_string(),
        };
        let facts = json!({ "status": status, "retry_after": wait });
        self.notes.failed("v2", Failure { what, advice }, facts)
    }

    fn refused_realm(&self, why: &str) -> Ended {
        let name = self.name;
        let advice = format!("if that is meant, set --realm-host {name}=HOST");
        let what = format!("{name}: {why}");
        self.notes
            .failed("token", Failure { what, advice }, Value::Null)
    }

    fn refused(&self, step: &'static str, error: RouteError) -> Ended {
        let failure = Trouble::Route(error).failure(Side::Upstream(self.name));
        self.notes.failed(step, failure, Value::Null)
    }

    fn trouble(&self, step: &'static str, why: Unanswered) -> Ended {
        let trouble = Trouble::from(why);
        // Connections to others are parts of the step that needs them.
        let step = if step == "v2" {
            trouble.step(step)
        } else {
            step
        };
        let failure = trouble.failure(Side::Upstream(self.name));
        self.notes.failed(step, failure, Value::Null)
    }
}

fn wants_login(head: &ResponseHead) -> bool {
    head.fields.all("www-authenticate").any(is_basic)
}

/// By how many seconds the clock of an answer differs from this machine's, if that is worth a word.
fn skew(head: &ResponseHead) -> Option<u64> {
    let date = head.fields.text("date")?;
    let date = httpdate::parse_http_date(date).ok()?;
    let now = std::time::SystemTime::now();
    let differs = now
        .duration_since(date)
        .or_else(|_| date.duration_since(now));
    differs
        .ok()
        .map(|by| by.as_secs())
        .filter(|&by| by > CLOCKS)
}
