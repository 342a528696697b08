//! Passwords: argon2id on the blocking pool, a bounded number at once.
//!
//! One hash takes 19 MiB and some tens of milliseconds, so without the bound a burst of sign-ins would eat the machine.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use tokio::sync::Semaphore;

use super::random;
use crate::domain::secret::Secret;

/// Why a password could not be judged.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct Error(#[source] Box<dyn std::error::Error + Send + Sync>);

fn fault(error: impl std::fmt::Display) -> Error {
    Error(error.to_string().into())
}

/// Hashes and compares.
#[derive(Debug, Clone)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    /// Compared with when there is no such account, so that its absence does not show in the time.
    decoy: Secret<String>,
}

impl Passwords {
    /// At most `at_once` hashes at a time.
    pub fn new(at_once: usize) -> Result<Self, Error> {
        let decoy = hash_now(random::secret().map_err(fault)?.expose())?;
        Ok(Self {
            at_once: Arc::new(Semaphore::new(at_once)),
            decoy,
        })
    }

    /// The hash of a password, in PHC form.
    pub async fn hash(&self, password: Secret<String>) -> Result<Secret<String>, Error> {
        self.blocking(move || hash_now(password.expose())).await
    }

    /// Whether the password belongs to the hash. Without a hash it takes as long, and says no.
    pub async fn verify(
        &self,
        password: Secret<String>,
        hash: Option<Secret<String>>,
    ) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        self.blocking(move || {
            let hash = PasswordHash::new(hash.expose()).map_err(fault)?;
            let fits = Argon2::default()
                .verify_password(password.expose().as_bytes(), &hash)
                .is_ok();
            Ok(fits && known)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.at_once).acquire_owned().await.map_err(fault)?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        })
        .await
        .map_err(fault)?
    }
}

fn hash_now(password: &str) -> Result<Secret<String>, Error> {
    let salt = random::salt().map_err(fault)?;
    let hash = argon2::password_hash::PasswordHasher::hash_password_with_salt(
        &Argon2::default(),
        password.as_bytes(),
        &salt,
    );
    Ok(Secret::new(hash.map_err(fault)?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_fits() {
        let passwords = Passwords::new(2).unwrap();
        let secret = |text: &str| Secret::new(text.to_owned());
        let hash = passwords.hash(secret("open sesame")).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$"));
        assert!(
            passwords
                .verify(secret("open sesame"), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!passwords.verify(secret("open"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(secret("open sesame"), None).await.unwrap());
    }
}
