//! Amazon Titan through Bedrock's InvokeModel, signed with the access key of the settings (Signature Version 4).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use futures_util::future::try_join_all;
use http::Request;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::http::Http;
use super::openai::{checked, readable};
use super::{Bedrock, Embedder, Error, Vector};
use crate::clock::Clock;

/// Titan takes one text a question, so so many are asked at once.
const AT_ONCE: usize = 4;
/// The first Titan has one size, and takes no word about it.
const FIRST: &str = "amazon.titan-embed-text-v1";
const FIRST_SIZE: usize = 1536;
const SIZE: usize = 1024;

/// What stays as it is in a path (RFC 3986, unreserved).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The provider, ready to be asked.
#[derive(Debug)]
pub(super) struct Remote {
    name: String,
    address: String,
    region: String,
    credentials: Credentials,
    dimensions: usize,
    /// Whether the size is part of the question.
    sized: bool,
    clock: Arc<dyn Clock>,
    http: Http,
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(rename = "inputText")]
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize: Option<bool>,
}

#[derive(Deserialize)]
struct Answer {
    embedding: Vector,
}

impl Remote {
    /// What the settings say. Nobody is asked yet: a provider that is away must not hold up the start.
    pub(super) fn new(
        provider: &Bedrock,
        dimensions: Option<usize>,
        http: Http,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let token = provider
            .session_token
            .as_ref()
            .map(|token| token.expose().clone());
        let credentials = Credentials::new(
            provider.access_key.expose(),
            provider.secret_key.expose(),
            token,
            None,
            "settings",
        );
        let own = || format!("https://bedrock-runtime.{}.amazonaws.com", provider.region);
        let base = provider.base.clone().unwrap_or_else(own);
        let sized = provider.model != FIRST;
        let dimensions = dimensions.unwrap_or(if sized { SIZE } else { FIRST_SIZE });
        let model = utf8_percent_encode(&provider.model, PLAIN);
        Self {
            name: format!("bedrock/{}/{dimensions}", provider.model),
            address: format!("{}/model/{model}/invoke", base.trim_end_matches('/')),
            region: provider.region.clone(),
            credentials,
            dimensions,
            sized,
            clock,
            http,
        }
    }

    fn signed(&self, body: Vec<u8>) -> Result<Request<Vec<u8>>, Error> {
        let backend = |error: Box<dyn std::error::Error + Send + Sync>| Error::Backend(error);
        let now = u64::try_from(self.clock.now().unix()).unwrap_or_default();
        let identity = self.credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("bedrock")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(now))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| backend(error.into()))?
            .into();
        let headers = std::iter::once(("content-type", "application/json"));
        let question = SignableRequest::new("POST", &*self.address, headers, SignableBody::Bytes(&body));
        let question = question.map_err(|error| backend(error.into()))?;
        let signature = sign(question, &parameters).map_err(|error| backend(error.into()))?;
        let mut request = Request::post(&self.address)
            .body(body)
            .map_err(|error| Error::Away(Box::new(error)))?;
        signature.into_parts().0.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    async fn ask(&self, text: &str) -> Result<Vector, Error> {
        let question = Question {
            text: readable(text),
            dimensions: self.sized.then_some(self.dimensions),
            normalize: self.sized.then_some(true),
        };
        let body = serde_json::to_vec(&question).map_err(|error| Error::Backend(Box::new(error)))?;
        let answer: Answer = self.http.ask(self.signed(body)?).await?;
        checked(answer.embedding, self.dimensions, &self.name)
    }
}

#[async_trait]
impl Embedder for Remote {
    fn model(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn query(&self, text: &str) -> Result<Vector, Error> {
        self.ask(text).await
    }

    async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(AT_ONCE) {
            vectors.extend(try_join_all(batch.iter().map(|text| self.ask(text))).await?);
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, Timestamp};
    use crate::domain::secret::Secret;
    use crate::embed::provider::{self, Provider};

    fn settings(base: Option<String>, token: Option<&str>) -> Bedrock {
        Bedrock {
            base,
            region: "eu-west-1".to_owned(),
            model: "amazon.titan-embed-text-v2:0".to_owned(),
            access_key: Secret::new("AKIDEXAMPLE".to_owned()),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: token.map(|token| Secret::new(token.to_owned())),
        }
    }

    fn remote(settings: &Bedrock) -> Remote {
        let http = Http::new(&provider::limits(), None).unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_unix(1_800_000_000)));
        Remote::new(settings, Some(256), http, clock)
    }

    #[tokio::test]
    async fn it_owes_what_every_embedder_owes() {
        let provider = Provider::titan();
        let remote = remote(&settings(Some(provider.base()), None));
        crate::embed::conformance::all(&remote).await;
    }

    #[tokio::test]
    async fn the_question_is_signed_and_says_the_size() {
        let provider = Provider::titan();
        let remote = remote(&settings(Some(provider.base()), Some("temporary")));
        remote.query("hello").await.unwrap();
        let asked = provider.asked();
        let (head, body) = asked.first().unwrap();
        assert!(
            head.starts_with("POST /model/amazon.titan-embed-text-v2%3A0/invoke HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(head.contains(
            "Credential=AKIDEXAMPLE/20270115/eu-west-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
        ));
        assert!(!head.contains("wJalrXUtnFEMI") && !format!("{remote:?}").contains("wJalrXUtnFEMI"));
        assert_eq!(
            body,
            &serde_json::json!({"inputText": "hello", "dimensions": 256, "normalize": true})
        );
    }

    #[test]
    fn the_signature_is_the_one_that_botocore_makes() {
        let body = br#"{"inputText":"hello","dimensions":256,"normalize":true}"#;
        for (token, expected) in [
            (
                None,
                "85bf3e62138a923a952a1155a886f05f8f3cde8193ebf51b9c18c9278b52710a",
            ),
            (
                Some("temporary"),
                "8c7b08564ed2fb21768c024c3a4981beb5a70786c6c5a35f352c37bae59beedc",
            ),
        ] {
            let request = remote(&settings(None, token)).signed(body.to_vec()).unwrap();
            let said = request.headers()["authorization"].to_str().unwrap();
            assert_eq!(said.rsplit_once("Signature=").unwrap().1, expected);
        }
    }
}
