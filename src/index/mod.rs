//! What can be found, ready to be compared: words and vectors of the same documents, built whole and swapped whole.
//!
//! Every search here filters (rights, what is switched on), so the index is asked about the documents that are left, and a
//! filter that keeps few makes it cheaper. Up to some number of documents each vector is compared; beyond it a graph finds
//! the neighbourhood, and each candidate is then compared exactly ([`vector`]).
//!
//! **Invariant:** rows are in the order of the documents' ids, so ties are broken by id.

mod keyword;
mod vector;

use std::sync::Arc;

use self::keyword::Keywords;
pub use self::vector::Graph;
use self::vector::Vectors;
use crate::domain::search::Sheet;
use crate::domain::search::document::{Document, TextKey};
use crate::domain::search::query::Text;

/// Candidates for each part of a question, when not all are compared.
const CANDIDATES: usize = 128;
/// Vectors that are looked at for the least meaning, when not all are compared.
const SAMPLE: usize = 512;

/// How an index is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Up to so many documents each vector is compared; beyond it a graph is built.
    pub exact_up_to: usize,
    /// How wide a graph looks at least; it never looks less wide than twice what it is asked for.
    pub width: usize,
}

impl Default for Settings {
    /// Measured: below it the exact comparison is as quick, finds everything, and costs nothing to build.
    fn default() -> Self {
        Self {
            exact_up_to: 20_000,
            width: 0,
        }
    }
}

/// Documents, and what is known of each.
#[derive(Debug, Default)]
pub struct Index {
    documents: Vec<Document>,
    digests: Vec<TextKey>,
    keywords: Keywords,
    vectors: Vectors,
}

impl Index {
    /// Over these documents; `vector` gives the vector of a digest, if there is one yet.
    pub fn build(mut documents: Vec<Document>, vector: &dyn Fn(&TextKey) -> Option<Vec<f32>>) -> Self {
        documents.sort_by(|a, b| a.id().cmp(&b.id()));
        let digests: Vec<TextKey> = documents.iter().map(Document::digest).collect();
        Self {
            keywords: Keywords::build(documents.iter().map(|document| document.texts.words.as_str())),
            vectors: Vectors::build(digests.iter().map(vector)),
            documents,
            digests,
        }
    }

    /// The same with a graph: this one, if it still knows nearly everything.
    pub fn link(&mut self, graph: Arc<Graph>) -> bool {
        self.vectors.link(graph, &self.digests)
    }

    /// Whether it is large enough for a graph.
    pub fn wants_graph(&self, settings: Settings) -> bool {
        self.vectors.known() > settings.exact_up_to
    }

    /// The graph that it answers with.
    pub fn graph(&self) -> Option<&Arc<Graph>> {
        self.vectors.graph()
    }

    /// Build a graph of its vectors; this takes a while. `None` when `goes_on` says so before the end.
    pub fn new_graph(&self, goes_on: &dyn Fn() -> bool) -> Option<Graph> {
        Graph::build(&self.vectors, &self.digests, goes_on)
    }

    /// The documents, by row.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// What their vectors are known by, by row.
    pub fn digests(&self) -> &[TextKey] {
        &self.digests
    }

    /// The vector of a row.
    pub fn vector(&self, row: usize) -> Option<&[f32]> {
        self.vectors.get(row)
    }

    /// Whether there is any vector at all.
    pub fn has_vectors(&self) -> bool {
        self.vectors.known() > 0
    }

    /// What a question comes to, among the documents that `keeps` is true of.
    pub fn look(
        &self,
        text: Option<&Text>,
        vectors: Option<&[Vec<f32>]>,
        keeps: &[bool],
        settings: Settings,
    ) -> Sheet {
        let kept = |row: u32| keeps.get(row as usize).copied().unwrap_or(false);
        let rows = || (0..).take(self.documents.len()).filter(|&row| kept(row));
        let terms = text.map_or(&[][..], |text| &text.terms);
        let exact = |row: u32| {
            let document = self.documents.get(row as usize);
            document.map_or(0, |document| document.labels.exact(terms))
        };
        let parts = text.map_or(&[][..], |text| &text.parts);
        let words: Vec<Vec<(u32, f32)>> = parts
            .iter()
            .map(|part| self.keywords.scores(&part.words, keeps))
            .collect();
        let vectors = vectors.filter(|_| self.has_vectors());
        let few = vectors.and_then(|vectors| self.few(&words, vectors, keeps, settings));
        let (rows, least) = match few {
            Some(mut rows) => {
                rows.extend(self.vectors_of_terms(terms, keeps));
                rows.sort_unstable();
                rows.dedup();
                let sample = self.sample(keeps);
                let least = vectors
                    .into_iter()
                    .flatten()
                    .map(|vector| self.vectors.least(&sample, vector));
                (rows, least.collect())
            }
            None => (rows().collect(), Vec::new()),
        };
        let mut dense = vec![0.0; self.documents.len()];
        let words = words.iter().map(|scores| {
            for (row, score) in scores {
                dense
                    .get_mut(*row as usize)
                    .into_iter()
                    .for_each(|cell| *cell = *score);
            }
            let gathered = rows
                .iter()
                .map(|&row| dense.get(row as usize).copied().unwrap_or(0.0));
            let gathered = gathered.collect();
            for (row, _) in scores {
                dense
                    .get_mut(*row as usize)
                    .into_iter()
                    .for_each(|cell| *cell = 0.0);
            }
            gathered
        });
        Sheet {
            words: words.collect(),
            exact: if terms.is_empty() {
                Vec::new()
            } else {
                rows.iter().map(|&row| exact(row)).collect()
            },
            meaning: vectors.map(|vectors| self.vectors.cosines(&rows, vectors)),
            least,
            rows,
        }
    }

    /// The candidates, when a graph finds them: the nearest of each part, and those with the most of its words.
    fn few(
        &self,
        words: &[Vec<(u32, f32)>],
        vectors: &[Vec<f32>],
        keeps: &[bool],
        settings: Settings,
    ) -> Option<Vec<u32>> {
        let kept = keeps.iter().filter(|keeps| **keeps).count();
        // What is left is little: comparing it all is as quick, and a graph would mostly find what is filtered out.
        if kept <= settings.exact_up_to || kept * 2 < keeps.len() {
            return None;
        }
        let mut rows = Vec::new();
        for vector in vectors {
            rows.extend(
                self.vectors
                    .nearest(vector, (CANDIDATES, settings.width), keeps, kept)?,
            );
        }
        for scores in words {
            rows.extend(scores.iter().take(CANDIDATES).map(|(row, _)| *row));
        }
        Some(rows)
    }

    fn vectors_of_terms(&self, terms: &[crate::domain::search::query::Term], keeps: &[bool]) -> Vec<u32> {
        if terms.is_empty() {
            return Vec::new();
        }
        let all = (0..).zip(self.documents.iter().zip(keeps));
        let exact = all.filter(|(_, (document, keeps))| **keeps && document.labels.exact(terms) > 0);
        exact.map(|(row, _)| row).collect()
    }

    /// Some of the kept rows, the same each time.
    fn sample(&self, keeps: &[bool]) -> Vec<u32> {
        let step = (self.documents.len() / SAMPLE).max(1);
        let rows = (0..).zip(keeps).step_by(step);
        rows.filter(|(_, keeps)| **keeps).map(|(row, _)| row).collect()
    }
}

#[cfg(test)]
mod tests;
