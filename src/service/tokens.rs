//! Our own tokens: vending, listing, refreshing, revoking (contract, section 1.5).
//!
//! **Invariants:** a token holds no more than its owner; a refresh token works once, and a second use of it ends the
//! whole family (RFC 9700 section 2.2.2); a revocation counts at both doors before it is answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

pub use super::vending::{Error, Vended};
use super::vending::{MACHINE_METHOD, Order, REFRESHABLE, Vending, system};
use crate::clock::{Clock, Timestamp};
use crate::domain::access::{Permit, Rights};
use crate::domain::audit::{Deed, Event};
use crate::domain::claims::{Lifetime, OPERATOR};
use crate::domain::identity::{AuthMethod, Identity, Machine};
use crate::domain::secret::Secret;
use crate::domain::token::{Proof, Taken, Token};
use crate::store::{Counted, Store, secret_key};
use crate::token::Issuer;

/// The client that vended tokens belong to.
const CLIENT: &str = "user-generated";
/// How long a machine's token lives; it asks again with its secret.
const MACHINE: Lifetime = Lifetime::ONE_HOUR;
/// Rows of a list at most.
const MOST_ROWS: u32 = 1000;

/// What is wished.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Which scopes; none means all that the caller holds.
    pub scopes: Option<BTreeSet<String>>,
    /// For how long.
    pub lifetime: Lifetime,
    /// What it is for.
    pub description: Option<String>,
}

/// Whose tokens are meant.
#[derive(Debug, Clone, Copy)]
pub enum Owner<'a> {
    /// Everybody's.
    Anybody,
    /// One person's.
    Person(&'a str),
}

impl<'a> Owner<'a> {
    /// One person's, or everybody's.
    pub fn of(person: Option<&'a str>) -> Self {
        person.map_or(Self::Anybody, Self::Person)
    }

    /// The one person, if it is one.
    pub fn person(self) -> Option<&'a str> {
        match self {
            Self::Anybody => None,
            Self::Person(name) => Some(name),
        }
    }
}

/// Vends tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    issuer: Issuer,
    store: Arc<dyn Store>,
    rights: watch::Receiver<Arc<Rights>>,
    clock: Arc<dyn Clock>,
    vending: Vending,
    per_hour: u32,
}

impl Tokens {
    /// Over a key set; one person may make `per_hour` tokens in an hour.
    pub fn new(
        issuer: Issuer,
        store: Arc<dyn Store>,
        rights: watch::Receiver<Arc<Rights>>,
        clock: Arc<dyn Clock>,
        per_hour: u32,
    ) -> Self {
        let vending = Vending {
            issuer: issuer.clone(),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
        };
        Self {
            issuer,
            store,
            rights,
            clock,
            vending,
            per_hour,
        }
    }

    /// Learn which tokens were revoked before the start.
    pub async fn remember_revoked(&self) -> Result<(), Error> {
        self.issuer
            .revoke(self.store.revoked_tokens(self.clock.now()).await?);
        Ok(())
    }

    /// A token for the caller, with no more than the caller holds.
    pub async fn vend(&self, who: &Identity, wish: Wish) -> Result<Vended, Error> {
        let scopes = wish.scopes.unwrap_or_else(|| who.scopes.clone());
        let beyond: Vec<&str> = scopes.difference(&who.scopes).map(String::as_str).collect();
        if !beyond.is_empty() {
            return Err(Error::Exceeds(beyond.join(" ")));
        }
        // What a token makes ends with it.
        let family = match &who.token {
            Some(id) => {
                let parent = self.store.token(id).await?;
                parent.map(|parent| (parent.family, self.clock.now().plus(REFRESHABLE)))
            }
            None => None,
        };
        self.vending
            .make(Order {
                user: &who.subject(),
                provider: who.provider.as_deref(),
                client: CLIENT,
                groups: self.known_groups(&who.groups),
                scopes,
                lifetime: wish.lifetime,
                description: wish.description,
                method: who.method.as_str(),
                // A token cannot outlive the one that asked for it, or a stolen one could be renewed for ever; nor a
                // session at a provider, or nobody would ask any more whether its person is still welcome.
                latest: (who.method != AuthMethod::Session).then_some(who.until),
                family,
                // The session may have ended, or changed, since it was looked at.
                proof: match who.method {
                    AuthMethod::Session | AuthMethod::OAuth2 => Proof::Session {
                        until: who.until,
                        groups: who.groups.clone(),
                    },
                    _ => Proof::Family,
                },
                // Of the others only their provider knows whether they are still welcome; they sign in there again.
                refreshable: who.method == AuthMethod::Session,
                most: self.per_hour,
            })
            .await
    }

    /// The groups that mean something here: a token with thousands of others would be too large for any header.
    fn known_groups(&self, groups: &[String]) -> Vec<String> {
        let rights = self.rights.borrow();
        let known = groups
            .iter()
            .filter(|group| rights.policy.groups().contains_key(*group));
        known.cloned().collect()
    }

    /// A token for a machine account of ours: all of its scopes, or those of `scopes` that it holds.
    pub async fn vend_machine(
        &self,
        machine: &Machine,
        scopes: Option<BTreeSet<String>>,
    ) -> Result<Vended, Error> {
        let held = self.rights.borrow().policy.scopes_for(&machine.groups);
        let scopes = scopes.unwrap_or_else(|| held.clone());
        let beyond: Vec<&str> = scopes.difference(&held).map(String::as_str).collect();
        if !beyond.is_empty() {
            return Err(Error::Exceeds(beyond.join(" ")));
        }
        self.vending
            .make(Order {
                user: &machine.client_id,
                provider: None,
                client: &machine.client_id,
                groups: machine.groups.clone(),
                scopes,
                lifetime: MACHINE,
                description: None,
                method: MACHINE_METHOD,
                latest: None,
                family: None,
                proof: Proof::Machine,
                refreshable: false,
                most: self.per_hour,
            })
            .await
    }

