//! Our own tokens: vending, listing, refreshing, revoking (contract, section 1.5).
//!
//! **Invariants:** a token holds no more than its owner; a refresh token works once, and a second use of it ends the
//! whole family (RFC 9700 section 2.2.2); a revocation counts at both doors before it is answered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::domain::Kind;
use crate::domain::access::{Permit, Rights};
use crate::domain::audit::{Deed, Event};
use crate::domain::claims::{AUDIENCE, Claims, ISSUER, Lifetime};
use crate::domain::identity::{AuthMethod, Identity, Machine, check_name};
use crate::domain::secret::Secret;
use crate::domain::token::{Refresh, Taken, Token};
use crate::store::{self, Store, secret_key};
use crate::token::{Issuer, random};

/// The client that vended tokens belong to.
const CLIENT: &str = "user-generated";
/// How long a family can be refreshed after its first token.
const REFRESHABLE: Duration = Duration::from_secs(7 * 86_400);
/// How long a machine's token lives; it asks again with its secret.
const MACHINE: Lifetime = Lifetime::ONE_HOUR;
const HOUR: Duration = Duration::from_secs(3600);
/// Rows of a list at most.
const MOST_ROWS: u32 = 1000;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Scopes were asked for that the caller does not hold.
    #[error("Requested scopes exceed user permissions: {0}")]
    Exceeds(String),
    /// A name or scope that cannot stand in a token.
    #[error("`{0}`: {1}")]
    Field(&'static str, &'static str),
    /// Too many in an hour; wait so many seconds.
    #[error("Rate limit exceeded. Maximum {0} tokens per hour.")]
    TooMany(u32, u64),
    /// The refresh token is unknown, used, or its person may do nothing any more.
    #[error("the refresh token is not valid")]
    NoGrant,
    /// There is no such token, or it is somebody else's.
    #[error("there is no such token")]
    Unknown,
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It could not be signed.
    #[error("the token could not be made")]
    System(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Exceeds(_) => Kind::Forbidden,
            Self::Field(..) => Kind::Invalid,
            Self::TooMany(_, seconds) => Kind::TooMany(*seconds),
            Self::NoGrant => Kind::Unauthenticated,
            Self::Unknown => Kind::NotFound,
            Self::Store(error) => error.kind(),
            Self::System(_) => Kind::Internal,
        }
    }
}

fn system(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::System(error.into())
}

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

/// A token, to be shown once.
#[derive(Debug)]
pub struct Vended {
    /// The token itself.
    pub token: Secret<String>,
    /// What it says.
    pub claims: Claims,
    /// What it can be refreshed with, and for how many seconds.
    pub refresh: Option<(Secret<String>, i64)>,
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
    per_hour: u32,
}

