//! Our own tokens: signed with ES256 (RFC 7518 section 3.4) by a key that never leaves the data folder.
//!
//! **Invariant:** only ES256 and only a key of ours verifies; no header of a token chooses the algorithm.

mod keys;
pub mod password;
pub mod random;

use std::path::PathBuf;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, Validation};
use serde_json::Value;

use self::keys::Keys;
use crate::clock::Clock;
use crate::domain::claims::{AUDIENCE, Claims, ISSUER};
use crate::domain::secret::Secret;

/// Clocks of two machines may differ by this many seconds.
const LEEWAY: i64 = 30;

/// Where the keys are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A folder of our own (0700) with one PEM file for each key (0600).
    pub folder: PathBuf,
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
    /// The keys cannot be used.
    #[error("{0}")]
    Keys(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signs and verifies.
#[derive(Debug, Clone)]
pub struct Issuer {
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

impl Issuer {
    /// Load the keys; the first start makes one.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let keys = Keys::load_or_create(&settings.folder, clock.now())?;
        Ok(Self {
            keys: Arc::new(keys),
            clock,
        })
    }

    /// Sign claims. The result is a secret: it may be shown once to whom it belongs.
    pub fn sign(&self, claims: &Claims) -> Result<Secret<String>, Error> {
        let key = self.keys.newest();
        let header = Header {
            kid: Some(key.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        let token = jsonwebtoken::encode(&header, claims, &key.private);
        token
            .map(Secret::new)
            .map_err(|error| Error::Keys("a token cannot be signed".to_owned(), Box::new(error)))
    }

    /// What a token says, if it is ours and its time is now.
    pub fn verify(&self, token: &str) -> Result<Claims, Error> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Error::Foreign)?;
        let known = header.kid.as_deref().and_then(|id| self.keys.find(id));
        let Some(key) = known else {
            return Err(Error::Foreign);
        };
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp", "iat", "jti"]);
        // The times are compared below, with the clock that was handed in.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let token = jsonwebtoken::decode::<Claims>(token, &key.public, &rules).map_err(|_| Error::Invalid)?;
        let (claims, now) = (token.claims, self.clock.now().unix());
        if claims.token_use != "access" {
            return Err(Error::Invalid);
        }
        if claims.exp <= now || claims.nbf > now + LEEWAY {
            return Err(Error::Expired);
        }
        Ok(claims)
    }

    /// The public keys as a JWK set (RFC 7517 section 5).
    pub fn jwks(&self) -> Value {
        self.keys.jwks()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{FixedClock, Timestamp};

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
        };
        let issuer = Issuer::open(&settings, Arc::<FixedClock>::clone(&clock)).unwrap();
        let token = issuer.sign(&claims(start.unix())).unwrap();
        assert_eq!(issuer.verify(token.expose()).unwrap(), claims(start.unix()));

        // The same keys are there after a restart, and nobody else can read them.
        let again = Issuer::open(&settings, Arc::<FixedClock>::clone(&clock)).unwrap();
        assert!(again.verify(token.expose()).is_ok());
        for entry in std::fs::read_dir(&settings.folder).unwrap() {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                entry.unwrap().metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
        }

        // Another signature, other claims, no signature, another issuer's key.
        let (head, tail) = token.expose().rsplit_once('.').unwrap();
        assert!(matches!(issuer.verify(&format!("{head}.")), Err(Error::Invalid)));
        let flipped: String = tail.chars().rev().collect();
        assert!(matches!(
            issuer.verify(&format!("{head}.{flipped}")),
            Err(Error::Invalid)
        ));
        let wrong = Claims {
            aud: "other".to_owned(),
            ..claims(start.unix())
        };
        assert!(matches!(
            issuer.verify(issuer.sign(&wrong).unwrap().expose()),
            Err(Error::Invalid)
        ));
        let other = Issuer::open(
            &Settings {
                folder: folder.path().join("other"),
            },
            Arc::<FixedClock>::clone(&clock),
        )
        .unwrap();
        let foreign = other.sign(&claims(start.unix())).unwrap();
        assert!(matches!(issuer.verify(foreign.expose()), Err(Error::Foreign)));
        let hs256 = jsonwebtoken::encode(
            &Header {
                kid: jsonwebtoken::decode_header(token.expose()).unwrap().kid,
                ..Header::new(Algorithm::HS256)
            },
            &claims(start.unix()),
            &jsonwebtoken::EncodingKey::from_secret(b"x"),
        );
        assert!(matches!(issuer.verify(&hs256.unwrap()), Err(Error::Invalid)));
        assert!(matches!(issuer.verify("opaque"), Err(Error::Foreign)));

        clock.advance(Duration::from_secs(3600));
        assert!(matches!(issuer.verify(token.expose()), Err(Error::Expired)));
    }
}
