//! Accounts of the operator's, one for each upstream that has one: whoever brings no credentials of his own for it is asked
//! for in its name. The tokens that it gets stay within docxy.

pub mod secret;
pub mod tokens;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use self::secret::{Secret, SecretSource};
use self::tokens::Tokens;
use crate::registry::table::{Table, UpstreamId};

/// How long a token server that has refused the account is not asked again: it may count what it takes for guesses.
const REFUSED: Duration = Duration::from_secs(10);

/// What is set for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Who it is.
    pub username: String,
    /// Where its password is.
    pub password: SecretSource,
}

/// The account of one upstream, and what it has got.
pub struct Account {
    settings: AccountSettings,
    password: RwLock<Secret>,
    /// Whether the upstream has asked for the password itself (RFC 7617) rather than for a token.
    is_basic: AtomicBool,
    refused: Mutex<Option<Instant>>,
    /// The tokens that it has got.
    pub tokens: Tokens,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("username", &self.settings.username)
            .finish_non_exhaustive()
    }
}

impl Account {
    fn open(settings: &AccountSettings) -> Result<Account, String> {
        Ok(Account {
            password: RwLock::new(settings.password.read()?),
            settings: settings.clone(),
            is_basic: AtomicBool::new(false),
            refused: Mutex::default(),
            tokens: Tokens::default(),
        })
    }

    /// The one that is known, with its password read anew, if it is the same.
    fn open_or_renew(
        settings: &AccountSettings,
        known: Option<&Arc<Account>>,
    ) -> Result<Arc<Account>, String> {
        match known {
            Some(known) if known.settings == *settings => {
                known.renew(settings.password.read()?);
                Ok(Arc::clone(known))
            }
            _ => Ok(Arc::new(Account::open(settings)?)),
        }
    }

    /// What follows `Basic` in its `Authorization`.
    pub fn basic(&self) -> String {
        let password = self.password.read().unwrap_or_else(PoisonError::into_inner);
        self.basic_of(&password)
    }

    fn basic_of(&self, password: &Secret) -> String {
        BASE64_STANDARD.encode(format!("{}:{}", self.settings.username, password.text()))
    }

    /// Remembers that the upstream wants the password itself.
    pub fn learn_basic(&self) {
        self.is_basic.store(true, Ordering::Relaxed);
    }

    /// Remembers that the upstream wants a token after all.
    pub fn forget_basic(&self) {
        self.is_basic.store(false, Ordering::Relaxed);
    }

    /// Whether the upstream wants the password itself.
    pub fn is_basic(&self) -> bool {
        self.is_basic.load(Ordering::Relaxed)
    }

    /// Remembers that this, which followed `Basic`, was refused; `false` if there is another password by now.
    pub fn refuse(&self, basic: &str, now: Instant) -> bool {
        // Held meanwhile, so that a new one does not come between.
        let password = self.password.read().unwrap_or_else(PoisonError::into_inner);
        let is_current = self.basic_of(&password) == basic;
        if is_current {
            *self.refused() = Some(now);
        }
        is_current
    }

    /// Whether its password was refused just now.
    pub fn is_refused(&self, now: Instant) -> bool {
        self.refused()
            .is_some_and(|at| now.duration_since(at) < REFUSED)
    }

    fn refused(&self) -> MutexGuard<'_, Option<Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes this password from now on; tokens that another one has got are dropped.
    fn renew(&self, password: Secret) {
        let mut current = self
            .password
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if *current != password {
            *current = password;
            *self.refused() = None;
            self.tokens.clear();
        }
    }
}

/// All accounts.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// By the place of the upstream.
    of: Vec<Option<Arc<Account>>>,
}

impl Accounts {
    /// Reads the passwords of these accounts, which stand at the places of their upstreams. Those of `before` that are the
    /// same for the same upstream keep what they have got. An error is one line that names the account.
    pub fn open(
        settings: &[Option<AccountSettings>],
        table: &Table,
        before: Option<(&Accounts, &Table)>,
    ) -> Result<Accounts, String> {
        let known = |id| {
            let (accounts, old) = before?;
            accounts.get(old.counterpart(table, id)?)
        };
        let mut of = Vec::new();
        for (id, settings) in table.ids().zip(settings) {
            let open = |settings| Account::open_or_renew(settings, known(id));
            let opened = settings.as_ref().map(open).transpose();
            of.push(opened.map_err(|why| format!("the account of {}: {why}", table.get(id).name))?);
        }
        Ok(Accounts { of })
    }

    /// The account of an upstream, if it has one.
    pub fn get(&self, upstream: UpstreamId) -> Option<&Arc<Account>> {
        self.of.get(upstream.index())?.as_ref()
    }

    /// The files of passwords.
    pub fn files(&self) -> Vec<PathBuf> {
        let all = self.of.iter().flatten();
        all.filter_map(|account| account.settings.password.file())
            .cloned()
            .collect()
    }

    /// Reads all passwords anew. Those that cannot be read stay as they were, and the reasons are returned.
    pub fn read_anew(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for account in self.of.iter().flatten() {
            match account.settings.password.read() {
                Ok(password) => account.renew(password),
                Err(why) => faults.push(why),
            }
        }
        faults
    }

    /// What the operator should know of the files.
    pub fn warnings(&self) -> Vec<String> {
        let all = self.of.iter().flatten();
        all.filter_map(|account| account.settings.password.warning())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_of_today_can_be_refused() {
        let settings = AccountSettings {
            username: "robot".to_owned(),
            password: SecretSource::Variable("DOCXY_TEST_UNSET".to_owned()),
        };
        let account = Account {
            settings,
            password: RwLock::new(Secret::new("old".to_owned())),
            is_basic: AtomicBool::new(false),
            refused: Mutex::default(),
            tokens: Tokens::default(),
        };
        let (old, now) = (account.basic(), Instant::now());
        assert!(account.refuse(&old, now) && account.is_refused(now));
        account.renew(Secret::new("new".to_owned()));
        assert!(!account.is_refused(now), "nobody has refused the new one");
        assert!(!account.refuse(&old, now) && !account.is_refused(now));
        let new = account.basic();
        assert!(account.refuse(&new, now) && account.is_refused(now));
        assert!(!account.is_refused(now + REFUSED));
    }
}
