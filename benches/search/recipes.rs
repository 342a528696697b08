//! Ways to put tools in order, and how good each order is.

use std::collections::HashSet;

use gatehouse::domain::search::query::Text;
use gatehouse::domain::search::text::coverage;
use gatehouse::domain::search::{Sheet, Weights, rank};
use gatehouse::index::{Index, Settings};

/// The floors of the settings: of meaning, and of words where there is no model.
const FLOOR: f32 = 0.15;
const WORDS_FLOOR: f32 = 0.1;

/// A way to put tools in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// Cosine with the whole text.
    Flat,
    /// BM25 over split names.
    Words,
    /// Both on one scale, 0.3 and 0.7.
    Hybrid,
    /// R*: two views with vectors of their own, and sentences.
    Star,
    /// What the product does.
    Shipped,
    /// The same without a model.
    ShippedWords,
}

impl Recipe {
    pub(crate) const ALL: [Self; 6] = [
        Self::Flat,
        Self::Words,
        Self::Hybrid,
        Self::Star,
        Self::Shipped,
        Self::ShippedWords,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat vectors",
            Self::Words => "BM25, split names",
            Self::Hybrid => "min-max hybrid",
            Self::Star => "R*",
            Self::Shipped => "as shipped",
            Self::ShippedWords => "as shipped, without a model",
        }
    }

    pub(crate) fn needs_vectors(self) -> bool {
        !matches!(self, Self::Words | Self::ShippedWords)
    }
}

/// Means over the questions of a set.
#[derive(Debug, Default)]
pub(crate) struct Scored {
    pub(crate) ndcg: f64,
    pub(crate) mrr: f64,
    pub(crate) recall: [f64; 4],
}

/// A question, the vectors of its parts, and what would do.
pub(crate) type Question<'a> = (Text, Vec<Vec<f32>>, &'a HashSet<String>);

/// A set with everything that recipes need.
pub(crate) struct Ready<'a> {
    pub(crate) index: Index,
    /// The vectors of each document's two views, by row.
    pub(crate) views: Vec<(Vec<f32>, Vec<f32>)>,
    pub(crate) questions: Vec<Question<'a>>,
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// To 0 … 1, as R* does it.
fn scaled(values: &[f32], low: f32) -> Vec<f32> {
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let span = high - low;
    values
        .iter()
        .map(|value| if span > 0.0 { (value - low) / span } else { 0.0 })
        .collect()
}

fn least(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::INFINITY, f32::min)
}

impl Ready<'_> {
    fn sheet(&self, question: &Question<'_>, with_vectors: bool) -> Sheet {
        let keeps = vec![true; self.index.documents().len()];
        let vectors = Some(question.1.as_slice()).filter(|_| with_vectors);
        self.index
            .look(Some(&question.0), vectors, &keeps, Settings::default())
    }

    /// The scores of each document under a recipe that is written out here.
    fn written_out(&self, recipe: Recipe, question: &Question<'_>) -> Vec<f32> {
        let sheet = self.sheet(question, true);
        let cosines = |part: usize, of_name: bool| -> Vec<f32> {
            let vector = &question.1[part];
            let views = self.views.iter();
            views
                .map(|(name, full)| dot(if of_name { name } else { full }, vector))
                .collect()
        };
        match recipe {
            Recipe::Flat => cosines(0, false),
            Recipe::Words => sheet.words[0].clone(),
            Recipe::Hybrid => {
                let (words, full) = (scaled(&sheet.words[0], 0.0), cosines(0, false));
                let full = scaled(&full, least(&full));
                words
                    .iter()
                    .zip(full)
                    .map(|(words, full)| 0.3 * words + 0.7 * full)
                    .collect()
            }
            Recipe::Star | Recipe::Shipped | Recipe::ShippedWords => {
                let part = |part: usize| -> Vec<f32> {
                    let (name, full) = (cosines(part, true), cosines(part, false));
                    let (name, full) = (scaled(&name, least(&name)), scaled(&full, least(&full)));
                    let words = scaled(&sheet.words[part], 0.0);
                    let all = words.iter().zip(name).zip(full);
                    all.map(|((words, name), full)| 0.3 * words + 0.2 * name + 0.5 * full)
                        .collect()
                };
                let whole = part(0);
                let best = (1..sheet.words.len()).map(part).reduce(|mut best, now| {
                    best.iter_mut()
                        .zip(now)
                        .for_each(|(best, now)| *best = best.max(now));
                    best
                });
                match best {
                    Some(best) => whole
                        .iter()
                        .zip(best)
                        .map(|(whole, best)| 0.5 * whole + 0.5 * best)
                        .collect(),
                    None => whole,
                }
            }
        }
    }

    fn order(&self, recipe: Recipe, question: &Question<'_>) -> Vec<usize> {
        if matches!(recipe, Recipe::Shipped | Recipe::ShippedWords) {
            let ranked = rank(
                &self.sheet(question, recipe == Recipe::Shipped),
                Weights::default(),
            );
            let fits = ranked.iter().take(10).any(|one| {
                let document = &self.index.documents()[one.row as usize];
                let covered = coverage(question.0.words(), &document.texts.words);
                one.cosine
                    .map_or(covered >= WORDS_FLOOR, |cosine| cosine >= FLOOR)
                    || covered >= 1.0
            });
            return ranked
                .iter()
                .filter(|_| fits)
                .map(|one| one.row as usize)
                .collect();
        }
        let scores = self.written_out(recipe, question);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        order
    }

    /// The means of a recipe.
    pub(crate) fn measure(&self, recipe: Recipe) -> Scored {
        let mut sum = Scored::default();
        for question in &self.questions {
            let order = self.order(recipe, question);
            let hits: Vec<bool> = order
                .iter()
                .take(50)
                .map(|&row| {
                    question
                        .2
                        .contains(self.index.documents()[row].tool.as_deref().unwrap())
                })
                .collect();
            let gain = |place: usize| 1.0 / ((place + 2) as f64).log2();
            let found = hits.iter().take(10).enumerate().filter(|(_, hit)| **hit);
            let best: f64 = (0..question.2.len().min(10)).map(gain).sum();
            sum.ndcg += found.map(|(place, _)| gain(place)).sum::<f64>() / best;
            let first = hits.iter().position(|hit| *hit);
            sum.mrr += first.map_or(0.0, |place| 1.0 / (place + 1) as f64);
            for (recall, k) in sum.recall.iter_mut().zip([1, 3, 5, 10]) {
                let found = hits.iter().take(k).filter(|hit| **hit).count();
                *recall += found as f64 / question.2.len() as f64;
            }
        }
        let count = self.questions.len() as f64;
        Scored {
            ndcg: sum.ndcg / count,
            mrr: sum.mrr / count,
            recall: sum.recall.map(|recall| recall / count),
        }
    }

    /// Where the floor may be: the best cosine of questions that have an answer.
    pub(crate) fn show_floor(&self, name: &str) {
        let mut best: Vec<f32> = self
            .questions
            .iter()
            .map(|question| {
                let ranked = rank(&self.sheet(question, true), Weights::default());
                let cosines = ranked.iter().take(10).filter_map(|one| one.cosine);
                cosines.fold(f32::NEG_INFINITY, f32::max)
            })
            .collect();
        best.sort_by(f32::total_cmp);
        let at = |share: f64| best[((best.len() - 1) as f64 * share) as usize];
        println!(
            "{name}: best cosine of ten, least {:.3}, 1 % {:.3}, 5 % {:.3}, half {:.3}",
            at(0.0),
            at(0.01),
            at(0.05),
            at(0.5)
        );
    }
}
