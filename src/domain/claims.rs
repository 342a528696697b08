//! What our own tokens say (contract, section 1.5).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::identity::{AuthMethod, Identity, MACHINE};
use crate::clock::Timestamp;

/// `iss` of every token that we sign.
pub const ISSUER: &str = "mcp-auth-server";
/// `aud` of every token that we sign.
pub const AUDIENCE: &str = "mcp-registry";

/// `auth_method` of tokens that the operator vends: their scopes are the operator's word.
pub const OPERATOR: &str = "operator";

/// The claims of an access token (RFC 7519 section 4, RFC 9068 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it: [`ISSUER`].
    pub iss: String,
    /// For whom: [`AUDIENCE`].
    pub aud: String,
    /// Whose it is.
    pub sub: String,
    /// The same name, where clients look for it.
    #[serde(default)]
    pub preferred_username: String,
    /// Groups at the time of signing.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Scopes, separated by spaces.
    #[serde(default)]
    pub scope: String,
    /// Always `access`.
    pub token_use: String,
    /// How the person who asked for it had signed in.
    #[serde(default)]
    pub auth_method: String,
    /// The identity provider that knows them; none for accounts of our own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// The client: `user-generated` for vended tokens.
    #[serde(default)]
    pub client_id: String,
    /// The token's own id (RFC 7519 section 4.1.7).
    #[serde(default)]
    pub jti: String,
    /// Signed at, seconds since 1970.
    #[serde(default)]
    pub iat: i64,
    /// Not before, seconds since 1970.
    #[serde(default)]
    pub nbf: i64,
    /// Ends at, seconds since 1970.
    pub exp: i64,
    /// What its owner wrote about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
}

impl Claims {
    /// The caller that these claims speak of.
    pub fn identity(&self) -> Identity {
        // A machine of a provider stays one, whatever it makes: people there are never called so.
        let machine = self
            .provider
            .as_ref()
            .and_then(|_| self.sub.strip_prefix(MACHINE));
        let (username, client_id) = match machine {
            Some(client) => ("", client),
            None => (self.sub.as_str(), self.client_id.as_str()),
        };
        Identity {
            username: username.to_owned(),
            client_id: client_id.to_owned(),
            provider: self.provider.as_deref().map(Into::into),
            bound_to: None,
            groups: self.groups.clone(),
            scopes: self.scope.split_whitespace().map(str::to_owned).collect(),
            method: AuthMethod::SelfSigned,
            token: Some(self.jti.clone()).filter(|id| !id.is_empty()),
            until: Timestamp::from_unix(self.exp),
        }
    }
}

/// How long a token may live: 1 to 24 whole hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(u8);

impl Lifetime {
    /// One hour.
    pub const ONE_HOUR: Self = Self(1);

    /// `hours`, if it is 1 to 24.
    pub fn from_hours(hours: i64) -> Result<Self, &'static str> {
        match u8::try_from(hours) {
            Ok(hours @ 1..=24) => Ok(Self(hours)),
            _ => Err("expires_in_hours must be an integer between 1 and 24"),
        }
    }

    /// In hours.
    pub fn hours(self) -> u8 {
        self.0
    }

    /// As a length of time.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 3600)
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self(8)
    }
}
