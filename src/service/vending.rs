//! Signing a token and keeping what is said about it: the one way in which tokens come into the world.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::domain::Kind;
use crate::domain::claims::{AUDIENCE, Claims, ISSUER, Lifetime};
use crate::domain::identity::{MACHINE, check_name};
use crate::domain::secret::Secret;
use crate::domain::token::{Inserted, Proof, Refresh, Token};
use crate::store::{self, Store, secret_key};
use crate::token::{Issuer, random};

/// How long a family can be refreshed after its first token.
pub(super) const REFRESHABLE: Duration = Duration::from_secs(7 * 86_400);
const HOUR: Duration = Duration::from_secs(3600);
/// How a machine account proves itself.
pub(super) const MACHINE_METHOD: &str = "client_credentials";

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
    /// What it would continue (a session, a refresh token) is unknown, used up or has ended.
    #[error("what the token would continue is not valid, or has ended")]
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

pub(super) fn system(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::System(error.into())
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

/// One token to be signed and kept.
pub(super) struct Order<'a> {
    pub(super) user: &'a str,
    /// The identity provider that knows them; none for accounts of our own.
    pub(super) provider: Option<&'a str>,
    pub(super) client: &'a str,
    pub(super) groups: Vec<String>,
    pub(super) scopes: BTreeSet<String>,
    pub(super) lifetime: Lifetime,
    pub(super) description: Option<String>,
    pub(super) method: &'a str,
    /// It may not outlive this.
    pub(super) latest: Option<Timestamp>,
    /// The family it continues, and until when that can be refreshed; none begins one.
    pub(super) family: Option<(String, Timestamp)>,
    /// What must still hold when it is kept.
    pub(super) proof: Proof,
    pub(super) refreshable: bool,
    pub(super) most: u32,
}

/// Signs and keeps.
#[derive(Debug, Clone)]
pub(super) struct Vending {
    pub(super) issuer: Issuer,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Vending {
    pub(super) async fn make(&self, order: Order<'_>) -> Result<Vended, Error> {
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
        let limit = (hour_ago, order.most);
        match self
            .store
            .insert_token(kept, kept_refresh, limit, order.proof)
            .await?
        {
            Inserted::Kept => {}
            Inserted::Ended => return Err(Error::NoGrant),
            Inserted::TooMany(oldest) => {
                let wait = oldest.plus(HOUR).since(now).as_secs().max(1);
                return Err(Error::TooMany(order.most, wait));
            }
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
    let name = order.user.strip_prefix(MACHINE).unwrap_or(order.user);
    check_name(name).map_err(|reason| Error::Field("user", reason))?;
    for group in &order.groups {
        check_name(group).map_err(|reason| Error::Field("groups", reason))?;
    }
    // RFC 6749 section 3.3: scope names are separated by spaces.
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
