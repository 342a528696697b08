//! One question to a provider: bounded in time and size, no redirect followed, nothing of the answer told but its
//! status.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;

use super::{Error, Limits};

/// A vector of 3,072 numbers has 70 kB as JSON.
const BYTES_OF_A_TEXT: usize = 256 * 1024;

/// The client for a provider.
#[derive(Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    within: Duration,
    batch: usize,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// Trust the machine's certificate authorities, or those of a file instead.
    pub(super) fn new(limits: &Limits, ca_file: Option<&Path>) -> Result<Self, Error> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(ca_file).map_err(Error::Backend)?)
            .https_or_http()
            .enable_http1()
            .build();
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(4);
        Ok(Self {
            client: builder.build(connector),
            within: limits.within,
            batch: limits.batch.max(1),
        })
    }

    /// How many texts go into one question.
    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// The JSON of a success.
    pub(super) async fn ask<T: DeserializeOwned>(&self, mut request: Request<Vec<u8>>) -> Result<T, Error> {
        let headers = request.headers_mut();
        let json = header::HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json.clone());
        headers.insert(header::ACCEPT, json);
        headers.insert(header::USER_AGENT, header::HeaderValue::from_static("gatehouse"));
        let exchange = async {
            let answer = self
                .client
                .request(request.map(|body| Full::from(Bytes::from(body))));
            let (head, body) = answer
                .await
                .map_err(|error| Error::Away(Box::new(error)))?
                .into_parts();
            if !head.status.is_success() {
                return Err(Error::Status(head.status.as_u16()));
            }
            let body = Limited::new(body, BYTES_OF_A_TEXT * self.batch).collect().await;
            Ok(body.map_err(Error::Away)?.to_bytes())
        };
        let body = tokio::time::timeout(self.within, exchange).await;
        let body = body.map_err(|_| Error::Slow(self.within))??;
        serde_json::from_slice(&body).map_err(|_| Error::Unusable("it is not the JSON of an embedding"))
    }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
