//! The table that calls are found by: made from the store, swapped whole, with the present addresses of each name.
//!
//! A server is in the table the moment it is stored; its addresses follow when its name has been looked up, and until
//! then its calls are carried.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::path::ServerPath;
use crate::domain::route::{Block, Route, Table, may_have_block};
use crate::domain::server::{Revision, Standing};
use crate::domain::upstream::Origin;
use crate::mcp::Resolver;
use crate::store::{Changes, Store};

/// Look-ups at once.
const AT_ONCE: usize = 32;
/// After a failed read of the store, so long until the next.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a handler waits for the table to show its own change.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keeps the table; everybody else reads it.
#[derive(Debug, Clone)]
pub struct Routes {
    store: Arc<dyn Store>,
    resolver: Resolver,
    refresh: Duration,
    table: watch::Sender<Arc<Table>>,
}

impl Routes {
    /// An empty table; names are looked up again every `refresh`.
    pub fn new(store: Arc<dyn Store>, resolver: Resolver, refresh: Duration) -> Self {
        Self {
            store,
            resolver,
            refresh,
            table: watch::Sender::new(Arc::new(Table::default())),
        }
    }

    /// The table, and every newer one.
    pub fn table(&self) -> watch::Receiver<Arc<Table>> {
        self.table.subscribe()
    }

    /// Whether calls can reach a server now, once the table shows `revision`.
    pub async fn standing(&self, path: &ServerPath, revision: Revision) -> Standing {
        let mut table = self.table.subscribe();
        let waiting = table.wait_for(|table| table.revision >= revision);
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            return Standing::Pending("the gateway has not read the change yet".to_owned());
        }
        let Some(route) = table.borrow().routes.get(path.as_str()).cloned() else {
            return Standing::Disabled;
        };
        match self
            .resolver
            .addresses(route.server.profile.proxy_pass_url.origin())
            .await
        {
            Ok(_) => Standing::Live,
            Err(error) => Standing::Pending(error.to_string()),
        }
    }

    /// Follow the store and the names until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut revisions = self.store.revisions();
        let mut again = tokio::time::interval(self.refresh);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let read = self.follow().await;
            if let Err(error) = &read {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "the register cannot be read; trying again"
                );
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE), if read.is_err() => {}
                changed = revisions.changed() => if changed.is_err() { return },
                _ = again.tick() => self.look_up_all().await,
            }
        }
    }

    async fn follow(&self) -> Result<(), crate::store::Error> {
        let table = Arc::clone(&self.table.borrow());
        let changes = self.store.changes_since(table.revision).await?;
        if changes.revision == table.revision {
            return Ok(());
        }
        let changed = with_changes(&table, changes);
        let unknown: Vec<Origin> = wanted(&changed)
            .filter(|origin| !changed.blocks.contains_key(*origin))
            .cloned()
            .collect();
        self.table.send_replace(Arc::new(changed));
        if !unknown.is_empty() {
            self.look_up(unknown).await;
        }
        Ok(())
    }

    async fn look_up_all(&self) {
        let origins: Vec<Origin> = wanted(&self.table.borrow()).cloned().collect();
        self.look_up(origins).await;
    }

    /// Look names up and swap the table if anything is different. A name that fails keeps no block: its calls are
    /// carried and say why.
    async fn look_up(&self, mut origins: Vec<Origin>) {
        origins.sort_unstable();
        origins.dedup();
        let found: Vec<(Origin, Option<Block>)> = stream::iter(origins)
            .map(|origin| async move {
                let block = self
                    .resolver
                    .addresses(&origin)
                    .await
                    .ok()
                    .map(|addresses| Block::new(&origin, addresses));
                (origin, block)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        self.table.send_if_modified(|table| {
            let mut blocks = table.blocks.clone();
            for (origin, block) in found {
                match block {
                    Some(block) => drop(blocks.insert(origin, block)),
                    None => drop(blocks.remove(&origin)),
                }
            }
            let differs = blocks != table.blocks;
            if differs {
                *table = Arc::new(Table {
                    blocks,
                    ..Table::clone(table)
                });
            }
            differs
        });
    }
}

/// Origins that may be served directly.
fn wanted(table: &Table) -> impl Iterator<Item = &Origin> {
    let trusted = table.routes.values().filter(|route| route.server.trusted);
    trusted
        .map(|route| route.server.profile.proxy_pass_url.origin())
        .filter(|origin| may_have_block(origin))
}

fn with_changes(table: &Table, changes: Changes) -> Table {
    let mut routes: HashMap<Arc<str>, Arc<Route>> = table.routes.clone();
    for path in changes.removed {
        routes.remove(path.as_str());
    }
    for server in changes.changed {
        let before = routes.remove(server.path.as_str());
        if server.enabled {
            let path: Arc<str> = server.path.as_str().into();
            routes.insert(path, Arc::new(Route::new(server, before.as_deref())));
        }
    }
    let mut changed = Table {
        revision: changes.revision,
        routes,
        blocks: HashMap::new(),
    };
    let kept =
        wanted(&changed).filter_map(|origin| Some((origin.clone(), table.blocks.get(origin)?.clone())));
    changed.blocks = kept.collect();
    changed
}
