//! What a provider says about itself (OpenID Connect Discovery 1.0 section 3), asked for only when the file does not say
//! it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;

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

/// What is known of a provider's document. Anybody can make us want it, by a token that they wrote themselves: it is asked
/// for by one caller at a time and not more often than every ten seconds.
#[derive(Debug)]
pub(super) struct Discovered {
    state: Mutex<State>,
    asking: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    /// When it was last asked for, and why it did not come then.
    tried: Option<Timestamp>,
    fault: Option<Fault>,
    /// The document, and when it came.
    known: Option<(Arc<Metadata>, Timestamp)>,
}

impl Default for Discovered {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            asking: Semaphore::new(1),
        }
    }
}

/// A provider's addresses, and what its document says beside them, if it was needed.
pub(super) struct Located {
    pub(super) endpoints: Endpoints,
    pub(super) metadata: Option<Arc<Metadata>>,
}

impl Discovered {
    fn known(&self) -> Option<Arc<Metadata>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.known.as_ref().map(|(known, _)| Arc::clone(known))
    }

    /// The document; an old one is better than none, and than waiting while somebody else asks for the new one.
    async fn get(&self, http: &Http, provider: &Provider, now: Timestamp) -> Result<Arc<Metadata>, Fault> {
        if let Some(fresh) = self.fresh(now) {
            return Ok(fresh);
        }
        let old = self.known();
        let turn = match &old {
            Some(old) => match self.asking.try_acquire() {
                Ok(turn) => turn,
                Err(_) => return Ok(Arc::clone(old)),
            },
            None => self.asking.acquire().await.map_err(|_| Fault::Unreachable)?,
        };
        // Whoever waited for another's question takes its answer, or goes without like everybody.
        if let Some(fresh) = self.fresh(now) {
            return Ok(fresh);
        }
        if let Err(fault) = self.may_ask(now) {
            return self.known().ok_or(fault);
        }
        let asked = http.get(&provider.declared.discovery_url).await;
        let read = asked.and_then(|value| {
            let metadata: Metadata = serde_json::from_value(value).map_err(|_| Fault::NotJson)?;
            // Whoever answers for another issuer could lend us its keys (Discovery section 4.3).
            if metadata.issuer == provider.declared.issuer {
                Ok(Arc::new(metadata))
            } else {
                Err(Fault::Foreign)
            }
        });
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &read {
                Ok(new) => state.known = Some((Arc::clone(new), now)),
                Err(fault) => state.fault = Some(*fault),
            }
        }
        drop(turn);
        read.or_else(|fault| old.ok_or(fault))
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<Metadata>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.known.as_ref().filter(|(_, when)| now.since(*when) < FRESH);
        known.map(|(known, _)| Arc::clone(known))
    }

    /// Remembered before the question, so that a slow answer is no room for more of them.
    fn may_ask(&self, now: Timestamp) -> Result<(), Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.tried.is_some_and(|when| now.since(when) < PAUSE) {
            return Err(state.fault.unwrap_or(Fault::Unreachable));
        }
        state.tried = Some(now);
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::clock::FixedClock;
    use crate::idp::{Settings, Variables};

    /// A provider that answers the first question at once, and each other one after a word; how often it was asked.
    fn slow_provider() -> (String, mpsc::Sender<()>, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (go, wait) = mpsc::channel();
        let asked = Arc::<AtomicU32>::default();
        let (count, said) = (Arc::clone(&asked), issuer.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let _head: Vec<_> = lines
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .collect();
                if count.fetch_add(1, Ordering::SeqCst) > 0 && wait.recv().is_err() {
                    return;
                }
                let body = format!("{{\"issuer\": \"{said}\", \"jwks_uri\": \"{said}/jwks\"}}");
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                drop(write!(
                    stream,
                    "{head}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                ));
            }
        });
        (issuer, go, asked)
    }

    #[tokio::test]
    async fn an_old_document_serves_while_one_asks_for_the_new_one() {
        let (issuer, go, asked) = slow_provider();
        let clock = Arc::new(FixedClock::at(Timestamp::from_unix(1_800_000_000)));
        let settings = Settings {
            tls: crate::mcp::client_config(None).unwrap(),
            public_url: "http://127.0.0.1".to_owned(),
        };
        let providers = Providers::new(settings, Arc::<FixedClock>::clone(&clock));
        let yaml = format!("a: {{issuer: '{issuer}', client_id: x}}");
        providers.declare(&yaml, &Variables::default()).unwrap();
        let provider = providers.find("a").unwrap();
        let address = format!("{issuer}/jwks");
        assert_eq!(providers.jwks_address(&provider).await.unwrap(), address);
        clock.advance(FRESH);
        let refreshing = providers.jwks_address(&provider);
        let others = async {
            for _ in 0..20 {
                assert_eq!(providers.jwks_address(&provider).await.unwrap(), address);
            }
            // Only now may the provider answer: nobody has waited for it.
            go.send(()).unwrap();
        };
        let (refreshed, ()) =
            tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(refreshing, others) })
                .await
                .unwrap();
        assert_eq!((refreshed.unwrap(), asked.load(Ordering::SeqCst)), (address, 2));
    }
}
