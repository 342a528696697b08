//! A provider's public keys (RFC 7517), kept for as long as it publishes them.
//!
//! An unknown key id is the sign of a rotation, and anybody can write one: the provider is asked again, by one caller at
//! a time and not more often than every ten seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::http::{Fault, Http};
use crate::clock::Timestamp;

/// Keys older than this are asked for again in the background.
const FRESH: Duration = Duration::from_secs(3600);
/// Between two questions.
const PAUSE: Duration = Duration::from_secs(10);
/// Keys of one provider at most; the largest publish about ten.
const MOST_KEYS: usize = 100;

/// One key, with the algorithms it may be used for. A secret key is never among them.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

#[derive(Default)]
struct Known {
    keys: Vec<Key>,
    /// As published, for the check of ID tokens.
    document: Value,
    fetched: Option<Timestamp>,
}

/// The keys of one provider.
pub(super) struct Keys {
    known: Mutex<Arc<Known>>,
    tried: Mutex<Option<Timestamp>>,
    asking: Semaphore,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            tried: Mutex::default(),
            asking: Semaphore::new(1),
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// Who wants a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Whoever sent a token: anybody.
    Somebody,
    /// The provider itself, which has just given us an ID token.
    Provider,
}

/// What looking for a key came to.
pub(super) enum Found {
    Key(Box<Key>),
    /// The provider publishes keys, and not this one.
    Unknown,
    /// There are no keys yet, and the provider cannot be asked.
    Away(Fault),
}

impl Keys {
    /// The key of this id, if it is known already.
    pub(super) fn get(&self, id: Option<&str>) -> Option<Key> {
        self.known().find(id)
    }

    /// The key of this id, asking the provider if it is not known; whether other keys came with it.
    pub(super) async fn find(
        &self,
        http: &Http,
        address: &str,
        (id, why): (Option<&str>, Why),
        now: Timestamp,
    ) -> (Found, bool) {
        if let Some(key) = self.known().find(id) {
            return (Found::Key(Box::new(key)), false);
        }
        let before = self.known();
        let outcome = self.ask(http, address, now, why).await;
        let known = self.known();
        let changed = known.document != before.document;
        let found = match (known.find(id), outcome) {
            (Some(key), _) => Found::Key(Box::new(key)),
            (None, Err(fault)) if known.fetched.is_none() => Found::Away(fault),
            (None, _) if known.fetched.is_none() => Found::Away(Fault::Unreachable),
            (None, _) => Found::Unknown,
        };
        (found, changed)
    }

    /// The key set as it was published; asked for when there is none.
    pub(super) async fn document(&self, http: &Http, address: &str, now: Timestamp) -> Result<Value, Fault> {
        if self.known().fetched.is_none() {
            self.ask(http, address, now, Why::Somebody).await?;
        }
        let known = self.known();
        if known.fetched.is_none() {
            return Err(Fault::Unreachable);
        }
        Ok(known.document.clone())
    }

    /// Ask again for keys that have been known for long; whether they have changed.
    pub(super) async fn freshen(&self, http: &Http, address: &str, now: Timestamp) -> Result<bool, Fault> {
        let before = self.known();
        let old = before.fetched.is_some_and(|when| now.since(when) >= FRESH);
        if !old {
            return Ok(false);
        }
        self.ask(http, address, now, Why::Somebody).await?;
        Ok(self.known().document != before.document)
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One at a time; whoever waited for another's question takes its answer.
    async fn ask(&self, http: &Http, address: &str, now: Timestamp, why: Why) -> Result<(), Fault> {
        let before = self.known().fetched;
        let Ok(_turn) = self.asking.acquire().await else {
            return Err(Fault::Unreachable);
        };
        if self.known().fetched != before || !self.may_ask(now, why) {
            return Ok(());
        }
        let document = http.get(address).await?;
        let keys = read(&document).ok_or(Fault::NotJson)?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Known {
            keys,
            document,
            fetched: Some(now),
        });
        Ok(())
    }

    fn may_ask(&self, now: Timestamp, why: Why) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if why == Why::Somebody && tried.is_some_and(|when| now.since(when) < PAUSE) {
            return false;
        }
        *tried = Some(now);
        true
    }
}

impl Known {
    /// Without an id only a single key can be meant.
    fn find(&self, id: Option<&str>) -> Option<Key> {
        match (id, self.keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }
}

/// The keys of a set that we can use; others are no reason to refuse the whole set (RFC 7517 section 5).
fn read(document: &Value) -> Option<Vec<Key>> {
    let rows = document.get("keys")?.as_array()?;
    let keys = rows.iter().take(MOST_KEYS).filter_map(|row| {
        let jwk: Jwk = serde_json::from_value(row.clone()).ok()?;
        if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
            return None;
        }
        Some(Key {
            id: jwk.common.key_id.clone(),
            algorithms: algorithms(&jwk)?,
            key: DecodingKey::from_jwk(&jwk).ok()?,
        })
    });
    Some(keys.collect())
}

/// The key says how it is used, not the token (RFC 8725 section 3.1).
fn algorithms(jwk: &Jwk) -> Option<Vec<Algorithm>> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let fits: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => &[EdDSA],
        // A secret key is never published, and never taken from one that says so.
        _ => return None,
    };
    let declared = match jwk.common.key_algorithm {
        None => return Some(fits.to_vec()),
        Some(KeyAlgorithm::RS256) => RS256,
        Some(KeyAlgorithm::RS384) => RS384,
        Some(KeyAlgorithm::RS512) => RS512,
        Some(KeyAlgorithm::PS256) => PS256,
        Some(KeyAlgorithm::PS384) => PS384,
        Some(KeyAlgorithm::PS512) => PS512,
        Some(KeyAlgorithm::ES256) => ES256,
        Some(KeyAlgorithm::ES384) => ES384,
        Some(KeyAlgorithm::EdDSA) => EdDSA,
        Some(_) => return None,
    };
    fits.contains(&declared).then(|| vec![declared])
}
