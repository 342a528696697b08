//! In which order servers are listed: a column's word in the address, with `-` before it the other way round.

use std::cmp::Reverse;

use super::server_row::{Condition, Eyes};
use crate::clock::Timestamp;
use crate::domain::server::Server;
use crate::web::view::pages::{Column, Direction};

/// A column that can be sorted by, as somebody chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    at: usize,
    is_turned: bool,
}

/// The columns: the word in the address, what it is called, and which way round it begins.
const COLUMNS: [(&str, &str, Direction); 6] = [
    ("name", "Server", Direction::Ascending),
    ("status", "Status", Direction::Ascending),
    ("tools", "Tools", Direction::Descending),
    ("checked", "Last check", Direction::Descending),
    ("stars", "Stars", Direction::Descending),
    ("source", "Source", Direction::Ascending),
];

/// What is compared.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
}

impl Order {
    /// What an address says; by name when it says nothing, or nothing that is known.
    pub(super) fn of(said: &str) -> Self {
        let word = said.strip_prefix('-').unwrap_or(said);
        let at = COLUMNS.iter().position(|(known, ..)| *known == word);
        Self {
            at: at.unwrap_or(0),
            is_turned: at.is_some() && word != said,
        }
    }

    /// How an address says it; nothing is said of the usual one.
    pub(super) fn said(self) -> Option<String> {
        let (word, ..) = self.column();
        let turned = if self.is_turned { "-" } else { "" };
        (self != Self::of("")).then(|| format!("{turned}{word}"))
    }

    fn column(self) -> &'static (&'static str, &'static str, Direction) {
        COLUMNS.get(self.at).unwrap_or(&COLUMNS[0])
    }

    fn direction(self) -> Direction {
        let (.., first) = *self.column();
        if self.is_turned { first.turned() } else { first }
    }

    /// The columns, each with the address that leads to it: of the one that is chosen, to its other way round.
    pub(super) fn columns(self, address: impl Fn(Self) -> String) -> Vec<Column> {
        let column = |(at, (word, name, _)): (usize, &(&'static str, &'static str, Direction))| {
            let is_here = at == self.at;
            Column {
                word,
                name,
                direction: is_here.then_some(self.direction()),
                href: address(Self {
                    at,
                    is_turned: is_here && !self.is_turned,
                }),
            }
        };
        COLUMNS.iter().enumerate().map(column).collect()
    }

    /// Put them in order; of two that are alike the name decides.
    pub(super) fn sort(self, eyes: &Eyes<'_>, servers: &mut [(Server, Condition)]) {
        servers.sort_by_cached_key(|(server, _)| (by_name(server), server.path.clone()));
        let (word, ..) = self.column();
        let key = |(server, condition): &(Server, Condition)| key(word, eyes, server, condition);
        match self.direction() {
            Direction::Ascending => servers.sort_by_cached_key(key),
            Direction::Descending => servers.sort_by_cached_key(|one| Reverse(key(one))),
        }
    }
}

fn by_name(server: &Server) -> Key {
    Key::Text(server.profile.name.to_lowercase())
}

fn key(word: &str, eyes: &Eyes<'_>, server: &Server, condition: &Condition) -> Key {
    match word {
        // What asks for somebody comes first.
        "status" => Key::Number(match condition.tone {
            "bad" => 0,
            "warn" => 1,
            "good" => 2,
            _ if server.enabled => 3,
            _ => 4,
        }),
        "tools" => Key::Number(eyes.tools(server)),
        "checked" => Key::Number(eyes.checked_at(server).map_or(i64::MIN, Timestamp::unix_ms)),
        "stars" => Key::Number(server.profile.num_stars),
        "source" => Key::Text(server.registered_by.to_lowercase()),
        _ => by_name(server),
    }
}
