//! How the servers are: each is asked on its own interval, by the credentials of its traffic, and whoever listens is told of
//! every change at once.
//!
//! Time is counted by a clock that nobody can set: a wall clock that jumps moves no check.
//!
//! **Invariants:** one server that hangs delays nobody else; checks at once are bounded, and nobody is asked twice at once; a
//! change is in memory, and told, before it is in the store, and the store is behind by one batch at most.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, Shared, WeakShared};
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::catalog::{Catalog, Error};
use super::check::{Checker, Outcome, complain};
use super::results::Results;
use super::schedule::Schedule;
use super::states::States;
use crate::clock::{Clock, Timestamp};
use crate::domain::access::Rights;
use crate::domain::health::{Health, Shown, State, Thresholds, judge};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::route::{Route, Table};
use crate::domain::server::{Revision, Server};
use crate::mcp::Client;
use crate::store::{self, Check, Past, Store};

pub use super::states::Update;

/// How often the loop looks at what is due, and how long results wait for company on their way to the store.
const TICK: Duration = Duration::from_millis(200);
/// After a failed look at the store.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a check on demand waits for the table of routes.
const TABLE: Duration = Duration::from_secs(2);
/// Rows of history that are forgotten at once, how often at most in a row, and how often anew.
const FORGET: (u32, u32, Duration) = (5_000, 50, Duration::from_secs(60));

/// How servers are checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether servers are asked by themselves; on demand they always are.
    pub enabled: bool,
    /// From one check to the next.
    pub interval: Duration,
    /// For each answer.
    pub timeout: Duration,
    /// How many of one kind in a row change the word.
    pub thresholds: Thresholds,
    /// Checks at once, of those that are due; and as many on demand.
    pub at_once: usize,
    /// How long checks are remembered.
    pub history: Duration,
}

/// A check that has ended.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What is known now; none when the server is gone.
    pub state: Option<Arc<State>>,
    /// Whether it listed its tools this time.
    pub has_listed: bool,
    /// Whether the check says something: its record has not changed meanwhile, and the machine did not sleep.
    counts: bool,
}

/// A check on its way, for everybody who wants it.
type Flight = Shared<BoxFuture<'static, Checked>>;

