//! Keeps the index in step with the register and the catalogue.
//!
//! Whatever changes, everything is read again, built aside and swapped: what is found is then never half old. Only texts
//! that no vector is known of go to the model ([`super::embedding`]), and what it made of them is kept in the store; so a
//! start asks it nothing. Until a text has its vector, it is found by its words.
//!
//! **Invariants:** words of a tool that nobody has approved are not in the index; a model that fails or is slow delays
//! nothing but the vectors; rebuilding takes at most a fifth of the time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::embedding::{Embedding, Lacking, Made};
use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::search::document::{Document, Labels, TextKey};
use crate::domain::server::{Revision, Server};
use crate::embed::Embedder;
use crate::index::{self, Graph, Index};
use crate::store::{self, Store};

/// After a failed look at the store.
const PAUSE: Duration = Duration::from_millis(500);
/// Changes that come together are built together.
const GATHER: Duration = Duration::from_millis(20);
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
    /// Makes vectors; none without a model.
    embedding: Option<Embedding>,
    /// Counts what changes in the catalogue.
    changes: watch::Receiver<u64>,
    settings: index::Settings,
    snapshot: ArcSwap<Snapshot>,
}

/// What the loop is busy with.
#[derive(Debug)]
struct Work {
    /// Whether every text of the snapshot has its vector.
    is_whole: bool,
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
        let embedding = embedder.map(|embedder| Embedding::new(Arc::clone(&store), embedder));
        Self(Arc::new(Inner {
            store,
            embedding,
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
        self.0.embedding.as_ref().map(Embedding::embedder)
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
            () = self.embed() => {}
        }
    }

    async fn embed(&self) {
        match &self.0.embedding {
            Some(embedding) => embedding.run().await,
            None => std::future::pending().await,
        }
    }

    async fn follow(&self, stop: &CancellationToken) {
        let mut work = Work {
            is_whole: true,
            swapped: Instant::now(),
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
            tokio::select! {
                biased;
                // First: it comes seldom, and changes may come without end.
                built = finished(&mut work.building) => {
                    work.building = None;
                    work.graph = built.map(Arc::new).or(work.graph.take());
                    is_behind = work.graph.is_some();
                }
                changed = revisions.changed() => match changed {
                    Ok(()) => is_behind = true,
                    Err(_) => return,
                },
                changed = changes.changed() => match changed {
                    Ok(()) => is_behind = true,
                    Err(_) => return,
                },
                () = self.due(work.swapped) => is_behind = true,
            }
        }
    }

    /// Wait until there are vectors that the index should show.
    async fn due(&self, swapped: Instant) {
        match &self.0.embedding {
            Some(embedding) => embedding.due(swapped).await,
            None => std::future::pending().await,
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
        let fresh = Arc::new(self.fresh(&shelf, &before).await?);
        let (taken, graph) = (Arc::clone(&fresh), work.graph.clone());
        let settings = self.0.settings;
        let (snapshot, fits) = blocking(move || shelf.index(&before, &taken, graph, settings)).await?;
        work.swapped = Instant::now();
        if !fits {
            work.graph = None;
        }
        let snapshot = Arc::new(snapshot);
        self.0.snapshot.store(Arc::clone(&snapshot));
        if let Some(embedding) = &self.0.embedding {
            let lacks = [&snapshot.tools, &snapshot.servers].into_iter().flat_map(lacking);
            work.is_whole = embedding.shown(&fresh, lacks);
        }
        if work.is_whole {
            self.trim(&snapshot, work).await?;
        }
        Ok(())
    }

    /// Vectors that the last index has none of: made since, or in the store.
    async fn fresh(&self, shelf: &Shelf, before: &Snapshot) -> Result<Made, store::Error> {
        let Some(embedding) = &self.0.embedding else {
            return Ok(Made::new());
        };
        let mut fresh = embedding.made();
        let known: HashSet<&TextKey> = before.known().map(|(digest, _)| digest).collect();
        let all = shelf
            .tools
            .iter()
            .map(|(document, _)| document)
            .chain(&shelf.servers);
        let unknown: HashSet<TextKey> = all
            .map(Document::digest)
            .filter(|digest| !known.contains(digest) && !fresh.contains_key(digest))
            .collect();
        if unknown.is_empty() {
            return Ok(fresh);
        }
        let (embedder, unknown) = (embedding.embedder(), unknown.into_iter().collect());
        let found = self.0.store.vectors(embedder.model(), unknown).await?;
        let fits = found
            .into_iter()
            .filter(|(_, vector)| vector.len() == embedder.dimensions());
        fresh.extend(fits);
        Ok(fresh)
    }

    async fn trim(&self, snapshot: &Snapshot, work: &mut Work) -> Result<(), store::Error> {
        let Some(embedder) = self.embedder() else {
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
        if !wanted || work.building.is_some() || !work.is_whole {
            return;
        }
        let stop = stop.clone();
        let build = move || snapshot.tools.new_graph(&|| !stop.is_cancelled());
        work.building = Some(tokio::task::spawn_blocking(build));
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
        fresh: &Made,
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
fn lacking(index: &Index) -> impl Iterator<Item = Lacking> {
    let rows = index.documents().iter().zip(index.digests()).enumerate();
    rows.filter(|(row, _)| index.vector(*row).is_none())
        .map(|(_, (document, digest))| Lacking {
            digest: *digest,
            views: [document.texts.name.clone(), document.texts.full.clone()],
        })
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::audit::{Deed, Event};
    use crate::embed::{Error, Vector};

    /// Makes vectors when it is let.
    #[derive(Debug)]
    struct Held {
        lots: AtomicUsize,
        gate: Semaphore,
    }

    #[async_trait]
    impl Embedder for Held {
        fn model(&self) -> &'static str {
            "held"
        }

        fn dimensions(&self) -> usize {
            1
        }

        async fn query(&self, _text: &str) -> Result<Vector, Error> {
            Err(Error::Busy)
        }

        async fn documents(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
            self.lots.fetch_add(1, Ordering::SeqCst);
            drop(self.gate.acquire().await.unwrap());
            Ok(texts.iter().map(|_| vec![1.0]).collect())
        }
    }

    struct Stage {
        _folder: tempfile::TempDir,
        store: Arc<dyn Store>,
        model: Arc<Held>,
        changes: watch::Sender<u64>,
        indexing: Indexing,
    }

    impl Stage {
        fn new(permits: usize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("store.db");
            let store = store::open(&store::Settings { file }).unwrap();
            let model = Arc::new(Held {
                lots: AtomicUsize::new(0),
                gate: Semaphore::new(permits),
            });
            let (changes, counted) = watch::channel(0);
            let embedder: Arc<dyn Embedder> = Arc::<Held>::clone(&model);
            let settings = index::Settings::default();
            let indexing = Indexing::new(Arc::clone(&store), Some(embedder), counted, settings);
            Self {
                _folder: folder,
                store,
                model,
                changes,
                indexing,
            }
        }

        async fn register(&self, path: &str) {
            let more = [("name", path), ("description", path)];
            let event = Event {
                at: Timestamp::from_unix(0),
                actor: "test".to_owned(),
                deed: Deed::ServerRegistered,
                target: path.to_owned(),
            };
            let server = Server::sample(path, "http://127.0.0.1:9/", &more);
            self.store.insert_server(server, event).await.unwrap();
        }

        /// While the index is kept: wait until it is so of the snapshot.
        async fn until(&self, what: &str, is_so: impl Fn(&Snapshot) -> bool) {
            let wait = async {
                while !is_so(&self.indexing.snapshot()) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let in_time = tokio::time::timeout(Duration::from_secs(20), wait).await;
            in_time.unwrap_or_else(|_| panic!("waited in vain until {what}"));
        }
    }

    fn has_all_vectors(snapshot: &Snapshot, servers: usize) -> bool {
        snapshot.servers.documents().len() == servers && lacking(&snapshot.servers).next().is_none()
    }

    #[tokio::test]
    async fn a_slow_model_delays_no_server_and_gets_one_lot_at_a_time() {
        let stage = Stage::new(0);
        let lots = || stage.model.lots.load(Ordering::SeqCst);
        let test = async {
            stage.register("/one").await;
            stage.until("the model is asked", |_| lots() == 1).await;
            stage.register("/two").await;
            stage
                .until("the second is there", |now| now.records.contains_key("/two"))
                .await;
            assert_eq!(lots(), 1);
            assert!(!stage.indexing.snapshot().servers.has_vectors());
            stage.model.gate.add_permits(1);
            stage
                .until("both have vectors", |now| has_all_vectors(now, 2))
                .await;
            assert_eq!(lots(), 2, "no text is sent twice");
        };
        tokio::select! {
            () = stage.indexing.clone().run(CancellationToken::new()) => panic!("it ended"),
            () = test => {}
        }
    }

    #[tokio::test]
    async fn changes_that_never_end_starve_no_text() {
        let stage = Stage::new(1);
        let changes = async {
            loop {
                stage.changes.send_modify(|count| *count += 1);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        stage.register("/one").await;
        tokio::select! {
            () = stage.indexing.clone().run(CancellationToken::new()) => panic!("it ended"),
            () = changes => {}
            () = stage.until("it has its vector", |now| has_all_vectors(now, 1)) => {}
        }
        assert_eq!(stage.model.lots.load(Ordering::SeqCst), 1);
    }
}
