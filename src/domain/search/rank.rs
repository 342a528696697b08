//! The order of an answer.
//!
//! For the whole question and each of its sentences, words and meaning are each brought to 0 … 1 among the candidates and
//! mixed. A document's score is that of the whole question, or half of it and half of its best sentence. Measured: adding
//! raw scores, and ranks instead of scores (reciprocal rank fusion), are both worse everywhere.
//!
//! What stands in metadata or tags letter by letter comes first. Documents that are as good stand in the order of their
//! ids. The score that people see is an absolute one, because here the first always has nearly 1.

use std::cmp::Ordering;

/// How much words and meaning count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Words.
    pub words: f32,
    /// Meaning.
    pub meaning: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            words: 0.3,
            meaning: 0.7,
        }
    }
}

/// What was measured of the candidates, all of them things that the caller may see.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// The candidates, as rows of the index, in the order of their ids.
    pub rows: Vec<u32>,
    /// For each, how many terms it has letter by letter.
    pub exact: Vec<u8>,
    /// For the whole question and each sentence: its words in each candidate (BM25).
    pub words: Vec<Vec<f32>>,
    /// The same by meaning (cosine), `NaN` for a candidate without a vector; none when the question has no vectors.
    pub meaning: Option<Vec<Vec<f32>>>,
    /// When the candidates are only the best: for each part, the least meaning among all.
    pub least: Vec<f32>,
}

/// A candidate in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its row.
    pub row: u32,
    /// What it was sorted by.
    pub score: f32,
    /// The cosine with the nearest part of the question; none without vectors.
    pub cosine: Option<f32>,
    /// How many terms it has letter by letter.
    pub exact: u8,
}

/// Sort the candidates, the best first. Without vectors only those stay that have a word or a term of the question.
pub fn rank(sheet: &Sheet, weights: Weights) -> Vec<Ranked> {
    let mut whole = vec![0.0; sheet.rows.len()];
    let mut sentences: Option<Vec<f32>> = None;
    for (index, words) in sheet.words.iter().enumerate() {
        let meaning = sheet.meaning.as_ref().and_then(|all| all.get(index));
        let part = mix(words, meaning, sheet.least.get(index).copied(), weights);
        match (index, &mut sentences) {
            (0, _) => whole = part,
            (_, None) => sentences = Some(part),
            (_, Some(best)) => best
                .iter_mut()
                .zip(part)
                .for_each(|(best, now)| *best = best.max(now)),
        }
    }
    if let Some(best) = sentences {
        whole
            .iter_mut()
            .zip(best)
            .for_each(|(whole, best)| *whole = f32::midpoint(*whole, best));
    }
    let mut ranked: Vec<Ranked> = (0..)
        .zip(&sheet.rows)
        .zip(whole)
        .filter_map(|((place, row), score): ((usize, &u32), f32)| {
            let exact = sheet.exact.get(place).copied().unwrap_or(0);
            let named = || {
                sheet
                    .words
                    .iter()
                    .any(|part| part.get(place).is_some_and(|&words| words > 0.0))
            };
            let stays = sheet.meaning.is_some() || sheet.words.is_empty() || exact > 0 || named();
            stays.then(|| Ranked {
                row: *row,
                score,
                cosine: nearest(sheet, place),
                exact,
            })
        })
        .collect();
    ranked.sort_by(order);
    ranked
}

fn order(a: &Ranked, b: &Ranked) -> Ordering {
    let by_score = b.score.total_cmp(&a.score);
    b.exact.cmp(&a.exact).then(by_score).then(a.row.cmp(&b.row))
}

fn nearest(sheet: &Sheet, place: usize) -> Option<f32> {
    let all = sheet.meaning.as_ref()?.iter().filter_map(|part| part.get(place));
    all.copied().filter(|cosine| !cosine.is_nan()).reduce(f32::max)
}

