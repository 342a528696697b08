//! Secrets at rest: sealed with AES-256-GCM (NIST SP 800-38D) by a key that never leaves the data folder.
//!
//! **Invariant:** what was sealed for one thing cannot be opened as another's.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use super::{Error, random};
use crate::domain::egress::Credentials;
use crate::domain::path::ServerPath;
use crate::domain::secret::Secret;
use crate::domain::server::Server;

const KEY_FILE: &str = "seal.key";
const KEY_BYTES: usize = 32;

/// What cannot be opened: another key sealed it, for something else, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened with this key")]
pub struct Unsealable;

/// Seals and opens.
#[derive(Debug, Clone)]
pub struct Sealer(Arc<RandomizedNonceKey>);

fn fault<E: Into<Box<dyn std::error::Error + Send + Sync>>>(path: &Path) -> impl FnOnce(E) -> Error {
    let words = format!("the sealing key {} cannot be used", path.display());
    move |error| Error::Keys(words, error.into())
}

impl Sealer {
    /// With the key in this folder (0600); the first start makes one.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(KEY_FILE);
        if !path.exists() {
            let write = || {
                let mut options = File::options();
                let next = folder.join(format!("{KEY_FILE}.next"));
                let mut file = options
                    .create(true)
                    .write(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&next)?;
                file.write_all(&random::key()?)?;
                file.sync_all()?;
                fs::rename(&next, &path)?;
                File::open(folder)?.sync_all()
            };
            write().map_err(fault(&path))?;
        }
        let key = fs::read(&path).map_err(fault(&path))?;
        if key.len() != KEY_BYTES {
            return Err(fault(&path)(format!("it must hold {KEY_BYTES} bytes")));
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key);
        Ok(Self(Arc::new(key.map_err(fault(&path))?)))
    }

    /// Seal `secret` for the thing named `of`: a nonce, the ciphertext, its tag.
    pub fn seal(&self, of: &str, secret: &Secret<String>) -> Result<Vec<u8>, Unsealable> {
        let mut text = secret.expose().clone().into_bytes();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(of.as_bytes()), &mut text);
        let nonce = nonce.map_err(|_| Unsealable)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    /// Seal what a server is told in secret; nothing when there is nothing.
    pub fn seal_credentials(
        &self,
        path: &ServerPath,
        credentials: &Credentials,
    ) -> Result<Option<Vec<u8>>, Unsealable> {
        if credentials.is_empty() {
            return Ok(None);
        }
        self.seal(path.as_str(), &credentials.to_text()).map(Some)
    }

    /// What a server is told in secret.
    pub fn credentials(&self, server: &Server) -> Result<Credentials, Unsealable> {
        let Some(sealed) = &server.sealed else {
            return Ok(Credentials::default());
        };
        let text = self.unseal(server.path.as_str(), sealed)?;
        Credentials::from_text(&text).ok_or(Unsealable)
    }

    /// Open what was sealed for `of`.
    pub fn unseal(&self, of: &str, sealed: &[u8]) -> Result<Secret<String>, Unsealable> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(of.as_bytes()), &mut text);
        let opened = opened.map_err(|_| Unsealable)?.to_vec();
        String::from_utf8(opened).map(Secret::new).map_err(|_| Unsealable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_for_the_same_thing_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let sealer = Sealer::open(folder.path()).unwrap();
        let secret = Secret::new("hush".to_owned());
        let sealed = sealer.seal("/a", &secret).unwrap();
        assert_ne!(sealed, sealer.seal("/a", &secret).unwrap());
        assert!(!sealed.windows(4).any(|part| part == b"hush"));
        let again = Sealer::open(folder.path()).unwrap();
        assert_eq!(again.unseal("/a", &sealed).unwrap(), secret);
        assert_eq!(again.unseal("/b", &sealed), Err(Unsealable));
        let other = Sealer::open(tempfile::tempdir().unwrap().path()).unwrap();
        assert_eq!(other.unseal("/a", &sealed), Err(Unsealable));
        assert_eq!(again.unseal("/a", &sealed[..5]), Err(Unsealable));
        let mode = fs::metadata(folder.path().join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(folder.path().join(KEY_FILE), "short").unwrap();
        assert!(Sealer::open(folder.path()).is_err());
    }
}
