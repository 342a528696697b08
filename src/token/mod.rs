//! Our own tokens: signed with ES256 (RFC 7518 section 3.4) by a key that never leaves the data folder.
//!
//! **Invariants:** only ES256 and only a key of ours verifies, no header of a token chooses the algorithm (HS256 tokens
//! of earlier systems count only when their secret was set, and only with it); a revoked token is refused at once, even
//! one that was verified a moment ago.

pub mod api_keys;
mod keys;
pub mod password;
pub mod random;
pub mod seal;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwap;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::Value;
use tokio::sync::watch;

use self::api_keys::Fingerprint;
use self::keys::Keys;
use crate::clock::Clock;
use crate::domain::claims::{AUDIENCE, Claims, ISSUER};
use crate::domain::identity::Identity;
use crate::domain::secret::Secret;

/// Clocks of two machines may differ by this many seconds.
const LEEWAY: i64 = 30;
/// Verified tokens that are remembered; with more, all are forgotten and verified again.
const REMEMBERED: usize = 20_000;

/// Where the keys are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A folder of our own (0700) with one PEM file for each key (0600).
    pub folder: PathBuf,
    /// The secret of HS256 tokens that an earlier system signed; none refuses them.
    pub legacy_secret: Option<Secret<String>>,
}

/// Why there is no token, or why one is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is not one of ours: another issuer's, or no JWT at all.
    #[error("the token was not issued here")]
    Foreign,
    /// It claims to be ours and its signature or claims are wrong.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over, or has not come.
    #[error("the token has expired or is not valid yet")]
    Expired,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The keys cannot be used.
    #[error("{0}")]
    Keys(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A token whose signature is good: what it says, and whose it is, made once for all of its calls.
#[derive(Debug)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Whose it is.
    pub identity: Arc<Identity>,
}

impl From<Claims> for Verified {
    fn from(claims: Claims) -> Self {
        let identity = Arc::new(claims.identity());
        Self { claims, identity }
    }
}

