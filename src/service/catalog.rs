//! What servers offer: kept with its versions, and held where a pinned server changed it.
//!
//! **Invariant:** a definition that is held is known to the gate before anybody is told of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::domain::Kind;
use crate::domain::access::{Permit, Rights};
use crate::domain::audit::{Deed, Event};
use crate::domain::catalog::{Entry, EntryKind, Kept, Version, fingerprint, take_over};
use crate::domain::held::{Which, held_fingerprint};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::tally::{self, Tools};
use crate::store::{self, Store};

/// Versions that are shown.
const MOST_VERSIONS: u32 = 500;

/// Why it could not be told or approved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something else is held than what was read.
    #[error("what waits for approval has changed since you looked at it: look again, then approve")]
    Changed,
    /// The store could not be asked or written.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Changed => Kind::Conflict,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Names of tools that are held, by mount path.
pub type Held = HashMap<String, HashSet<String>>;

type Names = Arc<[Box<str>]>;
/// The digest of a list, and how many tools of it are kept.
type Listed = ([u8; 32], u32);

/// The catalogue.
#[derive(Debug, Clone)]
pub struct Catalog {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    held: watch::Sender<Arc<Held>>,
    /// Names of all tools by mount path, to count those that somebody may use.
    names: Arc<RwLock<HashMap<String, Names>>>,
    /// Counts the changes of what is offered.
    changes: watch::Sender<u64>,
    /// What was taken over last and how many tools that were, so that a list that stays the same costs no query.
    seen: Arc<Mutex<HashMap<String, Listed>>>,
    /// Between reading a list and writing it nobody else writes: an approval would be undone.
    writing: Arc<Semaphore>,
}

impl Catalog {
    /// Over a store; [`Self::load`] comes before the first door opens.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            held: watch::Sender::default(),
            names: Arc::default(),
            changes: watch::Sender::default(),
            seen: Arc::default(),
            writing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Learn which tools there are, and what is held.
    pub async fn load(&self) -> Result<(), store::Error> {
        let mut names: HashMap<String, Vec<Box<str>>> = HashMap::new();
        for (path, name) in self.store.tool_names().await? {
            names.entry(path).or_default().push(name.into());
        }
        for (path, names) in names {
            self.offer(&path, names);
        }
        self.load_held().await
    }

    async fn load_held(&self) -> Result<(), store::Error> {
        let mut held = Held::new();
        for (path, name) in self.store.held_tools().await? {
            held.entry(path).or_default().insert(name);
        }
        self.held.send_replace(Arc::new(held));
        Ok(())
    }

