//! Signing in through an identity provider, and out again.
//!
//! One try is bound to one browser: all that it needs to know later (state, nonce, PKCE verifier) follows from a secret in
//! that browser's cookie, and the store keeps only the secret's hash, once.
//!
//! **Invariants:** a try ends with its first callback, good or bad; every sign-in makes a new session; the provider's
//! tokens are kept sealed and never logged.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::{Clock, Timestamp};
use crate::domain::Kind;
use crate::domain::identity::{PendingLogin, Session, Vouched};
use crate::domain::limit::Tries;
use crate::domain::local_path::LocalPath;
use crate::domain::secret::Secret;
use crate::idp::{self, Attempt, Provider, Providers, SignedIn};
use crate::store::{self, SecretKey, Store, secret_key};
use crate::token::random;
use crate::token::seal::{Sealer, Unsealable};

/// How long somebody may take at the provider.
pub const ATTEMPT_LENGTH: Duration = Duration::from_secs(600);

/// How long a session lives whose provider gave nothing to ask it with: until then a person who is gone stays.
const UNASKED: Duration = Duration::from_secs(3600);
/// Tries at once from one address, and how long until another: a whole company may share one.
const BEGUN: (u32, Duration) = (120, Duration::from_secs(1));

/// Error codes of an authorization response that may be shown (RFC 6749 section 4.1.2.1, OpenID Connect Core 3.1.2.6).
const CODES: &[&str] = &[
    "access_denied",
    "invalid_request",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_response_type",
    "login_required",
    "consent_required",
    "interaction_required",
];

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No enabled provider has this name.
    #[error("there is no sign-in named `{0}`")]
    Unknown(String),
    /// The callback belongs to no try of this browser.
    #[error("the sign-in took too long, was begun elsewhere or is already over; start again")]
    Lost,
    /// The provider sent the person back with an error.
    #[error("{0} did not sign you in ({1})")]
    Declined(String, &'static str),
    /// The provider's answers do not hold together.
    #[error("{0} could not prove who you are; start again")]
    Unproven(String),
    /// Too many tries from there; wait so many seconds.
    #[error("too many sign-ins were begun; try again in {0} seconds")]
    TooMany(u64),
    /// The provider does not answer.
    #[error("{0} does not answer; try again in a moment")]
    Away(String),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The machine gave no random bytes, or the sealing key is not the one of before.
    #[error("the sign-in could not be completed")]
    System(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unknown(_) => Kind::NotFound,
            Self::Lost => Kind::Invalid,
            Self::Declined(..) | Self::Unproven(_) => Kind::Forbidden,
            Self::TooMany(seconds) => Kind::TooMany(*seconds),
            Self::Away(_) => Kind::Unavailable,
            Self::Store(error) => error.kind(),
            Self::System(_) => Kind::Internal,
        }
    }
}

fn system(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::System(error.into())
}

/// What the use case must be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The base of every address of ours.
    pub public_url: String,
    /// How often a provider is asked whether a session's person is still welcome.
    pub check_every: Duration,
    /// How long a session lives at most.
    pub session_length: Duration,
}

/// One way to sign in, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Button {
    /// The provider's name in addresses.
    pub name: String,
    /// And for people.
    pub display_name: String,
}

/// A try that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where to send the browser.
    pub address: String,
    /// For the browser's cookie alone.
    pub cookie: Secret<String>,
}

/// What the browser brings back.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Callback {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// A try that did not end in a session.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: Error,
    /// Where the person wanted to be, if that is known.
    pub next: LocalPath,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            error,
            next: LocalPath::default(),
        }
    }
}

impl From<store::Error> for Failed {
    fn from(error: store::Error) -> Self {
        Error::from(error).into()
    }
}

/// A session that has ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Whose it was, if they came from a provider.
    pub account: Option<String>,
    /// Where to send the browser to end the provider's own session, if it has one.
    pub onwards: Option<String>,
}

/// A provider's tokens for a session, as they are sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) id_token: Option<String>,
    pub(super) refresh_token: Option<String>,
    /// `sub`: who it is at the provider, whatever their name.
    pub(super) subject: String,
    pub(super) client_id: String,
}

/// Signs people in through providers.
#[derive(Debug, Clone)]
pub struct SignIn {
    providers: Providers,
    store: Arc<dyn Store>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    settings: Settings,
    tries: Arc<Mutex<Tries<IpAddr>>>,
}

