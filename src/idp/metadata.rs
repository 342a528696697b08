//! What a provider says about itself (OpenID Connect Discovery 1.0 section 3), asked for only when the file does not say
//! it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::http::{Fault, Http};
use super::provider::{Endpoints, Provider};
use super::{Error, Providers};
use crate::clock::Timestamp;

/// How long an answer is believed, and how long a failure.
const FRESH: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_secs(10);

/// The part of the document that we use. All of it is optional but the issuer: some issuers only publish keys.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    jwks_uri: Option<String>,
    end_session_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// It always says in the callback who it is (RFC 9207).
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Whether client id and secret must stand in the body: the provider lists how, and not as RFC 6749 wants it.
    pub(super) fn wants_secret_in_body(&self) -> bool {
        let methods = &self.token_endpoint_auth_methods_supported;
        !methods.is_empty() && !methods.iter().any(|method| method == "client_secret_basic")
    }

    pub(super) fn always_says_issuer(&self) -> bool {
        self.authorization_response_iss_parameter_supported
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            authorization: self.authorization_endpoint.clone(),
            token: self.token_endpoint.clone(),
            userinfo: self.userinfo_endpoint.clone(),
            jwks: self.jwks_uri.clone(),
            end_session: self.end_session_endpoint.clone(),
            device: self.device_authorization_endpoint.clone(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Discovered(Mutex<(Option<Timestamp>, Option<Arc<Metadata>>)>);

/// A provider's addresses, and what its document says beside them, if it was needed.
pub(super) struct Located {
    pub(super) endpoints: Endpoints,
    pub(super) metadata: Option<Arc<Metadata>>,
}

impl Discovered {
    fn known(&self) -> Option<Arc<Metadata>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    async fn get(&self, http: &Http, provider: &Provider, now: Timestamp) -> Result<Arc<Metadata>, Fault> {
        let (tried, known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let age = tried.map(|when| now.since(when));
        match (&known, age) {
            (Some(known), Some(age)) if age < FRESH => return Ok(Arc::clone(known)),
            (None, Some(age)) if age < PAUSE => return Err(Fault::Unreachable),
            _ => {}
        }
        let asked = http.get(&provider.declared.discovery_url).await;
        let read = asked.and_then(|value| {
            let metadata: Metadata = serde_json::from_value(value).map_err(|_| Fault::NotJson)?;
            // Whoever answers for another issuer could lend us its keys (Discovery section 4.3).
            if metadata.issuer == provider.declared.issuer {
                Ok(Arc::new(metadata))
            } else {
                Err(Fault::Unusable)
            }
        });
        // An old answer is better than none.
        let (outcome, keep) = match (read, known) {
            (Ok(new), _) => (Ok(Arc::clone(&new)), Some(new)),
            (Err(_), Some(old)) => (Ok(Arc::clone(&old)), Some(old)),
            (Err(fault), None) => (Err(fault), None),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Some(now), keep);
        outcome
    }
}

impl Providers {
    /// The addresses of a provider, discovered when `needed` is not among those declared.
    pub(super) async fn locate(
        &self,
        provider: &Provider,
        needed: fn(&Endpoints) -> bool,
    ) -> Result<Located, Error> {
        let declared = provider.declared.endpoints.clone();
        if needed(&declared) || provider.issuer().is_none() {
            return Ok(Located {
                endpoints: declared,
                metadata: None,
            });
        }
        let metadata = provider
            .discovered
            .get(&self.0.http, provider, self.0.clock.now())
            .await;
        let metadata = metadata.map_err(|fault| away(provider, &fault))?;
        Ok(Located {
            endpoints: declared.or(&metadata.endpoints()),
            metadata: Some(metadata),
        })
    }

    /// Origins of the addresses where browsers end providers' sessions, as far as they are known.
    pub fn logout_origins(&self) -> Vec<String> {
        let all = self.all();
        let addresses = all.iter().filter_map(|provider| {
            let declared = provider.declared.endpoints.end_session.clone();
            declared.or_else(|| provider.discovered.known()?.end_session_endpoint.clone())
        });
        let origins = addresses
            .filter_map(|address| Some(url::Url::parse(&address).ok()?.origin().ascii_serialization()));
        let mut origins: Vec<String> = origins.collect();
        origins.sort();
        origins.dedup();
        origins
    }

    /// Where the keys are.
    pub(super) async fn jwks_address(&self, provider: &Provider) -> Result<String, Error> {
        let located = self.locate(provider, |has| has.jwks.is_some()).await?;
        let address = located.endpoints.jwks;
        address.ok_or_else(|| Error::Lacks(provider.name.clone(), "keys"))
    }

    /// Ask again for keys that have been known for long. Called in the background.
    pub async fn freshen(&self) {
        for provider in self.all().iter().filter(|one| one.issuer().is_some()) {
            // Also what a sign-out needs, so that pages know where it may lead.
            let located = self
                .locate(provider, |has| has.jwks.is_some() && has.end_session.is_some())
                .await;
            let Some(address) = located.ok().and_then(|located| located.endpoints.jwks) else {
                continue;
            };
            match provider
                .keys
                .freshen(&self.0.http, &address, self.0.clock.now())
                .await
            {
                Ok(true) => self.bump(),
                Ok(false) => {}
                Err(fault) => tracing::warn!(
                    provider = provider.name,
                    reason = fault.to_string(),
                    "keys could not be asked for again; the known ones stay"
                ),
            }
        }
    }
}

pub(super) fn away(provider: &Provider, fault: &dyn std::fmt::Display) -> Error {
    Error::Away(provider.name.clone(), fault.to_string())
}

pub(super) fn refused(provider: &Provider, words: impl std::fmt::Display) -> Error {
    // Some of it may be the provider's own words: they go into the log, and not without end.
    let words = words.to_string();
    let words = words.chars().filter(|c| !c.is_control()).take(200).collect();
    Error::Refused(provider.name.clone(), words)
}
