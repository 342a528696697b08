//! The command line signs in through the browser: a short authorization code flow of our own (RFC 6749 section 4.1, RFC
//! 7636, RFC 8252 section 7.3).
//!
//! **Invariants:** a code works once, within a minute, and only with the verifier of whoever asked for it; it is only
//! ever sent to this very machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::clock::{Clock, Timestamp};
use crate::domain::identity::Identity;
use crate::domain::secret::Secret;
use crate::store::{SecretKey, secret_key};
use crate::token::random;

const LENGTH: Duration = Duration::from_secs(60);
/// Codes at once; those who ask are signed in.
const MOST: usize = 1_000;

/// Where a code may be sent: an address of the machine on which the browser runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loopback(url::Url);

impl Loopback {
    /// `http://127.0.0.1:PORT/…` or `http://[::1]:PORT/…`, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let url = url::Url::parse(text).ok()?;
        let here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
        let plain = url.scheme() == "http"
            && url.port().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        (here && plain).then_some(Self(url))
    }

    /// The address as it goes back into forms.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme and authority, for a content security policy.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The address with a code and the asker's own state.
    pub fn with_code(&self, code: &Secret<String>, state: &str) -> String {
        let mut url = self.0.clone();
        url.query_pairs_mut()
            .append_pair("code", code.expose())
            .append_pair("state", state);
        url.to_string()
    }
}

#[derive(Debug)]
struct Order {
    identity: Arc<Identity>,
    challenge: String,
    redirect: Loopback,
    expires_at: Timestamp,
}

/// Codes that wait to be used.
#[derive(Debug, Clone)]
pub struct Authorize {
    clock: Arc<dyn Clock>,
    orders: Arc<Mutex<HashMap<SecretKey, Order>>>,
}

impl Authorize {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            orders: Arc::default(),
        }
    }

    /// A code for whoever has the verifier of this challenge (S256).
    pub fn code(
        &self,
        identity: Arc<Identity>,
        challenge: &str,
        redirect: Loopback,
    ) -> Result<Secret<String>, std::io::Error> {
        let code = random::secret()?;
        let now = self.clock.now();
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.retain(|_, order| order.expires_at > now);
        if orders.len() >= MOST {
            return Err(std::io::Error::other("too many sign-ins at once"));
        }
        let order = Order {
            identity,
            challenge: challenge.to_owned(),
            redirect,
            expires_at: now.plus(LENGTH),
        };
        orders.insert(secret_key(code.expose()), order);
        Ok(code)
    }

    /// Whose code it was; it is used up, whether the verifier fits or not.
    pub fn take(&self, code: &str, verifier: &str, redirect: &str) -> Option<Arc<Identity>> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let order = orders.remove(&secret_key(code))?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        let fits = verify_slices_are_equal(challenge.as_bytes(), order.challenge.as_bytes()).is_ok();
        let in_time = order.expires_at > self.clock.now();
        let redirect = Loopback::parse(redirect);
        (fits && in_time && redirect.as_ref() == Some(&order.redirect)).then_some(order.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_sent_to_this_machine_alone() {
        assert!(Loopback::parse("http://127.0.0.1:4711/callback").is_some());
        assert!(Loopback::parse("http://[::1]:4711/").is_some());
        for text in [
            "http://127.0.0.1/x",
            "https://127.0.0.1:1/",
            "http://localhost:1/",
            "http://127.0.0.1:1@evil/",
            "http://127.0.0.1.evil:1/",
            "http://u@127.0.0.1:1/",
            "http://127.0.0.1:1/?x=1",
            "javascript:alert(1)",
        ] {
            assert_eq!(Loopback::parse(text), None, "{text}");
        }
    }
}
