//! Machines: accounts of our own with an id and a secret, and the client credentials grant (RFC 6749 section 4.4) for them
//! and, handed through, for the machines of a provider.
//!
//! **Invariants:** a secret is shown once and kept as an argon2id hash; a name that does not exist takes as long as a
//! wrong secret; tries are limited per address and name; a secret is sent to one provider at most.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use crate::clock::Clock;
use crate::domain::Kind;
use crate::domain::access::Permit;
use crate::domain::audit::{Deed, Event};
use crate::domain::identity::{Machine, Vendor, check_name};
use crate::domain::limit::Tries;
use crate::domain::secret::Secret;
use crate::idp::{self, Granted, Provider, Providers};
use crate::store::{self, Counted, Store};
use crate::token::{password, random};

/// Failures at once, and how long each is held against an address …
const PER_ADDRESS: (u32, Duration) = (30, Duration::from_secs(10));
/// … and against an address with one name.
const PER_PAIR: (u32, Duration) = (10, Duration::from_secs(10));
/// Rows of a list at most.
const MOST_ROWS: u32 = 1000;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field that cannot be taken.
    #[error("`{0}`: {1}")]
    Field(&'static str, &'static str),
    /// The name is taken.
    #[error("there is already an account named `{0}`")]
    Taken(String),
    /// There is no such machine.
    #[error("there is no machine account named `{0}`")]
    Unknown(String),
    /// Too many failures; wait so many seconds.
    #[error("too many failed tries; try again in {0} seconds")]
    TooMany(u64),
    /// The provider is away.
    #[error(transparent)]
    Provider(#[from] idp::Error),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The machine could not hash or gave no random bytes.
    #[error("the account could not be made")]
    System(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Field(..) => Kind::Invalid,
            Self::Taken(_) => Kind::Conflict,
            Self::Unknown(_) => Kind::NotFound,
            Self::TooMany(seconds) => Kind::TooMany(*seconds),
            Self::Provider(_) => Kind::Unavailable,
            Self::Store(error) => error.kind(),
            Self::System(_) => Kind::Internal,
        }
    }
}

fn system(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::System(error.into())
}

/// What a machine that asks for a token is.
#[derive(Debug)]
pub enum Known {
    /// An account of ours.
    Ours(Machine),
    /// A machine of a provider: the token that it was given there.
    Elsewhere(Handed),
    /// A machine of a provider that was refused there: an error code of RFC 6749 section 5.2.
    Refused(&'static str),
}

/// A token of a provider, handed through.
#[derive(Debug)]
pub struct Handed {
    /// The token.
    pub access_token: Secret<String>,
    /// How many seconds it lives.
    pub expires_in: i64,
    /// Its scopes, separated by spaces, if the provider says.
    pub scope: Option<String>,
}

/// A machine that is to be made.
#[derive(Debug, Clone, Deserialize)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its groups.
    pub groups: Vec<String>,
}

/// Machine accounts.
#[derive(Debug, Clone)]
pub struct Machines {
    store: Arc<dyn Store>,
    providers: Providers,
    passwords: password::Passwords,
    clock: Arc<dyn Clock>,
    /// The provider that machines are handed through to, where there are several.
    primary: Option<String>,
    tries: Arc<Mutex<Failures>>,
}

#[derive(Debug)]
struct Failures {
    addresses: Tries<IpAddr>,
    pairs: Tries<(IpAddr, String)>,
}

impl Machines {
    /// Over a store, and the provider of this name for machines of elsewhere.
    pub fn new(
        store: Arc<dyn Store>,
        providers: Providers,
        passwords: password::Passwords,
        clock: Arc<dyn Clock>,
        primary: Option<String>,
    ) -> Self {
        Self {
            store,
            providers,
            passwords,
            clock,
            primary,
            tries: Arc::new(Mutex::new(Failures {
                addresses: Tries::new(PER_ADDRESS.0, PER_ADDRESS.1),
                pairs: Tries::new(PER_PAIR.0, PER_PAIR.1),
            })),
        }
    }

