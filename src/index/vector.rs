//! Vectors, compared one by one or found through a graph.
//!
//! `hnsw_rs` stays behind a checked surface: its cosine is several times slower than a product of what has length 1
//! already, and its own product can panic on duplicates; so the distance is ours, and never below 0. It cannot forget, so
//! a graph is kept while it knows nearly everything, what it does not know is compared one by one, and then a new one is
//! built aside. It is asked without a filter, for more than is wanted: a filter that keeps little would make it look at
//! everything. One thread inserts, so the same vectors make the same graph.
//!
//! **Invariants:** a point is a text, and stands for every row that has it; a graph that was built from these very rows
//! fits them, so none is built twice in a row.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use hnsw_rs::prelude::{Distance, Hnsw};

use crate::domain::search::document::TextKey;

/// Neighbours of a point, layers, and how wide a point's neighbours are looked for.
const NEIGHBOURS: usize = 16;
const LAYERS: usize = 16;
const BUILD_WIDTH: usize = 200;
/// Insertions between two looks at whether to go on.
const AT_ONCE: usize = 256;

/// Vectors by row.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    dimensions: usize,
    /// Row after row; zeros where a row has none.
    flat: Vec<f32>,
    has: Vec<bool>,
    known: usize,
    linked: Option<Linked>,
}

/// A graph, and what it means here.
#[derive(Debug)]
struct Linked {
    graph: Arc<Graph>,
    /// Its points, each with every row that has its text, in this order: replicas of a server say the same.
    known: Vec<(usize, u32)>,
    /// Rows that it does not know.
    fresh: Vec<u32>,
}

impl Linked {
    /// The rows of a point, in their order; none when they are gone.
    fn rows(&self, point: usize) -> impl Iterator<Item = u32> {
        let start = self.known.partition_point(|(other, _)| *other < point);
        let rest = self.known.get(start..).unwrap_or_default();
        let own = rest.iter().take_while(move |(other, _)| *other == point);
        own.map(|(_, row)| *row)
    }
}

impl Vectors {
    pub(super) fn build(vectors: impl Iterator<Item = Option<Vec<f32>>>) -> Self {
        let mut built = Self::default();
        for vector in vectors {
            let vector = vector.filter(|vector| !vector.is_empty());
            if let Some(vector) = &vector
                && built.dimensions == 0
            {
                built.dimensions = vector.len();
                built.flat.resize(built.has.len() * built.dimensions, 0.0);
            }
            let vector = vector.filter(|vector| vector.len() == built.dimensions);
            built.has.push(vector.is_some());
            built.known += usize::from(vector.is_some());
            built.flat.extend(vector.into_iter().flatten());
            built.flat.resize(built.has.len() * built.dimensions, 0.0);
        }
        built
    }

    pub(super) fn known(&self) -> usize {
        self.known
    }

    pub(super) fn graph(&self) -> Option<&Arc<Graph>> {
        self.linked.as_ref().map(|linked| &linked.graph)
    }

    pub(super) fn get(&self, row: usize) -> Option<&[f32]> {
        let start = row.checked_mul(self.dimensions)?;
        let vector = self.flat.get(start..start + self.dimensions)?;
        self.has.get(row).copied().unwrap_or(false).then_some(vector)
    }

    /// The cosines of each of these vectors with each of these rows; `NaN` for a row without one.
    pub(super) fn cosines(&self, rows: &[u32], vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let mut all: Vec<Vec<f32>> = vectors.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        // Row by row: each is fetched once, for all parts of the question.
        for &row in rows {
            let own = self.get(row as usize);
            for (vector, column) in vectors.iter().zip(&mut all) {
                column.push(own.map_or(f32::NAN, |own| dot(own, vector)));
            }
        }
        all
    }

    /// The least cosine with one of these rows.
    pub(super) fn least(&self, rows: &[u32], vector: &[f32]) -> f32 {
        let rows = rows.iter().filter_map(|&row| self.get(row as usize));
        rows.map(|own| dot(own, vector)).fold(f32::INFINITY, f32::min)
    }

    /// Answer with this graph, unless it misses too much or has too much that is gone.
    pub(super) fn link(&mut self, graph: Arc<Graph>, digests: &[TextKey]) -> bool {
        let (mut known, mut fresh) = (Vec::with_capacity(self.known), Vec::new());
        for (row, digest) in self.rows(digests) {
            match graph.points.get(digest) {
                Some(point) => known.push((*point, row)),
                None => fresh.push(row),
            }
        }
        known.sort_unstable();
        let alive = known.chunk_by(|(one, _), (other, _)| one == other).count();
        let gone = graph.points.len().saturating_sub(alive);
        // Whatever one that was built from these very rows misses, the next would miss too.
        let fits = graph.of == self.fingerprint(digests)
            || (fresh.len() * 10 <= self.known && gone * 5 <= graph.points.len().max(1));
        self.linked = fits.then_some(Linked { graph, known, fresh });
        fits
    }

