//! Who is asking: which credential decides, and what it says (gateway document, section 2, "Order of tokens").
//!
//! **Invariants:** something bad presented is refused, not skipped; a signed token costs no SQL; when the store cannot
//! be asked, nobody passes; no credential is ever logged.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::domain::Kind;
use crate::domain::access::{Permit, Rights};
use crate::domain::identity::{AuthMethod, Identity, Session};
use crate::domain::limit::Tries;
use crate::domain::site::Sender;
use crate::store::{self, SecretKey, Store};

use super::bearers::{self, Bearers, NamedKey};

/// The cookie of a browser session.
pub const SESSION_COOKIE: &str = "mcp_gateway_session";

/// How long a session is believed without asking the store; ending one takes effect at once all the same.
const SESSION_MEMORY: Duration = Duration::from_secs(5);
const SESSIONS_REMEMBERED: usize = 10_000;
/// Nothing that opens this door is shorter.
const SHORTEST_TOKEN: usize = 32;
/// Bad credentials at once from one address, and how long each is held against it.
const FAILURES: (u32, Duration) = (60, Duration::from_secs(1));

/// Why nobody is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was presented.
    #[error("a token or a session is needed")]
    Nobody,
    /// What was presented is not valid; the reason is for the log alone.
    #[error("the token or session is not valid")]
    Bad(&'static str),
    /// It was not valid, like many before from this address; wait so many seconds.
    #[error("too many invalid tokens; try again in {0} seconds")]
    Slowed(u64),
    /// The store, or the token's issuer, could not be asked.
    #[error("the token or session cannot be checked now")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nobody | Self::Bad(_) => Kind::Unauthenticated,
            Self::Slowed(seconds) => Kind::TooMany(*seconds),
            Self::Away(_) => Kind::Unavailable,
        }
    }
}

/// Somebody known, and how.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub identity: Arc<Identity>,
    /// Whether a cookie proved it, so that a change needs proof of its origin.
    pub by_cookie: bool,
    /// Whether `Authorization` is the upstream's and goes on.
    pub pass_authorization: bool,
}

/// Tells who is asking.
#[derive(Debug, Clone)]
pub struct Callers {
    bearers: Bearers,
    store: Arc<dyn Store>,
    rights: watch::Receiver<Arc<Rights>>,
    clock: Arc<dyn Clock>,
    remembered: Arc<Mutex<HashMap<SecretKey, (Timestamp, Session)>>>,
    failures: Arc<Mutex<Tries<IpAddr>>>,
}

