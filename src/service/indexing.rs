//! Keeps the index in step with the register and the catalogue.
//!
//! Whatever changes, everything is read again, built aside and swapped: what is found is then never half old. Only texts
//! that no vector is known of go to the model, in small lots, and what it made of them is kept in the store; so a start
//! asks it nothing. Until a text has its vector, it is found by its words.
//!
//! **Invariants:** words of a tool that nobody has approved are not in the index; a model that fails delays nothing but
//! the vectors; rebuilding takes at most a fifth of the time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::search::document::{Document, Labels, TextKey, mixed};
use crate::domain::server::{Revision, Server};
use crate::embed::Embedder;
use crate::index::{self, Graph, Index};
use crate::store::{self, Store};

/// After a failed look at the store.
const PAUSE: Duration = Duration::from_millis(500);
/// Changes that come together are built together.
const GATHER: Duration = Duration::from_millis(20);
/// Documents whose texts the model gets at once.
const LOT: usize = 32;
/// While many vectors are made, those that are there count from time to time.
const BETWEEN: Duration = Duration::from_secs(10);
/// A model that fails is asked again after the first time, then after twice as long, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Vectors of texts that are gone: so many at once, and how often.
const TRIM: (u32, Duration) = (5_000, Duration::from_secs(600));

/// Everything that can be found, at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The register's revision that it shows.
    pub revision: Revision,
    /// Tools.
    pub tools: Index,
    /// Servers.
    pub servers: Index,
    /// What each tool's server says of it, by row.
    pub definitions: Vec<Arc<Map<String, Value>>>,
    /// All servers, also those that are switched off, by path.
    pub records: HashMap<String, Arc<Server>>,
}

/// Keeps the index; everybody else reads it.
#[derive(Debug, Clone)]
pub struct Indexing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    embedder: Option<Arc<dyn Embedder>>,
    /// Counts what changes in the catalogue.
    changes: watch::Receiver<u64>,
    settings: index::Settings,
    snapshot: ArcSwap<Snapshot>,
}

/// What the loop is busy with.
#[derive(Debug)]
struct Work {
    /// Documents that wait for their vectors.
    pending: VecDeque<Document>,
    /// Vectors that are not in the snapshot yet.
    fresh: HashMap<TextKey, Vec<f32>>,
    /// Until when the model is left alone, and for how long next time.
    rest: (Instant, Duration),
    swapped: Instant,
    trimmed: Option<Instant>,
    graph: Option<Arc<Graph>>,
    building: Option<JoinHandle<Option<Graph>>>,
}

/// The register and the catalogue, read one after the other.
struct Book {
    revision: Revision,
    servers: Vec<Server>,
    entries: Vec<(String, Kept)>,
}

/// The same as documents, in the order of their ids.
struct Shelf {
    revision: Revision,
    tools: Vec<(Document, Arc<Map<String, Value>>)>,
    servers: Vec<Document>,
    records: HashMap<String, Arc<Server>>,
}