    /// Rows that have a vector, with the digests of their texts.
    fn rows<'a>(&self, digests: &'a [TextKey]) -> impl Iterator<Item = (u32, &'a TextKey)> {
        let all = (0..).zip(digests.iter().zip(&self.has));
        all.filter_map(|(row, (digest, has))| has.then_some((row, digest)))
    }

    /// What a graph of these rows is built from.
    fn fingerprint(&self, digests: &[TextKey]) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.rows(digests)
            .for_each(|(_, digest)| digest.hash(&mut hasher));
        hasher.finish()
    }

    /// At least `most` rows that are kept and near, when a graph finds so many; `width` is how wide it looks at least.
    pub(super) fn nearest(
        &self,
        vector: &[f32],
        (most, width): (usize, usize),
        keeps: &[bool],
        kept: usize,
    ) -> Option<Vec<u32>> {
        let linked = self.linked.as_ref()?;
        // As many more as the filter takes away, and some.
        let asked = (most * self.has.len() / kept.max(1)) * 5 / 4 + 8;
        let kept = |row: &u32| keeps.get(*row as usize).copied().unwrap_or(false);
        let points = linked.graph.nearest(vector, asked, width).into_iter();
        // Rows of one point are equally near and stand in their order, so it is the last of them that may be cut.
        let rows = points.flat_map(|point| linked.rows(point)).filter(kept);
        let mut rows: Vec<u32> = rows.take(asked).collect();
        if rows.len() < most {
            return None;
        }
        rows.extend(linked.fresh.iter().copied().filter(kept));
        Some(rows)
    }
}

/// A graph of neighbours.
pub struct Graph {
    inner: Hnsw<'static, f32, Near>,
    /// Its points by their texts, so that the graph outlives the rows that it was made from.
    points: HashMap<TextKey, usize>,
    /// The fingerprint of those rows.
    of: u64,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Graph");
        shown.field("points", &self.points.len()).finish_non_exhaustive()
    }
}

impl Graph {
    pub(super) fn build(vectors: &Vectors, digests: &[TextKey], goes_on: &dyn Fn() -> bool) -> Option<Self> {
        let mut points = HashMap::with_capacity(vectors.known);
        let inner = Hnsw::new(NEIGHBOURS, vectors.known.max(1), LAYERS, BUILD_WIDTH, Near);
        for (row, digest) in digests.iter().enumerate() {
            let Some(vector) = vectors.get(row) else { continue };
            // Twice the same text is one point: the crate would not notice an id that comes again.
            if points.contains_key(digest) {
                continue;
            }
            if points.len().is_multiple_of(AT_ONCE) && !goes_on() {
                return None;
            }
            inner.insert_slice((vector, points.len()));
            points.insert(*digest, points.len());
        }
        let of = vectors.fingerprint(digests);
        Some(Self { inner, points, of })
    }

    fn nearest(&self, vector: &[f32], most: usize, width: usize) -> Vec<usize> {
        let found = self.inner.search(vector, most, width.max(most * 2));
        found.into_iter().map(|neighbour| neighbour.d_id).collect()
    }
}

/// 1 less the product: 0 for the same text.
#[derive(Debug, Clone, Copy)]
struct Near;

impl Distance<f32> for Near {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - dot(a, b)).max(0.0)
    }
}

/// Sums side by side, which the compiler turns into wide instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_fits_the_rows_that_it_was_built_from_whatever_it_misses() {
        let digests: Vec<TextKey> = (0..4).map(|n| [n; 32]).collect();
        let vectors = || {
            Vectors::build(
                [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
                    .map(|it| Some(it.to_vec()))
                    .into_iter(),
            )
        };
        let graph = |missing: u8| {
            let mut graph = Graph::build(&vectors(), &digests, &|| true).unwrap();
            graph.points.retain(|digest, _| digest[0] >= missing);
            Arc::new(graph)
        };
        let mut others = digests.clone();
        others.reverse();
        for missing in 0..=3 {
            let mut same = vectors();
            assert!(same.link(graph(missing), &digests), "{missing}");
            assert_eq!(same.linked.unwrap().fresh.len(), usize::from(missing));
            assert!(!vectors().link(graph(missing), &others), "{missing}");
        }
    }
}
