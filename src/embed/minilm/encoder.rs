//! The arithmetic: a BERT that reads word pieces, and one vector made of what it says to each.
//!
//! Everything of it is in its `config.json`: layers and sizes as published, and three words of ours for models that
//! differ: `pooling` (`mean` or `cls`), `query_prefix` and `max_tokens`.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use serde::Deserialize;

use crate::embed::{Vector, normalised};

/// What MiniLM was trained with; longer texts gain nothing.
const MAX_TOKENS: usize = 256;

/// How many pieces' vectors become one.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first, which stands for the whole.
    Cls,
}

/// What `config.json` says beside what the arithmetic itself reads.
#[derive(Debug, Deserialize)]
struct Manner {
    #[serde(default)]
    pooling: Pooling,
    #[serde(default)]
    query_prefix: String,
    max_tokens: Option<usize>,
}

/// A loaded encoder.
pub(super) struct Encoder {
    model: BertModel,
    config: Config,
    manner: Manner,
}

impl Encoder {
    /// Read the configuration, and put the weights in their places.
    pub(super) fn new(config: &[u8], weights: HashMap<String, Tensor>) -> Result<Self, String> {
        let manner: Manner = serde_json::from_slice(config).map_err(|error| error.to_string())?;
        let config: Config = serde_json::from_slice(config).map_err(|error| error.to_string())?;
        let kind = config.model_type.as_deref().unwrap_or("bert");
        if kind != "bert" {
            return Err(format!("`{kind}` is not a model_type that is known: bert"));
        }
        let heads = config.num_attention_heads;
        if heads == 0 || !config.hidden_size.is_multiple_of(heads) {
            return Err(format!(
                "hidden_size {} cannot be parted among {heads} heads",
                config.hidden_size
            ));
        }
        let weights = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
        let model = BertModel::load(weights, &config).map_err(|error| error.to_string())?;
        Ok(Self {
            model,
            config,
            manner,
        })
    }

    pub(super) fn dimensions(&self) -> usize {
        self.config.hidden_size
    }

    /// How many pieces a text may have.
    pub(super) fn most_pieces(&self) -> usize {
        let most = self.manner.max_tokens.unwrap_or(MAX_TOKENS);
        most.min(self.config.max_position_embeddings)
    }

    /// How many kinds of pieces there are.
    pub(super) fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    /// What stands before a question.
    pub(super) fn query_prefix(&self) -> &str {
        &self.manner.query_prefix
    }

    /// The vectors of texts, in their order; shorter ones are padded, and the padding does not count.
    pub(super) fn vectors(&self, texts: &[Vec<u32>]) -> Result<Vec<Vector>, candle_core::Error> {
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        let pad = u32::try_from(self.config.pad_token_id).unwrap_or_default();
        let (mut pieces, mut mask) = (Vec::new(), Vec::new());
        for text in texts {
            let padding = longest - text.len();
            pieces.extend(text.iter().copied().chain(std::iter::repeat_n(pad, padding)));
            mask.extend(std::iter::repeat_n(1_u32, text.len()).chain(std::iter::repeat_n(0_u32, padding)));
        }
        let shape = (texts.len(), longest);
        let pieces = Tensor::from_vec(pieces, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let said = self.model.forward(&pieces, &pieces.zeros_like()?, Some(&mask))?;
        let said = said.to_vec3::<f32>()?;
        let pooled = said
            .iter()
            .zip(texts)
            .map(|(rows, text)| self.pooled(rows, text.len()));
        pooled
            .map(|vector| {
                normalised(vector).ok_or_else(|| candle_core::Error::Msg("no direction".to_owned()))
            })
            .collect()
    }

    /// One vector of those of the first `count` pieces. Its length does not matter: the mean is as good as the sum.
    fn pooled(&self, rows: &[Vec<f32>], count: usize) -> Vector {
        let counted = match self.manner.pooling {
            Pooling::Mean => count,
            Pooling::Cls => 1,
        };
        let mut sum = vec![0.0; self.dimensions()];
        for row in rows.iter().take(counted) {
            for (sum, number) in sum.iter_mut().zip(row) {
                *sum += number;
            }
        }
        sum
    }
}