impl Indexing {
    /// Over the store; the index is empty before [`Self::run`].
    pub fn new(
        store: Arc<dyn Store>,
        embedder: Option<Arc<dyn Embedder>>,
        changes: watch::Receiver<u64>,
        settings: index::Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            embedder,
            changes,
            settings,
            snapshot: ArcSwap::default(),
        }))
    }

    /// The index as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// Who makes the vectors.
    pub fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        self.0.embedder.as_ref()
    }

    /// How the index is built.
    pub fn settings(&self) -> index::Settings {
        self.0.settings
    }

    /// Follow the store until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow(&stop) => {}
        }
    }

    async fn follow(&self, stop: &CancellationToken) {
        let now = Instant::now();
        let mut work = Work {
            pending: VecDeque::new(),
            fresh: HashMap::new(),
            rest: (now, BACK_OFF.0),
            swapped: now,
            trimmed: None,
            graph: None,
            building: None,
        };
        let mut revisions = self.0.store.revisions();
        let mut changes = self.0.changes.clone();
        let mut is_behind = true;
        loop {
            if std::mem::take(&mut is_behind) {
                // Seen before reading: a change in between is read twice, never lost.
                revisions.mark_unchanged();
                changes.mark_unchanged();
                let began = Instant::now();
                if let Err(error) = self.rebuild(&mut work).await {
                    warn(&error, "the index cannot be built; trying again");
                    tokio::time::sleep(PAUSE).await;
                    is_behind = true;
                    continue;
                }
                self.begin_graph(&mut work, stop);
                tokio::time::sleep(GATHER.max(began.elapsed() * 4)).await;
            }
            let waits = !work.pending.is_empty();
            tokio::select! {
                biased;
                changed = revisions.changed() => match changed {
                    Ok(()) => is_behind = true,
                    Err(_) => return,
                },
                changed = changes.changed() => match changed {
                    Ok(()) => is_behind = true,
                    Err(_) => return,
                },
                built = finished(&mut work.building) => {
                    work.building = None;
                    work.graph = built.map(Arc::new).or(work.graph.take());
                    is_behind = work.graph.is_some();
                }
                () = tokio::time::sleep_until(work.rest.0), if waits => {
                    self.embed(&mut work).await;
                    is_behind = !work.fresh.is_empty()
                        && (work.pending.is_empty() || work.swapped.elapsed() > BETWEEN);
                }
            }
        }
    }

    /// Read everything, and swap the index for one that shows it.
    async fn rebuild(&self, work: &mut Work) -> Result<(), store::Error> {
        let changes = self.0.store.changes_since(Revision(0)).await?;
        let book = Book {
            revision: changes.revision,
            servers: changes.changed,
            entries: self.0.store.catalog(None).await?,
        };
        let before = self.snapshot();
        let shelf = blocking(move || Shelf::of(book)).await?;
        self.recall(&shelf, &before, work).await?;
        let (fresh, graph) = (std::mem::take(&mut work.fresh), work.graph.clone());
        let settings = self.0.settings;
        let (snapshot, fits) = blocking(move || shelf.index(&before, &fresh, graph, settings)).await?;
        work.swapped = Instant::now();
        if !fits {
            work.graph = None;
        }
        work.pending.clear();
        if self.0.embedder.is_some() {
            let mut seen = HashSet::new();
            let lacks = [&snapshot.tools, &snapshot.servers].map(lacking);
            let lacks = lacks
                .into_iter()
                .flatten()
                .filter(|one| seen.insert(one.digest()));
            work.pending.extend(lacks);
        }
        let snapshot = Arc::new(snapshot);
        self.0.snapshot.store(Arc::clone(&snapshot));
        if work.pending.is_empty() {
            self.trim(&snapshot, work).await?;
        }
        Ok(())
    }

    /// Vectors from the store, for what the last index has none of.
    async fn recall(&self, shelf: &Shelf, before: &Snapshot, work: &mut Work) -> Result<(), store::Error> {
        let Some(embedder) = &self.0.embedder else {
            return Ok(());
        };
        let known: HashSet<&TextKey> = before.known().map(|(digest, _)| digest).collect();
        let all = shelf
            .tools
            .iter()
            .map(|(document, _)| document)
            .chain(&shelf.servers);
        let unknown: HashSet<TextKey> = all
            .map(Document::digest)
            .filter(|digest| !known.contains(digest) && !work.fresh.contains_key(digest))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown = unknown.into_iter().collect();
        let found = self.0.store.vectors(embedder.model(), unknown).await?;
        let fits = found
            .into_iter()
            .filter(|(_, vector)| vector.len() == embedder.dimensions());
        work.fresh.extend(fits);
        Ok(())
    }

    /// The vectors of the next lot.
    async fn embed(&self, work: &mut Work) {
        let Some(embedder) = &self.0.embedder else {
            work.pending.clear();
            return;
        };
        let lot: Vec<&Document> = work.pending.iter().take(LOT).collect();
        let texts: Vec<String> = lot
            .iter()
            .flat_map(|document| [document.texts.name.clone(), document.texts.full.clone()])
            .collect();
        let made = match embedder.documents(&texts).await {
            Ok(vectors) if vectors.len() == texts.len() => vectors,
            Ok(_) => return work.back_off("it gave another number of vectors than texts"),
            Err(error) => return work.back_off(&crate::domain::all_words(&error)),
        };
        let pairs = made
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[name, full]| mixed(name, full));
        let vectors: Vec<(TextKey, Vec<f32>)> = lot.iter().map(|one| one.digest()).zip(pairs).collect();
        work.pending.drain(..vectors.len().min(work.pending.len()));
        work.rest = (Instant::now(), BACK_OFF.0);
        work.fresh.extend(vectors.iter().cloned());
        if let Err(error) = self.0.store.put_vectors(embedder.model(), vectors).await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(
                error,
                "vectors cannot be kept; the next start will make them again"
            );
        }
    }

    async fn trim(&self, snapshot: &Snapshot, work: &mut Work) -> Result<(), store::Error> {
        let Some(embedder) = &self.0.embedder else {
            return Ok(());
        };
        if work.trimmed.is_some_and(|last| last.elapsed() < TRIM.1) {
            return Ok(());
        }
        work.trimmed = Some(Instant::now());
        let keep = snapshot.known().map(|(digest, _)| *digest).collect();
        let gone = self.0.store.trim_vectors(embedder.model(), keep, TRIM.0).await?;
        if gone > 0 {
            tracing::debug!(vectors = gone, "vectors of texts that are gone were removed");
        }
        Ok(())
    }

    /// Build a graph aside, if the tools are so many and none fits.
    fn begin_graph(&self, work: &mut Work, stop: &CancellationToken) {
        let snapshot = self.snapshot();
        let wanted = snapshot.tools.wants_graph(self.0.settings) && snapshot.tools.graph().is_none();
        if !wanted || work.building.is_some() || !work.pending.is_empty() {
            return;
        }
        let stop = stop.clone();
        let build = move || snapshot.tools.new_graph(&|| !stop.is_cancelled());
        work.building = Some(tokio::task::spawn_blocking(build));
    }
}

