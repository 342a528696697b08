//! From text to vectors, behind one trait: a model in this process, or a provider that is asked.

use async_trait::async_trait;

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
    /// The vectors of texts to be found, in their order.
    async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error>;
}

/// Why there is no vector.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As many questions wait as may.
    #[error("too many texts are waiting for their vectors")]
    Busy,
}
