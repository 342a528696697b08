//! The command line signs in from a machine without a browser: the provider's own device flow (RFC 8628), with our client
//! in the middle, so that no secret leaves the daemon.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::domain::Kind;
use crate::domain::limit::Tries;
use crate::domain::secret::Secret;
use crate::idp::{self, Asked, DeviceStart, Providers, SignedIn};
use crate::store::{SecretKey, secret_key};
use crate::token::random;

/// Tries at once: anybody can begin one.
const MOST: usize = 2_000;
/// Tries at once from one address, and how long until another.
const BEGUN: (u32, Duration) = (10, Duration::from_secs(10));
/// Seconds that a provider's `slow_down` adds (RFC 8628 section 3.5).
const SLOWER: u64 = 5;

/// What polling came to, in the codes of RFC 8628 section 3.5 and RFC 6749 section 5.2.
#[derive(Debug)]
pub enum Polled {
    /// They signed in.
    Done(Box<SignedIn>),
    /// Not yet, or never.
    No(&'static str),
}

/// Why a try could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No provider of that name, or none at all.
    #[error("no identity provider offers a device sign-in")]
    Unknown,
    /// Too many tries at once.
    #[error("too many sign-ins at once; try again in a minute")]
    TooMany,
    /// The provider said no or is away.
    #[error(transparent)]
    Provider(#[from] idp::Error),
    /// The machine gave no random bytes.
    #[error("the sign-in could not be started")]
    System(#[from] std::io::Error),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unknown | Self::Provider(idp::Error::Lacks(..)) => Kind::NotFound,
            Self::TooMany => Kind::TooMany(60),
            Self::Provider(_) => Kind::Unavailable,
            Self::System(_) => Kind::Internal,
        }
    }
}

#[derive(Debug, Clone)]
struct Try {
    provider: String,
    device_code: Secret<String>,
    interval: u64,
    asked_at: Timestamp,
    expires_at: Timestamp,
}

/// Tries that wait for their person.
#[derive(Debug, Clone)]
pub struct Devices {
    providers: Providers,
    clock: Arc<dyn Clock>,
    tries: Arc<Mutex<HashMap<SecretKey, Try>>>,
    begun: Arc<Mutex<Tries<IpAddr>>>,
}

impl Devices {
    /// Over the declared providers.
    pub fn new(providers: Providers, clock: Arc<dyn Clock>) -> Self {
        Self {
            providers,
            clock,
            tries: Arc::default(),
            begun: Arc::new(Mutex::new(Tries::new(BEGUN.0, BEGUN.1))),
        }
    }

    /// Begin at this provider, or at the first that can. The handle replaces the provider's own.
    pub async fn begin(&self, from: IpAddr, name: Option<&str>) -> Result<DeviceStart, Error> {
        self.claim_room(from)?;
        let all = self.providers.all();
        let mut candidates = all.iter().filter(|one| name.is_none_or(|name| one.name == name));
        let first = candidates.next().ok_or(Error::Unknown)?;
        let mut start = self.providers.start_device(first).await;
        let mut chosen = first;
        for other in candidates {
            if !matches!(start, Err(idp::Error::Lacks(..))) {
                break;
            }
            (chosen, start) = (other, self.providers.start_device(other).await);
        }
        let start = start?;
        let handle = random::secret()?;
        let now = self.clock.now();
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = Try {
            provider: chosen.name.clone(),
            device_code: start.device_code,
            interval: start.interval,
            asked_at: now,
            expires_at: now.plus(Duration::from_secs(start.expires_in)),
        };
        tries.insert(secret_key(handle.expose()), kept);
        Ok(DeviceStart {
            device_code: handle,
            ..start
        })
    }

    /// Before the provider is asked: nobody takes all the room, or makes us ask without end.
    fn claim_room(&self, from: IpAddr) -> Result<(), Error> {
        let now = self.clock.now();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.wait(&from, now).is_some() {
            return Err(Error::TooMany);
        }
        begun.fail(from, now);
        drop(begun);
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.retain(|_, one| one.expires_at > now);
        if tries.len() >= MOST {
            return Err(Error::TooMany);
        }
        Ok(())
    }

    /// Ask whether the person has signed in by now.
    pub async fn poll(&self, handle: &str) -> Result<Polled, Error> {
        let key = secret_key(handle);
        let now = self.clock.now();
        let known = {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(one) = tries.get_mut(&key).filter(|one| one.expires_at > now) else {
                tries.remove(&key);
                return Ok(Polled::No("expired_token"));
            };
            // Half a second of grace, for clocks and networks.
            if now.since(one.asked_at) + Duration::from_millis(500) < Duration::from_secs(one.interval) {
                return Ok(Polled::No("slow_down"));
            }
            one.asked_at = now;
            one.clone()
        };
        let provider = self.providers.find(&known.provider).ok_or(Error::Unknown)?;
        let outcome = match self.providers.ask_device(&provider, &known.device_code).await? {
            Asked::Pending { slow_down } => {
                let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(one) = tries.get_mut(&key).filter(|_| slow_down) {
                    one.interval += SLOWER;
                }
                return Ok(Polled::No("authorization_pending"));
            }
            Asked::Over(code) => Polled::No(code),
            Asked::Done(signed_in) => Polled::Done(signed_in),
        };
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody who asked at the same time has the answer already.
        if tries.remove(&key).is_none() {
            return Ok(Polled::No("expired_token"));
        }
        Ok(outcome)
    }
}