impl SignIn {
    /// Over the declared providers.
    pub fn new(
        providers: Providers,
        store: Arc<dyn Store>,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        Self {
            providers,
            store,
            sealer,
            clock,
            settings,
            tries: Arc::new(Mutex::new(Tries::new(BEGUN.0, BEGUN.1))),
        }
    }

    /// The enabled providers.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// A button for each, in the order of their names.
    pub fn buttons(&self) -> Vec<Button> {
        let all = self.providers.all();
        let button = |one: &Arc<Provider>| Button {
            name: one.name.clone(),
            display_name: one.display_name.clone(),
        };
        all.iter().map(button).collect()
    }

    /// Where a sign-out may lead a browser: origins for a content security policy.
    pub fn logout_origins(&self) -> Vec<String> {
        self.providers.logout_origins()
    }

    /// Begin a try; `next` is where to go afterwards.
    pub async fn begin(
        &self,
        from: IpAddr,
        name: &str,
        next: &LocalPath,
        callback: &str,
    ) -> Result<Begun, Error> {
        let provider = self.providers.find(name);
        let provider = provider.ok_or_else(|| Error::Unknown(name.chars().take(40).collect()))?;
        let cookie = random::secret().map_err(system)?;
        let now = self.clock.now();
        {
            // Nobody fills the store with tries, so that those of others are lost.
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(wait) = tries.wait(&from, now) {
                return Err(Error::TooMany(wait.as_secs().max(1)));
            }
            tries.fail(from, now);
        }
        let attempt = self.attempt(&cookie, callback);
        let address = self.providers.authorize_url(&provider, &attempt).await;
        let address = address.map_err(|error| failed(&provider, &error))?;
        let pending = PendingLogin {
            provider: provider.name.clone(),
            next: next.as_str().to_owned(),
            expires_at: now.plus(ATTEMPT_LENGTH),
        };
        self.store
            .insert_pending_login(secret_key(cookie.expose()), pending, now)
            .await?;
        Ok(Begun { address, cookie })
    }

    /// End a try of a browser that is called so: the new session's id, for the cookie alone, and where to go.
    pub async fn finish(
        &self,
        cookie: Option<&str>,
        callback: &Callback,
        (address, agent): (&str, String),
    ) -> Result<(Secret<String>, LocalPath), Failed> {
        let cookie = Secret::new(cookie.ok_or(Error::Lost)?.to_owned());
        let now = self.clock.now();
        let pending = self
            .store
            .take_pending_login(secret_key(cookie.expose()), now)
            .await?;
        let pending = pending.ok_or(Error::Lost)?;
        let next = LocalPath::parse(&pending.next).unwrap_or_default();
        let attempt = self.attempt(&cookie, address);
        match self.complete((&pending, agent), &attempt, callback).await {
            Ok(id) => Ok((id, next)),
            Err(error) => Err(Failed { error, next }),
        }
    }

    /// The new session's id.
    async fn complete(
        &self,
        (pending, agent): (&PendingLogin, String),
        attempt: &Attempt,
        callback: &Callback,
    ) -> Result<Secret<String>, Error> {
        let state = callback.state.as_deref().unwrap_or_default();
        verify_slices_are_equal(state.as_bytes(), attempt.state.expose().as_bytes())
            .map_err(|_| Error::Lost)?;
        let provider = self.providers.find(&pending.provider);
        let provider = provider.ok_or_else(|| Error::Unknown(pending.provider.clone()))?;
        if !self.providers.is_from(&provider, callback.iss.as_deref()).await {
            tracing::warn!(provider = provider.name, "a callback names another issuer");
            return Err(Error::Unproven(provider.display_name.clone()));
        }
        if let Some(code) = &callback.error {
            let known = CODES.iter().find(|known| *known == code);
            let code = known.copied().unwrap_or("an error of its own");
            tracing::info!(provider = provider.name, reason = code, "a sign-in was declined");
            return Err(Error::Declined(provider.display_name.clone(), code));
        }
        let code = callback.code.as_deref().ok_or(Error::Lost)?;
        let signed_in = self.providers.exchange(&provider, attempt, code).await;
        let signed_in = signed_in.map_err(|error| failed(&provider, &error))?;
        let (id, _) = self.open_session(&provider, &signed_in, agent).await?;
        tracing::info!(
            provider = provider.name,
            identity.subject = signed_in.vouched.username,
            "signed in"
        );
        Ok(id)
    }