/// Watches the servers.
#[derive(Debug, Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    checker: Checker,
    store: Arc<dyn Store>,
    catalog: Catalog,
    table: watch::Receiver<Arc<Table>>,
    settings: Settings,
    states: States,
    revision: watch::Sender<Revision>,
    flights: Mutex<HashMap<ServerPath, WeakShared<BoxFuture<'static, Checked>>>>,
    /// For checks on demand.
    seats: Semaphore,
    results: Results,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Monitor {
    /// Over the store and the routes; nothing is asked before [`Self::run`].
    pub fn new(
        client: Client,
        store: Arc<dyn Store>,
        catalog: Catalog,
        table: watch::Receiver<Arc<Table>>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let checker = Checker {
            client,
            catalog: catalog.clone(),
            clock,
            timeout: settings.timeout,
        };
        Self(Arc::new(Inner {
            checker,
            results: Results::new(Arc::clone(&store)),
            store,
            catalog,
            table,
            states: States::new(),
            revision: watch::Sender::default(),
            flights: Mutex::default(),
            seats: Semaphore::new(settings.at_once),
            settings,
        }))
    }

    /// Every change from now on. Subscribe before asking for all states: a change in between is then told twice, and never
    /// lost.
    pub fn subscribe(&self) -> broadcast::Receiver<Update> {
        self.0.states.subscribe()
    }

    /// All servers.
    pub fn states(&self) -> Vec<(ServerPath, Arc<State>)> {
        self.0.states.all()
    }

    /// The time by which checks are told.
    pub fn now(&self) -> Timestamp {
        self.0.checker.clock.now()
    }

    /// How long checks are remembered.
    pub fn remembers(&self) -> Duration {
        self.0.settings.history
    }

    /// One server.
    pub fn state(&self, path: &ServerPath) -> Option<Arc<State>> {
        self.0.states.of(path)
    }

    /// How many tools of a server somebody is told of.
    pub fn tools_for(&self, rights: &Rights, who: &Identity, server: &Server) -> i64 {
        let known = self.state(&server.path);
        let total = known.map_or(server.profile.num_tools, |known| known.tools());
        let named = (&server.path, server.profile.name.as_str());
        self.0.catalog.told(rights, who, named, total)
    }

    /// What somebody is told of how a server is.
    pub fn shown_to(&self, rights: &Rights, who: &Identity, (path, state): (&ServerPath, &State)) -> Shown {
        let named = (path, state.name.as_str());
        state.shown(self.0.catalog.told(rights, who, named, state.tools()))
    }

    /// Counts the changes of what servers offer and of what is held.
    pub fn offered(&self) -> u64 {
        *self.0.catalog.changes().borrow()
    }

    /// The checks of a server since then, newest first.
    pub async fn history(&self, path: &ServerPath, since: Timestamp, most: u32) -> Result<Vec<Past>, Error> {
        Ok(self.0.results.past(path, since, most).await?)
    }

    /// Check a server now, whatever its interval; whoever asks meanwhile shares the answer. None: it is off, or gone.
    pub async fn check_now(&self, path: &ServerPath) -> Option<Checked> {
        let mut table = self.0.table.clone();
        let revision = *self.0.revision.borrow();
        let ready = table.wait_for(|table| table.revision >= revision);
        drop(tokio::time::timeout(TABLE, ready).await);
        self.0.table.borrow().routes.get(path.as_str())?;
        Some(self.flight(path, true).await)
    }

    /// Check these servers now, as long as `within`; those that listed their tools by then.
    pub async fn check_all(&self, paths: Vec<ServerPath>, within: Duration) -> HashSet<ServerPath> {
        let mut listed = HashSet::new();
        let mut checks = stream::iter(paths)
            .map(|path| async move {
                let checked = self.check_now(&path).await;
                (path, checked.is_some_and(|checked| checked.has_listed))
            })
            .buffer_unordered(self.0.settings.at_once);
        let gathering = async {
            while let Some((path, has_listed)) = checks.next().await {
                listed.extend(Some(path).filter(|_| has_listed));
            }
        };
        tokio::time::timeout(within, gathering).await.ok();
        drop(checks);
        listed
    }

    /// Wait until a server has been checked since its record last changed, no longer than `patience`. Where nobody asks
    /// servers there is nothing to wait for.
    pub async fn wait_for(&self, path: &ServerPath, revision: Revision, patience: Duration) {
        if !self.0.settings.enabled {
            return;
        }
        let mut updates = self.subscribe();
        let mut seen = self.0.revision.subscribe();
        let waiting = async {
            if seen.wait_for(|seen| *seen >= revision).await.is_err() {
                return;
            }
            let known = || {
                self.state(path)
                    .is_none_or(|state| state.is_checked || !state.enabled)
            };
            while !known() {
                // Behind or not: the next look says how it is.
                drop(updates.recv().await);
            }
        };
        tokio::time::timeout(patience, waiting).await.ok();
    }

    /// Watch until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.watch() => {}
        }
        if let Err(error) = self.0.results.keep().await {
            complain(&error);
        }
    }

    async fn watch(&self) {
        let mut schedule = loop {
            match self.load().await {
                Ok(schedule) => break schedule,
                Err(error) => complain(&error),
            }
            tokio::time::sleep(PAUSE).await;
        };
        let mut revisions = self.0.store.revisions();
        let mut table = self.0.table.clone();
        let mut running: FuturesUnordered<BoxFuture<'static, (ServerPath, Checked)>> =
            FuturesUnordered::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let (mut behind, mut forgotten) = (None, Instant::now());
        loop {
            tokio::select! {
                Some((path, checked)) = running.next(), if !running.is_empty() => {
                    let state = checked.state.as_ref().filter(|state| state.enabled);
                    let doubt = state.is_some_and(|state| state.health.is_in_doubt());
                    schedule.done(&path, doubt, Instant::now());
                    if !checked.counts && state.is_some() {
                        schedule.now(&path);
                    }
                }
                changed = revisions.changed() => {
                    if changed.is_err() { return; }
                    behind = Some(Instant::now());
                }
                changed = table.changed() => if changed.is_err() { return; },
                _ = ticks.tick() => {
                    if let Err(error) = self.0.results.keep().await { complain(&error); }
                    if forgotten.elapsed() > FORGET.2 {
                        forgotten = Instant::now();
                        self.forget().await;
                    }
                }
            }
            if behind.is_some_and(|since| since <= Instant::now()) {
                behind = match self.follow(&mut schedule).await {
                    Ok(()) => None,
                    Err(error) => {
                        complain(&error);
                        Some(Instant::now() + PAUSE)
                    }
                };
            }
            // An older table would lead to where a server was before.
            let is_old = self.0.table.borrow().revision < *self.0.revision.borrow();
            if !self.0.settings.enabled || is_old {
                continue;
            }
            let free = self.0.settings.at_once.saturating_sub(running.len());
            for path in schedule.take_due(Instant::now(), free) {
                let flight = self.flight(&path, false);
                running.push(flight.map(|checked| (path, checked)).boxed());
            }
        }
    }

    /// What the store knows, and when each server is due. A start neither asks everybody at once nor forgets what was
    /// known.
    async fn load(&self) -> Result<Schedule, store::Error> {
        let mut known: HashMap<String, Health> = self.0.store.health().await?.into_iter().collect();
        let changes = self.0.store.changes_since(Revision::default()).await?;
        let mut schedule = Schedule::new(self.0.settings.interval);
        let (wall, now) = (self.now(), Instant::now());
        for server in &changes.changed {
            let health = known.remove(server.path.as_str()).unwrap_or_default();
            if server.enabled {
                let age = health.checked_at.map(|at| wall.since(at));
                schedule.resume(&server.path, age, now);
            }
            self.0.states.resume(server, health);
        }
        self.0.revision.send_replace(changes.revision);
        Ok(schedule)
    }

    /// Servers that were registered, changed, switched or removed.
    async fn follow(&self, schedule: &mut Schedule) -> Result<(), store::Error> {
        let since = *self.0.revision.borrow();
        let changes = self.0.store.changes_since(since).await?;
        for path in changes.removed {
            schedule.remove(&path);
            self.0.catalog.remove(path.as_str());
            self.0.states.remove(&path);
        }
        for server in changes.changed {
            self.0.catalog.forget(server.path.as_str());
            if server.enabled {
                // At once, and first of all: somebody waits for it.
                schedule.now(&server.path);
            } else {
                schedule.remove(&server.path);
            }
            self.0.states.follow(&server, self.0.settings.enabled);
        }
        self.0.revision.send_replace(changes.revision);
        Ok(())
    }

    /// The check of a server that is on its way, or a new one; one on demand waits for a seat.
    fn flight(&self, path: &ServerPath, on_demand: bool) -> Flight {
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let on_its_way = flights.get(path).and_then(WeakShared::upgrade);
        if let Some(flight) = on_its_way.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        let (monitor, of) = (self.clone(), path.clone());
        let check = async move {
            let seat = if on_demand {
                monitor.0.seats.acquire().await.ok()
            } else {
                None
            };
            let checked = monitor.check(&of).await;
            drop(seat);
            checked
        };
        let flight = check.boxed().shared();
        flights.retain(|_, flight| flight.upgrade().is_some());
        flights.extend(flight.downgrade().map(|weak| (path.clone(), weak)));
        flight
    }

    async fn check(&self, path: &ServerPath) -> Checked {
        let route: Option<Arc<Route>> = self.0.table.borrow().routes.get(path.as_str()).map(Arc::clone);
        let mut checked = Checked {
            state: None,
            has_listed: false,
            counts: route.is_none(),
        };
        if let (Some(route), Some(before)) = (route, self.state(path))
            && let Some(outcome) = self.0.checker.ask(&route, &before.health).await
        {
            checked.has_listed = outcome.tools.is_some();
            checked.counts = self.learn(path, before.generation, outcome);
        }
        checked.state = self.state(path);
        checked
    }

    /// Take over what a check saw; whether it counts.
    fn learn(&self, path: &ServerPath, generation: u64, outcome: Outcome) -> bool {
        let Outcome { seen, tools, names } = outcome;
        let health = self.0.states.learn(path, generation, |before| {
            let judged = judge(before, &seen, self.0.settings.thresholds);
            Health {
                tools: tools.or(judged.tools),
                server_name: names.0.or(judged.server_name),
                server_version: names.1.or(judged.server_version),
                ..judged
            }
        });
        let Some(health) = health else { return false };
        self.0.results.push(Check {
            path: path.as_str().to_owned(),
            health,
            seen: seen.seen,
        });
        true
    }

    async fn forget(&self) {
        let keep = i64::try_from(self.0.settings.history.as_secs()).unwrap_or(i64::MAX);
        let before = Timestamp::from_unix(self.now().unix().saturating_sub(keep));
        for _ in 0..FORGET.1 {
            match self.0.store.forget_checks(before, FORGET.0).await {
                Ok(count) if count < FORGET.0 as usize => return,
                Ok(_) => {}
                Err(error) => return complain(&error),
            }
        }
    }
}
