//! Vectors without a model: each word, pair of words and run of three letters has its place, found by a hash.
//!
//! For tests, and for looking at what a model adds. It knows letters and no meanings, so it is never chosen by itself.

use async_trait::async_trait;

use super::{Embedder, Error, Vector, normalised};

const DIMENSIONS: usize = 256;

/// How much a whole word counts, against a pair of words, and a run of letters.
const WORD: f32 = 1.0;
const PAIR: f32 = 0.5;
const LETTERS: f32 = 0.3;

/// The embedder without weights.
#[derive(Debug)]
pub(super) struct Hashed;

/// FNV-1a with 64 bits: the same on every machine and in every release.
fn hash(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

pub(super) fn vector(text: &str) -> Vector {
    let mut numbers = vec![0.0; DIMENSIONS];
    let mut add = |parts: &[&str], weight: f32| {
        let hash = hash(parts);
        let sign = if hash >> 63 == 0 { weight } else { -weight };
        let place = usize::try_from(hash >> 20).unwrap_or_default() % DIMENSIONS;
        if let Some(number) = numbers.get_mut(place) {
            *number += sign;
        }
    };
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    for word in &words {
        add(&["word", word], WORD);
        let letters: Vec<char> = word.chars().collect();
        for run in letters.windows(3) {
            add(&["letters", &run.iter().collect::<String>()], LETTERS);
        }
    }
    for pair in words.windows(2) {
        add(pair, PAIR);
    }
    // Texts without a word are all alike.
    normalised(numbers).unwrap_or_else(|| {
        let mut only = vec![0.0; DIMENSIONS];
        only.iter_mut().take(1).for_each(|number| *number = 1.0);
        only
    })
}

#[async_trait]
impl Embedder for Hashed {
    fn model(&self) -> &'static str {
        "hashed/256"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn query(&self, text: &str) -> Result<Vector, Error> {
        Ok(vector(text))
    }

    async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        Ok(texts.iter().map(|text| vector(text)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_owes_what_every_embedder_owes() {
        crate::embed::conformance::all(&Hashed).await;
    }
}
