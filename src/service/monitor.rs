//! How the servers are: each is asked on its own interval, by the credentials of its traffic, and whoever listens is told of
//! every change at once.
//!
//! Time is counted by a clock that nobody can set: a wall clock that jumps moves no check. A machine that slept has not
//! been looking, so what timed out meanwhile says nothing.
//!
//! **Invariants:** one server that hangs delays nobody else; checks at once are bounded; a change is in memory, and told,
//! before it is in the store, and the store is behind by one batch at most.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::catalog::{Catalog, Error};
use super::schedule::Schedule;
use crate::clock::{Clock, Timestamp};
use crate::domain::health::{Health, Observation, State, Status, Thresholds, judge};
use crate::domain::path::ServerPath;
use crate::domain::route::{Route, Table};
use crate::domain::server::Revision;
use crate::mcp::Client;
use crate::mcp::survey::{Failure, Whom, survey};
use crate::store::{self, Check, Past, Store};

/// Changes that a listener may be behind; then it gets everything anew.
const BEHIND: usize = 4_096;
/// How often the loop looks at what is due, and how long results wait for company on their way to the store.
const TICK: Duration = Duration::from_millis(200);
/// After a failed look at the store.
const PAUSE: Duration = Duration::from_secs(1);
/// All answers of one check together may take so many times the limit of one.
const WHOLE: u32 = 6;
/// A wall clock this much ahead of the time that passed says that the machine slept.
const SLEPT: Duration = Duration::from_secs(5);
/// Rows of history that are forgotten at once, and how often.
const FORGET: (u32, Duration) = (5_000, Duration::from_secs(60));

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
    /// Checks at once.
    pub at_once: usize,
    /// How long checks are remembered.
    pub history: Duration,
}

/// What became of one server: its state, or none when it is gone.
pub type Update = (ServerPath, Option<Arc<State>>);

/// Watches the servers.
#[derive(Debug, Clone)]
pub struct Monitor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    store: Arc<dyn Store>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    table: watch::Receiver<Arc<Table>>,
    settings: Settings,
    states: RwLock<HashMap<ServerPath, Arc<State>>>,
    updates: broadcast::Sender<Update>,
    revision: watch::Sender<Revision>,
}

