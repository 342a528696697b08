//! A question, and what of the answer somebody may see.
//!
//! The index may be a moment behind. So what is switched off, removed or held, and what the caller may do, is asked of the
//! tables that the gate itself goes by, when the question is answered.
//!
//! **Invariants:** a tool is found by whoever may call it, and by nobody else; rights come before ranks, so what is hidden
//! changes neither an order nor a count; without a model the answer comes from words, and says so.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};

use super::catalog::Held;
use super::indexing::{Indexing, Snapshot};
use super::sight::Sight;
use crate::domain::Kind;
use crate::domain::access::Rights;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::route::Table;
use crate::domain::search::document::Document;
use crate::domain::search::query::Text;
use crate::domain::search::text::coverage;
use crate::domain::search::{Mode, Query, Ranked, Weights, rank};
use crate::domain::server::{Revision, Server};
use crate::index::{self, Index};
use crate::store::{self, Store};

/// Tools that are shown with a server.
const MATCHING: usize = 5;
/// Of the ranked tools so many are looked through for them.
const LOOKED_THROUGH: usize = 200;
/// Characters of a description that are shown as the reason.
const CONTEXT: usize = 200;
/// Questions that wait for their turn, and how long; each takes some milliseconds.
const MOST_WAITING: usize = 256;
const TURN: Duration = Duration::from_secs(5);

/// How answers are found.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What words and meaning count.
    pub weights: Weights,
    /// Below this cosine nothing fits.
    pub floor: f32,
    /// Without a model: below this share of the words asked for nothing fits.
    pub words_floor: f32,
    /// How long a question waits for its vectors.
    pub within: Duration,
    /// Questions that are answered at the same time.
    pub at_once: usize,
    /// How the index is built.
    pub index: index::Settings,
}

impl Settings {
    /// How long of that a question may stand in the queue of a model in this process: what is left is for its arithmetic.
    pub fn turn(&self) -> Duration {
        self.within * 3 / 4
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many questions at once.
    #[error("too many searches at once; try again in a moment")]
    Busy,
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Busy => Kind::Unavailable,
            Self::Store(error) => error.kind(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Found {
    /// How it was found.
    pub mode: Mode,
    /// Servers, the best first.
    pub servers: Vec<FoundServer>,
    /// Tools, the best first.
    pub tools: Vec<FoundTool>,
    /// Whether there is nothing that has to do with the question.
    pub nothing_fits: bool,
}

/// A server that was found.
#[derive(Debug, Clone)]
pub struct FoundServer {
    /// Its record.
    pub server: Server,
    /// How many of its tools the caller may use.
    pub tools: usize,
    /// How near it is, 0 to 1, whatever else there is.
    pub score: f32,
    /// Why: what it has of the question letter by letter, or what it says of itself.
    pub context: String,
    /// The best of its tools.
    pub matching: Vec<FoundTool>,
}

/// A tool that was found.
#[derive(Debug, Clone)]
pub struct FoundTool {
    /// Its server.
    pub server_path: ServerPath,
    /// The display name of that.
    pub server_name: String,
    /// Its name.
    pub tool_name: String,
    /// What its server says of it, as it is listed.
    pub definition: Map<String, Value>,
    /// How near it is, 0 to 1, whatever else there is.
    pub score: f32,
    /// Why.
    pub context: String,
}

/// Finds tools and servers.
#[derive(Debug, Clone)]
pub struct Search(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    indexing: Indexing,
    store: Arc<dyn Store>,
    table: watch::Receiver<Arc<Table>>,
    rights: watch::Receiver<Arc<Rights>>,
    held: watch::Receiver<Arc<Held>>,
    settings: Settings,
    /// Those that wait for a turn, and those that have one.
    places: Semaphore,
    turns: Arc<Semaphore>,
}

/// What is true now, whatever the index says.
#[derive(Debug, Clone)]
pub struct Live {
    /// Servers that are on.
    pub table: watch::Receiver<Arc<Table>>,
    /// The policy.
    pub rights: watch::Receiver<Arc<Rights>>,
    /// Tools that wait for approval.
    pub held: watch::Receiver<Arc<Held>>,
}

/// A question on its way.
struct Asked {
    query: Query,
    vectors: Option<Vec<Vec<f32>>>,
    settings: Settings,
}

impl Search {
    /// Over an index that somebody keeps, and what is true now.
    pub fn new(indexing: Indexing, store: Arc<dyn Store>, live: Live, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            indexing,
            store,
            table: live.table,
            rights: live.rights,
            held: live.held,
            places: Semaphore::new(settings.at_once + MOST_WAITING),
            turns: Arc::new(Semaphore::new(settings.at_once)),
            settings,
        }))
    }