    /// End every token of one account, at once.
    pub async fn revoke_all(&self, actor: &str, account: &str) -> Result<(), Error> {
        self.revoke_beyond(actor, account, None).await
    }

    /// A session of somebody from a provider has ended before its time: end those of their tokens that no other session
    /// of theirs outlives, because while none is open their provider is not asked about them.
    pub async fn session_ended(&self, actor: &str, account: &str) -> Result<(), Error> {
        let open = self
            .store
            .sessions(Some(account), self.clock.now(), MOST_ROWS)
            .await?;
        let watched = open.iter().map(|session| session.expires_at).max();
        self.revoke_beyond(actor, account, watched).await
    }

    /// End the tokens of one account that live longer than until then.
    async fn revoke_beyond(&self, actor: &str, account: &str, until: Option<Timestamp>) -> Result<(), Error> {
        for token in self.store.tokens(Some(account), u32::MAX).await? {
            if token.revoked_at.is_none() && until.is_none_or(|until| token.expires_at > until) {
                self.revoke(actor, Owner::Person(account), &token.id).await?;
            }
        }
        Ok(())
    }

    /// A token for anybody, on the operator's word: the scopes named, or those of the groups.
    pub async fn vend_for(
        &self,
        _: &Permit,
        user: &str,
        groups: Vec<String>,
        wish: Wish,
    ) -> Result<Vended, Error> {
        let scopes = wish
            .scopes
            .unwrap_or_else(|| self.rights.borrow().policy.scopes_for(&groups));
        self.vending
            .make(Order {
                user,
                provider: None,
                client: CLIENT,
                groups,
                scopes,
                lifetime: wish.lifetime,
                description: wish.description,
                method: OPERATOR,
                latest: None,
                family: None,
                proof: Proof::Family,
                refreshable: false,
                most: u32::MAX,
            })
            .await
    }

    /// The next token of a family (RFC 6749 section 6), with what is left of its rights.
    pub async fn refresh(&self, token: &Secret<String>) -> Result<Vended, Error> {
        let now = self.clock.now();
        let good = match self.store.take_refresh(secret_key(token.expose()), now).await? {
            Taken::Good(good) => good,
            Taken::Reused { revoked } => {
                tracing::warn!(
                    tokens = revoked.len(),
                    "a refresh token was used twice; its family has ended"
                );
                self.issuer.revoke(revoked);
                return Err(Error::NoGrant);
            }
            Taken::Unknown => return Err(Error::NoGrant),
        };
        // The person may have lost the account or some of the groups since.
        let account = self.store.account(&good.username).await?.ok_or(Error::NoGrant)?;
        let present = self.rights.borrow().policy.scopes_for(&account.groups);
        let scopes: BTreeSet<String> = good
            .scope
            .split_whitespace()
            .map(str::to_owned)
            .filter(|scope| present.contains(scope))
            .collect();
        if scopes.is_empty() {
            return Err(Error::NoGrant);
        }
        self.vending
            .make(Order {
                user: &good.username,
                provider: None,
                client: CLIENT,
                groups: account.groups,
                scopes,
                lifetime: Lifetime::from_hours(i64::from(good.hours)).unwrap_or_default(),
                description: None,
                method: AuthMethod::Session.as_str(),
                latest: None,
                family: Some((good.family, good.expires_at)),
                proof: Proof::Family,
                refreshable: true,
                most: u32::MAX,
            })
            .await
    }

    /// What was vended, newest first.
    pub async fn list(&self, owner: Owner<'_>) -> Result<Vec<Token>, Error> {
        Ok(self.store.tokens(owner.person(), MOST_ROWS).await?)
    }

    /// How many of them there are, listed or not.
    pub async fn count(&self, owner: Owner<'_>) -> Result<u64, Error> {
        Ok(self.store.count(Counted::Tokens(owner.person())).await?)
    }

    /// End a token and its refreshes, at once. Somebody else's looks like none.
    pub async fn revoke(&self, actor: &str, owner: Owner<'_>, id: &str) -> Result<(), Error> {
        let token = self.store.token(id).await?.ok_or(Error::Unknown)?;
        if owner.person().is_some_and(|name| name != token.username) {
            return Err(Error::Unknown);
        }
        let event = Event {
            at: self.clock.now(),
            actor: actor.to_owned(),
            deed: Deed::TokenRevoked,
            target: id.to_owned(),
        };
        let ended = self.store.revoke_family(&token.family, event).await?;
        self.issuer.revoke(ended);
        tracing::info!(token.id = id, identity.subject = actor, "token revoked");
        Ok(())
    }

    /// Sign with a new key from now on; its id.
    pub fn rotate_keys(&self, _: &Permit) -> Result<String, Error> {
        let id = self.issuer.rotate().map_err(system)?;
        tracing::info!(key.id = id, "signing with a new key");
        Ok(id)
    }

    /// The public keys (RFC 7517).
    pub fn jwks(&self) -> serde_json::Value {
        self.issuer.jwks()
    }
}