/// One token to be signed and kept.
struct Order<'a> {
    user: &'a str,
    /// The identity provider that knows them; none for accounts of our own.
    provider: Option<&'a str>,
    client: &'a str,
    groups: Vec<String>,
    scopes: BTreeSet<String>,
    lifetime: Lifetime,
    description: Option<String>,
    method: &'a str,
    /// It may not outlive this.
    latest: Option<Timestamp>,
    /// The family it continues, and until when that can be refreshed; none begins one.
    family: Option<(String, Timestamp)>,
    refreshable: bool,
    most: u32,
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
        Self {
            issuer,
            store,
            rights,
            clock,
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
        let by_token = !who.method.is_session();
        let user = if who.username.is_empty() {
            &who.client_id
        } else {
            &who.username
        };
        self.make(Order {
            user,
            provider: who.provider.as_deref(),
            client: CLIENT,
            groups: who.groups.clone(),
            scopes,
            lifetime: wish.lifetime,
            description: wish.description,
            method: who.method.as_str(),
            // A token cannot outlive the one that asked for it, or a stolen one could be renewed for ever.
            latest: by_token.then_some(who.until),
            family: None,
            // Of the others only their provider knows whether they are still welcome; they sign in there again.
            refreshable: who.method == AuthMethod::Session,
            most: self.per_hour,
        })
        .await
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
        self.make(Order {
            user: &machine.client_id,
            provider: None,
            client: &machine.client_id,
            groups: machine.groups.clone(),
            scopes,
            lifetime: MACHINE,
            description: None,
            method: "client_credentials",
            latest: None,
            family: None,
            refreshable: false,
            most: self.per_hour,
        })
        .await
    }

    /// End every token of one account, at once.
    pub async fn revoke_all(&self, actor: &str, account: &str) -> Result<(), Error> {
        for token in self.store.tokens(Some(account), u32::MAX).await? {
            if token.revoked_at.is_none() {
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
        self.make(Order {
            user,
            provider: None,
            client: CLIENT,
            groups,
            scopes,
            lifetime: wish.lifetime,
            description: wish.description,
            method: "operator",
            latest: None,
            family: None,
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
        self.make(Order {
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
            refreshable: true,
            most: u32::MAX,
        })
        .await
    }

    /// What was vended, newest first.
    pub async fn list(&self, owner: Owner<'_>) -> Result<Vec<Token>, Error> {
        Ok(self.store.tokens(owner.person(), MOST_ROWS).await?)
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

    async fn make(&self, order: Order<'_>) -> Result<Vended, Error> {
        check(&order)?;
        let now = self.clock.now();
        let end = now.plus(order.lifetime.duration());
        let end = order.latest.map_or(end, |latest| end.min(latest));
        let claims = self.claims(&order, now, end)?;
        let (family, refreshable_until) = match order.family {
            Some(family) => family,
            None => (claims.jti.clone(), now.plus(REFRESHABLE)),
        };
        let kept = Token {
            id: claims.jti.clone(),
            family: family.clone(),
            username: claims.identity().account(),
            scope: claims.scope.clone(),
            description: claims.description.clone(),
            issued_at: now,
            expires_at: end,
            revoked_at: None,
        };
        let refresh = order
            .refreshable
            .then(random::secret)
            .transpose()
            .map_err(system)?;
        let kept_refresh = refresh.as_ref().map(|secret| {
            let refresh = Refresh {
                family,
                username: claims.sub.clone(),
                scope: claims.scope.clone(),
                groups: claims.groups.clone(),
                hours: order.lifetime.hours(),
                expires_at: refreshable_until,
            };
            (secret_key(secret.expose()), refresh)
        });
        let token = self.issuer.sign(&claims).map_err(system)?;
        let hour_ago = Timestamp::from_unix(now.unix().saturating_sub(3600));
        if let Some(oldest) = self
            .store
            .insert_token(kept, kept_refresh, hour_ago, order.most)
            .await?
        {
            return Err(Error::TooMany(
                order.most,
                oldest.plus(HOUR).since(now).as_secs().max(1),
            ));
        }
        let seconds = refreshable_until.unix() - now.unix();
        Ok(Vended {
            token,
            claims,
            refresh: refresh.map(|secret| (secret, seconds)),
        })
    }

    fn claims(&self, order: &Order<'_>, now: Timestamp, end: Timestamp) -> Result<Claims, Error> {
        Ok(Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: order.user.to_owned(),
            preferred_username: order.user.to_owned(),
            groups: order.groups.clone(),
            scope: order
                .scopes
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            token_use: "access".to_owned(),
            auth_method: order.method.to_owned(),
            client_id: order.client.to_owned(),
            provider: order.provider.map(str::to_owned),
            jti: random::id().map_err(system)?,
            iat: now.unix(),
            nbf: now.unix(),
            exp: end.unix(),
            description: order.description.clone(),
        })
    }
}

fn check(order: &Order<'_>) -> Result<(), Error> {
    check_name(order.user).map_err(|reason| Error::Field("user", reason))?;
    for group in &order.groups {
        check_name(group).map_err(|reason| Error::Field("groups", reason))?;
    }
    // RFC 6749 section 3.3: scope names are parted by spaces.
    if order
        .scopes
        .iter()
        .any(|scope| scope.is_empty() || !scope.bytes().all(|b| b.is_ascii_graphic()))
    {
        return Err(Error::Field(
            "scopes",
            "a scope's name has printable ASCII only, without spaces",
        ));
    }
    if order
        .description
        .as_ref()
        .is_some_and(|text| text.chars().count() > 500)
    {
        return Err(Error::Field(
            "description",
            "it may be at most 500 characters long",
        ));
    }
    Ok(())
}
