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
    /// The size that is part of the question: one that the settings say, of a model that takes a word about it.
    asked: Option<usize>,
    http: Http,
}

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
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
        let asked = dimensions.filter(|_| is_sized(&provider.model));
        let dimensions = dimensions.or_else(|| known_size(&provider.model));
        let host = host(&provider.base).ok_or(Error::Unusable("its address has no host"))?;
        Ok(Self {
            // Two proxies may mean different models by one name.
            name: format!("openai/{host}/{}", provider.model),
            model_id: provider.model.clone(),
            address: format!("{}/embeddings", provider.base.trim_end_matches('/')),
            authorization: authorization.map(|mut value| {
                value.set_sensitive(true);
                value
            }),
            dimensions: dimensions.ok_or(Error::Unusable("the size of its vectors is not known"))?,
            asked,
            http,
        })
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        let question = Question {
            model: &self.model_id,
            input: texts.iter().map(|text| readable(text)).collect(),
            encoding_format: "float",
            dimensions: self.asked,
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

/// Whether a model makes vectors of the size that it is asked for; others refuse to hear of one.
fn is_sized(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("text-embedding-3-")
}

/// Host and port of an address, and nothing of it that may be secret.
fn host(base: &str) -> Option<String> {
    let base = url::Url::parse(base).ok()?;
    let host = base.host_str()?;
    Some(
        base.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    )
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
        of_model("some-model", base, Some(dimensions), limits)
    }

    fn of_model(model: &str, base: String, dimensions: Option<usize>, limits: &Limits) -> Remote {
        let settings = OpenAi {
            base,
            key: Some(Secret::new("sk-hush".to_owned())),
            model: model.to_owned(),
        };
        Remote::new(&settings, dimensions, Http::new(limits, None).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_size_is_asked_of_models_that_take_one_when_the_settings_say_it() {
        let provider = Provider::openai();
        for (model, dimensions, expected) in [
            ("text-embedding-3-small", Some(256), Some(256)),
            ("azure/text-embedding-3-large", Some(256), Some(256)),
            ("text-embedding-3-small", None, None),
            ("text-embedding-ada-002", Some(256), None),
            ("some-model", Some(256), None),
        ] {
            // The provider makes 256 numbers whatever it is asked.
            let remote = of_model(model, provider.base(), dimensions, &limits());
            assert_eq!(remote.query("a").await.is_ok(), dimensions.is_some());
            let (_, body) = provider.asked().pop().unwrap();
            let asked = body.get("dimensions").and_then(serde_json::Value::as_u64);
            assert_eq!(asked, expected, "{model} {dimensions:?}");
        }
    }

    #[test]
    fn vectors_of_two_providers_are_kept_apart_and_their_names_hold_no_secret() {
        for (base, expected) in [
            ("https://api.openai.com/v1", "openai/api.openai.com/m"),
            ("https://api.openai.com:443/v1/", "openai/api.openai.com/m"),
            ("http://proxy:4000/hush", "openai/proxy:4000/m"),
            ("http://:hush@proxy:4001", "openai/proxy:4001/m"),
            ("http://[::1]:4000", "openai/[::1]:4000/m"),
        ] {
            let remote = of_model("m", base.to_owned(), Some(2), &limits());
            assert_eq!(remote.model(), expected);
        }
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
        let host = provider.base().replace("http://", "");
        let expected = format!(
            "the vectors of `openai/{host}/some-model` have 256 numbers, expected 384: \
             correct embeddings_model_dimensions"
        );
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