impl Callers {
    /// Over the tokens that are believed, a store and the present policy.
    pub fn new(
        bearers: Bearers,
        store: Arc<dyn Store>,
        rights: watch::Receiver<Arc<Rights>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            bearers,
            store,
            rights,
            clock,
            remembered: Arc::default(),
            failures: Arc::new(Mutex::new(Tries::new(FAILURES.0, FAILURES.1))),
        }
    }

    /// The API keys of the settings, for administrators.
    pub fn api_keys(&self, _: &Permit) -> Vec<NamedKey> {
        self.bearers.api_keys()
    }

    /// Who sent these headers. Whoever presents something bad too often is told to wait; what is good always passes, so
    /// nobody can lock out others who share the address.
    pub async fn identify(&self, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Caller, Error> {
        let known = self.presented(headers).await;
        let (Err(Error::Bad(why)), Some(from)) = (&known, from) else {
            return known;
        };
        let now = self.clock.now();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = failures.wait(&from, now) {
            return Err(Error::Slowed(wait.as_secs().max(1)));
        }
        failures.fail(from, now);
        // Bounded by the limit above.
        tracing::info!(reason = why, client.address = %from, "a credential was refused");
        known
    }

    async fn presented(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let named = single(headers, "x-authorization")?;
        let authorization = single(headers, AUTHORIZATION.as_str())?;
        if let Some(value) = named {
            let token = bearer(value).ok_or(Error::Bad("no bearer scheme"))?;
            let identity = self.bearers.verify(token).await.map_err(refusal)?;
            // A second key of our own house is not the upstream's business.
            let pass_authorization = match authorization {
                Some(value) => self.is_foreign(value).await,
                None => false,
            };
            return Ok(Caller {
                identity,
                by_cookie: false,
                pass_authorization,
            });
        }
        let Some(value) = authorization else {
            return self
                .session(headers)
                .await?
                .map(|identity| by_cookie(identity, false))
                .ok_or(Error::Nobody);
        };
        let verified = match bearer(value) {
            Some(token) => self.bearers.verify(token).await,
            None => Err(bearers::Error::Foreign("an authorization of somebody else's")),
        };
        match verified {
            Ok(identity) => Ok(Caller {
                identity,
                by_cookie: false,
                pass_authorization: false,
            }),
            Err(bearers::Error::Foreign(words)) => {
                let identity = self.session(headers).await?;
                identity
                    .map(|identity| by_cookie(identity, true))
                    .ok_or(Error::Bad(words))
            }
            Err(error) => Err(refusal(error)),
        }
    }

    /// Forget what is remembered of sessions: one has ended, or a password has changed.
    pub fn forget_sessions(&self) {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.bearers.ended().send_replace(());
    }

    /// Told each time a credential may have ended before its time.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.bearers.ended().subscribe()
    }

    /// How long this caller's proof is still good.
    pub fn left(&self, caller: &Caller) -> Duration {
        caller.identity.until.since(self.clock.now())
    }

    /// Whether an authorization is the upstream's: one that would itself open this door, or did so once, is not.
    /// Whatever the scheme, and wherever it stands: an upstream may read more forms than we do.
    async fn is_foreign(&self, authorization: &str) -> bool {
        let parts = authorization.split([' ', '\t', ',', '"', '=', ';']);
        for part in parts.filter(|part| part.len() >= SHORTEST_TOKEN) {
            let verified = self.bearers.verify(part).await;
            if !matches!(
                verified,
                Err(bearers::Error::Foreign(_) | bearers::Error::Audience)
            ) {
                return false;
            }
        }
        true
    }

    /// The person of the session cookie. A cookie that leads nowhere is bad, not absent.
    async fn session(&self, headers: &HeaderMap) -> Result<Option<Arc<Identity>>, Error> {
        let Some(id) = session_cookie(headers)? else {
            return Ok(None);
        };
        let key = store::secret_key(id);
        let now = self.clock.now();
        let session = match self.remembered_session(&key, now) {
            Some(session) => session,
            None => self.asked_session(key, now).await?,
        };
        if session
            .provider
            .as_deref()
            .is_some_and(|name| !self.bearers.declares(name))
        {
            return Err(Error::Bad(
                "a session of a provider that is not declared any more",
            ));
        }
        let scopes = self.rights.borrow().policy.scopes_for(&session.groups);
        let method = match session.provider {
            Some(_) => AuthMethod::OAuth2,
            None => AuthMethod::Session,
        };
        Ok(Some(Arc::new(Identity {
            username: session.username,
            client_id: String::new(),
            provider: session.provider.map(Into::into),
            groups: session.groups,
            scopes,
            method,
            until: session.expires_at,
            token: None,
            bound_to: None,
        })))
    }

    fn remembered_session(&self, key: &SecretKey, now: Timestamp) -> Option<Session> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, session) = remembered.get(key)?;
        (now.since(*when) < SESSION_MEMORY && session.expires_at > now).then(|| session.clone())
    }

    async fn asked_session(&self, key: SecretKey, now: Timestamp) -> Result<Session, Error> {
        let session = self
            .store
            .session(key, now)
            .await
            .map_err(|error| Error::Away(Box::new(error)))?;
        let session = session.ok_or(Error::Bad("an unknown or ended session"))?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= SESSIONS_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, (now, session.clone()));
        Ok(session)
    }
}

fn by_cookie(identity: Arc<Identity>, pass_authorization: bool) -> Caller {
    Caller {
        identity,
        by_cookie: true,
        pass_authorization,
    }
}

fn refusal(error: bearers::Error) -> Error {
    match error {
        bearers::Error::Foreign(words) | bearers::Error::Bad(words) => Error::Bad(words),
        bearers::Error::Audience => Error::Bad("a token for another audience"),
        bearers::Error::Away(error) => Error::Away(Box::new(error)),
    }
}

/// A header that may come once. Two of them would let two readers believe two things.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Error::Bad("a credential header that came twice"));
    }
    first
        .map(|value| {
            value
                .to_str()
                .map_err(|_| Error::Bad("a credential header that is no text"))
        })
        .transpose()
}

/// What a browser says about where a request comes from.
pub fn sender(headers: &HeaderMap) -> Sender<'_> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("\u{fffd}"))
    };
    Sender {
        fetch_site: text("sec-fetch-site"),
        origin: text("origin"),
        host: text("host").unwrap_or_default(),
    }
}

/// The token of `Bearer …` (RFC 6750 section 2.1; the scheme's case does not matter, RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The session id in the cookies; two of them are refused.
pub fn session_cookie(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut found = None;
    for value in headers.get_all(COOKIE) {
        for pair in value.to_str().unwrap_or_default().split(';') {
            let Some((SESSION_COOKIE, id)) = pair.trim().split_once('=') else {
                continue;
            };
            if found.replace(id).is_some() {
                return Err(Error::Bad("two session cookies"));
            }
        }
    }
    Ok(found)
}
