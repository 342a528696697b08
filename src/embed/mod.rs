//! From text to vectors, behind one trait: a model in this process, or a provider that is asked.
//!
//! Whoever asks must be able to go on without: no model here is `Ok(None)` from [`open`], a full queue is
//! [`Error::Busy`] at once, so is a provider that has just failed ([`Error::Paused`]), and everything that waits ends with [`Error::Slow`].
//!
//! **Invariants:** a vector has length 1 and as many numbers as [`Embedder::dimensions`] says; a question never waits
//! for more than one batch of documents; nothing here logs a text or a key.

mod bedrock;
#[cfg(test)]
mod conformance;
mod front;
mod hashed;
mod http;
mod minilm;
mod openai;
mod pause;
#[cfg(test)]
mod provider;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::openai::known_size;
pub use self::settings::{Bedrock, Limits, Local, OpenAi, Settings, Source};
use crate::clock::SystemClock;
use crate::domain::Kind;

/// The model that has pinned checksums, and is loaded unless the settings say another.
pub const MODEL: &str = minilm::MODEL;

/// A text's place among texts: length 1, so that a dot product is a cosine.
pub type Vector = Vec<f32>;

/// Makes vectors of texts.
#[async_trait]
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// Provider and model: vectors of one name fit together, so they are kept under it.
    fn model(&self) -> &str;
    /// How many numbers a vector has.
    fn dimensions(&self) -> usize;
    /// The vector of a question; one that was asked before costs nothing.
    async fn query(&self, text: &str) -> Result<Vector, Error>;
    /// The same of a sentence of a question whose whole is asked for, too: in a crowd it gives way.
    async fn sentence(&self, text: &str) -> Result<Vector, Error> {
        self.query(text).await
    }
    /// The vectors of texts to be found, in their order.
    async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error>;
}

/// Why there is no vector.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As many questions wait as may.
    #[error("too many texts are waiting for their vectors")]
    Busy,
    /// The provider failed a moment ago, and is not asked for a while.
    #[error("the provider of embeddings failed a moment ago and is left alone for a while")]
    Paused,
    /// It took too long.
    #[error("there was no vector within {} s", .0.as_secs_f32())]
    Slow(Duration),
    /// The provider cannot be reached, or the connection broke.
    #[error("the provider of embeddings cannot be reached")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The provider said no.
    #[error("the provider of embeddings answered with status {0}")]
    Status(u16),
    /// The provider's answer is not what was agreed.
    #[error("the answer of the provider of embeddings is unusable: {0}")]
    Unusable(&'static str),
    /// Vectors of another size than the settings say.
    #[error(
        "the vectors of `{model}` have {got} numbers, expected {expected}: correct embeddings_model_dimensions"
    )]
    Dimensions {
        /// Provider and model.
        model: String,
        /// What the settings say.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// The files of the model are there, and cannot be used.
    #[error("the model in `{}` cannot be used: {reason}", folder.display())]
    Model {
        /// Where they are.
        folder: PathBuf,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// Something of ours broke.
    #[error("the vector could not be made")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Busy | Self::Paused | Self::Slow(_) | Self::Away(_) | Self::Status(_) => Kind::Unavailable,
            Self::Unusable(_) | Self::Dimensions { .. } | Self::Model { .. } | Self::Backend(_) => {
                Kind::Internal
            }
        }
    }
}

/// Make ready what the settings say; `None` when there is no model, and words alone must do. Reads and checks the
/// files of a local model (a tenth of a second and more), so call it where that may block.
pub fn open(settings: &Settings) -> Result<Option<Arc<dyn Embedder>>, Error> {
    let limits = &settings.limits;
    let embedder: Arc<dyn Embedder> = match &settings.source {
        Source::Off => return Ok(None),
        Source::Hashed => Arc::new(hashed::Hashed),
        Source::Local(local) => match minilm::MiniLm::open(local, limits)? {
            Some(model) => {
                check_dimensions(&model, settings.dimensions)?;
                Arc::new(front::Front::new(model, local.threads, limits))
            }
            None => return Ok(None),
        },
        Source::OpenAi(provider) => {
            let http = http::Http::new(limits, settings.ca_file.as_deref())?;
            let remote = openai::Remote::new(provider, settings.dimensions, http)?;
            Arc::new(front::Front::of_provider(remote, limits))
        }
        Source::Bedrock(provider) => {
            let http = http::Http::new(limits, settings.ca_file.as_deref())?;
            let remote = bedrock::Remote::new(provider, settings.dimensions, http, Arc::new(SystemClock));
            Arc::new(front::Front::of_provider(remote, limits))
        }
    };
    Ok(Some(embedder))
}

fn check_dimensions(model: &impl Embedder, expected: Option<usize>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != model.dimensions() => Err(Error::Dimensions {
            model: model.model().to_owned(),
            expected,
            got: model.dimensions(),
        }),
        _ => Ok(()),
    }
}

/// Make its length 1; `None` when it has none.
fn normalised(mut vector: Vector) -> Option<Vector> {
    let length = vector
        .iter()
        .map(|&x| f64::from(x) * f64::from(x))
        .sum::<f64>()
        .sqrt();
    if !length.is_finite() || length < 1e-12 {
        return None;
    }
    for number in &mut vector {
        #[expect(clippy::cast_possible_truncation, reason = "the quotient is at most 1")]
        let scaled = (f64::from(*number) / length) as f32;
        *number = scaled;
    }
    Some(vector)
}
