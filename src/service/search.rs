//! Finding tools and servers by words, among what the caller may see.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::domain::Kind;
use crate::domain::access::{LISTS, Rights};
use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::search::{Mode, Query};
use crate::domain::server::Revision;
use crate::store::{self, Store};

/// Why nothing could be looked for.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] store::Error);

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// How.
    pub mode: Mode,
    /// Tools, the best first.
    pub tools: Vec<FoundTool>,
    /// Whether nothing fits at all.
    pub nothing_fits: bool,
}

/// A tool.
#[derive(Debug)]
pub struct FoundTool {
    /// Whose it is.
    pub server_path: ServerPath,
    /// That server's display name.
    pub server_name: String,
    /// Its name.
    pub tool_name: String,
    /// All that its server says of it.
    pub definition: Map<String, Value>,
    /// How well it fits, up to 1.
    pub score: f32,
}

/// Finds.
#[derive(Debug, Clone)]
pub struct Search {
    store: Arc<dyn Store>,
    rights: watch::Receiver<Arc<Rights>>,
}

impl Search {
    /// Over the book and the present rights.
    pub fn new(store: Arc<dyn Store>, rights: watch::Receiver<Arc<Rights>>) -> Self {
        Self { store, rights }
    }

    /// Tools that fit, among those that they may call.
    pub async fn find(&self, who: &Identity, query: &Query) -> Result<Found, Error> {
        let rights = Arc::clone(&self.rights.borrow());
        let mut by_path: HashMap<String, Vec<Kept>> = HashMap::new();
        for (path, kept) in self.store.catalog(None).await? {
            by_path.entry(path).or_default().push(kept);
        }
        let list = LISTS.iter().find(|list| list.method == "tools/list");
        let mut tools = Vec::new();
        for server in self.store.changes_since(Revision(0)).await?.changed {
            let has = |tag: &String| {
                let tags = &server.profile.tags;
                tags.iter().any(|known| known.to_lowercase() == *tag)
            };
            if !server.enabled || !query.tags.iter().all(has) {
                continue;
            }
            for kept in by_path.remove(server.path.as_str()).unwrap_or_default() {
                let sees = list.is_some_and(|list| rights.may_see_entry(who, &server.path, list, &kept.name));
                let score = score(query, &kept, &server.profile.name);
                if kept.kind == EntryKind::Tool && !kept.is_held() && sees && score > 0.0 {
                    tools.push(FoundTool {
                        server_path: server.path.clone(),
                        server_name: server.profile.name.clone(),
                        tool_name: kept.name,
                        definition: kept.definition,
                        score,
                    });
                }
            }
        }
        tools.sort_by(|a, b| b.score.total_cmp(&a.score));
        tools.truncate(query.limit);
        Ok(Found {
            mode: Mode::LexicalOnly,
            nothing_fits: tools.is_empty(),
            tools,
        })
    }
}

/// The share of the question's words that stand in the tool's texts.
fn score(query: &Query, kept: &Kept, server: &str) -> f32 {
    let Some(words) = &query.text else { return 1.0 };
    let description = kept.definition.get("description").and_then(Value::as_str);
    let text = format!("{} {} {server}", kept.name, description.unwrap_or_default()).to_lowercase();
    let (mut found, mut all) = (0.0, 0.0);
    for word in words
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 2)
    {
        all += 1.0;
        found += if text.contains(word) { 1.0 } else { 0.0 };
    }
    if all > 0.0 { found / all } else { 0.0 }
}
