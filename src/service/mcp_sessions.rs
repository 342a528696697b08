//! Whose MCP sessions are: those that an `initialize` of a legacy revision opened (`Mcp-Session-Id`).
//!
//! **Invariants:** an id is good for the principal that opened it and for nobody else, across reloads and restarts; one
//! that was not opened here is unknown to everybody; ids are kept as hashes only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::domain::identity::McpSession;
use crate::domain::path::ServerPath;
use crate::store::{self, SecretKey, Store};

/// A session that nobody uses is forgotten after this time.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// A use moves the end when less than this is left, so that a busy session costs one write a day.
const RENEWED_BELOW: Duration = Duration::from_secs(6 * 24 * 3600);
/// Sessions of one principal at one server; the oldest go.
const MOST_OF_ONE: u32 = 1_000;
/// Sessions that are known without asking the store.
const REMEMBERED: usize = 20_000;

/// Why a session could not be bound or looked up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server gave out an id that belongs to somebody else.
    #[error("the server gave out a session id that is in use")]
    Taken,
    /// The store could not be asked.
    #[error("sessions cannot be checked now")]
    Away(#[from] store::Error),
}

#[derive(Debug, Clone)]
struct Known {
    principal: Arc<str>,
    expires_at: Timestamp,
}

/// Knows whose each MCP session is.
#[derive(Debug, Clone)]
pub struct McpSessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    remembered: Arc<Mutex<HashMap<SecretKey, Known>>>,
}

impl McpSessions {
    /// Over a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            remembered: Arc::default(),
        }
    }

    /// The answer to `principal`'s `initialize` brought this id: it is theirs from now on.
    pub async fn bind(&self, server: &ServerPath, id: &str, principal: &str) -> Result<(), Error> {
        self.keep(server, key(server, id), principal).await
    }

    /// Whether the session is theirs. Unknown ones are nobody's.
    pub async fn belongs(&self, server: &ServerPath, id: &str, principal: &str) -> Result<bool, Error> {
        let (key, now) = (key(server, id), self.clock.now());
        let known = match self.recall(&key, now) {
            Some(known) => known,
            None => match self.store.mcp_session(key, now).await? {
                Some(session) => self.remember(key, &session),
                None => return Ok(false),
            },
        };
        if *known.principal != *principal {
            return Ok(false);
        }
        if known.expires_at.since(now) < RENEWED_BELOW {
            self.keep(server, key, principal).await?;
        }
        Ok(true)
    }

    async fn keep(&self, server: &ServerPath, key: SecretKey, principal: &str) -> Result<(), Error> {
        let now = self.clock.now();
        let session = McpSession {
            server: server.as_str().to_owned(),
            principal: principal.to_owned(),
            expires_at: now.plus(LIFETIME),
        };
        let kept = self
            .store
            .bind_mcp_session(key, session.clone(), now, MOST_OF_ONE);
        if !kept.await? {
            return Err(Error::Taken);
        }
        self.remember(key, &session);
        Ok(())
    }

    fn recall(&self, key: &SecretKey, now: Timestamp) -> Option<Known> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered
            .get(key)
            .filter(|known| known.expires_at > now)
            .cloned()
    }

    fn remember(&self, key: SecretKey, session: &McpSession) -> Known {
        let known = Known {
            principal: session.principal.as_str().into(),
            expires_at: session.expires_at,
        };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, known.clone());
        known
    }
}

fn key(server: &ServerPath, id: &str) -> SecretKey {
    store::secret_key(&format!("{server}\n{id}"))
}
