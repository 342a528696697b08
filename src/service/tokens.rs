//! Vending our own tokens (contract, section 1.5).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::domain::Kind;
use crate::domain::access::{Permit, Rights};
use crate::domain::claims::{AUDIENCE, Claims, ISSUER, Lifetime};
use crate::domain::identity::{AuthMethod, Identity, check_name};
use crate::domain::secret::Secret;
use crate::token::{Issuer, random};

/// The client that vended tokens belong to.
const CLIENT: &str = "user-generated";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Scopes were asked for that the caller does not hold.
    #[error("Requested scopes exceed user permissions: {0}")]
    Exceeds(String),
    /// A name or scope that cannot stand in a token.
    #[error("`{0}`: {1}")]
    Field(&'static str, &'static str),
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
            Self::System(_) => Kind::Internal,
        }
    }
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
}

/// Vends tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    issuer: Issuer,
    rights: watch::Receiver<Arc<Rights>>,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Over a key set.
    pub fn new(issuer: Issuer, rights: watch::Receiver<Arc<Rights>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer,
            rights,
            clock,
        }
    }

    /// A token for the caller, with no more than the caller holds.
    pub fn vend(&self, who: &Identity, wish: Wish) -> Result<Vended, Error> {
        let scopes = wish.scopes.clone().unwrap_or_else(|| who.scopes.clone());
        let beyond: Vec<&str> = scopes.difference(&who.scopes).map(String::as_str).collect();
        if !beyond.is_empty() {
            return Err(Error::Exceeds(beyond.join(" ")));
        }
        // A token cannot outlive the one that asked for it, or a stolen one could be renewed for ever.
        let latest = (who.method == AuthMethod::SelfSigned).then_some(who.until);
        let method = who.method.as_str();
        self.sign(
            &who.username,
            who.groups.clone(),
            Wish {
                scopes: Some(scopes),
                ..wish
            },
            method,
            latest,
        )
    }

    /// A token for anybody, on the operator's word: the scopes named, or those of the groups.
    pub fn vend_for(&self, _: &Permit, user: &str, groups: Vec<String>, wish: Wish) -> Result<Vended, Error> {
        let scopes = wish
            .scopes
            .clone()
            .unwrap_or_else(|| self.rights.borrow().policy.scopes_for(&groups));
        self.sign(
            user,
            groups,
            Wish {
                scopes: Some(scopes),
                ..wish
            },
            "operator",
            None,
        )
    }

    fn sign(
        &self,
        user: &str,
        groups: Vec<String>,
        wish: Wish,
        method: &str,
        latest: Option<Timestamp>,
    ) -> Result<Vended, Error> {
        let (scopes, description) = (wish.scopes.unwrap_or_default(), wish.description);
        check_name(user).map_err(|reason| Error::Field("user", reason))?;
        for group in &groups {
            check_name(group).map_err(|reason| Error::Field("groups", reason))?;
        }
        // RFC 6749 section 3.3: scope names are parted by spaces.
        if scopes
            .iter()
            .any(|scope| scope.is_empty() || !scope.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(Error::Field(
                "scopes",
                "a scope's name has printable ASCII only, without spaces",
            ));
        }
        if description
            .as_ref()
            .is_some_and(|text| text.chars().count() > 500)
        {
            return Err(Error::Field(
                "description",
                "it may be at most 500 characters long",
            ));
        }
        let now = self.clock.now();
        let end = now.plus(wish.lifetime.duration());
        let end = latest.map_or(end, |latest| end.min(latest));
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_owned(),
            preferred_username: user.to_owned(),
            groups,
            scope: scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
            token_use: "access".to_owned(),
            auth_method: method.to_owned(),
            client_id: CLIENT.to_owned(),
            jti: random::id().map_err(|error| Error::System(error.into()))?,
            iat: now.unix(),
            nbf: now.unix(),
            exp: end.unix(),
            description,
        };
        let token = self
            .issuer
            .sign(&claims)
            .map_err(|error| Error::System(error.into()))?;
        Ok(Vended { token, claims })
    }

    /// The public keys (RFC 7517).
    pub fn jwks(&self) -> serde_json::Value {
        self.issuer.jwks()
    }
}