    /// What there is for a question, of what they may see.
    pub async fn find(&self, who: &Identity, query: &Query) -> Result<Found, Error> {
        let inner = &self.0;
        let mut query = query.clone();
        let vectors = match &mut query.text {
            Some(text) => self.vectors(text).await,
            None => None,
        };
        let _place = inner.places.try_acquire().map_err(|_| Error::Busy)?;
        let turn = tokio::time::timeout(TURN, Arc::clone(&inner.turns).acquire_owned());
        let turn = turn.await.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        let snapshot = inner.indexing.snapshot();
        // Servers that are off are in no table; what became of them since the index was built is in the store.
        let since = if query.include_disabled {
            Some(inner.store.changes_since(snapshot.revision).await?)
        } else {
            None
        };
        let sight = Sight {
            snapshot,
            table: Arc::clone(&inner.table.borrow()),
            rights: Arc::clone(&inner.rights.borrow()),
            held: Arc::clone(&inner.held.borrow()),
            who: who.clone(),
            since,
        };
        let asked = Asked {
            query,
            vectors,
            settings: inner.settings.clone(),
        };
        let answered = tokio::task::spawn_blocking(move || {
            let found = asked.answer(&sight);
            drop(turn);
            found
        });
        answered
            .await
            .map_err(|error| Error::Store(store::Error::Backend(error.into())))
    }

    /// The tags of all servers that they may see.
    pub fn tags(&self, who: &Identity) -> BTreeSet<String> {
        let (table, rights) = (self.0.table.borrow(), self.0.rights.borrow());
        let servers = table.routes.values().map(|route| &route.server);
        let seen = servers.filter(|server| rights.may_find(who, &server.path, &server.profile.name));
        seen.flat_map(|server| server.profile.tags.iter().cloned())
            .collect()
    }

    /// The register's revision that the index shows.
    pub fn revision(&self) -> Revision {
        self.0.indexing.snapshot().revision
    }

    /// The vectors of a question's parts; none when there is no model, or it does not answer in time. When only the whole
    /// question gets one, its sentences are left out.
    async fn vectors(&self, text: &mut Text) -> Option<Vec<Vec<f32>>> {
        let embedder = self.0.indexing.embedder()?;
        let until = tokio::time::Instant::now() + self.0.settings.within;
        // All at once, so that a question stands in the queue once.
        let (whole, sentences) = text.parts.split_first()?;
        let whole = tokio::time::timeout_at(until, embedder.query(&whole.text));
        let sentences = sentences.iter().map(|part| embedder.sentence(&part.text));
        let sentences = tokio::time::timeout_at(until, try_join_all(sentences));
        let (whole, sentences) = tokio::join!(whole, sentences);
        let mut vectors = match whole {
            Ok(Ok(whole)) => vec![whole],
            Ok(Err(error)) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::debug!(error, "a question got no vector; words alone answer");
                return None;
            }
            Err(_) => {
                tracing::debug!("a question got no vector in time; words alone answer");
                return None;
            }
        };
        match sentences {
            Ok(Ok(sentences)) => vectors.extend(sentences),
            _ => text.parts.truncate(1),
        }
        Some(vectors)
    }
}

impl Asked {
    fn answer(&self, sight: &Sight) -> Found {
        let snapshot = &*sight.snapshot;
        let seen = sight.seen(&self.query);
        let servers = self.ranked(&snapshot.servers, &seen.servers);
        let mut tools = self.ranked(&snapshot.tools, &seen.tools);
        if let Some(most) = self.query.within {
            keep_best_servers(&snapshot.tools, &mut tools, most);
        }
        let shown_tools = self.shown(self.query.tools, &snapshot.tools, &tools);
        let shown_servers = self.shown(self.query.servers, &snapshot.servers, &servers);
        let found = shown_servers.iter().filter_map(|one| {
            let document = document(&snapshot.servers, one)?;
            let server = sight.server(document.server.as_str(), self.query.include_disabled)?;
            Some(FoundServer {
                tools: seen.callable.get(document.server.as_str()).copied().unwrap_or(0),
                score: self.score(&snapshot.servers, one),
                context: self.context(document, &server.profile.description),
                matching: Vec::new(),
                server: server.clone(),
            })
        });
        let mut found: Vec<FoundServer> = found.collect();
        self.add_matching(sight, &tools, &mut found);
        let tools: Vec<FoundTool> = shown_tools
            .iter()
            .filter_map(|one| self.tool(sight, one))
            .collect();
        Found {
            mode: self.mode(snapshot),
            nothing_fits: found.is_empty() && tools.is_empty(),
            servers: found,
            tools,
        }
    }