/// Signs and verifies.
#[derive(Debug, Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    keys: ArcSwap<Keys>,
    legacy: Option<DecodingKey>,
    clock: Arc<dyn Clock>,
    /// By the SHA-256 of the whole token: a signature costs more than all the rest of a decision.
    verified: Mutex<HashMap<Fingerprint, Arc<Verified>>>,
    revoked: RwLock<HashSet<String>>,
    ended: watch::Sender<()>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// Load the keys; the first start makes one.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let keys = Keys::load_or_create(&settings.folder, clock.now())?;
        let legacy = settings.legacy_secret.as_ref();
        Ok(Self(Arc::new(Inner {
            folder: settings.folder.clone(),
            keys: ArcSwap::from_pointee(keys),
            legacy: legacy.map(|secret| DecodingKey::from_secret(secret.expose().as_bytes())),
            clock,
            verified: Mutex::default(),
            revoked: RwLock::default(),
            ended: watch::Sender::default(),
        })))
    }

    /// Sign claims. The result is a secret: it may be shown once to whom it belongs.
    pub fn sign(&self, claims: &Claims) -> Result<Secret<String>, Error> {
        let keys = self.0.keys.load();
        let key = keys.newest();
        let header = Header {
            kid: Some(key.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        let token = jsonwebtoken::encode(&header, claims, &key.private);
        token
            .map(Secret::new)
            .map_err(|error| Error::Keys("a token cannot be signed".to_owned(), Box::new(error)))
    }

    /// What a token (and its fingerprint) says, if it is ours, its time is now and nobody has revoked it.
    pub fn verify(&self, key: &Fingerprint, token: &str) -> Result<Arc<Verified>, Error> {
        let known = self
            .0
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .map(Arc::clone);
        let token = match known {
            Some(token) => token,
            None => {
                let token: Arc<Verified> = Arc::new(self.check_signature(token)?.into());
                let mut verified = self.0.verified.lock().unwrap_or_else(PoisonError::into_inner);
                if verified.len() >= REMEMBERED {
                    verified.clear();
                }
                verified.insert(*key, Arc::clone(&token));
                token
            }
        };
        let now = self.0.clock.now().unix();
        if token.claims.exp <= now || token.claims.nbf > now + LEEWAY {
            return Err(Error::Expired);
        }
        if self
            .0
            .revoked
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&token.claims.jti)
        {
            return Err(Error::Revoked);
        }
        Ok(token)
    }

    fn check_signature(&self, token: &str) -> Result<Claims, Error> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Error::Foreign)?;
        let keys = self.0.keys.load();
        let known = header.kid.as_deref().and_then(|id| keys.find(id));
        let (algorithm, key) = match (known, &self.0.legacy) {
            (Some(key), _) => (Algorithm::ES256, &key.public),
            (None, Some(secret)) if header.alg == Algorithm::HS256 => (Algorithm::HS256, secret),
            (None, _) => return Err(Error::Foreign),
        };
        let mut rules = Validation::new(algorithm);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The times are compared with the clock that was handed in.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let token = jsonwebtoken::decode::<Claims>(token, key, &rules).map_err(|_| Error::Invalid)?;
        if token.claims.token_use == "access" {
            Ok(token.claims)
        } else {
            Err(Error::Invalid)
        }
    }

    /// Refuse these tokens from now on.
    pub fn revoke(&self, ids: impl IntoIterator<Item = String>) {
        self.0
            .revoked
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(ids);
        self.0.ended.send_replace(());
    }

    /// Told each time tokens are revoked; whoever relies on one for longer than a moment asks again then.
    pub fn revocations(&self) -> &watch::Sender<()> {
        &self.0.ended
    }

    /// Sign with a new key from now on. Tokens of the old ones stay good until they end; a key goes when all of its
    /// tokens have ended.
    pub fn rotate(&self) -> Result<String, Error> {
        let now = self.0.clock.now();
        Keys::create(&self.0.folder, now)?;
        let keys = Keys::load_or_create(&self.0.folder, now)?;
        let id = keys.newest().id.clone();
        self.0.keys.store(Arc::new(keys));
        Ok(id)
    }

    /// The public keys as a JWK set (RFC 7517 section 5).
    pub fn jwks(&self) -> Value {
        self.0.keys.load().jwks()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{FixedClock, Timestamp};

    fn verify(issuer: &Issuer, token: &str) -> Result<Arc<Verified>, Error> {
        issuer.verify(&api_keys::fingerprint(token), token)
    }

    fn claims(now: i64) -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: "ada".to_owned(),
            preferred_username: "ada".to_owned(),
            groups: Vec::new(),
            scope: "a b".to_owned(),
            token_use: "access".to_owned(),
            auth_method: "session".to_owned(),
            client_id: "user-generated".to_owned(),
            provider: None,
            jti: "x".to_owned(),
            iat: now,
            nbf: now,
            exp: now + 3600,
            description: None,
        }
    }

    #[test]
    fn our_tokens_verify_until_they_expire_and_nobody_elses_do() {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::from_unix(1_800_000_000);
        let clock = Arc::new(FixedClock::at(start));
        let settings = Settings {
            folder: folder.path().join("keys"),
            legacy_secret: None,
        };
        let issuer = Issuer::open(&settings, Arc::<FixedClock>::clone(&clock)).unwrap();
        let token = issuer.sign(&claims(start.unix())).unwrap();
        assert_eq!(
            verify(&issuer, token.expose()).unwrap().claims,
            claims(start.unix())
        );

        // The same keys are there after a restart, and nobody else can read them.
        let again = Issuer::open(&settings, Arc::<FixedClock>::clone(&clock)).unwrap();
        assert!(verify(&again, token.expose()).is_ok());
        for entry in std::fs::read_dir(&settings.folder).unwrap() {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                entry.unwrap().metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
        }

        // Another signature, other claims, no signature, another issuer's key.
        let (head, tail) = token.expose().rsplit_once('.').unwrap();
        assert!(matches!(
            verify(&issuer, &format!("{head}.")),
            Err(Error::Invalid)
        ));
        let flipped: String = tail.chars().rev().collect();
        assert!(matches!(
            verify(&issuer, &format!("{head}.{flipped}")),
            Err(Error::Invalid)
        ));
        let wrong = Claims {
            aud: "other".to_owned(),
            ..claims(start.unix())
        };
        assert!(matches!(
            verify(&issuer, issuer.sign(&wrong).unwrap().expose()),
            Err(Error::Invalid)
        ));
        let other = Issuer::open(
            &Settings {
                folder: folder.path().join("other"),
                legacy_secret: None,
            },
            Arc::<FixedClock>::clone(&clock),
        )
        .unwrap();
        let foreign = other.sign(&claims(start.unix())).unwrap();
        assert!(matches!(verify(&issuer, foreign.expose()), Err(Error::Foreign)));
        let hs256 = jsonwebtoken::encode(
            &Header {
                kid: jsonwebtoken::decode_header(token.expose()).unwrap().kid,
                ..Header::new(Algorithm::HS256)
            },
            &claims(start.unix()),
            &jsonwebtoken::EncodingKey::from_secret(b"x"),
        );
        assert!(matches!(verify(&issuer, &hs256.unwrap()), Err(Error::Invalid)));
        assert!(matches!(verify(&issuer, "opaque"), Err(Error::Foreign)));

        clock.advance(Duration::from_secs(3600));
        assert!(matches!(verify(&issuer, token.expose()), Err(Error::Expired)));
    }

    #[test]
    fn a_rotation_cuts_no_live_token_and_a_revocation_cuts_just_one() {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::from_unix(1_800_000_000);
        let clock = Arc::new(FixedClock::at(start));
        let settings = Settings {
            folder: folder.path().join("keys"),
            legacy_secret: None,
        };
        let issuer = Issuer::open(&settings, Arc::<FixedClock>::clone(&clock)).unwrap();
        let sign = |id: &str| {
            let claims = Claims {
                jti: id.to_owned(),
                exp: start.unix() + 86_400,
                ..claims(start.unix())
            };
            issuer.sign(&claims).unwrap()
        };
        let old = sign("old");
        let first = issuer.rotate().unwrap();
        assert_ne!(issuer.rotate().unwrap(), first, "even in the same second");
        let new = sign("new");
        for token in [&old, &new] {
            assert!(verify(&issuer, token.expose()).is_ok());
        }
        assert_eq!(issuer.jwks()["keys"].as_array().unwrap().len(), 3);
        issuer.revoke(["old".to_owned()]);
        assert!(matches!(verify(&issuer, old.expose()), Err(Error::Revoked)));
        assert!(verify(&issuer, new.expose()).is_ok());
        // A day later nothing that the old keys signed can be alive.
        clock.advance(Duration::from_secs(90_100));
        issuer.rotate().unwrap();
        assert_eq!(issuer.jwks()["keys"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn tokens_of_earlier_systems_count_only_with_their_secret() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_unix(1_800_000_000)));
        let open = |name: &str, secret: Option<&str>| {
            let legacy_secret = secret.map(|secret| Secret::new(secret.to_owned()));
            Issuer::open(
                &Settings {
                    folder: folder.path().join(name),
                    legacy_secret,
                },
                Arc::<FixedClock>::clone(&clock),
            )
            .unwrap()
        };
        // What the earlier system wrote (contract, section 1.5), and no more.
        let claims = serde_json::json!({
            "iss": "mcp-auth-server", "aud": "mcp-registry", "sub": "ada", "scope": "a", "token_use": "access",
            "exp": 1_800_000_100, "iat": 1_800_000_000,
        });
        let key = jsonwebtoken::EncodingKey::from_secret(b"s3cret");
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert_eq!(
            verify(&open("a", Some("s3cret")), &token).unwrap().claims.sub,
            "ada"
        );
        assert!(matches!(verify(&open("b", None), &token), Err(Error::Foreign)));
        assert!(matches!(
            verify(&open("c", Some("other")), &token),
            Err(Error::Invalid)
        ));
    }
}
