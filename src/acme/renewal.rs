//! Keeps a certificate: shows what is there, orders what is not, renews in time, and goes on after failures.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use instant_acme::{Account, NewAccount};
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::kept::{Held, Kept, read_account};
use super::order::{self, OrderError};
#[cfg(debug_assertions)]
use super::provoked;
use super::schedule;
use super::settings::Settings;
use super::transport::Transport;
use crate::egress::{Egress, EgressSettings};
use crate::log::Log;
use crate::panics::caught;
use crate::state::StateDir;
use crate::stop::Stop;
use crate::timeouts::Timeouts;
use crate::tls;
use crate::tls::store::{CertSet, CertStore};
use crate::upstream::Client;

/// One attempt, from the first request to the certificate; every wait within it has its own limit.
const ATTEMPT: Duration = Duration::from_secs(10 * 60);

/// How often the clock is looked at: it may be set, and a machine that sleeps does not count.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60 * 60);

/// A certificate that is kept by ACME.
#[derive(Debug)]
pub struct Acme {
    settings: Settings,
    kept: Kept,
    /// As it is in its file: the credentials cannot be copied.
    account: Option<Vec<u8>>,
    held: Option<Held>,
    store: Arc<CertStore>,
    way: watch::Receiver<Way>,
    ways: watch::Sender<Way>,
}

/// How the server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// As whatever is no upstream, but for the roots.
    pub reaching: EgressSettings,
    /// How long it may be silent.
    pub timeouts: Timeouts,
}

/// Why an attempt gave no certificate.
#[derive(Debug)]
enum AttemptError {
    Order(OrderError),
    /// The server does not know the account of this file.
    Forgotten(String),
    /// What came is no certificate of use.
    Useless(String),
    TooLong,
    /// A file for the way to the server cannot be read.
    NoWay(String),
    /// docxy has panicked in it.
    Panic,
}

impl From<instant_acme::Error> for AttemptError {
    fn from(error: instant_acme::Error) -> AttemptError {
        AttemptError::Order(error.into())
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttemptError::Order(error) => write!(f, "{error}"),
            AttemptError::Forgotten(path) => write!(
                f,
                "it does not know the account in {path}; remove that file and restart docxy to register a new one"
            ),
            AttemptError::Useless(why) => write!(f, "what came cannot be used: {why}"),
            AttemptError::NoWay(why) => f.write_str(why),
            AttemptError::Panic => f.write_str("a fault in docxy has ended the attempt"),
            AttemptError::TooLong => {
                write!(f, "nothing within {}", humantime::format_duration(ATTEMPT))
            }
        }
    }
}

impl Acme {
    /// Reads what is in the state directory; a certificate that is there is shown at once.
    pub fn prepare(settings: Settings, state: StateDir, way: Way) -> Result<Acme, Box<dyn Error>> {
        // What it names is read here too, so that a fault in it is found before docxy runs.
        Egress::open(&way.egress(&settings))?;
        let kept = Kept::new(state, &settings.directory);
        let (account, held) = (kept.account()?, kept.certificate()?);
        let store = match &held {
            Some(held) => CertStore::new(CertSet::new(Arc::clone(&held.key))),
            None => CertStore::empty(),
        };
        let (ways, way) = watch::channel(way);
        Ok(Acme {
            settings,
            kept,
            account,
            held,
            store: Arc::new(store),
            way,
            ways,
        })
    }

    /// What the listeners are to show.
    pub fn store(&self) -> Arc<CertStore> {
        Arc::clone(&self.store)
    }

    /// Takes another way to the server, from the next attempt on.
    pub fn ways(&self) -> watch::Sender<Way> {
        self.ways.clone()
    }

