//! How a server is: the state machine of its checks (contract, section 9).
//!
//! One answer that fails is no outage and one that succeeds is no recovery: a word changes after as many of one kind in a
//! row as the thresholds say. Only the first check of a server decides at once, because nothing is known before it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::server::Server;
use crate::clock::Timestamp;

/// How it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    /// Somebody asks for the first time right now.
    Checking,
    /// It answers.
    Healthy,
    /// It answers, and takes our credential no more.
    AuthExpired,
    /// It does not answer, or not as an MCP server; in words for its owner.
    Unhealthy(String),
}

impl Status {
    /// The word of the feed and the API: `healthy`, `healthy-auth-expired`, `unhealthy: <reason>`, `checking`, `unknown`.
    pub fn words(&self) -> String {
        match self {
            Self::Unhealthy(reason) => format!("unhealthy: {reason}"),
            other => other.word().to_owned(),
        }
    }

    /// The word alone.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Checking => "checking",
            Self::Healthy => "healthy",
            Self::AuthExpired => "healthy-auth-expired",
            Self::Unhealthy(_) => "unhealthy",
        }
    }

    /// From the word and the reason in the store.
    pub fn from_parts(word: &str, reason: &str) -> Self {
        match word {
            "healthy" => Self::Healthy,
            "healthy-auth-expired" => Self::AuthExpired,
            "unhealthy" => Self::Unhealthy(reason.to_owned()),
            _ => Self::Unknown,
        }
    }

    /// Why it is unhealthy; empty otherwise.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unhealthy(reason) => reason,
            _ => "",
        }
    }

    /// Whether calls can be expected to work.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Healthy | Self::AuthExpired)
    }
}

/// How a server is spoken with, found by asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Streamable HTTP of 2026-07-28 and later: no sessions.
    Modern,
    /// Streamable HTTP with `initialize`.
    StreamableHttp,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

impl Transport {
    /// The word in the store and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::StreamableHttp => "streamable-http",
            Self::Sse => "sse",
        }
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Modern, Self::StreamableHttp, Self::Sse]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

/// What one check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When it ended.
    pub at: Timestamp,
    /// How the server was: up or not.
    pub seen: Status,
    /// How long the first answer took.
    pub latency: Option<Duration>,
    /// How it was spoken with.
    pub transport: Option<Transport>,
}

/// How many of one kind in a row change the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures until it is unhealthy (`MAX_CONSECUTIVE_FAILURES`).
    pub failures: u32,
    /// Successes until it is healthy again (`MAX_CONSECUTIVE_SUCCESSES`).
    pub successes: u32,
}

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// The word that holds.
    pub status: Status,
    /// Failures in a row.
    pub failures: u32,
    /// Successes in a row.
    pub successes: u32,
    /// The last check.
    pub checked_at: Option<Timestamp>,
    /// When the word last changed.
    pub changed_at: Option<Timestamp>,
    /// How long the first answer took last time.
    pub latency: Option<Duration>,
    /// How it is spoken with.
    pub transport: Option<Transport>,
    /// How many tools it has, as far as is known.
    pub tools: Option<u32>,
    /// Its own name, if it said it.
    pub server_name: Option<String>,
    /// Its own version, if it said it.
    pub server_version: Option<String>,
}

impl Health {
    /// What stays of it when it is asked from the beginning, with a word until then.
    #[must_use]
    pub fn anew(self, status: Status) -> Self {
        Self {
            status,
            tools: self.tools,
            transport: self.transport,
            server_name: self.server_name,
            server_version: self.server_version,
            ..Self::default()
        }
    }

    /// How long the first answer took, in whole milliseconds.
    pub fn latency_ms(&self) -> Option<i64> {
        let millis = self.latency?.as_millis();
        Some(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// Whether the last checks disagree with the word: then the next one comes sooner.
    pub fn is_in_doubt(&self) -> bool {
        match self.status {
            Status::Unhealthy(_) => self.successes > 0,
            _ => self.failures > 0,
        }
    }
}

/// What is known after a check.
pub fn judge(before: &Health, seen: &Observation, thresholds: Thresholds) -> Health {
    let up = seen.seen.is_up();
    let (failures, successes) = if up {
        (0, before.successes.saturating_add(1))
    } else {
        (before.failures.saturating_add(1), 0)
    };
    let first = matches!(before.status, Status::Unknown | Status::Checking);
    let status = match (&before.status, up) {
        _ if first => seen.seen.clone(),
        (Status::Unhealthy(_), true) if successes < thresholds.successes => before.status.clone(),
        (Status::Healthy | Status::AuthExpired, false) if failures < thresholds.failures => {
            before.status.clone()
        }
        _ => seen.seen.clone(),
    };
    let changed = status.word() != before.status.word();
    Health {
        status,
        failures,
        successes,
        checked_at: Some(seen.at),
        changed_at: if changed { Some(seen.at) } else { before.changed_at },
        latency: seen.latency,
        transport: seen.transport.or(before.transport),
        ..before.clone()
    }
}

/// A wall clock this much ahead of the time that passed says that the machine slept.
const SLEPT: Duration = Duration::from_secs(5);

/// Whether the machine slept while `passed` went by on a clock that stands still then, and `wall` on one that does not. A
/// wall clock that was set back says nothing.
pub fn slept(wall: Duration, passed: Duration) -> bool {
    wall > passed + SLEPT
}

/// A server as listeners see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its display name, which permissions may name.
    pub name: String,
    /// Whether calls reach it.
    pub enabled: bool,
    /// How many tools its owner says it has, until it has said so itself.
    pub said_tools: i64,
    /// What is known.
    pub health: Health,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Counts the changes of its record, as far as whoever watches has seen them.
    pub generation: u64,
    /// Whether it has been checked since its record last changed.
    pub is_checked: bool,
}

impl State {
    /// A server's record and what is known of it.
    pub fn of(server: &Server, health: Health) -> Self {
        Self {
            name: server.profile.name.clone(),
            enabled: server.enabled,
            said_tools: server.profile.num_tools,
            health,
            registered_at: server.registered_at,
            generation: 0,
            is_checked: false,
        }
    }

