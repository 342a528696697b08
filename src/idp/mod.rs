//! Identity providers: whose tokens we believe, and where people sign in.
//!
//! Everything in which one vendor differs from another (issuers, audience rule, names of claims, addresses) is data of a
//! [`Provider`], declared in `auth/oauth2_providers.yml`; code knows OpenID Connect, GitHub's OAuth and Microsoft's group
//! overage. What a provider answers is outside input: bounded, parsed, and never logged.
//!
//! **Invariants:** a token is believed by its signature, issuer, audience, kind and time together; no header of a token
//! chooses how it is checked; a provider that is away takes nobody's known keys with it.

mod bearer;
mod claims;
mod declared;
mod device;
mod github;
mod graph;
mod http;
mod keys;
mod machine;
mod metadata;
mod oidc;
mod provider;
mod vendors;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

pub use self::bearer::Refused;
pub use self::declared::{LeftOut, Variables};
pub use self::device::{Asked, DeviceStart};
pub use self::machine::Granted;
pub use self::oidc::{Attempt, Refreshed, SignedIn};
pub use self::provider::Provider;

use self::http::Http;
use crate::clock::Clock;

/// What the part must be told.
#[derive(Clone)]
pub struct Settings {
    /// Whose certificates are believed.
    pub tls: rustls::ClientConfig,
    /// The base of every address of ours, without a slash at its end: tokens for it, or for what lies below it, are ours.
    pub public_url: String,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

/// Why a provider did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The declarations cannot be read, or one of them is wrong.
    #[error("providers: {0}")]
    Declared(String),
    /// It did not answer, or not in a way that can be used.
    #[error("the identity provider `{0}` cannot be asked now: {1}")]
    Away(String, String),
    /// It said no, or what it said does not hold.
    #[error("the identity provider `{0}` refused: {1}")]
    Refused(String, String),
    /// It does not offer this.
    #[error("the identity provider `{0}` offers no {1}")]
    Lacks(String, &'static str),
}

/// All providers that are enabled.
#[derive(Debug, Clone)]
pub struct Providers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: ArcSwap<Vec<Arc<Provider>>>,
    http: Http,
    public_url: String,
    clock: Arc<dyn Clock>,
    /// Moves whenever what was verified before may not verify again.
    generation: AtomicU64,
}

impl Providers {
    /// None yet; [`Providers::declare`] brings them.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            all: ArcSwap::default(),
            http: Http::new(settings.tls),
            public_url: settings.public_url,
            clock,
            generation: AtomicU64::new(0),
        }))
    }

    /// Take over a file of declarations, whole or not at all. What it leaves out, for want of a variable, is returned. Keys
    /// of a provider whose declaration is the same are kept.
    pub fn declare(&self, yaml: &str, variables: &Variables) -> Result<Vec<LeftOut>, Error> {
        let (found, left_out) = declared::parse(yaml, variables)?;
        let known = self.0.all.load();
        let kept = |new: Provider| {
            let same = known.iter().find(|old| old.is_declared_like(&new));
            same.map_or_else(|| Arc::new(new), Arc::clone)
        };
        self.0.all.store(Arc::new(found.into_iter().map(kept).collect()));
        self.bump();
        Ok(left_out)
    }

    /// Whether a file of declarations could be taken over.
    pub fn check(yaml: &str, variables: &Variables) -> Result<Vec<LeftOut>, Error> {
        declared::parse(yaml, variables).map(|(_, left_out)| left_out)
    }

    /// Every enabled provider, in the order of their names.
    pub fn all(&self) -> Arc<Vec<Arc<Provider>>> {
        self.0.all.load_full()
    }

    /// The provider of this name.
    pub fn find(&self, name: &str) -> Option<Arc<Provider>> {
        self.0
            .all
            .load()
            .iter()
            .find(|one| one.name == name)
            .map(Arc::clone)
    }

    /// A number that moves whenever a token that was verified may no longer be good: keys or declarations changed.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    fn bump(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }
}
