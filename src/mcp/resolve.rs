//! Names to addresses, with the forbidden ranges refused each time.
//!
//! nginx's own `resolver` would undo that check, and an address frozen in its file would go stale, so names are looked
//! up here: by the system (its hosts file and search list count), believed for a set time, because the system's
//! resolver tells no TTL.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;

use super::{Error, Settings};
use crate::clock::{Clock, Timestamp};
use crate::domain::upstream::{AddressRules, Origin};

/// Names kept at most; a register of this size is larger than any we know.
const MOST: usize = 20_000;
/// How long one look-up may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Names, each with when it was looked up and what was found.
type Known = HashMap<String, (Timestamp, Vec<IpAddr>)>;

/// Looks names up and remembers them for a while.
#[derive(Debug, Clone)]
pub struct Resolver {
    rules: Arc<AddressRules>,
    ttl: Duration,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
}

impl Resolver {
    /// A resolver that knows nothing yet.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let rules = Arc::new(settings.rules.clone());
        Self {
            rules,
            ttl: settings.name_ttl,
            clock,
            known: Arc::default(),
        }
    }

    /// The addresses that may be reached, in a stable order. An upstream with any forbidden address is refused whole:
    /// a name that points both ways is an attack or a mistake.
    pub async fn addresses(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Error> {
        let ips = match origin.literal() {
            Some(ip) => vec![ip],
            None => self.look_up(&origin.host).await?,
        };
        let addresses: Vec<SocketAddr> = ips
            .into_iter()
            .map(|ip| SocketAddr::new(ip, origin.port))
            .collect();
        self.check(&addresses)?;
        Ok(addresses)
    }

    fn check(&self, addresses: &[SocketAddr]) -> Result<(), Error> {
        for address in addresses {
            self.rules.judge(*address)?;
            // A listener on every interface is reached by each address of this machine.
            let everywhere = self
                .rules
                .own
                .iter()
                .any(|own| own.ip().is_unspecified() && own.port() == address.port());
            if everywhere && is_of_this_machine(address.ip()) {
                self.rules
                    .judge(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), address.port()))?;
            }
        }
        Ok(())
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        let now = self.clock.now();
        if let Some(ips) = self.remembered(host, now) {
            return Ok(ips);
        }
        let unresolved = || Error::Unresolved(host.to_owned());
        let found = tokio::time::timeout(LIMIT, tokio::net::lookup_host((host, 0))).await;
        let found = found.map_err(|_| unresolved())?.map_err(|_| unresolved())?;
        let mut ips: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        ips.sort_unstable();
        ips.dedup();
        if ips.is_empty() {
            return Err(unresolved());
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(host.to_owned(), (now, ips.clone()));
        Ok(ips)
    }

    fn remembered(&self, host: &str, now: Timestamp) -> Option<Vec<IpAddr>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, ips) = known.get(host)?;
        (now.since(*when) < self.ttl && now >= *when).then(|| ips.clone())
    }
}

/// Only this machine's own addresses can be bound to.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// For the HTTP client: it asks at each connect. It does not ask about literals; `Client::send` does.
impl tower_service::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let ips = resolver.look_up(name.as_str()).await?;
            // The client puts the port in afterwards; whether the port is ours was asked before the connect.
            let addresses: Vec<SocketAddr> = ips.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            resolver.check(&addresses)?;
            Ok(addresses.into_iter())
        })
    }
}
