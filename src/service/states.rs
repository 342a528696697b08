//! What is known of every server now, and the word to whoever listens.
//!
//! **Invariants:** a change and its telling are one step, so listeners hear changes in the order in which they happened; what
//! a check saw of a record that has changed since counts for nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use tokio::sync::broadcast;

use crate::domain::health::{Health, State, Status};
use crate::domain::path::ServerPath;
use crate::domain::server::Server;

/// Changes that a listener may be behind; then it gets everything anew.
const BEHIND: usize = 4_096;

/// What became of one server: its state, or none when it is gone.
pub type Update = (ServerPath, Option<Arc<State>>);

/// The states of all servers.
#[derive(Debug)]
pub(super) struct States {
    all: RwLock<HashMap<ServerPath, Arc<State>>>,
    updates: broadcast::Sender<Update>,
}

type All<'a> = RwLockWriteGuard<'a, HashMap<ServerPath, Arc<State>>>;

impl States {
    pub(super) fn new() -> Self {
        Self {
            all: RwLock::default(),
            updates: broadcast::Sender::new(BEHIND),
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }

    /// All of them, by path.
    pub(super) fn all(&self) -> Vec<(ServerPath, Arc<State>)> {
        let states = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = states
            .iter()
            .map(|(path, state)| (path.clone(), Arc::clone(state)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    pub(super) fn of(&self, path: &ServerPath) -> Option<Arc<State>> {
        let states = self.all.read().unwrap_or_else(PoisonError::into_inner);
        states.get(path).map(Arc::clone)
    }

    /// A server as it was known before this start.
    pub(super) fn resume(&self, server: &Server, health: Health) {
        let is_checked = health.checked_at.is_some();
        let state = State {
            is_checked,
            ..State::of(server, health)
        };
        self.write().insert(server.path.clone(), Arc::new(state));
    }

    /// A server that was registered, changed or switched; `asked` says whether somebody will ask it now.
    pub(super) fn follow(&self, server: &Server, asked: bool) {
        let mut all = self.write();
        // Another server under the same path has nothing of the one before.
        let before = all
            .get(&server.path)
            .filter(|before| before.registered_at == server.registered_at);
        let (was_on, generation) = before.map_or((false, 0), |before| (before.enabled, before.generation));
        let mut health = before.map(|before| before.health.clone()).unwrap_or_default();
        if server.enabled && !was_on {
            let status = if asked { Status::Checking } else { Status::Unknown };
            health = health.anew(status);
        }
        let state = State {
            generation: generation + 1,
            ..State::of(server, health)
        };
        self.put(&mut all, &server.path, state);
    }

    /// A server that is gone.
    pub(super) fn remove(&self, path: &ServerPath) {
        let mut all = self.write();
        if all.remove(path).is_some() {
            self.tell(path, None);
        }
    }

    /// Take over what a check of the record `generation` saw. None, when the record has changed or gone meanwhile.
    pub(super) fn learn(
        &self,
        path: &ServerPath,
        generation: u64,
        judge: impl FnOnce(&Health) -> Health,
    ) -> Option<Health> {
        let mut all = self.write();
        let before = all
            .get(path)
            .filter(|before| before.enabled && before.generation == generation)?;
        let health = judge(&before.health);
        if health.status.word() != before.health.status.word() {
            tracing::info!(
                server.path = %path,
                status = health.status.words(),
                before = before.health.status.word(),
                "a server is different"
            );
        }
        let after = State {
            health: health.clone(),
            is_checked: true,
            ..State::clone(before)
        };
        self.put(&mut all, path, after);
        Some(health)
    }

    /// Keep a state, and tell it if anybody could see the difference.
    fn put(&self, all: &mut All<'_>, path: &ServerPath, state: State) {
        let state = Arc::new(state);
        let before = all.insert(path.clone(), Arc::clone(&state));
        let same = before.is_some_and(|before| {
            before.shown(before.tools()) == state.shown(state.tools())
                && before.is_checked == state.is_checked
                && before.name == state.name
        });
        if !same {
            self.tell(path, Some(state));
        }
    }

    fn tell(&self, path: &ServerPath, state: Option<Arc<State>>) {
        // Nobody listens: nobody is told.
        self.updates.send((path.clone(), state)).ok();
    }

    fn write(&self) -> All<'_> {
        self.all.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::health::{Observation, Thresholds, judge};

    fn server(enabled: bool, registered: i64) -> Server {
        let sample = Server::sample("/w", "http://127.0.0.1:9/", &[]);
        Server {
            enabled,
            registered_at: Timestamp::from_unix(registered),
            ..sample
        }
    }

    fn up(health: &Health) -> Health {
        let seen = Observation {
            at: Timestamp::from_unix(7),
            seen: Status::Healthy,
            latency: None,
            transport: None,
        };
        let thresholds = Thresholds {
            failures: 3,
            successes: 2,
        };
        judge(health, &seen, thresholds)
    }

    fn word(states: &States) -> String {
        let path = "/w".parse().unwrap();
        states
            .of(&path)
            .map_or_else(|| "gone".to_owned(), |state| state.words())
    }

    #[test]
    fn what_was_seen_of_an_earlier_record_counts_for_nothing() {
        let (states, path): (_, ServerPath) = (States::new(), "/w".parse().unwrap());
        let mut heard = states.subscribe();
        states.follow(&server(true, 1), true);
        let asked = states.of(&path).unwrap().generation;
        assert!(states.learn(&path, asked, up).is_some());
        assert_eq!(word(&states), "healthy");
        // Edited, switched off or removed while it was asked.
        states.follow(&server(true, 1), true);
        assert!(states.learn(&path, asked, up).is_none());
        assert!(!states.of(&path).unwrap().is_checked);
        let asked = states.of(&path).unwrap().generation;
        states.follow(&server(false, 1), true);
        assert!(states.learn(&path, asked, up).is_none());
        assert_eq!(word(&states), "disabled");
        states.remove(&path);
        assert!(states.learn(&path, asked, up).is_none());
        assert_eq!(word(&states), "gone");
        let mut words = Vec::new();
        while let Ok((_, state)) = heard.try_recv() {
            words.push(state.map_or_else(|| "gone".to_owned(), |state| state.words()));
        }
        assert_eq!(words, ["checking", "healthy", "healthy", "disabled", "gone"]);
    }

    #[test]
    fn another_server_under_the_same_path_has_nothing_of_the_one_before() {
        let (states, path): (_, ServerPath) = (States::new(), "/w".parse().unwrap());
        states.follow(&server(true, 1), true);
        let asked = states.of(&path).unwrap().generation;
        states.learn(&path, asked, up).unwrap();
        states.follow(&server(true, 2), true);
        let now = states.of(&path).unwrap();
        assert_eq!((now.words().as_str(), now.health.checked_at), ("checking", None));
    }
}
