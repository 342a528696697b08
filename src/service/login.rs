//! Signing in with a local account, and out.
//!
//! **Invariants:** tries are limited per address and per pair of address and name, so nobody can lock somebody else
//! out; a name that does not exist takes as long as a wrong password; the store holds only the hash of a session's id.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Kind;
use crate::domain::access::Permit;
use crate::domain::audit::{Deed, Event};
use crate::domain::identity::{Account, OpenSession, Session, check_name};
use crate::domain::limit::Tries;
use crate::domain::secret::Secret;
use crate::store::{self, Counted, Store};
use crate::token::{password, random};

/// Eight hours (API documentation, "Session Expiration").
pub const SESSION_LENGTH: Duration = Duration::from_secs(8 * 3600);

/// Failures at once, and how long each is held against an address …
const PER_ADDRESS: (u32, Duration) = (30, Duration::from_secs(10));
/// … and against an address with one name.
const PER_PAIR: (u32, Duration) = (5, Duration::from_secs(60));

/// Rows of a list at most.
const MOST_ROWS: u32 = 1000;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such account, or another password.
    #[error("Invalid username or password")]
    Wrong,
    /// Too many failures from here; wait so many seconds.
    #[error("too many failed sign-ins; try again in {0} seconds")]
    TooMany(u64),
    /// The name cannot be an account's.
    #[error("`{0}` cannot be a name: {1}")]
    Name(String, &'static str),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The machine could not hash or gave no random bytes.
    #[error("the sign-in could not be completed")]
    System(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Wrong => Kind::Unauthenticated,
            Self::TooMany(seconds) => Kind::TooMany(*seconds),
            Self::Name(..) => Kind::Invalid,
            Self::Store(error) => error.kind(),
            Self::System(_) => Kind::Internal,
        }
    }
}

fn system(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::System(error.into())
}

/// Local accounts and their sessions.
#[derive(Debug, Clone)]
pub struct Login {
    store: Arc<dyn Store>,
    passwords: password::Passwords,
    clock: Arc<dyn Clock>,
    tries: Arc<Mutex<Failures>>,
}

#[derive(Debug)]
struct Failures {
    addresses: Tries<IpAddr>,
    pairs: Tries<(IpAddr, String)>,
}

impl Login {
    /// Over a store.
    pub fn new(store: Arc<dyn Store>, passwords: password::Passwords, clock: Arc<dyn Clock>) -> Self {
        let addresses = Tries::new(PER_ADDRESS.0, PER_ADDRESS.1);
        let pairs = Tries::new(PER_PAIR.0, PER_PAIR.1);
        Self {
            store,
            passwords,
            clock,
            tries: Arc::new(Mutex::new(Failures { addresses, pairs })),
        }
    }

    /// Sign in, with a browser that is called so. The answer is the session's id, for the cookie alone.
    pub async fn sign_in(
        &self,
        from: IpAddr,
        name: &str,
        password: Secret<String>,
        agent: String,
    ) -> Result<Secret<String>, Error> {
        let key = (from, name.chars().take(128).collect::<String>());
        self.claim_try(&key)?;
        let account = self.store.account(name).await?;
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let fits = self.passwords.verify(password, hash).await.map_err(system)?;
        let Some(account) = account.filter(|_| fits) else {
            tracing::warn!(client.address = %from, "a sign-in failed");
            return Err(Error::Wrong);
        };
        {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            tries.pairs.clear(&key);
            tries.addresses.clear(&from);
        }
        let id = random::secret().map_err(system)?;
        let now = self.clock.now();
        let session = Session {
            username: account.username.clone(),
            groups: account.groups,
            created_at: now,
            expires_at: now.plus(SESSION_LENGTH),
            provider: None,
            sealed: None,
            check_at: None,
            agent,
        };
        self.store
            .insert_session(store::secret_key(id.expose()), session)
            .await?;
        tracing::info!(identity.subject = account.username, "signed in");
        Ok(id)
    }

    /// A try is counted before it is made, so that many at once cannot slip through together.
    fn claim_try(&self, key: &(IpAddr, String)) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = [tries.addresses.wait(&key.0, now), tries.pairs.wait(key, now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(Error::TooMany(wait.as_secs().max(1)));
        }
        tries.addresses.fail(key.0, now);
        tries.pairs.fail(key.clone(), now);
        Ok(())
    }

    /// Open sessions of one person, or of all, newest first.
    pub async fn sessions(&self, person: Option<&str>) -> Result<Vec<OpenSession>, Error> {
        Ok(self.store.sessions(person, self.clock.now(), MOST_ROWS).await?)
    }

    /// How many of them there are, listed or not.
    pub async fn count_sessions(&self, person: Option<&str>) -> Result<u64, Error> {
        let what = Counted::Sessions(person, self.clock.now());
        Ok(self.store.count(what).await?)
    }

    /// What lists call the session of a browser that shows this id.
    pub fn session_name(&self, id: &str) -> String {
        store::session_name(id)
    }

    /// End a session by its name in the list; of `person` alone if one is given. Whose it was, if there was one.
    pub async fn end_session(
        &self,
        actor: &str,
        person: Option<&str>,
        id: &str,
    ) -> Result<Option<String>, Error> {
        let (at, actor) = (self.clock.now(), actor.to_owned());
        let event = Event {
            at,
            actor,
            deed: Deed::SessionEnded,
            target: id.to_owned(),
        };
        Ok(self.store.end_session(id, person, event).await?)
    }

    /// Whether there is such a local account.
    pub async fn has_account(&self, name: &str) -> Result<bool, Error> {
        Ok(self.store.account(name).await?.is_some())
    }

    /// Whether this is the account's password; no try is counted, because the settings ask and not a person.
    pub async fn fits(&self, name: &str, password: Secret<String>) -> Result<bool, Error> {
        let hash = self
            .store
            .account(name)
            .await?
            .map(|account| account.password_hash);
        self.passwords.verify(password, hash).await.map_err(system)
    }

    /// Make a local account or give it a new password; its sessions end.
    pub async fn set_password(
        &self,
        permit: &Permit,
        name: &str,
        groups: Vec<String>,
        password: Secret<String>,
    ) -> Result<(), Error> {
        check_name(name).map_err(|reason| Error::Name(name.to_owned(), reason))?;
        if name.contains(':') {
            let reason = "a colon parts the names of identity providers from those of people";
            return Err(Error::Name(name.to_owned(), reason));
        }
        let password_hash = self.passwords.hash(password).await.map_err(system)?;
        let account = Account {
            username: name.to_owned(),
            password_hash,
            groups,
        };
        let actor = permit.actor().to_owned();
        let event = Event {
            at: self.clock.now(),
            actor,
            deed: Deed::PasswordReset,
            target: name.to_owned(),
        };
        if self.store.put_account(account, event).await? {
            Ok(())
        } else {
            Err(Error::Name(name.to_owned(), "a machine account has this name"))
        }
    }
}