    /// Make an account; its secret is the second half of the answer and is never seen again.
    pub async fn create(&self, permit: &Permit, wish: Wish) -> Result<(Machine, Secret<String>), Error> {
        check_name(&wish.name).map_err(|reason| Error::Field("name", reason))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._@-/".contains(c);
        if !wish.name.chars().all(plain) {
            return Err(Error::Field("name", "expected letters, digits and `._@-/`"));
        }
        if wish.groups.is_empty() {
            return Err(Error::Field("groups", "expected at least one group"));
        }
        for group in &wish.groups {
            check_name(group).map_err(|reason| Error::Field("groups", reason))?;
        }
        if wish.description.chars().count() > 500 {
            return Err(Error::Field(
                "description",
                "it may be at most 500 characters long",
            ));
        }
        let secret = random::secret().map_err(system)?;
        let machine = Machine {
            client_id: wish.name,
            description: wish.description,
            secret_hash: self.passwords.hash(secret.clone()).await.map_err(system)?,
            groups: wish.groups,
            created_by: permit.actor().to_owned(),
            created_at: self.clock.now(),
        };
        let event = self.event(permit, Deed::MachineCreated, &machine.client_id);
        if !self.store.insert_machine(machine.clone(), event).await? {
            return Err(Error::Taken(machine.client_id));
        }
        Ok((machine, secret))
    }

    /// All of them, by name.
    pub async fn list(&self, _: &Permit) -> Result<Vec<Machine>, Error> {
        Ok(self.store.machines(MOST_ROWS).await?)
    }

    /// How many there are, listed or not.
    pub async fn count(&self, _: &Permit) -> Result<u64, Error> {
        Ok(self.store.count(Counted::Machines).await?)
    }

    /// Remove one; whoever calls this ends its tokens.
    pub async fn remove(&self, permit: &Permit, name: &str) -> Result<(), Error> {
        let event = self.event(permit, Deed::MachineRemoved, name);
        if self.store.remove_machine(name, event).await? {
            Ok(())
        } else {
            Err(Error::Unknown(name.to_owned()))
        }
    }

    /// Who this is, by id and secret; none when they do not fit, here or at the provider.
    pub async fn authenticate(
        &self,
        from: IpAddr,
        client_id: &str,
        secret: Secret<String>,
        scopes: Option<&BTreeSet<String>>,
    ) -> Result<Option<Known>, Error> {
        let key = (from, client_id.chars().take(128).collect::<String>());
        self.claim_try(&key)?;
        let machine = self.store.machine(client_id).await?;
        let provider = if machine.is_none() { self.handed_to() } else { None };
        let known = match provider {
            Some(provider) => {
                let words: Option<Vec<&str>> =
                    scopes.map(|scopes| scopes.iter().map(String::as_str).collect());
                let scope = words.map(|words| words.join(" "));
                let granted = self
                    .providers
                    .client_credentials(&provider, client_id, &secret, scope.as_deref())
                    .await?;
                Some(match granted {
                    Granted::No(code) => Known::Refused(code),
                    Granted::Token {
                        access_token,
                        expires_in,
                        scope,
                    } => Known::Elsewhere(Handed {
                        access_token,
                        expires_in,
                        scope,
                    }),
                })
            }
            None => {
                let hash = machine.as_ref().map(|machine| machine.secret_hash.clone());
                let fits = self.passwords.verify(secret, hash).await.map_err(system)?;
                machine.filter(|_| fits).map(Known::Ours)
            }
        };
        match known {
            None | Some(Known::Refused("invalid_client" | "unauthorized_client")) => {
                tracing::warn!(client.address = %from, "a machine's sign-in failed");
            }
            // Another refusal says nothing of the secret: a provider may look at the scope first.
            Some(Known::Refused(_)) => {}
            Some(Known::Ours(_) | Known::Elsewhere(_)) => {
                let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
                tries.addresses.clear(&from);
                tries.pairs.clear(&key);
            }
        }
        Ok(known)
    }

    /// The one provider whose machines ask us: the primary one, or the only Keycloak or Cognito there is.
    fn handed_to(&self) -> Option<Arc<Provider>> {
        if let Some(name) = &self.primary {
            return self.providers.find(name);
        }
        let all = self.providers.all();
        let mut fitting = all
            .iter()
            .filter(|one| matches!(one.vendor, Vendor::Keycloak | Vendor::Cognito));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(Arc::clone(only)),
            _ => None,
        }
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

    fn event(&self, permit: &Permit, deed: Deed, target: &str) -> Event {
        Event {
            at: self.clock.now(),
            actor: permit.actor().to_owned(),
            deed,
            target: target.to_owned(),
        }
    }
}
