//! Sessions that began at a provider: it is asked again and again whether the person is still welcome.
//!
//! A no ends the session at once, at both doors and at open streams, and the tokens of its person; a group that is lost ends
//! the tokens too, because they hold the groups that they were signed with. A provider that is away, or that answers
//! anything else than yes or no, ends nothing: the session lives on until its own end.
//!
//! **Invariant:** a provider that is slow delays nobody at another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::callers::Callers;
use super::sign_in::{Kept, seal, unseal};
use super::tokens::Tokens;
use crate::clock::Clock;
use crate::domain::identity::{Session, Vouched};
use crate::domain::secret::Secret;
use crate::idp::{self, Provider, Providers};
use crate::store::{self, SecretKey, Store};
use crate::token::seal::Sealer;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks at the age of keys.
const KEYS: Duration = Duration::from_secs(60);
/// Questions at once to one provider …
const AT_ONCE: usize = 8;
/// … and sessions of one look at it: those that are being asked about are due until the answer, and others beside them.
const MOST: u32 = 16;
/// After a provider did not answer.
const PAUSE: Duration = Duration::from_secs(60);

/// Asks providers about sessions.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The declared providers.
    pub providers: Providers,
    /// Where the sessions are.
    pub store: Arc<dyn Store>,
    /// Opens what is sealed in them.
    pub sealer: Sealer,
    /// Told when a session has ended or changed.
    pub callers: Callers,
    /// Ends the tokens of whoever is not welcome any more.
    pub tokens: Tokens,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often each session is asked about.
    pub every: Duration,
}

type Asked = (SecretKey, String, Result<bool, store::Error>);

impl Renewal {
    /// Ask about sessions until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.ask_all() => {}
        }
    }

    /// Keep the providers' keys fresh until `stop`.
    pub async fn keep_keys(providers: Providers, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(KEYS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let work = async {
            loop {
                ticks.tick().await;
                providers.freshen().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    async fn ask_all(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut running: FuturesUnordered<BoxFuture<'_, Asked>> = FuturesUnordered::new();
        let mut asking: HashSet<SecretKey> = HashSet::new();
        let mut busy: HashMap<String, usize> = HashMap::new();
        loop {
            tokio::select! {
                Some((key, provider, outcome)) = running.next(), if !running.is_empty() => {
                    asking.remove(&key);
                    if let Some(count) = busy.get_mut(&provider) {
                        *count = count.saturating_sub(1);
                    }
                    match outcome {
                        Ok(true) => self.callers.forget_sessions(),
                        Ok(false) => {}
                        Err(error) => complain(&error),
                    }
                }
                _ = ticks.tick() => {
                    let due = self.store.sessions_to_check(self.clock.now(), MOST).await;
                    let due = due.unwrap_or_else(|error| {
                        complain(&error);
                        Vec::new()
                    });
                    for (key, session) in due {
                        let provider = session.provider.clone().unwrap_or_default();
                        let count = busy.entry(provider.clone()).or_default();
                        if *count >= AT_ONCE || !asking.insert(key) {
                            continue;
                        }
                        *count += 1;
                        running.push(Box::pin(async move { (key, provider, self.ask(key, session).await) }));
                    }
                }
            }
        }
    }

    /// Whether something about the session changed.
    async fn ask(&self, key: SecretKey, session: Session) -> Result<bool, store::Error> {
        let provider = session
            .provider
            .as_deref()
            .and_then(|name| self.providers.find(name));
        let kept = session.sealed.as_deref();
        let kept = kept.and_then(|sealed| unseal(&self.sealer, &key, sealed).ok());
        let (Some(provider), Some(kept)) = (provider, kept) else {
            return self
                .end(key, &session, "its provider is not declared any more")
                .await;
        };
        let Some(refresh_token) = kept.refresh_token.clone().map(Secret::new) else {
            return self
                .end(key, &session, "there is nothing to ask its provider with")
                .await;
        };
        let asked = self
            .providers
            .refresh(
                &provider,
                &refresh_token,
                &known(&provider, &session, &kept),
                &kept.subject,
            )
            .await;
        let kept = Kept {
            refresh_token: Some(asked.refresh_token.expose().clone()),
            ..kept
        };
        match asked.outcome {
            Ok(signed_in) => {
                let kept = Kept {
                    subject: signed_in.subject().unwrap_or(kept.subject),
                    // The hint for the end stays, when no new one came.
                    id_token: signed_in
                        .id_token
                        .map(|token| token.expose().clone())
                        .or(kept.id_token),
                    ..kept
                };
                let groups = signed_in.vouched.groups;
                let changed = groups != session.groups;
                let lost = session.groups.iter().any(|group| !groups.contains(group));
                self.keep(key, &session, groups, &kept, self.every).await?;
                if lost {
                    // Tokens hold the groups that they were signed with. First nobody can make another one like them.
                    self.callers.forget_sessions();
                    self.revoke_all(&session).await;
                }
                Ok(changed)
            }
            Err(idp::Error::Refused(_, reason)) => self.end(key, &session, &reason).await,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a session could not be checked; it goes on"
                );
                let groups = session.groups.clone();
                self.keep(key, &session, groups, &kept, PAUSE.min(self.every))
                    .await?;
                Ok(false)
            }
        }
    }

    async fn keep(
        &self,
        key: SecretKey,
        session: &Session,
        groups: Vec<String>,
        kept: &Kept,
        after: Duration,
    ) -> Result<(), store::Error> {
        let check_at = self.clock.now().plus(after);
        match seal(&self.sealer, &key, kept) {
            Ok(sealed) => self.store.keep_session(key, groups, Some(sealed), check_at).await,
            Err(_) => self
                .end(key, session, "its tokens cannot be kept")
                .await
                .map(drop),
        }
    }

    async fn end(&self, key: SecretKey, session: &Session, reason: &str) -> Result<bool, store::Error> {
        self.store.remove_session(key).await?;
        let provider = session.provider.as_deref().unwrap_or_default();
        tracing::info!(
            identity.subject = session.username,
            provider,
            reason,
            "a session has ended"
        );
        self.callers.forget_sessions();
        self.revoke_all(session).await;
        Ok(true)
    }

    /// End every token of a session's person.
    async fn revoke_all(&self, session: &Session) {
        let provider = session.provider.as_deref().unwrap_or_default();
        let account = format!("{provider}:{}", session.username);
        if let Err(error) = self.tokens.revoke_all("renewal", &account).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "tokens could not be revoked"
            );
        }
    }
}

/// Who it was when the provider was last asked.
fn known(provider: &Provider, session: &Session, kept: &Kept) -> Vouched {
    Vouched {
        provider: provider.name.as_str().into(),
        vendor: provider.vendor,
        username: session.username.clone(),
        client_id: kept.client_id.clone(),
        groups: session.groups.clone(),
        scopes: Vec::new(),
        until: session.expires_at,
        bound_to: None,
    }
}

fn complain(error: &store::Error) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "sessions could not be checked"
    );
}
