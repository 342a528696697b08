//! API keys of the settings: known by their hashes alone.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// The SHA-256 of a whole token, by which it is remembered and compared.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a token.
pub fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token.as_bytes()).into()
}

/// One key (contract, section 4.2 row 2).
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Who comes with it.
    pub name: String,
    /// Through which client; empty when there is none.
    pub client: String,
    /// Of its text.
    pub fingerprint: Fingerprint,
    /// Groups that the policy maps to scopes.
    pub groups: Vec<String>,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// The key with this fingerprint. Every key is compared, and in the same time whatever differs.
pub fn find<'a>(keys: &'a [ApiKey], fingerprint: &Fingerprint) -> Option<&'a ApiKey> {
    let mut found = None;
    for key in keys {
        if verify_slices_are_equal(&key.fingerprint, fingerprint).is_ok() {
            found = Some(key);
        }
    }
    found
}
