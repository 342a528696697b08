//! Makes the vectors that the index lacks, a lot at a time, beside whoever builds the index.
//!
//! The two share a list: what lacks its vector, and what was made since the index was swapped. So neither waits for the
//! other: a slow model delays no new server, and changes that never end starve no text.
//!
//! **Invariants:** one lot is under way at a time; a text that has its vector is not sent again; a model that fails is left
//! alone for a while, whatever is new.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::all_words;
use crate::domain::search::document::{TextKey, mixed};
use crate::embed::Embedder;
use crate::store::Store;

/// Documents whose texts the model gets at once.
const LOT: usize = 32;
/// While many vectors are made, those that are there count from time to time.
const BETWEEN: Duration = Duration::from_secs(10);
/// A model that fails is asked again after the first time, then after twice as long, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A document without its vector.
#[derive(Debug, Clone)]
pub(super) struct Lacking {
    pub(super) digest: TextKey,
    /// Its name, and all of it.
    pub(super) views: [String; 2],
}

/// Vectors by what they are known by.
pub(super) type Made = HashMap<TextKey, Vec<f32>>;

/// The model's share of keeping the index.
#[derive(Debug)]
pub(super) struct Embedding {
    store: Arc<dyn Store>,
    embedder: Arc<dyn Embedder>,
    list: Mutex<List>,
    /// Something lacks its vector.
    wanted: Notify,
    /// Something was made, or will not be for a while.
    told: Notify,
}

#[derive(Debug, Default)]
struct List {
    lacking: VecDeque<Lacking>,
    /// What the index does not show yet.
    made: Made,
    /// Whether the model is left alone.
    rests: bool,
}

impl Embedding {
    /// With this model; vectors are kept in the store.
    pub(super) fn new(store: Arc<dyn Store>, embedder: Arc<dyn Embedder>) -> Self {
        Self {
            store,
            embedder,
            list: Mutex::default(),
            wanted: Notify::new(),
            told: Notify::new(),
        }
    }

    pub(super) fn embedder(&self) -> &Arc<dyn Embedder> {
        &self.embedder
    }

    /// Vectors that no index shows yet.
    pub(super) fn made(&self) -> Made {
        self.list().made.clone()
    }

    /// An index with these vectors is shown now, and this is what it lacks. Whether that is nothing.
    pub(super) fn shown(&self, taken: &Made, index_lacks: impl Iterator<Item = Lacking>) -> bool {
        let mut seen = HashSet::new();
        let mut lacking: VecDeque<Lacking> = index_lacks.filter(|one| seen.insert(one.digest)).collect();
        let is_whole = lacking.is_empty();
        let mut list = self.list();
        // What was made meanwhile waits for the next index; what nobody wants any more is in the store.
        list.made
            .retain(|digest, _| seen.contains(digest) && !taken.contains_key(digest));
        lacking.retain(|one| !list.made.contains_key(&one.digest));
        list.lacking = lacking;
        drop(list);
        self.wanted.notify_one();
        is_whole
    }

    /// Wait until there are vectors that an index should show, which was swapped then.
    pub(super) async fn due(&self, swapped: Instant) {
        while !self.is_due(swapped) {
            self.told.notified().await;
        }
    }

    fn is_due(&self, swapped: Instant) -> bool {
        let list = self.list();
        let no_more = list.lacking.is_empty() || list.rests;
        !list.made.is_empty() && (no_more || swapped.elapsed() > BETWEEN)
    }

    /// Make what lacks, for ever.
    pub(super) async fn run(&self) {
        let mut rest = BACK_OFF.0;
        loop {
            let lot: Vec<Lacking> = self.list().lacking.iter().take(LOT).cloned().collect();
            if lot.is_empty() {
                self.wanted.notified().await;
                continue;
            }
            match self.vectors(&lot).await {
                Ok(vectors) => {
                    rest = BACK_OFF.0;
                    self.keep(vectors).await;
                }
                Err(why) => {
                    self.rests(&why, rest);
                    tokio::time::sleep(rest).await;
                    rest = (rest * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    async fn vectors(&self, lot: &[Lacking]) -> Result<Vec<(TextKey, Vec<f32>)>, String> {
        let texts: Vec<String> = lot.iter().flat_map(|one| one.views.iter().cloned()).collect();
        let made = self.embedder.documents(&texts).await;
        let made = made.map_err(|error| all_words(&error))?;
        if made.len() != texts.len() {
            return Err("it gave another number of vectors than texts".to_owned());
        }
        // An index would leave them out, and they would be made again and again.
        if made.iter().any(|one| one.len() != self.embedder.dimensions()) {
            return Err("it gave vectors of another size than it said".to_owned());
        }
        let (pairs, _) = made.as_chunks::<2>();
        let vectors = pairs.iter().map(|[name, full]| mixed(name, full));
        Ok(lot.iter().map(|one| one.digest).zip(vectors).collect())
    }

    async fn keep(&self, vectors: Vec<(TextKey, Vec<f32>)>) {
        let model = self.embedder.model();
        if let Err(error) = self.store.put_vectors(model, vectors.clone()).await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(
                error,
                "vectors cannot be kept; the next start will make them again"
            );
        }
        let mut list = self.list();
        let List { lacking, made, rests } = &mut *list;
        made.extend(vectors);
        lacking.retain(|one| !made.contains_key(&one.digest));
        *rests = false;
        drop(list);
        self.told.notify_one();
    }

    fn rests(&self, why: &str, rest: Duration) {
        let mut list = self.list();
        list.rests = true;
        tracing::warn!(
            why,
            texts = list.lacking.len(),
            again_in_s = rest.as_secs(),
            "texts cannot be given their vectors; they are found by their words"
        );
        drop(list);
        self.told.notify_one();
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
