//! The table that calls are found by: made from the store, swapped whole, with the present addresses of each name.
//!
//! A server is in the table the moment it is stored; its addresses follow when its name has been looked up, and until
//! then its calls are carried.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use http::{HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::path::ServerPath;
use crate::domain::route::{Block, Route, Table};
use crate::domain::server::{Revision, Server, Standing};
use crate::domain::upstream::Origin;
use crate::mcp::Resolver;
use crate::store::{Changes, Store};
use crate::token::seal::Sealer;

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
    sealer: Sealer,
    refresh: Duration,
    table: watch::Sender<Arc<Table>>,
}

impl Routes {
    /// A table of our own server alone; names are looked up again every `refresh`.
    pub fn new(
        store: Arc<dyn Store>,
        resolver: Resolver,
        sealer: Sealer,
        refresh: Duration,
        own: Server,
    ) -> Self {
        let own = Some(Arc::new(Route::new(own, Some(Vec::new()), None)));
        Self {
            store,
            resolver,
            sealer,
            refresh,
            table: watch::Sender::new(Arc::new(Table {
                own,
                ..Table::default()
            })),
        }
    }

    /// The table, and every newer one.
    pub fn table(&self) -> watch::Receiver<Arc<Table>> {
        self.table.subscribe()
    }

    /// Whether calls can reach a server now, once the table shows `revision`.
    pub async fn standing(&self, path: &ServerPath, revision: Revision) -> Standing {
        if path.is_ours() {
            return Standing::Live;
        }
        let mut table = self.table.subscribe();
        let waiting = table.wait_for(|table| table.revision >= revision);
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            return Standing::Pending("the gateway has not read the change yet".to_owned());
        }
        let Some(route) = table.borrow().routes.get(path.as_str()).cloned() else {
            return Standing::Disabled;
        };
        let origin = route.server.profile.proxy_pass_url.origin();
        let found = self.resolver.addresses(origin).await;
        // Whoever looks next asks the table, and is not to be told anything else.
        let is_known =
            |table: &Arc<Table>| table.blocks.contains_key(origin) || table.faults.contains_key(origin);
        drop(tokio::time::timeout(PATIENCE, table.wait_for(is_known)).await);
        match found {
            Ok(_) => Standing::Live,
            Err(error) => Standing::Pending(error.to_string()),
        }
    }

    /// Whether calls can reach a server, as far as is known without asking anybody.
    pub fn known_standing(&self, path: &ServerPath) -> Standing {
        if path.is_ours() {
            return Standing::Live;
        }
        let table = self.table.borrow();
        let Some(route) = table.routes.get(path.as_str()) else {
            return Standing::Disabled;
        };
        let fault = table.faults.get(route.server.profile.proxy_pass_url.origin());
        fault.map_or(Standing::Live, |why| Standing::Pending(why.clone()))
    }

    /// Follow the store and the names until `stop`. Look-ups run beside the following: a name that takes its time
    /// holds up nobody else's change.
    pub async fn run(self, stop: CancellationToken) {
        let mut revisions = self.store.revisions();
        let mut again = tokio::time::interval(self.refresh);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looking = FuturesUnordered::new();
        let mut refreshing = false;
        loop {
            // Seen before reading: a change in between is read twice, never lost.
            revisions.mark_unchanged();
            let read = self.follow().await;
            match &read {
                Ok(unknown) if unknown.is_empty() => {}
                Ok(unknown) => looking.push(self.look_up(unknown.clone(), LookUp::New)),
                Err(error) => {
                    tracing::warn!(
                        error = error as &dyn std::error::Error,
                        "the register cannot be read; trying again"
                    );
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE), if read.is_err() => {}
                changed = revisions.changed() => if changed.is_err() { return },
                Some((which, found)) = looking.next() => {
                    refreshing &= which != LookUp::Refresh;
                    self.learn(which, found);
                }
                _ = again.tick(), if !refreshing => {
                    refreshing = true;
                    let origins = origins(&self.table.borrow());
                    looking.push(self.look_up(origins, LookUp::Refresh));
                }
            }
        }
    }

    /// Swap the table if the store has changed; the origins that nobody has looked up yet.
    async fn follow(&self) -> Result<Vec<Origin>, crate::store::Error> {
        let table = Arc::clone(&self.table.borrow());
        let changes = self.store.changes_since(table.revision).await?;
        if changes.revision == table.revision {
            return Ok(Vec::new());
        }
        let is_unknown =
            |origin: &Origin| !table.blocks.contains_key(origin) && !table.faults.contains_key(origin);
        let of_changed = changes.changed.iter().filter(|server| server.enabled);
        let origins: HashSet<&Origin> = of_changed
            .map(|server| server.profile.proxy_pass_url.origin())
            .collect();
        let unknown = origins
            .into_iter()
            .filter(|origin| is_unknown(origin))
            .cloned()
            .collect();
        let changed = with_changes(&table, changes, &self.sealer);
        self.table.send_replace(Arc::new(changed));
        Ok(unknown)
    }

    /// Where these names lead now.
    async fn look_up(&self, origins: Vec<Origin>, which: LookUp) -> (LookUp, Vec<Found>) {
        let found = stream::iter(origins)
            .map(|origin| async move {
                let found = self.resolver.addresses(&origin).await;
                let found = found
                    .map(|addresses| Block::new(&origin, addresses))
                    .map_err(|error| error.to_string());
                (origin, found)
            })
            .buffer_unordered(AT_ONCE);
        (which, found.collect().await)
    }

    /// Swap the table if anything is different. A name that fails keeps no block: its calls are carried and say why.
    fn learn(&self, which: LookUp, found: Vec<Found>) {
        self.table.send_if_modified(|table| {
            let mut blocks = HashMap::clone(&table.blocks);
            let mut faults = HashMap::clone(&table.faults);
            if which == LookUp::Refresh {
                let in_use: HashSet<Origin> = origins(table).into_iter().collect();
                blocks.retain(|origin, _| in_use.contains(origin));
                faults.retain(|origin, _| in_use.contains(origin));
            }
            for (origin, found) in found {
                match found {
                    Ok(block) => {
                        faults.remove(&origin);
                        blocks.insert(origin, Arc::new(block));
                    }
                    Err(why) => {
                        blocks.remove(&origin);
                        faults.insert(origin, why);
                    }
                }
            }
            let differs = blocks != *table.blocks || faults != *table.faults;
            if differs {
                *table = Arc::new(Table {
                    blocks: Arc::new(blocks),
                    faults: Arc::new(faults),
                    ..Table::clone(table)
                });
            }
            differs
        });
    }
}

