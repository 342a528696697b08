//! BM25 over stems, with one order for equal scores.
//!
//! The crate's average length is fixed when an index is built, which suits an index that is swapped whole. Its order of
//! equal scores is that of a hash map, so they are sorted here. How rare a word is depends on what somebody may see: else
//! the order of what they see would tell of words in what is hidden.

use std::collections::HashMap;
use std::fmt;

use bm25::{Embedder, EmbedderBuilder, Scorer, Tokenizer};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// The texts come as stems already.
#[derive(Debug)]
struct Stems;

impl Tokenizer for Stems {
    fn tokenize(&self, text: &str) -> Vec<String> {
        text.split(' ')
            .filter(|stem| !stem.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// The keyword index.
pub(super) struct Keywords {
    embedder: Embedder<u64, Stems>,
    scorer: Scorer<u32, u64>,
    count: usize,
}

impl fmt::Debug for Keywords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keywords").finish_non_exhaustive()
    }
}

impl Default for Keywords {
    fn default() -> Self {
        Self::build(std::iter::empty())
    }
}

impl Keywords {
    /// Of these documents, row by row.
    pub(super) fn build<'a>(documents: impl Iterator<Item = &'a str> + Clone) -> Self {
        let (mut stems, mut count) = (0_usize, 0_usize);
        for document in documents.clone() {
            stems += Stems.tokenize(document).len();
            count += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "an average length")]
        let average = stems as f32 / count.max(1) as f32;
        let embedder = EmbedderBuilder::<u64, Stems>::with_tokenizer_and_fit_to_corpus(Stems, &[])
            .avgdl(average)
            .k1(K1)
            .b(B)
            .build();
        let mut scorer = Scorer::new();
        for (row, document) in (0..).zip(documents) {
            scorer.upsert(&row, embedder.embed(document));
        }
        Self {
            embedder,
            scorer,
            count,
        }
    }

    /// The kept rows that have one of these stems, the best first.
    pub(super) fn scores(&self, stems: &[String], keeps: &[bool]) -> Vec<(u32, f32)> {
        let is_kept = |row: u32| keeps.get(row as usize).copied().unwrap_or(false);
        let kept = keeps.iter().filter(|keeps| **keeps).count();
        let mut sums: HashMap<u32, f32> = HashMap::new();
        for stem in stems {
            let mut found = self.scorer.matches(&self.embedder.embed(stem));
            let among_all = rarity(found.len(), self.count);
            found.retain(|one| is_kept(one.id));
            let among_kept = rarity(found.len(), kept);
            for one in found {
                *sums.entry(one.id).or_default() += one.score / among_all * among_kept;
            }
        }
        let mut scores: Vec<(u32, f32)> = sums.into_iter().collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scores
    }
}

/// What a word counts that so many of so many documents have, as the crate reckons it; always more than 0.
fn rarity(having: usize, documents: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "numbers of documents")]
    let (having, documents) = (having as f32, documents as f32);
    (1.0 + (documents - having + 0.5) / (having + 0.5)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn rare_words_count_more_and_equal_scores_stand_by_row() {
        let documents = [
            "price share",
            "price share",
            "price gold",
            "price gold share",
            "other",
        ];
        let keywords = Keywords::build(documents.into_iter());
        let rows = |words: &[&str]| {
            let scores = keywords.scores(&stems(words), &[true; 5]);
            scores.into_iter().map(|(row, _)| row).collect::<Vec<_>>()
        };
        for _ in 0..20 {
            assert_eq!(rows(&["price", "gold"]), [2, 3, 0, 1]);
        }
        assert!(rows(&["nothing"]).is_empty());
        assert!(Keywords::default().scores(&stems(&["x"]), &[]).is_empty());
    }

    #[test]
    fn what_is_hidden_makes_no_word_less_rare() {
        let seen = ["price share", "gold share", "price gold"];
        let hidden = ["gold gold", "gold other"];
        let alone = Keywords::build(seen.into_iter());
        let beside = Keywords::build(seen.into_iter().chain(hidden));
        let question = stems(&["price", "gold"]);
        let expected = alone.scores(&question, &[true; 3]);
        let found = beside.scores(&question, &[true, true, true, false, false]);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.0, expected.0);
            assert!((found.1 - expected.1).abs() < 1e-5, "{found:?} {expected:?}");
        }
        let all = beside.scores(&question, &[true; 5]);
        assert!(
            all.len() == 5 && (all[0].1 - expected[0].1).abs() > 0.1,
            "to whoever sees them they count"
        );
    }
}
