//! The feed of how servers are: everything first, then every change to all who listen (contract, section 2).
//!
//! Changes of a moment are told together, and put into words once for everybody; only where a listener's rights cut the
//! feed has it words of its own.
//!
//! **Invariants:** nobody waits for a slow listener, who is let go; listeners are bounded; whoever stays hears the last state of
//! every server, and of each that is gone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::monitor::{Monitor, Update};
use crate::domain::access::Rights;
use crate::domain::health::{Shown, State};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;

/// Messages that a listener may be behind.
const BEHIND: usize = 512;
/// The word for a server that is gone, or that a listener may see no more.
const REMOVED: &str = "removed";

/// How the feed is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether a session or token is needed; then each hears what it may see.
    pub members_only: bool,
    /// Listeners at once.
    pub most: usize,
    /// How long changes wait for company.
    pub gather: Duration,
    /// Servers of one message at most, but for the first one.
    pub batch: usize,
    /// How long a listener may take for a message.
    pub send_within: Duration,
    /// From one ping to the next; whoever has not answered by then is gone.
    pub ping: Duration,
}

/// Tells listeners how the servers are.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    monitor: Monitor,
    rights: watch::Receiver<Arc<Rights>>,
    settings: Settings,
    frames: broadcast::Sender<Arc<Frame>>,
    seats: Arc<Semaphore>,
    ended: CancellationToken,
    pending: AtomicUsize,
    told: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

/// Changes that are told together.
#[derive(Debug)]
struct Frame {
    updates: Batch,
    /// The words for whoever may see everything.
    text: Bytes,
}

type Batch = BTreeMap<ServerPath, Option<Arc<State>>>;

/// What the feed did (contract, section 2).
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    active_connections: usize,
    pending_updates: usize,
    total_broadcasts: u64,
    failed_sends: u64,
    failed_connections: u64,
}

/// Why a listener hears nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is too far behind.
    Behind,
    /// The daemon stops.
    Stopping,
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Listener {
    feed: Feed,
    frames: broadcast::Receiver<Arc<Frame>>,
    view: Option<View>,
    _seat: OwnedSemaphorePermit,
}

/// What one caller may see of it.
#[derive(Debug)]
struct View {
    identity: Arc<Identity>,
    rights: Arc<Rights>,
    /// What it was told of and may still see, with how many tools.
    seen: HashMap<ServerPath, i64>,
    /// Up to which change of what is offered.
    offered: u64,
}

impl Feed {
    /// Over the states of servers; nothing is told before [`Self::run`].
    pub fn new(monitor: Monitor, rights: watch::Receiver<Arc<Rights>>, settings: Settings) -> Self {
        let seats = Arc::new(Semaphore::new(settings.most));
        Self(Arc::new(Inner {
            monitor,
            rights,
            settings,
            frames: broadcast::Sender::new(BEHIND),
            seats,
            ended: CancellationToken::new(),
            pending: AtomicUsize::default(),
            told: AtomicU64::default(),
            failed: AtomicU64::default(),
            refused: AtomicU64::default(),
        }))
    }

    /// How it is told.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Listen; none when the house is full. A caller hears only what it may see, nobody in particular hears everything.
    pub fn join(&self, caller: Option<Arc<Identity>>) -> Option<Listener> {
        let seat = Arc::clone(&self.0.seats).try_acquire_owned();
        let Ok(seat) = seat else {
            self.refused();
            return None;
        };
        // Before the states are read: a change in between is then told twice, never lost.
        let frames = self.0.frames.subscribe();
        let view = caller.map(|identity| View {
            identity,
            rights: self.0.rights.borrow().clone(),
            seen: HashMap::new(),
            offered: self.0.monitor.offered(),
        });
        Some(Listener {
            feed: self.clone(),
            frames,
            view,
            _seat: seat,
        })
    }

