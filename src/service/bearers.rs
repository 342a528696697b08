//! Whose a bearer token is: ours, an API key, or an access token of a declared identity provider.
//!
//! A token that was verified is remembered by its fingerprint, because a signature costs more than all the rest of a
//! decision. What is remembered counts only as long as the keys and declarations it was verified with, and the scopes
//! are those of the present policy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::domain::access::Rights;
use crate::domain::claims::OPERATOR;
use crate::domain::identity::{AuthMethod, Identity, Vouched};
use crate::idp::{self, Providers, Refused};
use crate::token::api_keys::{self, ApiKey, Fingerprint, fingerprint};
use crate::token::{self, Issuer, Verified};

/// Tokens of providers that are remembered; with more, all are forgotten and verified again.
const REMEMBERED: usize = 20_000;
/// What stands for a provider in the names of API keys; no provider is called so.
const API_KEY: &str = "api-key";
/// An API key that never ends is asked about again after a day.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Why a token says nothing here. The words are for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither ours nor of a declared issuer: perhaps it is the upstream's.
    #[error("{0}")]
    Foreign(&'static str),
    /// Of a declared issuer, for somebody else: perhaps the upstream.
    #[error("a token for another audience")]
    Audience,
    /// It should have been good, and is not.
    #[error("{0}")]
    Bad(&'static str),
    /// The provider would have to be asked, and cannot be.
    #[error(transparent)]
    Away(idp::Error),
}

/// What a token that was verified says.
#[derive(Debug)]
enum Said {
    /// One of a provider: what it vouches for.
    Vouched(Vouched),
    /// One of ours: as it was signed.
    Signed(Arc<Identity>),
}

/// A token that was verified.
#[derive(Debug)]
struct Known {
    generation: u64,
    said: Said,
    rights: Arc<Rights>,
    identity: Arc<Identity>,
}

/// What may be said of an API key: never the key, nor anything made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// Who comes with it.
    pub name: String,
    /// Groups that the policy maps to scopes.
    pub groups: Vec<String>,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// Tells whose a token is.
#[derive(Debug, Clone)]
pub struct Bearers {
    issuer: Issuer,
    providers: Providers,
    keys: Arc<Vec<ApiKey>>,
    rights: watch::Receiver<Arc<Rights>>,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<HashMap<Fingerprint, Known>>>,
}

impl Bearers {
    /// Over our own keys, the providers, and the API keys of the settings.
    pub fn new(
        issuer: Issuer,
        providers: Providers,
        keys: Vec<ApiKey>,
        rights: watch::Receiver<Arc<Rights>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuer,
            providers,
            keys: Arc::new(keys),
            rights,
            clock,
            known: Arc::default(),
        }
    }

    /// What may be said of the API keys.
    pub fn api_keys(&self) -> Vec<NamedKey> {
        let told = |key: &ApiKey| NamedKey {
            name: key.name.clone(),
            groups: key.groups.clone(),
            expires_at: key.expires_at,
        };
        self.keys.iter().map(told).collect()
    }

    /// Told each time a credential may have ended before its time.
    pub fn ended(&self) -> &watch::Sender<()> {
        self.issuer.revocations()
    }

    /// Whose it is.
    pub async fn verify(&self, token: &str) -> Result<Arc<Identity>, Error> {
        let key = fingerprint(token);
        let now = self.clock.now();
        let known = self.recall(&key);
        if let Some((identity, false)) = &known {
            return if identity.until > now {
                Ok(Arc::clone(identity))
            } else {
                Err(Error::Bad("an expired token"))
            };
        }
        match self.issuer.verify(&key, token) {
            Ok(verified) => return self.of_ours(key, known, &verified),
            Err(token::Error::Foreign) => {}
            Err(token::Error::Expired) => return Err(Error::Bad("an expired token")),
            Err(token::Error::Revoked) => return Err(Error::Bad("a revoked token")),
            Err(token::Error::Invalid | token::Error::Keys(..)) => {
                return Err(Error::Bad("a token with a wrong signature or claim"));
            }
        }
        if let Some(found) = api_keys::find(&self.keys, &key) {
            return self.of_key(found, now);
        }
        let generation = self.providers.generation();
        let vouched = self
            .providers
            .verify(token)
            .await
            .map_err(|refused| match refused {
                Refused::Foreign(words) => Error::Foreign(words),
                Refused::Audience => Error::Audience,
                Refused::Bad(words) => Error::Bad(words),
                Refused::Away(error) => Error::Away(error),
            })?;
        Ok(self.remember(key, generation, Said::Vouched(vouched)))
    }

    /// Whether a provider of this name is declared.
    pub fn declares(&self, provider: &str) -> bool {
        self.providers.find(provider).is_some()
    }

    /// A token of ours holds no more than its groups have now, and nothing once its person's provider is gone. What the
    /// operator or an earlier system gave without groups stays as it was signed.
    fn of_ours(
        &self,
        key: Fingerprint,
        known: Option<(Arc<Identity>, bool)>,
        verified: &Verified,
    ) -> Result<Arc<Identity>, Error> {
        if let Some((identity, _)) = known {
            return Ok(identity);
        }
        let generation = self.providers.generation();
        if let Some(provider) = &verified.identity.provider
            && &**provider != API_KEY
            && !self.declares(provider)
        {
            return Err(Error::Bad("a token of a provider that is not declared any more"));
        }
        if verified.claims.auth_method == OPERATOR || verified.claims.groups.is_empty() {
            return Ok(Arc::clone(&verified.identity));
        }
        let said = Said::Signed(Arc::clone(&verified.identity));
        Ok(self.remember(key, generation, said))
    }

    /// Who it is, and whether it is one of ours, which may have been revoked since.
    fn recall(&self, key: &Fingerprint) -> Option<(Arc<Identity>, bool)> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get_mut(key)?;
        if known.generation != self.providers.generation() {
            all.remove(key);
            return None;
        }
        let rights = self.rights.borrow();
        if !Arc::ptr_eq(&known.rights, &rights) {
            known.rights = Arc::clone(&rights);
            known.identity = identity(&known.said, &rights);
        }
        Some((Arc::clone(&known.identity), matches!(known.said, Said::Signed(_))))
    }

    fn remember(&self, key: Fingerprint, generation: u64, said: Said) -> Arc<Identity> {
        let rights = Arc::clone(&self.rights.borrow());
        let identity = identity(&said, &rights);
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let known = Known {
            generation,
            said,
            rights,
            identity: Arc::clone(&identity),
        };
        all.insert(key, known);
        identity
    }

    fn of_key(&self, key: &ApiKey, now: Timestamp) -> Result<Arc<Identity>, Error> {
        let until = key.expires_at.unwrap_or_else(|| now.plus(DAY));
        if until <= now {
            return Err(Error::Bad("an expired API key"));
        }
        Ok(Arc::new(Identity {
            username: key.name.clone(),
            client_id: key.client.clone(),
            // Not an account of ours, whatever its name.
            provider: Some(API_KEY.into()),
            groups: key.groups.clone(),
            scopes: self.rights.borrow().policy.scopes_for(&key.groups),
            method: AuthMethod::NetworkTrusted,
            until,
            token: None,
            bound_to: None,
        }))
    }
}

fn identity(said: &Said, rights: &Rights) -> Arc<Identity> {
    match said {
        Said::Vouched(vouched) => {
            let method = AuthMethod::Bearer(vouched.vendor);
            Arc::new(vouched.identity(&rights.policy, method))
        }
        Said::Signed(signed) => {
            let now = rights.policy.scopes_for(&signed.groups);
            let scopes = signed.scopes.intersection(&now).cloned().collect();
            Arc::new(Identity {
                scopes,
                ..Identity::clone(signed)
            })
        }
    }
}
