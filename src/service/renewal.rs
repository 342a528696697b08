//! Sessions that began at a provider: it is asked again and again whether the person is still welcome.
//!
//! A no ends the session at once, at both doors and at open streams. A provider that is away ends nothing: the session
//! lives on until its own end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::callers::Callers;
use super::sign_in::{seal, unseal};
use crate::clock::{Clock, Timestamp};
use crate::domain::identity::{Session, Vouched};
use crate::domain::secret::Secret;
use crate::idp::{self, Providers};
use crate::store::{self, SecretKey, Store};
use crate::token::seal::Sealer;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks at the age of keys, in ticks.
const KEYS: u64 = 60;
/// Sessions of one look, and questions at once.
const MOST: u32 = 200;
const AT_ONCE: usize = 8;
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
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often each session is asked about.
    pub every: Duration,
}

impl Renewal {
    /// Until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let work = async {
            for tick in 0_u64.. {
                ticks.tick().await;
                if tick % KEYS == 0 {
                    self.providers.freshen().await;
                }
                if let Err(error) = self.look().await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "sessions could not be checked"
                    );
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    async fn look(&self) -> Result<(), store::Error> {
        let due = self.store.sessions_to_check(self.clock.now(), MOST).await?;
        let changed = stream::iter(due)
            .map(|(key, session)| self.ask(key, session).boxed())
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut any = false;
        for outcome in changed {
            any |= outcome?;
        }
        if any {
            self.callers.forget_sessions();
        }
        Ok(())
    }

    /// Whether something about the session changed.
    async fn ask(&self, key: SecretKey, session: Session) -> Result<bool, store::Error> {
        let provider = session
            .provider
            .as_deref()
            .and_then(|name| self.providers.find(name));
        let kept = session
            .sealed
            .as_deref()
            .and_then(|sealed| unseal(&self.sealer, &key, sealed).ok());
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
        let known = Vouched {
            provider: provider.name.as_str().into(),
            vendor: provider.vendor,
            username: session.username.clone(),
            client_id: kept.client_id.clone(),
            groups: session.groups.clone(),
            scopes: Vec::new(),
            until: session.expires_at,
            bound_to: None,
        };
        let asked = self
            .providers
            .refresh(&provider, &refresh_token, &known, &kept.subject)
            .await;
        match asked {
            Ok(mut signed_in) => {
                // The hint for the end stays, when no new one came.
                signed_in.id_token = signed_in.id_token.or(kept.id_token.clone().map(Secret::new));
                let Ok(sealed) = seal(&self.sealer, &key, &signed_in, &kept.subject) else {
                    return self.end(key, &session, "its tokens cannot be kept").await;
                };
                let groups = signed_in.vouched.groups;
                let changed = groups != session.groups;
                self.keep(key, groups, Some(sealed), self.every).await?;
                Ok(changed)
            }
            Err(idp::Error::Refused(_, reason)) => self.end(key, &session, &reason).await,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a session could not be checked; it goes on"
                );
                let pause = PAUSE.min(self.every);
                self.keep(key, session.groups, session.sealed, pause).await?;
                Ok(false)
            }
        }
    }

    async fn keep(
        &self,
        key: SecretKey,
        groups: Vec<String>,
        sealed: Option<Vec<u8>>,
        after: Duration,
    ) -> Result<(), store::Error> {
        let check_at: Timestamp = self.clock.now().plus(after);
        self.store.keep_session(key, groups, sealed, check_at).await
    }

    async fn end(&self, key: SecretKey, session: &Session, reason: &str) -> Result<bool, store::Error> {
        self.store.remove_session(key).await?;
        tracing::info!(
            identity.subject = session.username,
            provider = session.provider,
            reason,
            "a session has ended"
        );
        Ok(true)
    }
}
