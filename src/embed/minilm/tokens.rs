//! From text to the numbers of its word pieces.
//!
//! A tokenizer file also says how texts are padded and cut, and that of `all-MiniLM-L6-v2` says 128 for both: a
//! question of twelve pieces would cost as much as one of 128, and longer texts would lose their ends. Both are set
//! here instead.

use tokenizers::{Tokenizer, TruncationParams};

/// Behind so many bytes there is nothing that would count: it keeps a large text from costing more.
const MOST_BYTES: usize = 32 * 1024;

/// The tokenizer of a model.
pub(super) struct Tokens(Tokenizer);

impl Tokens {
    /// From the file's bytes; texts are cut after so many pieces.
    pub(super) fn new(json: &[u8], most: usize) -> Result<Self, String> {
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
        let cut = TruncationParams {
            max_length: most,
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(cut))
            .map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        Ok(Self(tokenizer))
    }

    /// The largest number there can be, and one more.
    pub(super) fn size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    /// The pieces of a text, with those that begin and end it.
    pub(super) fn pieces(&self, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
        let text = text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or(text);
        Ok(self.0.encode_fast(text, true)?.get_ids().to_vec())
    }
}