    /// How every server is that this caller may see; all of them for nobody in particular.
    pub fn states(&self, caller: Option<&Identity>) -> BTreeMap<ServerPath, Shown> {
        let rights = self.0.rights.borrow().clone();
        let states = self.0.monitor.states().into_iter();
        let shown = |(path, state): (ServerPath, Arc<State>)| {
            let shown = match caller {
                None => state.shown(state.tools()),
                Some(caller) if rights.may_see(caller, &path, &state.name) => {
                    self.0.monitor.shown_to(&rights, caller, (&path, &state))
                }
                Some(_) => return None,
            };
            Some((path, shown))
        };
        states.filter_map(shown).collect()
    }

    /// What it did.
    pub fn stats(&self) -> Stats {
        let inner = &self.0;
        Stats {
            active_connections: inner
                .settings
                .most
                .saturating_sub(inner.seats.available_permits()),
            pending_updates: inner.pending.load(Ordering::Relaxed),
            total_broadcasts: inner.told.load(Ordering::Relaxed),
            failed_sends: inner.failed.load(Ordering::Relaxed),
            failed_connections: inner.refused.load(Ordering::Relaxed),
        }
    }

    /// How many listen now.
    pub fn listeners(&self) -> usize {
        self.stats().active_connections
    }

    /// A listener was let go because it did not read.
    pub fn failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody was not let in.
    pub fn refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Tell until `stop`; then every listener's stream ends.
    pub async fn run(self, stop: CancellationToken) {
        let _ended = self.0.ended.clone().drop_guard();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.tell() => {}
        }
    }

    async fn tell(&self) {
        let mut updates = self.0.monitor.subscribe();
        let mut known: HashSet<ServerPath> = self
            .0
            .monitor
            .states()
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        loop {
            let mut batch = Batch::new();
            match updates.recv().await {
                Ok(update) => take(&mut batch, update),
                Err(broadcast::error::RecvError::Closed) => return,
                Err(broadcast::error::RecvError::Lagged(_)) => self.start_over(&mut known),
            }
            let gathering = tokio::time::sleep(self.0.settings.gather);
            tokio::pin!(gathering);
            while batch.len() < self.0.settings.batch {
                self.0.pending.store(batch.len(), Ordering::Relaxed);
                tokio::select! {
                    () = &mut gathering => break,
                    update = updates.recv() => match update {
                        Ok(update) => take(&mut batch, update),
                        Err(broadcast::error::RecvError::Closed) => return,
                        Err(broadcast::error::RecvError::Lagged(_)) => {
                            // What was gathered is older than what is told anew.
                            batch.clear();
                            self.start_over(&mut known);
                        }
                    }
                }
            }
            for (path, state) in &batch {
                if state.is_some() {
                    known.insert(path.clone());
                } else {
                    known.remove(path);
                }
            }
            self.send(batch);
            self.0.pending.store(0, Ordering::Relaxed);
        }
    }

    /// Too many changes at once to hear each: everything is told anew, and what is gone.
    fn start_over(&self, known: &mut HashSet<ServerPath>) {
        let now: Batch = self
            .0
            .monitor
            .states()
            .into_iter()
            .map(|(path, state)| (path, Some(state)))
            .collect();
        let gone = known.iter().filter(|path| !now.contains_key(*path));
        let mut all: Batch = gone.map(|path| (path.clone(), None)).collect();
        *known = now.keys().cloned().collect();
        all.extend(now);
        self.send(all);
    }

    fn send(&self, updates: Batch) {
        if updates.is_empty() || self.0.frames.receiver_count() == 0 {
            return;
        }
        let shown = |state: &Arc<State>| state.shown(state.tools());
        let text = words(
            updates
                .iter()
                .map(|(path, state)| (path, state.as_ref().map(shown))),
        );
        self.0.told.fetch_add(1, Ordering::Relaxed);
        // Whoever left meanwhile needs nothing.
        self.0.frames.send(Arc::new(Frame { updates, text })).ok();
    }
}