    /// Know that the tools at a path are these.
    pub fn offer(&self, path: &str, names: Vec<Box<str>>) {
        let mut all = self.names.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.to_owned(), names.into());
    }

    /// How many of a server's tools, which are so many, somebody is told of.
    pub fn told(
        &self,
        rights: &Rights,
        who: &Identity,
        (path, name): (&ServerPath, &str),
        total: i64,
    ) -> i64 {
        let names = {
            let all = self.names.read().unwrap_or_else(PoisonError::into_inner);
            all.get(path.as_str()).map(Arc::clone)
        };
        let held = self.held.borrow();
        let tools = Tools {
            total,
            names: names.as_deref(),
            held: held.get(path.as_str()),
        };
        tally::told(rights, who, (path, name), tools)
    }

    /// What is held, and every change of it.
    pub fn held(&self) -> watch::Receiver<Arc<Held>> {
        self.held.subscribe()
    }

    /// Says "look again" whenever what is offered has changed in the store.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Take over what a server lists now, perhaps for the `first` time; how many tools that are, each
    /// name once.
    pub async fn take_over(
        &self,
        path: &ServerPath,
        entries: Vec<Entry>,
        pinned: bool,
        first: bool,
    ) -> Result<u32, store::Error> {
        let digest = digest(&entries, pinned);
        if let Some((known, tools)) = self.known(path.as_str())
            && known == digest
        {
            return Ok(tools);
        }
        let _alone = self.writing.acquire().await;
        let before = self.store.catalog(Some(path.as_str())).await?;
        let before: Vec<Kept> = before.into_iter().map(|(_, kept)| kept).collect();
        let first = first && before.is_empty();
        let plan = take_over(&before, entries, pinned, first, self.clock.now());
        let offered = plan.kept.iter().filter(|kept| kept.kind == EntryKind::Tool);
        let offered: Vec<Box<str>> = offered.map(|kept| Box::from(kept.name.as_str())).collect();
        let tools = u32::try_from(offered.len()).unwrap_or(u32::MAX);
        let changed = plan.changed;
        if changed {
            let held = plan
                .kept
                .iter()
                .filter(|kept| kept.is_held() && kept.kind == EntryKind::Tool);
            let held: HashSet<String> = held.map(|kept| kept.name.clone()).collect();
            if !held.is_empty() {
                tracing::warn!(server.path = %path, tools = held.len(), "changed tools wait for approval");
            }
            // First the gate, then the book: nobody calls what is not approved in between.
            self.held.send_modify(|all| {
                let all = Arc::make_mut(all);
                if held.is_empty() {
                    all.remove(path.as_str());
                } else {
                    all.insert(path.as_str().to_owned(), held);
                }
            });
            self.store.put_catalog(path.as_str(), plan).await?;
        }
        // Before anybody is told to look again.
        self.offer(path.as_str(), offered);
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(path.as_str().to_owned(), (digest, tools));
        Ok(tools)
    }

    fn known(&self, path: &str) -> Option<Listed> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(path).copied()
    }

    /// A server whose record changed: its list is taken over anew.
    pub fn forget(&self, path: &str) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(path);
    }

    /// A server that is gone: what was held of it holds nobody up who comes to its path.
    pub fn remove(&self, path: &str) {
        self.forget(path);
        self.names
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(path);
        self.held.send_if_modified(|all| {
            let had = all.contains_key(path);
            if had {
                Arc::make_mut(all).remove(path);
            }
            had
        });
    }

    /// What one server offers, or every one, by path.
    pub async fn entries(&self, path: Option<&ServerPath>) -> Result<Vec<(String, Kept)>, Error> {
        Ok(self.store.catalog(path.map(ServerPath::as_str)).await?)
    }

    /// The versions of a server's entries, newest first.
    pub async fn versions(&self, path: &ServerPath) -> Result<Vec<Version>, Error> {
        Ok(self.store.versions(path, MOST_VERSIONS).await?)
    }

    /// Let it count, as it is held now; how many entries that were. Whoever says what they have `read`, by its
    /// [`held_fingerprint`], approves that and nothing that came since.
    pub async fn approve(
        &self,
        permit: &Permit,
        path: &ServerPath,
        which: Which,
        read: Option<&str>,
    ) -> Result<usize, Error> {
        let _alone = self.writing.acquire().await;
        if let Some(read) = read {
            let rows = self.store.catalog(Some(path.as_str())).await?;
            let all: Vec<Kept> = rows.into_iter().map(|(_, kept)| kept).collect();
            if held_fingerprint(&all, &which) != read {
                return Err(Error::Changed);
            }
        }
        let event = Event {
            at: self.clock.now(),
            actor: permit.actor().to_owned(),
            deed: Deed::CatalogApproved,
            target: path.to_string(),
        };
        let count = self.store.approve(path, which, event).await?;
        self.forget(path.as_str());
        self.load_held().await?;
        self.changes.send_modify(|count| *count += 1);
        Ok(count)
    }
}

fn digest(entries: &[Entry], pinned: bool) -> [u8; 32] {
    let mut prints: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {}", entry.kind.as_str(), fingerprint(&entry.definition)))
        .collect();
    prints.sort();
    Sha256::digest(format!("{pinned} {}", prints.join("\n"))).into()
}

/// A tool as the API lists it: its definition, and whether it is held (contract, section 1.2).
pub fn shown(kept: &Kept) -> Value {
    let mut shown = kept.definition.clone();
    if kept.is_held() {
        shown.insert("held".to_owned(), Value::Bool(true));
    }
    Value::Object(shown)
}
