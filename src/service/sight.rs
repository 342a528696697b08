//! What one caller may see of the index, by the tables as they are when the question is answered.
//!
//! **Invariant:** whatever is not in the tables is not seen, however much the index knows of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalog::Held;
use super::indexing::Snapshot;
use crate::domain::access::{Action, Call, Rights, decide};
use crate::domain::identity::Identity;
use crate::domain::route::Table;
use crate::domain::search::Query;
use crate::domain::search::document::Document;
use crate::domain::server::Server;
use crate::store::Changes;

/// The index, and what is true now.
pub(super) struct Sight {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) table: Arc<Table>,
    pub(super) rights: Arc<Rights>,
    pub(super) held: Arc<Held>,
    pub(super) who: Identity,
    /// What has changed since the index was built; only when servers that are off count too.
    pub(super) since: Option<Changes>,
}

/// Which rows are seen.
pub(super) struct Seen {
    pub(super) tools: Vec<bool>,
    pub(super) servers: Vec<bool>,
    /// How many tools of each server may be called.
    pub(super) callable: HashMap<String, usize>,
}

impl Sight {
    /// A server as it is now, if it is on, or off and they may switch it.
    pub(super) fn server(&self, path: &str, with_disabled: bool) -> Option<&Server> {
        if let Some(route) = self.table.routes.get(path) {
            return Some(&route.server);
        }
        let since = self.since.as_ref().filter(|_| with_disabled)?;
        if since.removed.iter().any(|removed| removed.as_str() == path) {
            return None;
        }
        let changed = since.changed.iter().find(|server| server.path.as_str() == path);
        let server = changed.or_else(|| Some(&**self.snapshot.records.get(path)?))?;
        let service = Some((&server.path, server.profile.name.as_str()));
        let may = |action| decide(&self.who, &Call::Registry { action, service }, &self.rights).is_ok();
        (may(Action::Toggle) || may(Action::Modify)).then_some(server)
    }

    /// The rows that this caller may see and that have every tag asked for.
    pub(super) fn seen(&self, query: &Query) -> Seen {
        let documents = self.snapshot.tools.documents();
        let mut tools = Vec::with_capacity(documents.len());
        let (mut callable, mut hidden) = (HashMap::new(), HashMap::new());
        for of_one in documents.chunk_by(|a, b| a.server == b.server) {
            let before = tools.len();
            self.tools_of(of_one, query, &mut tools);
            let seen = tools.iter().skip(before).filter(|seen| **seen).count();
            if let Some(first) = of_one.first() {
                callable.insert(first.server.as_str().to_owned(), seen);
                hidden.insert(first.server.as_str(), seen < of_one.len());
            }
        }
        let servers = self.snapshot.servers.documents().iter().map(|document| {
            let path = document.server.as_str();
            // Who may not use every tool gets the text that names none.
            let names_tools = hidden.get(path) == Some(&false);
            document.names_tools == names_tools
                && document.labels.have_all(&query.tags)
                && self.server(path, query.include_disabled).is_some_and(|server| {
                    self.rights
                        .may_find(&self.who, &server.path, &server.profile.name)
                })
        });
        Seen {
            servers: servers.collect(),
            tools,
            callable,
        }
    }

    fn tools_of(&self, documents: &[Document], query: &Query, tools: &mut Vec<bool>) {
        let first = documents.first();
        let path = first.map(|document| document.server.as_str()).unwrap_or_default();
        let server = self.server(path, query.include_disabled);
        let server = server.filter(|server| self.is_the_same(server));
        let Some((server, first)) = server.zip(first) else {
            tools.resize(tools.len() + documents.len(), false);
            return;
        };
        let callable = self.rights.callable(&self.who, &server.path);
        let held = self.held.get(path);
        let has_tags = first.labels.have_all(&query.tags);
        tools.extend(documents.iter().map(|document| {
            let tool = document.tool.as_deref().unwrap_or_default();
            let is_held = held.is_some_and(|held| held.contains(tool));
            has_tags && !is_held && callable.has(tool)
        }));
    }

    /// Whether the index knows this server, and not another one that had its path before.
    fn is_the_same(&self, server: &Server) -> bool {
        let known = self.snapshot.records.get(server.path.as_str());
        known.is_some_and(|known| {
            known.registered_at == server.registered_at
                && known.profile.proxy_pass_url == server.profile.proxy_pass_url
        })
    }
}
