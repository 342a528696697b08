//! The key set: load, make, publish as JWKS.
//!
//! One PEM file a key, named by the second it was made; the newest signs, all verify.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Error;
use crate::clock::Timestamp;

/// A day, and an hour for clocks that differ.
const LONGEST_TOKEN: i64 = 25 * 3600;

pub(super) struct Key {
    pub(super) id: String,
    pub(super) private: EncodingKey,
    pub(super) public: DecodingKey,
    x: String,
    y: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Never empty; the newest is last.
#[derive(Debug)]
pub(super) struct Keys {
    older: Vec<Key>,
    newest: Key,
}

fn fault<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    doing: impl Into<String>,
) -> impl FnOnce(E) -> Error {
    let doing = doing.into();
    move |error| Error::Keys(doing, error.into())
}

impl Keys {
    pub(super) fn load_or_create(folder: &Path, now: Timestamp) -> Result<Self, Error> {
        let place = || format!("the signing keys in {} cannot be used", folder.display());
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(fault(place()))?;
        let mut files: Vec<_> = fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(fault(place()))?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
            .collect();
        files.sort();
        if files.is_empty() {
            files.push(Self::create(folder, now)?);
        }
        drop_ended(&mut files, now);
        let mut keys = Vec::new();
        for file in &files {
            keys.push(load(file).map_err(fault(format!(
                "the signing key {} cannot be read",
                file.display()
            )))?);
        }
        let newest = keys
            .pop()
            .ok_or_else(|| fault::<&str>(place())("there is none"))?;
        Ok(Self { older: keys, newest })
    }

    /// Make one more key: the newest from now on.
    pub(super) fn create(folder: &Path, now: Timestamp) -> Result<PathBuf, Error> {
        let mut second = now.unix();
        loop {
            let file = folder.join(format!("{second:012}.pem"));
            if !file.exists() {
                write_new(&file).map_err(fault(format!(
                    "the signing key {} cannot be made",
                    file.display()
                )))?;
                return Ok(file);
            }
            second += 1;
        }
    }

    pub(super) fn newest(&self) -> &Key {
        &self.newest
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.all().find(|key| key.id == id)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        self.older.iter().chain([&self.newest])
    }

    pub(super) fn jwks(&self) -> Value {
        let row = |key: &Key| json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": key.id, "x": key.x, "y": key.y});
        json!({ "keys": self.all().map(row).collect::<Vec<_>>() })
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A key goes when its successor has signed for longer than any token lives. Files are sorted by age.
fn drop_ended(files: &mut Vec<PathBuf>, now: Timestamp) {
    let made = |file: &PathBuf| file.file_stem()?.to_str()?.parse::<i64>().ok();
    let ended = |pair: &[PathBuf]| {
        pair.get(1)
            .and_then(made)
            .is_some_and(|made| made + LONGEST_TOKEN < now.unix())
    };
    let count = files.windows(2).take_while(|pair| ended(pair)).count();
    for file in files.drain(..count) {
        // It may stay if this fails; the next load tries again.
        fs::remove_file(file).ok();
    }
}

fn write_new(file: &Path) -> Result<(), AnyError> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    let text = BASE64_STANDARD.encode(pkcs8.as_ref());
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    );
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    out.write_all(pem.as_bytes())?;
    Ok(out.sync_all()?)
}

fn load(file: &Path) -> Result<Key, AnyError> {
    let pem = fs::read_to_string(file)?;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &BASE64_STANDARD.decode(body)?)?;
    // An uncompressed point: 4, x, y (SEC 1, section 2.3.3).
    let point = pair.public_key().as_ref();
    let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
        return Err("not a P-256 key".into());
    };
    let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y));
    let digest = Sha256::digest(point);
    let id = hex::encode(digest.get(..8).unwrap_or_default());
    Ok(Key {
        id,
        private: EncodingKey::from_ec_pem(pem.as_bytes())?,
        public: DecodingKey::from_ec_components(&x, &y)?,
        x,
        y,
    })
}