/// What one check came to.
struct Outcome {
    path: ServerPath,
    updated_at: Timestamp,
    observation: Option<Observation>,
    tools: Option<u32>,
    names: (Option<String>, Option<String>),
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
        Self(Arc::new(Inner {
            client,
            store,
            catalog,
            clock,
            table,
            settings,
            states: RwLock::default(),
            updates: broadcast::Sender::new(BEHIND),
            revision: watch::Sender::default(),
        }))
    }

    /// Every change from now on. Subscribe before asking for all states: a change in between is then told twice, and never
    /// lost.
    pub fn subscribe(&self) -> broadcast::Receiver<Update> {
        self.0.updates.subscribe()
    }

    /// All servers.
    pub fn states(&self) -> Vec<(ServerPath, Arc<State>)> {
        let states = self.0.states.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = states
            .iter()
            .map(|(path, state)| (path.clone(), Arc::clone(state)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The time by which checks are told.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// One server.
    pub fn state(&self, path: &ServerPath) -> Option<Arc<State>> {
        let states = self.0.states.read().unwrap_or_else(PoisonError::into_inner);
        states.get(path).map(Arc::clone)
    }

    /// The checks of a server since then, newest first.
    pub async fn history(&self, path: &ServerPath, since: Timestamp, most: u32) -> Result<Vec<Past>, Error> {
        Ok(self.0.store.health_history(path, since, most).await?)
    }

    /// Check a server now, whatever its interval; what is known then. None: it is off, or gone.
    pub async fn check_now(&self, path: &ServerPath) -> Result<Option<Arc<State>>, Error> {
        let route = self.0.table.borrow().routes.get(path.as_str()).map(Arc::clone);
        let Some(route) = route else { return Ok(None) };
        let outcome = self.examine(route).await;
        let checks: Vec<Check> = self.learn(outcome).into_iter().collect();
        self.0.store.record_checks(checks).await?;
        Ok(self.state(path))
    }

    /// Wait until a server has been checked at all, no longer than `patience`.
    pub async fn wait_for(&self, path: &ServerPath, patience: Duration) -> Option<Arc<State>> {
        let mut updates = self.subscribe();
        let known = || {
            let state = self.state(path);
            state.filter(|state| state.health.checked_at.is_some() || !state.enabled)
        };
        let waiting = async {
            loop {
                if let Some(state) = known() {
                    return state;
                }
                // Behind or not: the next look says how it is.
                drop(updates.recv().await);
            }
        };
        tokio::time::timeout(patience, waiting).await.ok()
    }

    /// Watch until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.watch() => {}
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
        let mut running: FuturesUnordered<BoxFuture<'_, Outcome>> = FuturesUnordered::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut results: Vec<Check> = Vec::new();
        let mut forgotten = Instant::now();
        loop {
            tokio::select! {
                Some(outcome) = running.next(), if !running.is_empty() => {
                    let path = outcome.path.clone();
                    results.extend(self.learn(outcome));
                    let doubt = self.state(&path).is_some_and(|state| state.health.is_in_doubt());
                    schedule.done(&path, doubt, Instant::now());
                }
                changed = revisions.changed() => {
                    if changed.is_err() { return; }
                    if let Err(error) = self.follow(&mut schedule).await { complain(&error); }
                }
                _ = ticks.tick() => {
                    if !results.is_empty()
                        && let Err(error) = self.0.store.record_checks(std::mem::take(&mut results)).await
                    {
                        complain(&error);
                    }
                    if forgotten.elapsed() > FORGET.1 {
                        forgotten = Instant::now();
                        self.forget().await;
                    }
                }
            }
            if !self.0.settings.enabled {
                continue;
            }
            let free = self.0.settings.at_once.saturating_sub(running.len());
            for path in schedule.take_due(Instant::now(), free) {
                let route = self.0.table.borrow().routes.get(path.as_str()).map(Arc::clone);
                match route {
                    Some(route) => running.push(Box::pin(self.examine(route))),
                    // The table follows in milliseconds.
                    None => schedule.again_soon(&path, Instant::now()),
                }
            }
        }
    }

    /// What the store knows, and when each server is due. A start neither asks everybody at once nor forgets what was
    /// known.
    async fn load(&self) -> Result<Schedule, store::Error> {
        let known: HashMap<String, Health> = self.0.store.health().await?.into_iter().collect();
        let changes = self.0.store.changes_since(Revision::default()).await?;
        let mut schedule = Schedule::new(self.0.settings.interval);
        let (wall, now) = (self.0.clock.now(), Instant::now());
        {
            let mut states = self.0.states.write().unwrap_or_else(PoisonError::into_inner);
            for server in &changes.changed {
                let health = known.get(server.path.as_str()).cloned().unwrap_or_default();
                if server.enabled {
                    let age = health.checked_at.map(|at| wall.since(at));
                    schedule.resume(&server.path, age, now);
                }
                states.insert(server.path.clone(), Arc::new(State::of(server, health)));
            }
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
            self.0.catalog.forget(path.as_str());
            let mut states = self.0.states.write().unwrap_or_else(PoisonError::into_inner);
            if states.remove(&path).is_some() {
                drop(states);
                self.tell(path, None);
            }
        }
        for server in changes.changed {
            self.0.catalog.forget(server.path.as_str());
            let before = self.state(&server.path);
            let mut health = before
                .as_ref()
                .map(|state| state.health.clone())
                .unwrap_or_default();
            let was_on = before.is_some_and(|state| state.enabled);
            if server.enabled {
                // At once, and first of all: somebody waits for it.
                schedule.now(&server.path);
            } else {
                schedule.remove(&server.path);
            }
            if server.enabled && !was_on {
                health = Health {
                    status: if self.0.settings.enabled {
                        Status::Checking
                    } else {
                        Status::Unknown
                    },
                    tools: health.tools,
                    transport: health.transport,
                    ..Health::default()
                };
            }
            self.put(server.path.clone(), State::of(&server, health));
        }
        self.0.revision.send_replace(changes.revision);
        Ok(())
    }

    /// Ask one server.
    async fn examine(&self, route: Arc<Route>) -> Outcome {
        let server = &route.server;
        let (began, wall) = (Instant::now(), self.0.clock.now());
        let settings = &self.0.settings;
        let known = self.state(&server.path).and_then(|state| state.health.transport);
        let asked = match &route.lines {
            None => Err(Failure::Unreachable(
                "its credentials cannot be read; enter them again".to_owned(),
            )),
            Some(lines) => {
                let whom = Whom {
                    profile: &server.profile,
                    lines,
                    known,
                    within: settings.timeout,
                };
                let whole = settings.timeout * WHOLE;
                let asked = tokio::time::timeout(whole, survey(&self.0.client, whom)).await;
                asked.unwrap_or(Err(Failure::Slow(whole.as_secs())))
            }
        };
        let at = self.0.clock.now();
        let slept = at.since(wall) > began.elapsed() + SLEPT;
        let (mut tools, mut names) = (None, (None, None));
        let (seen, latency, transport) = match asked {
            Ok(survey) => {
                let taken = self
                    .0
                    .catalog
                    .take_over(&server.path, survey.entries, server.profile.pinned)
                    .await;
                match taken {
                    Ok(count) => tools = Some(count),
                    Err(error) => complain(&error),
                }
                names = (survey.server_name, survey.server_version);
                (Status::Healthy, Some(survey.latency), survey.transport)
            }
            Err(failure) => (status_of(&failure, &route), None, None),
        };
        let observation = Observation {
            at,
            seen,
            latency,
            transport,
        };
        Outcome {
            path: server.path.clone(),
            updated_at: server.updated_at,
            // What a machine that slept did not hear is no silence of the server's.
            observation: Some(observation).filter(|seen| seen.seen.is_up() || !slept),
            tools,
            names,
        }
    }

    /// Take over what a check saw. Nothing, when the server has changed meanwhile: its next check is due already.
    fn learn(&self, outcome: Outcome) -> Option<Check> {
        let before = self.state(&outcome.path)?;
        let observation = outcome.observation?;
        if !before.enabled || before.updated_at != outcome.updated_at {
            return None;
        }
        let mut health = judge(&before.health, &observation, self.0.settings.thresholds);
        health.tools = outcome.tools.or(health.tools);
        if health.status.word() != before.health.status.word() {
            tracing::info!(
                server.path = %outcome.path,
                status = health.status.words(),
                before = before.health.status.word(),
                "a server is different"
            );
        }
        let after = State {
            health: health.clone(),
            ..State::clone(&before)
        };
        self.put(outcome.path.clone(), after);
        Some(Check {
            path: outcome.path.as_str().to_owned(),
            health,
            seen: observation.seen,
            server_name: outcome.names.0,
            server_version: outcome.names.1,
        })
    }

    /// Keep a state, and tell it if anybody could see the difference.
    fn put(&self, path: ServerPath, state: State) {
        let state = Arc::new(state);
        let mut states = self.0.states.write().unwrap_or_else(PoisonError::into_inner);
        let before = states.insert(path.clone(), Arc::clone(&state));
        drop(states);
        if before.is_none_or(|before| before.shown() != state.shown()) {
            self.tell(path, Some(state));
        }
    }

    fn tell(&self, path: ServerPath, state: Option<Arc<State>>) {
        // Nobody listens: nobody is told.
        self.0.updates.send((path, state)).ok();
    }

    async fn forget(&self) {
        let now = self.0.clock.now().unix();
        let keep = i64::try_from(self.0.settings.history.as_secs()).unwrap_or(i64::MAX);
        let before = Timestamp::from_unix(now.saturating_sub(keep));
        if let Err(error) = self.0.store.forget_checks(before, FORGET.0).await {
            complain(&error);
        }
    }
}

fn complain(error: &store::Error) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the state of servers could not be kept or read"
    );
}

/// A server that refuses our credential is up, and so is one that waits for its callers' own.
fn status_of(failure: &Failure, route: &Route) -> Status {
    let ours = route.lines.as_ref().is_some_and(|lines| !lines.is_empty());
    match failure {
        Failure::Unauthorized(_) if ours => Status::AuthExpired,
        Failure::Unauthorized(_) => Status::Healthy,
        other => Status::Unhealthy(other.to_string()),
    }
}
