//! Servers that are tried before they are saved: what a check would see, told to whoever fills in the form.
//!
//! **Invariant:** a trial keeps nothing, and reaches no address that a registered server could not have.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::sync::Semaphore;

use crate::domain::Kind;
use crate::domain::catalog::EntryKind;
use crate::domain::health::Transport;
use crate::domain::server::Profile;
use crate::mcp::Client;
use crate::mcp::survey::{Failure, Whom, survey};

/// All answers of one trial together may take so many times the limit of one, and no longer than this: whoever waits for a
/// page is told before the page itself is given up.
const WHOLE: (u32, Duration) = (6, Duration::from_secs(25));
/// Trials at once; a person waits for each.
const AT_ONCE: usize = 4;

/// Why a trial says nothing good.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many at once.
    #[error("too many connections are being tried at once; try again in a moment")]
    Busy,
    /// What the server did, in words for its owner.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Busy => Kind::TooMany(1),
            Self::Failed(_) => Kind::Unavailable,
        }
    }
}

/// What a server turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How it is spoken with.
    pub transport: Option<&'static str>,
    /// How long its first answer took.
    pub latency: Duration,
    /// Its own name and version.
    pub names: (Option<String>, Option<String>),
    /// The names of its tools.
    pub tools: Vec<String>,
}

/// Tries servers.
#[derive(Debug, Clone)]
pub struct Trials {
    client: Client,
    timeout: Duration,
    free: Arc<Semaphore>,
}

impl Trials {
    /// With the client of the checks, and their limit for each answer.
    pub fn new(client: Client, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            free: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Ask a server that is not saved.
    pub async fn ask(&self, profile: &Profile, lines: &[(HeaderName, HeaderValue)]) -> Result<Found, Error> {
        let _free = self.free.try_acquire().map_err(|_| Error::Busy)?;
        let whom = Whom {
            profile,
            lines,
            known: None,
            within: self.timeout,
        };
        let (times, most) = WHOLE;
        let whole = (self.timeout * times).min(most);
        let asked = tokio::time::timeout(whole, survey(&self.client, whom)).await;
        let seen = asked.unwrap_or(Err(Failure::Slow(whole.as_secs())))?;
        let tools = seen
            .entries
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::Tool);
        Ok(Found {
            transport: seen.transport.map(Transport::as_str),
            latency: seen.latency,
            names: (seen.server_name, seen.server_version),
            tools: tools.map(|entry| entry.name).collect(),
        })
    }
}