    /// How the answer is found. Tags alone are neither words nor meaning, and nothing is missing for them.
    fn mode(&self, snapshot: &Snapshot) -> Mode {
        let has_vectors = snapshot.tools.has_vectors() || snapshot.servers.has_vectors();
        match (&self.query.text, &self.vectors) {
            (Some(_), None) => Mode::LexicalOnly,
            _ if has_vectors => Mode::Hybrid,
            _ => Mode::LexicalOnly,
        }
    }

    fn ranked(&self, index: &Index, keeps: &[bool]) -> Vec<Ranked> {
        let vectors = self.vectors.as_deref();
        let sheet = index.look(self.query.text.as_ref(), vectors, keeps, self.settings.index);
        rank(&sheet, self.settings.weights)
    }

    /// The head of a list; nothing, if nothing of it has to do with the question.
    fn shown<'a>(&self, wanted: bool, index: &Index, ranked: &'a [Ranked]) -> &'a [Ranked] {
        let head = ranked.get(..self.query.limit).unwrap_or(ranked);
        let fits = wanted && head.iter().any(|one| self.fits(index, one));
        if fits { head } else { &[] }
    }

    fn fits(&self, index: &Index, one: &Ranked) -> bool {
        let floor = if one.cosine.is_some() {
            self.settings.floor
        } else {
            self.settings.words_floor
        };
        one.exact > 0 || self.score(index, one) >= floor || self.covered(index, one) >= 1.0
    }

    /// Which share of the words of the question it has. Tags alone are had by all that is left.
    fn covered(&self, index: &Index, one: &Ranked) -> f32 {
        let Some(text) = &self.query.text else {
            return 1.0;
        };
        document(index, one).map_or(0.0, |document| coverage(text.words(), &document.texts.words))
    }

    /// How near it is, whatever else there is.
    fn score(&self, index: &Index, one: &Ranked) -> f32 {
        let score = one.cosine.unwrap_or_else(|| self.covered(index, one));
        score.clamp(0.0, 1.0)
    }

    fn context(&self, document: &Document, description: &str) -> String {
        let terms = self.query.text.iter().flat_map(|text| &text.terms);
        let labels: Vec<String> = terms.filter_map(|term| document.labels.shown(term)).collect();
        if labels.is_empty() {
            description.chars().take(CONTEXT).collect()
        } else {
            labels.join(", ")
        }
    }

    fn tool(&self, sight: &Sight, one: &Ranked) -> Option<FoundTool> {
        let index = &sight.snapshot.tools;
        let document = document(index, one)?;
        let server = sight.server(document.server.as_str(), self.query.include_disabled)?;
        let definition = Map::clone(sight.snapshot.definitions.get(one.row as usize)?);
        let description = definition.get("description").and_then(Value::as_str);
        Some(FoundTool {
            server_path: document.server.clone(),
            server_name: server.profile.name.clone(),
            tool_name: document.tool.as_deref()?.to_owned(),
            score: self.score(index, one),
            context: self.context(document, description.unwrap_or_default()),
            definition,
        })
    }

    /// Give each server the best of its tools that have to do with the question.
    fn add_matching(&self, sight: &Sight, tools: &[Ranked], found: &mut [FoundServer]) {
        if self.query.text.is_none() {
            return;
        }
        let places = found.iter().enumerate();
        let places: HashMap<String, usize> = places
            .map(|(place, one)| (one.server.path.as_str().to_owned(), place))
            .collect();
        for one in tools.iter().take(LOOKED_THROUGH) {
            let Some(document) = document(&sight.snapshot.tools, one) else {
                continue;
            };
            let place = places.get(document.server.as_str());
            let Some(server) = place.and_then(|&place| found.get_mut(place)) else {
                continue;
            };
            if server.matching.len() < MATCHING && self.fits(&sight.snapshot.tools, one) {
                server.matching.extend(self.tool(sight, one));
            }
        }
    }
}

/// Only tools of the best so many servers. A server is as good as the best of its tools: its own text says too little of
/// them, and not everybody may read all of it.
fn keep_best_servers(index: &Index, tools: &mut Vec<Ranked>, most: usize) {
    let mut best: HashSet<&str> = HashSet::new();
    tools.retain(|one| {
        let Some(document) = document(index, one) else {
            return false;
        };
        let server = document.server.as_str();
        best.contains(server) || (best.len() < most && best.insert(server))
    });
}

fn document<'a>(index: &'a Index, one: &Ranked) -> Option<&'a Document> {
    index.documents().get(one.row as usize)
}