    /// Begins to keep the certificate, on a thread of its own: files are written there. It ends when docxy is to stop.
    pub fn start(self, stop: Stop, log: Log) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let work = async move {
            tokio::select! {
                () = self.keep(log) => {}
                () = stop.requested() => {}
            }
        };
        thread::Builder::new()
            .name("docxy-acme".to_owned())
            .spawn(move || runtime.block_on(work))?;
        Ok(())
    }

    async fn keep(mut self, log: Log) {
        let mut next = self.first(log);
        let mut failures = 0;
        loop {
            self.sleep_until(next, log).await;
            let attempt = caught(timeout(ATTEMPT, self.attempt(log))).await;
            let in_time = attempt.unwrap_or(Ok(Err(AttemptError::Panic)));
            match in_time.unwrap_or(Err(AttemptError::TooLong)) {
                Ok(held) => {
                    failures = 0;
                    next = self.show(held, log);
                    self.sleep(self.rest(), log).await;
                }
                Err(error) => {
                    failures += 1;
                    self.complain(&error, failures, log).await;
                }
            }
        }
    }

    /// When something is to be ordered for the first time since the start.
    fn first(&self, log: Log) -> SystemTime {
        let now = SystemTime::now();
        let names = self.settings.domains.join(", ");
        match &self.held {
            Some(held) if held.is_for(&self.settings.domains) => {
                let next = schedule::due(held.validity, luck());
                log.info(format_args!(
                    "ACME: the certificate for {names} is valid until {}, renewal from {}",
                    held.until(),
                    humantime::format_rfc3339_seconds(next)
                ));
                next
            }
            Some(_) => {
                log.info(format_args!(
                    "ACME: the certificate is not for all of {names}; ordering one that is"
                ));
                now
            }
            None => {
                log.info(format_args!(
                    "ACME: ordering the first certificate for {names}; no TLS until it is there"
                ));
                now
            }
        }
    }

    async fn attempt(&mut self, log: Log) -> Result<Held, AttemptError> {
        #[cfg(debug_assertions)]
        provoked::in_attempt();
        let account = self.account(log).await?;
        let made = order::certificate(&account, &self.settings.domains, &self.store).await;
        let pem = made.map_err(|error| match error {
            OrderError::Acme(error) if is_forgotten(&error) => {
                AttemptError::Forgotten(self.kept.account_path())
            }
            error => AttemptError::Order(error),
        })?;
        let held = Held::from_pem(pem.as_bytes()).map_err(AttemptError::Useless)?;
        if !held.is_for(&self.settings.domains) {
            let why = "it is not for the names that were ordered".to_owned();
            return Err(AttemptError::Useless(why));
        }
        if let Err(error) = self.kept.save_certificate(pem.as_bytes()) {
            log.error(format_args!(
                "ACME: the new certificate is in use but not kept, and a restart orders another: {error}; docxy tries again every hour"
            ));
        }
        Ok(held)
    }

    async fn account(&mut self, log: Log) -> Result<Account, AttemptError> {
        let way = self.way.borrow_and_update().clone();
        let client = Client::new(way.timeouts, log);
        let egress = Egress::open(&way.egress(&self.settings));
        let egress = egress.map_err(|error| AttemptError::NoWay(error.to_string()))?;
        let transport = Transport::new(client, egress);
        let builder = Account::builder_with_http(Box::new(transport));
        if let Some(bytes) = &self.account {
            let credentials = read_account(bytes).map_err(instant_acme::Error::Json)?;
            return Ok(builder.from_credentials(credentials).await?);
        }
        let email = self.settings.email.as_ref();
        let contact = email.map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.settings.directory.clone();
        let (account, credentials) = builder.create(&new, directory, None).await?;
        let bytes = serde_json::to_vec(&credentials).map_err(instant_acme::Error::Json)?;
        if let Err(error) = self.kept.save_account(&bytes) {
            log.error(format_args!(
                "ACME: the new account is in use but not kept, and a restart registers another: {error}; docxy tries again every hour"
            ));
        }
        self.account = Some(bytes);
        Ok(account)
    }

    /// Shows a new certificate, and says when it is renewed.
    fn show(&mut self, held: Held, log: Log) -> SystemTime {
        self.store.replace(CertSet::new(Arc::clone(&held.key)));
        let next = schedule::due(held.validity, luck());
        log.info(format_args!(
            "ACME: new certificate for {}, valid until {}, renewal from {}",
            self.settings.domains.join(", "),
            held.until(),
            humantime::format_rfc3339_seconds(next)
        ));
        if !held.validity.contains(SystemTime::now()) {
            log.error(format_args!(
                "ACME: by the clock of this machine the new certificate is not valid now; set the clock"
            ));
        }
        self.held = Some(held);
        next
    }

    fn rest(&self) -> Duration {
        let held = self.held.as_ref();
        held.map_or(Duration::ZERO, |held| schedule::rest(held.validity))
    }

    /// Says what went wrong and what that means, and waits; no longer than until there is another way.
    async fn complain(&mut self, error: &AttemptError, failures: u32, log: Log) {
        let held = self.held.as_ref();
        let pause = schedule::pause(failures, held.map(|held| held.validity), luck());
        let meanwhile = match held {
            None => "until there is one, TLS handshakes fail".to_owned(),
            Some(held) if held.is_of_use(SystemTime::now()) => {
                format!("the old one stays, valid until {}", held.until())
            }
            Some(held) => format!("the old one stays, which has expired at {}", held.until()),
        };
        log.error(format_args!(
            "ACME: no new certificate for {} from {}: {error}; {meanwhile}; next try in {}",
            self.settings.domains.join(", "),
            self.settings.directory,
            humantime::format_duration(Duration::from_secs(pause.as_secs().max(1)))
        ));
        // Either way it is time for another try.
        let _ = timeout(pause, self.way.changed()).await;
        self.save_again(log);
    }

    async fn sleep_until(&mut self, time: SystemTime, log: Log) {
        while let Ok(left) = time.duration_since(SystemTime::now()) {
            if left.is_zero() {
                return;
            }
            self.sleep(left.min(LOOK_AT_CLOCK), log).await;
        }
    }

    /// Whenever it wakes up, what could not be kept before may be.
    async fn sleep(&mut self, pause: Duration, log: Log) {
        sleep(pause).await;
        self.save_again(log);
    }

    fn save_again(&mut self, log: Log) {
        for path in self.kept.save_again() {
            log.info(format_args!(
                "ACME: {path}, which could not be written, is now"
            ));
        }
    }
}

impl Way {
    fn egress(&self, settings: &Settings) -> EgressSettings {
        let roots = settings.ca.iter().map(|path| ("acme-ca", path.clone()));
        EgressSettings {
            ca: roots.collect(),
            ..self.reaching.clone()
        }
    }
}

fn is_forgotten(error: &instant_acme::Error) -> bool {
    let instant_acme::Error::Api(problem) = error else {
        return false;
    };
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:accountDoesNotExist")
}

/// 0 to 1, anew each time. Without randomness there is no TLS either, and it does not matter which.
fn luck() -> f64 {
    let [byte, ..] = tls::random().unwrap_or_default();
    f64::from(byte) / f64::from(u8::MAX)
}
