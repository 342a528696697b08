//! One HTTP exchange with an upstream: the answer is streamed, the waiting is bounded, redirects are never followed.
//!
//! The answer is parsed by hyper, so nothing behind a forged status line or an interim answer can reach a client: a
//! `101` is refused, `100` and `103` are dropped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{Error, Resolver, Settings};
use crate::clock::Clock;
use crate::domain::upstream::Origin;

/// Node and uvicorn close idle connections after 5 s; a POST on a connection that closes in that moment cannot be
/// repeated, because it may have run.
const IDLE: Duration = Duration::from_secs(4);

/// The kernel asks after a silent peer this often.
const IDLE_PROBE: Duration = Duration::from_secs(60);

/// Reaches upstreams; keeps connections for each origin.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    resolver: Resolver,
    read_timeout: Duration,
}

/// What is asked of an upstream.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where.
    pub origin: &'a Origin,
    /// How.
    pub method: Method,
    /// Path and query; begins with `/`, holds only 0x21–0x7e.
    pub target: String,
    /// Everything but `Host`, which is the origin's authority.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Client {
    /// A client with no connection yet. Fails when the CA file cannot be read or holds no certificate.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, std::io::Error> {
        let resolver = Resolver::new(settings, clock);
        let mut http = HttpConnector::new_with_resolver(resolver.clone());
        http.set_connect_timeout(Some(settings.connect_timeout));
        http.set_nodelay(true);
        // A stream may be silent for long; a server that is gone must not look like one.
        http.set_keepalive(Some(IDLE_PROBE));
        http.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(super::tls::client_config(settings.ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(32)
            .set_host(false)
            .build(connector);
        Ok(Self {
            pool,
            resolver,
            read_timeout: settings.read_timeout,
        })
    }

    /// Names to addresses, by the same rules.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Ask, and wait until the answer's head is there.
    pub async fn send(&self, call: Call<'_>) -> Result<Response<Incoming>, Error> {
        // A literal is judged here, because the connector resolves names only; a name's port is judged here too.
        self.resolver.addresses(call.origin).await?;
        let uri: Uri = format!("{}{}", call.origin, call.target)
            .parse()
            .map_err(|_| Error::Unusable)?;
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = call.headers;
        let host = call.origin.authority().parse().map_err(|_| Error::Unusable)?;
        request.headers_mut().insert(http::header::HOST, host);
        let answer = tokio::time::timeout(self.read_timeout, self.pool.request(request)).await;
        let answer = answer
            .map_err(|_| Error::Slow)?
            .map_err(|error| Error::Unreachable(Box::new(error)))?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::Unusable);
        }
        Ok(answer)
    }
}