impl Work {
    fn back_off(&mut self, why: &str) {
        tracing::warn!(
            why,
            texts = self.pending.len(),
            again_in_s = self.rest.1.as_secs(),
            "texts cannot be given their vectors; they are found by their words"
        );
        self.rest = (Instant::now() + self.rest.1, (self.rest.1 * 2).min(BACK_OFF.1));
    }
}

impl Snapshot {
    /// Every vector.
    fn known(&self) -> impl Iterator<Item = (&TextKey, &[f32])> {
        let both = [&self.tools, &self.servers].into_iter();
        both.flat_map(|index| {
            let rows = index.digests().iter().enumerate();
            rows.filter_map(|(row, digest)| Some((digest, index.vector(row)?)))
        })
    }
}

impl Shelf {
    fn of(book: Book) -> Self {
        let mut by_path: HashMap<String, Vec<Kept>> = HashMap::new();
        for (path, kept) in book.entries {
            // What is new on a pinned server has words that nobody has looked at.
            if kept.kind == EntryKind::Tool && !kept.is_new {
                by_path.entry(path).or_default().push(kept);
            }
        }
        let (mut tools, mut servers, mut records) = (Vec::new(), Vec::new(), HashMap::new());
        for server in book.servers {
            let (path, profile) = (&server.path, &server.profile);
            let labels = Arc::new(Labels::of(profile));
            let own = by_path.remove(path.as_str()).unwrap_or_default();
            let names: Vec<&str> = own.iter().map(|kept| kept.name.as_str()).collect();
            servers.extend(Document::of_server(path, profile, &labels, &names));
            for kept in own {
                let document = Document::of_tool(path, profile, &labels, &kept.name, &kept.definition);
                tools.push((document, Arc::new(kept.definition)));
            }
            records.insert(path.as_str().to_owned(), Arc::new(server));
        }
        tools.sort_by(|a, b| a.0.id().cmp(&b.0.id()));
        Self {
            revision: book.revision,
            tools,
            servers,
            records,
        }
    }

    /// Index them; whether the graph still fits.
    fn index(
        self,
        before: &Snapshot,
        fresh: &HashMap<TextKey, Vec<f32>>,
        graph: Option<Arc<Graph>>,
        settings: index::Settings,
    ) -> (Snapshot, bool) {
        let known: HashMap<&TextKey, &[f32]> = before.known().collect();
        let vector = |digest: &TextKey| {
            let known = || known.get(digest).map(|vector| vector.to_vec());
            fresh.get(digest).cloned().or_else(known)
        };
        let (documents, definitions) = self.tools.into_iter().unzip();
        let mut tools = Index::build(documents, &vector);
        let graph = graph.filter(|_| tools.wants_graph(settings));
        let fits = graph.is_none_or(|graph| tools.link(graph));
        let snapshot = Snapshot {
            revision: self.revision,
            tools,
            servers: Index::build(self.servers, &vector),
            definitions,
            records: self.records,
        };
        (snapshot, fits)
    }
}

fn warn(error: &store::Error, words: &'static str) {
    tracing::warn!(error = error as &dyn std::error::Error, "{words}");
}

/// Documents without a vector.
fn lacking(index: &Index) -> impl Iterator<Item = Document> {
    let rows = index.documents().iter().enumerate();
    rows.filter(|(row, _)| index.vector(*row).is_none())
        .map(|(_, document)| document.clone())
}

/// The graph that is being built, when it is; for ever when none is.
async fn finished(building: &mut Option<JoinHandle<Option<Graph>>>) -> Option<Graph> {
    match building {
        Some(building) => building.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// Work for the processor, where it holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, store::Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| store::Error::Backend(error.into()))
}
