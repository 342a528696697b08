//! A provider that speaks OpenAI's `/embeddings`: OpenAI itself, a LiteLLM proxy, and most others.

use async_trait::async_trait;
use http::{HeaderValue, Request, header};
use serde::{Deserialize, Serialize};

use super::http::Http;
use super::{Embedder, Error, OpenAi, Vector, normalised};

/// Models whose vectors' size is known.
const SIZES: [(&str, usize); 3] = [
    ("text-embedding-3-small", 1536),
    ("text-embedding-3-large", 3072),
    ("text-embedding-ada-002", 1536),
];

/// One text that is too long would be refused together with all others of its batch.
const MOST_BYTES: usize = 8_000;

/// The provider, ready to be asked.
#[derive(Debug)]
pub(super) struct Remote {
    name: String,
    model_id: String,
    address: String,
    authorization: Option<HeaderValue>,
    dimensions: usize,
    http: Http,
}

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    index: usize,
    embedding: Vector,
}

impl Remote {
    /// What the settings say. Nobody is asked yet: a provider that is away must not hold up the start.
    pub(super) fn new(provider: &OpenAi, dimensions: Option<usize>, http: Http) -> Result<Self, Error> {
        let key = provider.key.as_ref();
        let authorization = key.map(|key| HeaderValue::from_str(&format!("Bearer {}", key.expose())));
        let authorization = authorization
            .transpose()
            .map_err(|_| Error::Unusable("the key may not stand in a header"))?;
        let dimensions = dimensions.or_else(|| known_size(&provider.model));
        Ok(Self {
            name: format!("openai/{}", provider.model),
            model_id: provider.model.clone(),
            address: format!("{}/embeddings", provider.base.trim_end_matches('/')),
            authorization: authorization.map(|mut value| {
                value.set_sensitive(true);
                value
            }),
            dimensions: dimensions.ok_or(Error::Unusable("the size of its vectors is not known"))?,
            http,
        })
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        let question = Question {
            model: &self.model_id,
            input: texts.iter().map(|text| readable(text)).collect(),
            encoding_format: "float",
        };
        let body = serde_json::to_vec(&question).map_err(|error| Error::Backend(Box::new(error)))?;
        let mut request = Request::post(&self.address)
            .body(body)
            .map_err(|error| Error::Away(Box::new(error)))?;
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, authorization.clone());
        }
        let mut answer: Answer = self.http.ask(request).await?;
        answer.data.sort_by_key(|row| row.index);
        if !answer.data.iter().map(|row| row.index).eq(0..texts.len()) {
            return Err(Error::Unusable("there is not one vector for each text"));
        }
        let vectors = answer.data.into_iter();
        vectors
            .map(|row| checked(row.embedding, self.dimensions, &self.name))
            .collect()
    }
}

/// How many numbers the vectors of a well-known model have.
pub fn known_size(model: &str) -> Option<usize> {
    let known = SIZES.iter().find(|(name, _)| model.ends_with(name));
    known.map(|(_, size)| *size)
}

/// What a provider takes: 8,191 word pieces at most, and a piece has a byte at least; and never nothing.
pub(super) fn readable(text: &str) -> &str {
    let text = text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or(text);
    if text.trim().is_empty() { "." } else { text }
}

/// A vector from outside: of the agreed size, and with a length.
pub(super) fn checked(vector: Vector, expected: usize, model: &str) -> Result<Vector, Error> {
    if vector.len() != expected {
        return Err(Error::Dimensions {
            model: model.to_owned(),
            expected,
            got: vector.len(),
        });
    }
    normalised(vector).ok_or(Error::Unusable("a vector has no length"))
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
        let mut vectors = self.ask(&[text.to_owned()]).await?;
        vectors.pop().ok_or(Error::Unusable("there is no vector"))
    }

    async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.http.batch()) {
            vectors.extend(self.ask(batch).await?);
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::secret::Secret;
    use crate::embed::Limits;
    use crate::embed::provider::{Provider, limits};

    fn remote(base: String, dimensions: usize, limits: &Limits) -> Remote {
        let settings = OpenAi {
            base,
            key: Some(Secret::new("sk-hush".to_owned())),
            model: "some-model".to_owned(),
        };
        Remote::new(&settings, Some(dimensions), Http::new(limits, None).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn it_owes_what_every_embedder_owes() {
        let provider = Provider::openai();
        crate::embed::conformance::all(&remote(provider.base(), 256, &limits())).await;
    }

    #[tokio::test]
    async fn texts_go_in_batches_with_the_key_and_no_text_is_refused_for_its_size() {
        let provider = Provider::openai();
        let remote = remote(provider.base(), 256, &limits());
        let texts = ["a", "b", "", &"é".repeat(9_000), "e"].map(str::to_owned);
        assert_eq!(remote.documents(&texts).await.unwrap().len(), 5);
        let asked = provider.asked();
        let sizes: Vec<usize> = asked
            .iter()
            .map(|(_, body)| body["input"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert!(
            asked
                .iter()
                .all(|(head, _)| head.contains("authorization: Bearer sk-hush\r\n"))
        );
        assert!(asked[0].0.starts_with("POST /embeddings HTTP/1.1"));
        assert!(asked[1].1["input"][1].as_str().unwrap().len() <= MOST_BYTES);
        assert!(!format!("{remote:?}").contains("sk-hush"));
    }

    #[tokio::test]
    async fn a_wrong_size_says_both_numbers() {
        let provider = Provider::openai();
        let error = remote(provider.base(), 384, &limits())
            .query("a")
            .await
            .unwrap_err();
        let expected = "the vectors of `openai/some-model` have 256 numbers, expected 384: \
                        correct embeddings_model_dimensions";
        assert_eq!(error.to_string(), expected);
    }

    #[tokio::test]
    async fn refusals_nonsense_silence_and_absence_are_errors_and_never_hang() {
        let at = |provider: &Provider| remote(provider.base(), 256, &limits());
        let refused =
            Provider::saying("HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert!(matches!(at(&refused).query("a").await, Err(Error::Status(401))));
        let page = Provider::saying("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\n<p/>");
        assert!(matches!(at(&page).query("a").await, Err(Error::Unusable(_))));
        let few = Provider::saying(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 11\r\n\r\n{\"data\":[]}",
        );
        assert!(matches!(at(&few).query("a").await, Err(Error::Unusable(_))));
        let within = Duration::from_millis(50);
        let silent = Provider::saying("");
        let hasty = remote(silent.base(), 256, &Limits { within, ..limits() });
        assert!(matches!(hasty.query("a").await, Err(Error::Slow(_))));
        let gone = Provider::saying("").base();
        assert!(matches!(
            remote(gone, 256, &limits()).query("a").await,
            Err(Error::Away(_) | Error::Slow(_))
        ));
    }
}