/// One part: both measures on a scale of 0 to 1. A document that has no vector yet is taken for as near as its words are.
fn mix(words: &[f32], meaning: Option<&Vec<f32>>, least: Option<f32>, weights: Weights) -> Vec<f32> {
    let most = words.iter().copied().fold(0.0, f32::max);
    let words = words
        .iter()
        .map(|&words| if most > 0.0 { words / most } else { 0.0 });
    let Some(meaning) = meaning else {
        return words.collect();
    };
    let known = || meaning.iter().copied().filter(|cosine| !cosine.is_nan());
    let low = known().chain(least).fold(f32::INFINITY, f32::min);
    let high = known().fold(f32::NEG_INFINITY, f32::max);
    let span = high - low;
    let near = |cosine: f32, words: f32| match cosine {
        _ if cosine.is_nan() => words,
        _ if span > 0.0 => (cosine - low) / span,
        _ => 0.0,
    };
    let both = words.zip(meaning);
    both.map(|(words, &cosine)| weights.words * words + weights.meaning * near(cosine, words))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(ranked: &[Ranked]) -> Vec<u32> {
        ranked.iter().map(|one| one.row).collect()
    }

    #[test]
    fn words_and_meaning_are_mixed_on_one_scale() {
        let sheet = Sheet {
            rows: vec![3, 5, 9],
            exact: vec![0, 0, 0],
            words: vec![vec![0.0, 10.0, 5.0]],
            meaning: Some(vec![vec![0.9, 0.1, 0.5]]),
            least: Vec::new(),
        };
        let ranked = rank(&sheet, Weights::default());
        assert_eq!(rows(&ranked), [3, 9, 5]);
        let scores: Vec<f32> = ranked.iter().map(|one| one.score).collect();
        for (score, expected) in scores.iter().zip([0.7, 0.5, 0.3]) {
            assert!((score - expected).abs() < 1e-6, "{scores:?}");
        }
        assert_eq!(ranked.first().unwrap().cosine, Some(0.9));
        let words_only = Weights {
            words: 1.0,
            meaning: 0.0,
        };
        assert_eq!(rows(&rank(&sheet, words_only)), [5, 9, 3]);
    }

    #[test]
    fn half_of_a_long_question_is_its_best_sentence() {
        let sheet = Sheet {
            rows: vec![0, 1, 2],
            exact: vec![0; 3],
            words: vec![vec![2.0, 1.0, 0.0], vec![0.0, 3.0, 0.0], vec![0.0, 0.0, 1.0]],
            ..Sheet::default()
        };
        let ranked = rank(&sheet, Weights::default());
        assert_eq!(rows(&ranked), [1, 0, 2]);
        assert!(ranked.iter().all(|one| one.cosine.is_none()));
    }

    #[test]
    fn what_stands_there_letter_by_letter_comes_first_and_ties_stand_by_id() {
        let sheet = Sheet {
            rows: vec![0, 1, 2, 3],
            exact: vec![0, 0, 0, 1],
            words: vec![vec![1.0, 0.0, 1.0, 0.0]],
            ..Sheet::default()
        };
        assert_eq!(rows(&rank(&sheet, Weights::default())), [3, 0, 2]);
        let tags_only = Sheet {
            rows: vec![4, 7],
            exact: vec![0, 0],
            ..Sheet::default()
        };
        assert_eq!(rows(&rank(&tags_only, Weights::default())), [4, 7]);
    }

    #[test]
    fn a_document_without_a_vector_is_as_near_as_its_words() {
        let sheet = Sheet {
            rows: vec![0, 1, 2],
            exact: vec![0; 3],
            words: vec![vec![4.0, 4.0, 0.0]],
            meaning: Some(vec![vec![0.2, f32::NAN, 0.6]]),
            least: vec![0.0],
        };
        assert_eq!(rows(&rank(&sheet, Weights::default())), [1, 2, 0]);
    }

    proptest! {
        #[test]
        fn every_order_is_total_and_the_same_again(
            values in proptest::collection::vec((0_u8..4, -4_i8..4, 0_u8..2), 0..40)
        ) {
            let sheet = Sheet {
                rows: (0..).take(values.len()).collect(),
                exact: values.iter().map(|one| one.2).collect(),
                words: vec![values.iter().map(|one| f32::from(one.0)).collect()],
                meaning: Some(vec![values.iter().map(|one| f32::from(one.1)).collect()]),
                least: Vec::new(),
            };
            let ranked = rank(&sheet, Weights::default());
            prop_assert_eq!(ranked.len(), values.len());
            prop_assert!(ranked.is_sorted_by(|a, b| order(a, b) == Ordering::Less));
        }
    }
}