    /// The word of the feed and of lists.
    pub fn words(&self) -> String {
        if self.enabled {
            self.health.status.words()
        } else {
            "disabled".to_owned()
        }
    }

    /// How many tools it has.
    pub fn tools(&self) -> i64 {
        self.health.tools.map_or(self.said_tools, i64::from)
    }

    /// What the feed and lists say of it to whoever is told of so many tools ([`super::tally`]).
    pub fn shown(&self, tools: i64) -> Shown {
        Shown {
            status: self.words(),
            last_checked_iso: self.health.checked_at,
            num_tools: tools,
        }
    }
}

/// A server's state in the words of the feed (contract, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// `healthy`, `unhealthy: <reason>`, …
    pub status: String,
    /// The last check.
    pub last_checked_iso: Option<Timestamp>,
    /// How many tools it has, as far as whoever reads this may use them.
    pub num_tools: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        failures: 3,
        successes: 2,
    };

    fn seen(up: bool) -> Observation {
        let seen = if up {
            Status::Healthy
        } else {
            Status::Unhealthy("it is gone".to_owned())
        };
        Observation {
            at: Timestamp::from_unix(7),
            seen,
            latency: None,
            transport: None,
        }
    }

    #[test]
    fn every_row_of_the_state_machine_holds() {
        // What is seen, one letter a check, and the words that follow.
        let rows = [
            ("u", "h"),
            ("d", "u"),
            ("uu", "hh"),
            ("ud", "hh"),
            ("udd", "hhh"),
            ("uddd", "hhhu"),
            ("uddudd", "hhhhhh"),
            ("du", "uu"),
            ("duu", "uuh"),
            ("dudu", "uuuu"),
            ("uddduu", "hhhuuh"),
            ("duud", "uuhh"),
        ];
        for (checks, words) in rows {
            let mut health = Health::default();
            let mut said = String::new();
            for check in checks.chars() {
                health = judge(&health, &seen(check == 'u'), THRESHOLDS);
                said.push(if health.status.is_up() { 'h' } else { 'u' });
            }
            assert_eq!(said, words, "{checks}");
        }
    }

    #[test]
    fn doubt_brings_the_next_check_sooner_and_a_new_reason_changes_no_word() {
        let up = judge(&Health::default(), &seen(true), THRESHOLDS);
        assert!(!up.is_in_doubt() && up.changed_at == Some(Timestamp::from_unix(7)));
        let doubt = judge(&up, &seen(false), THRESHOLDS);
        assert!(doubt.is_in_doubt() && doubt.status == Status::Healthy);
        let down = judge(&Health::default(), &seen(false), THRESHOLDS);
        assert!(
            !Health {
                failures: 9,
                ..down.clone()
            }
            .is_in_doubt()
        );
        let other = Observation {
            at: Timestamp::from_unix(9),
            seen: Status::Unhealthy("another reason".to_owned()),
            ..seen(false)
        };
        let down = judge(&down, &other, THRESHOLDS);
        assert_eq!(down.status.words(), "unhealthy: another reason");
        assert_eq!(down.changed_at, Some(Timestamp::from_unix(7)));
        let expired = Observation {
            seen: Status::AuthExpired,
            ..seen(true)
        };
        assert_eq!(
            judge(&up, &expired, THRESHOLDS).status.words(),
            "healthy-auth-expired"
        );
    }

    #[test]
    fn a_machine_slept_when_the_wall_clock_ran_ahead() {
        let rows = [
            (0, 0, false),
            (10, 10, false),
            (14, 10, false),
            (16, 10, true),
            (3_600, 1, true),
            (0, 10, false),
        ];
        for (wall, passed, expected) in rows {
            let said = slept(Duration::from_secs(wall), Duration::from_secs(passed));
            assert_eq!(said, expected, "{wall} s on the wall, {passed} s passed");
        }
    }

    #[test]
    fn a_status_comes_back_from_the_store() {
        for status in [
            Status::Healthy,
            Status::AuthExpired,
            Status::Unhealthy("x: y".to_owned()),
            Status::Unknown,
        ] {
            assert_eq!(Status::from_parts(status.word(), status.reason()), status);
        }
        // Nobody asks any more after a restart.
        assert_eq!(Status::from_parts(Status::Checking.word(), ""), Status::Unknown);
    }
}