/// Why names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookUp {
    /// They are new.
    New,
    /// It is time to ask again.
    Refresh,
}

/// An origin and where it leads, or why it leads nowhere.
type Found = (Origin, Result<Block, String>);

/// Every origin in use, once.
fn origins(table: &Table) -> Vec<Origin> {
    let all = table
        .routes
        .values()
        .map(|route| route.server.profile.proxy_pass_url.origin());
    let once: HashSet<&Origin> = all.collect();
    once.into_iter().cloned().collect()
}

fn lines(server: &Server, sealer: &Sealer) -> Option<Vec<(HeaderName, HeaderValue)>> {
    match sealer.credentials(server) {
        Ok(credentials) => Some(credentials.lines(&server.profile.egress)),
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::error!(
                server.path = server.path.as_str(),
                error,
                "a server cannot be called"
            );
            None
        }
    }
}

fn with_changes(table: &Table, changes: Changes, sealer: &Sealer) -> Table {
    let mut routes: HashMap<Arc<str>, Arc<Route>> = table.routes.clone();
    for path in changes.removed {
        routes.remove(path.as_str());
    }
    for server in changes.changed {
        let before = routes.remove(server.path.as_str());
        if server.enabled {
            let path: Arc<str> = server.path.as_str().into();
            let lines = lines(&server, sealer);
            routes.insert(path, Arc::new(Route::new(server, lines, before.as_deref())));
        }
    }
    Table {
        revision: changes.revision,
        routes,
        ..table.clone()
    }
}
