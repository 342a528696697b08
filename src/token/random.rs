//! The only file that asks the system for randomness.

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::domain::secret::Secret;

/// Random bytes; a machine that cannot give any cannot go on.
fn bytes<const N: usize>() -> Result<[u8; N], std::io::Error> {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "this is the place of randomness")]
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}

/// 256 random bits as text: a session id, a form token.
pub fn secret() -> Result<Secret<String>, std::io::Error> {
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes::<32>()?)))
}

/// 128 random bits as text: an id that is no secret.
pub fn id() -> Result<String, std::io::Error> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes::<16>()?))
}

/// Sixteen random bytes for a password's salt.
pub fn salt() -> Result<[u8; 16], std::io::Error> {
    bytes()
}

/// 256 random bits: a key.
pub fn key() -> Result<[u8; 32], std::io::Error> {
    bytes()
}

/// A password that can be read aloud: five groups of four letters and digits without look-alikes, 100 bits.
pub fn password() -> Result<Secret<String>, std::io::Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let letter = |byte: &u8| char::from(*ALPHABET.get(usize::from(byte % 32)).unwrap_or(&b'x'));
    let letters: Vec<char> = bytes::<20>()?.iter().map(letter).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(Secret::new(groups.join("-")))
}
