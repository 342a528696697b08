//! One question to a provider: bounded in time and size, no redirect followed.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use ::http::{Method, Request, Response, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;

/// For the whole exchange; a person waits for it.
const WITHIN: Duration = Duration::from_secs(10);
/// Key sets and group lists are small.
const MOST_BYTES: usize = 1024 * 1024;

/// Why there is no answer. It names no address and no secret.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Fault {
    #[error("it does not answer")]
    Unreachable,
    #[error("it does not answer in time")]
    Slow,
    #[error("its answer is too large or broke off")]
    Unusable,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is no JSON")]
    NotJson,
    #[error("its discovery document names another issuer")]
    Foreign,
}

/// The client for all providers.
#[derive(Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    pub(super) fn new(tls: rustls::ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(2);
        Self(builder.build(connector))
    }

    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Fault> {
        let exchange = async {
            let answer = self.0.request(request.map(|body| Full::from(Bytes::from(body))));
            let (head, body) = answer.await.map_err(|_| Fault::Unreachable)?.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await;
            let body = body.map_err(|_| Fault::Unusable)?.to_bytes();
            Ok(Response::from_parts(head, body.to_vec()))
        };
        tokio::time::timeout(WITHIN, exchange)
            .await
            .map_err(|_| Fault::Slow)?
    }

    /// The JSON of a success.
    pub(super) async fn json(&self, request: Request<Vec<u8>>) -> Result<Value, Fault> {
        let answer = self.send(request).await?;
        if !answer.status().is_success() {
            return Err(Fault::Status(answer.status().as_u16()));
        }
        serde_json::from_slice(answer.body()).map_err(|_| Fault::NotJson)
    }

    /// The JSON at an address.
    pub(super) async fn get(&self, address: &str) -> Result<Value, Fault> {
        self.json(question(Method::GET, address, Vec::new())?).await
    }
}

impl<'c> openidconnect::AsyncHttpClient<'c> for Http {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Fault>> + Send + 'c>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// A question without credentials yet.
pub(super) fn question(method: Method, address: &str, body: Vec<u8>) -> Result<Request<Vec<u8>>, Fault> {
    Request::builder()
        .method(method)
        .uri(address)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "gatehouse")
        .body(body)
        .map_err(|_| Fault::Unreachable)
}

/// A form (`application/x-www-form-urlencoded`).
pub(super) fn form(address: &str, fields: &[(&str, &str)]) -> Result<Request<Vec<u8>>, Fault> {
    let body = serde_urlencoded::to_string(fields).map_err(|_| Fault::Unreachable)?;
    let mut request = question(Method::POST, address, body.into_bytes())?;
    let kind = ::http::HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(request)
}

/// Add a bearer token.
pub(super) fn with_bearer(mut request: Request<Vec<u8>>, token: &str) -> Result<Request<Vec<u8>>, Fault> {
    let value = ::http::HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| Fault::Unusable)?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(request)
}
