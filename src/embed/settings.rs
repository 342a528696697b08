//! What the part must be told.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::secret::Secret;

/// Where vectors come from, and what may wait.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The model, or the provider.
    pub source: Source,
    /// How many numbers a vector must have; none: what the model says.
    pub dimensions: Option<usize>,
    /// Bounds of time and number.
    pub limits: Limits,
    /// PEM certificates that a provider is checked against, instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

/// Bounds of time and number.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many questions may wait, beside those that are being answered.
    pub queue: usize,
    /// How long a question may wait until a model in this process begins with it; a sentence of one waits a quarter of it.
    pub turn: Duration,
    /// How many vectors of questions are remembered.
    pub remembered: usize,
    /// How long a question, or one exchange with a provider, may take.
    pub within: Duration,
    /// How many texts a provider is sent at once.
    pub batch: usize,
}

/// Where vectors come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Nowhere: search goes by words.
    Off,
    /// An encoder in this process.
    Local(Local),
    /// A provider that speaks OpenAI's `/embeddings`, such as a LiteLLM proxy.
    OpenAi(OpenAi),
    /// Amazon Titan, through Bedrock.
    Bedrock(Bedrock),
    /// Hashes of words and their parts: for tests.
    Hashed,
}

/// An encoder of the BERT family, in this process.
#[derive(Debug, Clone)]
pub struct Local {
    /// The folder of `model.safetensors`, `tokenizer.json` and `config.json`.
    pub folder: PathBuf,
    /// Its name; the one that is pinned, or any other if `unverified`.
    pub model: String,
    /// Whether files may be loaded whose checksums are not pinned.
    pub unverified: bool,
    /// How many texts are worked on at the same time.
    pub threads: usize,
}

/// A provider that speaks OpenAI's `/embeddings`.
#[derive(Debug, Clone)]
pub struct OpenAi {
    /// The address before `/embeddings`.
    pub base: String,
    /// The key, if it asks for one.
    pub key: Option<Secret<String>>,
    /// The model's name there.
    pub model: String,
}

/// Amazon Titan, through Bedrock.
#[derive(Debug, Clone)]
pub struct Bedrock {
    /// The address, if it is not the region's own.
    pub base: Option<String>,
    /// The region, such as `us-east-1`.
    pub region: String,
    /// The model's id, such as `amazon.titan-embed-text-v2:0`.
    pub model: String,
    /// The access key's id.
    pub access_key: Secret<String>,
    /// The access key.
    pub secret_key: Secret<String>,
    /// The token of a temporary key.
    pub session_token: Option<Secret<String>>,
}