impl Listener {
    /// The first message: everything. None when there is nothing.
    pub fn first(&mut self) -> Option<Bytes> {
        let states = self.feed.0.monitor.states();
        match &mut self.view {
            None => {
                let shown = |state: &State| Some(state.shown(state.tools()));
                let all = states.iter().map(|(path, state)| (path, shown(state)));
                (!states.is_empty()).then(|| words(all))
            }
            Some(view) => {
                let all = states.into_iter().map(|(path, state)| (path, Some(state)));
                view.cut(&self.feed.0.monitor, &all.collect())
            }
        }
    }

    /// The next message. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Result<Bytes, Ended> {
        loop {
            let frame = tokio::select! {
                () = self.feed.0.ended.cancelled() => return Err(Ended::Stopping),
                frame = self.frames.recv() => match frame {
                    Ok(frame) => frame,
                    Err(broadcast::error::RecvError::Closed) => return Err(Ended::Stopping),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.feed.failed();
                        return Err(Ended::Behind);
                    }
                }
            };
            match &mut self.view {
                None => return Ok(frame.text.clone()),
                Some(view) => {
                    if let Some(text) = view.cut(&self.feed.0.monitor, &frame.updates) {
                        return Ok(text);
                    }
                }
            }
        }
    }

    /// The caller is still known, perhaps as somebody else: what it sees now and did not, or sees no more.
    pub fn still(&mut self, identity: Arc<Identity>) -> Option<Bytes> {
        let monitor = &self.feed.0.monitor;
        let (rights, offered) = (self.feed.0.rights.borrow().clone(), monitor.offered());
        let view = self.view.as_mut()?;
        let same = Arc::ptr_eq(&rights, &view.rights) && *identity == *view.identity;
        if same && offered == view.offered {
            return None;
        }
        (view.rights, view.identity, view.offered) = (rights, identity, offered);
        let states = monitor.states().into_iter();
        let is_different = |(path, state): &(ServerPath, Arc<State>)| {
            let now = view.shown(monitor, path, state).map(|shown| shown.num_tools);
            now != view.seen.get(path).copied()
        };
        let differences = states.filter(is_different);
        let differences = differences.map(|(path, state)| (path, Some(state))).collect();
        view.cut(monitor, &differences)
    }
}

impl View {
    /// A server as this caller sees it.
    fn shown(&self, monitor: &Monitor, path: &ServerPath, state: &State) -> Option<Shown> {
        let may_see = self.rights.may_see(&self.identity, path, &state.name);
        may_see.then(|| monitor.shown_to(&self.rights, &self.identity, (path, state)))
    }

    /// What of these changes this caller is told.
    fn cut(&mut self, monitor: &Monitor, updates: &Batch) -> Option<Bytes> {
        let mut told: Vec<(&ServerPath, Option<Shown>)> = Vec::new();
        for (path, state) in updates {
            let shown = state
                .as_deref()
                .and_then(|state| self.shown(monitor, path, state));
            if let Some(shown) = shown {
                self.seen.insert(path.clone(), shown.num_tools);
                told.push((path, Some(shown)));
            } else if self.seen.remove(path).is_some() {
                told.push((path, None));
            }
        }
        (!told.is_empty()).then(|| words(told.into_iter()))
    }
}

fn take(batch: &mut Batch, (path, state): Update) {
    batch.insert(path, state);
}

/// One message: an object by path, as the seed shows it.
fn words<'a>(updates: impl Iterator<Item = (&'a ServerPath, Option<Shown>)>) -> Bytes {
    let removed = || Shown {
        status: REMOVED.to_owned(),
        last_checked_iso: None,
        num_tools: 0,
    };
    let rows: BTreeMap<&str, Shown> = updates
        .map(|(path, state)| (path.as_str(), state.unwrap_or_else(removed)))
        .collect();
    // Texts and numbers only: it cannot fail.
    serde_json::to_vec(&rows).unwrap_or_default().into()
}