    /// Keep a session that no browser has, for somebody who signed in without one: while it is open their provider is asked
    /// about them like about others. Who they are, until it ends.
    pub async fn watch(&self, signed_in: SignedIn) -> Result<Vouched, Error> {
        let name = &signed_in.vouched.provider;
        let provider = self.providers.find(name);
        let provider = provider.ok_or_else(|| Error::Unknown(name.to_string()))?;
        let (_, until) = self
            .open_session(&provider, &signed_in, "a device".to_owned())
            .await?;
        Ok(Vouched {
            until,
            ..signed_in.vouched
        })
    }

    /// The id of a new session, and its end.
    async fn open_session(
        &self,
        provider: &Provider,
        signed_in: &SignedIn,
        agent: String,
    ) -> Result<(Secret<String>, Timestamp), Error> {
        let id = random::secret().map_err(system)?;
        let key = secret_key(id.expose());
        let now = self.clock.now();
        let vouched = &signed_in.vouched;
        let can_ask = signed_in.refresh_token.is_some();
        let length = if can_ask {
            self.settings.session_length
        } else {
            UNASKED.min(self.settings.session_length)
        };
        let expose = |secret: &Option<Secret<String>>| Some(secret.as_ref()?.expose().clone());
        let kept = Kept {
            id_token: expose(&signed_in.id_token),
            refresh_token: expose(&signed_in.refresh_token),
            subject: signed_in.subject().unwrap_or_default(),
            client_id: vouched.client_id.clone(),
        };
        let session = Session {
            username: vouched.username.clone(),
            provider: Some(provider.name.clone()),
            groups: vouched.groups.clone(),
            created_at: now,
            expires_at: now.plus(length),
            sealed: Some(seal(&self.sealer, &key, &kept).map_err(system)?),
            check_at: can_ask.then(|| now.plus(self.settings.check_every)),
            agent,
        };
        let end = session.expires_at;
        self.store.insert_session(key, session).await?;
        Ok((id, end))
    }

    /// Ask about every session again: the declarations have changed.
    pub async fn ask_again(&self) -> Result<(), store::Error> {
        self.store.check_sessions(self.clock.now()).await
    }

    /// End a session.
    pub async fn end(&self, id: &str) -> Result<Ended, Error> {
        let key = secret_key(id);
        let session = self.store.session(key, self.clock.now()).await?;
        self.store.remove_session(key).await?;
        let Some(session) = session else {
            return Ok(Ended::default());
        };
        let Some(name) = &session.provider else {
            return Ok(Ended::default());
        };
        let account = Some(format!("{name}:{}", session.username));
        let Some(provider) = self.providers.find(name) else {
            return Ok(Ended {
                account,
                onwards: None,
            });
        };
        let kept = session
            .sealed
            .and_then(|sealed| unseal(&self.sealer, &key, &sealed).ok());
        let id_token = kept.and_then(|kept| kept.id_token).map(Secret::new);
        let back_to = format!("{}/login", self.settings.public_url);
        let onwards = self
            .providers
            .logout_address(&provider, id_token.as_ref(), &back_to)
            .await;
        Ok(Ended { account, onwards })
    }

    fn attempt(&self, cookie: &Secret<String>, callback: &str) -> Attempt {
        let derived = |what: &str| {
            let digest = Sha256::digest(format!("{what}:{}", cookie.expose()));
            Secret::new(BASE64_URL_SAFE_NO_PAD.encode(digest))
        };
        Attempt {
            state: derived("state"),
            nonce: derived("nonce"),
            verifier: derived("verifier"),
            redirect_uri: format!("{}{callback}", self.settings.public_url),
        }
    }
}

/// Seal what a session must know of its provider.
pub(super) fn seal(sealer: &Sealer, key: &SecretKey, kept: &Kept) -> Result<Vec<u8>, Unsealable> {
    let text = serde_json::to_string(kept).map_err(|_| Unsealable)?;
    sealer.seal(&hex::encode(key), &Secret::new(text))
}

pub(super) fn unseal(sealer: &Sealer, key: &SecretKey, sealed: &[u8]) -> Result<Kept, Unsealable> {
    let text = sealer.unseal(&hex::encode(key), sealed)?;
    serde_json::from_str(text.expose()).map_err(|_| Unsealable)
}

/// The reason goes into the log; the person is told what to do.
fn failed(provider: &Provider, error: &idp::Error) -> Error {
    tracing::warn!(
        provider = provider.name,
        error = error as &dyn std::error::Error,
        "a sign-in failed"
    );
    match error {
        idp::Error::Away(..) => Error::Away(provider.display_name.clone()),
        idp::Error::Refused(..) | idp::Error::Lacks(..) | idp::Error::Declared(_) => {
            Error::Unproven(provider.display_name.clone())
        }
    }
}
