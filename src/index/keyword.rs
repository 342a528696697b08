//! BM25 over stems, with one order for equal scores.
//!
//! The crate's average length is fixed when an index is built, which suits an index that is swapped whole. Its order of
//! equal scores is that of a hash map, so they are sorted here.

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
        Self { embedder, scorer }
    }

    /// The rows that have one of these stems, the best first.
    pub(super) fn scores(&self, stems: &[String]) -> Vec<(u32, f32)> {
        let question = self.embedder.embed(&stems.join(" "));
        let mut scores: Vec<(u32, f32)> = self
            .scorer
            .matches(&question)
            .into_iter()
            .map(|found| (found.id, found.score))
            .collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            let scores = keywords.scores(&words);
            scores.into_iter().map(|(row, _)| row).collect::<Vec<_>>()
        };
        for _ in 0..20 {
            assert_eq!(rows(&["price", "gold"]), [2, 3, 0, 1]);
        }
        assert!(rows(&["nothing"]).is_empty());
        assert!(Keywords::default().scores(&["x".to_owned()]).is_empty());
    }
}
